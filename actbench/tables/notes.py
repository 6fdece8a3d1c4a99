"""The notes below a table: the fewest sentences without which its numbers would be taken for more than they are.

What else there is to know stands in further columns, in `--json` and in the appendix.
"""

from collections.abc import Iterator, Sequence
from heapq import nlargest, nsmallest

from actbench.comparison import ArmRow, Gap, Group
from actbench.stats import METHOD_NAMES
from actbench.tables.arm_notes import described_arm
from actbench.tables.calibration import calibration_note
from actbench.tables.cells import headline_gap, largest
from actbench.tables.columns import Columns
from actbench.tables.heads import shown_baselines
from actbench.tables.reported_notes import reported_notes
from actbench.tables.table import Note
from actbench.tables.tuning_notes import tuned_gaps, tuning_notes
from actbench.tables.words import listed

WHICH = {
    "last": "after the last epoch",
    "best_val": "after the epoch that was best on validation",
    "best_test": "after the epoch that was best on the test set itself",
}
SIGNS = ("*", "†", "bold", "underline")
"""What signs and emphases there are, in the order of their notes."""
EXTREMES = 3
CLOCKS = {"cpu": "CPU time", "wall": "wall time"}


def table_notes(group: Group, shown: Columns) -> tuple[tuple[Note, ...], dict[str, str]]:
    """All notes in order, and the mark that each arm with a note of its own bears."""
    described = {row.name: text for row in group.rows if (text := described_arm(row, group))}
    marks = {name: str(number) for number, name in enumerate(described, 1)}
    legends = [*_legends(group, shown), *_cost_legends(group, shown)]
    texts = [
        *_too_few(group),
        *_detectable(group, shown),
        *_seeds(group),
        *tuning_notes(group, shown),
        *group.lock_notes,
        _protocol(group),
        *([calibration_note(group.calibration)] if group.setting.is_audited else []),
        *_start(group),
        *_attack(group),
        *_comparisons(group),
        *reported_notes(group, shown),
    ]
    notes = [Note(mark=marks[name], text=text) for name, text in described.items()]
    notes += [*_signs(group, shown), *(Note(mark="", text=text, is_legend=True) for text in legends)]
    return (*notes, *(Note(mark="", text=text) for text in texts)), marks


def _shown_gaps(group: Group, shown: Columns) -> Iterator[tuple[ArmRow, Gap]]:
    """Those that have a column; else, those whose signs stand at the means."""
    baselines = shown_baselines(group, shown)
    for row in group.rows:
        if _has_gaps(shown):
            yield from ((row, gap) for gap in row.gaps if gap.baseline in baselines)
        elif gap := headline_gap(row, group, shown):
            yield row, gap


def star_text(groups: Sequence[Group], shown: Columns) -> str:
    """What a star says, in the columns of one group or of several."""
    methods = " and ".join(dict.fromkeys(METHOD_NAMES[group.method] for group in groups))
    counts = " and ".join(dict.fromkeys(str(group.family) for group in groups))
    against = "" if _has_gaps(shown) else f"unlike {_first_baseline(groups[0])}, "
    if len(groups) > 1:
        return f"{against}significant at 5 % after Holm over all tests of a column ({counts}; {methods})."
    return f"{against}significant at 5 % {_family(groups[0])}."


def _family(group: Group) -> str:
    count = len(group.unshown)
    unshown = f", with those of {count} arm{'s' if count > 1 else ''} not shown" if count else ""
    tests = f"all {group.family} tests" if group.family > 1 else "one test"
    return (
        f"after Holm over {tests} against {listed(group.baselines)}{unshown} ({METHOD_NAMES[group.method]})"
    )


def _has_gaps(shown: Columns) -> bool:
    return "gaps" in shown or "differences" in shown


def _first_baseline(group: Group) -> str:
    return group.main_baselines[0] if group.main_baselines else ""


