"""Runs that share a device: they all train, and one that fails is told by the process that waits."""

import pytest
import torch

from actbench.bench.packed import packed_images_per_s, packed_recipe
from actbench.errors import ActbenchError

SMALL = ("data.train=32", "data.test=16", "model.depth=8", "train.batch_size=16", "train.amp=none")


def test_the_recipe_evaluates_in_no_epoch_that_is_timed_and_trains_on_every_image() -> None:
    recipe = packed_recipe(epochs=2, overrides=["train.capture=true"])
    assert (recipe.train.epochs, recipe.evaluation.every, recipe.evaluation.protocol) == (
        4,
        10_000,
        "best-test",
    )
    assert (recipe.is_synthetic, recipe.train.batch_size, recipe.train.amp) == (True, 128, "bf16")
    assert recipe.train.capture


@pytest.mark.slow
def test_two_processes_train_together() -> None:
    recipe = packed_recipe(epochs=1, overrides=SMALL)
    assert packed_images_per_s(recipe, torch.device("cpu"), runs=2, epochs=1) > 0


@pytest.mark.slow
def test_a_run_that_fails_is_told_in_one_message(capfd: pytest.CaptureFixture[str]) -> None:
    recipe = packed_recipe(epochs=1, overrides=SMALL)
    with pytest.raises(ActbenchError, match=r"^2 runs at a time: "):
        packed_images_per_s(recipe, torch.device("meta"), runs=2, epochs=1)
    assert "Traceback" not in capfd.readouterr().err
