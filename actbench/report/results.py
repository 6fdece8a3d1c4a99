"""The tables of results in a chapter, and what is said of the paper's claim."""

from actbench.comparison import Comparison, Group
from actbench.report.grid import Field, grid
from actbench.report.markup import Html, element, join
from actbench.tables.build import build_tables


def result_tables(group: Group, key: str) -> tuple[Html, ...]:
    (table,) = build_tables(Comparison(groups=(group,)))
    rows = [
        [
            row.arm,
            *(
                Field(text=c.text, sort=str(next(iter(c.numbers.values()), "")), number=True)
                for c in row.cells
            ),
        ]
        for row in table.rows
    ]
    return (
        join(
            [
                grid(table.caption, ["arm", *(c.text for c in table.columns)], rows),
                element("ul", *(element("li", n.text) for n in table.notes), class_="small-print"),
            ]
        ),
    )


def claim_lines(group: Group) -> tuple[str, ...]:
    return ()
