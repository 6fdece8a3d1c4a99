"""The lines below a table, made of stored runs: what they say, where it was reached, and of which runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actbench.compare import Selection, compare
from actbench.comparison import ArmRow, Group
from actbench.footing import Origin
from actbench.metrics import metric_of
from actbench.papers.reported import Paper
from actbench.place import place_of
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.verdict import claim_lines, verdict_of

COUNTS: dict[str, tuple[int, ...]] = {
    "relu": (5000, 5010, 5020),
    "lslu": (5150, 5161, 5170),
    "series": (5400, 5405, 5412),
}
GetGroup = Callable[..., Group]


def paper_with(**fields: Any) -> Paper:
    claim = {
        "id": "the-claim",
        "arms": ["lslu"],
        "baseline": "relu",
        "model": "VanillaNet-5",
        "data": "CIFAR-100",
        "metric": "top1_accuracy",
        "difference": 1.5,
        "source": "arXiv:2401.00001",
        **fields,
    }
    facts = {"key": "deep", "title": "Deep units", "year": 2024}
    return Paper.model_validate({"paper": facts, "claims": [claim]})


@pytest.fixture
def get_group(make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]) -> GetGroup:
    """Compares runs of a recipe that names a claim: keywords change the claim; the rest is about the runs."""

    def get(
        counts: Mapping[str, tuple[int, ...]] = COUNTS,
        *,
        diverged: tuple[tuple[str, int], ...] = (),
        overrides: tuple[str, ...] = (),
        recipe: dict[str, Any] | None = None,
        **claim: Any,
    ) -> Group:
        plain = {"profile": "paper", "model": {"name": "vanillanet", "decay_epochs": 10}}
        plan = make_recipe(
            paper="deep", claim="the-claim", analysis={"method": "paired"}, **{**plain, **(recipe or {})}
        )
        runs = [
            make_run(plan, arm, seed, correct)
            for arm, of_arm in counts.items()
            for seed, correct in enumerate(of_arm)
        ]
        runs += [make_run(plan, arm, seed, status="diverged") for arm, seed in diverged]
        stored = tuple(StoredRun(Path(f"{number}.json"), run) for number, run in enumerate(runs))
        origin = Origin(reference=plan.name, profile=plan.profile, current=plan, overrides=overrides)
        selection = Selection(plan=plan, stored=stored, origin=origin)
        (group,) = compare([selection], papers={"deep": paper_with(**claim)}).groups
        return group

    return get


def row_of(group: Group, arm: str) -> ArmRow:
    return next(row for row in group.rows if row.name == arm)


def test_runs_of_the_claims_own_setting_get_a_bare_verdict(get_group: GetGroup) -> None:
    # Differences of 150, 151 and 150 right answers: mean 150.33, sd 0.577, 4.303 standard errors of 0.333.
    group = get_group()
    assert claim_lines(group) == (
        "Claim the-claim: lslu over relu, reported +1.50 | measured +1.50 [+1.49, +1.52] (n=3) | reproduced",
    )
    assert verdict_of(row_of(group, "series"), group) is None


def test_every_arm_of_the_claim_has_its_line(get_group: GetGroup) -> None:
    lines = claim_lines(get_group(arms=["lslu", "series", "absent"]))
    assert [line.split(",")[0] for line in lines] == [
        "Claim the-claim: series over relu",  # in the recipe's order
        "Claim the-claim: lslu over relu",
    ]
    assert lines[0].endswith("| better, more than claimed")


def test_diverged_runs_are_counted_on_either_side(get_group: GetGroup) -> None:
    (line,) = claim_lines(get_group(diverged=(("lslu", 3), ("relu", 3), ("relu", 4))))
    assert "(n=3; lslu 1/4 diverged; relu 2/5 diverged)" in line
    (line,) = claim_lines(get_group({"relu": (5000, 5010)}, diverged=(("lslu", 0), ("lslu", 1))))
    assert line == ("Claim the-claim: lslu over relu, reported +1.50 | not shown (every run diverged)")


def test_arms_without_runs_are_not_run(get_group: GetGroup) -> None:
    (line,) = claim_lines(get_group({"relu": (5000, 5010)}))
    assert line.endswith("reported +1.50 | not run")


@pytest.mark.parametrize(
    ("options", "before"),
    [
        ({"data": "CIFAR-10"}, "on stand-in (VanillaNet-5 on CIFAR-100)"),
        ({"model": "VanillaNet-9"}, "on stand-in (VanillaNet-5 on CIFAR-100)"),
        ({"model": None}, "on stand-in (VanillaNet-5 on CIFAR-100)"),
        ({"stand_in": "a guess stands in for n"}, "on stand-in (a guess stands in for n)"),
        ({"recipe": {"profile": "lite"}}, "direction at reduced budget"),
        (
            {
                "recipe": {
                    "profile": "lite",
                    "model": {"name": "vanillanet", "width": 0.5, "decay_epochs": 10},
                }
            },
            "on stand-in (VanillaNet-5 x0.5 on CIFAR-100), direction at reduced budget",
        ),
        ({"recipe": {"limit": 1000}}, "direction at reduced budget"),
        ({"overrides": ("train.lr=1",)}, "with settings altered"),
        (
            {"metric": "benchmark_score"},
            "on stand-in (accuracy for benchmark score)",
        ),
    ],
)
def test_what_is_not_the_papers_stands_before_the_verdict(
    options: dict[str, Any], before: str, get_group: GetGroup
) -> None:
    (line,) = claim_lines(get_group(**options))
    *_, told = line.split(" | ")
    assert told == f"{before}: reproduced"


def test_more_seeds_alter_no_setting(get_group: GetGroup) -> None:
    (line,) = claim_lines(get_group(overrides=("seeds=0..2",)))
    assert line.endswith("| reproduced")


def test_generated_data_says_nothing_of_a_claim(get_group: GetGroup) -> None:
    data = {"name": "synthetic", "num_classes": 10, "channels": 3, "size": 32, "train": 40, "test": 10}
    group = get_group(recipe={"profile": "smoke", "data": data})
    (line,) = claim_lines(group)
    assert line.endswith("| synthetic data: no verdict")


def test_another_metric_says_nothing_of_a_claim(get_group: GetGroup) -> None:
    attacked: dict[str, Any] = {"evaluation": {"robustness": {"attacks": ["fgsm"], "eps": [4]}}}
    assert claim_lines(get_group(recipe=attacked, metric="fgsm_accuracy")) == ()
    assert claim_lines(get_group(metric="perplexity", difference=-0.5)) == ()


def test_a_family_name_is_the_network_under_profile_paper_alone(make_recipe: Callable[..., Recipe]) -> None:
    (claim,) = paper_with(model="VanillaNet").claims
    narrow = {"name": "vanillanet", "width": 0.125, "decay_epochs": 10}
    for profile, stand_in in (("paper", None), ("lite", "VanillaNet-5 x0.125 on CIFAR-100")):
        plan = make_recipe(profile=profile, model=narrow)
        place = place_of(claim, plan, metric_of(plan), synthetic=False, altered=False)
        assert place.stand_in == stand_in
