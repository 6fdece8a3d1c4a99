"""On what data, with which versions and machines the runs were made."""

from collections import Counter
from collections.abc import Callable, Sequence

from actbench.comparison import Group
from actbench.record import RunRecord
from actbench.report.grid import Field, facts, grid
from actbench.report.markup import Child, Html, code, element, join
from actbench.report.runs import commit, duration

MAX_SITES = 6
"""So many sites with one kernel are named; of more, how many there are."""


def data_section(group: Group) -> Html:
    """The data's size and the fingerprint that every run's footing covers."""
    data = group.data
    assert data is not None
    noun = "sentences" if group.setting.task == "text" else "images"
    val = f", {data.val:,} for validation" if data.val else ""
    return facts(
        [
            ("data", group.setting.data + (" (synthetic)" if data.synthetic else "")),
            (
                "size",
                f"{data.train:,} {noun} for training{val}, {data.test:,} for the test; {data.num_classes} classes",
            ),
            ("protocol", group.setting.protocol),
            ("fingerprint", element("code", data.fingerprint)),
        ]
    )


def machines_section(records: Sequence[RunRecord]) -> Html:
    """Versions, hardware and time; where runs differ in one of these, how many have what."""
    made = [record.provenance for record in records]
    names = sorted({name for provenance in made for name in provenance.packages})
    pairs: list[tuple[str, Child]] = [
        (
            "source",
            _each(
                records,
                lambda record: f"commit {commit(record)}" if record.provenance.commit else commit(record),
            ),
        ),
        ("actbench", _each(records, lambda record: record.provenance.actbench)),
        ("Python", _each(records, lambda record: record.provenance.python)),
        ("torch", _each(records, lambda record: record.provenance.torch)),
        *((name, _each(records, _package(name))) for name in names),
        ("device", _each(records, lambda record: record.provenance.device)),
        ("hardware", _each(records, lambda record: record.provenance.hardware)),
        ("threads", _each(records, lambda record: str(record.provenance.threads))),
        ("runs at a time", _each(records, lambda record: str(record.provenance.shared_by))),
        ("allocator", _each(records, lambda record: record.provenance.allocator)),
        ("precision", _each(records, lambda record: f"amp {record.recipe.train.amp}")),
        ("interrupted", _each(records, lambda record: _resumed(record.provenance.resumed))),
        ("wall time", f"{duration(sum(p.wall_time_s for p in made))} in all"),
    ]
    return facts(pairs)


def _package(name: str) -> Callable[[RunRecord], str]:
    return lambda record: record.provenance.packages.get(name, "not there")


def _resumed(times: int) -> str:
    return f"taken up again {times} time{'s' if times > 1 else ''}" if times else "never"


def _each(records: Sequence[RunRecord], read: Callable[[RunRecord], str]) -> Html:
    """The value, or every value with how many runs have it."""
    counts = Counter(read(record) for record in records)
    if len(counts) == 1:
        return join(counts)
    return join([f"{value} ({number} runs)" for value, number in sorted(counts.items())], between="; ")


def kernels_table(records: Sequence[RunRecord]) -> Html:
    """Which code computed the activations at which sites; arms for which it was the same together."""
    used: dict[str, dict[str, dict[str, None]]] = {}
    for record in records:
        kernels = used.setdefault(record.arm.name, {})
        for site, kernel in record.backends.items():
            kernels.setdefault(kernel, {})[site] = None
    arms: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, kernels in used.items():
        for kernel, sites in (kernels or {"not recorded": {}}).items():
            arms.setdefault((kernel, tuple(sites)), []).append(name)
    return grid(
        "What computed the activations, by site",
        ("arms", "kernel", "sites"),
        [
            [
                "all" if len(names) == len(used) else ", ".join(names),
                kernel,
                Field(text=_sites(sites), sort=str(len(sites))),
            ]
            for (kernel, sites), names in arms.items()
        ],
    )


def _sites(sites: Sequence[str]) -> Html:
    if len(sites) <= MAX_SITES:
        return join([code(site) for site in sites], between=", ")
    return join([f"{len(sites)}: ", code(sites[0]), " to ", code(sites[-1])])
