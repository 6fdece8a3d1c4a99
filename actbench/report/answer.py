"""The question that a comparison answers, and the answer in two or three sentences made from its numbers.

Careful words: a difference is significant after Holm's correction, or it is not shown and what these seeds would have
found stands beside it; with one seed nothing is tested. What the answer does not reach is told in `limits.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.comparison import ArmRow, Gap, Group
from actbench.report.words import name_of, of_tests, over_seeds, p_value, reach
from actbench.stats.contrasts import METHOD_NAMES
from actbench.tables.words import listed, percent, points

FEW = 2
"""So many arms have a sentence each; more are counted."""
NAMED = 4
"""So many arms of a kind are named."""
_CLOCKS = {"cpu": "CPU time", "wall": "wall time", None: "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    question: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def answer(group: Group) -> Answer:
    """What this comparison asks, and what came of it."""
    rows = subjects(group)
    if not any(row.value for row in group.rows):
        said = ["No run of this comparison is completed, so there is no answer yet."]
    elif len(rows) <= FEW:
        said = [_about(row, group) for row in rows]
    elif group.main_baselines:
        said = [_counted(rows, name, group) for name in group.main_baselines]
    else:
        said = [f"There is no baseline to hold these {len(rows)} arms against."]
    if group.mismatches:
        said = [
            "Not all these runs stand on one footing, so a difference may come of what else differs.",
            *said,
        ]
    if group.setting.synthetic:
        said = [
            "These data are synthetic: the numbers show that the tool works, and nothing of any activation.",
            *said,
        ]
    return Answer(question=question(group, rows), sentences=(*said, *_cost(rows, group)))


def subjects(group: Group) -> tuple[ArmRow, ...]:
    """The arms that the question is about: those of the claim, or all but the main baselines."""
    claimed = [row for row in group.rows if group.claim and row.name in group.claim.arms]
    others = [row for row in group.rows if row.name not in group.main_baselines]
    return tuple(claimed or others or group.rows)


def question(group: Group, rows: Sequence[ArmRow]) -> str:
    """`How does lslu do against ReLU and Swish on CIFAR-100 with VanillaNet-5?`"""
    setting, names = group.setting, [row.name for row in rows]
    who = listed([name_of(name) for name in names]) if len(names) <= NAMED else f"{len(names)} activations"
    against = [name_of(name) for name in group.main_baselines if name not in names]
    parts = [
        f"How {'does' if len(names) == 1 else 'do'} {who} do",
        f"against {listed(against)}" if against else "",
        f"on {setting.data}" if setting.data else "",
        f"with {setting.model}" if setting.model else "",
    ]
    return " ".join(part for part in parts if part) + (
        f", variant {setting.variant}?" if setting.variant else "?"
    )


def _about(row: ArmRow, group: Group) -> str:
    """One arm: what it reaches, and how it stands to every main baseline."""
    name = name_of(row.name)
    if row.value is None:
        why = f": {row.diverged} of {row.diverged} diverged" if row.diverged else ""
        return f"{name} has no completed run{why}."
    spread = row.value.interval if row.value.interval and not row.value.is_level else None
    known = f" (95 % interval {percent(spread.low)} to {percent(spread.high)})" if spread else ""
    value = f"{percent(row.value.value)} % {group.metric.noun}"
    reached = f"{name} reaches {value}{known} {over_seeds(row.completed)}"
    gaps = [gap for gap in row.gaps if gap.baseline in group.main_baselines and gap.baseline != row.name]
    if not gaps:
        return f"{reached}; there is no baseline to hold it against."
    kinds: dict[str, list[Gap]] = {}
    for gap in gaps:
        kinds.setdefault(_kind(gap), []).append(gap)
    said = [_relation(kind, members) for kind, members in kinds.items()]
    tested = any(gap.p_holm is not None for gap in gaps)
    return f"{reached}: {'; '.join(said)}{_by(group, gaps) if tested else ''}."


def _kind(gap: Gap) -> str:
    if gap.difference is None:
        return "no run"
    if gap.p_holm is None:
        return "level" if gap.difference.is_level else "one seed"
    if not gap.is_significant:
        return "open"
    return "higher" if gap.difference.value > 0 else "lower"


def _relation(kind: str, gaps: Sequence[Gap]) -> str:
    """How an arm stands to baselines to which it stands in one way."""
    if kind == "no run":
        return f"not held against {listed([name_of(gap.baseline) for gap in gaps], 'or')}, without a completed run"
    if kind in ("level", "one seed"):
        sides = listed([_side(gap) for gap in gaps])
        why = (
            "which one seed cannot tell from chance"
            if kind == "one seed"
            else "in every seed alike, so untested"
        )
        return f"{sides}, {why}"
    details = [(name_of(gap.baseline), _detail(gap)) for gap in gaps]
    if kind == "open":
        return f"not shown to differ {listed([f'from {name} ({detail})' for name, detail in details], 'or')}"
    return f"significantly {kind} {listed([f'than {name} ({detail})' for name, detail in details])}"


def _detail(gap: Gap) -> str:
    assert gap.difference is not None
    assert gap.p_holm is not None
    interval = gap.difference.interval
    parts = [
        f"{points(gap.difference.value)} points",
        *([reach(interval)] if interval else []),
        p_value(gap.p_holm),
    ]
    if not gap.is_significant and gap.detectable is not None:
        parts.append(f"80 % power from {percent(gap.detectable)} points on")
    return ", ".join(parts)


def _side(gap: Gap) -> str:
    assert gap.difference is not None
    size = percent(abs(gap.difference.value))
    if size == "0.00":
        return f"level with {name_of(gap.baseline)}"
    return f"{size} points {'above' if gap.difference.value > 0 else 'below'} {name_of(gap.baseline)}"


def _by(group: Group, gaps: Sequence[Gap]) -> str:
    """The method that was used, which is Welch's where two arms lack the seeds in common that the group's own needs."""
    tested = [gap for gap in gaps if gap.contrast is not None and gap.p_holm is not None]
    methods = dict.fromkeys(METHOD_NAMES[gap.contrast.method] for gap in tested if gap.contrast is not None)
    is_told = any(gap.detectable is not None and not gap.is_significant for gap in tested)
    power = " (power: of a single test)" if is_told else ""
    return f", by {listed(list(methods))} with Holm's correction over {of_tests(group.family)}{power}"


def _counted(rows: Sequence[ArmRow], baseline: str, group: Group) -> str:
    """Many arms against one baseline: how many differ, and which most."""
    against = f"Against {name_of(baseline)}"
    gaps = [(row.name, gap) for row in rows for gap in row.gaps if gap.baseline == baseline != row.name]
    known = [(gap.difference.value, name, gap) for name, gap in gaps if gap.difference]
    known.sort(key=lambda item: (-item[0], item[1]))
    tested = [(value, name, gap) for value, name, gap in known if gap.p_holm is not None]
    if not known:
        return f"{against} nothing can be said: no arm has a completed run beside it."
    if not tested:
        (most, high, _), (least, low, _) = known[0], known[-1]
        return (
            f"{against} nothing is tested, with one seed or no spread: differences run from {points(least)} ({low}) to "
            f"{points(most)} points ({high})."
        )
    higher = [(value, name) for value, name, gap in tested if gap.is_significant and value > 0]
    lower = [(value, name) for value, name, gap in reversed(tested) if gap.is_significant and value < 0]
    open_ = [gap for _, _, gap in tested if not gap.is_significant]
    number = f"{len(tested)} arms" if len(tested) > 1 else "one arm"
    parts = [f"{_count(len(higher), f' of {number}')} significantly higher{_named(higher)}"]
    parts += [f"{_count(len(lower))} significantly lower{_named(lower)}"] if lower else []
    parts += [f"{_count(len(open_))} not shown to differ{_power(open_)}"] if open_ else []
    by = _by(group, [gap for _, _, gap in tested]) if baseline == group.main_baselines[0] else ""
    return f"{against} {listed(parts)}{by}."


def _count(number: int, of: str = "") -> str:
    return f"{number}{of} are" if number > 1 else f"{'one' if number else 'none'}{of} is"


def _named(arms: Sequence[tuple[float, str]]) -> str:
    if not arms:
        return ""
    shown = [f"{name} {points(value)}" for value, name in arms[:NAMED]]
    return f" ({', '.join(shown)}{f', {len(arms) - NAMED} more' if len(arms) > NAMED else ''})"


def _power(gaps: Sequence[Gap]) -> str:
    sizes = [gap.detectable for gap in gaps if gap.detectable is not None]
    if not sizes:
        return ""
    low, high = percent(min(sizes)), percent(max(sizes))
    return f" (80 % power from {low if low == high else f'{low} to {high}'} points on)"


def _cost(rows: Sequence[ArmRow], group: Group) -> list[str]:
    """What an update takes beside the first baseline."""
    if not group.baselines or not any(row.completed for row in rows):
        return []
    first = group.baselines[0]
    timed = [
        (row.step_time_ratio, row) for row in rows if row.step_time_ratio is not None and row.name != first
    ]
    timed.sort(key=lambda item: (item[0], item[1].name))
    beside = f"as long as with {name_of(first)}"
    if not timed:
        return [f"What an update costs beside {name_of(first)} was not measured on one machine."]
    (least, cheap), (most, dear) = timed[0], timed[-1]
    clock = _CLOCKS[cheap.step_clock]
    if len(timed) == 1:
        return [f"An update with {name_of(cheap.name)} takes {least:.2f} times {beside} ({clock})."]
    ends = f"{least:.2f} ({name_of(cheap.name)}) to {most:.2f} times ({name_of(dear.name)})"
    return [f"An update takes {ends} {beside} ({clock})."]
