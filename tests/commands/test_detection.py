"""A detector through the real program: killed in the middle, taken up again, compared, evaluated, listed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.compare import compare
from actbench.commands.eval import EvalRequest, evaluate_stored
from actbench.commands.export_table import export_table
from actbench.commands.ls import ls
from actbench.errors import ActbenchError
from actbench.papers.reported import load_paper
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe
from actbench.record import AveragePrecision, DetectionTally, RunRecord
from actbench.store import Store
from actbench.tables.build import build_tables
from tests.data.coco_sets import write_part

ARGUMENTS = ["train", "pwlu_retinanet_coco", "--profile", "smoke", "--arm", "pwlu", "--seeds", "0",
             "train.ema.horizon=0.5", "--no-progress"]  # fmt: skip
KILL = """
from actbench.training import loop
real, calls = loop.update, []
def update(*arguments):
    calls.append(1)
    if len(calls) == 4:  # two updates an epoch: in the middle of the second
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
loop.update = update
"""
TIMES = {"time_s", "step_time_s", "step_cpu_s", "data_time_s"}


def run(folder: Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    code = (
        f"import os, signal, sys\n{before}\nfrom actbench.cli import main\nsys.argv[0] = 'actbench'\nmain()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *ARGUMENTS],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACTBENCH_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )


def record_of(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "results").rglob("pwlu-*.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert "completed    box AP" in done.stdout
    assert "warning" not in done.stderr
    return folder


@pytest.mark.slow
def test_a_killed_detector_ends_as_an_undisturbed_one(trained: Path, tmp_path: Path) -> None:
    assert run(tmp_path, KILL).returncode == -signal.SIGKILL
    assert run(tmp_path).returncode == 0
    expected, found = record_of(trained), record_of(tmp_path)
    for record in (expected, found):
        for epoch in record["history"]:
            for key in TIMES:
                del epoch[key]
    assert found["history"] == expected["history"]
    assert found["results"] == expected["results"]
    assert found["provenance"]["resumed"] == 1


def test_the_record_holds_what_was_found_and_what_it_cost(trained: Path) -> None:
    store = Store(trained / "results")
    (record,) = map(store.read, store.paths())
    assert record.recipe.task == "detect"
    assert len(record.backends) == 17
    assert len(record.history[1].notes) == 17
    assert isinstance(record.history[0].val, DetectionTally)
    kinds = [(result.which, result.weights) for result in record.results]
    assert kinds == [("last", "raw"), ("best_val", "raw"), ("last", "ema"), ("best_val", "ema")]
    for result in record.results:
        assert isinstance(result.tally, DetectionTally)
        assert (result.tally.images, result.tally.mask) == (8, None)
        assert set(result.class_box_ap) == {"disc", "square", "triangle"}
    assert record.cost is not None
    assert record.cost.macs > 10**6
    assert record.cost.kept_bytes > 10**5
    assert record.provenance.packages["pycocotools"]
    assert record.history[0].shapes


def test_the_commands_that_read_know_a_detector(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    asked: dict[str, Any] = {"profile": "smoke", "arms": ["pwlu"], "seeds": "0", "overrides": [ARGUMENTS[8]]}
    found = compare(["pwlu_retinanet_coco"], **asked)
    assert "box AP" in found.text
    assert "Synthetic data" in found.text
    document: Any = found.document
    (table,) = document["tables"]
    assert table["metric"] == "box_ap"
    assert table["rows"][0]["box_ap"]["n"] == 1
    assert "box AP" in export_table(["pwlu_retinanet_coco"], format="markdown", **asked).text
    with pytest.raises(ActbenchError, match="has no mask AP"):
        compare(["pwlu_retinanet_coco"], metric="mask_ap", **asked)
    with pytest.raises(ActbenchError, match="has no metric 'top1_accuracy'") as caught:
        compare(["pwlu_retinanet_coco"], metric="top1_accuracy", **asked)
    assert "known: box_ap, mask_ap" in str(caught.value)
    listed: Any = ls("runs", results_dir=Path("results")).document
    assert [row["metric"] for row in listed] == ["box_ap"]


def test_eval_finds_the_same_again_and_in_deploy_form(trained: Path) -> None:
    (path,) = (trained / "results").rglob("last.pt")
    stored = record_of(trained)["results"][0]["tally"]
    for deploy in (False, True):
        request = EvalRequest(
            references=(str(path),), device="cpu", deploy=deploy, results_dir=trained / "results"
        )
        document: Any = evaluate_stored(request).document
        (row,) = document["evaluations"]
        assert (row["images"], row["objects"]) == (stored["images"], stored["objects"])
        assert row["box"]["ap"] == pytest.approx(stored["box"]["ap"], abs=0 if not deploy else 0.02)
        assert row["note"].startswith("in the training form box AP") == deploy


def test_the_papers_ap_stands_beside_the_arms(make_run: Callable[..., RunRecord]) -> None:
    from actbench.compare import Selection
    from actbench.compare import compare as compare_runs
    from actbench.footing import Origin
    from actbench.store import StoredRun

    for name, reported in (
        ("pwlu_retinanet_coco", {"relu": 37.06, "swish": 37.82, "frelu": 38.35, "pwlu": 38.31}),
        ("pwlu_maskrcnn_coco", {"relu": 39.06, "swish": 40.05, "frelu": 40.25, "pwlu": 40.48}),
    ):
        (recipe,) = load_recipe(name, profile="paper").recipes
        runs = tuple(
            StoredRun(Path("run.json"), _with_ap(make_run(recipe, arm.name, 0), 0.3 + place / 100, 0.2))
            for place, arm in enumerate(recipe.arms)
        )
        plan = recipe.model_copy(update={"seeds": (0,)})
        selection = Selection(plan=plan, stored=runs, origin=Origin(reference=name, profile="paper"))
        papers = {"pwlu": load_paper("pwlu")}
        for metric, expected in (("box_ap", reported), ("mask_ap", dict.fromkeys(reported))):
            (table,) = build_tables(
                compare_runs([selection], papers=papers, metric=metric), lambda _name: ("metric", "reported")
            )
            place = [column.key for column in table.columns].index("reported")
            assert {row.arm: row.cells[place].numbers["value"] for row in table.rows} == expected
            assert table.columns[0].text == {"box_ap": "box AP", "mask_ap": "mask AP"}[metric]
            first = [row.cells[0].numbers["mean"] for row in table.rows]
            assert first == pytest.approx([0.3, 0.31, 0.32, 0.33] if metric == "box_ap" else [0.2] * 4)
        (table,) = build_tables(compare_runs([selection], papers=papers))
        assert table.rows[3].cells[1].text == "+3.00"
        assert "on COCO with" in table.caption
        assert any("pwlu over swish, reported" in claim for claim in table.claims)


def _with_ap(record: RunRecord, box: float, mask: float) -> RunRecord:
    def ap(value: float) -> AveragePrecision:
        return AveragePrecision(ap=value, ap50=value, ap75=value, small=None, medium=value, large=value)

    tally = DetectionTally(images=5000, objects=36_000, detections=90_000, box=ap(box), mask=ap(mask))
    results = tuple(result.model_copy(update={"tally": tally}) for result in record.results)
    return RunRecord.model_validate_json(record.model_copy(update={"results": results}).model_dump_json())


def test_a_broken_annotation_file_stops_before_anything_is_spent(
    tmp_path: Path, program: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    write_part(tmp_path / "data" / "bccd", "train", "instances_train.json", 2)
    content = write_part(tmp_path / "data" / "bccd", "val", "instances_val.json", 2)
    content["annotations"][1]["bbox"] = None
    file = tmp_path / "data" / "bccd" / "annotations" / "instances_val.json"
    file.write_text(json.dumps(content))
    done = program("train", "pwlu_retinanet_coco", "--device", "cpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == [
        "data/bccd/annotations/instances_val.json: bbox must be four numbers (left, top, width, height), got null "
        "(annotations[1])",
        "  mend or remove this entry; nothing of the set is used while it is broken",
    ]


def test_an_older_record_reads_as_before(
    make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> None:
    plain = json.loads(make_run(make_recipe(), "relu", 0).model_dump_json())
    for result in plain["results"]:
        del result["class_box_ap"]
    record = RunRecord.model_validate_json(json.dumps(plain))
    assert record == make_run(make_recipe(), "relu", 0)
