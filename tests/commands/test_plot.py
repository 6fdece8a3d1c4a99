"""`actbench plot shapes`, the program itself: files, formats, selection, and every message."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
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
    assert "shapes" in done.stdout
