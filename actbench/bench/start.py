"""What the start of the program costs, beside the libraries that print its usage."""

import subprocess
import sys

from actbench.bench.timing import Spread, ratios, spread

_USAGE = ("-m", "actbench", "--help")
_LIBRARIES = ("-c", "import typer, rich, rich.console")


def usage_over_libraries(rounds: int) -> Spread:
    """CPU time of `actbench --help` over that of importing typer and rich alone, each in a process of its own."""
    times: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = (_cpu_s(*_USAGE), _cpu_s(*_LIBRARIES))
        if number:  # the first compiles to bytecode
            times.append(pair)
    usage, libraries = zip(*times, strict=True)
    return spread(ratios(usage, libraries))


def _cpu_s(*arguments: str) -> float:
    """Of a Python process, the system's share included. Only on systems that have `resource`."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
