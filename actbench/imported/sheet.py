"""A file of comma-separated values as lines with named fields, as spreadsheets and programs write it.

Separated by commas, semicolons or tabs; with or without a byte order mark; lines may end as anywhere. What cannot
be read so is refused with the line it stands on.
"""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from actbench.errors import ImportedFileError, Problem

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    """Of its first character in the file, from 1."""
    fields: dict[str, str]
    """By the column's key, without blanks at either end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    columns: dict[str, str]
    """Key (lower case, underscores) -> the heading as the file spells it, in order."""
    lines: tuple[Line, ...]
    separator: str
    problems: tuple[Problem, ...]
    """Lines that have too many or too few fields, which are left out."""


def key_of(heading: str) -> str:
    """A heading as it is compared: `Top-1 Accuracy (%)` is `top_1_accuracy`."""
    name = re.sub(r"\s*[(\[]\s*%\s*[)\]]\s*$", "", heading)
    return re.sub(r"[\s\-_]+", "_", name.strip().casefold())


def read_sheet(content: bytes, source: str) -> Sheet:
    """The lines of the file. Raises ImportedFileError where they cannot be told apart, or their columns cannot."""
    text = _text(content, source)
    separator = _separator(text)
    rows = _rows(text, separator, source)
    if not rows:
        raise _refusal("the file is empty", source, "its first line names the columns: arm,seed,accuracy")
    number, headings = rows[0]
    # A table written with its index has a column without a name.
    keys = [key_of(heading) or f"column {place}" for place, heading in enumerate(headings, 1)]
    twice = [f"two columns are called {key!r}" for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise ImportedFileError([Problem(message=text, where=f"{source}:{number}") for text in twice])
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, fields in rows[1:]:
        if len(fields) == len(keys):
            named = zip(keys, (field.strip() for field in fields), strict=True)
            lines.append(Line(number=number, fields=dict(named)))
            continue
        count = f"{len(fields)} field{'s' if len(fields) != 1 else ''}"
        message = f"{count}, where the first line names {len(keys)} columns"
        hints = ("a field that holds the separator is put in double quotes",)
        problems.append(Problem(message=message, where=f"{source}:{number}", hints=hints))
    spelt = {key: heading.strip() or key for key, heading in zip(keys, headings, strict=True)}
    return Sheet(columns=spelt, lines=tuple(lines), separator=separator, problems=tuple(problems))


def _text(content: bytes, source: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refusal("UTF-16 text", source, "save the file as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal("not UTF-8 text", f"{source}:{line}", "save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refusal("a zero byte: not a text file", f"{source}:{line}")
    return text


def _rows(text: str, separator: str, source: str) -> list[tuple[int, list[str]]]:
    """Each row with the number of its first line; rows without anything are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append((begins, fields))
            begins = reader.line_num + 1
    except csv.Error as error:
        hint = "a double quote that opens a field must close it; inside a quoted field it is written twice"
        raise _refusal(f"the fields cannot be told apart: {error}", f"{source}:{begins}", hint) from error
    return rows


def _separator(text: str) -> str:
    """Whatever the first line that has anything has most of, outside quotes."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(_SEPARATORS, key=bare.count)


def _refusal(message: str, where: str, *hints: str) -> ImportedFileError:
    return ImportedFileError([Problem(message=message, where=where, hints=hints)])
