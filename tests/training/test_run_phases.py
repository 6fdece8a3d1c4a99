"""An activation with phases through the real training run: notes, optimiser, average, and taking it up again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actbench.activations.pwlu import PWLU
from actbench.data.source import Batch, DataSource
from actbench.recipe.plan import make_plan
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.store import Store
from actbench.training import loop
from actbench.training.checkpoint import load_weights
from actbench.training.run import execute
from actbench.training.state import State

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
EPOCHS, PHASE_EPOCHS = 4, 2


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """Two epochs of phase one, two of phase two, an average beside the weights."""
    return make_recipe(
        data={"train": 40, "test": 16},
        arms=[
            {"name": "pwlu", "activation": "pwlu", "options": {"phase_epochs": PHASE_EPOCHS}},
            {"name": "relu", "activation": "relu"},
        ],
        train={"epochs": EPOCHS, "ema": {"horizon": 0.3}, "weight_decay": 0.05},
    )


def _run(recipe: Recipe, open_source: Open, folder: Path, arm: str = "pwlu") -> tuple[RunRecord, Path]:
    source, store = open_source(recipe), Store(folder)
    planned = make_plan([recipe], {0: source.fingerprint}, store, arms=[arm]).runs[0]
    record = execute(planned, source=source, store=store, device=CPU)
    return record, store.checkpoint_dir(planned.path)


def _units(state: State) -> list[PWLU]:
    found = [site for site in state.sites.values() if isinstance(site, PWLU)]
    assert found
    return found


def test_the_record_tells_each_change_of_phase(recipe: Recipe, open_source: Open, tmp_path: Path) -> None:
    record, _ = _run(recipe, open_source, tmp_path)
    assert record.status == "completed"
    sites = [log.site for log in record.history[0].activations]
    assert [bool(epoch.notes) for epoch in record.history] == [True, False, True, False]
    first, switch = record.history[0].notes, record.history[PHASE_EPOCHS].notes
    assert first == tuple(f"{site}: phase one: ReLU, statistics of the input are gathered" for site in sites)
    steps = PHASE_EPOCHS * 4  # 32 training images in batches of 8
    for site, note in zip(sites, switch, strict=True):
        assert note.startswith(
            f"{site}: phase two: range set to mean -+ 3 deviations, averaged over {steps} batches"
        )
    for epoch in record.history:
        names = {name.partition(".")[0] for name in epoch.activations[0].values}
        assert ("input_mean" in names) == (epoch.epoch < PHASE_EPOCHS)
        assert ("bound_left" in names) == (epoch.epoch >= PHASE_EPOCHS)
    assert set(record.backends.values()) <= {"cpp", "reference"}
    decayed = [name for group in record.parameter_groups if group.weight_decay for name in group.tensors]
    assert not [name for name in decayed if name.endswith(("heights", "bound_left", "slope_right"))]
    relu, _ = _run(recipe, open_source, tmp_path, "relu")  # phase one trains the weights as the relu arm does
    losses = [[epoch.train_loss for epoch in run.history] for run in (record, relu)]
    assert losses[0][:PHASE_EPOCHS] == losses[1][:PHASE_EPOCHS]
    assert losses[0][PHASE_EPOCHS:] != losses[1][PHASE_EPOCHS:]


def test_optimiser_and_average_start_anew_at_the_switch(
    recipe: Recipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = loop.update

    def watched(state: State, batch: Batch, *rest: object) -> float:
        step = len(seen)
        seen.append(state.epoch)
        learnt = [parameter for unit in _units(state) for parameter in unit.parameters()]
        assert state.ema is not None
        if step <= 2 * 4:  # up to the first step of phase two: nothing of an older meaning is kept
            assert not any(parameter in state.optimizer.state for parameter in learnt)
        if step == 2 * 4:
            averaged = [state.ema.model.get_submodule(name) for name in state.sites]
            for mine, theirs in zip(averaged, _units(state), strict=True):
                assert isinstance(mine, PWLU)
                assert torch.equal(mine.phase, theirs.phase)
                for name, value in theirs.named_parameters():
                    assert torch.equal(mine.get_parameter(name), value)
        result = real(state, batch, *rest)  # type: ignore[arg-type]
        if step >= 2 * 4:
            assert all(state.optimizer.state[parameter]["step"] == step - 2 * 4 + 1 for parameter in learnt)
        return result

    monkeypatch.setattr(loop, "update", watched)
    record, _ = _run(recipe, open_source, tmp_path)
    assert (record.status, record.reason) == ("completed", None)
    assert seen == [epoch for epoch in range(EPOCHS) for _ in range(4)]


def test_p21_a_run_taken_up_again_ends_as_an_undisturbed_one(
    recipe: Recipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, folder = _run(recipe, open_source, tmp_path / "undisturbed")
    real, calls = loop.update, []

    def stopped(state: State, batch: Batch, *rest: object) -> float:
        calls.append(1)
        # In the second epoch of phase one, then in the first and the second of phase two.
        if len(calls) in (4 + 3, 4 + 3 + 4 + 3, 4 + 3 + 4 + 3 + 4 + 3):
            raise KeyboardInterrupt
        return real(state, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", stopped)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            _run(recipe, open_source, tmp_path / "stopped")
    found, again = _run(recipe, open_source, tmp_path / "stopped")
    assert found.provenance.resumed == 3
    times = {"time_s", "step_time_s", "step_cpu_s", "data_time_s"}
    assert [epoch.model_dump(exclude=times) for epoch in found.history] == [
        epoch.model_dump(exclude=times) for epoch in expected.history
    ]
    assert found.results == expected.results
    for kind in ("model", "ema"):
        first, second = load_weights(folder / "last.pt")[kind], load_weights(again / "last.pt")[kind]
        assert first.keys() == second.keys()
        assert any(name.endswith("running_std") for name in first)
        assert all(torch.equal(first[name], second[name]) for name in first)
