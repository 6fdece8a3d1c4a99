"""What stands behind each cell: every number made again of the record files."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import get_args

import pytest
from scipy.special import stdtrit

import actbench
from actbench.compare import Selection, compare
from actbench.comparison import Group
from actbench.footing import Origin
from actbench.papers.reported import FOLDER, load_papers
from actbench.recipe.schema import Part, Recipe
from actbench.record import RunRecord
from actbench.selection import Sources, select
from actbench.store import Store, StoredRun
from actbench.tables.build import build_table
from actbench.tables.columns import WIDE
from actbench.trace import Trace, checks
from actbench.traced_runs import sides_of_records
from actbench.tracer import Tracer

MakeRun = Callable[..., RunRecord]
RESULTS = Path(actbench.__file__).resolve().parents[1] / "results"
# What was trained to tune, control or calibrate a recipe is no recipe of its own.
COMMITTED = sorted(
    (path.parent.name, path.name)
    for path in RESULTS.glob("*/*")
    if path.is_dir() and path.parent.suffix.removeprefix(".") not in get_args(Part)
)
TUNING = ("tuned_", "trials", "hours")
"""Columns whose records `--json` names under `evidence.tuned`; `trace` does not make them anew."""


def groups_of(recipe: str, profile: str) -> tuple[Group, ...]:
    selected = select(Sources([recipe], profile, (), RESULTS))  # type: ignore[arg-type]
    return compare(selected.selections, papers=load_papers()).groups


def read(group: Group) -> Tracer:
    return Tracer(group, sides_of_records(group, Store(RESULTS).read))


@pytest.mark.parametrize(("recipe", "profile"), COMMITTED)
def test_every_cell_of_every_committed_table_is_made_again(recipe: str, profile: str) -> None:
    groups = groups_of(recipe, profile)
    assert groups
    for group in groups:
        tracer = read(group)
        table = build_table(group, WIDE)
        assert len(table.rows) > 1
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if column.key.startswith(TUNING):
                    continue
                traced = tracer.cell(row.arm, column.key)
                found = checks(cell.numbers, traced.made)
                assert {check.name for check in found} == cell.numbers.keys(), (row.arm, column.key)
                assert all(check.agrees for check in found), (row.arm, column.key, found)
                if column.key == "verdict" and cell.text != "-":
                    assert traced.how[0] == f"judged anew: {cell.text}"


@pytest.mark.parametrize(("recipe", "profile"), COMMITTED[:2])
def test_the_listed_values_alone_give_the_means_and_their_intervals(recipe: str, profile: str) -> None:
    """By a hand's arithmetic on what is listed, without any of the program's statistics."""
    tried = 0
    for group in groups_of(recipe, profile):
        tracer = read(group)
        for row in group.rows:
            for baseline in group.baselines:
                traced = tracer.cell(row.name, f"vs_{baseline}")
                ours, theirs = listed(traced, row.name), listed(traced, baseline)
                if row.name == baseline or not ours or not theirs:
                    continue
                assert traced.made["difference"] == pytest.approx(fmean(ours) - fmean(theirs), abs=1e-12)
                tried += 1
            values = listed(tracer.cell(row.name, group.metric.key), row.name)
            made = tracer.cell(row.name, group.metric.key).made
            if len(values) > 1:
                n, mean = len(values), fmean(values)
                error = (sum((v - mean) ** 2 for v in values) / (n - 1) / n) ** 0.5
                assert made["high"] == pytest.approx(mean + stdtrit(n - 1, 0.975) * error, rel=1e-9)
    assert tried > 2


def listed(traced: Trace, role: str) -> list[float]:
    return [run.value for run in traced.runs if run.role == role and run.value is not None]


@pytest.fixture
def bench(
    make_recipe: Callable[..., Recipe], make_run: MakeRun
) -> Callable[..., tuple[Group, list[StoredRun]]]:
    """A group of three arms and two seeds, of LSLU's paper, one run diverged and one missing; and its records."""

    def make() -> tuple[Group, list[StoredRun]]:
        recipe = make_recipe(
            paper="lslu", table="lslu-table3-gain", claim="lslu-cifar100-gain", seeds=[0, 1, 2]
        )
        runs = [
            make_run(recipe, arm.name, seed, 5000 + 10 * seed + 7 * len(arm.name))
            for arm in recipe.arms
            for seed in recipe.seeds
            if (arm.name, seed) not in (("lslu", 2), ("swish", 1))
        ]
        runs.append(make_run(recipe, "lslu", 2, status="diverged"))
        stored = [StoredRun(Path(f"{run.arm.name}-{run.seed}.json"), run) for run in runs]
        origin = Origin(reference="mine", profile="lite")
        selection = Selection(plan=recipe, stored=tuple(stored), origin=origin)
        return compare([selection], papers=load_papers()).groups[0], stored

    return make


