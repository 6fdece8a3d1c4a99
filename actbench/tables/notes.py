"""The notes below a table: everything that a reader must know to take its numbers for what they are."""

import json
from collections.abc import Iterator

from actbench.comparison import ArmRow, Gap, Group
from actbench.frozen import OptionValue
from actbench.papers.matching import (
    Reported,
    data_label,
    model_label,
    resolved_activation,
)
from actbench.recipe.hashing import flatten
from actbench.recipe.schema import Arm, Recipe
from actbench.tables.columns import Columns
from actbench.tables.table import Note

_WHICH = {
    "last": "after the last epoch",
    "best_val": "after the epoch that was best on validation",
    "best_test": "after the epoch that was best on the test set itself",
}
_CLOCKS = {"cpu": "CPU time", "wall": "wall time"}


def table_notes(group: Group, shown: Columns) -> tuple[tuple[Note, ...], dict[str, str]]:
    """All notes in order, and the mark that each arm with a note of its own bears."""
    described = {row.name: text for row in group.rows if (text := _arm(row.arm, group.plan))}
    marks = {name: str(number) for number, name in enumerate(described, 1)}
    texts = [
        _runs(group),
        _evaluation(group),
        *_attack(group),
        *_intervals(group),
        *_seeds(group),
        *(_detectable(group) if "differences" in shown else ()),
        *_comparisons(group),
        *_costs(group, shown),
        *_reported(group),
    ]
    notes = [Note(mark=marks[name], text=text) for name, text in described.items()]
    return tuple(notes + [Note(mark="", text=text) for text in texts]), marks


def _arm(arm: Arm, plan: Recipe) -> str:
    """What an arm is, where its name does not say it all; empty where it does."""
    parts: list[str] = []
    if arm.activation != arm.name:
        parts.append(
            f"the network's own activation, {resolved_activation(arm, plan)}"
            if arm.activation == "native"
            else f"activation {arm.activation}"
        )
    parts += _options(arm.chosen_options())
    if arm.sites != "all":
        where = "the stem" if arm.sites == "stem" else f"sites {', '.join(arm.sites)}"
        fill = " ".join([arm.fill, *(f"({text})" for text in _options(arm.chosen_fill_options()))])
        parts.append(f"only at {where}, {fill} elsewhere")
    own = arm.model.changes().items()
    parts += [f"the model's {key} = {json.dumps(value)} for it alone" for key, value in own]
    if arm.train.lr_factor != 1:
        parts.append(f"learning rate of its own parameters times {arm.train.lr_factor:g}")
    if arm.train.weight_decay_factor != 1:
        parts.append(f"weight decay of its own parameters times {arm.train.weight_decay_factor:g}")
    if arm.train.deep_lambda is not None:
        parts.append(f"deep training's lambda held at {arm.train.deep_lambda:g}")
    if plan.stays_in_phase_one(arm):
        parts.append(
            f"phase one to the end ({plan.train.epochs} epochs): the activation never left its start"
        )
    return f"{arm.name}: {', '.join(parts)}." if parts else ""


def _options(chosen: dict[str, OptionValue]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in flatten(chosen).items()]


def _runs(group: Group) -> str:
    data, plan = group.data, group.plan
    limit = f", limited to {plan.limit} each" if plan.limit else ""
    val = f", {data.val:,} validation" if data.val else ""
    noun = "sentences" if plan.task == "text" else "images"
    return (
        f"Data: {data_label(plan.data)}, {data.train:,} training{val} and {data.test:,} test {noun} in "
        f"{data.num_classes} classes{limit}. All arms on equal footing {group.footing[:8]}."
    )


def _evaluation(group: Group) -> str:
    weights = "moving average of the weights" if group.weights == "ema" else "weights"
    if group.plan.evaluation.protocol == "best-test":
        protocol = (
            "Protocol best-test: no validation set, the test set evaluated as training went (optimistic)"
        )
    else:
        protocol = "Protocol held-out: anything chosen was chosen on validation"
    return f"{protocol}; {group.metric.noun} of the {weights} {_WHICH[group.which]}."


def _attack(group: Group) -> list[str]:
    """On which pictures the metric was counted, and how to take it."""
    settings = group.plan.evaluation.robustness
    if group.metric.attack is None or settings is None:
        return []
    attack, _ = group.metric.attack
    every = settings.images is None or settings.images >= group.data.test
    pictures = "all test images" if every else f"the first {settings.images:,} test images by their hash"
    how = f", {settings.pgd_steps} steps" if attack == "pgd" else ""
    controls = {
        "fgsm": "where pgd of the same size takes more, the single step was misled; what noise takes, no gradient did",
        "pgd": "fgsm of the same size has one step",
        "noise": "no opponent: for comparison with fgsm and pgd of the same size",
    }
    return [f"Attacked: {pictures}{how}; {controls[attack]}."]


