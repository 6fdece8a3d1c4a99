"""Traces the cells of a comparison: each number made again of the files behind it. Imports no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from actbench.analysis import analyse, row_of
from actbench.comparison import Gap, Group
from actbench.papers.matching import Reported
from actbench.papers.places import place_of_claim, place_of_value
from actbench.recipe.schema import AnalysisSettings
from actbench.stats.contrasts import METHOD_NAMES, Contrast
from actbench.stats.intervals import Estimate, Interval
from actbench.trace import FamilyTest, Number, Trace, TracedRun, TracedValue
from actbench.traced_runs import Sides
from actbench.verdict import verdict_of

_OF_A_GAP: dict[str, dict[str, str]] = {
    "p": {"holm": "p_holm", "unadjusted": "p"},
    "effect": {"effect_size": "effect_size"},
    "detectable": {"detectable": "detectable"},
    "examples": {"low": "crossed_low", "high": "crossed_high"},
}
"""Columns that show other numbers of a gap than itself: the cell's name of a number -> the trace's."""
_AT = {
    "last": "last epoch",
    "best_val": "best epoch on validation",
    "best_test": "best epoch on the test set itself",
}


class Tracer:
    """A group with the sides that its files give now: what every cell's trace is made of."""

    def __init__(self, group: Group, read: Sides) -> None:
        analysis = group.plan.analysis if group.plan else AnalysisSettings()
        self.group, self.sides, self.listed = group, read.sides, read.listed
        self.shown = {row.name: row for row in group.rows}
        self.tested = analyse(
            {**read.sides, **group.unshown}, group.baselines, analysis, share_seeds=read.share_seeds
        )
        self.anew = {
            name: row_of(
                side,
                read.sides,
                group.baselines,
                self.tested,
                planned=sorted({*side.finished, *self.shown[name].missing_seeds}),
            )
            for name, side in read.sides.items()
        }

    def cell(self, arm: str, column: str) -> Trace:
        """Of the arm's cell in the column of that key."""
        kind, _, baseline = column.partition("_")
        if baseline in self.group.baselines and kind in (*_OF_A_GAP, "vs"):
            return _named(self.gap(arm, baseline), _OF_A_GAP.get(kind, {}))
        kinds = {
            "step_time": self.time,
            "parameters": self.parameters,
            "kept": self.kept,
            "reported": self.reported,
            "verdict": self.verdict,
        }
        return _named(
            kinds.get(column, self.value)(arm), _OF_A_GAP["examples"] if column == "examples" else {}
        )

    def value(self, arm: str) -> Trace:
        """Of the arm's mean, its intervals and its counts."""
        row = self.anew[arm]
        how = [f"mean over seeds of the {self.group.metric.noun} {self._at()}"]
        if row.value and row.value.interval:
            n = row.value.n
            how.append(f"95 % interval: mean ± t(0.975, {n - 1} degrees of freedom) x sd / sqrt({n})")
        how += _over_examples(row.crossed)
        if row.optimism is not None:
            how.append(
                f"chosen on the test set itself: {100 * row.optimism:+.2f} points above the last epoch"
            )
        return Trace(
            how=(*how, *self._unequal(arm)),
            runs=self._runs(arm),
            missing=self._missing(arm),
            made={
                **_estimate(row.value, "mean"),
                "sd": row.value.sd if row.value else None,
                **_bounds(row.crossed, "crossed_"),
                "n": row.completed,
                "completed": row.completed,
                "diverged": row.diverged,
                "missing": len(row.missing_seeds),
                "optimism": row.optimism,
            },
            claim=self._claim(arm, None),
        )

    def gap(self, arm: str, baseline: str) -> Trace:
        """Of the arm's mean less the baseline's, its intervals, its test and what that could have shown."""
        gap, shown = (_gap_to(baseline, rows[arm].gaps) for rows in (self.anew, self.shown))
        contrast = gap.contrast
        how = ["the baseline itself"] if arm == baseline else self._how(arm, baseline, gap)
        return Trace(
            how=(*how, *self._unequal(arm, baseline)),
            runs=self._runs(arm, baseline),
            missing=self._missing(arm, baseline),
            made={
                **_estimate(gap.difference, "difference"),
                **_bounds(gap.crossed, "crossed_"),
                "p": contrast.p if contrast else None,
                "p_holm": gap.p_holm,
                "effect_size": contrast.effect_size if contrast else None,
                "detectable": gap.detectable,
                "reported": shown.reported[0].value if shown.reported else None,
            },
            family=() if gap.p_holm is None else tuple(self._family()),
            reported=self._reported(shown.reported),
            claim=self._claim(arm, baseline),
        )

    def _how(self, arm: str, baseline: str, gap: Gap) -> list[str]:
        contrast = gap.contrast
        if contrast is None:
            return ["one of the two has no completed run"]
        what = f"mean of {arm} less mean of {baseline}, of the {self.group.metric.noun} {self._at()}"
        if contrast.standard_error is None:
            return [what, "one seed: no interval and no test"]
        found = [what, _test(contrast)]
        if gap.p_holm is not None and contrast.p is not None:
            smaller = sum(test.p is not None and test.p < contrast.p for test in self._family())
            rank = f"rank {smaller + 1} of the {self.tested.family} tests of this table"
            found.append(
                f"p {contrast.p:.3g}, {rank}{_in_family(contrast)}; {gap.p_holm:.3g} after Holm over them"
            )
        return [*found, *_over_examples(gap.crossed)]

    def verdict(self, arm: str) -> Trace:
        """Of the verdict on the claim: the gap that it judges."""
        claim = self.group.claim
        if claim is None or arm not in claim.arms or claim.baseline not in self.group.baselines:
            return Trace(how=("no claim is about this arm here",))
        judged = verdict_of(self.anew[arm], replace(self.group, rows=tuple(self.anew.values())))
        found = self.gap(arm, claim.baseline)
        how = [f"judged anew: {judged.cell}"] if judged else []
        return replace(found, how=(*how, *found.how), made={})

    def time(self, arm: str) -> Trace:
        """Of the ratio of an update's time."""
        row, baselines = self.anew[arm], self.group.baselines[:1]
        how = "no ratio: a run was not timed, or the hardware differs"
        if row.step_clock and row.step_time_ratio is not None:
            medians = [(name, self.sides[name].step_time_s(row.step_clock)) for name in (arm, *baselines)]
            told = " / ".join(f"{name} {seconds!r} s" for name, seconds in medians)
            clock = "CPU time" if row.step_clock == "cpu" else "wall time"
            how = f"median over runs of the {clock} of an update: {told}"
        return Trace(how=(how,), runs=self._runs(arm, *baselines), made={"ratio": row.step_time_ratio})

    def parameters(self, arm: str) -> Trace:
        """Of the counted parameters."""
        row = self.anew[arm]
        return Trace(
            how=("counted in the network as it was built; the same for every seed",),
            runs=self._runs(arm),
            made={"total": row.parameters, "activations": row.activation_parameters},
        )

    def kept(self, arm: str) -> Trace:
        """Of the bytes that the activations keep for backward."""
        row = self.anew[arm]
        how = "bytes that the activation sites keep for backward of one image, over the elements of their output"
        return Trace(
            how=(how if row.kept_per_element is not None else "these records are older than the count",),
            runs=self._runs(arm),
            made={"per_element": row.kept_per_element, "beyond_output": row.kept_beyond_output},
        )

    def reported(self, arm: str) -> Trace:
        """Of the paper's own values."""
        row = self.shown[arm]
        known = [r.value for r in row.reported if r.value is not None]
        values = self._reported((*row.reported, *row.reported_elsewhere))
        how = "as the paper prints it" if values else "the paper has no value for this arm in this setting"
        return Trace(how=(how,), made={"value": known[0] if known else None}, reported=values)

    def _at(self) -> str:
        weights = " (moving average of the weights)" if self.group.weights == "ema" else ""
        return f"at the {_AT[self.group.which]}{weights}" if self.group.plan else "as it was imported"

    def _family(self) -> Iterable[FamilyTest]:
        """Every test that p is adjusted over, once: of two baselines the later's against the earlier."""
        baselines = self.group.baselines
        for (arm, baseline), contrast in self.tested.contrasts.items():
            if arm not in baselines[: baselines.index(baseline) + 1]:
                p = contrast.p if contrast else None
                yield FamilyTest(arm, baseline, p, self.tested.adjusted[arm, baseline])

    def _runs(self, *arms: str) -> tuple[TracedRun, ...]:
        return tuple(run for arm in dict.fromkeys(arms) for run in self.listed[arm])

    def _missing(self, *arms: str) -> dict[str, tuple[int, ...]]:
        found = {arm: self.anew[arm].missing_seeds for arm in arms}
        return {arm: seeds for arm, seeds in found.items() if seeds}

    def _unequal(self, *arms: str) -> list[str]:
        return [
            f"footing differs: {arm} seed {', '.join(map(str, mismatch.seeds[arm]))}: {mismatch.difference}"
            for mismatch in self.group.mismatches
            for arm in dict.fromkeys(arms)
            if arm in mismatch.seeds
        ]

    def _reported(self, values: Sequence[Reported]) -> tuple[TracedValue, ...]:
        paper = self.group.paper
        return tuple(
            TracedValue(
                value=r.value,
                place=place_of_value(paper, r.table, r.row),
                table=r.table.id,
                caption=r.table.caption,
                about=_about(r),
                certainty=r.row.certainty or r.table.certainty,
            )
            for r in values
            if paper
        )

    def _claim(self, arm: str, baseline: str | None) -> str | None:
        paper, claim = self.group.paper, self.group.claim
        if paper is None or claim is None or arm not in claim.arms or baseline not in (None, claim.baseline):
            return None
        model = claim.model or "a network not known"
        about = f"{', '.join(claim.arms)} over {claim.baseline} {claim.size}, {model} on {claim.data}"
        return f"{claim.id}: {about} ({place_of_claim(paper, claim)})"


