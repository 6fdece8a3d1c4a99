"""`actbench plot`, the program itself: files, formats, selection, and every message."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actbench.cli import program_for
from actbench.commands.outcome import Outcome
from actbench.commands.plot.compared import Reading, plot_pareto, plot_seeds
from actbench.commands.plot.curves import plot_curves
from actbench.commands.plot.params import plot_params
from actbench.commands.plot.request import PlotRequest
from actbench.errors import ActbenchError
from actbench.recipe.schema import Recipe
from actbench.record import EpochRecord, RunRecord, SiteLog, Tally
from actbench.store import Store

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stored(
    tmp_path: Path,
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
    with_curves: Callable[..., RunRecord],
) -> dict[str, str]:
    """Arm and seed -> its record's file below tmp_path; swish and prelu have curves, old does not."""
    arms = [
        {"name": "relu", "activation": "relu"},
        {"name": "swish", "activation": "swish"},
        {"name": "old", "activation": "pwlu"},
        {"name": "lslu", "activation": "lslu"},
    ]
    recipe = make_recipe(arms=arms, seeds=[0, 1])
    store, paths = Store(tmp_path / "results"), {}
    for arm, seed in (("relu", 0), ("swish", 0), ("swish", 1), ("old", 0), ("lslu", 0)):
        record = make_run(recipe, arm, seed)
        if arm == "swish":
            record = with_curves(record, epochs=(0, 29), sites=("stem.act",))
        path = store.path(recipe=recipe.name, profile="lite", arm=arm, seed=seed, run=record.run)
        store.write(path, record)
        paths[f"{arm}{seed}"] = str(path.relative_to(tmp_path))
    return paths


def test_a_record_becomes_a_png_an_svg_and_a_pdf(
    program: Program, stored: dict[str, str], tmp_path: Path
) -> None:
    done = program("plot", "shapes", stored["swish0"])
    stem = f"plots/lslu_c100-lite-{Path(stored['swish0']).stem}-shapes"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {stem}.png\nwrote {stem}.svg\nwrote {stem}.pdf\n"
    assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    before = (tmp_path / f"{stem}.svg").read_bytes()
    assert program("plot", "shapes", stored["swish0"], "-o", "again.svg").stdout == "wrote again.svg\n"
    assert (tmp_path / "again.svg").read_bytes() == before, "another process, the same bytes"


