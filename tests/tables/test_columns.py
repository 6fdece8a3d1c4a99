import pytest

from actbench.errors import ActbenchError
from actbench.tables.columns import COLUMNS, DEFAULT, WIDE, parse_columns, shown_columns


def test_columns_stand_in_the_order_of_the_list() -> None:
    assert parse_columns("n, metric,kept") == ("n", "metric", "kept")
    assert parse_columns(",".join(WIDE)) == WIDE
    assert set(DEFAULT) < set(COLUMNS)


def test_all_columns_have_a_name() -> None:
    assert parse_columns("wide") == WIDE
    assert shown_columns(WIDE) == "wide"
    assert shown_columns(parse_columns("n,metric")) == "n,metric"
    assert set(WIDE) | {"gaps"} == set(COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric,tine", "no column 'tine'"),
        ("", "no column ''"),
        ("n,", "no column ''"),
        ("n,kept,n", "column 'n' twice"),
        ("gaps,n,differences", "gaps are among the differences: name one of the two"),
    ],
)
def test_what_is_no_column_is_told(text: str, message: str) -> None:
    with pytest.raises(ActbenchError) as caught:
        parse_columns(text)
    assert str(caught.value).startswith(f"command line: {message} (--columns)")