def _named(trace: Trace, names: Mapping[str, str]) -> Trace:
    """The trace with those of its numbers that the cell shows, under the cell's names."""
    return replace(trace, made={name: trace.made[other] for name, other in names.items()}) if names else trace


def _gap_to(baseline: str, gaps: Sequence[Gap]) -> Gap:
    return next(gap for gap in gaps if gap.baseline == baseline)


def _test(contrast: Contrast) -> str:
    error, freedom = contrast.standard_error, contrast.test.degrees_of_freedom
    name = METHOD_NAMES[contrast.method]
    if contrast.method == "block":
        name += ", which rests on the spread of the table's other arms as well"
    return f"{name}: standard error {error:.6g}, {freedom:.4g} degrees of freedom; 95 % interval"


def _in_family(contrast: Contrast) -> str:
    """Which p goes through Holm's steps, where it is not the pair's own."""
    test = contrast.test
    if test.family_p is None or not test.family_standard_error or test.family_degrees_of_freedom is None:
        return ""
    return (
        f"; among them, with errors moderated by the other arms' (docs/statistics.md), p {test.family_p:.3g} by "
        f"standard error {test.family_standard_error:.6g} and {test.family_degrees_of_freedom:.4g} degrees of freedom"
    )


def _over_examples(crossed: Interval | None) -> list[str]:
    return [f"over seeds and test examples [{crossed.low:.6g}, {crossed.high:.6g}]"] if crossed else []


def _about(reported: Reported) -> str:
    row = reported.row
    what = f"gain over {row.reference}" if row.kind == "gain" else "absolute"
    data = reported.table.dataset or "data not known"
    return f"{what}, {row.activation or row.uncatalogued} in {row.model} on {data}"


def _estimate(estimate: Estimate | None, name: str) -> dict[str, Number]:
    return {name: estimate.value if estimate else None, **_bounds(estimate.interval if estimate else None)}


def _bounds(interval: Interval | None, prefix: str = "") -> dict[str, Number]:
    low, high = interval or (None, None)
    return {f"{prefix}low": low, f"{prefix}high": high}
