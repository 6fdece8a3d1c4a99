"""The real training code on tuning's trials: whatever they do, the test set stays shut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from actbench.data.source import DataSource, DetectionSource, Source
from actbench.fair.tuning import choices, tuning_recipe
from actbench.recipe.load import load_recipe
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.store import Store
from actbench.training.run import execute
from actbench.training.sources import DataSources

MakeRecipe = Callable[..., Recipe]
CPU = torch.device("cpu")
TUNE: dict[str, Any] = {"space": {"train.lr": [1e-4, 1e-3]}, "epochs": 0.5, "seeds": [7], "edge": "flag"}


def _train(recipe: Recipe, source: Source, store: Store) -> None:
    for run in make_plan([recipe], {0: source.fingerprint}, store).todo:
        record = execute(run, source=source, store=store, device=CPU)
        assert record.status in ("completed", "diverged"), record.reason


def test_tuning_never_opens_the_test_set(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Counted by the source itself, which held-out runs on the same source prove to count."""
    recipe = make_recipe(
        data={"size": 8, "channels": 1},
        input={"size": 8},
        model={"stem_stride": 1},
        arms=[{"name": name, "activation": name} for name in ("relu", "swish")],
        evaluation={"robustness": {"attacks": ["fgsm"], "images": 8}},
        train={"ema": {"decay": 0.9}, "early_stopping": {"patience": 1}},
        tune=TUNE,
        seeds=[0],
    )
    store, sources = Store(tmp_path), DataSources(Path("none"))
    source = sources.of(recipe)
    rounds = 0
    while (
        wanted := tuning_recipe(recipe, store.scan("tiny.tune")[0], fingerprint=source.fingerprint)
    ) is not None:
        assert sources.of(wanted) is source, "trials are validated on the very images that are held out"
        _train(wanted, source, store)
        rounds += 1
    assert rounds == 1
    assert source.test_openings == 0
    stored = store.scan("tiny.tune")[0]
    assert len(stored) == 4
    assert all(not run.record.results and run.record.validation for run in stored)
    chosen = choices(recipe, stored)
    assert {choice.trials for choice in chosen.values()} == {2}
    assert source.test_openings == 0
    fair = recipe.model_copy(update={"arms": tuple(choice.arm for choice in chosen.values()), "tune": None})
    _train(fair, source, store)
    # For each of two arms: raw and averaged weights, at the last and perhaps at the best epoch, and under attack.
    assert source.test_openings >= 2 * (2 + 1)


def test_every_kind_of_source_counts() -> None:
    sources = DataSources(Path("none"))
    detection, text = (
        sources.of(
            load_recipe(
                name, profile="smoke", overrides=[f"data.{key}=8" for key in ("train", "test")]
            ).recipes[0]
        )
        for name in ("pwlu_retinanet_coco", "raft_bert_small_sst2")
    )
    assert isinstance(detection, DetectionSource)
    assert isinstance(text, DataSource)
    detection.truth("val")
    next(detection.eval_batches("val", batch_size=2, device=CPU))
    next(text.eval_batches("val", batch_size=2, device=CPU, channels_last=False))
    assert detection.test_openings == text.test_openings == 0
    detection.truth("test")
    next(detection.eval_batches("test", batch_size=2, device=CPU))
    text.eval_batches("test", batch_size=2, device=CPU, channels_last=False)
    assert (detection.test_openings, text.test_openings) == (2, 1)
