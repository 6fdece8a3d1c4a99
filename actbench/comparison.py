"""What a comparison is: a group of arms, their values with uncertainty, and their gaps to the baselines.

Numbers only, nothing rounded; `compare.py` makes it of stored runs. Imports no torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from actbench.footing import Mismatch
from actbench.metrics import Metric
from actbench.papers.matching import Reported
from actbench.papers.reported import Claim, Paper
from actbench.recipe.schema import Arm, Recipe
from actbench.record import DataFacts, RunFacts, Weights, Which
from actbench.setting import Setting
from actbench.sides import Clock, Side
from actbench.stats.contrasts import Contrast, Method
from actbench.stats.intervals import Estimate, Interval

if TYPE_CHECKING:
    from actbench.fair.calibration import Calibration
    from actbench.fair.tuning import Choice

LEVEL = 0.05
"""Of tests, over the whole family of a group."""


@dataclass(frozen=True, kw_only=True)  # without slots: what costs most is worked out if asked for
class Gap:
    """An arm's value minus a baseline's."""

    baseline: str
    contrast: Contrast | None
    """None where either side has no completed run, and for the baseline against itself."""
    over_examples: Callable[[], Interval | None] = field(repr=False, compare=False)
    """Works `crossed` out."""
    p_holm: float | None
    """Two-sided, adjusted over the group's family of tests; None where nothing was tested."""
    reported: tuple[Reported, ...]
    """The paper's gain against this very baseline."""

    @cached_property
    def crossed(self) -> Interval | None:
        """Over seeds and test examples; None where the records do not hold which were right, or one seed ran."""
        return self.over_examples()

    @property
    def difference(self) -> Estimate | None:
        """The gap with the interval over seeds."""
        return self.contrast.estimate if self.contrast else None

    @property
    def detectable(self) -> float | None:
        """The smallest true difference that these seeds would have shown."""
        return self.contrast.detectable if self.contrast else None

    @property
    def is_significant(self) -> bool:
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def only_over_seeds(self) -> bool:
        """Whether other test examples might well have turned the sign, as the seeds alone might not."""
        seeds = self.difference.interval if self.difference else None
        if seeds is None or seeds.low <= 0 <= seeds.high or self.crossed is None:
            return False
        return self.crossed.low <= 0 <= self.crossed.high


@dataclass(frozen=True, kw_only=True)  # likewise
class ArmRow:
    """An arm's runs, and what is compared of them."""

    name: str
    arm: Arm | None
    """None for imported results, of which the name is all that is known."""
    completed: int
    diverged: int
    missing_seeds: tuple[int, ...]
    """Planned seeds that neither completed nor diverged."""
    value: Estimate | None
    """Of the group's metric, with the interval over seeds."""
    over_examples: Callable[[], Interval | None] = field(repr=False, compare=False)
    """Works `crossed` out."""
    gaps: tuple[Gap, ...]
    parameters: int | None
    activation_parameters: int | None
    step_time_ratio: float | None
    """Median time of an update over the first baseline's; None where not timed, or timed on different hardware."""
    step_clock: Clock | None
    """By which clock."""
    kept_per_element: float | None
    """Bytes that the activations keep for backward per element of their output; None where it was not counted."""
    kept_beyond_output: float | None
    """The same without the output itself, which the next layer keeps in most networks."""
    optimism: float | None
    """By how much the best test epoch exceeds the last on average; None unless that epoch is compared."""
    reported: tuple[Reported, ...]
    reported_elsewhere: tuple[Reported, ...]
    """Gains that the paper reports against baselines which are no arms here."""
    runs: tuple[RunFacts, ...]
    """Those that completed or diverged, by seed."""
    files: Sequence[Path]
    """Their records."""
    tuned: "TunedRow | None" = None
    """The arm as tuning left it; None where the recipe asks for none, or no trial is finished."""

    @cached_property
    def crossed(self) -> Interval | None:
        """Of the mean, over seeds and test examples."""
        return self.over_examples()


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedRow:
    """What was chosen for an arm, and its row among tuned arms: its gaps are to tuned baselines."""

    choice: "Choice"
    row: ArmRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One table: the arms of a recipe, or of an imported set."""

    setting: Setting
    plan: Recipe | None
    """None for imported results."""
    data: DataFacts | None
    footing: str | None
    metric: Metric
    which: Which
    weights: Weights
    baselines: tuple[str, ...]
    """The wanted ones that are arms, then the paper's own."""
    main_baselines: tuple[str, ...]
    """Without the paper's own."""
    absent_baselines: tuple[str, ...]
    """Baselines that the recipe asks for and has no arm of."""
    seeds: tuple[int, ...]
    """The seeds of all runs that completed or diverged."""
    rows: tuple[ArmRow, ...]
    method: Method
    family: int
    """How many tests Holm's adjustment counted."""
    margin: float
    """Within it of the best is near the best, in the metric's unit."""
    near_best: frozenset[str]
    """The arms shown to be so; empty where that cannot be shown of any."""
    paper: Paper | None
    claim: Claim | None
    unshown: Mapping[str, Side] = field(default_factory=dict)
    """Arms that were asked to be left out. Their tests count all the same: a choice of arms makes no finding."""
    mismatches: tuple[Mismatch, ...] = ()
    """Runs that were not trained on this footing, where a person wanted them in the table all the same."""
    calibration: "Calibration | None" = None
    """What this bench can see; None where it was not calibrated."""
    lock_notes: tuple[str, ...] = ()
    """When the comparison was locked, and what is otherwise since; empty where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that was asked for, in order."""

    groups: tuple[Group, ...]