def _intervals(group: Group) -> list[str]:
    counts = {row.completed for row in group.rows if row.completed}
    notes: list[str] = []
    gaps = [(f"{row.name} vs {gap.baseline}", gap.difference) for row, gap in _pairs(group)]
    unpaired = [name for name, difference in gaps if difference and not difference.paired]
    estimates = [*(row.value for row in group.rows), *(difference for _, difference in gaps)]
    if any(estimate and estimate.interval and not estimate.is_level for estimate in estimates):
        how = ", seeds paired" if any(difference and difference.paired for _, difference in gaps) else ""
        notes.append(f"± and [ ]: 95 % Student-t intervals over n seeds; differences in points{how}.")
    if any(estimate and estimate.is_level for estimate in estimates):
        notes.append("Equal in all seeds: no spread to make an interval of; further seeds may still differ.")
    if unpaired:
        notes.append(f"Seeds do not match, so Welch's interval without pairs: {', '.join(unpaired)}.")
    if 1 in counts:
        single = [row.name for row in group.rows if row.completed == 1]
        whose = "" if counts == {1} else f" for {', '.join(single)}"
        notes.append(f"One seed: no interval{whose}.")
    return notes


def _pairs(group: Group) -> Iterator[tuple[ArmRow, Gap]]:
    """Every comparison once: of two baselines, only that of the later with the earlier."""
    for row in group.rows:
        for place, gap in enumerate(row.gaps):
            if row.name not in group.baselines[: place + 1]:
                yield row, gap


def _seeds(group: Group) -> list[str]:
    lacking = [
        f"{row.name} {', '.join(map(str, row.missing_seeds))}" for row in group.rows if row.missing_seeds
    ]
    return [f"Incomplete, seeds still missing: {'; '.join(lacking)}."] if lacking else []


def _detectable(group: Group) -> list[str]:
    parts = [
        f"{row.name} vs {gap.baseline} {100 * gap.detectable:.2f}"
        for row, gap in _pairs(group)
        if gap.detectable is not None
    ]
    if not parts:
        return []
    return [
        "Smallest true difference in points that these seeds would show (paired t, 80 % power, 5 % level): "
        f"{', '.join(parts)}."
    ]


def _comparisons(group: Group) -> list[str]:
    return [f"No comparison with {name}, which is not among these arms." for name in group.absent_baselines]


def _costs(group: Group, shown: Columns) -> list[str]:
    notes: list[str] = []
    if "parameters" in shown:
        notes.append("params: all parameters, in brackets those of the activations.")
    if "time" in shown:
        if any(row.step_time_ratio is None and row.completed for row in group.rows) and group.baselines:
            notes.append("Step times are left out where none was measured or the hardware differs.")
        for clock in sorted({row.step_clock for row in group.rows if row.step_clock}):
            notes.append(f"Time: median {_CLOCKS[clock]} of an update, its batch ready.")
    if "kept" in shown:
        notes.append(
            "Kept bytes: what the activations keep for backward per element of their output, in brackets without "
            "that output itself, which the next layer keeps in most networks."
        )
        if any(row.kept_per_element is None and row.completed for row in group.rows):
            notes.append("Kept bytes are left out where the records are older than their count.")
    return notes


def _reported(group: Group) -> list[str]:
    if group.paper is None:
        return []
    paper, plan = group.paper.paper, group.plan
    arxiv = f" (arXiv {paper.arxiv})" if paper.arxiv else ""
    shown = [
        r.value for row in group.rows for r in (*row.reported, *(r for g in row.gaps for r in g.reported))
    ]
    missing = '; "not found": the paper has a value that could not be read' if None in shown else ""
    missing = missing if shown else " has no value for this setting"
    notes = [f"Reported: {paper.title}{arxiv}{missing}."]
    notes += list(dict.fromkeys(note for row in group.rows for note in _values(row)))
    if group.claim:
        claim = group.claim
        notes.append(
            f"The claim: {', '.join(claim.arms)} over {claim.baseline} {claim.size}, "
            f"{claim.model or 'a network not known'} on {claim.data} ({claim.source})."
        )
        notes += [f"{claim.stand_in[0].upper()}{claim.stand_in[1:]}."] if claim.stand_in else []
    if plan.profile != "paper" or group.data.synthetic:
        setting = f"{plan.train.epochs} epochs, {model_label(plan.model)} on {data_label(plan.data)}"
        notes.append(f"A stand-in for the paper's setting: profile {plan.profile}, {setting}.")
    return notes


def _values(row: ArmRow) -> list[str]:
    """How sure the values beside an arm are, and gains whose baseline is no arm here."""
    notes = [
        f"{row.name} in the paper, {_what(r)}; certainty: {r.row.certainty or r.table.certainty}."
        for r in (*row.reported, *(r for gap in row.gaps for r in gap.reported))
        if r.value is not None and (r.row.certainty or r.table.certainty)
    ]
    return notes + [
        f"The paper reports {r.value:+.2f} for {row.name} against {r.row.reference}, no baseline here."
        for r in row.reported_elsewhere
        if r.value is not None
    ]


def _what(reported: Reported) -> str:
    row = reported.row
    number = f"{row.value:+.2f} over {row.reference}" if row.kind == "gain" else f"{row.value:.2f}"
    return f"{number} on {reported.table.dataset} ({reported.table.id})"
