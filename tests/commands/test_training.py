"""Training of given recipes: in turns, with one reading of the data, and stopped between runs."""

from pathlib import Path

import pytest

from actbench.commands.request import TrainRequest, load_recipes
from actbench.commands.training import prepare, train_recipes
from actbench.fair.naming import derived_recipe
from tests.commands.test_train import Listener


def _request(folder: Path, jobs: int = 1) -> TrainRequest:
    return TrainRequest(
        references=("demo_digits",),
        profile="smoke",
        overrides=("train.epochs=1",),
        device="cpu",
        results_dir=folder,
        jobs=jobs,
    )


def test_recipes_made_from_one_are_trained_seed_by_seed_until_it_is_enough(tmp_path: Path) -> None:
    request = _request(tmp_path)
    (recipe,) = load_recipes(request)
    relu, swish = recipe.arms[:2]
    made = derived_recipe(recipe, "fair", [swish.model_copy(update={"name": "swish.tuned", "salt": 1})])
    plain = recipe.model_copy(update={"arms": (relu,)})
    listener = Listener()
    trained = train_recipes([plain, made], request, listener, until=lambda: len(listener.started) == 3)
    assert listener.started == ["1/4 relu 0", "2/4 swish.tuned 0", "3/4 relu 1"]
    states = [trained.record(run) is not None for run in trained.plan.runs]
    assert states == [True, True, True, False]
    assert (tmp_path / "demo_digits.fair" / "smoke").is_dir()
    again = Listener()
    sources = prepare([plain], request, again).sources
    done = train_recipes([plain, made], request, again, sources=sources)
    assert again.started == ["1/1 swish.tuned 1"]
    assert again.told.count("reading synthetic") == 1
    assert len(done.records) == 1
    assert all(done.record(run) for run in done.plan.runs)


@pytest.mark.slow
def test_several_processes_take_given_recipes_too_and_stop(tmp_path: Path) -> None:
    request = _request(tmp_path, jobs=2)
    (recipe,) = load_recipes(request)
    made = derived_recipe(recipe, "fair", [recipe.arms[0].model_copy(update={"name": "relu.tuned"})])
    listener = Listener()
    train_recipes([made], request, listener, until=lambda: True)
    assert (listener.started, listener.told) == ([], ["reading synthetic"])
    trained = train_recipes([made], request, listener)
    assert sorted(listener.started) == ["1/2 relu.tuned 0", "2/2 relu.tuned 1"]
    assert {record.status for record in trained.records.values()} == {"completed"}
