"""Imports point one way, and the reading half starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import actbench

PACKAGE = Path(actbench.__file__).parent
LEAVES = ("activations", "models", "data")
BOTTOM = ("errors", "frozen", "gain", "native", "streams", "user_cache")
HEAVY = ("torch", "torchvision", "timm", "scipy.stats", "matplotlib", "sklearn", "transformers")

READING_HALF = [
    "actbench",
    "actbench.bench.allocator",
    "actbench.bench.bars",
    "actbench.cli",
    "actbench.commands.bench.bars",
    "actbench.commands.bench.model",
    "actbench.commands.bench.ops",
    "actbench.commands.bench.pipeline",
    "actbench.commands.calibrate",
    "actbench.commands.check",
    "actbench.commands.compare",
    "actbench.commands.cp",
    "actbench.commands.diff",
    "actbench.commands.eval",
    "actbench.commands.export_table",
    "actbench.commands.import_runs",
    "actbench.commands.ls",
    "actbench.commands.plot",
    "actbench.commands.power",
    "actbench.commands.plot.compared",
    "actbench.commands.plot.curves",
    "actbench.commands.plot.lr",
    "actbench.commands.plot.shapes",
    "actbench.commands.plot.compared",
    "actbench.commands.plot.curves",
    "actbench.commands.plot.shapes",
    "actbench.commands.power",
    "actbench.commands.report",
    "actbench.commands.show",
    "actbench.commands.trace",
    "actbench.commands.train",
    "actbench.commands.training",
    "actbench.commands.validate",
    "actbench.compare",
    "actbench.fair.tuning",
    "actbench.papers.reported",
    "actbench.plots.figure",
    "actbench.plots.shapes",
    "actbench.provenance",
    "actbench.recipe.load",
    "actbench.recipe.plan",
    "actbench.stats",
    "actbench.store",
    "actbench.activations.catalog",
    "actbench.activations.plugins",
    "actbench.models.catalog",
    "actbench.data.catalog",
]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name.removeprefix("actbench.").split(".")[0] for name in found if name.startswith("actbench.")}


def _rank(room: str) -> int:
    if room in BOTTOM:
        return 0
    if room in LEAVES:
        return 1
    return {"commands": 3, "cli": 4, "__main__": 5}.get(room, 2)


def test_imports_point_one_way() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 40
    wrong = []
    for path in files:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue  # the lazy public names reach everywhere by design
        for target in _imports(path):
            upward = _rank(target) > _rank(room)
            sideways = room in LEAVES and target in LEAVES and target != room
            if target != "__version__" and (upward or sideways):
                wrong.append(f"{path.relative_to(PACKAGE)} imports actbench.{target}")
    assert wrong == []


@pytest.mark.parametrize("module", READING_HALF)
def test_the_reading_half_loads_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["ls", "recipes"], ["ls", "arms"], ["validate", "demo_digits"], ["show", "demo_digits"]],
)
def test_commands_that_only_read_load_no_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom actbench.cli import main\n"
        f"sys.argv = ['actbench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_only_the_command_line_prints() -> None:
    printing = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert {path.split("/")[0] for path in printing} == {"cli"}
