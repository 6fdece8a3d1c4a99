"""How `ls claims` tells a claim: in cells for eyes, in one flat object for programs. Imports no torch."""

from dataclasses import asdict
from typing import Any

from actbench.claims import Evidence, Finding
from actbench.papers.reported import Claim

COLUMNS = ("claim", "claimed", "recipes", "records")
WIDTHS = {"claimed": 24, "recipes": 35, "records": 19}
NOT_RUN = "not run"


def cells(claim: Claim, found: Evidence) -> list[object]:
    """What stands in `COLUMNS`."""
    return [claim.id, _claimed(claim), _recipes(claim, found) or None, _records(claim, found)]


def document(paper: str, claim: Claim, found: Evidence) -> dict[str, Any]:
    return {
        "claim": claim.id,
        "paper": paper,
        **claim.model_dump(mode="json", exclude={"id"}),
        "recipes": [asdict(recipe) for recipe in found.recipes],
        "records": [_finding(finding) for finding in found.findings],
    }


def _claimed(claim: Claim) -> str:
    setting = f"{claim.model or 'a network not known'} on {claim.data}"
    if claim.metric != "top1_accuracy":
        setting += f", {claim.metric}"
    return f"{' and '.join(claim.arms)} over {claim.baseline} {claim.size}; {setting} ({claim.source})"


def _recipes(claim: Claim, found: Evidence) -> str:
    """One a line, with what it stands in by; what the paper leaves open for all of them last."""
    lines = [
        f"{recipe.name} (a stand-in: {recipe.setting})" if recipe.is_stand_in else recipe.name
        for recipe in found.recipes
    ]
    return "\n".join([*lines, claim.stand_in] if lines and claim.stand_in else lines)


def _records(claim: Claim, found: Evidence) -> str:
    """One finding a line."""
    findings = found.findings
    several_recipes = len({finding.recipe for finding in findings}) > 1
    told: list[str] = []
    for finding in findings:
        place = [finding.recipe] if several_recipes else []
        place += [finding.profile, *([finding.variant] if finding.variant else []), finding.setting]
        place += [finding.arm] if len(claim.arms) > 1 else []
        told.append(f"{', '.join(place)}: {_measured(finding, claim)}")
    return "\n".join(told) or NOT_RUN


def _measured(finding: Finding, claim: Claim) -> str:
    if finding.difference is None:
        return f"no pair of finished runs with {claim.baseline}" if finding.completed else "not finished"
    text = f"{100 * finding.difference.value:+.2f}"
    interval = finding.difference.interval
    if interval and not finding.difference.is_level:
        text += f" [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]"
    other = f" in {finding.metric}" if finding.metric != claim.metric else ""
    return f"{text}{other} (n={finding.completed})"


def _finding(finding: Finding) -> dict[str, Any]:
    difference = finding.difference
    interval = difference.interval if difference else None
    return {
        "recipe": finding.recipe,
        "profile": finding.profile,
        "variant": finding.variant,
        "setting": finding.setting,
        "synthetic": finding.synthetic,
        "metric": finding.metric,
        "arm": finding.arm,
        "n": finding.completed,
        "difference": difference.value if difference else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
