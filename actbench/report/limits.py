"""What an answer does not reach: everything that a reader would hold against it, one sentence each."""

from actbench.comparison import Group
from actbench.footing import Mismatch
from actbench.report.words import name_of
from actbench.tables.words import listed


def limits(group: Group) -> list[str]:
    """In the order of weight; empty where there is nothing to say."""
    return [
        *_data(group),
        *_footing(group),
        *_diverged(group),
        *_missing(group),
        *_seeds(group),
        *_examples(group),
        *_protocol(group),
        *_scale(group),
        *_arms(group),
    ]


def _data(group: Group) -> list[str]:
    if not group.setting.synthetic:
        return []
    return ["The data are synthetic: no number here says anything about an activation on real data."]


def _footing(group: Group) -> list[str]:
    said = [
        f"Footing differs: {_runs(mismatch)} were trained otherwise than the others ({mismatch.difference}); what "
        "differs in their numbers may be that, and not the activation."
        for mismatch in group.mismatches
    ]
    if group.setting.source is not None:
        said.append(
            f"Footing not audited: the numbers were imported from {group.setting.source}, and nobody checked that the "
            "arms share data, settings and starts."
        )
    if group.setting.is_altered:
        said.append("Settings are not the recipe's as it stands: overridden, or the recipe was edited since.")
    return said


def _runs(mismatch: Mismatch) -> str:
    return listed([f"{arm} seed {', '.join(map(str, seeds))}" for arm, seeds in mismatch.seeds.items()])


def _diverged(group: Group) -> list[str]:
    parts = [
        f"{row.diverged} of {row.completed + row.diverged} runs of {row.name}"
        for row in group.rows
        if row.diverged
    ]
    if not parts:
        return []
    return [f"Diverged: {listed(parts)}. A mean is over the runs that did not, which flatters the arm."]


def _missing(group: Group) -> list[str]:
    lacking: dict[tuple[int, ...], list[str]] = {}
    for row in group.rows:
        if row.missing_seeds:
            lacking.setdefault(row.missing_seeds, []).append(row.name)
    parts = [
        f"{listed(arms)} (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})"
        for seeds, arms in lacking.items()
    ]
    return [f"Not finished: {listed(parts)}."] if parts else []


def _seeds(group: Group) -> list[str]:
    single = [row.name for row in group.rows if row.completed == 1]
    if not single:
        return []
    finished = [row for row in group.rows if row.completed]
    whose = "" if len(single) == len(finished) else f" of {listed(single)}"
    return [f"One seed{whose}: no interval and no test, and a second seed may turn any difference round."]


def _examples(group: Group) -> list[str]:
    pairs = list(
        dict.fromkeys(
            tuple(sorted((row.name, gap.baseline)))
            for row in group.rows
            for gap in row.gaps
            if gap.only_over_seeds
        )
    )
    if not pairs:
        return []
    named = listed([f"{first} and {second}" for first, second in pairs[:4]])
    named += f" and {len(pairs) - 4} further pairs" if len(pairs) > 4 else ""
    return [
        f"Over seeds alone the interval excludes zero for {named}; over seeds and test examples, both taken as "
        "samples, it does not."
    ]


def _protocol(group: Group) -> list[str]:
    if group.which == "best_test":
        gains = [row.optimism for row in group.rows if row.optimism is not None]
        size = f" by up to {100 * max(gains):.2f} points over the last epoch" if gains else ""
        return [f"Values are the best on the test set itself, which is optimistic{size}."]
    if group.setting.protocol == "best-test":
        return [
            "Protocol best-test: there was no validation set, and the test set was looked at as training went."
        ]
    return []


def _scale(group: Group) -> list[str]:
    setting = group.setting
    if setting.profile in (None, "paper") and not setting.synthetic:
        return (
            [f"{group.claim.stand_in[0].upper()}{group.claim.stand_in[1:]}."]
            if group.claim and group.claim.stand_in
            else []
        )
    epochs = f"{setting.epochs} epoch{'s' if setting.epochs != 1 else ''}"
    scale = f"Profile {setting.profile}: {epochs} of {setting.model} on {setting.data}"
    if group.paper:
        return [f"{scale}, a stand-in for the paper's setting; what is found here need not hold there."]
    return [f"{scale}; longer training may order the arms otherwise."]


def _arms(group: Group) -> list[str]:
    absent = [name_of(name) for name in group.absent_baselines]
    said = [f"Not among these arms, so not compared with: {listed(absent)}."] if absent else []
    plan = group.plan
    if plan is None:
        return said
    early = [arm.name for arm in plan.arms if plan.stays_in_phase_one(arm)]
    if early:
        said.append(f"{listed(early)} ended before its activation left its start.")
    return said
