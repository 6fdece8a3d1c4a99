"""HTML: well formed, escaped, self-contained, sortable by numbers, its notes reached by links."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from actbench.tables import html
from actbench.tables.build import build_tables
from actbench.tables.columns import WIDE
from actbench.tables.side_by_side import side_by_side
from actbench.tables.table import Cell, Column, Note, Row, Table
from tests.tables.comparisons import MakeComparison

VOID = {"br", "meta"}


class Elements(HTMLParser):
    """Collects all elements with their attributes, and fails where one is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.found if name == tag)


def table(**fields: object) -> Table:
    base: dict[str, object] = {
        "name": "x",
        "label": "x",
        "title": "x",
        "caption": "x",
        "columns": (Column(key="top1", lines=("top-1 %",)),),
        "rows": (Row(arm="relu", mark="", cells=(Cell(("50.00",), {"mean": 0.5}),)),),
        "notes": (),
        "facts": {},
    }
    return Table(**{**base, **fields})  # type: ignore[arg-type]


def test_pages_are_well_formed_and_need_nothing_from_outside(golden: MakeComparison) -> None:
    comparison = golden(0)
    tables = build_tables(comparison, lambda _name: WIDE)
    for page in (html.render(tables), html.render([side_by_side(comparison.groups)])):
        elements = Elements(page)
        assert not re.search(r"https?://|src=|url\(|\son\w+=", page)
        assert {tag for tag, _ in elements.found}.isdisjoint({"script", "link", "img", "iframe"})
        ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
        assert len(set(ids)) == len(ids) > 0
        targets = {str(link["href"]) for link in elements.all("a")}
        assert targets
        assert targets <= {f"#{name}" for name in ids}


def test_cells_say_what_they_are_sorted_by_and_heads_what_they_are_over(golden: MakeComparison) -> None:
    (first, *_) = build_tables(golden(0))
    elements = Elements(html.fragment(first))
    assert [head["scope"] for head in elements.all("th")] == ["col"] * 5 + ["row"] * 6
    values = [cell["data-sort-value"] for cell in elements.all("td")]
    shown = [cell.sort_value for row in first.rows for cell in row.cells]
    assert [None if value == "" else float(str(value)) for value in values] == shown
    heads = list(Elements(html.fragment(side_by_side(golden(0).groups))).all("th"))
    assert [head.get("colspan") for head in heads if head["scope"] == "colgroup"] == ["1", "1", "1"]


@pytest.mark.parametrize("place", ["caption", "arm", "cell", "note", "claim", "head"])
def test_whatever_a_name_holds_stays_text(place: str) -> None:
    evil = "<script>\"&'</script>"
    made = {
        "caption": table(caption=evil),
        "arm": table(rows=(Row(arm=evil, mark="", cells=(Cell(("1",)),)),)),
        "cell": table(rows=(Row(arm="a", mark="", cells=(Cell((evil, evil)),)),)),
        "note": table(notes=(Note(mark="", text=evil),)),
        "claim": table(claims=(evil,)),
        "head": table(columns=(Column(key="k", lines=(evil, evil)),)),
    }[place]
    elements = Elements(html.render([made]))
    assert "script" not in {tag for tag, _ in elements.found}
    assert evil in "".join(elements.text)


def test_tables_of_one_label_have_different_ids() -> None:
    twice = [table(notes=(Note(mark="1", text="a"),))] * 2
    ids = re.findall(r'id="([^"]+)"', html.render(twice))
    assert ids == ["x-1", "x-1-1", "x-2", "x-2-1"]
