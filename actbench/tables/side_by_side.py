"""Several groups in one table, as papers print them: a column group for each network and data set, arms as rows.

Imports no torch.
"""

import re
from collections.abc import Sequence

from actbench.comparison import Group
from actbench.tables.build import build_table
from actbench.tables.captions import made_how
from actbench.tables.columns import PAPER, Columns
from actbench.tables.notes import SIGNS, star_text
from actbench.tables.table import NONE, Cell, Head, Note, Row, Table


def side_by_side(groups: Sequence[Group], asked: Columns = PAPER) -> Table:
    """The groups' tables with their columns next to each other; an arm that a group lacks has "-" there."""
    parts = tuple(build_table(group, asked) for group in groups)
    heads = _heads(groups)
    names = joint_name(groups)
    arms = list(dict.fromkeys(row.arm for part in parts for row in part.rows))
    notes, marks = _arm_notes(parts, heads)
    return Table(
        name=names,
        label=re.sub(r"[^A-Za-z0-9]+", "-", f"paper-{names}"),
        title=names.replace("+", ", "),
        caption=_caption(groups),
        columns=tuple(column for part in parts for column in part.columns),
        rows=tuple(
            Row(
                arm=arm,
                mark=marks.get(arm, ""),
                cells=tuple(cell for part in parts for cell in _cells(part, arm)),
            )
            for arm in arms
        ),
        notes=(*notes, *_joined_notes(groups, parts, heads, asked)),
        facts={},
        claims=tuple(dict.fromkeys(claim for part in parts for claim in part.claims)),
        asked=asked if asked != PAPER else (),
        heads=tuple(
            Head(lines=head, span=len(part.columns))
            for head, part in zip(heads, parts, strict=True)
            if part.columns
        ),
        parts=parts,
    )


def joint_name(groups: Sequence[Group]) -> str:
    """The name of the groups' common table."""
    return "+".join(dict.fromkeys(group.setting.name for group in groups))


def _cells(part: Table, arm: str) -> tuple[Cell, ...]:
    row = next((row for row in part.rows if row.arm == arm), None)
    return row.cells if row else (Cell((NONE,)),) * len(part.columns)


def _heads(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """Network and data of each group, and what else tells groups apart that share them."""
    heads = [(group.setting.model, group.setting.data) for group in groups]
    told: list[tuple[str, ...]] = []
    for group, head in zip(groups, heads, strict=True):
        alike = [other.setting for other, its in zip(groups, heads, strict=True) if its == head]
        setting, extra = group.setting, []
        if len({other.name for other in alike}) > 1:
            extra.append(setting.name)
        if len({other.variant for other in alike}) > 1:
            extra.append(setting.variant or "no variant")
        if len({other.profile for other in alike}) > 1:
            extra.append(f"profile {setting.profile}" if setting.profile else "imported")
        told.append((*head, *extra))
    return told


def _caption(groups: Sequence[Group]) -> str:
    phrases = dict.fromkeys(group.metric.phrase for group in groups)
    subject = ", or ".join(phrases)
    synthetic = [group.setting.data for group in groups if group.setting.synthetic]
    warning = "Synthetic data: shows the tool, not the activation. " if synthetic else ""
    how = dict.fromkeys(map(made_how, groups))
    made = f"; {next(iter(how))}" if len(how) == 1 else ""
    return f"{warning}{subject[0].upper()}{subject[1:]} by network and data set{made}."


def _arm_notes(parts: Sequence[Table], heads: Sequence[tuple[str, ...]]) -> tuple[list[Note], dict[str, str]]:
    """What an arm is, once where it is the same in all groups, else for each."""
    told: dict[str, dict[str, list[str]]] = {}
    for part, head in zip(parts, heads, strict=True):
        texts = {note.mark: note.text for note in part.notes}
        for row in part.rows:
            text = texts[row.mark] if row.mark else f"{row.arm}: {_PLAIN}."
            told.setdefault(row.arm, {}).setdefault(text, []).append(", ".join(head))
    described = {
        arm: text for arm, texts in told.items() if (text := _arm_text(arm, texts)) != f"{arm}: {_PLAIN}."
    }
    marks = {arm: str(number) for number, arm in enumerate(described, 1)}
    return [Note(mark=marks[arm], text=text) for arm, text in described.items()], marks


_PLAIN = "as its name says"


def _arm_text(arm: str, texts: dict[str, list[str]]) -> str:
    if len(texts) == 1:
        return next(iter(texts))
    each = [
        f"{text.removeprefix(f'{arm}: ').rstrip('.')} ({'; '.join(where)})" for text, where in texts.items()
    ]
    return f"{arm}: {'; '.join(each)}."


def _joined_notes(
    groups: Sequence[Group], parts: Sequence[Table], heads: Sequence[tuple[str, ...]], asked: Columns
) -> list[Note]:
    """One note for each sign, legends once, and a line for each group of what is true of it alone."""
    own = [[note for note in part.notes if not note.mark.isdigit()] for part in parts]
    joined = _sign_notes(groups, own, heads, asked)
    joined += dict.fromkeys(note for notes in own for note in notes if note.is_legend)
    made = list(map(made_how, groups))
    for place, (notes, head) in enumerate(zip(own, heads, strict=True)):
        alone = [f"{made[place]}."] if len(set(made)) > 1 else []
        alone += [note.text for note in notes if not note.mark and not note.is_legend]
        joined.append(Note(mark="", text=f"{', '.join(head)}: {' '.join(alone)}"))
    return joined


def _sign_notes(
    groups: Sequence[Group], own: Sequence[Sequence[Note]], heads: Sequence[tuple[str, ...]], asked: Columns
) -> list[Note]:
    """One for each sign; with the group's head where groups mean different things by it."""
    joined: list[Note] = []
    for mark in sorted({note.mark for notes in own for note in notes if note.mark}, key=SIGNS.index):
        told: dict[str, list[int]] = {}
        for place, notes in enumerate(own):
            for text in (note.text for note in notes if note.mark == mark):
                told.setdefault(text, []).append(place)
        if len(told) == 1:
            text = next(iter(told))
        elif mark == "*":
            text = star_text([groups[place] for places in told.values() for place in places], asked)
        else:
            text = " ".join(
                f"{'; '.join(', '.join(heads[place]) for place in places)}: {text}"
                for text, places in told.items()
            )
        joined.append(Note(mark=mark, text=text))
    return joined
