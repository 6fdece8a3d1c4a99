"""What a recipe holds once it is checked: frozen, typed, every value in its range.

`load.py` alone makes these from YAML. Fractions are fractions, sizes are pixels, lengths are epochs unless the
name says otherwise. A field that equals its default is left out of the hashes (see `hashing.py`), so a new field
with a default invalidates no stored run.
"""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, StringConstraints, model_validator

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.activations.plugin_source import PluginSource
from actbench.data.catalog import ENTRIES as DATA_SETS
from actbench.data.catalog import DataOptions
from actbench.data.settings import InputSettings
from actbench.frozen import Frozen, NoOptions, Options, OptionValue, UntypedOptions
from actbench.models.catalog import ArmModel, ModelOptions
from actbench.recipe.ablated import Donor, Frozenness, Spare
from actbench.recipe.consistency import check_consistent
from actbench.recipe.own_training import of_length, with_rates
from actbench.recipe.tune_settings import Seed, TuneSettings
from actbench.stats.contrasts import DEFAULT_METHOD, Method

Attack = Literal["fgsm", "pgd", "noise"]
Profile = Literal["paper", "lite", "smoke"]
PROFILES: tuple[Profile, ...] = ("paper", "lite", "smoke")
Control = Literal["params", "macs", "time", "slot"]
"""In which respect a baseline is made equal to another arm (`fair/controls.py`)."""

Part = Literal["tune", "fair", "calibrate", "ablate"]
"""tune: trials that choose settings; fair: tuned arms and controls; calibrate: what the bench can see; ablate: what of
an activation it is that helps."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class EMASettings(Frozen):
    """Moving average of the weights: a decay as given, or one whose horizon is a share of all steps."""

    horizon: float | None = Field(None, gt=0, le=1)
    decay: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_of_two(self) -> "EMASettings":
        if (self.horizon is None) == (self.decay is None):
            raise ValueError("give either horizon (a share of all steps) or decay, not both")
        return self


class EarlyStoppingSettings(Frozen):
    patience: int = Field(10, ge=1)
    min_delta: Fraction = 0.0


class TrainSettings(Frozen):
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(128, ge=2, le=65_536)
    """Images per update."""
    accumulation: int = Field(1, ge=1, le=256)
    """Parts into which a batch is cut so that it fits in memory."""
    optimizer: Literal["sgd", "rmsprop", "adamw", "lamb"] = "sgd"
    lr: Positive
    min_lr: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    eps: float = Field(1e-8, gt=0)
    rms_decay: float = Field(0.9, ge=0, lt=1)
    """Decay of rmsprop's moving average of squared gradients."""
    schedule: Literal["cosine", "linear", "step", "exponential", "constant"] = "cosine"
    milestones: tuple[Fraction, ...] = (0.5, 0.75)
    """Where the step schedule drops, as shares of the epochs."""
    gamma: float = Field(0.1, gt=0, lt=1)
    """Factor of each drop of the step and the exponential schedule."""
    decay_every: float = Field(1.0, gt=0)
    """Epochs between the drops of the exponential schedule."""
    warmup_epochs: NonNegative = 0.0
    loss: Literal["cross_entropy", "bce"] = "cross_entropy"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0)
    ema: EMASettings | None = None
    amp: Literal["none", "bf16"] = "none"
    channels_last: bool = False
    compile: bool = False
    """Training by torch.compile; evaluation stays as it is (see `training/graphs.py`, as for the next)."""
    capture: bool = False
    """On a GPU: each update replayed as one CUDA graph, which pays for small networks; elsewhere without effect."""
    early_stopping: EarlyStoppingSettings | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "TrainSettings":
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr:g} is above lr {self.lr:g}")
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of accumulation {self.accumulation}"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError("milestones must rise")
        return self


