"""Every activation by name: typed options, one line, source, and where its class lives. Imports no torch.

An activation is constructed as `Class(num_channels, channel_dim=1, **options)`; a test holds the options of
an entry equal to the constructor's signature, defaults included. A user's own are added by `plugins.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from actbench.activations.plugin_source import PluginSource
from actbench.frozen import NoOptions, Options, OptionValue

Sharing = Literal["channel", "layer"]
Freeze = Literal["none", "heights", "all"]
RationalVersion = Literal["A", "B", "C", "D"]
CurveName = Literal[
    "identity",
    "tanh",
    "sigmoid",
    "x_gelu",
    "x_silu",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "hardswish",
    "mish",
    "softplus",
    "relu2",
    "talu",
]
"""Curves that a rational can start as: parameter-free activations by name with their default options, and a few more;
x_gelu is x * gelu(x), what gated units with both halves equal compute."""
Coefficients = Literal["fitted", "published"]
Surrogate = Literal["identity", "relu", "leaky", "clipped"]
DyReLUVariant = Literal["A", "B", "C"]
DyReLUInit = Literal["zero", "default"]
DyReLUGate = Literal["sigmoid", "hard_sigmoid_6", "hard_sigmoid_2"]
Positive = Literal["softplus", "none"]
SlotInner = Literal[
    "relu",
    "relu6",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "swish",
    "hardswish",
    "mish",
    "softplus",
    "relu2",
]
"""What a slot can hold: pointwise activations, with their default options."""


class LeakyReLUOptions(Options):
    negative_slope: float = Field(0.01, ge=-1, le=1)


class PReLUOptions(Options):
    init: float = Field(0.25, ge=-1, le=1)
    sharing: Sharing = "channel"
    freeze: bool = False


class ELUOptions(Options):
    alpha: float = Field(1.0, gt=0)


class GELUOptions(Options):
    approximate: Literal["none", "tanh"] = "none"


class SwishOptions(Options):
    beta: float = 1.0
    sharing: Sharing = "channel"
    freeze: bool = False


class SoftplusOptions(Options):
    beta: float = Field(1.0, gt=0)


class SeriesOptions(Options):
    n: int = Field(3, ge=1, le=15)
    base: Literal["relu", "silu", "swish"] = "relu"


class LSLUOptions(Options):
    n: int = Field(3, ge=1, le=15)
    freeze: bool = False


class LSLUParallelOptions(Options):
    n: int = Field(3, ge=1, le=15)
    sharing: Sharing = "layer"
    spread: float = Field(1.0, ge=0)
    freeze: bool = False


class PWLUOptions(Options):
    intervals: int = Field(16, ge=2, le=64, multiple_of=2)
    """N; even, so that 0 is a knot of the start."""
    sharing: Sharing = "channel"
    bound: float = Field(3.0, gt=0, le=1000)
    """The start covers [-bound, bound]."""
    phase_epochs: int = Field(5, ge=0)
    """Epochs of phase one; 0 learns from the first step on [-bound, bound], without realignment."""
    freeze: Freeze = "none"
    decay: bool = False
    """Whether the model's weight decay applies to the heights."""


class DyReLUOptions(Options):
    variant: DyReLUVariant = "B"
    """A: one set of lines per image; B: per channel; C: per channel, with a share per place."""
    reduction: int = Field(8, ge=1)
    """R: the hidden layer has max(1, C // R) units."""
    pieces: int = Field(2, ge=1, le=16)
    """K."""
    init: DyReLUInit = "zero"
    gate: DyReLUGate = "sigmoid"


class RationalOptions(Options):
    version: RationalVersion = "A"
    numerator: int = Field(5, ge=1, le=7)
    denominator: int = Field(4, ge=1, le=7)
    init: CurveName = "gelu"
    interval: float = Field(3.0, ge=1e-3, le=1000)
    """The start is fitted on [-interval, interval]; on narrower ones coefficients would leave float32."""
    coefficients: Coefficients = "fitted"
    sharing: Sharing = "layer"
    freeze: bool = False
    decay: bool = False
    """Whether the model's weight decay applies to the coefficients."""


