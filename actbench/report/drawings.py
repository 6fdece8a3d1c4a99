"""Which figures a chapter has, and what is said beneath and instead of each."""

from collections.abc import Sequence

from actbench.comparison import Group
from actbench.report.chapter import ReadRun
from actbench.report.figures import Drawing


def draw(group: Group, runs: Sequence[ReadRun]) -> tuple[Drawing, ...]:
    return ()
