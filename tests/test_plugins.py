"""A user's own activation in a recipe: trained, edited, compared without its file, evaluated again."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from actbench.activations.catalog import ActivationEntry
from actbench.activations.plugins import load_plugin
from actbench.commands.compare import compare
from actbench.commands.eval import EvalRequest, evaluate_stored
from actbench.commands.request import TrainRequest
from actbench.commands.train import train
from actbench.errors import ActbenchError, RecipeError
from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.json_schema import recipe_schema
from actbench.recipe.load import load_recipe
from actbench.recipe.plan import PlannedRun
from actbench.record import EpochRecord, RunRecord
from actbench.store import Store
from actbench.training.plugged import try_plugins

pytestmark = pytest.mark.usefixtures("catalogue")

Program = Callable[..., "CompletedProcess[str]"]

SOURCE = '''\
import torch
from torch import nn


class MyAct(nn.Module):
    """x * sigmoid(beta * x) + gamma * x."""

    def __init__(self, num_channels: int, *, beta: float = 1.0, gamma: float = 0.1) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.full((num_channels, 1, 1), beta))
        self.gamma = gamma

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x) + self.gamma * x
'''
RECIPE = """\
name: mine
title: Mine
data: {name: synthetic, num_classes: 4, channels: 1, size: 16, train: 32, test: 16}
input: {size: 32, normalize: dataset}
model: {name: vanillanet, depth: 5, width: 0.0625, stem_stride: 4, decay_epochs: 1}
arms:
- {name: relu, activation: relu}
- {name: my_act, activation: MyAct, options: {beta: 2}}
baselines: [relu]
train: {epochs: 2, batch_size: 16, lr: 1e-3}
seeds: 0
profiles: {paper: {}, lite: {}, smoke: {}}
"""


class Listener:
    """Remembers which runs were trained; may do something after each epoch."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.started: list[str] = []
        self.during = during

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def run_started(self, run: PlannedRun, number: int, total: int) -> None:
        del number, total
        self.started.append(run.arm.name)

    def epoch_done(self, run: PlannedRun, epoch: EpochRecord) -> None:
        del epoch
        if run.arm.plugins:
            self.during()

    def run_finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def agrees(self, question: str) -> bool:  # noqa: ARG002
        return False


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_act.py").write_text(SOURCE)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return tmp_path


def _train(listener: Listener | None = None, **fields: Any) -> list[str]:
    listener = listener or Listener()
    train(TrainRequest(references=("mine.yaml",), device="cpu", **fields), listener)
    return listener.started


def _edit() -> None:
    Path("my_act.py").write_text(Path("my_act.py").read_text() + "# edited\n")


def _records(results: str = "results") -> dict[str, RunRecord]:
    store = Store(Path(results))
    return {record.arm.name: record for record in map(store.read, store.paths())}


def test_the_program_trains_and_compares_it(folder: Path, program: Program) -> None:
    unknown = program("train", "mine.yaml")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "mine.yaml:8: unknown activation 'MyAct' (arms[1].activation)" in unknown.stderr
    assert "--plugin FILE.py" in unknown.stderr
    trained = program("train", "mine.yaml", "--plugin", "my_act.py", "--no-progress")
    assert trained.returncode == 0, trained.stderr
    (folder / "my_act.py").rename(folder / "gone.py")
    compared = program("compare", "mine.yaml", "--check", "--json")
    assert compared.returncode == 0, compared.stderr
    assert compared.stderr == ""
    assert json.loads(compared.stdout) == json.loads(program("compare", "results", "--json").stdout)
    latex = program("export-table", "mine.yaml", "--format", "latex")
    assert r"my\_act" in latex.stdout
    assert "my_act" in program("ls", "runs").stdout
    plotted = program("plot", "shapes", "mine.yaml", "--arm", "my_act")
    assert plotted.returncode == 2
    assert "MyAct has no parameters" in plotted.stderr
    assert "does not declare is_pointwise" in plotted.stderr
    refused = program("eval", "mine.yaml", "--arm", "my_act")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "arm 'my_act': activation 'MyAct' comes from my_act.py, which is not loaded" in refused.stderr
    assert "give --plugin my_act.py" in refused.stderr
    again = program("eval", "mine.yaml", "--arm", "my_act", "--plugin", "gone.py", "--json")
    assert again.returncode == 0, again.stderr
    (row,) = json.loads(again.stdout)["evaluations"]
    result = _records()["my_act"].result()
    assert result is not None
    assert (row["correct"], row["total"]) == (result.tally.correct, result.tally.total)  # type: ignore[union-attr]


def test_a_broken_file_is_told_without_a_traceback(folder: Path, program: Program) -> None:
    (folder / "my_act.py").write_text(SOURCE + "\nundefined_name\n")
    done = program("validate", "mine.yaml", "--plugin", "my_act.py")
    told = "my_act.py:16: NameError: name 'undefined_name' is not defined\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


