"""The numbers by which runs are compared, by name, and how each is read from a tally. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from actbench.errors import ActbenchError
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Attack, Recipe
from actbench.record import DetectionTally, ResultFacts, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """All are fractions in records and percent on pages."""

    name: str
    """As `--metric` names it."""
    reported: str
    """As papers' tables name it."""
    key: str
    """Of its column, for programs."""
    head: str
    """Of its column, for eyes."""
    noun: str
    phrase: str
    """In a caption."""
    tasks: tuple[Literal["classify", "detect", "text"], ...]
    read: Callable[[Tally | DetectionTally], float | None]
    """None where the tally does not have it."""
    attack: tuple[Attack, float] | None = None
    """Under which attack and eps, in 255ths, the tally is counted; None: on the pictures as they are."""

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the share of right answers, on the pictures as they are."""
        return self.read is _top1 and self.attack is None

    def of(self, result: ResultFacts) -> float | None:
        """Its value in a test result; None where that does not hold it."""
        if self.attack is None:
            return self.read(result.tally)
        under = (a.tally for a in result.attacks if (a.attack, a.eps) == self.attack)
        tally = next(under, None)
        return None if tally is None else self.read(tally)


def _top1(tally: Tally | DetectionTally) -> float | None:
    return tally.accuracy if isinstance(tally, Tally) else None


def _box_ap(tally: Tally | DetectionTally) -> float | None:
    return tally.box.ap if isinstance(tally, DetectionTally) else None


def _mask_ap(tally: Tally | DetectionTally) -> float | None:
    return tally.mask.ap if isinstance(tally, DetectionTally) and tally.mask else None


_METRICS = (
    Metric(
        name="top1_accuracy",
        reported="top1_accuracy",
        key="top1",
        head="top-1 %",
        noun="accuracy",
        phrase="top-1 test accuracy in percent",
        tasks=("classify", "text"),
        read=_top1,
    ),
    Metric(
        name="box_ap",
        reported="box_ap",
        key="box_ap",
        head="box AP",
        noun="box AP",
        phrase="test box AP (IoU 0.50 to 0.95) in percent",
        tasks=("detect",),
        read=_box_ap,
    ),
    Metric(
        name="mask_ap",
        reported="mask_ap",
        key="mask_ap",
        head="mask AP",
        noun="mask AP",
        phrase="test mask AP (IoU 0.50 to 0.95) in percent",
        tasks=("detect",),
        read=_mask_ap,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


_ATTACKS: dict[Attack, str] = {"fgsm": "FGSM", "pgd": "PGD", "noise": "random signs"}


def under_attack(attack: Attack, eps: float) -> Metric:
    """Accuracy under that attack, `fgsm@4/255` and the like; of papers' tables those without a word on eps."""
    size = f"{eps:g}/255"
    return Metric(
        name=f"{attack}@{size}",
        reported=f"{attack}_accuracy",
        key=f"{attack}_{eps:g}",
        head=f"{attack} {size} %",
        noun=f"accuracy under {_ATTACKS[attack]} with eps {size}",
        phrase=f"test accuracy in percent under {_ATTACKS[attack]} with eps {size}",
        tasks=("classify",),
        read=_top1,
        attack=(attack, eps),
    )


def metrics_of(recipe: Recipe) -> dict[str, Metric]:
    """By name all that the recipe's records hold, its task's own first."""
    found = [metric for metric in _METRICS if recipe.task in metric.tasks]
    if robustness := recipe.evaluation.robustness:
        found += [under_attack(attack, eps) for attack in robustness.attacks for eps in robustness.eps]
    return {metric.name: metric for metric in found}


def metric_of(recipe: Recipe, name: str | None = None) -> Metric:
    """The metric of that name, or the first of the recipe's task. Raises ActbenchError for one it does not have."""
    fitting = metrics_of(recipe)
    if name is None:
        return next(iter(fitting.values()))
    if name not in fitting:
        raise ActbenchError(
            f"recipe {recipe.name!r} has no metric {name!r}",
            where="command line",
            key="--metric",
            hints=name_hints(name, fitting),
        )
    return fitting[name]


def imported_metric(name: str) -> Metric:
    """The metric of imported results called so: one of ours, or one that is known by its name alone."""
    if name in METRICS:
        return METRICS[name]
    noun = name.replace("_", " ")
    return Metric(
        name=name,
        reported=name,
        key=name,
        head=f"{noun} %",
        noun=noun,
        phrase=f"{noun} in percent",
        tasks=("classify",),
        read=lambda _tally: None,
    )


def headline(tally: Tally | DetectionTally) -> str:
    """The tally's first metric as a line of progress shows it."""
    metric = METRICS["top1_accuracy" if isinstance(tally, Tally) else "box_ap"]
    value = metric.read(tally)
    number = "-" if value is None else f"{100 * value:.2f}"
    return f"{number} %" if isinstance(tally, Tally) else f"{metric.head} {number}"


def selection_score(tally: Tally | DetectionTally) -> float:
    """What the best epoch has most of: correct answers, or box AP (for a model with masks too)."""
    if isinstance(tally, Tally):
        return tally.correct
    return -1.0 if tally.box.ap is None else tally.box.ap
