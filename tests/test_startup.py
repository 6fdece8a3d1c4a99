"""Usage costs little more than the library that prints it: by the modules that it loads, and by the clock."""

import json
import subprocess
import sys

import pytest

from actbench.bench.start import usage_over_libraries

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


@pytest.mark.slow
def test_help_costs_at_most_a_fifth_more_than_typer_and_rich() -> None:
    assert usage_over_libraries(15).median <= 1.2
