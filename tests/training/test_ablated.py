"""Frozen, transplanted and shared activations in real runs; and spare scalars, as many as the other one has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from actbench.data.source import DataSource
from actbench.errors import ActbenchError
from actbench.fair.ablation import ablation_recipe
from actbench.recipe.plan import PlannedRun, make_plan
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunRecord
from actbench.store import Store
from actbench.training import loop
from actbench.training.ablated import transplant
from actbench.training.build import activation_sites, build_model
from actbench.training.checkpoint import load_weights
from actbench.training.phases import begin_epoch
from actbench.training.run import execute
from actbench.training.state import State, start_state
from actbench.training.updates import begin_update

MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
CPU = torch.device("cpu")
PWLU = {"name": "pwlu", "activation": "pwlu", "options": {"intervals": 4, "phase_epochs": 1}}
RELU = {"name": "relu", "activation": "relu"}
SWISH = {"name": "swish", "activation": "swish"}


def _small(make_recipe: MakeRecipe, *arms: dict[str, Any], **blocks: Any) -> Recipe:
    model = {"name": "vanillanet", "width": 0.03125, "decay_epochs": 1}
    train = {"train": {"ema": {"decay": 0.5}, "weight_decay": 0.5, **blocks.pop("train", {})}}
    data = {"train": 40, "test": 16}
    return make_recipe(arms=list(arms), model=model, data=data, baselines=["relu"], **train, **blocks)


def _run(recipe: Recipe, source: DataSource, folder: Path) -> list[tuple[PlannedRun, RunRecord]]:
    store = Store(folder)
    plan = make_plan([recipe], {0: source.fingerprint}, store)
    return [(run, execute(run, source=source, store=store, device=CPU)) for run in plan.runs]


def _weights(run: PlannedRun, folder: Path) -> dict[str, Any]:
    return load_weights(Store(folder).checkpoint_dir(run.path) / "last.pt")


def _model(recipe: Recipe, run: PlannedRun) -> nn.Module:
    return build_model(recipe, run.arm, seed=run.seed, num_classes=4, channels=3)


@pytest.mark.slow
def test_a_whole_set_of_ablations_runs_and_is_what_it_says(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = _small(make_recipe, RELU, PWLU, seeds=[0, 1], ablate="learnable")
    source = open_source(recipe)
    plain = recipe.model_copy(update={"arms": recipe.arms[1:]})
    trained = _run(plain, source, tmp_path)
    donors = {run.seed: _weights(run, tmp_path) for run, _ in trained}
    stored, _ = Store(tmp_path).scan()
    derived = ablation_recipe(recipe, {}, stored)
    assert derived
    names = ["frozen", "transplanted", "shared", "no_method"]
    assert [arm.name for arm in derived.arms] == [*(f"pwlu.{name}" for name in names), "relu.spare.pwlu"]
    records = {}
    for run, record in _run(derived.model_copy(update={"seeds": (0,)}), source, tmp_path):
        assert record.status == "completed", record.reason
        records[run.arm.name] = (run, record)

    run, record = records["pwlu.frozen"]
    start, end = _model(recipe, run), _weights(run, tmp_path)
    sites = activation_sites(start)  # type: ignore[arg-type]
    own = [f"{name}.{key}" for name, site in sites.items() for key, _ in site.named_parameters()]
    assert len(own) == 5 * len(sites)
    for key in own:
        for weights in (end["model"], end["ema"]):
            assert torch.equal(weights[key], start.state_dict()[key])
    assert not any(group.activation for group in record.parameter_groups)
    assert not any(entry.notes for entry in record.history)

    run, record = records["pwlu.transplanted"]
    end = _weights(run, tmp_path)
    for key in own:
        for weights in (end["model"], end["ema"]):
            assert torch.equal(weights[key], donors[1]["model"][key]), key
    others = set(end["model"]) - {key for key in end["model"] if key.rpartition(".")[0] in sites}
    assert any(not torch.equal(end["model"][key], donors[1]["model"][key]) for key in others)
    assert not any(entry.notes for entry in record.history)

    run, record = records["pwlu.shared"]
    end = _weights(run, tmp_path)["model"]
    first, *rest = sites
    for key in ("heights", "bound_left", "slope_right", "running_mean"):
        assert all(torch.equal(end[f"{name}.{key}"], end[f"{first}.{key}"]) for name in rest)
    assert record.cost
    assert record.cost.activation_parameters == 5 + 4
    assert len([note for entry in record.history for note in entry.notes]) == 2 * len(sites)

    _, record = records["pwlu.no_method"]
    assert not any(entry.notes for entry in record.history)

    _, record = records["relu.spare.pwlu"]
    learnt = trained[0][1].cost
    assert record.cost
    assert learnt
    assert record.cost.activation_parameters == learnt.activation_parameters


def test_a_transplanted_activation_computes_what_its_donor_does_and_stays_so(
    make_recipe: MakeRecipe, open_source: Open
) -> None:
    """Bitwise, in training and evaluation, with a batch normalisation inside too; then under weight decay."""
    lslu = {"name": "lslu", "activation": "lslu", "options": {"n": 2}}
    for arm in (PWLU, lslu, SWISH):
        recipe = _small(make_recipe, arm, RELU)
        source = open_source(recipe)
        donor = start_state(recipe, recipe.arms[0], seed=1, source=source, device=CPU)
        with torch.no_grad():
            for value in donor.model.state_dict().values():
                if value.is_floating_point():
                    value.add_(0.1 * torch.rand_like(value))
        taken = donor.model.state_dict()
        frozen = recipe.arms[0].model_copy(update={"frozen": "donor"})
        taker = start_state(recipe, frozen, seed=0, source=source, device=CPU, donor=taken)
        for name, site in taker.sites.items():
            theirs = donor.sites[name]
            x = torch.randn(4, cast(int, theirs.num_channels), 6, 6)
            for training in (True, False):
                assert torch.equal(site.train(training)(x), theirs.train(training)(x))
        before = {name: value.clone() for name, value in taker.model.named_parameters()}
        _take_steps(taker, recipe, source)
        assert taker.ema
        for model in (taker.model, taker.ema.model):
            for name, value in model.named_parameters():
                of_site = name.rpartition(".")[0].startswith(tuple(taker.sites))
                assert torch.equal(value, before[name]) is of_site or value.count_nonzero() == 0


def _take_steps(state: State, recipe: Recipe, source: DataSource) -> None:
    """An epoch, its phases begun as the loop does."""
    begin_epoch(state.model, 0, state.optimizer, state.ema.model if state.ema else None)
    state.model.train()
    batches = source.train_batches(seed=0, epoch=0, batch_size=8, device=CPU, channels_last=False)
    for step, batch in enumerate(batches):
        begin_update(state, recipe.train, seed=0, step=step, steps=4)
        loop.update(state, batch, recipe.train, CPU)


def test_one_frozen_at_its_start_stays_there(make_recipe: MakeRecipe, open_source: Open) -> None:
    recipe = _small(make_recipe, {**PWLU, "frozen": "start"}, RELU)
    source = open_source(recipe)
    state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    _take_steps(state, recipe, source)
    assert state.ema
    for model in (state.model, state.ema.model):
        after = model.state_dict()
        for name, value in before.items():
            if name.rpartition(".")[0] in state.sites:
                assert torch.equal(after[name], value), name
    assert not torch.equal(
        state.model.state_dict()["stem.conv.conv1.weight"], before["stem.conv.conv1.weight"]
    )


def _with_donors(arm: dict[str, Any], **changes: Any) -> dict[str, Any]:
    donors = [{"recipe": "tiny", "arm": "pwlu", "seed": seed, "run": f"{seed}" * 64} for seed in (0, 1)]
    return {**arm, "name": "taker", "frozen": "donor", "donors": donors, **changes}


def test_a_donor_that_is_not_there_or_another_fails_the_run_and_says_so(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = _small(make_recipe, _with_donors(PWLU))
    (found,) = _run(recipe, open_source(recipe), tmp_path)
    assert found[1].status == "failed"
    assert found[1].reason
    assert "the final shapes of tiny pwlu seed 1 are wanted" in found[1].reason
    sites = {"act": nn.PReLU(3)}
    with pytest.raises(ActbenchError, match="another activation at act"):
        transplant(sites, {"act.slope": torch.zeros(3)})


def test_a_run_takes_the_first_donor_of_another_seed(make_recipe: MakeRecipe) -> None:
    arm = _small(make_recipe, _with_donors(PWLU)).arms[0]
    assert [arm.donor_of(seed).seed for seed in (0, 1, 2)] == [1, 0, 0]
    with pytest.raises(ValueError, match="two runs"):
        Arm.model_validate({**PWLU, "frozen": "donor"})


def test_shared_parameters_take_one_step_an_update_and_so_does_their_average(
    make_recipe: MakeRecipe, open_source: Open
) -> None:
    """Of swish per layer, whose sites differ in channels; the average after one step is the mean of two states."""
    swish = {**SWISH, "options": {"sharing": "layer"}, "shared": True}
    recipe = _small(make_recipe, swish, RELU)
    source = open_source(recipe)
    state: State = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
    betas = {id(site.beta) for site in state.sites.values()}
    assert len(betas) == 1
    (group,) = [group for group in state.groups if group.activation]
    assert (group.parameters, len(group.tensors)) == (1, 1)
    beta = next(iter(state.sites.values())).beta
    assert isinstance(beta, nn.Parameter)
    assert state.ema
    with torch.no_grad():
        beta.add_(1.0)
    state.ema.update(state.model)
    averaged = {float(site.beta) for site in activation_sites(state.ema.model).values()}  # type: ignore[arg-type]
    assert averaged == {1.5}


def test_spare_scalars_count_each_sites_parameters(make_recipe: MakeRecipe) -> None:
    for other in (
        {"activation": "pwlu"},
        {"activation": "swish"},
        {"activation": "lslu", "options": {"n": 2}},
    ):
        recipe = _small(make_recipe, {**RELU, "spare": other}, {**other, "name": "other"})
        relu, learnt = (build_model(recipe, arm, seed=0, num_classes=4, channels=3) for arm in recipe.arms)
        counts = [
            [sum(p.numel() for p in site.parameters()) for site in activation_sites(model).values()]
            for model in (relu, learnt)
        ]
        assert counts[0] == counts[1]
        plain = build_model(
            recipe.model_copy(),
            recipe.arms[0].model_copy(update={"spare": None}),
            seed=0,
            num_classes=4,
            channels=3,
        )
        for name, value in plain.named_parameters():
            assert torch.equal(value, dict(relu.named_parameters())[name])
