"""Comma-separated values as programs and spreadsheets write them, and what is said of those that cannot be read."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench.errors import ImportedFileError
from actbench.imported.sheet import key_of, read_sheet

SAME = {
    "commas": b"arm,seed,acc\nrelu,0,50\nmine,1,60\n",
    "semicolons": b"arm;seed;acc\nrelu;0;50\nmine;1;60\n",
    "tabs": b"arm\tseed\tacc\nrelu\t0\t50\nmine\t1\t60\n",
    "a byte order mark and CRLF": b"\xef\xbb\xbfarm,seed,acc\r\nrelu,0,50\r\nmine,1,60\r\n",
    "CR alone": b"arm,seed,acc\rrelu,0,50\rmine,1,60\r",
    "no newline at the end": b"arm,seed,acc\nrelu,0,50\nmine,1,60",
    "quotes": b'"arm","seed","acc"\n"relu","0","50"\n"mine","1","60"\n',
    "blanks": b" Arm , SEED , Acc \n relu , 0 , 50 \n mine , 1 , 60 \n",
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_whatever_the_form_the_lines_are_the_same(content: bytes) -> None:
    sheet = read_sheet(content, "runs.csv")
    assert sheet.problems == ()
    assert list(sheet.columns) == ["arm", "seed", "acc"]
    assert [(line.number, line.fields) for line in sheet.lines] == [
        (2, {"arm": "relu", "seed": "0", "acc": "50"}),
        (3, {"arm": "mine", "seed": "1", "acc": "60"}),
    ]


def test_numbers_of_lines_count_empty_ones_and_those_inside_quotes() -> None:
    sheet = read_sheet(b'\narm,seed,note\n\nrelu,0,"two\nlines, and ""quotes"""\nmine,1,\n', "runs.csv")
    assert [line.number for line in sheet.lines] == [4, 6]
    assert sheet.lines[0].fields["note"] == 'two\nlines, and "quotes"'


def test_a_column_without_a_name_is_named_by_its_place() -> None:
    sheet = read_sheet(b",arm,seed,\n0,relu,0,\n", "runs.csv")
    assert list(sheet.columns.values()) == ["column 1", "arm", "seed", "column 4"]


def test_lines_of_another_length_are_told_each() -> None:
    sheet = read_sheet(b"arm,seed,acc\nrelu,0\nmine,0,1,2\nrelu,1,50\n", "runs.csv")
    hint = "\n  a field that holds the separator is put in double quotes"
    assert [str(problem) for problem in sheet.problems] == [
        f"runs.csv:2: 2 fields, where the first line names 3 columns{hint}",
        f"runs.csv:3: 4 fields, where the first line names 3 columns{hint}",
    ]
    assert [line.number for line in sheet.lines] == [4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "runs.csv: the file is empty\n  its first line names the columns: arm,seed,accuracy"),
        (b"\n \n", "runs.csv: the file is empty"),
        ("arm,seed\n".encode("utf-16"), "runs.csv: UTF-16 text\n  save the file as UTF-8"),
        (b"arm,seed\nrel\xfc,0\n", "runs.csv:2: not UTF-8 text\n  save the file as UTF-8"),
        (b"arm,seed\nrelu\0,0\n", "runs.csv:2: a zero byte: not a text file"),
        (
            b'arm,seed\n"relu,0\nmine,1\n',
            "runs.csv:2: the fields cannot be told apart: unexpected end of data",
        ),
        (b'arm,seed\n"re"lu,0\n', "runs.csv:2: the fields cannot be told apart: ',' expected after '\"'"),
        (b"arm,seed,Seed\nrelu,0,0\n", "runs.csv:1: two columns are called 'seed'"),
        (b"top-1,arm,Top 1\n1,relu,1\n", "runs.csv:1: two columns are called 'top_1'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(ImportedFileError) as caught:
        read_sheet(content, "runs.csv")
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    "heading",
    ["Top-1 Accuracy", "top_1_accuracy", " TOP 1  accuracy", "Top-1 accuracy (%)", "top-1 accuracy [ % ]"],
)
def test_headings_are_compared_without_case_and_signs(heading: str) -> None:
    assert key_of(heading) == "top_1_accuracy"


FIELD = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6).map(str.strip)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, str]], separator: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([("arm", "note"), *rows])
    sheet = read_sheet(text.getvalue().encode(), "runs.csv")
    read = [(line.fields["arm"], line.fields["note"]) for line in sheet.lines]
    assert read == [row for row in rows if any(row)]
