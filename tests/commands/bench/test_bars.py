"""`bench bars`: its table and document from numbers that are given, its exit codes, and the real program."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from actbench.bench import bar_sections
from actbench.bench.bars import bars_of
from actbench.bench.timing import Spread
from actbench.commands.bench.bars import BarsRequest, bench_bars
from actbench.errors import ActbenchError

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Spread]:
    """What will be measured, by name; everything else is measured as 2.5."""
    values: dict[str, Spread] = {}

    def measure(section: object, kind: object, _extent: object) -> Iterator[tuple[str, Spread]]:
        for name in reversed(bars_of(section, kind)):  # type: ignore[arg-type]
            yield name, values.get(name, Spread(2.5, 2.25, 2.75))

    monkeypatch.setattr(bar_sections, "measure", measure)
    return values


def _cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_has_the_bars_in_their_order(given: dict[str, Spread], tmp_path: Path) -> None:
    given["crop, flip, RandAugment, normalise"] = Spread(31.0, 30.5, 31.5)
    given["crop, flip, normalise: torchvision, PIL"] = Spread(1234.4, 1200.0, 1300.0)
    notes: list[str] = []
    outcome = bench_bars(BarsRequest(sections=("lslu", "data"), data_dir=tmp_path), notes.append)
    assert notes == ["measuring lslu", "measuring data"]
    head, *rows = _cells(outcome.text)
    assert head == ["bar", "first", "aim", "measured", "reached"]
    assert rows[2:] == [
        ["lslu, 16x16, contiguous, against upstream's arithmetic", "at least 2.5 x faster", "5", "2.50 [2.25 to 2.75]",
         "first bar"],
        ["crop, flip, normalise", "at most 5 us of CPU", "2.5", "2.50 [2.25 to 2.75]", "aim"],
        ["crop, flip, normalise: torchvision, tensor", "-", "-", "2.50 [2.25 to 2.75] x ours", ""],
        ["crop, flip, normalise: torchvision, PIL", "-", "-", "1,234 [1,200 to 1,300] x ours", ""],
        ["crop, flip, RandAugment, normalise", "at most 30 us of CPU", "12", "31.00 [30.50 to 31.50]", "no"],
        ["crop, flip, RandAugment, normalise: torchvision, tensor", "-", "-", "2.50 [2.25 to 2.75] x ours", ""],
        ["crop, flip, RandAugment, normalise: torchvision, PIL", "-", "-", "2.50 [2.25 to 2.75] x ours", ""],
    ]  # fmt: skip
    lines = outcome.text.splitlines()
    assert re.search(r", 1 thread \(\d\.\d GHz, \d\.\d to \d\.\d additions a cycle\), torch ", lines[0])
    assert f", torch {torch.__version__}, python 3." in lines[0]
    assert lines[1].startswith("15 rounds, images: random bytes of CIFAR's shape; allocator: ")
    assert "3 of 5 first bars reached, 1 of them with the aim" in lines
    assert (outcome.exit_code, outcome.warnings) == (0, ())


def test_the_document_tells_the_same(given: dict[str, Spread]) -> None:
    given["actbench --help"] = Spread(1.6, 1.5, 1.7)
    document = json.loads(json.dumps(bench_bars(BarsRequest(sections=("start",), rounds=9)).document))
    assert set(document) == {"machine", "setting", "bars", "missed"}
    assert set(document["machine"]) >= {
        "hardware",
        "threads",
        "torch",
        "python",
        "actbench",
        "commit",
        "pace",
    }
    assert (document["setting"]["sections"], document["setting"]["rounds"]) == (["start"], 9)
    assert document["bars"] == [
        {
            "section": "start",
            "bar": "actbench --help",
            "unit": "x typer and rich",
            "sense": "at most",
            "first": 1.5,
            "aim": 1.2,
            "measured": {"median": 1.6, "low": 1.5, "high": 1.7},
            "reached": "no",
        }
    ]
    assert document["missed"] == ["actbench --help"]


def test_a_missed_bar_gives_exit_code_4_under_check_alone(given: dict[str, Spread]) -> None:
    sections = ("start",)
    given["actbench --help"] = Spread(1.6, 1.5, 1.7)
    assert bench_bars(BarsRequest(sections=sections)).exit_code == 0
    missed = bench_bars(BarsRequest(sections=sections, check=True))
    assert (missed.exit_code, missed.warnings) == (4, ("first bar missed: actbench --help",))
    assert "| no" in missed.text
    given["actbench --help"] = Spread(1.4, 1.3, 1.7)
    reached = bench_bars(BarsRequest(sections=sections, check=True))
    assert (reached.exit_code, reached.warnings) == (0, ())


def test_all_sections_of_a_cpu_are_measured_where_none_is_named(given: dict[str, Spread]) -> None:
    del given
    notes: list[str] = []
    bench_bars(BarsRequest(), notes.append)
    assert notes == [f"measuring {each}" for each in ("kernels", "lslu", "data", "step", "start", "loop")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kernel"], "unknown section 'kernel'\n  known: kernels, lslu, data, step, start, loop, training"),
        (["start", "--rounds", "1"], "1 is too few: at least 2 (--rounds)"),
    ],
)
def test_wrong_usage_is_told_without_loading_torch(
    program: Program, arguments: list[str], message: str
) -> None:
    done = program("bench", "bars", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"command line: {message}")
    assert "Traceback" not in done.stderr


def test_a_section_of_another_device_is_refused() -> None:
    with pytest.raises(ActbenchError) as caught:
        bench_bars(BarsRequest(sections=("start", "training")))
    assert str(caught.value) == (
        "command line: section 'training' has no bars on cpu\n"
        "  sections there: kernels, lslu, data, step, start, loop"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="tells what is said without a GPU")
def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(ActbenchError, match="device 'cuda' is not on this machine"):
        bench_bars(BarsRequest(device="cuda"))


@pytest.mark.slow
def test_the_real_program_measures_and_judges(program: Program) -> None:
    done = program("bench", "bars", "start", "--rounds", "2", "--json", "--check")
    document = json.loads(done.stdout)
    assert [bar["section"] for bar in document["bars"]] == ["start"]
    assert done.returncode == (4 if document["missed"] else 0)
    assert done.stderr.startswith("measuring start\n")


@pytest.mark.gpu
def test_the_kernels_of_a_gpu(program: Program) -> None:
    done = program("bench", "bars", "kernels", "--device", "cuda", "--rounds", "3", "--json")
    assert done.returncode == 0, done.stderr
    bars = json.loads(done.stdout)["bars"]
    assert len(bars) == 18
    assert all(bar["measured"]["median"] > 0 for bar in bars)
