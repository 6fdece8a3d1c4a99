"""Tables of tuned recipes: both gaps side by side, trials and hours, and what must be said of the search."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from actbench.compare import Selection, compare
from actbench.comparison import Comparison
from actbench.fair.naming import derived_recipe
from actbench.fair.runs import TuningRuns
from actbench.fair.tuning import choices
from actbench.footing import Origin
from actbench.recipe.schema import Arm, ArmTrain, Recipe
from actbench.record import RunRecord
from actbench.store import StoredRun
from actbench.tables import json, terminal
from actbench.tables.build import build_tables
from actbench.tables.columns import Columns, parse_columns
from tests.fair.trials import tuned

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]
PLAIN = {"relu": (5000, 5040, 4960), "swish": (5010, 5030, 4980), "lslu": (5300, 5345, 5255)}
TUNED = {"relu": (5300, 5345, 5275), "swish": (5215, 5240, 5180), "lslu": (5330, 5370, 5290)}
BEST = {"relu": 0.3, "swish": 0.1, "lslu": 0.1}


def _stored(runs: list[RunRecord]) -> tuple[StoredRun, ...]:
    return tuple(StoredRun(Path(f"{run.arm.name}-seed{run.seed}.json"), run) for run in runs)


@pytest.fixture
def compared(make_recipe: MakeRecipe, make_run: MakeRun) -> Callable[..., Comparison]:
    """LSLU, whose gain over ReLU is 3 points at one rate and 0.2 where each has its best; `left` runs of trials."""

    def make(left: int | None = None, controls: Sequence[str] = (), **tune: Any) -> Comparison:
        recipe = make_recipe(
            arms=[{"name": name, "activation": name} for name in PLAIN],
            analysis={"method": "paired"},
            controls=controls,
            tune={"space": {"train.lr": [0.03, 0.1, 0.3]}, **tune},
        )

        def accuracy(arm: Arm, _: int) -> float:
            assert arm.train.lr is not None
            return 0.8 - 0.1 * abs(math.log10(arm.train.lr / BEST[arm.name.partition(".")[0]]))

        trials = tuned(recipe, accuracy, make_run)[:left]
        chosen = choices(recipe, trials)
        fair = derived_recipe(recipe, "fair", [choice.arm for choice in chosen.values()])
        plain = [make_run(recipe, arm, seed, n) for arm, own in PLAIN.items() for seed, n in enumerate(own)]
        of_tuned = [
            make_run(fair, f"{arm}.tuned", seed, n)
            for arm, own in TUNED.items()
            for seed, n in enumerate(own)
            if arm in chosen
        ]
        selection = Selection(
            plan=recipe,
            stored=_stored(plain),
            origin=Origin(reference=recipe.name, profile="lite", current=recipe),
            tuning=TuningRuns(recipe, (*trials, *_stored(of_tuned))),
        )
        return compare([selection], papers={})

    return make


def _shown(comparison: Comparison, columns: Columns | None = None) -> str:
    return terminal.render(build_tables(comparison, *([lambda _: columns] if columns else [])))


def _rows(comparison: Comparison) -> dict[str, Any]:
    (table,) = json.document(build_tables(comparison))["tables"]
    return {row["arm"]: row for row in table["rows"]}


def test_both_gaps_stand_side_by_side_with_trials_and_hours(compared: Callable[..., Comparison]) -> None:
    lslu = _rows(compared())["lslu"]
    assert lslu["vs_relu"]["difference"] == pytest.approx(0.03)
    # (5330 + 5370 + 5290 - 5300 - 5345 - 5275) / 3 of 10,000
    assert lslu["tuned_relu"]["difference"] == pytest.approx(70 / 3 / 10_000)
    assert lslu["tuned_swish"]["difference"] == pytest.approx((15990 - 15635) / 3 / 10_000)
    assert lslu["trials"]["trials"] == 4, "three, and one beyond 0.3, where relu was best"
    assert lslu["hours"]["hours"] == pytest.approx(4 * 2 * 60 / 3600)
    evidence = lslu["evidence"]["tuned"]
    assert evidence["settings"] == {"train.lr": 0.1}
    assert evidence["complete"]
    assert evidence["at_edge"] == []
    assert {gap["baseline"] for gap in evidence["gaps"]} == {"relu", "swish"}
    assert len(evidence["files"]) == 3


def test_what_is_tuned_in_anothers_slot_has_no_row(compared: Callable[..., Comparison]) -> None:
    plain, slots = _rows(compared()), _rows(compared(controls=["slot"]))
    assert [*slots] == [*PLAIN]
    assert {arm: row["trials"] for arm, row in slots.items()} == {
        arm: row["trials"] for arm, row in plain.items()
    }


def test_the_notes_say_how_arms_were_tuned_and_what_was_chosen(compared: Callable[..., Comparison]) -> None:
    text = " ".join(_shown(compared(epochs=0.5, seeds=[7, 8])).split())
    assert "on the validation set (seeds 7 and 8, at 50 % of the epochs); the test set was shut." in text
    assert "Chosen: relu lr 0.3; swish lr 0.1; lslu lr 0.1." in text
    assert "Interim" not in text
    assert "edge:" not in text


def test_a_best_value_at_the_edge_is_told(compared: Callable[..., Comparison]) -> None:
    comparison = compared(edge="flag")
    assert _rows(comparison)["relu"]["trials"]["text"] == "3 edge: lr"
    assert "edge: the best value is the last one tried on that side" in " ".join(_shown(comparison).split())


def test_a_search_that_is_not_at_its_end_says_so(compared: Callable[..., Comparison]) -> None:
    text = " ".join(_shown(compared(left=4)).split())
    assert (
        "Interim: the search is not at its end, and what is chosen may change; no trial of lslu is finished."
        in text
    )
    assert _rows(compared(left=4))["lslu"]["tuned_relu"]["text"] == "-"


def test_runs_of_settings_that_are_not_chosen_any_more_do_not_count(
    compared: Callable[..., Comparison], make_run: MakeRun
) -> None:
    """Tuned runs were made with what the first trials said; further trials say otherwise."""
    (group,) = compared().groups
    (relu, *_) = group.rows
    assert relu.tuned
    assert relu.tuned.row.completed == 3
    assert relu.tuned.choice.settings == {"train.lr": 0.3}
    plan = group.plan
    assert plan
    old = Arm(name="relu.tuned", activation="relu", train=ArmTrain(lr=0.1))
    stale = _stored([make_run(derived_recipe(plan, "fair", [old]), "relu.tuned", 0, 9999)])
    trials = tuned(plan, lambda arm, _: 0.5 if arm.train.lr == 0.3 else 0.2, make_run)
    plain = _stored(
        [make_run(plan, arm, seed, n) for arm, own in PLAIN.items() for seed, n in enumerate(own)]
    )
    origin = Origin(reference=plan.name, profile="lite", current=plan)
    (again,) = compare(
        [Selection(plan=plan, stored=plain, origin=origin, tuning=TuningRuns(plan, (*trials, *stale)))],
        papers={},
    ).groups
    assert again.rows[0].tuned
    assert again.rows[0].tuned.row.completed == 0


def test_columns_can_be_asked_for_and_are_absent_without_tuning(
    compared: Callable[..., Comparison], make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    shown = _shown(compared(), parse_columns("tuned,hours"))
    assert "both tuned" in shown
    assert "top-1" not in shown.splitlines()[3]
    recipe = make_recipe()
    runs = _stored([make_run(recipe, arm.name, 0) for arm in recipe.arms])
    origin = Origin(reference=recipe.name, profile="lite", current=recipe)
    plain = compare([Selection(plan=recipe, stored=runs, origin=origin)], papers={})
    assert "tuned" not in _shown(plain).lower()
