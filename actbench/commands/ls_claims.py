"""`ls claims`: what papers claim, what stored runs make of it, and what to run for the rest. Imports no torch.

First the claims with runs, judged together: an effect counts where its q is below 5 %, as many are tested.
Then those without, under the command that would make the runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from actbench.claims import Evidence, adjusted, evidence, judged, recipes_with_papers
from actbench.commands.claim_rows import (
    WIDTH,
    WIDTHS,
    Judgement,
    claim_document,
    claim_rows,
    claimed,
    table,
    to_run,
)
from actbench.commands.outcome import Outcome
from actbench.errors import Problem
from actbench.papers.reported import Claim, Paper, load_papers
from actbench.recipe.schema import Recipe


class _Told(NamedTuple):
    paper: str
    claim: Claim
    found: Evidence
    judgements: tuple[Judgement, ...]


def ls_claims(results_dir: Path) -> Outcome:
    """The overview over all claims of all papers."""
    recipes, problems = recipes_with_papers()
    told = _told(load_papers(), recipes, results_dir)
    problems += [
        Problem(message=f"{each.claim.id}: {problem}") for each in told for problem in each.found.problems
    ]
    with_runs = [row for each in told if each.judgements for row in claim_rows(*each[1:])]
    parts = [_summary(told), *([table(with_runs, WIDTHS)] if with_runs else [])]
    parts += _not_run(each for each in told if not each.judgements)
    return Outcome(
        text="\n\n".join(parts) if told else "no claims",
        document=[claim_document(*each) for each in told],
        warnings=tuple(str(problem) for problem in problems),
    )


def _told(papers: Mapping[str, Paper], recipes: Mapping[str, Recipe], results_dir: Path) -> list[_Told]:
    found = [
        (key, claim, evidence(claim, paper, recipes, results_dir))
        for key, paper in papers.items()
        for claim in paper.claims
    ]
    qs = iter(adjusted([(claim, finding) for _, claim, each in found for finding in each.findings]))
    told: list[_Told] = []
    for key, claim, each in found:
        with_q = [(finding, next(qs)) for finding in each.findings]
        judgements = tuple(Judgement(finding, q, judged(claim, finding, q)) for finding, q in with_q)
        told.append(_Told(key, claim, each, judgements))
    return told


def _summary(told: Sequence[_Told]) -> str:
    runs = sum(bool(each.judgements) for each in told)
    tests = sum(judgement.q is not None for each in told for judgement in each.judgements)
    text = f"{len(told)} claims, {runs} of them with runs."
    if tests:
        many = f"{tests} tests" if tests > 1 else "1 test"
        text += f" q is p adjusted for {many} by Benjamini and Hochberg; an effect counts where q < 0.05."
    return fill(text, WIDTH)


def _not_run(told: Iterable[_Told]) -> list[str]:
    """The claims without runs, under the command that makes them; those without a recipe last."""
    by_command: dict[tuple[bool, str], list[str]] = {}
    for each in told:
        lines = by_command.setdefault((each.found.nearest is None, to_run(each.found)), [])
        lines.append(_line(f"  {each.claim.id}  {claimed(each.claim)}"))
    return [
        "\n".join([_line(f"not run; {command}"), *by_command[orphans, command]])
        for orphans, command in sorted(by_command)
    ]


def _line(text: str) -> str:
    return fill(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False)
