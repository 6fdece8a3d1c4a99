import random

import pytest

from actbench.comparison import Comparison
from tests.tables.comparisons import (
    MakeComparison,
    MakeRecipe,
    MakeRun,
    awkward,
    close_arms,
    comparison_of,
    paper_like,
)


@pytest.fixture
def golden(make_recipe: MakeRecipe, make_run: MakeRun) -> MakeComparison:
    """The comparison behind the golden files, of records shuffled by a seed."""
    sets = [make(make_recipe, make_run) for make in (paper_like, close_arms, awkward)]

    def build(shuffle: int) -> Comparison:
        order = random.Random(shuffle)
        return comparison_of(*((recipe, order.sample(runs, len(runs))) for recipe, runs in sets))

    return build
