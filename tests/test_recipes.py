"""Every shipped recipe trains: its smoke profile here, one step of its paper profile among the slow tests."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actbench.activations.catalog import ENTRIES
from actbench.activations.create import create_activation
from actbench.commands.compare import compare
from actbench.commands.request import TrainRequest
from actbench.commands.train import train
from actbench.papers.matching import is_plain
from actbench.papers.reported import load_paper
from actbench.recipe.load import load_recipe
from actbench.recipe.plan import PlannedRun
from actbench.recipe.schema import PROFILES
from actbench.record import EpochRecord, RunRecord
from actbench.store import Store
from tests.data.coco_sets import write_part
from tests.data.mnist_files import write_mnist
from tests.data.text_sets import PIECES, write_glue_sst2, write_vocabulary

ROOT = Path(__file__).parents[1]
NO_RIVALS = {"identity", "slot_groups"}
"""Pointwise, but there to leave a site empty, or to hold another's curve."""
RECIPES = sorted(path.stem for path in (ROOT / "recipes").rglob("*.yaml"))


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


@pytest.mark.parametrize("name", ["zoo_resnet8_c100", "zoo_resnet20_c100"])
def test_the_zoo_has_every_pointwise_activation_of_the_catalogue(name: str) -> None:
    made = {known: create_activation(known, 16) for known, entry in ENTRIES.items() if not entry.gated}
    pointwise = {known for known, module in made.items() if getattr(module, "is_pointwise", False)}
    for profile in PROFILES:
        (recipe,) = load_recipe(name, profile=profile).recipes
        assert {arm.activation for arm in recipe.arms} == pointwise - NO_RIVALS
        assert {arm.name for arm in recipe.arms if not is_plain(arm)} <= {
            "pwlu",
            "sqish_frozen",
            "sqish_channel",
        }
        assert {arm.name for arm in recipe.arms if is_plain(arm)} >= pointwise - NO_RIVALS - {"pwlu"}


# Their code runs in the smoke profile of another recipe, and many sites of many arms take a CPU long.
SLOW_SMOKE = ("dyrelu_mobilenet_v2_imagenet",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW_SMOKE else ()) for name in RECIPES]
)
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


# Depthwise 7x7 convolutions at 224 pixels take minutes on a CPU, so of many like arms or variants one stands for all.
PAPER_ARMS = {
    "demo_digits": ("relu", "swish", "series", "lslu"),
    "demo_fair_digits": ("relu", "lslu"),
    "lslu_nsweep_vanillanet_c100": ("lslu_n7",),
    "lslu_regularization_vanillanet_c100": ("relu",),
    "lslu_vanillanet_c10": ("relu",),
    "dyrelu_mobilenet_v2_c100": ("dyrelu_b",),
    "dyrelu_mobilenet_v2_imagenet": ("dyrelu_b",),
    "tracts_small_c10": ("fourier_series", "linear_combination"),
    "raft_bert_small_sst2": ("raf",),
    "zoo_resnet8_c100": ("pwlu", "rational"),
    "zoo_resnet20_c100": ("gr_kan", "fourier_series"),
}


def _write_cifar(folder: Path, classes: int) -> None:
    """CIFAR's canonical layout with a handful of random images of every class."""
    rng = np.random.default_rng(0)
    hundred = classes == 100
    root = folder / ("cifar-100-python" if hundred else "cifar-10-batches-py")
    root.mkdir(parents=True)
    files = ("train", "test") if hundred else (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
    for name in files:
        labels = [label % classes for label in range(2 * classes)]
        data = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        content = {b"data": data, (b"fine_labels" if hundred else b"labels"): labels}
        (root / name).write_bytes(pickle.dumps(content, protocol=2))
    names = [f"class{label}".encode() for label in range(classes)]
    meta = {b"fine_label_names": names} if hundred else {b"label_names": names}
    (root / ("meta" if hundred else "batches.meta")).write_bytes(pickle.dumps(meta, protocol=2))


def _write_pictures(folder: Path, name: str, classes: int) -> None:
    rng = np.random.default_rng(0)
    for label in range(classes):
        (folder / name / f"class{label}").mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"class{label}" / f"{number}.png")


def _write_imagenet(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("val", 5)):
        for label in range(4):
            (folder / "imagenet" / part / f"n{label:08}").mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (240, 260, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "imagenet" / part / f"n{label:08}" / f"{number}.JPEG")


def _write_coco(folder: Path) -> None:
    """Few pictures, since each is trained on with 800 pixels."""
    write_part(folder / "coco", "train2017", "instances_train2017.json", 3)
    write_part(folder / "coco", "val2017", "instances_val2017.json", 2)


def _write_sentences(folder: Path) -> None:
    write_glue_sst2(folder, train=100, dev=20)
    words = [*PIECES, *(str(number) for number in range(100)), "train", "dev"]
    write_vocabulary(folder, words)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_paper_profile_takes_an_optimiser_step(name: str, tmp_path: Path) -> None:
    """`train NAME --profile paper --limit 64 train.epochs=1`: the full model on 64 images of each set's own layout."""
    _write_cifar(tmp_path, 10)
    _write_cifar(tmp_path, 100)
    _write_pictures(tmp_path, "silkworm", 6)
    _write_pictures(tmp_path, "sign-digits", 10)
    write_mnist(tmp_path / "MNIST/raw")
    _write_imagenet(tmp_path)
    _write_coco(tmp_path)
    _write_sentences(tmp_path)
    request = TrainRequest(
        references=(name,),
        profile="paper",
        seeds="0",
        arms=PAPER_ARMS.get(name, (name.split("_")[0],)),  # the arm of the paper's own activation
        overrides=("train.epochs=1",),
        device="cpu",
        limit=64,
        data_dir=tmp_path,
        results_dir=tmp_path / "results",
    )
    outcome = train(request, Silent())
    assert outcome.exit_code == 0
    runs, _ = Store(tmp_path / "results").scan(name, "paper")
    assert {run.record.status for run in runs} == {"completed"}
    for run in runs:
        assert run.record.data.train <= 64
        assert run.record.epochs == 1


def test_a_run_that_ends_in_phase_one_is_told_before_and_after(tmp_path: Path) -> None:
    class Listening(Silent):
        def __init__(self) -> None:
            self.warnings: list[str] = []

        def warn(self, text: str) -> None:
            self.warnings.append(text)

    listening = Listening()
    request = TrainRequest(
        references=("pwlu_resnet20_c100",),
        profile="smoke",
        seeds="0",
        arms=("pwlu",),
        overrides=("train.epochs=1",),
        device="cpu",
        results_dir=tmp_path,
    )
    train(request, listening)
    (warning,) = listening.warnings
    assert "arm pwlu is in phase one for all of its 1 epochs" in warning
    compared = compare(
        ["pwlu_resnet20_c100"],
        profile="smoke",
        arms=["pwlu"],
        overrides=["train.epochs=1"],
        seeds="0",
        results_dir=tmp_path,
    )
    assert "phase one to the end (1 epochs): the activation never left its start" in " ".join(
        compared.text.split()
    )
