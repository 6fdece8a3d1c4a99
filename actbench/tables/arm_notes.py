"""What an arm is where its name does not say it all. Imports no torch."""

import json

from actbench.comparison import ArmRow, Group
from actbench.frozen import OptionValue
from actbench.papers.matching import resolved_activation
from actbench.recipe.hashing import flatten
from actbench.recipe.schema import Arm, Recipe


def described_arm(row: ArmRow, group: Group) -> str:
    """What the arm is, and how its footing differs; empty where there is nothing to tell."""
    note = arm_note(row.arm, group.plan) if row.arm and group.plan else ""
    unequal: list[str] = []
    for mismatch in group.mismatches:
        if seeds := mismatch.seeds.get(row.name):
            every = len(seeds) == row.completed + row.diverged
            which = "" if every else f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))} "
            unequal.append(f"{which}not on the others' footing ({mismatch.difference})")
    if not unequal:
        return note
    return f"{note.rstrip('.') + ', ' if note else row.name + ': '}{'; '.join(unequal)}."


def arm_note(arm: Arm, plan: Recipe) -> str:
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
    for key in ("lr", "weight_decay", "epochs"):
        if (own_value := getattr(arm.train, key)) is not None:
            parts.append(f"its own {key.replace('_', ' ')}, {own_value:g}")
    parts += ablation_words(arm)
    if arm.salt:
        parts.append(f"random streams of their own (salt {arm.salt})")
    if plan.stays_in_phase_one(arm):
        epochs = arm.train.epochs or plan.train.epochs
        parts.append(f"phase one to the end ({epochs} epochs): the activation never left its start")
    return f"{arm.name}: {', '.join(parts)}." if parts else ""


def ablation_words(arm: Arm) -> list[str]:
    """What was taken from its activation, or put beside it."""
    words: list[str] = []
    if arm.frozen == "start":
        words.append("its parameters frozen at their start")
    if arm.frozen == "donor":
        first, second = arm.donors[0], next(d for d in arm.donors if d.seed != arm.donors[0].seed)
        words.append(
            f"frozen in the final shape of {first.arm} seed {first.seed} (for that seed itself of seed {second.seed})"
        )
    if arm.shared:
        words.append("one set of its parameters for all sites")
    if arm.spare:
        words.append(f"with as many spare scalars as {arm.spare.activation} has parameters")
    return words


def _options(chosen: dict[str, OptionValue]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in flatten(chosen).items()]
