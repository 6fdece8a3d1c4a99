"""A user's activations enter the catalogue from a file or a package, and their mistakes are told at their lines."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import actbench
from actbench.activations.catalog import ActivationEntry, Slot
from actbench.activations.plugins import find_entry, load_plugin, offered_by_packages
from actbench.activations.signature import Signature
from actbench.errors import ActbenchError

pytestmark = pytest.mark.usefixtures("catalogue")

SOURCE = '''\
import torch
from torch import nn


class MyAct(nn.Module):
    """x * sigmoid(beta * x).

    Not for the listing.
    """

    def __init__(self, num_channels: int, *, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.full((num_channels, 1, 1), beta))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class Bare(nn.Module):
    def forward(self, x):
        return x.abs()


class _Helper(nn.Module):
    def __init__(self, anything):
        super().__init__()
'''


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)

    def write_one(text: str = SOURCE, name: str = "my_act.py") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_one


def test_public_classes_become_activations(write: Callable[..., Path]) -> None:
    entries = {entry.name: entry for entry in load_plugin(write())}
    assert list(entries) == ["MyAct", "Bare"]
    mine = entries["MyAct"]
    assert (mine.summary, mine.source) == ("x * sigmoid(beta * x).", "my_act.py")
    assert Signature(mine.arguments, type(mine.options())).options().model_dump() == {"beta": 1.0}
    assert mine.plugin is not None
    assert mine.plugin.defaults == {"beta": 1.0}
    made = actbench.create_activation("MyAct", 3, beta=2)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(made(x), x * torch.sigmoid(2 * x))
    assert made is not actbench.create_activation("MyAct", 3)
    assert torch.equal(actbench.create_activation("Bare", 3)(x), x.abs())
    with pytest.raises(ActbenchError, match="unknown option 'gamma'"):
        actbench.create_activation("MyAct", 3, gamma=1.0)
    with pytest.raises(ActbenchError, match="takes num_channels and no channel_dim"):
        actbench.create_activation("MyAct", 3, channel_dim=-1)


def test_all_says_what_is_public(write: Callable[..., Path]) -> None:
    text = SOURCE.replace("_Helper", "Helper") + '\n__all__ = ["MyAct"]\n'
    assert [entry.name for entry in load_plugin(write(text))] == ["MyAct"]


def test_the_hash_is_that_of_the_file(write: Callable[..., Path]) -> None:
    path = write()
    told = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    (first, *_) = load_plugin(path)
    assert first.plugin is not None
    assert first.plugin.sha256 == told.split()[0]
    (second, *_) = load_plugin(write(SOURCE + "# edited\n"))
    assert second.plugin is not None
    assert second.plugin.sha256 != first.plugin.sha256


def test_a_file_loaded_again_replaces_what_it_gave(
    write: Callable[..., Path], catalogue: dict[str, ActivationEntry]
) -> None:
    load_plugin(write())
    load_plugin(write(SOURCE.replace("class Bare", "class Bald").replace("sigmoid(self", "tanh(self")))
    assert "Bare" not in catalogue
    assert "Bald" in catalogue
    x = torch.randn(1, 2, 2, 2)
    assert torch.equal(actbench.create_activation("MyAct", 2)(x), x * torch.tanh(x))


def test_what_a_file_prints_is_no_result(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    load_plugin(write(SOURCE + "print('hello')\n"))
    assert capsys.readouterr() == ("", "hello\n")


BROKEN = {
    "syntax": ("def f(:\n", "my_act.py:1: SyntaxError: invalid syntax"),
    "import": ("\nimport nowhere_at_all\n", "my_act.py:2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "exception": ("import math\n\ndef f():\n    return math.sqrt(-1)\n\nf()\n", "my_act.py:4: ValueError: "),
    "exit": ("raise SystemExit(3)\n", "my_act.py:1: SystemExit: 3"),
    "nothing": ("x = 1\n", "my_act.py: defines no activation"),
    "function": ("def my_act(x):\n    return x\n", "my_act.py: defines no activation"),
    "neighbour": ("import torch\ndef f():\n    import beside\n", "my_act.py:3: imports 'beside', which lies beside it"),
    "neighbour's part": ("from beside.part import x\n", "my_act.py:1: imports 'beside', which lies beside it"),
    "relative": ("from . import beside\n", "my_act.py:1: imports relatively"),
    "option": (SOURCE.replace("beta: float = 1.0", "beta"), "my_act.py:5: class MyAct: option 'beta' has no default"),
    "built in": (SOURCE.replace("Bare", "relu"), "my_act.py: 'relu' is built in and cannot be overridden"),
    "native": (SOURCE.replace("Bare", "native"), "my_act.py: 'native' is built in and cannot be overridden"),
    "null": ("x = 1\0\n", "my_act.py"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_told_and_leave_nothing_behind(
    text: str, told: str, write: Callable[..., Path], catalogue: dict[str, ActivationEntry]
) -> None:
    write("x = 1\n", "beside.py")
    before = dict(catalogue)
    with pytest.raises(ActbenchError) as caught:
        load_plugin(write(text))
    assert str(caught.value).startswith(told)
    assert catalogue == before


def test_a_module_in_the_current_folder_is_refused_too(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m actbench` finds it, and no hash sees it change."""
    path = write("from nearby import x\n" + SOURCE).resolve()
    here = tmp_path / "here"
    here.mkdir()
    (here / "nearby.py").write_text("x = 1\n")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    with pytest.raises(ActbenchError, match=":1: imports 'nearby', which lies in the current folder"):
        load_plugin(path)


