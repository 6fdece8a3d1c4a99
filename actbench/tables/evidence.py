"""Every number that a comparison has of an arm, as plain data for `--json`: unrounded, missing ones null.

Imports no torch.
"""

from typing import Any

from actbench import stats
from actbench.comparison import ArmRow, Gap, Group, TunedRow
from actbench.stats.contrasts import Contrast, Test
from actbench.verdict import verdict_of


def evidence_of(row: ArmRow, group: Group) -> dict[str, Any]:
    verdict = verdict_of(row, group)
    return {
        "seeds_completed": row.completed,
        "seeds_diverged": row.diverged,
        "seeds_missing": list(row.missing_seeds),
        "mean": row.value.value if row.value else None,
        "sd": row.value.sd if row.value else None,
        "over_seeds": _interval(row.value.interval if row.value else None),
        "over_seeds_and_examples": _interval(row.crossed),
        "near_best": row.name in group.near_best,
        "optimism": row.optimism,
        "gaps": [_gap(gap) for gap in row.gaps if gap.baseline != row.name],
        "step_time_ratio": row.step_time_ratio,
        "step_clock": row.step_clock,
        "parameters": row.parameters,
        "activation_parameters": row.activation_parameters,
        "kept_per_element": row.kept_per_element,
        "kept_beyond_output": row.kept_beyond_output,
        "reported": [reported.value for reported in row.reported],
        **({"tuned": _tuned(row.tuned)} if row.tuned else {}),
        "verdict": verdict.cell if verdict else None,
    }


def _tuned(tuned: TunedRow) -> dict[str, Any]:
    choice, row = tuned.choice, tuned.row
    return {
        "settings": dict(choice.settings),
        "trials": choice.trials,
        "hours": choice.hours,
        "at_edge": list(choice.at_edge),
        "complete": choice.complete,
        "seeds_completed": row.completed,
        "seeds_diverged": row.diverged,
        "seeds_missing": list(row.missing_seeds),
        "mean": row.value.value if row.value else None,
        "over_seeds": _interval(row.value.interval if row.value else None),
        "gaps": [_gap(gap) for gap in row.gaps if gap.baseline != row.name],
        "files": list(map(str, row.files)),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    contrast = gap.contrast
    return {
        "baseline": gap.baseline,
        "difference": contrast.estimate.value if contrast else None,
        "over_seeds": _interval(contrast.estimate.interval if contrast else None),
        "over_seeds_and_examples": _interval(gap.crossed),
        "only_over_seeds": gap.only_over_seeds,
        "p": contrast.p if contrast else None,
        "p_holm": gap.p_holm,
        "is_significant": gap.is_significant,
        "hedges_g": contrast.effect_size if contrast else None,
        "detectable": gap.detectable,
        "method": contrast.method if contrast else None,
        "alternatives": {name: _test(test) for name, test in sorted(contrast.alternatives.items())}
        if contrast
        else {},
        "sign_flip": _sign_flip(contrast),
        "reported": [reported.value for reported in gap.reported],
    }


def _test(test: Test) -> dict[str, Any]:
    return {
        "difference": test.difference,
        "standard_error": test.standard_error,
        "degrees_of_freedom": test.degrees_of_freedom,
        "interval": _interval(test.interval),
        "p": test.p,
    }


def _sign_flip(contrast: Contrast | None) -> dict[str, float] | None:
    found = contrast.sign_flip if contrast else None
    return {"p": found.p, "smallest_attainable_p": found.smallest} if found else None


def _interval(interval: stats.Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None
