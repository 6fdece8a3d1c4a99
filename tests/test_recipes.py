"""Every shipped recipe trains: its smoke profile here, one step of its paper profile among the slow tests."""

from pathlib import Path

import pytest

from actbench.commands.train import TrainRequest, train
from actbench.papers.reported import load_paper
from actbench.recipe.load import load_recipe
from actbench.recipe.plan import PlannedRun
from actbench.recipe.schema import PROFILES
from actbench.record import EpochRecord, RunRecord
from actbench.store import Store

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").rglob("*.yaml"))
CIFAR_SIZE = {"cifar10": 10, "cifar100": 100}


class Silent:
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def run_started(self, run: PlannedRun, number: int, total: int) -> None: ...
    def epoch_done(self, run: PlannedRun, epoch: EpochRecord) -> None: ...
    def run_finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def agrees(self, question: str) -> bool:  # noqa: ARG002
        return False


def test_there_are_recipes_and_their_names_are_well_made() -> None:
    assert len(RECIPES) >= 8
    assert all(name == "demo_digits" or len(name.split("_")) >= 2 for name in RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_headers_give_the_command_and_papers_hold_what_is_named(name: str) -> None:
    text = (ROOT / "recipes" / f"{name}.yaml").read_text()
    assert text.startswith("#")
    assert f"actbench train {name}" in text
    for profile in PROFILES:
        for recipe in load_recipe(name, profile=profile).recipes:
            assert recipe.is_synthetic == (profile == "smoke")
            if recipe.paper:
                paper = load_paper(recipe.paper)
                assert recipe.table is None or paper.table(recipe.table)
                assert recipe.claim is None or paper.claim(recipe.claim)


@pytest.mark.parametrize("name", RECIPES)
def test_the_smoke_profile_trains_every_arm(name: str, tmp_path: Path) -> None:
    request = TrainRequest(
        references=(name,),
        profile="smoke",
        seeds="0",
        overrides=("train.epochs=1",),
        device="cpu",
        results_dir=tmp_path,
    )
    outcome = train(request, Silent())
    runs, problems = Store(tmp_path).scan(name, "smoke")
    loaded = load_recipe(name, profile="smoke")
    assert (outcome.exit_code, problems) == (0, [])
    assert len(runs) == sum(len(recipe.arms) for recipe in loaded.recipes)
    assert {run.record.status for run in runs} == {"completed"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_paper_profile_takes_an_optimiser_step(name: str, tmp_path: Path) -> None:
    """The full model on 64 images, one epoch, every arm and variant; real data sets are stood in for by their shape."""
    data = load_recipe(name, profile="paper").recipes[0].data.name
    overrides = ["train.epochs=1"]
    if data != "digits":
        classes = CIFAR_SIZE.get(data, 6)
        overrides += [f"data={{name: synthetic, num_classes: {classes}, train: 128, test: 128}}"]
    request = TrainRequest(
        references=(name,), profile="paper", seeds="0", overrides=tuple(overrides), device="cpu", limit=64,
        results_dir=tmp_path,
    )  # fmt: skip
    outcome = train(request, Silent())
    assert outcome.exit_code == 0
    runs, _ = Store(tmp_path).scan(name, "paper")
    assert {run.record.status for run in runs} == {"completed"}
    for run in runs:
        assert run.record.data.train <= 64
        assert len(run.record.history) == 1