def test_the_reading_half_loads_no_torch_for_it(folder: Path, program: Program) -> None:
    load_plugin(Path("my_act.py"))
    _train()
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')\n")
    for words in (["compare", "mine.yaml"], ["export-table", "results"], ["ls", "runs"], ["ls", "arms"]):
        done = program(*words)
        assert done.returncode == 0, done.stderr
    assert program("ls", "arms", "--plugin", "my_act.py").returncode == 2  # the trap works


def test_an_edited_file_is_trained_again_and_nothing_else(folder: Path) -> None:
    del folder
    load_plugin(Path("my_act.py"))
    assert _train() == ["relu", "my_act"]
    assert _train() == []
    first = _records()["my_act"]
    _edit()
    (warning,) = compare(["mine.yaml"]).warnings
    assert "my_act.py was edited since these runs of MyAct" in warning
    assert "actbench train mine.yaml --profile lite --plugin my_act.py" in warning
    load_plugin(Path("my_act.py"))
    assert _train() == ["my_act"]
    assert _train() == []
    assert len(list(Path("results/mine/lite").glob("my_act-*.json"))) == 2
    (warning,) = compare(["mine.yaml"]).warnings
    assert "1 records of other settings left out" in warning
    assert f"plugins.MyAct.sha256 {_present()[:8]} / {first.arm.plugins['MyAct'].sha256[:8]}" in warning


def _tables() -> object:
    document = compare(["mine.yaml"]).document
    assert isinstance(document, dict)
    return document["tables"]


def _present() -> str:
    (entry,) = load_plugin(Path("my_act.py"))
    assert entry.plugin is not None
    return entry.plugin.sha256


def test_a_file_put_back_gets_its_own_numbers_back(
    folder: Path, catalogue: dict[str, ActivationEntry]
) -> None:
    """Of two states with records the one at hand is compared, not the one trained last."""
    load_plugin(Path("my_act.py"))
    _train()
    before = _tables()
    (folder / "my_act.py").write_text(SOURCE.replace("sigmoid", "tanh"))
    load_plugin(Path("my_act.py"))
    _train()
    changed = _tables()
    (folder / "my_act.py").write_text(SOURCE)
    del catalogue["MyAct"]  # as in another process, which knows it by its records alone
    assert _tables() == before != changed


def test_only_the_arm_that_uses_it_has_its_source_in_the_hash(folder: Path) -> None:
    del folder
    load_plugin(Path("my_act.py"))

    def hashes() -> tuple[str, dict[str, str]]:
        (recipe,) = load_recipe("mine.yaml").recipes
        footing = footing_hash(recipe, "fingerprint")
        return footing, {arm.name: run_hash(footing, arm, 0) for arm in recipe.arms}

    first_footing, first = hashes()
    _edit()
    load_plugin(Path("my_act.py"))
    footing, second = hashes()
    assert footing == first_footing
    assert first["relu"] == second["relu"]
    assert first["my_act"] != second["my_act"]
    text = Path("mine.yaml").read_text()
    Path("mine.yaml").write_text(text.replace("activation: relu}", "activation: relu, fill: MyAct}"))
    filled = hashes()[1]
    assert filled["relu"] != first["relu"]
    _edit()
    load_plugin(Path("my_act.py"))
    assert hashes()[1]["relu"] != filled["relu"]


def test_where_the_file_lies_is_no_setting(folder: Path) -> None:
    load_plugin(Path("my_act.py"))
    _train()
    (folder / "elsewhere").mkdir()
    (folder / "my_act.py").rename(folder / "elsewhere" / "other.py")
    load_plugin(Path("elsewhere/other.py"))
    assert _train() == []


def test_recipes_are_checked_by_its_options(folder: Path) -> None:
    load_plugin(Path("my_act.py"))
    text = RECIPE.replace("{beta: 2}", "{bta: 2, gamma: fast}")
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe("mine.yaml")
    assert [(p.key, p.message) for p in caught.value.problems] == [
        ("arms[1].options.bta", "unknown key 'bta'"),
        ("arms[1].options.gamma", "expected a number, got fast"),
    ]
    (folder / "mine.yaml").write_text(RECIPE.replace("options: {beta: 2}", "plugins: {MyAct: {sha256: x}}"))
    with pytest.raises(RecipeError, match="unknown key 'plugins'"):
        load_recipe("mine.yaml")
    schema = json.dumps(recipe_schema())
    assert "MyActPluginOptions" in schema
    assert "PluginSource" not in schema
    assert "plugins" not in schema


def test_eval_refuses_another_state_of_the_file(folder: Path) -> None:
    del folder
    load_plugin(Path("my_act.py"))
    _train()
    (record,) = Path("results").rglob("my_act-*.json")
    _edit()
    load_plugin(Path("my_act.py"))
    request = EvalRequest(references=(str(record),), device="cpu")
    with pytest.raises(ActbenchError, match=r"my_act\.py is not what the run was made with"):
        evaluate_stored(request)
    request = EvalRequest(references=("mine.yaml",), arms=("my_act",), device="cpu")
    with pytest.raises(ActbenchError, match="no records of arm my_act") as caught:
        evaluate_stored(request)
    assert "runs that another state of my_act.py made are left out" in caught.value.problems[0].hints


