"""Small sets of sentences in the layouts of the catalogue."""

from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, int]

TRAIN: tuple[Row, ...] = (
    ("a good film", 1),
    ("good , good fun", 1),
    ("a bad film", 0),
    ("bad and dull", 0),
    ("no fun", 0),
    ("a fine film", 1),
)
DEV: tuple[Row, ...] = (("good fun", 1), ("dull", 0))
TEST: tuple[Row, ...] = (("unseen words here", 1), ("bad", 0), ("fine", 1))

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "fun", "##ny", ",")


def write_table(file: Path, header: str, rows: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def write_sst2(folder: Path, *, reverse: bool = False) -> None:
    """SST-2/{train,dev,test}.tsv below the folder."""
    for name, part in (("train", TRAIN), ("dev", DEV), ("test", TEST)):
        rows = [f"{text}\t{label}" for text, label in part]
        write_table(folder / "SST-2" / f"{name}.tsv", "sentence\tlabel", rows[::-1] if reverse else rows)


def write_glue_sst2(folder: Path, train: int, dev: int) -> None:
    """glue/SST-2/{train,dev}.tsv of generated sentences."""
    for name, count in (("train", train), ("dev", dev)):
        rows = [
            f"{name} {number} {('bad', 'good')[number % 2]} film\t{number % 2}" for number in range(count)
        ]
        write_table(folder / "glue" / "SST-2" / f"{name}.tsv", "sentence\tlabel", rows)


def write_vocabulary(folder: Path, pieces: Sequence[str] = PIECES) -> Path:
    file = folder / "bert-base-uncased" / "vocab.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return file
