"""What a figure is about, in words: setting, runs, and whether the data are real."""

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.papers.matching import data_label, model_label
from actbench.recipe.schema import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    recipe: str
    profile: str
    variant: str | None
    where: str
    """Network and data."""
    epochs: int | None
    seeds: tuple[int, ...]
    baselines: tuple[str, ...]
    synthetic: bool

    def runs(self) -> str:
        """The setting and the number of seeds, for the line below a title."""
        variant = f" ({self.variant})" if self.variant else ""
        epochs = f"{self.epochs} epoch{'s' if self.epochs != 1 else ''}, " if self.epochs else ""
        number = f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{len(self.seeds)} seed{'s' if len(self.seeds) != 1 else ''}"
        synthetic = "; synthetic data: shows the tool, not the activation" if self.synthetic else ""
        return f"recipe {self.recipe}{variant}, profile {self.profile}, {epochs}{number}{synthetic}"


def subject_of(plan: Recipe, seeds: Sequence[int], baselines: Sequence[str] | None = None) -> Subject:
    """The subject of runs of this plan; the baselines are the plan's own where none are given."""
    named = plan.baselines if baselines is None else baselines
    names = {arm.name for arm in plan.arms}
    return Subject(
        recipe=plan.name,
        profile=plan.profile,
        variant=plan.variant,
        where=f"{model_label(plan.model)} on {data_label(plan.data)}",
        epochs=plan.train.epochs,
        seeds=tuple(sorted(set(seeds))),
        baselines=tuple(name for name in named if name in names),
        synthetic=plan.is_synthetic,
    )
