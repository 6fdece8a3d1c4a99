import pytest

from actbench.errors import ActbenchError
from actbench.tables.columns import COLUMNS, DEFAULT, parse_columns


def test_columns_stand_in_the_order_of_the_list() -> None:
    assert parse_columns("n, metric,kept") == ("n", "metric", "kept")
    assert parse_columns(",".join(COLUMNS)) == COLUMNS
    assert set(DEFAULT) < set(COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric,tine", "no column 'tine'"),
        ("", "no column ''"),
        ("n,", "no column ''"),
        ("n,kept,n", "column 'n' twice"),
    ],
)
def test_what_is_no_column_is_told(text: str, message: str) -> None:
    with pytest.raises(ActbenchError) as caught:
        parse_columns(text)
    assert str(caught.value).startswith(f"command line: {message} (--columns)")
