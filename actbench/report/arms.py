"""What the arms are, what they share, and how it was made sure that they share it."""

import json
from collections.abc import Sequence

from actbench.frozen import OptionValue
from actbench.papers.matching import resolved_activation
from actbench.recipe.hashing import flatten
from actbench.recipe.schema import Arm, Recipe
from actbench.record import ParameterGroup, RunRecord
from actbench.report.grid import Field, facts, grid
from actbench.report.markup import Html, code, element, join
from actbench.tables.arm_notes import ablation_words


def arms_table(plan: Recipe, records: Sequence[RunRecord]) -> Html:
    """One row per arm with every value of its own resolved; what differs from a default is said first."""
    first = {record.arm.name: record for record in reversed(records)}
    return grid(
        "The arms, all values resolved",
        ("arm", "activation", "options", "sites", "declared differences"),
        [
            [
                arm.name,
                code(resolved_activation(arm, plan)),
                _options(arm.options.model_dump(mode="json")),
                _sites(arm, first.get(arm.name)),
                _differences(arm, plan),
            ]
            for arm in plan.arms
        ],
    )


def _options(options: dict[str, OptionValue]) -> Html:
    return join([_setting(key, value) for key, value in flatten(options).items()], between=", ")


def _setting(key: str, value: object) -> Html:
    return element("span", code(key), f" {_plain(value)}", class_="setting")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sites(arm: Arm, record: RunRecord | None) -> Field:
    count = len(record.backends) if record else 0
    if arm.sites == "all":
        return Field(text=f"all {count}" if count else "all", sort=str(count))
    where = "the stem" if arm.sites == "stem" else ", ".join(arm.sites)
    fill = _options(arm.fill_options.model_dump(mode="json"))
    return Field(
        text=join([where, "; elsewhere ", code(arm.fill), " " if fill else None, fill]), sort=str(count)
    )


def _differences(arm: Arm, plan: Recipe) -> str:
    """What the arm has otherwise than the others, beside its activation."""
    train = arm.train
    parts = [
        f"lr of its own parameters times {train.lr_factor:g}" if train.lr_factor != 1 else "",
        f"their weight decay times {train.weight_decay_factor:g}" if train.weight_decay_factor != 1 else "",
        f"deep training's lambda held at {train.deep_lambda:g}" if train.deep_lambda is not None else "",
        *(f"model {key} = {json.dumps(value)}" for key, value in arm.model.changes().items()),
        *ablation_words(arm),
        "ends before its activation leaves its start" if plan.stays_in_phase_one(arm) else "",
        *(f"plug-in {name}, sha256 {source.sha256[:8]}" for name, source in arm.plugins.items()),
    ]
    return "; ".join(part for part in parts if part) or "none"


def parameter_groups(records: Sequence[RunRecord]) -> Html:
    """How the optimiser treats the parameters, from the first record of each arm that tells; like arms together."""
    first = {record.arm.name: record for record in reversed(records) if record.parameter_groups}
    arms: dict[ParameterGroup, list[str]] = {}
    for name in dict.fromkeys(record.arm.name for record in records if record.arm.name in first):
        for group in first[name].parameter_groups:
            arms.setdefault(group, []).append(name)
    return grid(
        "Parameter groups of the optimiser",
        ("arms", "parameters of", "named", "tensors", "scalars", "lr factor", "weight decay"),
        [
            _group(group, "all" if len(names) == len(first) else ", ".join(names))
            for group, names in arms.items()
        ],
    )


def _group(group: ParameterGroup, arms: str) -> list[str | Html | Field]:
    names = dict.fromkeys(tensor.rpartition(".")[2] for tensor in group.tensors)
    return [
        arms,
        "activations" if group.activation else "network",
        join([code(name) for name in names], between=", "),
        Field(text=str(len(group.tensors)), number=True),
        Field(text=f"{group.parameters:,}", sort=str(group.parameters), number=True),
        Field(text=f"{group.lr_factor:g}", number=True),
        Field(text=f"{group.weight_decay:g}", number=True),
    ]


def site_lists(records: Sequence[RunRecord]) -> Html:
    """The sites of the network, once for all arms that have the same."""
    arms: dict[tuple[str, ...], list[str]] = {}
    for record in records:
        if record.backends:
            names = arms.setdefault(tuple(record.backends), [])
            if record.arm.name not in names:
                names.append(record.arm.name)
    return join(
        element(
            "p",
            "Sites of " if len(arms) > 1 else "Sites: ",
            f"{', '.join(names)}: " if len(arms) > 1 else None,
            join([code(site) for site in sites], between=", "),
            ".",
        )
        for sites, names in arms.items()
    )


def shared_settings(plan: Recipe) -> Html:
    """Every resolved value that the arms share, block by block."""
    blocks = ("task", "profile", "variant", "limit", "data", "input", "model", "train", "evaluation", "seeds")
    settings = plan.model_dump(mode="json", include=set(blocks))
    if plan.task != "text":
        settings["input"].pop("tokens")
    return facts(
        [
            (
                block,
                _options(settings[block]) if isinstance(settings[block], dict) else _plain(settings[block]),
            )
            for block in blocks
            if settings[block] is not None
        ],
        wide=True,
    )


def footing_words(footing: str, records: Sequence[RunRecord]) -> Html:
    """What equal footing means here, and what checked it."""
    held = sum(record.footing == footing for record in records)
    if held == len(records):
        count, unlike = f"All {held}", "Runs with another one are refused, so nothing"
    else:
        count, unlike = (
            f"Only {held} of {len(records)}",
            "For those that have another, asked for, the table has a note. Else nothing",
        )
    return element(
        "p",
        f"{count} runs carry the footing ",
        element("code", footing),
        ", a hash over every value that the arms share and over the content of the data. ",
        f"{unlike} but the activation and the differences declared here tells two arms apart. For a seed all arms see "
        "the same data in the same order with the same augmentation, and every weight that two arms both have starts "
        "at the same value.",
    )
