"""What recipes and stored runs have to say about the claims of papers. Imports no torch.

A recipe speaks about the claim that it names; and about others of its paper whose arms and metric it has, where they
are about the very network and data of its paper profile, or about those of the claim that it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from actbench.compare import compare
from actbench.comparison import ArmRow, Group
from actbench.errors import ActbenchError, Problem
from actbench.metrics import metrics_of
from actbench.papers.matching import is_setting, setting_label
from actbench.papers.reported import Claim, Paper
from actbench.recipe.find import local_recipes, packaged_recipes
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile, Recipe
from actbench.selection import Sources, select
from actbench.stats.contrasts import Contrast
from actbench.stats.multiplicity import benjamini_hochberg
from actbench.store import Store
from actbench.verdict import Verdict, diverged_of, judge, verdict_on


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecipe:
    """A recipe that speaks about a claim, as it is under profile paper."""

    name: str
    setting: str
    is_stand_in: bool
    """Whether its network or its data are not those of the claim."""

    @property
    def command(self) -> str:
        return f"actbench train {self.name} --profile paper"


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
    """Runs of the arm or of the baseline, whichever has fewer."""
    diverged: tuple[str, ...]
    """How many runs of which side diverged, in words."""
    contrast: Contrast | None
    """Of the arm and the claim's baseline; None where either has no completed run."""
    verdict: Verdict
    files: tuple[Path, ...]
    """The arm's records, and the baseline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    recipes: tuple[ClaimRecipe, ...]
    """Those that speak about the claim, the ones that name it first."""
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    """Recipes with records that cannot be compared, and why."""

    def decisive(self, arm: str) -> Finding | None:
        """The finding that a claim is judged by: of those nearest to the paper's setting the first; None without runs.

        Runs on generated data decide nothing.
        """
        found = [f for f in self.findings if f.arm == arm and f.completed and not f.synthetic]
        return min(found, key=lambda finding: finding.verdict.place.distance, default=None)

    @property
    def nearest(self) -> ClaimRecipe | None:
        """The recipe to run: of the paper's own setting if there is one."""
        return min(self.recipes, key=lambda recipe: recipe.is_stand_in, default=None)


def recipes_with_papers() -> tuple[dict[str, Recipe], list[Problem]]:
    """By name, as under profile paper, all recipes that name a paper; and what is wrong with those that do not load."""
    recipes: dict[str, Recipe] = {}
    problems: list[Problem] = []
    for name, path in sorted({**packaged_recipes(), **local_recipes()}.items()):
        try:
            recipe = load_recipe(path, profile="paper").recipes[0]
        except ActbenchError as error:
            problems.extend(error.problems)
            continue
        if recipe.paper is not None:
            recipes[name] = recipe
    return recipes, problems


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


def adjusted(claims: Sequence[tuple[Claim, Finding]]) -> list[float | None]:
    """Each finding's p, adjusted for all of them by Benjamini and Hochberg; None where nothing is tested.

    Generated data tests no claim, nor does a difference test what an arm is said to reach.
    """
    return benjamini_hochberg(
        [
            finding.contrast.p if finding.contrast and not finding.synthetic and claim.value is None else None
            for claim, finding in claims
        ]
    )


def judged(claim: Claim, finding: Finding, q: float | None) -> Verdict:
    """The finding's verdict when an effect must hold beside those of all other claims."""
    if q is None:
        return finding.verdict
    return judge(claim, finding.contrast, completed=finding.completed, q=q, place=finding.verdict.place)


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
            rows = {row.name: row for row in group.rows}
            findings += [
                found
                for arm in claim.arms
                if arm in rows and (found := _finding(claim, name, group, rows[arm], rows[claim.baseline]))
            ]
    return findings


def _finding(claim: Claim, recipe: str, group: Group, row: ArmRow, baseline: ArmRow) -> Finding | None:
    """None where nothing of what the recipe measures is what the claim is about, and where neither side has run."""
    verdict, diverged = verdict_on(claim, row, group), diverged_of(claim, row, group)
    completed = min(row.completed, baseline.completed)
    if verdict is None or group.plan is None or not (completed or diverged):
        return None
    return Finding(
        recipe=recipe,
        profile=group.plan.profile,
        variant=group.plan.variant,
        setting=setting_label(group.plan),
        synthetic=group.setting.synthetic,
        metric=group.metric.name,
        arm=row.name,
        completed=completed,
        diverged=diverged,
        contrast=next(gap.contrast for gap in row.gaps if gap.baseline == claim.baseline),
        verdict=verdict,
        files=(*row.files, *baseline.files),
    )
