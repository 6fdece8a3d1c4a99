"""Tables in every format, byte for byte. ACTBENCH_REWRITE_GOLDEN=1 writes the files anew."""

import os
from pathlib import Path
from typing import get_args

import pytest

from actbench.comparison import Comparison
from actbench.tables.build import build_tables
from actbench.tables.columns import DEFAULT, WIDE, Columns
from actbench.tables.formats import RENDERERS, Format
from actbench.tables.side_by_side import side_by_side
from tests.tables.comparisons import MakeComparison

GOLDEN = Path(__file__).parent.parent / "golden"
SUFFIXES: dict[Format, str] = {
    "terminal": "txt",
    "markdown": "md",
    "latex": "tex",
    "csv": "csv",
    "html": "html",
    "json": "json",
}
ASKED: Columns = ("n", "metric", "kept", "time", "parameters", "differences", "reported")
STEMS: dict[str, Columns] = {"tables": DEFAULT, "columns": ASKED, "wide": WIDE}
FILES = [
    (stem, format)
    for stem in (*STEMS, "paper")
    for format in SUFFIXES
    if format != "json" or stem == "tables"
]


def rendered(stem: str, format: Format, comparison: Comparison) -> str:
    if stem == "paper":
        return RENDERERS[format]([side_by_side(comparison.groups)])
    return RENDERERS[format](build_tables(comparison, lambda _name: STEMS[stem]))


@pytest.mark.parametrize(("stem", "format"), FILES)
def test_tables_equal_the_golden_files(stem: str, format: Format, golden: MakeComparison) -> None:
    path = GOLDEN / f"{stem}.{SUFFIXES[format]}"
    made = rendered(stem, format, golden(0)).encode()
    if os.environ.get("ACTBENCH_REWRITE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made == path.read_bytes()


def test_the_order_of_records_changes_no_byte(golden: MakeComparison) -> None:
    expected = {file: rendered(*file, golden(0)) for file in FILES}
    for shuffle in range(1, 4):
        comparison = golden(shuffle)
        for file, text in expected.items():
            assert rendered(*file, comparison) == text


def test_every_format_has_a_golden_file() -> None:
    assert set(SUFFIXES) == set(RENDERERS) == set(get_args(Format))
