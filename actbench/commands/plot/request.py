"""What every `actbench plot` asks for: a selection of runs, and files to write. Imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actbench.commands.outcome import Outcome
from actbench.compare import Selection
from actbench.errors import ActbenchError
from actbench.plots.figure import SUFFIXES, Suffix, render, style
from actbench.plots.subject import Subject, subject_of
from actbench.recipe.schema import Profile
from actbench.record import RunRecord
from actbench.selection import Sources, select
from actbench.setting import Setting, setting_of
from actbench.store import Store, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NARROWEST, WIDEST = 2.5, 40.0
"""Inches. In less, titles and legends leave no room for the lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRequest:
    references: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    arms: tuple[str, ...] = ()
    seeds: str | None = None
    limit: int | None = None
    width: float | None = None
    """Inches; each figure has its own default."""
    output: Path = Path("plots")
    """A file, or the folder for one of each format per figure."""
    results_dir: Path = Path("results")

    def sources(self, references: Sequence[str]) -> Sources:
        return Sources(
            references=references,
            profile=self.profile,
            overrides=self.overrides,
            results_dir=self.results_dir,
            arms=self.arms,
            limit=self.limit,
            seeds=self.seeds,
        )


class Chosen(NamedTuple):
    """The runs of one recipe, profile and variant, whole."""

    selection: Selection
    runs: list[RunRecord]

    @property
    def setting(self) -> Setting:
        return setting_of(self.selection.plan, is_altered=self.selection.is_altered)

    @property
    def stem(self) -> str:
        return stem(self.setting)

    def subject(self, seeds: Sequence[int]) -> Subject:
        """Of those of its runs with these seeds."""
        plan = self.selection.plan
        return subject_of(self.setting, seeds, plan.baselines, [arm.name for arm in plan.arms])


class Drawing(NamedTuple):
    """A figure to be: the stem of its file, and how it is drawn."""

    stem: str
    draw: "Callable[[], Figure]"


def chosen(request: PlotRequest) -> tuple[list[Chosen], list[str]]:
    """Each selection with its whole records, and the warnings."""
    selected = select(request.sources(request.references))
    store = Store(request.results_dir)
    return (
        [
            Chosen(selection, [store.read(path) for path in selection.paths])
            for selection in selected.selections
        ],
        list(selected.warnings),
    )


def stem(setting: Setting) -> str:
    """What the names of a setting's figures begin with."""
    return "-".join(filter(None, [setting.name, setting.profile or "imported", setting.variant]))


def check_width(width: float | None) -> None:
    """Raises ActbenchError for a width in which nothing could be drawn."""
    if width is not None and not NARROWEST <= width <= WIDEST:
        raise ActbenchError(
            f"a figure {width:g} inches wide cannot be drawn",
            where="command line",
            key="--width",
            hints=[f"from {NARROWEST:g} to {WIDEST:g} inches; a paper's column has 3.3"],
        )


def write_figures(
    drawings: Sequence[Drawing], output: Path, warnings: Sequence[str], **document: object
) -> Outcome:
    """Draws and writes each; the document tells the files, and what else is given."""
    written: list[str] = []
    for drawing, files in zip(drawings, _targets(output, drawings), strict=True):
        with style():
            figure = drawing.draw()
            for path, suffix in files:
                write_atomically(path, render(figure, suffix))
                written.append(str(path))
    return Outcome(
        text="\n".join(f"wrote {path}" for path in written),
        document={"written": written, **document},
        warnings=tuple(warnings),
    )


def _targets(output: Path, drawings: Sequence[Drawing]) -> list[list[tuple[Path, Suffix]]]:
    """The files of each figure, with their formats."""
    if output.suffix in SUFFIXES and not output.is_dir():
        if len(drawings) > 1:
            raise ActbenchError(
                f"{len(drawings)} figures do not go into one file",
                where="command line",
                key="-o",
                hints=[f"name a folder, or choose one of {', '.join(drawing.stem for drawing in drawings)}"],
            )
        return [[(output, suffix) for suffix in SUFFIXES if suffix == output.suffix]]
    if output.suffix and not output.is_dir():
        raise ActbenchError(
            f"figures are written as .png, .svg and .pdf, not {output.suffix}",
            where="command line",
            key="-o",
            hints=["name a .png, .svg or .pdf file, or a folder for all three"],
        )
    return [[(output / f"{drawing.stem}{suffix}", suffix) for suffix in SUFFIXES] for drawing in drawings]
