"""Reading tab-separated sentences: what is read, and what is said of files that cannot be."""

from pathlib import Path

import pytest

from actbench.data.catalog import GlueOptions, GlueTask, Sst2Options
from actbench.data.sentences import SST2, load_sentences, read_table
from actbench.errors import DataError
from tests.data.text_sets import TRAIN, write_sst2, write_table


def test_all_three_parts_are_read(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    data = load_sentences(Sst2Options(name="sst2"), tmp_path)
    assert data.val is not None
    assert (len(data.train.texts), len(data.val.texts), len(data.test.texts)) == (6, 2, 3)
    assert tuple(zip(data.train.texts, data.train.labels.tolist(), strict=True)) == TRAIN
    assert data.num_classes == 2


def test_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    file = tmp_path / "train.tsv"
    file.write_bytes('\ufeffsentence\tlabel\r\n"quoted\u0085 \u2028line\t1\r\nlast\t0'.encode())
    read = read_table(file, SST2)
    assert read.texts == ('"quoted\u0085 \u2028line', "last")
    assert read.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("task", "folder", "header", "row", "text", "label"),
    [
        ("sst2", "SST-2", "sentence\tlabel", "fine\t1", "fine", 1),
        ("mrpc", "MRPC", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t7\t8\tone\ttwo", "one\ttwo", 1),
        ("qnli", "QNLI", "index\tquestion\tsentence\tlabel", "0\twho\the\tnot_entailment", "who\the", 1),
        ("rte", "RTE", "index\tsentence1\tsentence2\tlabel", "0\ta\tb\tentailment", "a\tb", 0),
        ("wnli", "WNLI", "index\tsentence1\tsentence2\tlabel", "0\ta\tb\t0", "a\tb", 0),
        ("mnli", "MNLI", "index\tsentence1\tsentence2\tgold_label", "0\ta\tb\tneutral", "a\tb", 2),
    ],
)
def test_glue_s_dev_part_is_its_test(
    task: GlueTask, folder: str, header: str, row: str, text: str, label: int, tmp_path: Path
) -> None:
    dev = "dev_matched.tsv" if task == "mnli" else "dev.tsv"
    write_table(tmp_path / "glue" / folder / "train.tsv", header, [row, row])
    write_table(tmp_path / "glue" / folder / dev, header, [row])
    data = load_sentences(GlueOptions(name="glue", task=task), tmp_path)
    assert (len(data.train.texts), data.val, data.test.texts) == (2, None, (text,))
    assert data.test.labels.tolist() == [label]


def test_missing_files_are_named_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder") as caught:
        load_sentences(Sst2Options(name="sst2"), tmp_path)
    assert f"{tmp_path / 'SST-2'}" in str(caught.value)
    assert "DIR/SST-2/{train,dev,test}.tsv" in str(caught.value)
    write_sst2(tmp_path)
    (tmp_path / "SST-2" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"no dev\.tsv in it"):
        load_sentences(Sst2Options(name="sst2"), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sentence\tlabel\nfine\t1\nfine\t2\n", r"train\.tsv:3: label '2' is none of 0, 1"),
        (b"sentence\tlabel\nfine 1\n", r"train\.tsv:2: 1 columns, the first line has 2"),
        (b"sentence\tlabel\n\n", r"train\.tsv:2: 1 columns"),
        (b"sentence\tlabel\n", "no sentence in it"),
        (b"text\tlabel\n", "no column 'sentence' in its first line"),
        (b"", "no column 'sentence', 'label' in its first line"),
        (b"sentence\tlabel\n\xff\t1\n", "not UTF-8: invalid start byte at byte 15"),
    ],
)
def test_a_broken_line_stops_the_whole(content: bytes, message: str, tmp_path: Path) -> None:
    write_sst2(tmp_path)
    (tmp_path / "SST-2" / "train.tsv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_sentences(Sst2Options(name="sst2"), tmp_path)


def test_glue_s_files_in_the_place_of_sst2_are_recognised(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    write_table(tmp_path / "SST-2" / "test.tsv", "index\tsentence", ["0\tfine"])
    with pytest.raises(DataError, match="no column 'label'") as caught:
        load_sentences(Sst2Options(name="sst2"), tmp_path)
    assert "GLUE's own test part has no labels: put GLUE's files at glue/SST-2" in str(caught.value)