def test_actbench_itself_may_lie_beside_the_file(write: Callable[..., Path], tmp_path: Path) -> None:
    """As it does beside a file at the top of a checkout."""
    (tmp_path / "actbench").mkdir()
    (tmp_path / "actbench" / "__init__.py").touch()
    assert load_plugin(write("from actbench.errors import ActbenchError\n" + SOURCE))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ActbenchError, match="cannot be read: No such file"):
        load_plugin(tmp_path / "none.py")


def test_two_files_with_one_name(write: Callable[..., Path]) -> None:
    load_plugin(write())
    with pytest.raises(ActbenchError, match=r"'MyAct' is an activation of my_act\.py already"):
        load_plugin(write(SOURCE + "# another\n", "other.py"))


def test_what_a_constructor_raises_is_told_at_its_line(write: Callable[..., Path]) -> None:
    text = SOURCE.replace("        self.beta = nn", "        self.alpha\n        self.beta = nn")
    load_plugin(write(text))
    with pytest.raises(ActbenchError, match=r"^my_act.py:13: AttributeError: .*alpha"):
        actbench.create_activation("MyAct", 3)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package `my_acts` 1.2 that offers MyAct, and one that offers a built-in name."""
    folder = tmp_path / "site"
    (folder / "my_acts").mkdir(parents=True)
    (folder / "my_acts" / "__init__.py").write_text("raise_nothing = True\n")
    (folder / "my_acts" / "acts.py").write_text(SOURCE)
    for name, points in (
        ("my_acts", "MyAct = my_acts.acts:MyAct\nGone = my_acts.nowhere:X\nNone_ = my_acts.acts:torch"),
        ("rude", "relu = my_acts.acts:Bare"),
    ):
        info = folder / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[actbench.activations]\n{points}\n")
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_acts"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_a_package_is_imported_when_it_is_named(package: Path, catalogue: dict[str, ActivationEntry]) -> None:
    assert package.is_dir()
    assert {"MyAct", "Gone", "None_"} <= set(offered_by_packages())
    assert "relu" not in offered_by_packages()
    assert find_entry("relu") is catalogue["relu"]
    assert catalogue["relu"].plugin is None
    assert "my_acts" not in sys.modules
    actbench.create_activation("MyAct", 3)
    assert "my_acts.acts" in sys.modules
    source = catalogue["MyAct"].plugin
    assert source is not None
    assert (source.package, source.file) == ("my_acts 1.2", None)
    with pytest.raises(
        ActbenchError, match=r"Gone = my_acts\.nowhere:X of my_acts 1\.2: ModuleNotFoundError"
    ):
        find_entry("Gone")
    with pytest.raises(ActbenchError, match="is no class of torch"):
        find_entry("None_")


def test_any_edit_of_a_package_changes_its_hash(package: Path, catalogue: dict[str, ActivationEntry]) -> None:
    found = []
    for edited in (None, "__init__.py", "new.py", "kernel.cpp"):
        if edited:
            with (package / "my_acts" / edited).open("a") as file:
                file.write("// edited" if edited.endswith("cpp") else "# edited")
        catalogue.pop("MyAct", None)
        entry = find_entry("MyAct")
        assert entry is not None
        assert entry.plugin is not None
        found.append(entry.plugin.sha256)
    assert len(set(found)) == 4
    cache = package / "my_acts" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "x.pyc").write_bytes(b"x")
    catalogue.pop("MyAct")
    entry = find_entry("MyAct")
    assert entry is not None
    assert entry.plugin is not None
    assert entry.plugin.sha256 == found[-1]


def test_listing_imports_no_package(package: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom actbench.cli import main\nsys.argv = ['actbench', 'ls', 'arms']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print(*[m for m in ('torch', 'my_acts') if m in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{package}:{Path(actbench.__file__).parents[1]}"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "MyAct" in done.stdout


@pytest.mark.parametrize(
    ("declared", "options"), [('"slot_depthwise"', {}), ('("slot_depthwise", {"n": 1})', {"n": 1})]
)
def test_a_class_names_the_slot_of_its_curve(
    write: Callable[..., Path], declared: str, options: dict[str, int]
) -> None:
    text = SOURCE.replace("class Bare(nn.Module):\n", f"class Bare(nn.Module):\n    slot = {declared}\n\n")
    entries = {entry.name: entry for entry in load_plugin(write(text))}
    assert entries["Bare"].slot == Slot(activation="slot_depthwise", options=options)
    assert entries["MyAct"].slot is None


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            '"relu"',
            "slot: must be one of slot_depthwise, slot_gated, slot_groups, or a pair of it and its options",
        ),
        ("3", "slot: must be one of slot_depthwise, slot_gated, slot_groups"),
        ('("slot_depthwise", {"n": 0})', "slot: Input should be greater than or equal to 1"),
        ('("slot_depthwise", {"m": 1})', "slot: Extra inputs are not permitted"),
    ],
)
def test_a_slot_that_there_is_not_is_told_with_the_line_of_its_class(
    write: Callable[..., Path], declared: str, message: str
) -> None:
    text = SOURCE.replace("class Bare(nn.Module):\n", f"class Bare(nn.Module):\n    slot = {declared}\n\n")
    with pytest.raises(ActbenchError) as caught:
        load_plugin(write(text))
    assert str(caught.value).startswith(f"my_act.py:19: class Bare: {message}")