def test_a_selection_draws_every_run_with_curves(
    program: Program, stored: dict[str, str], tmp_path: Path
) -> None:
    done = program("plot", "shapes", "results", "-o", "figures", "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)["written"]
    assert len(written) == 6
    assert {Path(path) for path in written} == {
        path.relative_to(tmp_path) for path in (tmp_path / "figures").iterdir()
    }
    assert done.stderr.startswith(
        f"warning: left out: {stored['old0']}: this record of arm 'old' holds no curves"
    )
    assert "relu" not in done.stderr, "that relu has none goes without saying"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{relu0}",), ["arm 'relu' has no learnt curves", "arms of this recipe with curves: swish, old"]),
        (("{lslu0}",), ["arm 'lslu' has no learnt curves", "neighbouring places"]),
        (("{old0}",), ["holds no curves", "--force makes the run again"]),
        (
            ("{swish0}", "-o", "x.eps"),
            ["written as .png, .svg and .pdf, not .eps", "or a folder for all three"],
        ),
        (("{swish0}", "{swish1}", "-o", "x.png"), ["2 figures do not go into one file", "swish-seed0"]),
        (("{swish0}", "--epoch", "5"), ["no curves were measured after epoch 5", "after epochs 1, 30"]),
        (("nowhere.json",), ["nowhere.json: cannot be read"]),
    ],
)
def test_messages(
    arguments: tuple[str, ...], words: list[str], program: Program, stored: dict[str, str]
) -> None:
    done = program("plot", "shapes", *(argument.format(**stored) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr


def test_the_group_tells_what_it_can_draw(program: Program) -> None:
    done = program("plot", "--help")
    assert all(word in done.stdout for word in ("curves", "seeds", "params", "pareto", "shapes"))


@pytest.fixture
def trained(
    tmp_path: Path, make_recipe: Callable[..., Recipe], make_run: Callable[..., RunRecord]
) -> dict[str, Path]:
    """Records of relu and lslu over two seeds, with two epochs and no count of the bytes kept for backward."""
    recipe = make_recipe(arms=[{"name": name, "activation": name} for name in ("relu", "lslu")], seeds=[0, 1])
    store, paths = Store(tmp_path / "results"), {}
    for arm, seed in (("relu", 0), ("relu", 1), ("lslu", 0), ("lslu", 1)):
        record = make_run(recipe, arm, seed, 5000 + 100 * seed)
        assert record.cost
        cost = record.cost.model_copy(update={"activation_kept_bytes": None})
        logs = (SiteLog(site="stem.act", values={"theta": [0.9], "omega": [0.1]}),) if arm == "lslu" else ()
        history = tuple(
            EpochRecord(
                epoch=epoch,
                lr=0.1,
                train_loss=2.0 - epoch,
                val=Tally(correct=20 + 10 * epoch, total=100, loss_sum=1.0),
                time_s=1.0,
                step_time_s=0.1,
                data_time_s=0.0,
                activations=logs,
            )
            for epoch in range(2)
        )
        path = store.path(recipe=recipe.name, profile="lite", arm=arm, seed=seed, run=record.run)
        store.write(path, record.model_copy(update={"history": history, "cost": cost}))
        paths[f"{arm}{seed}"] = path
    return paths


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("command", "stem"),
    [
        (["curves"], "lslu_c100-lite-curves"),
        (["seeds"], "lslu_c100-lite-seeds"),
        (["pareto", "--cost", "parameters"], "lslu_c100-lite-pareto-parameters"),
        (["params"], "lslu_c100-lite-lslu-params"),
    ],
)
def test_each_figure_is_written_in_three_formats(
    command: list[str], stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(program_for(["plot"]), ["plot", *command, "results", "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["written"] == [f"plots/{stem}{suffix}" for suffix in (".png", ".svg", ".pdf")]
    heads = [(tmp_path / path).read_bytes()[:5] for path in document["written"]]
    assert heads == [b"\x89PNG\r", b"<?xml", b"%PDF-"]
    if command[0] == "pareto":
        assert document["fronts"] == [{"figure": "lslu_c100-lite", "front": ["lslu", "relu"]}]
    if command[0] == "params":
        (trend,) = document["trends"]
        assert (trend["of"], trend["theta_as_published"], trend["both"]) == (2, 0, 0)
        assert trend["sites"][0] == {
            "seed": 0,
            "site": "stem.act",
            "theta": "falls, settles",
            "omega": "rises, settles",
        }


@pytest.mark.usefixtures("trained")
def test_the_trend_is_told_in_words(tmp_path: Path) -> None:
    request = PlotRequest(
        references=(str(tmp_path / "results"),), output=tmp_path / "x.svg", results_dir=tmp_path / "results"
    )
    assert plot_params(request).text == (
        f"wrote {tmp_path}/x.svg\n"
        "lslu_c100-lite-lslu: trend of the paper: theta falls, rises, settles in 0 of 2 (1 sites x 2 seeds); "
        "omega rises, falls, settles in 0; both in 0"
    )


Call = Callable[[PlotRequest], Outcome]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda r: plot_curves(r, show=("test",)),
            ["hold no test accuracy per epoch", "held-out measures val"],
        ),
        (
            lambda r: plot_curves(r, show=("val",), weights="ema"),
            ["validation accuracy of the moving average"],
        ),
        (lambda r: plot_curves(r, metric="box_ap"), ["has no metric 'box_ap'"]),
        (lambda r: plot_curves(replace(r, width=1.0)), ["1 inches wide", "a paper's column has 3.3"]),
        (
            lambda r: plot_params(r, names=("thata",)),
            ["no run logs a parameter thata", "did you mean 'theta'?"],
        ),
        (lambda r: plot_params(replace(r, arms=("relu",))), ["no learnt parameters", "none that change"]),
        (
            lambda r: plot_pareto(r, Reading(), "kept"),
            ["hold no count of the bytes kept for backward", "they have: --cost time, --cost parameters"],
        ),
        (
            lambda r: plot_pareto(replace(r, arms=("lslu",)), Reading()),
            ["no baseline whose time", "--cost kept"],
        ),
        (lambda r: plot_seeds(r, Reading(which="best_test")), ["has no test result at best-test"]),
        (
            lambda r: plot_seeds(replace(r, output=Path("x.eps")), Reading()),
            ["not .eps", "a folder for all three"],
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(
    call: Call, words: list[str], trained: dict[str, Path], tmp_path: Path
) -> None:
    assert trained
    request = PlotRequest(
        references=(str(tmp_path / "results"),), output=tmp_path / "out", results_dir=tmp_path / "results"
    )
    with pytest.raises(ActbenchError) as caught:
        call(request)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_runs_without_an_epoch_have_no_curves(stored: dict[str, str], tmp_path: Path) -> None:
    request = PlotRequest(
        references=(str(tmp_path / stored["relu0"]),),
        output=tmp_path / "out",
        results_dir=tmp_path / "results",
    )
    with pytest.raises(ActbenchError, match="these records hold no epoch"):
        plot_curves(request)
    with pytest.raises(ActbenchError, match="they hold no epoch"):
        plot_params(request)


def test_an_arm_without_a_value_or_cost_is_named(
    trained: dict[str, Path], tmp_path: Path, make_run: Callable[..., RunRecord]
) -> None:
    store = Store(tmp_path / "results")
    for seed in (0, 1):
        lost = store.read(trained[f"lslu{seed}"])
        store.write(trained[f"lslu{seed}"], make_run(lost.recipe, "lslu", seed, status="diverged"))
    request = PlotRequest(
        references=(str(tmp_path / "results"),), output=tmp_path / "x.svg", results_dir=tmp_path / "results"
    )
    assert plot_pareto(request, Reading()).warnings == (
        "left out of the figure, without value or cost: lslu",
    )
    plot_seeds(request, Reading())
    text = (tmp_path / "x.svg").read_text()
    assert "lslu (2/2 diverged)" in text
    assert "no completed run" in text
    for seed in (0, 1):
        lost = store.read(trained[f"relu{seed}"])
        store.write(trained[f"relu{seed}"], make_run(lost.recipe, "relu", seed, status="diverged"))
    with pytest.raises(ActbenchError, match="none of these runs completed"):
        plot_seeds(request, Reading())


def test_an_imported_set_is_drawn_and_labelled(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs.csv").write_text(
        "arm,seed,top1_accuracy\nrelu,0,50\nrelu,1,51\nmine,0,52\nmine,1,nan\n"
    )
    done = program("import", "runs.csv", "--unit", "percent")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    drawn = CliRunner().invoke(program_for(["plot"]), ["plot", "seeds", "runs", "-o", "x.svg"])
    assert drawn.exit_code == 0, drawn.output
    text = " ".join(re.findall(r"<text[^>]*>([^<]*)", (tmp_path / "x.svg").read_text()))
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "imported set runs" in text
    assert "footing not audited" in text
    assert "mine (1/2 diverged)" in text
