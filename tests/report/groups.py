"""Comparisons made by hand, for tests of what a report says of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.footing import Origin
from actbench.papers.reported import load_paper
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.summary import summary_of

Counts = Mapping[str, tuple[int | None, ...]]
"""Arm -> right answers of 10,000 by seed; None: diverged."""


def group_of(recipe: Recipe, counts: Counts, make_run: Callable[..., RunRecord], **options: Any) -> Group:
    """The comparison of these runs; every arm that the recipe has and `counts` has not is missing."""
    runs = [
        make_run(recipe, arm, seed, correct or 0, status="completed" if correct else "diverged")
        for arm, values in counts.items()
        for seed, correct in enumerate(values)
    ]
    stored = tuple(StoredRun(Path(f"{number}.json"), summary_of(run)) for number, run in enumerate(runs))
    origin = Origin(reference=recipe.name, profile=recipe.profile, current=recipe)
    papers = {recipe.paper: load_paper(recipe.paper)} if recipe.paper else {}
    selection = Selection(plan=recipe, stored=stored, origin=origin)
    return compare([selection], papers=papers, **options).groups[0]
