"""What a bench can see: a baseline against itself with other luck, and against arms known to be worse.

The first must show no gap; how small a loss is found among the others tells what a gap that was not found is worth.
Tested as the tables are. Imports no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from actbench.analysis import analyse
from actbench.comparison import LEVEL
from actbench.fair.naming import derived_recipe, part_name
from actbench.fair.narrower import narrower
from actbench.metrics import metric_of
from actbench.models.catalog import ArmModel
from actbench.recipe.differences import differing_arm_settings
from actbench.recipe.schema import Arm, Recipe
from actbench.seed_planning import spread_of
from actbench.sides import Reading, Side, side_of
from actbench.stats.contrasts import Contrast
from actbench.stats.intervals import mean_estimate
from actbench.stats.power import seeds_needed
from actbench.store import StoredRun

PLANTED_SLOPE = 0.8
"""Of the leaky ReLU that is planted: nearly linear, so that a network of it loses, and still learns."""
FOUND = 0.9
"""The chance with which the number of seeds that is told finds a planted loss of the size seen."""

_AGAIN, _PLANTED, _NARROW = "_again", f"leaky_{PLANTED_SLOPE:g}", "_narrow"


def calibrated_baseline(recipe: Recipe) -> Arm:
    """The arm that is calibrated: the first baseline that is a plain ReLU, else the first that is an arm, else the
    first arm."""
    arms = {arm.name: arm for arm in recipe.arms}
    baselines = [arms[name] for name in recipe.baselines if name in arms]
    plain = [arm for arm in baselines if arm.activation == "relu"]
    return (*plain, *baselines, recipe.arms[0])[0]


def calibration_arms(recipe: Recipe, baseline: Arm) -> tuple[Arm, ...]:
    """The baseline with other random streams, a leaky ReLU of slope 0.8 in its place, and the baseline in a network a
    tenth narrower, where the model has a width for that."""
    again = baseline.model_copy(update={"name": f"{baseline.name}{_AGAIN}", "salt": baseline.salt + 1})
    leaky = {"activation": "leaky_relu", "options": {"negative_slope": PLANTED_SLOPE}}
    own = baseline.model_dump(mode="json", exclude={"name", "activation", "options", "plugins"})
    planted = Arm.model_validate({**own, "name": _of(baseline, _PLANTED), **leaky})
    changes = narrower(recipe.model_of(baseline))
    if changes is None:
        return again, planted
    model = ArmModel.model_validate({**baseline.model.changes(), **changes})
    narrow = baseline.model_copy(update={"name": f"{baseline.name}{_NARROW}", "model": model})
    return again, planted, narrow


def calibration_recipes(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """The recipe with its calibrated baseline alone, and the one of the calibration's arms.

    Arms of the calibration that the recipe has already stay its own.
    """
    baseline = calibrated_baseline(recipe)
    wanted = calibration_arms(recipe, baseline)
    own = [arm for arm in recipe.arms if any(not differing_arm_settings(arm, other) for other in wanted)]
    further = [arm for arm in wanted if all(differing_arm_settings(arm, other) for other in own)]
    alone = recipe.model_copy(update={"arms": (baseline, *own)})
    return alone, derived_recipe(recipe, "calibrate", further)


@dataclass(frozen=True, kw_only=True)  # without slots: how many seeds it takes is worked out if asked for
class Seen:
    """An arm of the calibration against the baseline."""

    arm: Arm
    side: Side
    baseline: Side
    contrast: Contrast | None
    """Arm less baseline; None where either has no completed run."""
    p_holm: float | None
    """Adjusted over the tests of the calibration."""
    tests: int
    """How many there were."""
    arms: int
    """How many arms the calibration has, the baseline included."""

    @property
    def is_significant(self) -> bool:
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def loss(self) -> float | None:
        """How much worse than the baseline it is, in the metric's unit."""
        return None if self.contrast is None else -self.contrast.estimate.value

    @property
    def is_found(self) -> bool:
        """Whether it is shown to be worse."""
        return self.is_significant and self.loss is not None and self.loss > 0

    @cached_property
    def seeds(self) -> int | None:
        """With so many seeds a gap of the size seen is found nine times out of ten, at the level of Holm's first step,
        which suffices whatever the other tests find; None where no number up to a thousand is enough, or the runs show
        no spread."""
        if self.contrast is None or not self.tests:
            return None
        values = [mean_estimate(list(side.values.values())) for side in (self.side, self.baseline)]
        spread = spread_of(self.contrast, *values)
        if spread is None:
            return None
        return seeds_needed(
            self.contrast.estimate.value,
            spread,
            method=self.contrast.method,
            power=FOUND,
            alpha=LEVEL / self.tests,
            arms=self.arms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    baseline: Arm
    side: Side
    """The baseline's."""
    again: Seen
    """The baseline with other random streams: the A/A gap."""
    planted: tuple[Seen, ...]
    """The arms known to be worse."""
    missing: tuple[str, ...]
    """`relu_again seed 1`: planned runs that did not finish."""

    @property
    def is_silent(self) -> bool:
        """Whether no gap is seen where there is none."""
        return not self.again.is_significant

    @property
    def smallest_found(self) -> Seen | None:
        """The planted arm with the smallest loss that is shown; None where none is."""
        found = [seen for seen in self.planted if seen.is_found]
        return min(found, key=lambda seen: seen.loss or 0.0, default=None)


def calibration_of(
    recipe: Recipe,
    baseline: Arm,
    stored: Sequence[StoredRun],
    *,
    reading: Reading | None = None,
) -> Calibration | None:
    """What the stored runs show; None unless the baseline and its other self have a completed run each.

    `stored` are runs on one footing, in any folder: what an arm is called there does not matter.
    """
    reading = reading or Reading(metric_of(recipe), "last", "raw")
    arms = (baseline, *calibration_arms(recipe, baseline))
    sides = {arm.name: side_of(arm, _runs_of(arm, stored), reading) for arm in arms}
    again = arms[1]
    if not sides[baseline.name].values or not sides[again.name].values:
        return None
    tested = analyse(sides, (baseline.name,), recipe.analysis)

    def seen(arm: Arm) -> Seen:
        side, pair = sides[arm.name], (arm.name, baseline.name)
        return Seen(
            arm=arm,
            side=side,
            baseline=sides[baseline.name],
            contrast=tested.contrasts[pair],
            p_holm=tested.adjusted[pair],
            tests=tested.family,
            arms=len(arms),
        )

    return Calibration(
        baseline=baseline,
        side=sides[baseline.name],
        again=seen(again),
        planted=tuple(seen(arm) for arm in arms[2:]),
        missing=tuple(
            f"{name} seed {seed}"
            for name, side in sides.items()
            for seed in recipe.seeds
            if seed not in side.finished
        ),
    )


def stored_calibration(
    recipe: Recipe, stored: Sequence[StoredRun], *, reading: Reading, footing: str
) -> Calibration | None:
    """That of a table's footing among the runs of the recipe and of its calibration, whatever arms the table shows;
    None where there is none."""
    fitting = [run for run in stored if run.record.footing == footing]
    made = [run.record for run in fitting if run.record.recipe.name == part_name(recipe, "calibrate")]
    if not made:
        return None
    last = max(made, key=lambda record: (record.started, record.run)).recipe
    for again in last.arms:
        if again.name.endswith(_AGAIN) and again.salt:
            own = {"name": again.name.removesuffix(_AGAIN), "salt": again.salt - 1}
            baseline = again.model_copy(update=own)
            if found := calibration_of(recipe, baseline, fitting, reading=reading):
                return found
    return None


def _of(baseline: Arm, name: str) -> str:
    """The name beside a plain relu; beside another baseline with that one's name before it."""
    return name if baseline.name == "relu" else f"{baseline.name}.{name}"


def _runs_of(arm: Arm, stored: Sequence[StoredRun]) -> list[StoredRun]:
    """Its runs, one of each seed."""
    runs = [run for run in stored if not differing_arm_settings(run.record.arm, arm)]
    return list({run.record.seed: run for run in runs}.values())
