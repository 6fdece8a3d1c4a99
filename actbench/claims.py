"""What recipes and stored runs have to say about the claims of papers. Imports no torch.

A recipe speaks about the claim that it names; and about others of its paper whose arms and metric it has, where they
are about the very network and data of its paper profile, or about those of the claim that it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from actbench.compare import compare
from actbench.comparison import ArmRow, Group
from actbench.errors import ActbenchError
from actbench.metrics import metrics_of
from actbench.papers.matching import is_setting, setting_label
from actbench.papers.reported import Claim, Paper
from actbench.recipe.schema import Profile, Recipe
from actbench.selection import Sources, select
from actbench.stats.intervals import Estimate
from actbench.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecipe:
    """A recipe that speaks about a claim, as it is under profile paper."""

    name: str
    setting: str
    is_stand_in: bool
    """Whether its network or its data are not those of the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the stored runs of one recipe, under one profile, show of a claim for one of its arms."""

    recipe: str
    profile: Profile
    variant: str | None
    setting: str
    """The network and the data of these runs."""
    synthetic: bool
    metric: str
    """By which the arms are compared: the claim's, where the recipe measures it."""
    arm: str
    completed: int
    difference: Estimate | None
    """Of the arm and the claim's baseline; None where either has no completed run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    recipes: tuple[ClaimRecipe, ...]
    """Those that speak about the claim, the ones that name it first."""
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    """Recipes with records that cannot be compared, and why."""


def recipes_about(claim: Claim, paper: Paper, recipes: Mapping[str, Recipe]) -> tuple[ClaimRecipe, ...]:
    """The recipes, by name and as under profile paper, that speak about the claim."""
    named: list[ClaimRecipe] = []
    others: list[ClaimRecipe] = []
    for name, recipe in recipes.items():
        if recipe.paper != paper.paper.key:
            continue
        is_exact = claim.model is not None and is_setting(recipe, model=claim.model, data=claim.data)
        about = ClaimRecipe(name=name, setting=setting_label(recipe), is_stand_in=not is_exact)
        if recipe.claim == claim.id:
            named.append(about)
        elif (is_exact or _shares_setting(claim, paper, recipe)) and _measures(claim, recipe):
            others.append(about)
    return (*named, *others)


def _shares_setting(claim: Claim, paper: Paper, recipe: Recipe) -> bool:
    own = paper.claim(recipe.claim) if recipe.claim else None
    return own is not None and (own.model, own.data) == (claim.model, claim.data)


def _measures(claim: Claim, recipe: Recipe) -> bool:
    arms = {arm.name for arm in recipe.arms}
    return arms.issuperset((*claim.arms, claim.baseline)) and bool(_metrics(claim, recipe))


def _metrics(claim: Claim, recipe: Recipe) -> list[str]:
    """Those of the recipe that are the claim's: several where it tries an attack at several sizes."""
    return [metric.name for metric in metrics_of(recipe).values() if metric.reported == claim.metric]


def evidence(claim: Claim, paper: Paper, recipes: Mapping[str, Recipe], results_dir: Path) -> Evidence:
    """What stands in the results folder about the claim."""
    about = recipes_about(claim, paper, recipes)
    findings: list[Finding] = []
    problems: list[str] = []
    for name in (recipe.name for recipe in about):
        for profile in profiles_with_records(name, results_dir):
            try:
                findings += _findings(claim, paper, name, profile, results_dir)
            except ActbenchError as error:
                problems.append(f"{name} ({profile}): {error.problems[0].message}")
    return Evidence(recipes=about, findings=tuple(findings), problems=tuple(problems))


def profiles_with_records(recipe: str, results_dir: Path) -> tuple[Profile, ...]:
    """The profiles under which the recipe has stored runs."""
    store = Store(results_dir)
    return tuple(profile for profile in get_args(Profile) if store.paths(recipe, profile))


def _findings(claim: Claim, paper: Paper, name: str, profile: Profile, results_dir: Path) -> list[Finding]:
    selected = select(Sources([name], profile, (), results_dir))
    findings: list[Finding] = []
    for selection in selected.selections:
        for metric in (*_metrics(claim, selection.plan),) or (None,):
            (group,) = compare(
                [selection],
                papers={paper.paper.key: paper},
                baselines=[claim.baseline],
                metric=metric,
            ).groups
            findings += [_finding(name, group, row) for row in group.rows if row.name in claim.arms]
    return findings


def _finding(name: str, group: Group, row: ArmRow) -> Finding:
    return Finding(
        recipe=name,
        profile=group.plan.profile,
        variant=group.plan.variant,
        setting=setting_label(group.plan),
        synthetic=group.data.synthetic,
        metric=group.metric.name,
        arm=row.name,
        completed=row.completed,
        difference=row.gaps[0].difference,
    )
