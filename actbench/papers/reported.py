"""What papers report: the values of their tables and their claims, typed. Imports no torch.

`actbench/papers/<key>.yaml` holds one paper each. A value that is known to exist and could not be read is
null. Values stand in the unit that the paper prints.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.errors import ActbenchError
from actbench.frozen import Frozen
from actbench.recipe.convert import read_typed
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Name

FOLDER = Path(__file__).parent

PointsMetric = Literal[
    "top1_accuracy", "fgsm_accuracy", "box_ap", "mask_ap", "keypoint_ap", "mean_iou", "auc", "benchmark_score"
]
"""Metrics in percent, whose differences are points; benchmark_score is a language task's own score or an average."""
POINTS: frozenset[str] = frozenset(get_args(PointsMetric))
LOWER_IS_BETTER = frozenset({"perplexity", "loss"})
ClaimMetric = PointsMetric | Literal["perplexity", "loss", "bleu", "sparsity"]
TableMetric = (
    ClaimMetric
    | Literal[
        "relative_time",
        "throughput",
        "operations",
        "variance_gain",
        "relative_accuracy",
        "models_won",
        "parameter_trend",
    ]
)
"""variance_gain is Var[x] / E[f(x)^2] for standard normal x; relative_accuracy that of a changed network over the
whole one's; models_won how many networks the paper's activation was better in than the row's."""


class PaperFacts(Frozen):
    key: Name
    title: str
    arxiv: str | None = Field(None, pattern=r"^\d{4}\.\d{4,5}$")
    year: int = Field(ge=1950, le=2100)


class ReportedRow(Frozen):
    model: str
    """As the paper names it."""
    activation: str | None
    """A name of the catalogue; null where the source names none, or one that the catalogue lacks."""
    uncatalogued: str | None = None
    """The activation as the paper names it, where the catalogue has none such."""
    kind: Literal["absolute", "gain"] = "absolute"
    baseline: str | None = None
    """The activation that a gain is against."""
    against: str | None = None
    """What a gain is against where that is no activation of the catalogue, or not known: in words."""
    arm: Name | None = None
    """Where the row is about an activation with options of its own: it stands beside the arm of that name alone."""
    value: float | None
    """Null: the paper has a value here that could not be read."""
    certainty: str | None = None
    source: str | None = None
    note: str | None = None

    @field_validator("activation", "baseline")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in ACTIVATIONS:
            raise ValueError(f"unknown activation {name!r}")
        return name

    @model_validator(mode="after")
    def _one_activation(self) -> "ReportedRow":
        if self.activation is not None and self.uncatalogued is not None:
            raise ValueError("a row has one activation: of the catalogue, or uncatalogued")
        return self

    @model_validator(mode="after")
    def _gain_has_a_baseline(self) -> "ReportedRow":
        named = (self.baseline is not None) + (self.against is not None)
        if named != (self.kind == "gain"):
            raise ValueError("a gain names its baseline, by name or in words, an absolute value has none")
        return self

    @property
    def reference(self) -> str | None:
        """What a gain is against, in a word or in several."""
        return self.baseline or self.against


class ReportedTable(Frozen):
    id: Name
    caption: str
    dataset: str | None
    """As the paper names it; null where that is not known."""
    metric: TableMetric
    unit: Literal["percent", "ratio", "score", "count", "per_second", "qualitative"]
    certainty: str | None = None
    source: str | None = None
    note: str | None = None
    rows: tuple[ReportedRow, ...] = ()


class Claim(Frozen):
    """A sentence of the paper: these arms beat the baseline, by that difference where it gives a number."""

    id: Name
    arms: tuple[Name, ...] = Field(min_length=1)
    baseline: Name
    model: str | None
    """Null where it is not known which of the paper's networks it was."""
    data: str
    metric: ClaimMetric
    difference: float | None
    """Arms minus baseline in points, or in the metric's own unit (below 0 for perplexity); null where only the
    direction is known."""
    is_upper_end: bool = False
    """Whether the paper says "up to" that difference."""
    value: float | None = None
    """What the arms are said to reach, where the paper gives that and not a difference."""
    margin: float | None = Field(None, gt=0)
    """How far from the difference still counts as the same; null: half the difference."""
    source: str
    expected: Literal["reproduced", "better", "worse", "under-powered", "not shown"] | None = None
    """The verdict that our own runs are known to give; null until they are made."""
    stand_in: str | None = None
    """What stands in for the paper's model or data where those are not fully known or not at hand."""

    @model_validator(mode="after")
    def _something_can_be_the_same(self) -> "Claim":
        if self.difference == 0 and self.margin is None:
            raise ValueError("a difference of 0 needs a margin: half of it is nothing")
        return self

    @property
    def size(self) -> str:
        """How much the paper claims, in words."""
        if self.value is not None:
            return f"reaching {self.value:.2f}"
        if self.difference is None:
            return "by how much could not be read"
        in_points = self.metric in POINTS
        number = f"{self.difference:+.2f} points" if in_points else f"{self.difference:+g} in {self.metric}"
        return f"by {'up to ' if self.is_upper_end else ''}{number}"


class Paper(Frozen):
    paper: PaperFacts
    tables: tuple[ReportedTable, ...] = ()
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _no_id_twice(self) -> "Paper":
        ids = [table.id for table in self.tables] + [claim.id for claim in self.claims]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} stands here more than once")
        return self

    def table(self, name: str) -> ReportedTable:
        """The table of that id. Raises ActbenchError with the nearest one."""
        for table in self.tables:
            if table.id == name:
                return table
        raise _unknown("table", name, (table.id for table in self.tables), self.paper.key)

    def claim(self, name: str) -> Claim:
        """The claim of that id. Raises ActbenchError with the nearest one."""
        for claim in self.claims:
            if claim.id == name:
                return claim
        raise _unknown("claim", name, (claim.id for claim in self.claims), self.paper.key)


def paper_keys() -> list[str]:
    """The keys of all papers, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_paper(key: str) -> Paper:
    """The paper of that key. Raises ActbenchError for an unknown key (with the nearest) or a wrong file."""
    if key not in paper_keys():
        raise ActbenchError(f"unknown paper {key!r}", hints=name_hints(key, paper_keys()))
    return _read(FOLDER / f"{key}.yaml")


@cache
def _read(path: Path) -> Paper:
    paper = read_typed(path, Paper)
    if paper.paper.key != path.stem:
        raise ActbenchError(
            f"the file's name says {path.stem!r}, its key {paper.paper.key!r}",
            where=str(path),
            key="paper.key",
        )
    return paper


def load_papers() -> dict[str, Paper]:
    """Every paper by its key."""
    return {key: load_paper(key) for key in paper_keys()}


def _unknown(kind: str, name: str, known: Iterable[str], paper: str) -> ActbenchError:
    return ActbenchError(f"paper {paper!r} has no {kind} {name!r}", hints=name_hints(name, known))