class GRKANOptions(Options):
    groups: int = Field(8, ge=1)
    """Must divide the number of channels."""
    denominator: Literal["A", "B"] = "A"
    """A: the released kernels' sum of |b_j||x|^j; B: the paper's equation 12, |sum of b_j x^j|."""
    share: Literal["numerator", "denominator", "none"] = "numerator"
    """Which polynomial all groups have in common."""
    init: CurveName = "silu"
    coefficients: Coefficients = "fitted"
    freeze: bool = False
    decay: bool = False
    """Whether the model's weight decay applies to the coefficients."""


class ThresholdOptions(Options):
    amplitude: float = 1.0
    surrogate: Surrogate = "identity"
    """What backward takes for the step's derivative."""
    sharing: Sharing = "channel"
    freeze: bool = False


class APALUOptions(Options):
    a: float = Field(0.55, gt=0)
    b: float = Field(0.065, gt=0)
    sharing: Sharing = "layer"
    positive: Positive = "softplus"
    """How a and b are kept positive: by learning their inverse softplus, or not at all."""
    freeze: bool = False


class SqishOptions(Options):
    form: Literal["sqrt", "sigmoid"] = "sqrt"
    a: float = Field(0.05, ge=0, le=1)
    beta: float = Field(1.0, gt=0)
    gamma: float = Field(1.0, gt=0)
    sharing: Sharing = "layer"
    freeze: bool = False


class ACONCOptions(Options):
    p1: float = 1.0
    p2: float = 0.0
    beta: float = 1.0
    sharing: Sharing = "channel"
    freeze: bool = False


class SMUOptions(Options):
    alpha: float = Field(0.01, ge=0, lt=1)
    mu: float = Field(2.5, gt=0)
    sharing: Sharing = "layer"
    freeze: bool = False


class TaLUOptions(Options):
    alpha: float = Field(1.0, gt=0)
    clamp: float | None = Field(None, lt=0)
    """Below it the curve is flat; None for a whole tangent."""


class FourierSeriesOptions(Options):
    terms: int = Field(5, ge=1, le=64)
    half_period: float = Field(3.0, gt=0)
    """L: the start is ReLU's series on [-L, L]."""
    sharing: Sharing = "layer"
    freeze: bool = False


class LinearCombinationOptions(Options):
    normalise: Literal["sum", "softmax"] = "sum"
    sharing: Sharing = "layer"
    freeze: bool = False


class SlotDepthwiseOptions(Options):
    inner: SlotInner = "relu"
    n: int = Field(3, ge=1, le=15)


class SlotGatedOptions(Options):
    inner: SlotInner = "relu"


