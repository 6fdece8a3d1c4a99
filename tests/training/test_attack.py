"""FGSM, PGD and noise against closed forms on linear models, their limits in pixels, and what a run keeps of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from actbench.data.canonical import Examples, ImageSet
from actbench.data.memory import MemorySource
from actbench.data.settings import InputSettings
from actbench.data.source import DataSource
from actbench.metrics import metric_of, metrics_of
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord, TestResult
from actbench.store import Store
from actbench.training.attack import accuracy_under_attack
from actbench.training.run import execute

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
SIDE, IMAGES = 4, 60


class Linear(nn.Module):
    """Two logits, linear in the normalised picture; keeps every batch that it is shown."""

    def __init__(self, source: MemorySource) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(2, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(0))
        )
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in source.normalization)
        self.mean, self.std = mean, std
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(self.pixels(x.detach()))
        return x.flatten(1) @ self.weight.T

    def pixels(self, x: Tensor) -> Tensor:
        """In 255ths of full brightness."""
        return (x * self.std + self.mean) * 255


def source_of(low: int, high: int) -> MemorySource:
    """Pictures whose bytes lie in [low, high), each channel in another part of it."""
    rng = np.random.default_rng(0)
    parts = []
    for count in (20, IMAGES):
        images = rng.integers(low, high, (count, SIDE, SIDE, 3)).astype(np.uint8)
        parts.append(Examples(images, rng.integers(0, 2, count)))
    train, test = parts
    return MemorySource(
        "own", ImageSet(train, test, 2), InputSettings(size=SIDE), limit=None, val_fraction=None
    )


def recipe_of(make_recipe: MakeRecipe, **robustness: Any) -> Recipe:
    evaluation = {"val_fraction": 0.2, "batch_size": 16, "robustness": robustness}
    return make_recipe(evaluation=evaluation, input={"size": 32, "mixup": 0.0})


def batches_of(source: MemorySource) -> tuple[Tensor, Tensor]:
    (batch,) = source.eval_batches("test", batch_size=IMAGES, device=CPU, channels_last=False)
    return batch.images, batch.targets


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_linear_model_loses_what_the_margin_says(make_recipe: MakeRecipe, channels_last: bool) -> None:
    """Away from black and white FGSM takes eps * sum |w_right - w_wrong| / std from the margin, pixel by pixel.

    The best of all changes within eps does the same, so PGD, whose steps reach every corner, ends there as well.
    """
    source = source_of(100, 156)
    model = Linear(source)
    images, targets = batches_of(source)
    signs = 1.0 - 2.0 * targets
    with torch.no_grad():
        logits = model(images)
        margins = signs * (logits[:, 0] - logits[:, 1])
        loss = (model.weight[0] - model.weight[1]).view(3, SIDE, SIDE).abs() / (255 * model.std)
    per_level = float(loss.sum())
    # Sizes at which a third, a half and nearly all of the right answers go; at 40 levels none is black or white yet.
    eps = tuple(float(margins[margins > 0].quantile(share)) / per_level for share in (0.3, 0.5, 0.9))
    assert max(eps) < 40
    recipe = recipe_of(make_recipe, eps=eps, attacks=["fgsm", "pgd"], pgd_steps=7)
    recipe = recipe.model_copy(
        update={"train": recipe.train.model_copy(update={"channels_last": channels_last})}
    )
    results = accuracy_under_attack(model, source, "test", recipe, seed=0, device=CPU)
    assert [(r.attack, r.eps) for r in results] == [(a, e) for a in ("fgsm", "pgd") for e in eps]
    for result in results:
        after = margins - result.eps * per_level
        assert after.abs().min() > 1e-4 * per_level  # none so near that rounding could decide
        assert (result.tally.correct, result.tally.total) == (int((after > 0).sum()), IMAGES)
        assert result.tally.loss_sum == pytest.approx(
            float(torch.log1p(torch.exp(-after.double())).sum()), rel=1e-4
        )
    assert len({result.tally.correct for result in results}) == 3


def test_changes_stay_within_eps_and_within_the_picture(make_recipe: MakeRecipe) -> None:
    source = source_of(0, 256)
    model = Linear(source)
    images, _ = batches_of(source)
    before = model.pixels(images)
    recipe = recipe_of(make_recipe, eps=[6.0], pgd_steps=4)
    recipe = recipe.model_copy(
        update={"evaluation": recipe.evaluation.model_copy(update={"batch_size": IMAGES})}
    )
    accuracy_under_attack(model, source, "test", recipe, seed=0, device=CPU)
    fgsm, pgd, noise = model.seen[1], model.seen[-2], model.seen[-1]
    # Values near 255 in float32, through a normalisation and back.
    for changed in model.seen:
        assert changed.min() > -1e-3
        assert changed.max() < 255 + 1e-3
        assert (changed - before).abs().max() < 6 + 1e-3
    inside = (before >= 6) & (before <= 249)
    for changed in (fgsm, noise):
        # A whole number of grey levels: the attacked picture could be stored.
        assert torch.allclose(changed, changed.round(), atol=1e-3)
        assert torch.allclose((changed - before).abs()[inside], torch.tensor(6.0), atol=1e-3)
        assert not inside.all()
    assert ((noise - before) > 0)[inside].float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert not torch.allclose(pgd, before, atol=1.0)


def test_a_vanishing_gradient_changes_nothing_and_pgd_and_noise_tell(make_recipe: MakeRecipe) -> None:
    """The model rounds its input, which hides the gradient: FGSM finds all as it was, though noise alone does not."""
    source = source_of(100, 156)

    class Rounds(Linear):
        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(self.pixels(x.detach()))
            return (4 * x).round().flatten(1) @ self.weight.T

    model = Rounds(source)
    images, targets = batches_of(source)
    right = int((model(images).argmax(dim=1) == targets).sum())
    recipe = recipe_of(make_recipe, eps=[20.0])
    fgsm, _, noise = accuracy_under_attack(model, source, "test", recipe, seed=0, device=CPU)
    assert fgsm.tally.correct == right
    assert noise.tally.correct != right


def test_only_the_first_pictures_where_a_number_is_given(make_recipe: MakeRecipe) -> None:
    source = source_of(0, 256)
    model = Linear(source)
    for images, batches in ((20, [16, 4]), (16, [16]), (1000, [16, 16, 16, 12])):
        model.seen.clear()
        recipe = recipe_of(make_recipe, eps=[1.0], attacks=["noise"], images=images)
        (result,) = accuracy_under_attack(model, source, "test", recipe, seed=0, device=CPU)
        assert result.tally.total == min(images, IMAGES)
        assert [len(batch) for batch in model.seen] == batches


def test_draws_are_the_seeds_and_no_weight_gets_a_gradient(make_recipe: MakeRecipe) -> None:
    source = source_of(0, 256)
    model = Linear(source)
    recipe = recipe_of(make_recipe, eps=[8.0], pgd_steps=1)
    shown: list[list[Tensor]] = []
    for seed, other in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(other)
        state = torch.get_rng_state()
        accuracy_under_attack(model, source, "test", recipe, seed=seed, device=CPU)
        assert torch.equal(state, torch.get_rng_state())
        shown.append(list(model.seen))
        model.seen.clear()
    assert all(map(torch.equal, shown[0], shown[1]))
    assert not all(map(torch.equal, shown[0], shown[2]))
    assert model.weight.grad is None
    assert not model.training


@pytest.mark.parametrize(
    ("robustness", "message"),
    [
        ({"eps": [8 / 255]}, "greater than or equal to 0.25"),
        ({"eps": [4, 4]}, "eps: an entry stands here more than once"),
        ({"attacks": ["pgd", "pgd"]}, "attacks: an entry stands here more than once"),
        ({"attacks": []}, "at least 1 item"),
        ({"attacks": ["cw"]}, "'fgsm', 'pgd' or 'noise'"),
        ({"pgd_steps": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_out_of_range_are_refused(
    robustness: dict[str, Any], message: str, make_recipe: MakeRecipe
) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe_of(make_recipe, **robustness)


def run_of(recipe: Recipe, source: DataSource, folder: Path) -> RunRecord:
    store = Store(folder)
    (planned,) = make_plan([recipe], {0: source.fingerprint}, store, arms=["relu"]).runs
    return execute(planned, source=source, store=store, device=CPU)


def test_a_run_attacks_its_last_weights_alone_and_is_not_disturbed(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    train = {"epochs": 2, "ema": {"horizon": 0.5}}
    model = {"name": "resnet_cifar", "depth": 8, "width": 8}
    made = make_recipe(train=train).model_dump(exclude={"model"})
    evaluation = {"val_fraction": 0.2, "batch_size": 16, "robustness": {"eps": [4], "pgd_steps": 2}}
    plain = Recipe.model_validate({**made, "model": model})
    attacked = Recipe.model_validate({**made, "model": model, "evaluation": evaluation})
    source = open_source(plain)
    without, with_them = run_of(plain, source, tmp_path / "a"), run_of(attacked, source, tmp_path / "b")
    assert without.status == with_them.status == "completed"
    for one, two in zip(without.results, with_them.results, strict=True):
        assert one.tally == two.tally
        is_last = two.epoch == 1  # the same weights may be the best as well
        assert [a.attack for a in two.attacks] == (["fgsm", "pgd", "noise"] if is_last else [])
        assert one.attacks == ()
    assert {r.weights for r in with_them.results if r.attacks} == {"raw", "ema"}
    again = Store(tmp_path / "b").read(next((tmp_path / "b").rglob("relu-*.json")))
    assert again.results == with_them.results
    metric = metric_of(attacked, "pgd@4/255")
    result = again.result("last")
    assert result is not None
    assert metric.of(result) == result.attacks[1].tally.accuracy
    assert metric.reported == "pgd_accuracy"


def test_records_without_attacks_are_read_as_before() -> None:
    stored = '{"which": "last", "weights": "raw", "epoch": 1, "tally": {"correct": 1, "total": 2, "loss_sum": 1.0}}'
    result = TestResult.model_validate_json(stored)
    assert result.attacks == ()


def test_a_recipe_has_the_metrics_that_its_records_hold(make_recipe: MakeRecipe) -> None:
    recipe = recipe_of(make_recipe, eps=[0.5, 8], attacks=["fgsm", "noise"])
    assert list(metrics_of(recipe)) == [
        "top1_accuracy", "fgsm@0.5/255", "fgsm@8/255", "noise@0.5/255", "noise@8/255",
    ]  # fmt: skip
    assert list(metrics_of(make_recipe())) == ["top1_accuracy"]
    with pytest.raises(Exception, match=r"has no metric 'fgsm@4/255'") as caught:
        metric_of(recipe, "fgsm@4/255")
    assert "fgsm@8/255" in str(caught.value)
