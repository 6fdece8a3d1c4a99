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
from actbench.data.settings import InputSettings, TokenSettings
from actbench.frozen import Frozen, NoOptions, Options, OptionValue, UntypedOptions
from actbench.models.catalog import ENTRIES as MODELS
from actbench.models.catalog import ArmModel, BertOptions, BertSmallOptions, ModelOptions

Attack = Literal["fgsm", "pgd", "noise"]
Profile = Literal["paper", "lite", "smoke"]
PROFILES: tuple[Profile, ...] = ("paper", "lite", "smoke")

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


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
    protocol: Literal["held-out", "best-test"] = "held-out"
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


class Arm(Frozen):
    name: Name
    activation: str
    options: SerializeAsAny[Options] = NoOptions()
    sites: Literal["all", "stem"] | tuple[str, ...] = "all"
    """Which sites get the activation: all, the stem's, or globs over site names; the others get `fill`."""
    fill: str = "relu"
    fill_options: SerializeAsAny[Options] = NoOptions()
    train: ArmTrain = ArmTrain()
    model: ArmModel = ArmModel()
    """Options of the recipe's model that this arm has otherwise; weights that both have still start alike."""
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
        return self

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
    data: DataOptions
    limit: int | None = Field(None, ge=2)
    """At most this many training and this many test images, set by --limit: stratified, or for detection the first
    by name's hash (and no more of a val part of the set's own)."""
    input: InputSettings = InputSettings()
    model: ModelOptions
    arms: tuple[Arm, ...] = Field(min_length=1)
    baselines: tuple[Name, ...] = ("relu", "swish")
    train: TrainSettings
    evaluation: EvaluationSettings = EvaluationSettings()
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        # Checks that span several blocks; the loader gives each of these messages the line of the first block named.
        names = [arm.name for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"arms: the arm {twice[0]!r} stands here more than once")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: a seed stands here more than once")
        if self.evaluation.protocol == "best-test" and self.train.early_stopping:
            raise ValueError(
                "train.early_stopping: forbidden under protocol best-test, which has no validation set"
            )
        _check_task(self)
        _check_models(self)
        _check_gates(self)
        if not MODELS[self.model.name].has_deep_training:
            for index, arm in enumerate(self.arms):
                if arm.train.deep_lambda is not None:
                    raise ValueError(
                        f"arms[{index}].train.deep_lambda: the model {self.model.name!r} has no deep training"
                    )
        if self.input.crop == "pad" and self.data.name == "imagenet":
            raise ValueError("input.crop: pad needs images of one size; imagenet takes random-resized")
        if self.input.cutout > self.input.size:
            raise ValueError(f"input.cutout: larger than the image side {self.input.size}")
        if self.model.name == "vanillanet" and self.input.size // self.model.stem_stride < 8:
            raise ValueError(
                f"input.size: {self.input.size} pixels are too few: three halvings follow a stem of stride "
                f"{self.model.stem_stride}, so at least {8 * self.model.stem_stride} are needed"
            )
        if (
            self.model.name == "cnn"
            and (left := self.model.side_after(self.input.size)) < self.model.map_side
        ):
            raise ValueError(
                f"input.size: {self.input.size} pixels are too few: the stages leave a map of side {max(left, 0)}, and "
                f"model.map_side is {self.model.map_side}"
            )
        return self

    def model_of(self, arm: Arm) -> ModelOptions:
        """The model as this arm has it."""
        changes = arm.model.changes()
        if not changes:
            return self.model
        return type(self.model).model_validate({**self.model.model_dump(), **changes})

    def stays_in_phase_one(self, arm: Arm) -> bool:
        """Whether the run ends before the arm's activation begins to learn its shape."""
        phase_epochs = getattr(arm.options, "phase_epochs", 0)
        return phase_epochs > 0 and phase_epochs >= self.train.epochs

    @property
    def is_synthetic(self) -> bool:
        return DATA_SETS[self.data.name].synthetic

    def arm(self, name: str) -> Arm:
        """The arm of that name; KeyError where there is none."""
        return {arm.name: arm for arm in self.arms}[name]


def _check_models(recipe: Recipe) -> None:
    """Raises a ValueError where an arm's own options of the model, or the model's picture size, do not fit."""
    known = type(recipe.model).model_fields
    for index, arm in enumerate(recipe.arms):
        for key in arm.model.changes():
            if key not in known:
                raise ValueError(
                    f"arms[{index}].model.{key}: the model {recipe.model.name!r} has no such option"
                )
    if recipe.model.name == "vit" and recipe.model.image_size != recipe.input.size:
        raise ValueError(
            f"model.image_size: {recipe.model.image_size} is not input.size, which is {recipe.input.size}"
        )


