"""The stored result of one run: what `train` writes and everything else reads. Imports no torch.

Raw facts only; means, differences and rounding are made while rendering. Accuracies are counts, times seconds,
memory bytes. A change of meaning raises SCHEMA_VERSION, and `store.py` says what it can still read.
"""

import base64
from functools import cache
from typing import Annotated, Literal, NamedTuple, SupportsBytes

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer

from actbench.frozen import Frozen
from actbench.recipe.schema import Arm, Attack, Recipe

SCHEMA_VERSION = 1

Status = Literal["completed", "diverged", "interrupted", "failed"]
FINISHED: tuple[Status, ...] = ("completed", "diverged")
"""A diverged run is a result: it is not trained again."""
Which = Literal["last", "best_val", "best_test"]
Weights = Literal["raw", "ema"]


class Tally(Frozen):
    """What one pass over a split counted."""

    correct: int
    total: int
    loss_sum: float | None
    """Sum over examples of the cross-entropy in nats; None where it is not finite."""

    @property
    def accuracy(self) -> float:
        return self.correct / self.total


class AveragePrecision(Frozen):
    """COCO's twelve-line summary as far as papers quote it, in fractions.

    Each is the mean over classes (and over the IoU thresholds 0.50 to 0.95 where none is named) of the
    area under the precision-recall curve; None where the split has no object of that size.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    small: float | None
    medium: float | None
    large: float | None


class DetectionTally(Frozen):
    """What one pass of a detector over a split found, by pycocotools, at most 100 detections per picture and class."""

    images: int
    objects: int
    """Objects that count: crowds are left out."""
    detections: int
    box: AveragePrecision
    mask: AveragePrecision | None = None
    """None for a model without masks."""


AnyTally = Annotated[Tally | DetectionTally, Field(union_mode="left_to_right")]
"""Nothing is both, and to try the other as well would take most of the time of reading one."""


def share_right(tally: Tally | DetectionTally) -> float | None:
    """None where nothing is simply right or wrong."""
    return tally.accuracy if isinstance(tally, Tally) and tally.total else None


class AttackResult(Frozen):
    """What is left of the test set under changes of its pictures."""

    attack: Attack
    eps: float
    """The largest change of a pixel, in 255ths of full brightness."""
    tally: Tally
    """Over as many test pictures as the recipe attacks."""


class ResultFacts(Frozen):
    """One evaluation of the test set, at one of the weights that the protocol allows."""

    which: Which
    weights: Weights
    epoch: int
    """Epoch (from 0) after which these weights stood."""
    tally: AnyTally
    class_box_ap: dict[str, float | None] = Field(default_factory=dict)
    """Box AP of each class, for detection alone."""
    attacks: tuple[AttackResult, ...] = ()
    """At the last weights, if the recipe asks for `evaluation.robustness`."""


class TestResult(ResultFacts):
    """The same with every single answer."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    correct_bits: str = ""
    """Per-example correctness in canonical order: bits packed big-endian, base64; empty for detection."""

    def correctness(self) -> list[bool]:
        """The bits, one per test example of a classification."""
        if isinstance(self.tally, DetectionTally):
            raise TypeError("a detection is not right or wrong as a whole")
        packed = base64.b64decode(self.correct_bits)
        return [bool(packed[i >> 3] >> (7 - (i & 7)) & 1) for i in range(self.tally.total)]


