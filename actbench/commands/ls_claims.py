"""`ls claims`: what papers claim, what stored runs make of it, and what to run for the rest. Imports no torch.

First the claims with runs, judged together: an effect counts where its q is below 5 %, as many are tested.
Then those without, under the command that would make the runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from tabulate import tabulate

from actbench.claim_words import measured, reported
from actbench.claims import ClaimRecipe, Evidence, Finding, adjusted, evidence, judged, recipes_with_papers
from actbench.commands.outcome import Outcome
from actbench.errors import Problem
from actbench.papers.reported import Claim, Paper, load_papers
from actbench.recipe.schema import Recipe
from actbench.verdict import Verdict

WIDTHS = {"claim": 20, "claimed": 24, "reproduced": 20, "verdict": 30}
"""With two blanks between them a line has 100 characters."""


class _Told(NamedTuple):
    paper: str
    claim: Claim
    found: Evidence
    judgements: tuple["_Judgement", ...]


class _Judgement(NamedTuple):
    finding: Finding
    q: float | None
    verdict: Verdict
    """By q."""


def ls_claims(results_dir: Path) -> Outcome:
    """The overview over all claims of all papers."""
    recipes, problems = recipes_with_papers()
    told = _told(load_papers(), recipes, results_dir)
    problems += [
        Problem(message=f"{each.claim.id}: {problem}") for each in told for problem in each.found.problems
    ]
    with_runs = [each for each in told if each.judgements]
    without = [each for each in told if not each.judgements]
    parts = [_summary(told), *([_table(with_runs)] if with_runs else []), *_not_run(without)]
    return Outcome(
        text="\n\n".join(parts) if told else "no claims",
        document=[_document(each) for each in told],
        warnings=tuple(str(problem) for problem in problems),
    )


def _told(papers: Mapping[str, Paper], recipes: Mapping[str, Recipe], results_dir: Path) -> list[_Told]:
    found = [
        (key, claim, evidence(claim, paper, recipes, results_dir))
        for key, paper in papers.items()
        for claim in paper.claims
    ]
    qs = iter(adjusted([(claim, finding) for _, claim, each in found for finding in each.findings]))
    return [
        _Told(key, claim, each, tuple(_judgement(claim, finding, next(qs)) for finding in each.findings))
        for key, claim, each in found
    ]


def _judgement(claim: Claim, finding: Finding, q: float | None) -> _Judgement:
    return _Judgement(finding, q, judged(claim, finding, q))


def _summary(told: Sequence[_Told]) -> str:
    runs = sum(bool(each.judgements) for each in told)
    tests = sum(judgement.q is not None for each in told for judgement in each.judgements)
    text = f"{len(told)} claims of {len({each.paper for each in told})} papers, {runs} with stored runs."
    if tests:
        text += (
            f" q is p adjusted for {tests} tests by Benjamini and Hochberg; an effect counts where q < 0.05."
        )
    return fill(text, 100)


def _table(told: Iterable[_Told]) -> str:
    rows: list[list[str]] = []
    for each in told:
        claim = each.claim
        for judgement in each.judgements:
            is_first = judgement is each.judgements[0]
            which = which_of(judgement.finding, each.found.findings)
            cells = {
                "claim": claim.id if is_first else "",
                "claimed": claimed(claim) if is_first else "",
                "reproduced": (f"{which}: " if which else "") + _reproduced(claim, judgement),
                "verdict": judgement.verdict.cell,
            }
            rows.append([fill(text, WIDTHS[column]) for column, text in cells.items()])
    return tabulate(rows, headers=list(WIDTHS), tablefmt="plain", disable_numparse=True)


def claimed(claim: Claim) -> str:
    """Who beats whom by how much, and in which setting."""
    setting = f"{claim.model or 'a network not known'} on {claim.data}"
    if claim.metric != "top1_accuracy":
        setting += f" ({claim.metric.replace('_', ' ')})"
    return f"{' and '.join(claim.arms)} over {claim.baseline}: {reported(claim)}, {setting}"


def _reproduced(claim: Claim, judgement: _Judgement) -> str:
    finding = judgement.finding
    if finding.contrast is None:
        return "; ".join(finding.diverged) or "-"
    text = measured(claim, finding.contrast, finding.diverged)
    return text if judgement.q is None else f"{text}, q {judgement.q:.2g}"


def which_of(finding: Finding, findings: Sequence[Finding]) -> str:
    """What tells the finding from the other findings about its claim; empty for the only one."""
    names = [
        [each.arm, each.recipe, each.profile, each.variant or "", each.metric]
        for each in (finding, *findings)
    ]
    differing = [len(set(column)) > 1 for column in zip(*names, strict=True)]
    return ", ".join(name for name, differs in zip(names[0], differing, strict=True) if differs and name)


def _not_run(told: Iterable[_Told]) -> list[str]:
    """The claims without runs, under the command that makes them; those without a recipe last."""
    by_recipe: dict[ClaimRecipe | None, list[_Told]] = {}
    for each in told:
        by_recipe.setdefault(each.found.nearest, []).append(each)
    return [
        "\n".join([_run(recipe), *(_line(each.claim) for each in by_recipe[recipe])])
        for recipe in sorted(by_recipe, key=lambda recipe: (recipe is None, recipe.name if recipe else ""))
    ]


def _run(recipe: ClaimRecipe | None) -> str:
    if recipe is None:
        return "not run: no recipe speaks about these"
    stand_in = f"  (on stand-in {recipe.setting})" if recipe.is_stand_in else ""
    return fill(f"not run: {recipe.command}{stand_in}", 100, subsequent_indent="    ", break_on_hyphens=False)


def _line(claim: Claim) -> str:
    return fill(f"  {claim.id}  {claimed(claim)}", 100, subsequent_indent="      ", break_on_hyphens=False)


def _document(told: _Told) -> dict[str, Any]:
    claim, found = told.claim, told.found
    return {
        "claim": claim.id,
        "paper": told.paper,
        **claim.model_dump(mode="json", exclude={"id"}),
        "recipes": [asdict(recipe) for recipe in found.recipes],
        "records": [finding_document(*judgement) for judgement in told.judgements],
        "verdicts": [judgement.verdict.cell for judgement in told.judgements] or ["not run"],
        "command": found.nearest.command if found.nearest else None,
    }


def finding_document(finding: Finding, q: float | None, verdict: Verdict) -> dict[str, Any]:
    """One finding as plain data; differences are of the metric as records hold it."""
    contrast = finding.contrast
    interval = contrast.estimate.interval if contrast else None
    return {
        "recipe": finding.recipe,
        "profile": finding.profile,
        "variant": finding.variant,
        "setting": finding.setting,
        "stand_in": verdict.place.stand_in,
        "reduced_budget": verdict.place.reduced,
        "synthetic": finding.synthetic,
        "metric": finding.metric,
        "arm": finding.arm,
        "n": finding.completed,
        "diverged": list(finding.diverged),
        "difference": contrast.estimate.value if contrast else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "detectable": contrast.detectable if contrast else None,
        "method": contrast.method if contrast else None,
        "p": contrast.p if contrast else None,
        "q": q,
        "word": verdict.word,
        "size": verdict.size,
        "verdict": verdict.cell,
        "files": [str(path) for path in finding.files],
    }
