"""Usage costs little more than the library that prints it: by the modules that it loads, and by the clock."""

import json
import resource
import statistics
import subprocess
import sys

import pytest

TELL = "import json, sys\nprint(json.dumps(sorted(sys.modules)))"
USAGE = (
    "import sys\nfrom actbench.cli import main\nsys.argv = ['actbench', '--help']\n"
    "try:\n    main()\nexcept SystemExit:\n    pass\n"
)


def _loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{TELL}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_usage_loads_the_command_line_and_typer_alone() -> None:
    beyond = _loaded(USAGE) - _loaded("import typer")
    ours = {name for name in beyond if name.split(".")[0] == "actbench"}
    assert "actbench.cli.bench" in ours
    assert {name for name in ours if not name.startswith("actbench.cli")} == {"actbench", "actbench.errors"}
    assert {name.split(".")[0] for name in beyond - ours} <= {"typer", "gc"}


def test_data_classes_that_a_comparison_loads_have_docstrings() -> None:
    """Without one, dataclass makes it of the signature, which takes as long as all else that it does."""
    code = (
        "import dataclasses, sys\nimport actbench.commands.compare\n"
        "kinds = {kind for name, module in sys.modules.items() if name.startswith('actbench')"
        " for kind in vars(module).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)"
        " and kind.__module__.startswith('actbench')}\n"
        "print(len(kinds), *(kind for kind in kinds if kind.__doc__.startswith(f'{kind.__name__}(')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *without = done.stdout.split()
    assert int(count) > 30
    assert without == []


def _cpu_s(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_help_costs_at_most_a_fifth_more_than_typer_and_rich() -> None:
    ratios = []
    for _ in range(16):
        usage = _cpu_s("-m", "actbench", "--help")
        ratios.append(usage / _cpu_s("-c", "import typer, rich, rich.console"))
    assert statistics.median(ratios[1:]) <= 1.2  # the first compiles to bytecode
