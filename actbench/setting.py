"""Under what the runs of one table were made, in the words that captions and reports use. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from actbench.papers.matching import data_label, model_label
from actbench.recipe.schema import Profile, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a group of runs was trained on, and how."""

    name: str
    """The recipe's, or the imported set's."""
    title: str
    profile: Profile | None
    """None for imported results."""
    variant: str | None
    task: Literal["classify", "detect", "text"]
    data: str
    """As papers write it."""
    model: str
    """The network, likewise."""
    epochs: int | None
    protocol: Literal["held-out", "best-test", "validation"] | None
    synthetic: bool
    is_altered: bool = False
    """Whether a person has overridden settings of the recipe, or edited it since."""
    source: str | None = None
    """The file that results were imported from; None for runs that actbench trained."""

    @property
    def is_audited(self) -> bool:
        """Whether it is known, and not only said, that the arms were trained on equal footing."""
        return self.source is None


def setting_of(recipe: Recipe, *, is_altered: bool = False) -> Setting:
    """The setting of a recipe's runs."""
    return Setting(
        name=recipe.name,
        title=recipe.title.rstrip(".") or recipe.name,
        profile=recipe.profile,
        variant=recipe.variant,
        task=recipe.task,
        data=data_label(recipe.data),
        model=model_label(recipe.model),
        epochs=recipe.train.epochs,
        protocol=recipe.evaluation.protocol,
        synthetic=recipe.is_synthetic,
        is_altered=is_altered,
    )