class RobustnessSettings(Frozen):
    """Accuracy under attack of the last weights (see `training/attack.py`), on the test set after training."""

    attacks: tuple[Attack, ...] = Field(("fgsm", "pgd", "noise"), min_length=1)
    eps: tuple[Annotated[float, Field(ge=0.25, le=255)], ...] = Field((1, 2, 4, 8), min_length=1)
    """The largest change of a pixel, in 255ths of full brightness."""
    pgd_steps: int = Field(10, ge=1, le=1000)
    images: int | None = Field(None, ge=1)
    """At most so many test pictures, the first in canonical order, which hashes decide; null: all."""

    @model_validator(mode="after")
    def _once(self) -> "RobustnessSettings":
        for name, values in (("attacks", self.attacks), ("eps", self.eps)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: an entry stands here more than once")
        return self


class EvaluationSettings(Frozen):
    protocol: Literal["held-out", "best-test", "validation"] = "held-out"
    """validation: as held-out, but the test set stays shut; for runs that only choose settings (`fair/tuning.py`)."""
    val_fraction: float = Field(0.1, gt=0, lt=1)
    every: int = Field(1, ge=1)
    """Epochs between evaluations; the last epoch is always evaluated."""
    batch_size: int = Field(500, ge=1, le=65_536)
    robustness: RobustnessSettings | None = None


class ArmTrain(Frozen):
    """The only differences in training an arm may have beside its activation; tables name them in a footnote."""

    lr_factor: float = Field(1.0, gt=0)
    """Factor on lr for the activation's own parameters."""
    weight_decay_factor: float = Field(1.0, ge=0)
    """Factor on the weight decay of those of the activation's own parameters that are decayed at all."""
    deep_lambda: float | None = Field(None, ge=0, le=1)
    """Holds VanillaNet's lambda at this value instead of its schedule."""
    lr: Positive | None = None
    """Learning rate of the whole network; `min_lr` keeps its share of it."""
    weight_decay: NonNegative | None = None
    """Weight decay of the whole network."""
    epochs: int | None = Field(None, ge=1, le=10_000)
    """Another length; what the recipe tells in epochs is shortened or stretched with it."""


class Arm(Frozen):
    name: Name
    activation: str
    options: SerializeAsAny[Options] = NoOptions.model_construct()
    sites: Literal["all", "stem"] | tuple[str, ...] = "all"
    """Which sites get the activation: all, the stem's, or globs over site names; the others get `fill`."""
    fill: str = "relu"
    fill_options: SerializeAsAny[Options] = NoOptions.model_construct()
    train: ArmTrain = ArmTrain.model_construct()
    model: ArmModel = ArmModel.model_construct()
    """Options of the recipe's model that this arm has otherwise; weights that both have still start alike."""
    salt: int = Field(0, ge=0, lt=2**31)
    """Another value draws every random number of the run from other streams: the same arm with other luck."""
    stands_for: tuple[Name, ...] = ()
    """Names of other arms that would be this one, such as one control of several arms. A label: no hash holds it, and
    no recipe's file says it."""
    frozen: Frozenness = "no"
    shared: bool = False
    """One set of the activation's parameters for all its sites, where their shapes agree."""
    donors: tuple[Donor, ...] = ()
    """For frozen: donor. A run takes the first that has another seed. No recipe's file says it, nor the next."""
    spare: Spare | None = None
    """Scalars without a shape behind the activation, as many as another one would have parameters."""
    plugins: dict[str, PluginSource] = Field(default_factory=dict)
    """Which of `activation` and `fill` are a user's own, and their source: from the catalogue, or from a record. No
    recipe's file says it."""

    @property
    def is_gated(self) -> bool:
        """Whether its activation takes twice the channels that it gives."""
        return self.activation in ACTIVATIONS and ACTIVATIONS[self.activation].gated

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_activations(cls, values: object) -> object:
        """Types the options by the catalogue's classes, so that an arm read back from a record is whole again.

        Those of a plug-in stay as the record has them: it may not be at hand, or have other options by now.
        """
        if not isinstance(values, dict):
            return values
        activation, fill = str(values.get("activation")), str(values.get("fill", "relu"))
        typed: dict[str, object] = {}
        if "plugins" not in values:
            entries = {name: ACTIVATIONS[name].plugin for name in (activation, fill) if name in ACTIVATIONS}
            typed["plugins"] = {name: plugin for name, plugin in entries.items() if plugin}
        for key, name in (("options", activation), ("fill_options", fill)):
            if isinstance(given := values.get(key, {}), dict):
                entry = ACTIVATIONS.get(name)
                declared: type[Options] = entry.options if entry else NoOptions
                model = UntypedOptions if name in values.get("plugins", {}) else declared
                typed[key] = model.model_validate(given)
        return {**values, **typed}

    @model_validator(mode="after")
    def _known(self) -> "Arm":
        for key, name in (("activation", self.activation), ("fill", self.fill)):
            if name != "native" and name not in ACTIVATIONS and name not in self.plugins:
                raise ValueError(f"{key}: unknown activation {name!r}")
        if self.frozen == "donor" and len({donor.seed for donor in self.donors}) < 2:
            raise ValueError(
                "frozen: donor needs two runs whose shapes to take, which `ablate` finds by itself"
            )
        return self

    @property
    def is_ablated(self) -> bool:
        return self.frozen != "no" or self.shared or self.spare is not None

    def donor_of(self, seed: int) -> Donor:
        """Whose shape the run of that seed takes."""
        return next(donor for donor in self.donors if donor.seed != seed)

    def chosen_options(self) -> dict[str, OptionValue]:
        """The activation's options that differ from their default, as plain data."""
        return self._chosen(self.activation, self.options)

    def chosen_fill_options(self) -> dict[str, OptionValue]:
        """The same of `fill`."""
        return self._chosen(self.fill, self.fill_options)

    def _chosen(self, name: str, options: Options) -> dict[str, OptionValue]:
        chosen: dict[str, OptionValue] = options.model_dump(mode="json", exclude_defaults=True)
        source = self.plugins.get(name)
        defaults = source.model_dump(mode="json")["defaults"] if source else {}
        return {key: value for key, value in chosen.items() if key not in defaults or value != defaults[key]}


class AnalysisSettings(Frozen):
    """How finished runs are compared, fixed before there are any; no run depends on it, so no hash holds it."""

    method: Method = DEFAULT_METHOD
    margin: Positive = 0.5
    """Points: arms shown to lie within it of the best one are printed bold."""


class Variant(Frozen):
    """A named set of overrides; every variant trains all arms on its own equal footing."""

    name: Name
    set: tuple[str, ...] = Field(min_length=1)


class Recipe(Frozen):
    """One experiment under one profile (and one variant): everything resolved, nothing left to look up."""

    name: Name
    title: str = ""
    paper: Name | None = None
    """Key of the paper's file in actbench/papers."""
    table: Name | None = None
    """Which table of that paper this recipe stands beside."""
    claim: str | None = None
    task: Literal["classify", "detect", "text"] = "classify"
    profile: Profile
    variant: Name | None = None
    part: Part | None = None
    """Which part of another recipe this was made for (see `fair/naming.py`); no recipe's file says it."""
    data: DataOptions
    limit: int | None = Field(None, ge=2)
    """At most this many training and this many test images, set by --limit: stratified, or for detection the first
    by name's hash (and no more of a val part of the set's own)."""
    input: InputSettings = InputSettings.model_construct()
    model: ModelOptions
    arms: tuple[Arm, ...] = Field(min_length=1)
    baselines: tuple[Name, ...] = ("relu", "swish")
    train: TrainSettings
    evaluation: EvaluationSettings = EvaluationSettings.model_construct()
    analysis: AnalysisSettings = AnalysisSettings.model_construct()
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1)
    tune: TuneSettings | None = None
    """What is tried for every arm before the arms are compared; None: all arms have the recipe's settings."""
    controls: tuple[Control, ...] = ()
    """Baselines made equal to each other arm in these respects, as arms of their own; see `fair/controls.py`."""
    ablate: Literal["none", "learnable"] = "none"
    """learnable: every arm that learns its shape is tried with parts of that taken away (see `fair/ablation.py`)."""
    init: Literal["shared", "matched"] = "shared"
    """matched: a fixed gain behind each site, so that every arm starts with outputs as large as ReLU's (see
    `training/matched_start.py`); shared: the same weights for all, and nothing more."""

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        check_consistent(self)
        return self

    def model_of(self, arm: Arm) -> ModelOptions:
        """The model as this arm has it."""
        changes = arm.model.changes()
        if not changes:
            return self.model
        return type(self.model).model_validate({**self.model.model_dump(), **changes})

    def trained_as(self, arm: Arm) -> "Recipe":
        """The recipe as this arm trains it: with its own rate, decay and length in `train`."""
        return of_length(with_rates(self, arm.train), arm.train.epochs or self.train.epochs)

    def stays_in_phase_one(self, arm: Arm) -> bool:
        """Whether the run ends before the arm's activation begins to learn its shape."""
        phase_epochs = getattr(arm.options, "phase_epochs", 0)
        return phase_epochs > 0 and phase_epochs >= (arm.train.epochs or self.train.epochs)

    @property
    def is_synthetic(self) -> bool:
        return DATA_SETS[self.data.name].synthetic

    def arm(self, name: str) -> Arm:
        """The arm of that name; KeyError where there is none."""
        return {arm.name: arm for arm in self.arms}[name]
