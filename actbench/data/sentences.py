"""Labelled sentences, or pairs of them, from tab-separated files: SST-2 as it is, and tasks of GLUE.

Every mistake of a file is told with the file, the line and what to do; a line that cannot be read stops the whole,
because a set that is silently smaller is another set.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actbench.data.canonical import Keys, Labels, Mask, canonical_order, hash_keys
from actbench.data.catalog import ENTRIES, GLUE_LABELS, GlueOptions, GlueTask, Sst2Options
from actbench.data.tokens import PAIR
from actbench.errors import DataError


class Sentences(NamedTuple):
    """One part of a set."""

    texts: tuple[str, ...]
    """A pair's two sentences stand in one text with a tab between."""
    labels: Labels

    def select(self, index: NDArray[np.int64] | Mask) -> "Sentences":
        places = np.arange(len(self.texts))[index]
        return Sentences(tuple(self.texts[place] for place in places), self.labels[index])


class TextSet(NamedTuple):
    train: Sentences
    val: Sentences | None
    """The set's own validation part, if it has one beside its test part."""
    test: Sentences
    num_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """In which columns of its files a task's sentences and labels stand."""

    texts: tuple[str, ...]
    label: str = "label"
    classes: tuple[str, ...] = ("0", "1")
    """A label's place is its number."""
    dev: str = "dev.tsv"


_ENTAILMENT = ("entailment", "not_entailment")
GLUE: dict[GlueTask, Table] = {
    "sst2": Table(texts=("sentence",)),
    "mrpc": Table(texts=("#1 String", "#2 String"), label="Quality"),
    "qnli": Table(texts=("question", "sentence"), classes=_ENTAILMENT),
    "rte": Table(texts=("sentence1", "sentence2"), classes=_ENTAILMENT),
    "wnli": Table(texts=("sentence1", "sentence2")),
    "mnli": Table(
        texts=("sentence1", "sentence2"),
        label="gold_label",
        classes=("contradiction", "entailment", "neutral"),
        dev="dev_matched.tsv",
    ),
}
SST2 = Table(texts=("sentence",))


def find_files(options: Sst2Options | GlueOptions, data_dir: Path) -> dict[str, Path]:
    """Part -> file. Raises DataError where one is missing; reads nothing."""
    if isinstance(options, Sst2Options):
        folder = data_dir / "SST-2"
        files = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
    else:
        table = GLUE[options.task]
        folder = data_dir / options.folder / GLUE_LABELS[options.task]
        # The labels of GLUE's own test part are hidden; results are reported on its dev part.
        files = {"train": "train.tsv", "test": table.dev}
    absent = [file for file in files.values() if not (folder / file).is_file()]
    if absent:
        raise DataError(
            f"no {', '.join(absent)} in it" if folder.is_dir() else "no such folder",
            where=str(folder),
            hints=[
                f"give --data-dir DIR or set ACTBENCH_DATA_DIR=DIR, with DIR/{ENTRIES[options.name].layout}"
            ],
        )
    return {part: folder / file for part, file in files.items()}


def load_sentences(options: Sst2Options | GlueOptions, data_dir: Path) -> TextSet:
    """All labelled parts of the set, in the order of their files."""
    files = find_files(options, data_dir)
    table = SST2 if isinstance(options, Sst2Options) else GLUE[options.task]
    parts = {part: read_table(file, table) for part, file in files.items()}
    return TextSet(parts["train"], parts.get("val"), parts["test"], len(table.classes))


def read_table(file: Path, table: Table) -> Sentences:
    """One file with a header line. Raises DataError."""
    head, *lines = _lines(file)
    header = head.split(PAIR)
    absent = [column for column in (*table.texts, table.label) if column not in header]
    if absent:
        raise DataError(
            f"no column {', '.join(map(repr, absent))} in its first line",
            where=str(file),
            hints=_column_hints(table, header),
        )
    columns = [header.index(column) for column in table.texts]
    place = header.index(table.label)
    texts, labels = [], []
    for number, line in enumerate(lines, start=2):
        fields = line.split(PAIR)
        if len(fields) != len(header):
            raise DataError(
                f"{len(fields)} columns, the first line has {len(header)}",
                where=f"{file}:{number}",
                hints=["get the file anew; nothing of the set is used while a line is broken"],
            )
        if fields[place] not in table.classes:
            raise DataError(
                f"{table.label} {fields[place]!r} is none of {', '.join(table.classes)}",
                where=f"{file}:{number}",
                hints=["get the file anew; nothing of the set is used while a line is broken"],
            )
        texts.append(PAIR.join(fields[column] for column in columns))
        labels.append(table.classes.index(fields[place]))
    if not texts:
        raise DataError("no sentence in it", where=str(file), hints=["get the file anew"])
    return Sentences(tuple(texts), np.array(labels, dtype=np.int64))


def in_order(part: Sentences) -> tuple[Sentences, Keys]:
    """The examples in canonical order, with their keys."""
    keys = hash_keys(text.encode() for text in part.texts)
    order = canonical_order(keys, part.labels)
    return part.select(order), keys[order]


def fingerprint(parts: dict[str, Sentences], num_classes: int, *, vocabulary: bytes | None) -> str:
    """sha256 over every part (in canonical order), the number of classes and a vocabulary that is a file."""
    digest = hashlib.sha256(f"classes {num_classes}\n".encode())
    for name, part in parts.items():
        digest.update(f"{name} {len(part.texts)}\n".encode())
        for text, label in zip(part.texts, part.labels.tolist(), strict=True):
            digest.update(f"{label} {text}\n".encode())
    if vocabulary is not None:
        digest.update(b"vocabulary\n" + vocabulary)
    return digest.hexdigest()


def _lines(file: Path) -> Sequence[str]:
    try:
        content = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error.reason} at byte {error.start}", where=str(file)) from error
    # At line feeds alone: sentences hold other separators of lines.
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    return lines[:-1] if lines[-1] == "" and len(lines) > 1 else lines


def _column_hints(table: Table, header: Sequence[str]) -> list[str]:
    wanted = f"its columns must include {', '.join((*table.texts, table.label))}"
    if table is SST2 and "index" in header:
        hidden = "GLUE's own test part has no labels: put GLUE's files at glue/SST-2, and use {name: glue, task: sst2}"
        return [wanted, hidden]
    return [wanted]
