"""`compare --paper`: a paper's claims beside what stored runs make of them, and one of its tables. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from actbench.claims import Evidence, evidence, recipes_with_papers
from actbench.commands.claim_rows import WIDTH, WIDTHS, Judgement, claim_document, claim_rows, table
from actbench.commands.outcome import Outcome
from actbench.commands.paper_table import paper_table
from actbench.errors import NotComparableError
from actbench.papers.reported import Claim, Paper, load_paper
from actbench.recipe.schema import Recipe


class _Checked(NamedTuple):
    claim: Claim
    found: Evidence
    judgements: tuple[Judgement, ...]
    differs: str | None
    """What was expected and what was found, where that is not the same."""


def paper_check(key: str, *, table_id: str | None = None, check: bool = False, results_dir: Path) -> Outcome:
    """The claims of the paper of that key, and below them the table of that id beside what the records hold for it.

    Under `check` the exit code is 4 where a verdict is not the expected one. Raises ActbenchError for an unknown paper
    or table.
    """
    paper = load_paper(key)
    chosen = paper.table(table_id) if table_id else None
    recipes, broken = recipes_with_papers()
    warnings = [str(problem) for problem in broken]
    checked = [_checked(claim, paper, recipes, results_dir) for claim in paper.claims]
    warnings += [f"{each.claim.id}: {problem}" for each in checked for problem in each.found.problems]
    parts = [f"{paper.paper.title} ({paper.paper.year})", _claims(checked) if checked else "no claims"]
    document: dict[str, Any] = {"paper": key, "claims": [_document(key, each) for each in checked]}
    if chosen:
        shown = paper_table(paper, chosen, recipes, results_dir)
        parts.append(shown.text)
        document["table"] = shown.document
        warnings += shown.problems
    failed = [each.differs for each in checked if check and each.differs]
    if check:
        parts.append(fill(_conclusion(checked), WIDTH, break_on_hyphens=False))
    return Outcome(
        text="\n\n".join(parts),
        document=document,
        warnings=(*warnings, *failed),
        exit_code=NotComparableError.exit_code if failed else 0,
    )


def _checked(claim: Claim, paper: Paper, recipes: Mapping[str, Recipe], results_dir: Path) -> _Checked:
    found = evidence(claim, paper, recipes, results_dir)
    judgements = tuple(Judgement(finding, None, finding.verdict) for finding in found.findings)
    return _Checked(claim, found, judgements, _difference(claim, found))


def _difference(claim: Claim, found: Evidence) -> str | None:
    """Of several findings about an arm the one counts that is nearest to the paper's setting."""
    if claim.expected is None:
        return None
    for arm in claim.arms:
        decisive = found.decisive(arm)
        word = decisive.verdict.word if decisive else "not run"
        if word != claim.expected:
            of_arm = f" for {arm}" if len(claim.arms) > 1 else ""
            by = f" by {decisive.recipe}, profile {decisive.profile}" if decisive else ""
            return f"{claim.id}: expected {claim.expected!r}, found {word!r}{of_arm}{by}"
    return None


def _claims(checked: Sequence[_Checked]) -> str:
    rows: list[list[str]] = []
    for each in checked:
        first, *others = claim_rows(each.claim, each.found, each.judgements)
        if each.claim.expected:
            first[-1] += f"\n(expected: {each.claim.expected})"
        rows += [first, *others]
    return table(rows, WIDTHS)


def _conclusion(checked: Sequence[_Checked]) -> str:
    differing = sum(each.differs is not None for each in checked)
    open_ids = [each.claim.id for each in checked if each.claim.expected is None]
    kept = len(checked) - differing - len(open_ids)
    text = f"{kept} of {len(checked)} claims as expected, {differing} otherwise"
    return f"{text}; no expectation stored of {', '.join(open_ids)}" if open_ids else text


def _document(key: str, each: _Checked) -> dict[str, Any]:
    as_expected = None if each.claim.expected is None else each.differs is None
    return {
        **claim_document(key, each.claim, each.found, each.judgements),
        "as_expected": as_expected,
    }
