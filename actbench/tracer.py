"""Traces the cells of a comparison: each number made again of the record files. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from actbench.compare import analyse
from actbench.comparison import ArmRow, Group
from actbench.metrics import Metric
from actbench.papers.matching import Reported
from actbench.papers.places import place_of_claim, place_of_value
from actbench.recipe.schema import AnalysisSettings
from actbench.record import RunFacts, RunRecord, RunSummary, Tally
from actbench.sides import Reading, Side, kept_bytes, side_of, step_time
from actbench.stats.contrasts import METHOD_NAMES
from actbench.stats.crossed import crossed_difference, crossed_mean
from actbench.stats.intervals import Interval, mean_estimate
from actbench.store import StoredRun
from actbench.trace import FamilyTest, Number, Trace, TracedRun, TracedValue

Records = Mapping[Path, RunSummary | RunRecord]
"""The whole records behind a group's rows, as their files hold them now."""


class Tracer:
    """A group with its records read anew: what every cell's trace is made of."""

    def __init__(self, group: Group, records: Records) -> None:
        self.group = group
        self.reading = Reading(group.metric, group.which, group.weights)
        self.rows = {row.name: row for row in group.rows}
        self.sides = {row.name: self._side(row, records) for row in group.rows}
        analysis = group.plan.analysis if group.plan else AnalysisSettings()
        self.tested = analyse(self.sides, group.baselines, analysis)

    def _side(self, row: ArmRow, records: Records) -> Side:
        assert row.arm is not None
        return side_of(row.arm, [StoredRun(path, records[path]) for path in row.files], self.reading)

    def cell(self, arm: str, column: str) -> Trace:
        """Of the arm's cell in the column of that key."""
        if column.startswith("vs_"):
            return self.gap(arm, column.removeprefix("vs_"))
        kinds = {
            "step_time": self.time,
            "parameters": self.parameters,
            "kept": self.kept,
            "reported": self.reported,
        }
        return kinds.get(column, self.value)(arm)

    def value(self, arm: str) -> Trace:
        """Of the arm's mean, its interval and its counts."""
        side, metric = self.sides[arm], self.group.metric
        values = list(side.values.values())
        estimate = mean_estimate(values) if values else None
        how = [f"mean over seeds of the {metric.noun} {self._at()}"]
        if estimate and estimate.interval:
            how.append(
                f"interval: mean ± t(0.975, {estimate.n - 1} degrees of freedom) x sd / sqrt({estimate.n})"
            )
        crossed = crossed_mean(list(side.bits.values()), side.examples) if side.bits else None
        if crossed:
            how.append(f"over seeds and test examples {_interval(crossed)}")
        if side.optimism is not None:
            how.append(
                f"chosen on the test set itself: {100 * side.optimism:+.2f} points above the last epoch"
            )
        return Trace(
            how=tuple(how),
            runs=self._runs(arm),
            missing=self._missing(arm),
            made={
                "mean": estimate.value if estimate else None,
                "sd": estimate.sd if estimate else None,
                **_bounds(estimate.interval if estimate else None),
                **_bounds(crossed, "crossed_"),
                "n": len(values),
                "completed": len(values),
                "diverged": len(side.diverged),
                "missing": len(self.rows[arm].missing_seeds),
                "optimism": side.optimism,
            },
            claim=self._claim(arm, None),
        )

    def gap(self, arm: str, baseline: str) -> Trace:
        """Of the arm's mean less the baseline's, its interval, its test and what it could have shown."""
        gap = next(gap for gap in self.rows[arm].gaps if gap.baseline == baseline)
        tested = self.tested
        contrast = tested.contrasts.get((arm, baseline))
        p_holm = tested.adjusted.get((arm, baseline))
        ours, theirs = self.sides[arm], self.sides[baseline]
        crossed = None
        if contrast and ours.bits and theirs.bits and ours.examples == theirs.examples:
            crossed = crossed_difference(contrast, ours.bits, theirs.bits, ours.examples)
        how = [f"mean of {arm} less mean of {baseline}, of the {self.group.metric.noun} {self._at()}"]
        if arm == baseline:
            how = ["the baseline itself"]
        elif contrast is None:
            how = ["one of the two has no completed run"]
        elif contrast.standard_error is None:
            how.append("one seed: no interval and no test")
        else:
            how += self._test(contrast.method, contrast.test.degrees_of_freedom, contrast.standard_error)
            if p_holm is not None and contrast.p is not None:
                how.append(
                    f"p {contrast.p:.3g}, after Holm {p_holm:.3g} over the {tested.family} tests of this table"
                )
        if crossed:
            how.append(f"over seeds and test examples {_interval(crossed)}")
        estimate = contrast.estimate if contrast else None
        both = (arm,) if arm == baseline else (arm, baseline)
        return Trace(
            how=tuple(how),
            runs=tuple(run for name in both for run in self._runs(name)),
            missing={role: seeds for name in both for role, seeds in self._missing(name).items()},
            made={
                "difference": estimate.value if estimate else None,
                **_bounds(estimate.interval if estimate else None),
                **_bounds(crossed, "crossed_"),
                "p": contrast.p if contrast else None,
                "p_holm": p_holm,
                "effect_size": contrast.effect_size if contrast else None,
                "detectable": contrast.detectable if contrast else None,
                "reported": gap.reported[0].value if gap.reported else None,
            },
            family=tuple(
                FamilyTest(first, second, found.p if found else None, tested.adjusted[first, second])
                for (first, second), found in tested.contrasts.items()
                if second not in self._later_than(first)
            ),
            reported=self._reported(gap.reported),
            claim=self._claim(arm, baseline),
        )

    def time(self, arm: str) -> Trace:
        """Of the ratio of an update's time."""
        if not self.group.baselines:
            return Trace(how=("no baseline to compare with",), made={"ratio": None})
        baseline = self.group.baselines[0]
        timed = step_time(self.sides[arm], self.sides[baseline])
        both = (arm,) if arm == baseline else (arm, baseline)
        if timed.ratio is None:
            how = "no ratio: a run was not timed, or the hardware differs"
        else:
            clock = "CPU time" if timed.clock == "cpu" else "wall time"
            medians = " / ".join(
                f"{name} {self._step(name, timed.clock == 'cpu'):.6g} s" for name in (arm, baseline)
            )
            how = f"median over runs of the {clock} of an update: {medians}"
        runs = tuple(run for name in both for run in self._runs(name))
        return Trace(how=(how,), runs=runs, made={"ratio": timed.ratio})

    def parameters(self, arm: str) -> Trace:
        """Of the counted parameters."""
        cost = self.sides[arm].cost
        return Trace(
            how=("counted in the network as it was built; the same for every seed",),
            runs=self._runs(arm),
            made={
                "total": cost.parameters if cost else None,
                "activations": cost.activation_parameters if cost else None,
            },
        )

    def kept(self, arm: str) -> Trace:
        """Of the bytes that the activations keep for backward."""
        kept = kept_bytes(self.sides[arm])
        how = "bytes that the activation sites keep for backward of one image, over the elements of their output"
        return Trace(
            how=(how if kept.per_element is not None else "these records are older than the count",),
            runs=self._runs(arm),
            made={"per_element": kept.per_element, "beyond_output": kept.beyond_output},
        )

    def reported(self, arm: str) -> Trace:
        """Of the paper's own values."""
        row = self.rows[arm]
        known = [r.value for r in row.reported if r.value is not None]
        values = self._reported((*row.reported, *row.reported_elsewhere))
        how = "as the paper prints it" if values else "the paper has no value for this arm in this setting"
        return Trace(how=(how,), made={"value": known[0] if known else None}, reported=values)

    def _at(self) -> str:
        which = {
            "last": "last epoch",
            "best_val": "best epoch on validation",
            "best_test": "best epoch on the test set",
        }
        weights = " (moving average of the weights)" if self.group.weights == "ema" else ""
        return f"at the {which[self.group.which]}{weights}"

    def _test(self, method: str, freedom: float | None, error: float) -> list[str]:
        name = METHOD_NAMES[method]  # type: ignore[index]
        return [f"{name}: standard error {error:.6g}, {freedom:.4g} degrees of freedom; 95 % interval"]

    def _later_than(self, arm: str) -> tuple[str, ...]:
        """Of two baselines only the later one's test against the earlier counts."""
        baselines = self.group.baselines
        return baselines[baselines.index(arm) :] if arm in baselines else ()

    def _step(self, arm: str, by_cpu: bool) -> float:
        return self.sides[arm].step_time_s("cpu" if by_cpu else "wall") or 0.0

    def _runs(self, arm: str) -> tuple[TracedRun, ...]:
        side = self.sides[arm]
        return tuple(
            self._run(arm, run, path, side.values.get(run.seed))
            for run, path in zip(side.runs, side.files, strict=True)
        )

    def _run(self, role: str, run: RunFacts, path: Path, value: float | None) -> TracedRun:
        result = run.result(self.group.which, self.group.weights)
        made = run.provenance
        return TracedRun(
            role=role,
            seed=run.seed,
            status=run.status,
            reason=run.reason,
            value=value,
            counts=_counts(self.group.metric, run, self.reading) if value is not None else None,
            epoch=result.epoch + 1 if result else None,
            file=str(path),
            run=run.run,
            commit=made.commit,
            dirty=made.dirty,
            wall_time_s=made.wall_time_s,
            device=made.device,
            hardware=made.hardware,
            threads=made.threads,
            started=made.started,
        )

    def _missing(self, arm: str) -> dict[str, tuple[int, ...]]:
        missing = self.rows[arm].missing_seeds
        return {arm: missing} if missing else {}

    def _reported(self, values: Sequence[Reported]) -> tuple[TracedValue, ...]:
        paper = self.group.paper
        if paper is None:
            return ()
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
        )

    def _claim(self, arm: str, baseline: str | None) -> str | None:
        paper, claim = self.group.paper, self.group.claim
        if paper is None or claim is None or arm not in claim.arms or baseline not in (None, claim.baseline):
            return None
        model = claim.model or "a network not known"
        about = f"{', '.join(claim.arms)} over {claim.baseline} {claim.size}, {model} on {claim.data}"
        return f"{claim.id}: {about} ({place_of_claim(paper, claim)})"


def _about(reported: Reported) -> str:
    row = reported.row
    what = f"gain over {row.reference}" if row.kind == "gain" else "absolute"
    data = reported.table.dataset or "data not known"
    return f"{what}, {row.activation or row.uncatalogued} in {row.model} on {data}"


def _counts(metric: Metric, run: RunFacts, reading: Reading) -> str | None:
    tally = reading.result(run).tally
    if not isinstance(tally, Tally) or metric.attack is not None:
        return None
    return f"{tally.correct} of {tally.total}"


def _bounds(interval: Interval | None, prefix: str = "") -> dict[str, Number]:
    return {
        f"{prefix}low": interval.low if interval else None,
        f"{prefix}high": interval.high if interval else None,
    }


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.6g}, {interval.high:.6g}]"