def _signs(group: Group, shown: Columns) -> Iterator[Note]:
    gaps = [gap for _, gap in _shown_gaps(group, shown)]
    tuned = tuned_gaps(group, shown, shown_baselines(group, shown))
    if any(gap.is_significant for gap in (*gaps, *tuned)):
        yield Note(mark="*", text=star_text([group], shown))
    if any(gap.only_over_seeds for gap in (*gaps, *tuned)):
        yield Note(
            mark="†",
            text="only the interval over seeds excludes 0; that over seeds and test examples does not.",
        )
    if "metric" in shown and group.near_best:
        yield Note(mark="bold", text=f"shown to lie within {100 * group.margin:g} points of the best.")
    if "metric" in shown and largest(group) is not None:
        yield Note(mark="underline", text="the largest mean, which by itself shows nothing.")
    if group.family and gaps and not any(gap.is_significant for gap in gaps):
        what = "No gap" if _has_gaps(shown) else f"No gap to {_first_baseline(group)}"
        yield Note(mark="", text=f"{what} is significant at 5 % {_family(group)}.")


def _legends(group: Group, shown: Columns) -> Iterator[str]:
    contrasts = (
        [gap.contrast for _, gap in _shown_gaps(group, shown) if gap.contrast] if _has_gaps(shown) else []
    )
    estimates = [*(row.value for row in group.rows), *(contrast.estimate for contrast in contrasts)]
    if any(estimate and estimate.interval and not estimate.is_level for estimate in estimates):
        others = sorted({METHOD_NAMES[c.method] for c in contrasts if c.method != group.method})
        where = f" ({', '.join(others)} where seeds are not shared)" if others else ""
        signs, gaps = ("± and [ ]", f"; gaps in points{where}") if contrasts else ("±", "")
        yield f"{signs}: 95 % Student-t intervals over seeds, each by itself{gaps}."
    if any(estimate and estimate.is_level for estimate in estimates):
        yield "Equal in all seeds: no spread to make an interval of; further seeds may still differ."


def _too_few(group: Group) -> Iterator[str]:
    counts = {row.completed for row in group.rows if row.completed}
    if 1 in counts:
        single = [row.name for row in group.rows if row.completed == 1]
        whose = "" if counts == {1} else f" for {', '.join(single)}"
        yield f"One seed: no interval and no test{whose}."


def _detectable(group: Group, shown: Columns) -> Iterator[str]:
    """What these seeds could have shown at all, as a range; `detectable` has it gap by gap."""
    contrasts = [gap.contrast for _, gap in _shown_gaps(group, shown) if gap.contrast]
    ranked = [
        (interval.half_width, place) for place, c in enumerate(contrasts) if (interval := c.estimate.interval)
    ]
    if not ranked or "detectable" in shown:
        return
    # Each takes milliseconds, and goes nearly with the interval's width: the extremes are among these.
    extremes = {place for _, place in (*nsmallest(EXTREMES, ranked), *nlargest(EXTREMES, ranked))}
    found = [d for place in extremes if (d := contrasts[place].detectable) is not None]
    if found:
        low, high = f"{100 * min(found):.2f}", f"{100 * max(found):.2f}"
        span = low if low == high else f"{low} to {high}"
        to = "" if _has_gaps(shown) else f" to {_first_baseline(group)}"
        yield (
            f"Smallest true gap{to} that these seeds would show if the spread is as seen "
            f"(80 % power, one test at 5 %): {span} points."
        )


def _seeds(group: Group) -> Iterator[str]:
    lacking = [
        f"{row.name} {', '.join(map(str, row.missing_seeds))}" for row in group.rows if row.missing_seeds
    ]
    if lacking:
        yield f"Incomplete, seeds still missing: {'; '.join(lacking)}."