def again(group: Group, stored: list[StoredRun]) -> Tracer:
    return Tracer(group, sides_of_records(group, {run.path: run.record for run in stored}.__getitem__))


def test_runs_are_listed_with_what_became_of_them(
    bench: Callable[..., tuple[Group, list[StoredRun]]],
) -> None:
    group, stored = bench()
    traced = again(group, stored).cell("lslu", "vs_swish")
    assert [(run.role, run.seed, run.status, run.counts) for run in traced.runs] == [
        ("lslu", 0, "completed", "5028 of 10000"),
        ("lslu", 1, "completed", "5038 of 10000"),
        ("lslu", 2, "diverged", None),
        ("swish", 0, "completed", "5035 of 10000"),
        ("swish", 2, "completed", "5055 of 10000"),
    ]
    assert traced.runs[2].reason == "loss not finite at epoch 3, step 7"
    assert traced.runs[0].epoch == 30
    assert traced.missing == {"swish": (1,)}


def test_a_record_that_changed_since_is_seen(bench: Callable[..., tuple[Group, list[StoredRun]]]) -> None:
    group, stored = bench()
    table = build_table(group, WIDE)
    cell = next(row for row in table.rows if row.arm == "series").cells[0]
    records = {run.path: run.record for run in stored if isinstance(run.record, RunRecord)}
    assert all(
        check.agrees
        for check in checks(
            cell.numbers,
            Tracer(group, sides_of_records(group, records.__getitem__)).cell("series", "top1").made,
        )
    )
    path = Path("series-1.json")
    result = records[path].results[0]
    tally = result.tally.model_copy(update={"correct": 1})
    records[path] = records[path].model_copy(
        update={"results": (result.model_copy(update={"tally": tally}),)}
    )
    found = checks(
        cell.numbers, Tracer(group, sides_of_records(group, records.__getitem__)).cell("series", "top1").made
    )
    assert {check.name for check in found if not check.agrees} == {"mean", "low", "high", "sd"}


def test_the_family_is_every_test_once(bench: Callable[..., tuple[Group, list[StoredRun]]]) -> None:
    group, stored = bench()
    traced = again(group, stored).cell("lslu", "vs_relu")
    pairs = [(test.arm, test.baseline) for test in traced.family]
    assert len(pairs) == len({frozenset(pair) for pair in pairs})
    assert sum(test.p is not None for test in traced.family) == group.family
    (own,) = (test for test in traced.family if (test.arm, test.baseline) == ("lslu", "relu"))
    assert own.p_holm == traced.made["p_holm"]


def test_a_paper_s_value_is_told_with_the_line_that_holds_it(
    bench: Callable[..., tuple[Group, list[StoredRun]]],
) -> None:
    group, stored = bench()
    traced = again(group, stored).cell("lslu", "vs_series")
    (value,) = traced.reported
    assert value.value == 3.17
    assert "value: 3.17" in line_at(value.place)
    assert traced.claim is not None
    assert "id: lslu-cifar100-gain" in line_at(traced.claim.rpartition("(")[2].rstrip(")"))


def line_at(place: str) -> str:
    file, _, number = place.rpartition(":")
    return (FOLDER / Path(file).name).read_text().splitlines()[int(number) - 1]


def test_every_value_and_claim_of_every_paper_has_its_line() -> None:
    from actbench.papers.places import place_of_claim, place_of_value

    for paper in load_papers().values():
        for table in paper.tables:
            for row in table.rows:
                line = line_at(place_of_value(paper, table, row))
                (text,) = re.findall(r"\bvalue: ([^,}\s]+)", line)
                assert (None if text == "null" else float(text)) == row.value, (
                    paper.paper.key,
                    table.id,
                    line,
                )
        for claim in paper.claims:
            assert claim.id in line_at(place_of_claim(paper, claim))