def test_an_interrupted_run_goes_on_as_one_that_was_not(folder: Path) -> None:
    del folder
    load_plugin(Path("my_act.py"))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(Listener(stop), arms=("my_act",))
    assert _records()["my_act"].status == "interrupted"
    assert _train(arms=("my_act",)) == ["my_act"]
    _train(arms=("my_act",), results_dir=Path("straight"))
    resumed, straight = _records()["my_act"], _records("straight")["my_act"]
    assert resumed.provenance.resumed == 1
    assert [e.train_loss for e in resumed.history] == [e.train_loss for e in straight.history]
    assert resumed.results == straight.results


TRIALS = {
    "shape": ("return x.mean(1)", "my_act.py: TypeError: MyAct of an input of shape (2, 8, 6, 6) gives (2, 6, 6)"),
    "type": ("return x, x", "my_act.py: TypeError: MyAct of an input of shape (2, 8, 6, 6) gives tuple"),
    "no gradient": ("return x.detach().abs()", "my_act.py: TypeError: MyAct lets no gradient through"),
    "exception": ("return x.sigmoyd()", "my_act.py:14: AttributeError: 'Tensor' object has no attribute"),
    "no copy": ("self.kept = x * 2; return self.kept", "my_act.py: RuntimeError: Only Tensors created explicitly"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "told"), TRIALS.values(), ids=TRIALS)
def test_what_cannot_be_trained_is_known_before_anything_is_spent(body: str, told: str, folder: Path) -> None:
    line = "return x * torch.sigmoid(self.beta * x) + self.gamma * x"
    assert SOURCE.count(line) == 1
    (folder / "my_act.py").write_text(SOURCE.replace(line, body))
    load_plugin(Path("my_act.py"))
    with pytest.raises(ActbenchError) as caught:
        _train()
    assert str(caught.value).startswith(told)
    assert not list(folder.rglob("*.json"))
    assert _train(arms=("relu",)) == ["relu"]


def test_what_it_raises_later_fails_its_own_run_alone(folder: Path) -> None:
    late = "        if x.shape[-1] != 6:\n            raise KeyError('late')\n        return x *"
    (folder / "my_act.py").write_text(SOURCE.replace("        return x *", late))
    load_plugin(Path("my_act.py"))
    (folder / "mine.yaml").write_text(
        RECIPE.replace("train: {", "seeds: 0..1\ntrain: {").replace("seeds: 0\n", "")
    )
    assert _train() == ["relu", "my_act", "relu", "my_act"]
    found = [
        (run.record.arm.name, run.record.status, run.record.reason)
        for run in Store(Path("results")).scan()[0]
    ]
    failed = ("my_act", "failed", "KeyError: 'late'")
    assert found == [failed, failed, ("relu", "completed", None), ("relu", "completed", None)]


def test_as_fill_with_options_of_its_own(folder: Path, catalogue: dict[str, ActivationEntry]) -> None:
    mine = "activation: MyAct, sites: stem, fill: Bare, fill_options: {power: 1}"
    (folder / "mine.yaml").write_text(RECIPE.replace("activation: MyAct", mine))
    (folder / "bare.py").write_text(
        "from torch import nn\n\n\nclass Bare(nn.Module):\n"
        "    def __init__(self, *, power: float = 2, on: bool = True) -> None:\n"
        "        super().__init__()\n        self.power = power\n\n"
        "    def forward(self, x):\n        return x.relu() * self.power\n"
    )
    load_plugin(Path("bare.py"))
    load_plugin(Path("my_act.py"))
    assert _train() == ["relu", "my_act"]
    tables = _tables()
    for names in (["Bare"], ["MyAct"], ["Bare", "MyAct"]):
        kept = {name: catalogue.pop(name) for name in names}
        assert compare(["mine.yaml"], check=True).exit_code == 0
        assert _tables() == tables
        catalogue.update(kept)
    arm = _records()["my_act"].arm
    assert (arm.chosen_options(), arm.chosen_fill_options()) == ({"beta": 2.0}, {"power": 1.0})
    assert sorted(arm.plugins) == ["Bare", "MyAct"]


def test_tokens_need_a_class_that_knows_where_channels_are(folder: Path) -> None:
    load_plugin(Path("my_act.py"))
    (recipe,) = load_recipe("mine.yaml").recipes
    try_plugins(recipe.arm("my_act"), [1])
    with pytest.raises(ActbenchError, match="takes num_channels and no channel_dim"):
        try_plugins(recipe.arm("my_act"), [1, -1])
    able = SOURCE.replace("num_channels: int,", "num_channels: int, channel_dim: int = 1,")
    able = able.replace(
        "(num_channels, 1, 1)", "(num_channels, 1, 1) if channel_dim == 1 else (num_channels,)"
    )
    (folder / "my_act.py").write_text(able)
    load_plugin(Path("my_act.py"))
    (recipe,) = load_recipe("mine.yaml").recipes
    try_plugins(recipe.arm("my_act"), [1, -1])