def _protocol(group: Group) -> str:
    """What was measured, on what, chosen how, and whether the arms were trained alike."""
    setting, data, plan = group.setting, group.data, group.plan
    if data is None or plan is None or group.footing is None:
        return f"Imported from {setting.source}: that the arms were trained on equal footing is said, not audited."
    limit = f", limited to {plan.limit} each" if plan.limit else ""
    val = f", {data.val:,} validation" if data.val else ""
    noun = "sentences" if plan.task == "text" else "images"
    chosen = (
        "best-test protocol: no validation set, the test set evaluated as training went (optimistic)"
        if setting.protocol == "best-test"
        else "held-out protocol: nothing chosen on the test set"
    )
    weights = "moving average of the weights" if group.weights == "ema" else "weights"
    above = [row.optimism for row in group.rows if row.optimism is not None]
    optimism = (
        f", {100 * min(above):.2f} to {100 * max(above):.2f} points above the last epoch" if above else ""
    )
    footing = f"footing {group.footing[:8]}"
    footing = f"{footing} but for the arms marked so" if group.mismatches else f"equal {footing}"
    return (
        f"{data.train:,} training{val} and {data.test:,} test {noun}{limit}; {chosen}; {weights} "
        f"{WHICH[group.which]}{optimism}; {footing}."
    )


def _start(group: Group) -> list[str]:
    if group.plan is None or group.plan.init == "shared":
        return []
    return [
        "Matched start: a fixed gain behind each activation, so that all arms begin with outputs as large as ReLU's."
    ]


def _attack(group: Group) -> list[str]:
    """On which pictures the metric was counted, and how to take it."""
    settings = group.plan.evaluation.robustness if group.plan else None
    if group.metric.attack is None or settings is None or group.data is None:
        return []
    attack, _ = group.metric.attack
    every = settings.images is None or settings.images >= group.data.test
    pictures = "all test images" if every else f"the first {settings.images:,} test images by their hash"
    how = f", {settings.pgd_steps} steps" if attack == "pgd" else ""
    controls = {
        "fgsm": "where pgd of the same size takes more, the single step was misled; what noise takes, no gradient did",
        "pgd": "fgsm of the same size has one step",
        "noise": "no opponent: for comparison with fgsm and pgd of the same size",
    }
    return [f"Attacked: {pictures}{how}; {controls[attack]}."]


def _comparisons(group: Group) -> list[str]:
    return [f"No comparison with {name}, which is not among these arms." for name in group.absent_baselines]


def _cost_legends(group: Group, shown: Columns) -> Iterator[str]:
    if "time" in shown:
        clocks = sorted({row.step_clock for row in group.rows if row.step_clock})
        out = any(row.step_time_ratio is None and row.completed for row in group.rows) and group.baselines
        without = "; none where it was not measured or the hardware differs" if out else ""
        shared = sorted({run.machine.shared_by for row in group.rows for run in row.runs})
        if shared and shared[-1] > 1:
            without += f"; measured with {listed(list(map(str, shared)), 'or')} runs at a time on the device"
        named = " or ".join(CLOCKS[clock] for clock in clocks)
        if clocks:
            yield f"Step time: median {named} of an update, its batch ready{without}."
    if "parameters" in shown:
        yield "params: all parameters, in brackets those of the activations."
    if "kept" in shown:
        older = (
            "; none in records older than this count"
            if any(row.kept_per_element is None and row.completed for row in group.rows)
            else ""
        )
        yield (
            "Kept bytes: what the activations keep for backward per element of their output, in brackets without "
            f"that output itself, which the next layer keeps in most networks{older}."
        )
    if "effect" in shown:
        yield "Hedges' g: the gap in units of the two arms' pooled standard deviation, corrected for few seeds."
    if "detectable" in shown:
        yield (
            "detectable: the smallest true gap that these seeds would show if the spread is as seen (80 % power, one "
            "test at 5 %), in points."
        )
    if "examples" in shown:
        yield "seeds x examples: 95 % intervals over seeds and test examples, both taken as drawn at random."
    if "optimism" in shown:
        yield "optimism: by how many points the best test epoch exceeds the last."
