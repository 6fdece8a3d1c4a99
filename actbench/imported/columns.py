"""Which column of a file of results holds what, by the names that people give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actbench.errors import ImportedFileError, Problem
from actbench.imported.sheet import Sheet, key_of
from actbench.metrics import METRICS
from actbench.recipe.nearest import name_hints

_ARM = ("arm", "activation", "method")
_FACTS = ("status", "step_time_s", "parameters", "activation_parameters", "wall_time_s")
_TOP1 = ("accuracy", "acc", "top1", "top_1", "top1_acc", "top_1_accuracy", "test_accuracy", "test_acc")
_METRICS = {
    **{name: name for name in METRICS},
    **dict.fromkeys(_TOP1, "top1_accuracy"),
    **dict.fromkeys(("ap", "map", "box_map", "bbox_map"), "box_ap"),
    **dict.fromkeys(("segm_ap", "mask_map", "segm_map"), "mask_ap"),
}
"""What a metric's column may be called -> the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    arm: str
    """The key of the column, as all others here."""
    metrics: Mapping[str, str]
    """Metric -> its column; empty in long form, where `metric` and `value` hold them line by line."""
    facts: tuple[str, ...]
    """Those of status, times and sizes that are there."""
    notices: tuple[str, ...]
    """What was taken for what, and what was not looked at."""

    @property
    def is_long(self) -> bool:
        return not self.metrics


def metric_named(text: str, own: Sequence[str] = ()) -> str | None:
    """The metric that a column or a field of the long form calls so; `own` are those declared by hand."""
    key = key_of(text)
    return key if key in own else _METRICS.get(key)


def recognise(sheet: Sheet, source: str, own: Sequence[str] = ()) -> Columns:
    """Raises ImportedFileError where a column is missing, or two hold the same."""
    found = [_spelling(sheet, key) for key in _ARM if key in sheet.columns]
    of: dict[str, list[str]] = {}
    for key in sheet.columns:
        if metric := metric_named(key, own):
            of.setdefault(metric, []).append(key)
    is_long = "metric" in sheet.columns and "value" in sheet.columns
    problems = [*_missing(sheet, own, found, is_long=is_long, has_metric=bool(of))]
    if len(found) > 1:
        problems.append(f"two columns name the arm: {' and '.join(found)}")
    problems += [
        f"two columns hold {metric}: {' and '.join(_spelling(sheet, key) for key in keys)}"
        for metric, keys in of.items()
        if len(keys) > 1
    ]
    if is_long and of:
        wide = ", ".join(_spelling(sheet, key) for keys in of.values() for key in keys)
        problems.append(f"values in two forms: in columns metric and value, and in {wide}")
    if problems:
        shown = f"its columns: {', '.join(sheet.columns.values())}"
        told = [Problem(message=text, where=source) for text in problems]
        told[-1] = replace(told[-1], hints=(shown,))
        raise ImportedFileError(told)
    arm = next(key for key in _ARM if key in sheet.columns)
    metrics = {metric: keys[0] for metric, keys in of.items()}
    used = {arm, "seed", *_FACTS, *metrics.values(), *(("metric", "value") if is_long else ())}
    return Columns(
        arm=arm,
        metrics=metrics,
        facts=tuple(key for key in _FACTS if key in sheet.columns),
        notices=_notices(sheet, arm, metrics, used),
    )


def _missing(
    sheet: Sheet, own: Sequence[str], arms: Sequence[str], *, is_long: bool, has_metric: bool
) -> list[str]:
    missing = [] if arms else ["no column arm (or activation, or method)"]
    missing += [] if "seed" in sheet.columns else ["no column seed"]
    if not is_long:
        missing += [f"no column {name} (--metric)" for name in own if name not in sheet.columns]
    if not is_long and not has_metric:
        known = f"{', '.join(METRICS)}, or accuracy, acc, top1, ap, map"
        missing.append(f"no column of a metric ({known}; another one: --metric COLUMN), nor metric and value")
    return missing


def _notices(sheet: Sheet, arm: str, metrics: Mapping[str, str], used: set[str]) -> tuple[str, ...]:
    notices = [
        f"column {_spelling(sheet, key)} is taken for {metric}"
        for metric, key in metrics.items()
        if key != metric
    ]
    if arm != "arm":
        notices.append(f"column {_spelling(sheet, arm)} is taken for the arm's name")
    ignored = [heading for key, heading in sheet.columns.items() if key not in used]
    if ignored:
        notices.append(f"columns not looked at: {', '.join(ignored)}")
    return tuple(notices)


def _spelling(sheet: Sheet, key: str) -> str:
    return sheet.columns[key]


def metric_hints(text: str, own: Sequence[str]) -> tuple[str, ...]:
    """For a metric of the long form that nobody knows."""
    return (
        *name_hints(text, (*METRICS, *own)),
        f"another one in percent, more being better: --metric {key_of(text)}",
    )
