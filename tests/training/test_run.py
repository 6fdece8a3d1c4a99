"""One run to its record: what is stored when all goes well, and when it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from actbench.data.source import Batch, DataSource
from actbench.models.network import Network
from actbench.recipe.plan import PlannedRun, make_plan
from actbench.recipe.schema import EarlyStoppingSettings, Recipe
from actbench.record import EpochRecord, RunRecord, Tally
from actbench.store import Store
from actbench.training import loop
from actbench.training.checkpoint import load_weights
from actbench.training.loop import stopped_early
from actbench.training.run import best_epoch, execute
from actbench.training.state import State, start_state

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]


def _planned(recipe: Recipe, source: DataSource, store: Store, arm: str) -> PlannedRun:
    return make_plan([recipe], {0: source.fingerprint}, store, arms=[arm]).runs[0]


def _execute(
    recipe: Recipe, open_source: Open, folder: Path, arm: str = "lslu"
) -> tuple[RunRecord, Store, PlannedRun]:
    source, store = open_source(recipe), Store(folder)
    planned = _planned(recipe, source, store, arm)
    record = execute(planned, source=source, store=store, device=CPU)
    assert store.read(planned.path) == record
    return record, store, planned


def test_a_completed_run_holds_everything(make_recipe: MakeRecipe, open_source: Open, tmp_path: Path) -> None:
    recipe = make_recipe(train={"ema": {"horizon": 0.3}})
    record, _, _ = _execute(recipe, open_source, tmp_path)
    assert record.status == "completed"
    assert [epoch.epoch for epoch in record.history] == [0, 1]
    assert [epoch.deep_lambda for epoch in record.history] == [0.0, 1.0]
    kinds = [(result.which, result.weights) for result in record.results]
    assert kinds == [("last", "raw"), ("best_val", "raw"), ("last", "ema"), ("best_val", "ema")]
    for result in record.results:
        assert isinstance(result.tally, Tally)
        assert result.tally.total == record.data.test == 32
        assert sum(result.correctness()) == result.tally.correct
    assert (record.data.train, record.data.val, record.data.synthetic) == (64, 16, True)
    sites = {"stem.act", "stages.0.act", "stages.1.act", "stages.2.act"}
    assert set(record.backends) == {log.site for log in record.history[0].activations} == sites
    logged = record.history[-1].activations[0].values
    assert set(logged) == {"theta", "omega", "t0", "t1", "p", "q"}
    assert len(logged["theta"]) == 2
    assert logged["t1"] == [None], "an infinite bound is null"
    cost = record.cost
    assert cost is not None
    assert cost.parameters == sum(group.parameters for group in record.parameter_groups)
    assert min(cost.macs, cost.pointwise_ops, cost.kept_bytes) > 0
    assert record.provenance.threads == 1
    assert not any(epoch.test for epoch in record.history), "the test set is looked at once, at the end"


def test_the_test_set_is_opened_only_after_training(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    source, store, opened = open_source(recipe), Store(tmp_path), []
    real = type(source).eval_batches

    def watched(self: DataSource, split: str, **rest: object) -> object:
        opened.append(split)
        return real(self, split, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(source), "eval_batches", watched)
    execute(_planned(recipe, source, store, "relu"), source=source, store=store, device=CPU)
    assert opened[:2] == ["val", "val"]
    assert set(opened[2:]) == {"test"}


def test_best_test_protocol_says_so(make_recipe: MakeRecipe, open_source: Open, tmp_path: Path) -> None:
    recipe = make_recipe(evaluation={"protocol": "best-test"})
    record, store, planned = _execute(recipe, open_source, tmp_path)
    assert (record.data.train, record.data.val) == (80, 0)
    assert all(epoch.test and not epoch.val for epoch in record.history)
    best = record.result("best_test")
    assert best is not None
    counts = [epoch.test.correct for epoch in record.history if isinstance(epoch.test, Tally)]
    assert isinstance(best.tally, Tally)
    assert best.tally.correct == max(counts)
    assert (store.checkpoint_dir(planned.path) / "best_test.pt").exists()


def test_divergence_is_a_result_with_step_and_layer(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    source, store = open_source(recipe), Store(tmp_path)
    real = loop.update

    def poisoned(state: State, batch: Batch, *rest: object) -> float:
        if len(state.history) == 1:
            next(state.model.get_submodule("stages.1").parameters()).data.fill_(torch.inf)
        return real(state, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", poisoned)
    record = execute(_planned(recipe, source, store, "relu"), source=source, store=store, device=CPU)
    assert (record.status, len(record.history), record.results) == ("diverged", 1, ())
    assert record.reason is not None
    assert "epoch 1, step 8" in record.reason
    assert "'stages.1." in record.reason
    assert make_plan([recipe], {0: source.fingerprint}, store, arms=["relu"]).todo == ()


@pytest.mark.parametrize("where", ["build", "forward", "evaluation"])
def test_a_failure_of_the_machine_is_stored_and_tried_again(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    recipe = make_recipe()
    source, store = open_source(recipe), Store(tmp_path)

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    places = {"build": "start_state", "evaluation": "evaluate_split"}
    own = f"actbench.training.run.{places[where]}" if where in places else None
    monkeypatch.setattr(own or "actbench.models.vanillanet.VanillaNet.forward", out_of_memory)
    planned = _planned(recipe, source, store, "relu")
    record = execute(planned, source=source, store=store, device=CPU)
    assert (record.status, record.reason) == ("failed", "RuntimeError: out of memory")
    monkeypatch.undo()
    assert make_plan([recipe], {0: source.fingerprint}, store, arms=["relu"]).todo
    assert execute(planned, source=source, store=store, device=CPU).status == "completed"


def test_weights_broken_by_the_last_update_are_a_divergence(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(train={"epochs": 1})
    source, store = open_source(recipe), Store(tmp_path)
    real, calls = loop.update, []

    def breaking(state: State, *rest: object) -> float:
        loss = real(state, *rest)  # type: ignore[arg-type]
        calls.append(loss)
        if len(calls) == source.steps_per_epoch(recipe.train.batch_size):
            next(state.model.get_submodule("stages.2").parameters()).data.fill_(torch.nan)
        return loss

    monkeypatch.setattr(loop, "update", breaking)
    record = execute(_planned(recipe, source, store, "relu"), source=source, store=store, device=CPU)
    assert (record.status, record.results) == ("diverged", ())
    assert record.reason is not None
    assert "stages.2" in record.reason


def _stop_after(epochs: int) -> Callable[[EpochRecord], None]:
    def stop(epoch: EpochRecord) -> None:
        if epoch.epoch + 1 == epochs:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    "damage", ["truncate last.pt", "empty last.pt", "other content", "no best", "another run"]
)
def test_checkpoints_that_are_no_use_are_set_aside_and_the_run_starts_anew(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, damage: str
) -> None:
    recipe = make_recipe()
    source, store = open_source(recipe), Store(tmp_path)
    planned = _planned(recipe, source, store, "relu")
    with pytest.raises(KeyboardInterrupt):
        execute(planned, source=source, store=store, device=CPU, on_epoch=_stop_after(1))
    assert store.read(planned.path).status == "interrupted"
    folder = store.checkpoint_dir(planned.path)
    last, best = folder / "last.pt", folder / "best_val.pt"
    if damage == "no best":
        best.unlink()
    elif damage == "another run":
        torch.save({**torch.load(last, weights_only=True), "run": "0"}, last)
    elif damage == "other content":
        torch.save({"model": {}, "run": planned.run}, last)
    else:
        last.write_bytes(last.read_bytes()[: 100 if damage.startswith("truncate") else 0])
    record = execute(planned, source=source, store=store, device=CPU)
    assert (record.status, record.provenance.resumed) == ("completed", 0)
    assert (folder / "last.pt.unusable-1").exists()
    fresh, _, _ = _execute(recipe, open_source, tmp_path / "fresh", "relu")
    assert record.results == fresh.results


def test_every_process_that_worked_on_a_run_is_remembered(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = make_recipe()
    source, store = open_source(recipe), Store(tmp_path)
    planned = _planned(recipe, source, store, "relu")
    with pytest.raises(KeyboardInterrupt):
        execute(planned, source=source, store=store, device=CPU, on_epoch=_stop_after(1))
    torch.set_num_threads(2)
    provenance = execute(planned, source=source, store=store, device=CPU).provenance
    assert [take.threads for take in provenance.takes] == [1, 2]
    assert (provenance.resumed, provenance.threads) == (1, 2)
    assert provenance.started == provenance.takes[0].started


def test_an_interruption_after_the_end_leaves_the_record(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    source, store = open_source(recipe), Store(tmp_path)
    planned = _planned(recipe, source, store, "relu")
    real = Store.write

    def interrupted(self: Store, path: Path, record: RunRecord) -> None:
        real(self, path, record)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(planned, source=source, store=store, device=CPU)
    assert store.read(planned.path).status == "completed"


def test_accumulated_parts_make_the_gradient_of_the_whole(make_recipe: MakeRecipe, open_source: Open) -> None:
    """Where no batch statistics stand in between, two halves of a batch give its gradient."""

    class Linear(nn.Linear):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.flatten(1).double())

    whole, halves = make_recipe(), make_recipe(train={"accumulation": 2})
    source = open_source(whole)
    batch = next(source.train_batches(seed=0, epoch=0, batch_size=8, device=CPU, channels_last=False))
    weights = []
    for recipe in (whole, halves):
        state = start_state(recipe, recipe.arms[0], seed=0, source=source, device=CPU)
        model = Linear(3 * 32 * 32, 4, dtype=torch.float64)
        nn.init.constant_(model.weight, 0.01)
        nn.init.zeros_(model.bias)
        state.model = cast(Network, model)
        state.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loop.update(state, batch, recipe.train, CPU)
        weights.append(model.weight.detach().clone())
    # The loss is computed in float32, so gradients agree to its rounding times the largest input, about 3.
    assert torch.allclose(weights[0], weights[1], atol=1e-6)
    assert not torch.allclose(weights[0], torch.full_like(weights[0], 0.01), atol=1e-4)


def _epoch(epoch: int, loss: float | None, correct: int = 0) -> EpochRecord:
    tally = Tally(correct=correct, total=10, loss_sum=None if loss is None else 10 * loss)
    return EpochRecord(
        epoch=epoch, lr=0.1, train_loss=1.0, val=tally, time_s=1.0, step_time_s=0.1, data_time_s=0.0
    )


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([3.0, 2.0, 1.0], False),
        ([1.0, 2.0], False),
        ([1.0, 2.0, 2.0], True),
        ([2.0, 3.0, 1.0, 1.5], False),
        ([2.0, 1.99, 1.98], True),  # less than min_delta is no improvement
        ([None, None], True),
        ([], False),
    ],
)
def test_early_stopping_counts_evaluations_without_improvement(
    losses: list[float | None], stops: bool
) -> None:
    history = [_epoch(index, loss) for index, loss in enumerate(losses)]
    settings = EarlyStoppingSettings(patience=2, min_delta=0.05)
    assert stopped_early(history, settings) is stops
    assert stopped_early(history, None) is False


def test_early_stopping_ends_a_run_and_the_record_tells(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = make_recipe(train={"epochs": 9, "early_stopping": {"patience": 1, "min_delta": 1.0}})
    record, _, _ = _execute(recipe, open_source, tmp_path)
    assert (record.status, len(record.history)) == ("completed", 2)


def test_the_first_of_equal_epochs_is_the_best() -> None:
    history = [_epoch(0, 1.0, 3), _epoch(1, 1.0, 5), _epoch(2, 1.0, 5)]
    assert best_epoch(history, "raw") == 1
    assert best_epoch(history, "ema") is None


def test_best_weights_are_those_of_the_best_epoch(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path
) -> None:
    recipe = make_recipe(train={"epochs": 4})
    record, store, planned = _execute(recipe, open_source, tmp_path)
    best = record.result("best_val")
    assert best is not None
    assert best.epoch == best_epoch(record.history, "raw")
    saved = load_weights(store.checkpoint_dir(planned.path) / "best_val.pt")
    assert saved["epoch"] == best.epoch
    assert (store.results_dir / "tiny" / "smoke" / "checkpoints" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("amp", ["none", "bf16"])
@pytest.mark.parametrize("optimizer", ["sgd", "lamb"])
def test_every_way_of_training_runs(
    make_recipe: MakeRecipe, open_source: Open, tmp_path: Path, amp: str, optimizer: str
) -> None:
    train = {
        "epochs": 1,
        "amp": amp,
        "optimizer": optimizer,
        "channels_last": True,
        "clip_norm": 1.0,
        "loss": "bce",
    }
    record, _, _ = _execute(make_recipe(train=train, input={"cutmix": 1.0}), open_source, tmp_path, "series")
    assert record.status == "completed"


def test_measuring_cost_disturbs_nothing(make_recipe: MakeRecipe, open_source: Open) -> None:
    from actbench.training.cost import measure_cost

    recipe = make_recipe()
    state = start_state(recipe, recipe.arm("series"), seed=0, source=open_source(recipe), device=CPU)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    cost = measure_cost(state, recipe, channels=3, num_classes=4, batch_images=8, device=CPU)
    assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())
    # By hand, dims 32, 64, 128, 256 on maps of 8, 4, 2 and 1, 4 classes, depthwise 5x5 at each site.
    paired = 64 * (3 * 16 * 32 + 32 * 32) + 64 * (32 * 32 + 32 * 64) + 16 * (64 * 64 + 64 * 128)
    paired += 4 * (128 * 128 + 128 * 256) + (256 * 4 + 4 * 4)
    depthwise = 25 * (64 * 32 + 16 * 64 + 4 * 128 + 256)
    assert cost.macs == paired + depthwise
    assert cost.step_time_s is None
