"""Wrong command lines, data and places: each gets its exit code and words a person can act on, never a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]
DEMO = ("train", "demo_digits", "--profile", "smoke", "--arm", "relu", "--seeds", "0", "--no-progress")

WRONG = [
    (["nosuch"], 2, "No such command"),
    (["train"], 2, "Missing argument"),
    (["train", "--bogus", "demo_digits"], 2, "No such option"),
    (["train", "train.lr=0.1"], 2, "no recipe named"),
    (["train", "demo_digit"], 2, "did you mean 'demo_digits'?"),
    (["train", "recipes/demo_digits.yaml"], 2, "actbench train demo_digits"),
    (["train", "demo_digits", "--profile", "tiny"], 2, "known: paper, lite, smoke"),
    (["train", "demo_digits", "--seeds", "3..1"], 2, "3..1"),
    (["train", "demo_digits", "--seeds", "a"], 2, "seeds"),
    (["train", "demo_digits", "--seeds", "-1"], 2, "seeds"),
    (["train", "demo_digits", "--seeds", "0", "seeds=1"], 2, "seeds are given twice"),
    (["train", "demo_digits", "train.lr", "0.1"], 2, "train.lr=VALUE"),
    (["train", "demo_digits", "arms=[]"], 2, "choose arms with --arm"),
    (["train", "demo_digits", "paper=lsul"], 2, "did you mean 'lslu'?"),
    (["validate", "demo_digits", "baselines=[rely]"], 2, "did you mean 'relu'?"),
    (["train", "demo_digits", "--arm", "lsul"], 2, "did you mean 'lslu'?"),
    (["train", "demo_digits", "train.lr=-1"], 2, "train.lr"),
    (["train", "demo_digits", "train.lr=nan"], 2, "train.lr"),
    (["train", "demo_digits", "train.epochs=1.5"], 2, "train.epochs"),
    (["train", "demo_digits", "train.epoch=1"], 2, "did you mean 'epochs'?"),
    (["train", "demo_digits", "model.decay_epochs=0"], 2, "model.decay_epochs"),
    (["train", "demo_digits", "arms.lslu.options.n=0"], 2, "options.n"),
    (["train", "demo_digits", "arms.lslo.options.n=3"], 2, "lslu"),
    (["train", "demo_digits", "--limit", "1"], 2, "limit"),
    (["train", "demo_digits", "--limit", "many"], 2, "--limit"),
    (["train", "demo_digits", "--device", "tpu9"], 2, "device"),
    (["train", "demo_digits", "--device", "cuda:99"], 2, "not on this machine"),
    (["train", "lslu_vanillanet_c100"], 2, "cifar-100-python"),
    (["train", "lslu_silkworm"], 2, "silkworm"),
    (["eval", "demo_digits"], 4, "actbench train demo_digits"),
    (["eval", "none.pt"], 2, "no checkpoint"),
    (["eval", "none.json"], 2, "none.json"),
    (["eval", "demo_digits", "--split", "train"], 2, "known: val, test"),
    (["eval", "demo_digits", "--at", "first"], 2, "known: last, best-val, best-test"),
    (["compare", "demo_digits"], 4, "actbench train demo_digits"),
    (["compare", "none.json"], 2, "none.json"),
    (["compare", "demo_digits", "--weights", "avg"], 2, "known: raw, ema"),
    (["export-table", "demo_digits", "--format", "word"], 2, "known: markdown, latex"),
    (["export-table", "demo_digits"], 4, "actbench train demo_digits"),
    (["export-table", "demo_digits", "-o", "a.md", "--check", "a.md"], 2, "give one"),
    (["import"], 2, "Missing argument"),
    (["import", "none.csv"], 2, "none.csv: cannot be read: No such file or directory"),
    (["power", "demo_digits"], 2, "Missing option '--detect'"),
    (["power", "demo_digits", "demo_digits", "--detect", "1"], 2, "power takes one recipe"),
    (["power", "demo_digits", "--detect", "1"], 4, "actbench train demo_digits"),
    (["ls", "recipe"], 2, "recipes"),
    (["show"], 2, "no recipe named"),
    (["show", "nonesuch"], 2, ", demo_digits, "),
    (["cp", "demo_digits"], 2, "--name"),
    (["cp", "demo_digits", "foo"], 2, "--name foo"),
    (["cp", "nonesuch", "--name", "x"], 2, "nonesuch"),
    (["validate", "nonesuch"], 2, "nonesuch"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    WRONG,
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_command_lines(program: Program, arguments: list[str], code: int, words: str) -> None:
    done = program(*arguments)
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_missing_data_is_said_in_two_lines_before_anything_is_spent(program: Program, tmp_path: Path) -> None:
    done = program("train", "lslu_vanillanet_c100", "--data-dir", "elsewhere")
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2
    assert "elsewhere" in lines[0]
    assert "--data-dir" in lines[1]
    assert "ACTBENCH_DATA_DIR" in lines[1]
    assert not list((tmp_path / "results").rglob("*.json"))


def test_a_data_file_that_is_no_pickle_of_images(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch HACKED'\ntR.")
    done = program("train", "lslu_vanillanet_c100")
    assert done.returncode == 2
    assert "cifar-100-python" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "HACKED").exists()


def test_a_results_folder_that_cannot_be_written(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = program(*DEMO, "--results-dir", "file/results")
    assert done.returncode == 2
    assert "cannot write results to file/results" in done.stderr
    assert "--results-dir" in done.stderr


def test_a_damaged_record_is_set_aside_and_its_run_trained_again(program: Program, tmp_path: Path) -> None:
    assert program(*DEMO).returncode == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    whole = path.read_text()
    path.write_text(whole[:100])
    compared = program("compare", "demo_digits", "--profile", "smoke")
    assert compared.returncode == 4
    assert path.name in compared.stderr
    again = program(*DEMO)
    assert again.returncode == 0
    assert "set aside" in again.stderr
    (kept,) = path.parent.glob("*.damaged-1")
    assert kept.read_text() == whole[:100]
    assert '"completed"' in path.read_text()


def test_the_same_command_again_trains_nothing_and_force_keeps_the_old(
    program: Program, tmp_path: Path
) -> None:
    assert program(*DEMO).returncode == 0
    (path,) = (tmp_path / "results").rglob("*.json")
    stamp = path.stat().st_mtime_ns
    assert program(*DEMO).returncode == 0
    assert path.stat().st_mtime_ns == stamp
    assert program(*DEMO, "--force").returncode == 0
    assert path.stat().st_mtime_ns != stamp
    assert len(list(path.parent.glob("*.superseded-1"))) == 1


@pytest.mark.parametrize("command", ["show --schema", "ls arms", "ls arms --json"])
@pytest.mark.parametrize("reader", ["true", "head -1"])
def test_a_closed_pipe_is_no_error(command: str, reader: str, tmp_path: Path) -> None:
    # `sleep` lets the reader go first.
    shell = f"(sleep 0.2; {sys.executable} -m actbench {command}) | {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ)
    )
    assert (done.returncode, done.stderr) == (0, "")
