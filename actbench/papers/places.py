"""In which line of a paper's file a value or a claim stands. Imports no torch."""

from functools import cache
from pathlib import Path

from actbench.papers.reported import FOLDER, Claim, Paper, ReportedRow, ReportedTable
from actbench.recipe.convert import shown
from actbench.recipe.nodes import Mapping, Node, Sequence, read_tree


def place_of_value(paper: Paper, table: ReportedTable, row: ReportedRow) -> str:
    """`file:line` of a row's value."""
    number = next(i for i, other in enumerate(table.rows) if other is row)
    return _place(paper, ["tables", _number(paper.tables, table.id), "rows", number, "value"])


def place_of_claim(paper: Paper, claim: Claim) -> str:
    """`file:line` of a claim."""
    return _place(paper, ["claims", _number(paper.claims, claim.id)])


def _number(members: tuple[ReportedTable, ...] | tuple[Claim, ...], name: str) -> int:
    return [member.id for member in members].index(name)


def _place(paper: Paper, steps: list[str | int]) -> str:
    path = FOLDER / f"{paper.paper.key}.yaml"
    node = _tree(path)
    for step in steps:
        if isinstance(node, Mapping) and step in node.entries:
            node = node.entries[str(step)]
        elif isinstance(node, Sequence) and isinstance(step, int):
            node = node.items[step]
    return shown(path) if node is None else node.where


@cache
def _tree(path: Path) -> Node | None:
    return read_tree(path, shown(path), [])
