"""Stored weights evaluated again give the stored counts, under the right label."""

from pathlib import Path
from typing import Any, cast

import pytest

from actbench.commands.eval import EvalRequest, evaluate_stored
from actbench.commands.request import TrainRequest
from actbench.commands.train import train
from actbench.errors import ActbenchError
from actbench.recipe.plan import PlannedRun
from actbench.record import EpochRecord, RunRecord, Tally
from actbench.store import Store


class Silent:
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def run_started(self, run: PlannedRun, number: int, total: int) -> None: ...
    def epoch_done(self, run: PlannedRun, epoch: EpochRecord) -> None: ...
    def run_finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def agrees(self, question: str) -> bool:  # noqa: ARG002
        return False


TRAIN = ("train.epochs=3", "model.decay_epochs=2", "train.ema.horizon=0.2")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    request = TrainRequest(
        references=("demo_digits",),
        profile="smoke",
        seeds="0",
        overrides=TRAIN,
        device="cpu",
        results_dir=folder,
    )
    assert train(request, Silent()).exit_code == 0
    return folder


def _rows(results: Path, *references: str, **fields: Any) -> list[dict[str, Any]]:
    request = EvalRequest(
        references=references or ("demo_digits",),
        overrides=fields.pop("overrides", TRAIN if not references else ()),
        profile="smoke",
        device="cpu",
        results_dir=results,
        **fields,
    )
    document = cast(dict[str, Any], evaluate_stored(request).document)
    return cast(list[dict[str, Any]], document["evaluations"])


def _records(results: Path) -> dict[str, RunRecord]:
    store = Store(results)
    records = [store.read(path) for path in store.paths("demo_digits", "smoke")]
    return {record.arm.name: record for record in records}


@pytest.mark.parametrize("which", ["last", "best_val"])
@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_stored_counts_come_back(results: Path, which: str, weights: str) -> None:
    rows = _rows(results, which=which, weights=weights)
    assert {row["arm"] for row in rows} == {"relu", "swish", "series", "lslu"}
    for row in rows:
        stored = _records(results)[row["arm"]].result(which, weights)  # type: ignore[arg-type]
        assert stored is not None
        assert isinstance(stored.tally, Tally)
        assert (row["correct"], row["total"], row["epoch"]) == (
            stored.tally.correct,
            stored.tally.total,
            stored.epoch,
        )
        assert row["weights"] == weights


def test_the_deploy_form_gives_the_same_answers(results: Path) -> None:
    for row in _rows(results, deploy=True):
        assert row["form"] == "deploy"
        assert row["note"].startswith("0 of 64 answers differ")


def test_validation_is_another_split(results: Path) -> None:
    stored = {arm: record.history[-1].val for arm, record in _records(results).items()}
    for row in _rows(results, split="val"):
        tally = stored[row["arm"]]
        assert isinstance(tally, Tally)
        assert (row["correct"], row["total"]) == (tally.correct, tally.total)


def test_a_file_says_itself_which_weights_it_holds(results: Path) -> None:
    (best,) = results.rglob("lslu-*/best_val.pt")
    (averaged,) = results.rglob("lslu-*/best_val_ema.pt")
    assert _rows(results, str(best))[0]["weights"] == "raw"
    assert _rows(results, str(averaged))[0]["weights"] == "ema"
    with pytest.raises(ActbenchError, match="holds raw weights, not ema"):
        _rows(results, str(best), weights="ema")


def test_one_run_that_cannot_be_deployed_does_not_stop_the_others(results: Path) -> None:
    """Weights of an epoch at lambda < 1 cannot be merged: those runs are warned about, the others evaluated."""
    request = EvalRequest(
        references=("demo_digits",), overrides=TRAIN, profile="smoke", device="cpu", results_dir=results, deploy=True,
        which="best_val",
    )  # fmt: skip
    epochs = {}
    for arm, record in _records(results).items():
        best = record.result("best_val")
        assert best is not None
        epochs[arm] = best.epoch
    early = {arm for arm, epoch in epochs.items() if epoch < 2}
    if len(early) == len(epochs):
        with pytest.raises(ActbenchError, match="cannot deploy"):
            evaluate_stored(request)
    else:
        outcome = evaluate_stored(request)
        assert len(outcome.warnings) == len(early)


def test_what_is_missing_is_said(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ActbenchError, match=r"best_test.pt of this run is not here"):
        _rows(results, which="best_test")
    with pytest.raises(ActbenchError, match="no records"):
        _rows(tmp_path)
    damaged = tmp_path / "demo_digits" / "smoke" / "checkpoints" / "relu-seed0-00000000" / "last.pt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PK\x03\x04 cut off")
    (record,) = results.rglob("relu-seed0-*.json")
    (damaged.parents[2] / "relu-seed0-00000000.json").write_text(record.read_text())
    with pytest.raises(ActbenchError, match="not a checkpoint that can be loaded") as caught:
        _rows(results, str(damaged))
    assert caught.value.problems[0].where == str(damaged)
