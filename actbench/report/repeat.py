"""The commands that make a chapter's runs, its table and its page again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actbench.compare import Selection
from actbench.footing import DEFAULT_RESULTS
from actbench.imported.group import ImportedSelection
from actbench.record import Weights, Which

Commands = tuple[tuple[str, str], ...]
"""What a command does, and the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was asked for beside the recipes, as it was typed."""

    overrides: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    seeds: str | None = None
    limit: int | None = None
    baselines: tuple[str, ...] = ()
    metric: str | None = None
    which: Which = "last"
    weights: Weights = "raw"
    allow_mismatch: bool = False
    results_dir: Path = DEFAULT_RESULTS

    def words(self) -> list[str]:
        options: dict[str, Sequence[str]] = {
            "--arm": self.arms,
            "--seeds": [self.seeds] if self.seeds else [],
            "--limit": [str(self.limit)] if self.limit else [],
            "--baseline": self.baselines,
            "--metric": [self.metric] if self.metric else [],
            "--at": [] if self.which == "last" else [self.which.replace("_", "-")],
            "--weights": [] if self.weights == "raw" else [self.weights],
            "--results-dir": [str(self.results_dir)] if self.results_dir != DEFAULT_RESULTS else [],
        }
        words = [word for option, values in options.items() for value in values for word in (option, value)]
        return [*self.overrides, *words, *(["--allow-mismatch"] if self.allow_mismatch else [])]


def repeat_runs(selection: Selection, references: Sequence[str], shown: Shown) -> Commands:
    """Training, table and page; first the source, where one clean state of it made all runs."""
    files = [name for name in references if name.endswith(".json") or Path(name).is_dir()]
    profile = [] if files else ["--profile", selection.origin.profile]
    sources = {(run.provenance.commit, run.provenance.dirty) for run in selection.runs}
    source = [
        ("The source that made all runs", f"git checkout {commit}")
        for commit, is_dirty in sources
        if commit and not is_dirty and len(sources) == 1
    ]
    return (
        *source,
        ("Training; what is stored is not trained again", selection.origin.command()),
        *_shown([*(files or [selection.origin.reference]), *profile, *shown.words()]),
    )


def repeat_imported(selection: ImportedSelection, shown: Shown) -> Commands:
    """Table and page of an imported set; how its runs were made nobody told."""
    return _shown([selection.path.as_posix(), *shown.words()])


def _shown(words: Sequence[str]) -> Commands:
    return (
        ("The table", shlex.join(["actbench", "compare", *words])),
        ("The table for a paper", shlex.join(["actbench", "export-table", *words, "--format", "latex"])),
        ("This chapter", shlex.join(["actbench", "report", *words, "-o", "report.html"])),
    )
