"""The numbers by which runs are compared, by name, and how each is read from a tally. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from actbench.errors import ActbenchError
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Recipe
from actbench.record import DetectionTally, Tally

MetricName = Literal["top1_accuracy", "box_ap", "mask_ap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """All are fractions in records and percent on pages."""

    name: MetricName
    """As papers' tables and `--metric` name it."""
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


def _top1(tally: Tally | DetectionTally) -> float | None:
    return tally.accuracy if isinstance(tally, Tally) else None


def _box_ap(tally: Tally | DetectionTally) -> float | None:
    return tally.box.ap if isinstance(tally, DetectionTally) else None


def _mask_ap(tally: Tally | DetectionTally) -> float | None:
    return tally.mask.ap if isinstance(tally, DetectionTally) and tally.mask else None


_METRICS = (
    Metric(
        name="top1_accuracy",
        key="top1",
        head="top-1 %",
        noun="accuracy",
        phrase="top-1 test accuracy in percent",
        tasks=("classify", "text"),
        read=_top1,
    ),
    Metric(
        name="box_ap",
        key="box_ap",
        head="box AP",
        noun="box AP",
        phrase="test box AP (IoU 0.50 to 0.95) in percent",
        tasks=("detect",),
        read=_box_ap,
    ),
    Metric(
        name="mask_ap",
        key="mask_ap",
        head="mask AP",
        noun="mask AP",
        phrase="test mask AP (IoU 0.50 to 0.95) in percent",
        tasks=("detect",),
        read=_mask_ap,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


def metric_of(recipe: Recipe, name: str | None = None) -> Metric:
    """The metric of that name, or the first of the recipe's task. Raises ActbenchError for one of another task."""
    fitting = [metric for metric in _METRICS if recipe.task in metric.tasks]
    if name is None:
        return fitting[0]
    if name not in {metric.name for metric in fitting}:
        raise ActbenchError(
            f"recipe {recipe.name!r} has no metric {name!r}",
            where="command line",
            key="--metric",
            hints=name_hints(name, [metric.name for metric in fitting]),
        )
    return METRICS[name]


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
