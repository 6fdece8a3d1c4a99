"""Why two records differ: the answer in a sentence, and what stands in each section."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord, RunRecord, Tally, TestResult, pack_bits
from actbench.result_difference import disagreement
from actbench.run_difference import RunDifference, run_difference

Make = Callable[..., RunRecord]


@pytest.fixture
def run(make_recipe: Callable[..., Recipe], make_run: Make) -> Make:
    """Makes a run of three epochs over sixteen test examples; keywords replace fields of recipe, run or provenance."""

    def make(
        arm: str = "relu",
        seed: int = 0,
        *,
        losses: Sequence[float] = (3.0, 2.0, 1.0),
        answers: str = "1111000011110000",
        train: dict[str, Any] | None = None,
        fingerprint: str = "fingerprint",
        provenance: dict[str, Any] | None = None,
        **fields: Any,
    ) -> RunRecord:
        recipe = make_recipe(train={"epochs": 3, "lr": 0.1, **(train or {})})
        record = make_run(recipe, arm, seed, total=16, fingerprint=fingerprint)
        right = [answer == "1" for answer in answers]
        result = TestResult(
            which="last",
            weights="raw",
            epoch=2,
            tally=Tally(correct=sum(right), total=16, loss_sum=1.0),
            correct_bits=pack_bits(right),
        )
        history = tuple(
            EpochRecord(epoch=i, lr=0.1, train_loss=loss, time_s=1.0, step_time_s=0.1, data_time_s=0.0)
            for i, loss in enumerate(losses)
        )
        where = record.provenance.model_copy(update=provenance or {})
        return record.model_copy(
            update={"history": history, "results": (result,), "provenance": where, **fields}
        )

    return make


def told(found: RunDifference, section: str) -> dict[str, tuple[object, object]]:
    (one,) = (s for s in found.sections if s.name == section)
    return {difference.key: (difference.first, difference.second) for difference in one.differences}


def notes(found: RunDifference, section: str) -> tuple[str, ...]:
    return next(s.notes for s in found.sections if s.name == section)


def test_one_run_made_twice_is_equal_whatever_its_times_and_machine(run: Make) -> None:
    found = run_difference(
        run(), run(provenance={"hardware": "another", "torch": "3.0", "wall_time_s": 90.0})
    )
    assert found.is_equal
    assert found.answer == (
        "equal: one run made twice, every loss and every test answer the same (on another machine, by other code)"
    )
    assert told(found, "provenance") == {"torch": ("2.9", "3.0"), "hardware": ("a processor", "another")}
    assert told(found, "cost") == {"wall_time_s": (60.0, 90.0)}
    assert notes(found, "history") == ("the same losses and tallies in all 3 epochs that both have",)
    assert notes(found, "results") == ("last (raw): the same in every number and every answer",)


def test_one_hash_and_other_numbers_name_the_epoch_and_what_may_have_moved_them(run: Make) -> None:
    found = run_difference(run(), run(losses=(3.0, 2.1, 1.0), provenance={"threads": 2}))
    assert not found.is_equal
    assert found.answer == (
        "one run by its hash, yet other numbers from epoch 2 on; of what is recorded these differ: threads"
    )
    assert told(found, "history") == {"epoch 2, train_loss": (2.0, 2.1)}
    assert notes(found, "history") == ("the same losses and tallies in the 1 epochs before",)


def test_one_hash_and_other_answers_alone(run: Make) -> None:
    found = run_difference(run(), run(answers="1111000011110001"))
    assert found.answer == "one run by its hash, yet other test answers; nothing recorded explains it"


def test_a_run_that_stopped_is_not_the_run_that_completed(run: Make) -> None:
    found = run_difference(run(), run(losses=(3.0, 2.0), status="interrupted", results=()))
    assert "one completed and the other interrupted" in found.answer
    assert told(found, "history") == {"epochs recorded": (3, 2)}
    assert told(found, "results") == {"last (raw)": ("evaluated", None)}


def test_settings_data_arm_and_seed_are_each_told(run: Make) -> None:
    found = run_difference(run(), run("lslu", 1, train={"lr": 0.2}, fingerprint="other data"))
    assert found.answer == (
        "not one run: other settings (train.lr), other data, another arm (relu / lslu), another seed (0 / 1), "
        "and yet the same numbers"
    )
    assert told(found, "settings") == {"train.lr": (0.1, 0.2)}
    assert told(found, "arm") == {"activation": ("relu", "lslu")}
    assert set(told(found, "identity")) == {"arm", "seed", "run hash"}
    assert told(found, "footing")["data.fingerprint"] == ("fingerpr", "other da")
    assert notes(found, "results") == ("last (raw): the same in every number and every answer",)


def test_answers_of_unlike_data_are_not_compared(run: Make) -> None:
    found = run_difference(run(), run(fingerprint="other", answers="0000111100001111"))
    assert notes(found, "results") == ("last (raw): answers are not compared, the data are not the same",)


def test_what_no_run_depends_on_is_told_as_such(run: Make) -> None:
    one, two = run(), run()
    recipe = two.recipe.model_copy(update={"seeds": (0, 1), "arms": two.recipe.arms[:1]})
    found = run_difference(one, two.model_copy(update={"recipe": recipe}))
    assert found.is_equal
    assert told(found, "settings") == {
        "seeds": ((0, 1, 2), (0, 1)),
        "arms": (["relu", "swish", "series", "lslu"], ["relu"]),
    }


def test_a_hash_that_settings_do_not_explain_is_a_version_s(run: Make) -> None:
    found = run_difference(run(), run(run="0" * 64))
    assert found.answer.startswith("not one run: another hash of the same settings, data and seed")


def test_a_hash_that_is_not_of_its_settings_is_no_proof(run: Make) -> None:
    one, two = run(), run()
    recipe = two.recipe.model_copy(update={"train": two.recipe.train.model_copy(update={"lr": 0.3})})
    found = run_difference(one, two.model_copy(update={"recipe": recipe}))
    assert not found.is_equal
    assert found.answer == (
        "one run by its hash, yet other settings (train.lr): a hash that is not of its record's settings"
    )
    told = "the hashes of B are not those of its settings: edited, or of another version"
    assert told in notes(found, "footing")
    assert told not in notes(run_difference(one, run()), "footing")


def test_kernels_are_told_by_the_sites_that_share_them(run: Make) -> None:
    one = run(backends={"a": "reference", "b": "reference", "c": "compiled"})
    two = run(backends={"a": "compiled", "b": "compiled", "c": "compiled", "d": "reference"})
    assert told(run_difference(one, two), "kernels") == {
        "2 sites, a ...": ("reference", "compiled"),
        "d": (None, "reference"),
    }


def test_disagreement_counts_both_ways(run: Make) -> None:
    one, two = (run(answers=answers).results[0] for answers in ("1111000011110000", "1100000011110001"))
    assert disagreement(one, two) == (2, 1, 16)
    assert disagreement(two, one) == (1, 2, 16)
    assert disagreement(one, one.model_copy(update={"correct_bits": ""})) is None


def test_swapping_the_two_swaps_every_value(run: Make) -> None:
    one, two = run("swish", 1), run("lslu", 2, losses=(1.0,), train={"lr": 0.3})
    there, back = run_difference(one, two), run_difference(two, one)
    for first, second in zip(there.sections, back.sections, strict=True):
        swapped = {d.key: (d.second, d.first) for d in second.differences}
        assert {d.key: (d.first, d.second) for d in first.differences} == swapped
