"""Names in a recipe that mean something elsewhere: its paper, that paper's table and claim, and its baselines."""

from actbench.errors import Problem
from actbench.recipe.nearest import name_hints
from actbench.recipe.nodes import Mapping, Sequence
from actbench.recipe.schema import Recipe


def check_references(recipe: Recipe, tree: Mapping, problems: list[Problem]) -> None:
    """Adds a problem for every name that nothing has. The default baselines may be absent, written ones may not."""
    baselines, arms = tree.entries.get("baselines"), [arm.name for arm in recipe.arms]
    if isinstance(baselines, Sequence):
        for baseline, node in zip(recipe.baselines, baselines.items, strict=True):
            if baseline not in arms:
                hints = name_hints(baseline, arms)
                problems.append(node.problem(f"the baseline {baseline!r} is no arm", *hints))
    if recipe.paper is not None:
        _check_paper(recipe, recipe.paper, tree, problems)
        return
    for key, name in (("table", recipe.table), ("claim", recipe.claim)):
        if name is not None:
            problems.append(
                tree.entries[key].problem(f"a {key} without a paper", "name its paper: ls papers lists them")
            )


def _check_paper(recipe: Recipe, key: str, tree: Mapping, problems: list[Problem]) -> None:
    # Papers are read by the loader of recipes' own means, which is why they cannot be imported above.
    from actbench.papers.reported import load_paper, paper_keys

    if key not in paper_keys():
        problems.append(
            tree.entries["paper"].problem(f"unknown paper {key!r}", *name_hints(key, paper_keys()))
        )
        return
    paper = load_paper(key)
    tables, claims = [table.id for table in paper.tables], [claim.id for claim in paper.claims]
    for kind, name, known in (("table", recipe.table, tables), ("claim", recipe.claim, claims)):
        if name is not None and name not in known:
            message = f"paper {key!r} has no {kind} {name!r}"
            problems.append(tree.entries[kind].problem(message, *name_hints(name, known)))
