"""What `train` does before it spends anything, and how it shares and orders its work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from actbench.commands.request import TrainRequest
from actbench.commands.train import train
from actbench.errors import ActbenchError, DataError
from actbench.recipe.plan import PlannedRun
from actbench.record import EpochRecord, RunRecord
from actbench.store import Store


class Listener:
    """Remembers what it is told and answers questions as it was made to."""

    def __init__(self, answer: bool = False) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.told: list[str] = []
        self.started: list[str] = []
        self.during: Callable[[PlannedRun], None] = lambda _run: None

    def note(self, text: str) -> None:
        self.told.append(text)

    def warn(self, text: str) -> None:
        self.told.append(text)

    def run_started(self, run: PlannedRun, number: int, total: int) -> None:
        self.started.append(f"{number}/{total} {run.arm.name} {run.seed}")

    def epoch_done(self, run: PlannedRun, epoch: EpochRecord) -> None:
        del epoch
        self.during(run)

    def run_finished(self, run: PlannedRun, record: RunRecord) -> None:
        self.told.append(f"{run.arm.name} {record.status}")

    def agrees(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer


def _demo(folder: Path, **fields: object) -> TrainRequest:
    values: dict[str, object] = {
        "references": ("demo_digits",),
        "profile": "smoke",
        "overrides": ("train.epochs=1",),
        "device": "cpu",
        "results_dir": folder,
        **fields,
    }
    return TrainRequest(**values)  # type: ignore[arg-type]


def test_missing_cifar_is_offered_and_downloaded_only_when_agreed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[str] = []
    monkeypatch.setattr("actbench.data.cifar.download_cifar", lambda name, _folder: downloads.append(name))
    request = TrainRequest(
        references=("lslu_vanillanet_c100",), data_dir=tmp_path / "data", results_dir=tmp_path / "results"
    )
    refusing = Listener(answer=False)
    with pytest.raises(DataError, match="cifar"):
        train(request, refusing)
    assert (len(refusing.asked), downloads) == (1, [])
    assert "170 MB" in refusing.asked[0]
    with pytest.raises(DataError):  # agreed, but nothing arrived here
        train(request, Listener(answer=True))
    assert downloads == ["cifar100"]
    monkeypatch.setenv("ACTBENCH_OFFLINE", "1")
    offline = Listener(answer=True)
    with pytest.raises(DataError):
        train(request, offline)
    assert offline.asked == []


def test_runs_go_seed_by_seed_and_only_once(tmp_path: Path) -> None:
    listener = Listener()
    request = _demo(tmp_path, arms=("relu", "swish"))
    assert train(request, listener).exit_code == 0
    assert listener.started == ["1/4 relu 0", "2/4 swish 0", "3/4 relu 1", "4/4 swish 1"]
    again = Listener()
    assert train(request, again).exit_code == 0
    assert again.started == []
    more = Listener()
    outcome = train(_demo(tmp_path, arms=("relu",), seeds="0..2"), more)
    assert outcome.exit_code == 0
    assert more.started == ["1/1 relu 2"]
    asked = "demo_digits train.epochs=1 --profile smoke --arm relu --seeds 0..2"
    assert outcome.text.endswith(f"next: actbench compare {asked} --results-dir {tmp_path}")


def test_a_run_that_another_process_trains_is_waited_for(tmp_path: Path) -> None:
    """The other process holds the lock of seed 0 until seed 1 is done here, and then leaves without a record."""
    request = _demo(tmp_path, arms=("relu",), seeds="0,1")
    (planned, _) = train(_demo(tmp_path, arms=("relu",), seeds="0,1", plan_only=True), Listener()).document[
        "runs"
    ]  # type: ignore[index]
    folder = Store(tmp_path).checkpoint_dir(Path(planned["path"]))
    folder.mkdir(parents=True)
    other = FileLock(folder / "lock", thread_local=False)
    other.acquire()
    listener = Listener()
    listener.during = lambda _run: other.release()
    assert train(request, listener).exit_code == 0
    assert listener.started == ["2/2 relu 1", "1/2 relu 0"]
    assert any("waiting for the process" in text for text in listener.told)


def test_forcing_leaves_a_run_that_is_being_trained(tmp_path: Path) -> None:
    request = _demo(tmp_path, arms=("relu",), seeds="0")
    train(request, Listener())
    (record,) = tmp_path.rglob("*.json")
    folder = Store(tmp_path).checkpoint_dir(record)
    listener = Listener()
    with FileLock(folder / "lock"):
        train(_demo(tmp_path, arms=("relu",), seeds="0", force=True), listener)
    assert any("another process is training it" in text for text in listener.told)
    assert record.exists()
    train(_demo(tmp_path, arms=("relu",), seeds="0", force=True), Listener())
    assert sorted(path.name for path in folder.glob("*.superseded-1")) == [
        "best_val.pt.superseded-1",
        "last.pt.superseded-1",
    ]


def test_single_images_are_refused_before_training(tmp_path: Path) -> None:
    for words in ({"limit": 2}, {"overrides": ("train.batch_size=4", "train.accumulation=4")}):
        with pytest.raises(ActbenchError, match="a single image"):
            train(_demo(tmp_path, arms=("relu",), **words), Listener())


def test_a_diverged_run_is_warned_about_and_counts_as_finished(tmp_path: Path) -> None:
    request = _demo(
        tmp_path, arms=("relu", "swish"), seeds="0", overrides=("train.epochs=2", "train.lr=1e30")
    )
    outcome = train(request, Listener())
    assert outcome.exit_code == 0
    assert len(outcome.warnings) == 2
    assert all("diverged" in warning and "step" in warning for warning in outcome.warnings)


def test_the_plan_tells_state_and_time_and_trains_nothing(tmp_path: Path) -> None:
    train(_demo(tmp_path, arms=("relu",), seeds="0"), Listener())
    listener = Listener()
    outcome = train(_demo(tmp_path, arms=("relu", "swish"), plan_only=True), listener)
    assert listener.started == []
    assert isinstance(outcome.document, dict)
    states = {(run["arm"], run["seed"]): run["state"] for run in outcome.document["runs"]}
    assert states == {
        ("relu", 0): "done",
        ("swish", 0): "missing",
        ("relu", 1): "missing",
        ("swish", 1): "missing",
    }
    times = {(run["arm"], run["seed"]): run["estimate_s"] for run in outcome.document["runs"]}
    assert times["relu", 0] == 0
    assert times["relu", 1] > 0
    assert outcome.document["estimate_s"] == pytest.approx(sum(times.values()))


def test_an_arm_that_matches_no_site_is_found_before_training(tmp_path: Path) -> None:
    request = _demo(tmp_path, overrides=('arms.lslu.sites=["layer9.*"]',))
    with pytest.raises(ActbenchError, match="no activation site matches"):
        train(request, Listener())
    assert not list(tmp_path.rglob("*.json"))
