"""How claims and what was found of them stand in rows, for eyes and for programs. Imports no torch."""

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any, NamedTuple

from tabulate import tabulate

from actbench.claim_words import measured, reported
from actbench.claims import Evidence, Finding
from actbench.papers.reported import Claim
from actbench.verdict import Verdict

WIDTH = 100
WIDTHS = {"claim": 20, "reported": 24, "reproduced": 20, "verdict": 30}
"""With two blanks between them a line is as wide as `WIDTH`."""


class Judgement(NamedTuple):
    finding: Finding
    q: float | None
    """Its p adjusted for all claims tested, where they are told together."""
    verdict: Verdict
    """By q, where there is one."""


def claim_rows(claim: Claim, found: Evidence, judgements: Sequence[Judgement]) -> list[list[str]]:
    """One row for each judgement, or for what is to be run."""
    rows = [[claim.id, claimed(claim), "-", f"not run; {to_run(found)}"]]
    for index, judgement in enumerate(judgements):
        which = which_of(judgement.finding, found.findings)
        head = ["", ""] if index else rows.pop()[:2]
        told = (f"{which}: " if which else "") + _reproduced(claim, judgement)
        rows.append([*head, told, judgement.verdict.cell])
    return rows


def table(rows: Sequence[Sequence[str]], widths: dict[str, int]) -> str:
    """Aligned columns of those widths."""
    filled = [
        [
            "\n".join(fill(line, width) for line in text.split("\n"))
            for text, width in zip(row, widths.values(), strict=True)
        ]
        for row in rows
    ]
    return tabulate(filled, headers=list(widths), tablefmt="plain", disable_numparse=True)


def claimed(claim: Claim) -> str:
    """How much who beats whom by, and in which setting."""
    setting = f"{claim.model or 'a network not known'} on {claim.data}"
    if claim.metric != "top1_accuracy":
        setting += f" ({claim.metric.replace('_', ' ')})"
    return f"{' and '.join(claim.arms)} over {claim.baseline}: {reported(claim)}, {setting}"


def to_run(found: Evidence) -> str:
    """The command that makes the missing runs, and what it trains if that is a stand-in."""
    recipe = found.nearest
    if recipe is None:
        return "no recipe speaks about it"
    return recipe.command + (f"  (on stand-in {recipe.setting})" if recipe.is_stand_in else "")


def _reproduced(claim: Claim, judgement: Judgement) -> str:
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


def claim_document(
    paper: str, claim: Claim, found: Evidence, judgements: Sequence[Judgement]
) -> dict[str, Any]:
    """A claim with all that was found of it as plain data."""
    return {
        "claim": claim.id,
        "paper": paper,
        **claim.model_dump(mode="json", exclude={"id"}),
        "recipes": [asdict(recipe) for recipe in found.recipes],
        "records": [_finding_document(*judgement) for judgement in judgements],
        "verdicts": [judgement.verdict.cell for judgement in judgements] or ["not run"],
        "command": found.nearest.command if found.nearest else None,
    }


def _finding_document(finding: Finding, q: float | None, verdict: Verdict) -> dict[str, Any]:
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
