"""The gap waterfall as a table: a row for each rung, and for each baseline the gain, its cost and the verdict.

Imports no torch.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from actbench.fair.tuning import Choice
from actbench.fair.waterfall import LABELS, POWER, RUNGS, Rung, RungKey, Waterfall
from actbench.recipe.schema import Recipe
from actbench.setting import setting_of
from actbench.stats.intervals import Estimate
from actbench.stats.power import MOST_SEEDS
from actbench.tables.cells import LEVEL, bracketed
from actbench.tables.table import NONE, Cell, Column, Head, Note, Number, Row, Table
from actbench.tables.words import listed, percent, points


def waterfall_table(fall: Waterfall) -> Table:
    """One table of one candidate."""
    setting = setting_of(fall.recipe)
    parts = [setting.name, setting.profile or "", *([setting.variant] if setting.variant else [])]
    rungs = [key for key in RUNGS if any(fall.rung(baseline, key) for baseline in fall.baselines)]
    return Table(
        name=f"{setting.name} waterfall",
        label=re.sub(r"[^A-Za-z0-9]+", "-", "-".join([*parts, fall.candidate, "waterfall"])),
        title=f"{setting.name}: {fall.candidate}",
        caption=_caption(fall),
        columns=tuple(column for baseline in fall.baselines for column in _columns(fall, baseline)),
        heads=tuple(Head(lines=(f"against {baseline}",), span=3) for baseline in fall.baselines),
        rows=tuple(
            Row(
                arm=LABELS[key],
                mark="",
                cells=tuple(cell for baseline in fall.baselines for cell in _cells(fall.rung(baseline, key))),
                evidence=partial(_evidence, fall, key),
            )
            for key in rungs
        ),
        notes=tuple(
            Note(mark="", text=text) for text in (*_facts_told(fall), *fall.notes, *_legend(fall, rungs))
        ),
        facts=_facts(fall),
        setting=(setting.model, setting.data),
        files={
            LABELS[key]: tuple(
                dict.fromkeys(
                    path
                    for baseline in fall.baselines
                    if (rung := fall.rung(baseline, key))
                    for path in rung.files
                )
            )
            for key in rungs
        },
        first="comparison",
    )


def verdict_words(rung: Rung) -> tuple[str, ...]:
    """The verdict, and where more seeds could change it how many would find a gap of the margin."""
    if rung.word == "no test":
        return (rung.word, "one seed")
    if rung.word not in ("undecided", "better alone", "worse alone"):
        return (rung.word,)
    if rung.gap and rung.gap.is_level:
        return (rung.word,)
    if rung.seeds is None:
        return (rung.word, f"{MOST_SEEDS} seeds would not")
    if rung.gap and rung.seeds <= rung.gap.n:
        return (rung.word,)
    return (rung.word, f"{rung.seeds} seeds would tell")


def tuning_notes(plan: Recipe, chosen: Mapping[str, Choice]) -> Iterator[str]:
    """What every arm was given to choose from, and what it chose."""
    if not chosen or plan.tune is None:
        return
    points = sorted({choice.trials for choice in chosen.values()})
    tried = f"{points[0]}" if len(points) == 1 else f"{points[0]} to {points[-1]}"
    hours = sum(choice.hours for choice in chosen.values())
    length = f"{hours:.1f} h" if hours >= 0.1 else f"{60 * hours:.1f} min"
    seeds = f"seed{'s' if len(plan.tune.seeds) > 1 else ''} {', '.join(map(str, plan.tune.seeds))}"
    picked = "; ".join(
        f"{arm} {', '.join(f'{key}={value:g}' for key, value in choice.settings.items())}"
        + (" (the last tried)" if choice.at_edge else "")
        for arm, choice in chosen.items()
    )
    unfinished = "" if all(choice.complete for choice in chosen.values()) else ", not finished"
    yield f"Tuned on validation, {seeds}, {tried} points for every arm ({length} in all{unfinished}): {picked}."


def _caption(fall: Waterfall) -> str:
    setting = setting_of(fall.recipe)
    synthetic = "Synthetic data: shows the tool, not the activation. " if setting.synthetic else ""
    interim = "Interim: runs are missing. " if fall.is_interim else ""
    seeds = sorted({seed for rungs in fall.rungs.values() for rung in rungs for seed in rung.seeds_used})
    which = (
        f"seed{'s' if len(seeds) != 1 else ''} {', '.join(map(str, seeds))}" if seeds else "no finished runs"
    )
    return (
        f"{synthetic}{interim}{setting.title}: what {fall.candidate} gains over {listed(fall.baselines)} in "
        f"{fall.metric.phrase}, as the comparison gets fairer, on {setting.data} with {setting.model}; profile "
        f"{setting.profile}, {setting.epochs} epoch{'s' if setting.epochs != 1 else ''}, {which}."
    )


def _columns(fall: Waterfall, baseline: str) -> Iterator[Column]:
    multiple = len(fall.baselines) > 1
    for key, lines in (("gain", ("gain", "points")), ("time", ("time",)), ("verdict", ("verdict",))):
        yield Column(key=f"{key}_{baseline}" if multiple else key, lines=lines)


def _cells(rung: Rung | None) -> list[Cell]:
    if rung is None:
        return [
            Cell((NONE,), _gain_numbers(None)),
            Cell((NONE,), {"ratio": None}),
            Cell((NONE,), {"p_holm": None}),
        ]
    ratio = rung.time.ratio
    return [
        _gain(rung),
        Cell((NONE if ratio is None else f"{ratio:.2f}x",), {"ratio": ratio}),
        Cell(verdict_words(rung), {"p_holm": rung.p_holm, "seeds": rung.seeds}),
    ]


def _gain(rung: Rung) -> Cell:
    gap = rung.gap
    if gap is None:
        return Cell((NONE,), _gain_numbers(None))
    lines = [points(gap.value)]
    if gap.is_level:
        lines += LEVEL
    elif gap.interval:
        lines.append(bracketed(gap.interval, points))
    return Cell(tuple(lines), _gain_numbers(gap))


def _gain_numbers(gap: Estimate | None) -> dict[str, Number]:
    interval = gap.interval if gap else None
    return {
        "difference": gap.value if gap else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "n": gap.n if gap else 0,
    }


def _facts_told(fall: Waterfall) -> Iterator[str]:
    if fall.recipe.data.name == "digits":
        yield "Digits show the tool, not your activation."
    missing = list(
        dict.fromkeys(name for rungs in fall.rungs.values() for rung in rungs for name in rung.missing)
    )
    if missing:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        yield f"Interim, still missing: {'; '.join(missing[:6])}{more}."
    for baseline in fall.baselines:
        for rung in fall.rungs[baseline]:
            if rung.key in ("params", "slot", "time", "macs") and (text := _made_equal(rung)):
                yield text


def _made_equal(rung: Rung) -> str | None:
    """What the control came to, where records tell it."""
    ours, theirs = rung.parameters
    if rung.key != "params" or ours is None or theirs is None:
        return None
    return f"{rung.baseline}: {theirs:,} parameters, {rung.candidate} {ours:,} ({100 * (theirs / ours - 1):+.1f} %)."


def _legend(fall: Waterfall, rungs: list[RungKey]) -> Iterator[str]:
    tests = len(
        {
            (rung.candidate, rung.baseline)
            for each in fall.rungs.values()
            for rung in each
            if rung.p_holm is not None
        }
    )
    margin = percent(fall.margin)
    tested = (
        f"better, worse: at 5 % among {tests} tests (Holm), alone: by that one test only; " if tests else ""
    )
    yield (
        f"Gains in points, seed by seed, in brackets their 95 % interval. {tested}as good: the 90 % interval lies "
        f"within ±{margin} points; undecided: none of these. N seeds would tell: find a true gap of {margin} points in "
        f"{100 * POWER:.0f} % of cases, if the spread is as seen."
    )
    controls = [LABELS[key] for key in rungs if key not in ("same", "tuned")]
    if controls:
        tuned = "both tuned and " if "tuned" in rungs else ""
        yield f"{listed(controls)}: {tuned}the baseline made equal to {fall.candidate} in this alone."
    yield f"time: of an update of {fall.candidate}, over the baseline's."


def _facts(fall: Waterfall) -> dict[str, Any]:
    setting, plan = setting_of(fall.recipe), fall.recipe
    return {
        "recipe": setting.name,
        "profile": setting.profile,
        "variant": setting.variant,
        "data": plan.data.name,
        "synthetic": setting.synthetic,
        "model": setting.model,
        "epochs": setting.epochs,
        "protocol": setting.protocol,
        "metric": fall.metric.name,
        "which": "last",
        "weights": "raw",
        "footing": fall.footing,
        "candidate": fall.candidate,
        "baselines": list(fall.baselines),
        "interim": fall.is_interim,
        "margin": fall.margin,
        "method": plan.analysis.method,
    }


def _evidence(fall: Waterfall, key: RungKey) -> dict[str, Any]:
    """By baseline, everything that is known of the rung."""
    return {
        baseline: {
            "candidate": rung.candidate,
            "baseline": rung.baseline,
            "differences": list(rung.contrast.differences) if rung.contrast else [],
            "p": rung.contrast.p if rung.contrast else None,
            "p_holm": rung.p_holm,
            "verdict": rung.word,
            "seeds_to_decide": rung.seeds,
            "candidate_mean": rung.values[0].value if rung.values[0] else None,
            "baseline_mean": rung.values[1].value if rung.values[1] else None,
            "parameters": {"candidate": rung.parameters[0], "baseline": rung.parameters[1]},
            "missing": list(rung.missing),
            "files": [path.as_posix() for path in rung.files],
        }
        for baseline in fall.baselines
        if (rung := fall.rung(baseline, key))
    }