class SlotGroupsOptions(Options):
    inner: SlotInner = "relu"
    groups: int = Field(8, ge=1)
    """Must divide the number of channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What an activation has around its curve, as an activation that holds any other curve there."""

    activation: str
    """With an option `inner`; of its other options those are the arm's that the arm has too."""
    options: Mapping[str, int | float | str] = field(default_factory=dict)
    """What the slot is where the arm has no option that says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationEntry:
    """An activation, as all who ask for it by name need to know it."""

    name: str
    target: str
    """`module:Class`, imported only when the activation is made."""
    options: type[Options] = NoOptions
    arguments: tuple[str, ...] = ("num_channels", "channel_dim")
    """What the constructor takes beside its options."""
    learns_curve: bool = False
    """Whether it is pointwise and has parameters, so that records hold the curves it learns."""
    has_parameters: bool = False
    """Whether it has parameters though it is no curve; those that learn a curve need not say so."""
    without_method: dict[str, OptionValue] = field(default_factory=dict)
    """Options with which it learns by gradient descent alone, where it has a method of its own beside that."""
    gated: bool = False
    """Whether it takes gates and values, twice the channels that it gives."""
    slot: Slot | None = None
    """What of it is no curve, for the control that gives a baseline the same; None where it is a curve alone."""
    summary: str
    source: str
    plugin: PluginSource | None = None
    """None for our own."""

    @property
    def learns(self) -> bool:
        """Whether it has parameters; of a plug-in this is not known before it is made."""
        return self.learns_curve or self.has_parameters


DEPTHWISE, GATED, GROUPS = (
    Slot(activation="slot_depthwise"),
    Slot(activation="slot_gated"),
    Slot(activation="slot_groups"),
)

_ENTRIES = (
    ActivationEntry(
        name="identity",
        target="actbench.activations.pointwise:Identity",
        summary="x: no activation, for sites that an arm leaves linear",
        source="none",
    ),
    ActivationEntry(
        name="relu",
        target="actbench.activations.pointwise:ReLU",
        summary="max(x, 0)",
        source="Nair and Hinton, ICML 2010",
    ),
    ActivationEntry(
        name="relu6",
        target="actbench.activations.pointwise:ReLU6",
        summary="min(max(x, 0), 6), MobileNet-V2's own",
        source="Krizhevsky, 2010",
    ),
    ActivationEntry(
        name="leaky_relu",
        target="actbench.activations.pointwise:LeakyReLU",
        options=LeakyReLUOptions,
        summary="x where positive, negative_slope * x elsewhere",
        source="Maas et al., ICML 2013 workshop",
    ),
    ActivationEntry(
        name="prelu",
        target="actbench.activations.prelu:PReLU",
        options=PReLUOptions,
        learns_curve=True,
        summary="leaky ReLU with a learnable slope, per channel or per layer",
        source="He et al., 2015, arXiv:1502.01852",
    ),
    ActivationEntry(
        name="elu",
        target="actbench.activations.pointwise:ELU",
        options=ELUOptions,
        summary="x where positive, alpha * (exp(x) - 1) elsewhere",
        source="Clevert et al., 2015, arXiv:1511.07289",
    ),
    ActivationEntry(
        name="selu",
        target="actbench.activations.pointwise:SELU",
        summary="scaled ELU with the self-normalising constants",
        source="Klambauer et al., 2017, arXiv:1706.02515",
    ),
    ActivationEntry(
        name="gelu",
        target="actbench.activations.pointwise:GELU",
        options=GELUOptions,
        summary="x * Phi(x), Phi the standard normal distribution function",
        source="Hendrycks and Gimpel, 2016, arXiv:1606.08415",
    ),
    ActivationEntry(
        name="silu",
        target="actbench.activations.pointwise:SiLU",
        summary="x * sigmoid(x), slope fixed at 1 (what papers call Swish-1)",
        source="Elfwing et al., 2017, arXiv:1702.03118",
    ),
    ActivationEntry(
        name="swish",
        target="actbench.activations.swish:Swish",
        options=SwishOptions,
        learns_curve=True,
        summary="x * sigmoid(beta * x) with beta learnable per channel, starting at 1",
        source="Ramachandran et al., 2017, arXiv:1710.05941",
    ),
    ActivationEntry(
        name="hardswish",
        target="actbench.activations.pointwise:Hardswish",
        summary="x * min(max(x + 3, 0), 6) / 6, MobileNet-V3's own beside ReLU",
        source="Howard et al., 2019, arXiv:1905.02244",
    ),
    ActivationEntry(
        name="mish",
        target="actbench.activations.mish:Mish",
        summary="x * tanh(softplus(x))",
        source="Misra, 2019, arXiv:1908.08681",
    ),
    ActivationEntry(
        name="softplus",
        target="actbench.activations.pointwise:Softplus",
        options=SoftplusOptions,
        summary="log(1 + exp(beta * x)) / beta",
        source="Dugas et al., NIPS 2000",
    ),
    ActivationEntry(
        name="frelu",
        target="actbench.activations.frelu:FReLU",
        slot=Slot(activation="slot_depthwise", options={"n": 1}),
        has_parameters=True,
        summary="max(x, T(x)), T a depthwise 3x3 convolution and BN, on images only",
        source="Ma et al., 2020, arXiv:2007.11824",
    ),
    ActivationEntry(
        name="series",
        target="actbench.activations.series:Series",
        has_parameters=True,
        options=SeriesOptions,
        slot=DEPTHWISE,
        summary="VanillaNet's series activation: base, depthwise (2n+1)x(2n+1) convolution, BN",
        source="Chen et al., 2023, arXiv:2305.12972",
    ),
    ActivationEntry(
        name="lslu",
        target="actbench.activations.lslu:LSLU",
        has_parameters=True,
        options=LSLUOptions,
        slot=DEPTHWISE,
        summary="n scaled and shifted ReLUs in a chain, then series, as the official code computes it",
        source="Feng et al., 2024, arXiv:2409.08283",
    ),
    ActivationEntry(
        name="lslu_parallel",
        target="actbench.activations.lslu:LSLUParallel",
        has_parameters=True,
        options=LSLUParallelOptions,
        slot=DEPTHWISE,
        summary="sum of n scaled ReLUs with the shifts inside, then series, as the paper's wording suggests",
        source="Feng et al., 2024, arXiv:2409.08283",
    ),
    ActivationEntry(
        name="pwlu",
        target="actbench.activations.pwlu:PWLU",
        without_method={"phase_epochs": 0},
        options=PWLUOptions,
        learns_curve=True,
        summary="piecewise-linear on N uniform intervals: heights, range and outer slopes learnt, after a ReLU phase",
        source="Zhou et al., 2021, arXiv:2104.03693",
    ),
    ActivationEntry(
        name="apalu",
        target="actbench.activations.apalu:APALU",
        options=APALUOptions,
        learns_curve=True,
        summary="a * (x + x * sigmoid(1.702 x)) where positive, b * (exp(x) - 1) elsewhere, a and b learnable",
        source="Subramanian et al., 2024, arXiv:2402.08244",
    ),
    ActivationEntry(
        name="sqish",
        target="actbench.activations.sqish:Sqish",
        options=SqishOptions,
        learns_curve=True,
        summary="a smooth leaky ReLU by the root of a sigmoid; slope a, beta and gamma learnable",
        source="Biswas, Karri, Bagci, 2023, arXiv:2310.10126",
    ),
    ActivationEntry(
        name="acon_c",
        target="actbench.activations.acon:ACONC",
        options=ACONCOptions,
        learns_curve=True,
        summary="smooth maximum of the lines p1 * x and p2 * x; both slopes and the switch learnable",
        source="Ma et al., 2020, arXiv:2009.04759",
    ),
    ActivationEntry(
        name="smu",
        target="actbench.activations.smu:SMU",
        options=SMUOptions,
        learns_curve=True,
        summary="a leaky ReLU of slope alpha made smooth by erf, its sharpness mu learnable",
        source="Biswas et al., 2021, arXiv:2111.04682",
    ),
    ActivationEntry(
        name="talu",
        target="actbench.activations.talu:TaLU",
        options=TaLUOptions,
        summary="x where positive, alpha * tanh(x) elsewhere, flat below clamp",
        source="Hasan et al., 2023, arXiv:2305.04402",
    ),
    ActivationEntry(
        name="fourier_series",
        target="actbench.activations.fourier_series:FourierSeries",
        options=FourierSeriesOptions,
        learns_curve=True,
        summary="truncated Fourier series, coefficients and base frequency learnable, from ReLU's on [-L, L]",
        source="Liao, 2020, arXiv:2004.13271",
    ),
    ActivationEntry(
        name="linear_combination",
        target="actbench.activations.linear_combination:LinearCombination",
        options=LinearCombinationOptions,
        learns_curve=True,
        summary="weighted mean of ReLU, sigmoid, tanh and the identity, weights learnable",
        source="Liao, 2020, arXiv:2004.13271",
    ),
    ActivationEntry(
        name="relu2",
        target="actbench.activations.relu2:ReLU2",
        summary="max(x, 0)^2",
        source="Zhang et al., 2024, arXiv:2402.03804; So et al., 2021, arXiv:2109.08668",
    ),
    ActivationEntry(
        name="threshold",
        target="actbench.activations.threshold:Threshold",
        options=ThresholdOptions,
        learns_curve=True,
        summary="learnable amplitude where x >= 0, else 0, with a straight-through gradient",
        source="Ergen et al., 2023, arXiv:2303.03382",
    ),
    ActivationEntry(
        name="rational",
        target="actbench.activations.rational:Rational",
        options=RationalOptions,
        learns_curve=True,
        summary="Pade unit: quotient of two polynomials with learnt coefficients, started as any other curve",
        source="Molina et al., 2019, arXiv:1907.06732; Fang et al., 2022, arXiv:2208.14111",
    ),
    ActivationEntry(
        name="gr_kan",
        target="actbench.activations.gr_kan:GRKAN",
        options=GRKANOptions,
        learns_curve=True,
        slot=GROUPS,
        summary="KAT's group rational: one Pade unit per group of channels, with a common numerator",
        source="Yang and Wang, 2024, arXiv:2409.10594",
    ),
    ActivationEntry(
        name="reglu",
        target="actbench.activations.gated:ReGLU",
        gated=True,
        slot=GATED,
        summary="max(g, 0) * u, g and u the two halves of the channels",
        source="Shazeer, 2020, arXiv:2002.05202",
    ),
    ActivationEntry(
        name="geglu",
        target="actbench.activations.gated:GEGLU",
        gated=True,
        slot=GATED,
        summary="gelu(g) * u, g and u the two halves of the channels",
        source="Shazeer, 2020, arXiv:2002.05202",
    ),
    ActivationEntry(
        name="swiglu",
        target="actbench.activations.gated:SwiGLU",
        gated=True,
        slot=GATED,
        summary="silu(g) * u, g and u the two halves of the channels",
        source="Shazeer, 2020, arXiv:2002.05202",
    ),
    ActivationEntry(
        name="drelu",
        target="actbench.activations.gated:DReLU",
        gated=True,
        slot=GATED,
        summary="max(g, 0) * max(u, 0), g and u the two halves of the channels",
        source="Song et al., 2024, arXiv:2406.05955",
    ),
    ActivationEntry(
        name="dyrelu",
        target="actbench.activations.dyrelu:DyReLU",
        has_parameters=True,
        options=DyReLUOptions,
        summary="largest of K lines, their slopes and offsets computed from the whole input by a small network",
        source="Chen et al., 2020, arXiv:2003.10027",
    ),
    ActivationEntry(
        name="slot_depthwise",
        target="actbench.activations.slot:SlotDepthwise",
        options=SlotDepthwiseOptions,
        slot=DEPTHWISE,
        summary="any pointwise activation in the place of LSLU's: then depthwise (2n+1)x(2n+1) convolution, BN",
        source="a control: Chen et al., 2023, arXiv:2305.12972, around another curve",
    ),
    ActivationEntry(
        name="slot_gated",
        target="actbench.activations.slot:SlotGated",
        options=SlotGatedOptions,
        gated=True,
        slot=GATED,
        summary="f(g) * u, f any pointwise activation, g and u the two halves of the channels",
        source="a control: Shazeer, 2020, arXiv:2002.05202, with another curve",
    ),
    ActivationEntry(
        name="slot_groups",
        target="actbench.activations.slot:SlotGroups",
        options=SlotGroupsOptions,
        learns_curve=True,
        slot=GROUPS,
        summary="a * f(b * x), f any pointwise activation, a and b learnable for each group of channels",
        source="a control: the groups of Yang and Wang, 2024, arXiv:2409.10594, with another curve",
    ),
)


ENTRIES: dict[str, ActivationEntry] = {entry.name: entry for entry in _ENTRIES}
