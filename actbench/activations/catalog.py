"""Every activation by name: typed options, one line, source, and where its class lives. Imports no torch.

An activation is constructed as `Class(num_channels, channel_dim=1, **options)`; a test holds the options of
an entry equal to the constructor's signature, defaults included. A user's own are added by `plugins.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from actbench.errors import ActbenchError
from actbench.frozen import Frozen, NoOptions, Options

Sharing = Literal["channel", "layer"]
Freeze = Literal["none", "heights", "all"]


OptionValue = bool | int | float | str | None | tuple[bool | int | float | str, ...]
"""What an option can be, whatever declares it."""


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


class PluginSource(Frozen):
    """Where a user's own activation comes from, and what it was when it was imported."""

    file: str | None = None
    """As it was named; None for a package's."""
    package: str | None = None
    """Name and version of the package; None for a file's."""
    sha256: str
    """Of the whole file, or of all the package's files."""
    defaults: dict[str, OptionValue] = Field(default_factory=dict)
    """The default of each option, so that a record can be read without the plug-in."""

    @property
    def label(self) -> str:
        return self.file or self.package or "a plug-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationEntry:
    name: str
    target: str
    """`module:Class`, imported only when the activation is made."""
    options: type[Options] = NoOptions
    arguments: tuple[str, ...] = ("num_channels", "channel_dim")
    """What the constructor takes beside its options."""
    learns_curve: bool = False
    """Whether it is pointwise and has parameters, so that records hold the curves it learns."""
    summary: str
    source: str
    plugin: PluginSource | None = None
    """None for our own."""


_ENTRIES = (
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
        target="actbench.activations.pointwise:Mish",
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
        summary="max(x, T(x)), T a depthwise 3x3 convolution and BN, on images only",
        source="Ma et al., 2020, arXiv:2007.11824",
    ),
    ActivationEntry(
        name="series",
        target="actbench.activations.series:Series",
        options=SeriesOptions,
        summary="VanillaNet's series activation: base, depthwise (2n+1)x(2n+1) convolution, BN",
        source="Chen et al., 2023, arXiv:2305.12972",
    ),
    ActivationEntry(
        name="lslu",
        target="actbench.activations.lslu:LSLU",
        options=LSLUOptions,
        summary="n scaled and shifted ReLUs in a chain, then series, as the official code computes it",
        source="Feng et al., 2024, arXiv:2409.08283",
    ),
    ActivationEntry(
        name="lslu_parallel",
        target="actbench.activations.lslu:LSLUParallel",
        options=LSLUParallelOptions,
        summary="sum of n scaled ReLUs with the shifts inside, then series, as the paper's wording suggests",
        source="Feng et al., 2024, arXiv:2409.08283",
    ),
    ActivationEntry(
        name="pwlu",
        target="actbench.activations.pwlu:PWLU",
        options=PWLUOptions,
        learns_curve=True,
        summary="piecewise-linear on N uniform intervals: heights, range and outer slopes learnt, after a ReLU phase",
        source="Zhou et al., 2021, arXiv:2104.03693",
    ),
)

ENTRIES: dict[str, ActivationEntry] = {entry.name: entry for entry in _ENTRIES}
_RESERVED = frozenset([*ENTRIES, "native"])


def add_plugin_entries(entries: Sequence[ActivationEntry]) -> None:
    """Adds a plug-in's activations, in place of what the same file gave before. Raises ActbenchError, adding none, for
    a name that is built in or another plug-in's."""
    added = {entry.name: entry for entry in entries}
    files = {entry.plugin.file for entry in entries if entry.plugin and entry.plugin.file}
    kept = {
        name: entry for name, entry in ENTRIES.items() if not (entry.plugin and entry.plugin.file in files)
    }
    for name, entry in added.items():
        assert entry.plugin is not None
        if name in _RESERVED:
            raise ActbenchError(
                f"{name!r} is built in and cannot be overridden",
                where=entry.plugin.label,
                hints=["give the class another name, one that a table can show beside the built-in"],
            )
        other = kept.get(name)
        if other is not None and other.plugin is not None and other.plugin.sha256 != entry.plugin.sha256:
            raise ActbenchError(
                f"{name!r} is an activation of {other.plugin.label} already", where=entry.plugin.label
            )
    for name in ENTRIES.keys() - kept.keys():
        del ENTRIES[name]
    ENTRIES.update(added)
