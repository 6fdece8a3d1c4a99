"""The tables of results in a chapter, and what its runs say of the paper's claim."""

from collections.abc import Sequence
from dataclasses import replace

from actbench.comparison import Group
from actbench.fair.waterfall import Waterfall
from actbench.report.markup import Html, element
from actbench.tables.build import build_table
from actbench.tables.columns import DEFAULT, WIDE, Columns
from actbench.tables.html import fragment
from actbench.tables.waterfall import waterfall_table
from actbench.verdict import claim_lines


def result_tables(group: Group, key: str) -> tuple[Html, ...]:
    """The default table, and folded behind it all columns that there is anything for."""
    return (
        _table(group, DEFAULT, f"{key}-table"),
        element(
            "details",
            element("summary", "All columns"),
            _table(group, WIDE, f"{key}-wide"),
            class_="all-columns",
        ),
    )


def waterfall_tables(falls: Sequence[Waterfall], key: str) -> list[Html]:
    """A table for each candidate; the figures stand among the others."""
    return [
        Html(fragment(waterfall_table(fall), prefix=f"{key}-fall-{place}"))
        for place, fall in enumerate(falls, 1)
    ]


def _table(group: Group, columns: Columns, prefix: str) -> Html:
    return Html(fragment(replace(build_table(group, columns), claims=()), prefix=prefix))


def claims_section(group: Group) -> Html | None:
    """The claim in words, and a line for each of its arms here with the verdict; None without a claim."""
    claim, paper = group.claim, group.paper
    lines = claim_lines(group)
    if claim is None or paper is None:
        return None
    arxiv = f", arXiv {paper.paper.arxiv}" if paper.paper.arxiv else ""
    where = f"{claim.model or 'a network not known'} on {claim.data}"
    said = f"{', '.join(claim.arms)} over {claim.baseline} {claim.size}, {where} ({claim.source})"
    return element(
        "div",
        element("p", f"{paper.paper.title} ({paper.paper.year}{arxiv}) claims: {said}."),
        element("ul", *(_verdict(line) for line in lines), class_="claims"),
    )


def _verdict(line: str) -> Html:
    told, _, verdict = line.rpartition(" | ")
    return element("li", told, ": " if told else None, element("strong", verdict))
