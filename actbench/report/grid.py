"""Tables of the report's own: what the runs are made of, beside the tables of results, which `tables/` renders."""

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.report.markup import Child, Html, element


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A cell whose order is not that of its text, or that is a number."""

    text: Child
    sort: str | None = None
    number: bool = False
    title: str | None = None


def grid(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child | Field]], *, class_: str = ""
) -> Html:
    """A table in a box of its own, which scrolls where the page is narrow; each row's first cell names the row."""
    head = element("thead", element("tr", *_heads(heads, rows)))
    body = element("tbody", *(element("tr", *_cells(row)) for row in rows))
    table = element(
        "table",
        element("caption", element("span", caption)),
        head,
        body,
        class_=f"plain {class_}".strip(),
        data_sortable=len(rows) > 1,
    )
    return scrolling(table, caption)


def _heads(heads: Sequence[str], rows: Sequence[Sequence[Child | Field]]) -> list[Html]:
    """Over numbers, set as they are."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(heads)
    numbers = [any(isinstance(cell, Field) and cell.number for cell in column) for column in columns]
    return [
        element("th", text, scope="col", class_="number" if number else None)
        for text, number in zip(heads, numbers, strict=True)
    ]


def scrolling(table: Html, label: str) -> Html:
    """The table in its box; the box takes the focus, so that it scrolls by keyboard too."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


def _cells(row: Sequence[Child | Field]) -> list[Html]:
    fields = [cell if isinstance(cell, Field) else Field(text=cell) for cell in row]
    return [
        element(
            "td" if place else "th",
            field.text if field.text not in (None, "") else "-",
            scope=None if place else "row",
            class_="number" if field.number else None,
            data_sort_value=field.sort,
            title=field.title,
        )
        for place, field in enumerate(fields)
    ]


def facts(pairs: Sequence[tuple[str, Child]], *, wide: bool = False) -> Html:
    """Names and values, one pair a line; side by side where there is room, unless the values are wide."""
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value))
            for name, value in pairs
            if value not in (None, "")
        ),
        class_="facts wide" if wide else "facts",
    )