def pack_bits(correct: list[bool]) -> str:
    """The inverse of `TestResult.correctness`."""
    packed = bytearray((len(correct) + 7) // 8)
    for i, bit in enumerate(correct):
        packed[i >> 3] |= int(bit) << (7 - (i & 7))
    return base64.b64encode(bytes(packed)).decode()


class SiteLog(Frozen):
    """Learnt scalars of one activation site after an epoch: name -> values (theta, omega, t0, t1, p, q, beta, ...).

    An infinite or undefined value is null.
    """

    site: str
    values: dict[str, list[float | None]]


def rounded(value: float) -> float:
    """To the four significant digits that curves are stored with."""
    return float(f"{value:.4g}")


def _read_numbers(value: object) -> object:
    return tuple(map(float, value.split())) if isinstance(value, str) else value


def _write_numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


Numbers = Annotated[
    tuple[Annotated[float, AfterValidator(rounded)], ...],
    BeforeValidator(_read_numbers),
    PlainSerializer(_write_numbers, when_used="json"),
]
"""Many numbers, in JSON as one string with spaces between them: a record holds thousands of these."""

GRID_POINTS = 33
"""Points of a curve, evenly from `left` to `right`; the input's density has one cell between each two."""


class SiteShape(Frozen):
    """The curve of one activation site after an epoch, over the input that it was measured to get.

    Measured in evaluation mode on a fixed batch of training images.
    """

    site: str
    input_mean: float
    input_std: float
    left: float
    right: float
    density: Numbers
    """Share of the input in each cell between two points; what is missing to 1 lies outside."""
    mean: Numbers
    """The output at each point, averaged over channels."""
    lower: Numbers = ()
    """10 % quantile over channels; empty where all channels have one curve."""
    upper: Numbers = ()
    """90 % quantile."""
    channels: dict[int, Numbers] = Field(default_factory=dict)
    """Some single channels, in the last epoch that is measured."""

    def grid(self) -> list[float]:
        """Where the curve was evaluated."""
        step = (self.right - self.left) / (GRID_POINTS - 1)
        return [self.left + i * step for i in range(GRID_POINTS)]


class SiteMoments(Frozen):
    """What one activation site gave before an update of the run, on the batch at hand, and what came back to it.

    Of the mean loss, dropout left out; None where a number is not finite, or no gradient comes.
    """

    site: str
    step: int
    """Updates taken before."""
    mean: float | None
    """Of the output."""
    second: float | None
    """Mean square of the output."""
    gradient: float | None
    """Mean square of the loss's gradient with respect to the output."""
    dead: float
    """Share of channels whose output is one value over the whole batch."""


class EpochRecord(Frozen):
    epoch: int
    lr: float
    """Learning rate of the last step."""
    deep_lambda: float | None = None
    train_loss: float
    """Mean over the epoch's steps of the training loss."""
    val: AnyTally | None = None
    val_ema: AnyTally | None = None
    test: AnyTally | None = None
    """Only under protocol best-test."""
    test_ema: AnyTally | None = None
    time_s: float
    """Wall time of the epoch's training part."""
    step_time_s: float
    """Median wall time of an update, making its batch left out."""
    step_cpu_s: float | None = None
    """Median CPU time of an update over all threads: steadier than wall time on a machine that does other work."""
    data_time_s: float
    """How much of `time_s` went into making batches."""
    activations: tuple[SiteLog, ...] = ()
    shapes: tuple[SiteShape, ...] = ()
    """Curves of pointwise activations with parameters, after a few of the epochs (see `training/shapes.py`)."""
    notes: tuple[str, ...] = ()
    moments: tuple[SiteMoments, ...] = ()
    """Before the first update of the run and before the hundredth, in their epochs; none of detectors."""


class ParameterGroup(Frozen):
    lr_factor: float
    weight_decay: float
    activation: bool
    """Whether the group holds activations' own parameters."""
    parameters: int
    """Number of scalars."""
    tensors: tuple[str, ...]


class Cost(Frozen):
    parameters: int
    activation_parameters: int
    macs: int
    """Multiply-accumulates of one image's forward pass, counted over convolutions and matrix products.

    Of a detector, whose heads work on as many boxes as they find, this and the next two count the body and the
    feature pyramid, on a square of the shorter side.
    """
    pointwise_ops: int
    """Declared operations of the activations on one image, which the count above leaves out."""
    undeclared_sites: int = 0
    """Sites whose activation declares no operations: their work is in neither count."""
    kept_bytes: int
    """Bytes kept for backward per image, every storage once."""
    activation_kept_bytes: int | None = None
    """Of one image, summed over the activation sites: bytes that their forward passes keep for backward, every
    storage once per site, the parameters themselves left out. None in records that were made before it was counted.
    """
    activation_kept_output_bytes: int | None = None
    """The part of it that is the site's own output: the next layer's input, which most layers keep in any case."""
    activation_elements: int | None = None
    """Output elements of one image, summed over the activation sites."""
    step_time_s: float | None
    """Median over the epochs' medians, the first epoch left out if there are others; None if no step was timed."""
    step_cpu_s: float | None = None
    """The same of CPU time."""
    images_per_s: float | None
    peak_memory_bytes: int | None
    """CUDA: peak allocated in this run. CPU: the process's peak resident size so far."""


class DataFacts(Frozen):
    fingerprint: str
    train: int
    val: int
    test: int
    num_classes: int
    synthetic: bool


class Take(Frozen):
    """One process's share of a run: a run killed and started again has several."""

    commit: str | None
    dirty: bool | None
    """Whether the source tree differed from the commit, untracked modules and recipes included."""
    device: str
    hardware: str
    threads: int
    started: str
    """UTC, ISO 8601."""
    shared_by: int = 1
    """How many processes of the command trained at a time on the device, this one included (`train -j`)."""


class Provenance(Frozen):
    """Where the run was made; commit, device, hardware, threads and sharing are those of the process that ended it."""

    actbench: str
    commit: str | None
    dirty: bool | None
    python: str
    torch: str
    packages: dict[str, str]
    device: str
    hardware: str
    threads: int
    allocator: str
    command: str
    started: str
    """When the run was first begun: UTC, ISO 8601."""
    wall_time_s: float
    """Summed over all processes that worked on it."""
    resumed: int = 0
    """How many times the run was taken up again from a checkpoint."""
    takes: tuple[Take, ...] = ()
    """The processes that worked on it, in order."""
    shared_by: int = 1
    """As of a take."""


class Machine(NamedTuple):
    """What step times are comparable on."""

    device: str
    hardware: str
    threads: int
    shared_by: int = 1


class RunRecord(Frozen):
    schema_version: Literal[1] = 1
    status: Status
    reason: str | None = None
    recipe: Recipe
    """Resolved; its `arms` and `seeds` are the whole plan's, this run's are below."""
    arm: Arm
    seed: int
    footing: str
    run: str
    data: DataFacts
    history: tuple[EpochRecord, ...]
    results: tuple[TestResult, ...] = ()
    backends: dict[str, str] = Field(default_factory=dict)
    """Activation site -> the code that computed it ("reference" for plain PyTorch)."""
    parameter_groups: tuple[ParameterGroup, ...] = ()
    cost: Cost | None = None
    provenance: Provenance

    @property
    def epochs(self) -> int:
        """How many were finished."""
        return len(self.history)

    @property
    def validation(self) -> Tally | DetectionTally | None:
        """At the last weights, of a run that only chooses settings; None of one that is evaluated on the test set."""
        chooses = self.recipe.evaluation.protocol == "validation" and self.history
        return self.history[-1].val if chooses else None

    @property
    def started(self) -> str:
        return self.provenance.started

    @property
    def wall_time_s(self) -> float:
        return self.provenance.wall_time_s

    @property
    def machine(self) -> Machine:
        made = self.provenance
        return Machine(made.device, made.hardware, made.threads, made.shared_by)

    @property
    def has_cost(self) -> bool:
        return self.cost is not None

    @property
    def step_wall_s(self) -> float | None:
        """Of an update; None where it was not measured."""
        return self.cost.step_time_s if self.cost else None

    @property
    def step_cpu_s(self) -> float | None:
        return self.cost.step_cpu_s if self.cost else None

    def result(self, which: Which = "last", weights: Weights = "raw") -> TestResult | None:
        """The test evaluation at these weights, or None where the run has none."""
        return next((r for r in self.results if r.which == which and r.weights == weights), None)

    def accuracy(self, which: Which = "last", weights: Weights = "raw") -> float | None:
        """The share of test examples that were right; None where the run has no such count at these weights."""
        result = self.result(which, weights)
        return share_right(result.tally) if result else None

    def bits(self, which: Which = "last", weights: Weights = "raw") -> int | None:
        """Which test examples were right, one bit each; None where the record does not hold them all."""
        result, accuracy = self.result(which, weights), self.accuracy(which, weights)
        return None if result is None or accuracy is None else _bits(result.correct_bits, accuracy, self.data)


class RunSummary(NamedTuple):
    """A record without its history; runs of a recipe share its object. What tables seldom need is kept as JSON.

    A named tuple, since a frozen dataclass takes ten times as long to make, and tables read them by ten thousands.
    """

    status: Status
    reason: str | None
    recipe: Recipe
    arm: Arm
    seed: int
    footing: str
    run: str
    data: DataFacts
    epochs: int
    validation: Tally | DetectionTally | None
    started: str
    wall_time_s: float
    machine: Machine
    step_wall_s: float | None
    step_cpu_s: float | None
    evaluated: tuple[tuple[Which, Weights], ...]
    """At which weights, a pair for each result."""
    accuracies: tuple[float | None, ...]
    """Of each result; None where the test set is not told right from wrong."""
    results_json: bytes
    """Of each result, a line each."""
    cost_json: bytes
    """Empty where there is no cost."""
    details: SupportsBytes
    """A line each: the provenance's JSON, and the bits of each result as the record has them."""

    @property
    def has_cost(self) -> bool:
        return bool(self.cost_json)

    @property
    def cost(self) -> Cost | None:
        return _cost(self.cost_json) if self.cost_json else None

    @property
    def provenance(self) -> Provenance:
        return _provenance(bytes(self.details).partition(b"\n")[0])

    @property
    def results(self) -> tuple[ResultFacts, ...]:
        return tuple(map(_result, self.results_json.splitlines()))

    def result(self, which: Which = "last", weights: Weights = "raw") -> ResultFacts | None:
        place = self._place(which, weights)
        return None if place is None else _result(self.results_json.splitlines()[place])

    def accuracy(self, which: Which = "last", weights: Weights = "raw") -> float | None:
        place = self._place(which, weights)
        return None if place is None else self.accuracies[place]

    def bits(self, which: Which = "last", weights: Weights = "raw") -> int | None:
        place = self._place(which, weights)
        if place is None or (accuracy := self.accuracies[place]) is None:
            return None
        _, *bits = bytes(self.details).split(b"\n")
        return _bits(bits[place], accuracy, self.data)

    def _place(self, which: Which, weights: Weights) -> int | None:
        """Of the result at these weights among all."""
        at = which, weights
        return self.evaluated.index(at) if at in self.evaluated else None


RunFacts = RunSummary | RunRecord
"""What both say, they say alike."""


def _result(text: bytes) -> ResultFacts:
    # The validator itself, since the method around it takes as long.
    result: ResultFacts = ResultFacts.__pydantic_validator__.validate_json(text)
    return result


@cache
def _cost(text: bytes) -> Cost:
    return Cost.model_validate_json(text)


@cache
def _provenance(text: bytes) -> Provenance:
    return Provenance.model_validate_json(text)


def _bits(correct_bits: str | bytes, accuracy: float, data: DataFacts) -> int | None:
    packed = base64.b64decode(correct_bits)
    if not packed or len(packed) != (data.test + 7) // 8:
        return None
    bits = int.from_bytes(packed)
    return bits if bits.bit_count() / data.test == accuracy else None


class VersionProbe(Frozen):
    """Reads a file's schema version before anything else of it is believed."""

    model_config = ConfigDict(extra="ignore")
    schema_version: int = Field(ge=1)
