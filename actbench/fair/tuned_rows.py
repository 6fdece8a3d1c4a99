"""The rows of tuned arms: each with the gaps to tuned baselines, and with what tuning chose. Imports no torch."""

from collections.abc import Collection, Sequence

from actbench.analysis import analyse, row_of
from actbench.comparison import TunedRow
from actbench.fair.runs import arms_of
from actbench.fair.tuning import choices
from actbench.recipe.differences import differing_arm_settings
from actbench.recipe.schema import Recipe
from actbench.record import DataFacts
from actbench.sides import Reading, side_of
from actbench.store import StoredRun


def tuned_rows(
    recipe: Recipe,
    stored: Sequence[StoredRun],
    baselines: Sequence[str],
    reading: Reading,
    *,
    data: DataFacts,
    footing: str,
    seeds: Collection[int] | None = None,
) -> dict[str, TunedRow]:
    """By the recipe's names of its arms; `stored` holds trials and runs of tuned arms.

    Of the latter those count that were trained on the footing with the settings that are chosen by now, and of these
    those of the `seeds`, if given. Their gaps are tested as a family of their own.
    """
    chosen = choices(recipe, stored, fingerprint=data.fingerprint)
    runs = arms_of(
        [
            run
            for run in stored
            if run.record.footing == footing and (seeds is None or run.record.seed in seeds)
        ]
    )
    sides = {}
    for arm in recipe.arms:  # what stands in another's slot is tuned too, and has no row
        choice = chosen.get(arm.name)
        own = runs.get(choice.arm.name, []) if choice else []
        fitting = [run for run in own if choice and not differing_arm_settings(choice.arm, run.record.arm)]
        sides[arm.name] = side_of(arm, fitting, reading)
    tested = analyse(sides, baselines, recipe.analysis)
    return {
        name: TunedRow(choice=choice, row=row_of(sides[name], sides, baselines, tested, planned=recipe.seeds))
        for name, choice in chosen.items()
        if name in sides
    }
