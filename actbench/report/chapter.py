"""What one chapter of the report is made of: a comparison, and the whole records behind it."""

from dataclasses import dataclass
from pathlib import Path

from actbench.comparison import Group
from actbench.fair.waterfall import Waterfall
from actbench.imported.group import ImportedSelection
from actbench.record import RunRecord
from actbench.report.answer import answer
from actbench.report.figures import Drawing
from actbench.report.limits import limits
from actbench.report.repeat import Commands
from actbench.tables import json
from actbench.tables.waterfall import waterfall_table
from actbench.verdict import claim_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    key: str
    """Unique on the page; letters and digits, as its anchors begin with it."""
    group: Group
    files: tuple[RecordFile, ...]
    """What its numbers were read from."""
    records: tuple[RunRecord, ...] = ()
    """What `files` hold, in the same order: by arm and seed; none where the numbers were imported."""
    imported: ImportedSelection | None = None
    drawings: tuple[Drawing, ...] = ()
    falls: tuple[Waterfall, ...] = ()
    """How the gains fare as the comparison gets fairer; none where nothing was trained for that."""
    appendix: tuple[tuple[str, str], ...]
    """What a checklist asks: heads and answers, code in backquotes."""
    commands: Commands

    @property
    def origin(self) -> str:
        """The recipe and its runs in a few words."""
        setting = self.group.setting
        if self.imported is not None:
            return f"{setting.name}, imported from {setting.source}"
        runs = f"{len(self.records)} run{'s' if len(self.records) != 1 else ''}"
        return ", ".join(
            part for part in (setting.name, setting.variant, f"profile {setting.profile}", runs) if part
        )


def chapter_document(chapter: Chapter) -> dict[str, object]:
    """What a chapter says, as plain data."""
    group, told = chapter.group, answer(chapter.group)
    runs = {
        file.path: {"arm": record.arm.name, "seed": record.seed, "status": record.status, "run": record.run}
        for file, record in zip(chapter.files, chapter.records, strict=False)
    }
    return {
        "recipe": group.setting.name,
        "profile": group.setting.profile,
        "variant": group.setting.variant,
        "source": group.setting.source,
        "question": told.question,
        "answer": list(told.sentences),
        "limits": limits(group),
        "claims": list(claim_lines(group)),
        "waterfalls": [json.document([waterfall_table(fall)])["tables"][0] for fall in chapter.falls],
        "figures": [drawing.title for drawing in chapter.drawings],
        "records": [
            {**runs.get(file.path, {}), "file": file.path.as_posix(), "sha256": file.sha256}
            for file in chapter.files
        ],
        "commands": [command for _, command in chapter.commands],
    }