def _check_gates(recipe: Recipe) -> None:
    """Raises a ValueError where a gated activation would meet a layer that gives it half of what it takes."""
    for index, arm in enumerate(recipe.arms):
        if arm.fill in ACTIVATIONS and ACTIVATIONS[arm.fill].gated:
            raise ValueError(
                f"arms[{index}].fill: {arm.fill!r} is gated and fills no sites; take a plain one"
            )
        if not arm.is_gated:
            continue
        if not MODELS[recipe.model.name].takes_gated:
            able = ", ".join(name for name, entry in MODELS.items() if entry.takes_gated) or "none"
            raise ValueError(
                f"arms[{index}].activation: {arm.activation!r} is gated, which takes feed-forward blocks that give it "
                f"gates and values, and the model {recipe.model.name!r} has none; models that do: {able}"
            )
        if arm.sites != "all":
            raise ValueError(
                f"arms[{index}].sites: must be all for {arm.activation!r}: it is gated, so the layers before its "
                "sites are twice as wide, and no fill fits there"
            )
        model = recipe.model_of(arm)
        if model.name == "vit" and model.feed_forward == "kat":
            raise ValueError(
                f"arms[{index}].activation: {arm.activation!r} is gated, and with feed_forward kat there are sites "
                "before the first layer, where nothing gives it gates and values; take feed_forward mlp for this arm"
            )


_DETECTION_INPUT = {"size", "max_size", "normalize", "interpolation", "flip"}
"""What of the `input` block detection can use; the rest cuts or mixes pictures, and boxes would not follow."""
_DETECTION_EVAL_BATCH = 128


def _check_task(recipe: Recipe) -> None:
    """Raises a ValueError where task, data, model, input and training do not go together."""
    for key, name, task in (
        ("data.name", recipe.data.name, DATA_SETS[recipe.data.name].task),
        ("model.name", recipe.model.name, MODELS[recipe.model.name].task),
    ):
        if task != recipe.task:
            raise ValueError(f"{key}: {name!r} is for task {task}, and the task here is {recipe.task}")
    if recipe.task == "text":
        _check_text(recipe)
        return
    if recipe.input.tokens != TokenSettings():
        raise ValueError("input.tokens: for task text alone")
    if recipe.task == "classify":
        if recipe.input.max_size != InputSettings().max_size:
            raise ValueError("input.max_size: for task detect alone")
        return
    for key in sorted(recipe.input.model_dump(exclude_defaults=True)):
        if key not in _DETECTION_INPUT:
            known = ", ".join(sorted(_DETECTION_INPUT))
            raise ValueError(f"input.{key}: not for task detect, which takes whole pictures (only {known})")
    if recipe.input.interpolation != "bilinear":
        raise ValueError("input.interpolation: must be bilinear for task detect, as torchvision resizes")
    if recipe.input.normalize == "dataset":
        raise ValueError("input.normalize: must be imagenet or half for task detect, which measures no set")
    if recipe.input.max_size < recipe.input.size:
        raise ValueError(f"input.max_size: below the shorter side, {recipe.input.size}")
    if recipe.train.loss != "cross_entropy" or recipe.train.label_smoothing:
        raise ValueError("train.loss: a detector brings its own losses; leave out loss and label_smoothing")
    if recipe.train.amp != "none":
        # torchvision's anchors and boxes take the precision of the features.
        raise ValueError(
            "train.amp: must be none for task detect: bf16 rounds coordinates, by up to 8 pixels"
        )
    if recipe.train.early_stopping:
        raise ValueError(
            "train.early_stopping: follows the validation loss, which task detect does not compute"
        )
    if recipe.evaluation.robustness:
        raise ValueError("evaluation.robustness: for task classify alone")
    if recipe.evaluation.batch_size > _DETECTION_EVAL_BATCH:
        raise ValueError(
            f"evaluation.batch_size: {recipe.evaluation.batch_size} whole pictures at once are too many; give at "
            f"most {_DETECTION_EVAL_BATCH} for task detect"
        )


def _check_text(recipe: Recipe) -> None:
    """Raises a ValueError where settings of pictures, or a model too short, stand in a recipe of task text."""
    assert isinstance(recipe.model, BertSmallOptions | BertOptions)
    for key in sorted(recipe.input.model_dump(exclude_defaults=True)):
        if key != "tokens":
            raise ValueError(f"input.{key}: not for task text, which takes only input.tokens")
    if recipe.train.channels_last:
        raise ValueError("train.channels_last: for pictures; leave it out for task text")
    if recipe.evaluation.robustness:
        raise ValueError("evaluation.robustness: for task classify alone")
    longest = recipe.input.tokens.max_length
    if recipe.model.max_length < longest:
        raise ValueError(
            f"model.max_length: {recipe.model.max_length} places are too few for input.tokens.max_length, {longest}"
        )
    has_weights = isinstance(recipe.model, BertOptions) and recipe.model.weights is not None
    if has_weights and recipe.input.tokens.tokenizer != "wordpiece":
        raise ValueError("model.weights: learnt on word pieces; set input.tokens.tokenizer to wordpiece")
