"""The recipe of a user's own activation beside the baselines of a recipe that is there. Imports no torch."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from actbench.recipe.schema import Profile, Recipe

STEP = 3.0
"""Between the learning rates that are tried: the recipe's own, and one on either side."""


def tryout_name(activation: str, base: str) -> str:
    return f"try_{activation}_{base}"[:64]


def tryout_text(activation: str, file: Path, base: str, profiles: Mapping[Profile, Recipe]) -> str:
    """The YAML: the activation and the baselines of the base, tuned alike and with controls.

    What the base itself says of tuning and controls stays.
    """
    name = tryout_name(activation, base)
    one = profiles["lite"]
    lines = [
        f"# {activation} of {file} against {', '.join(one.baselines)} in the recipe {base}, all arms tuned alike.",
        "#",
        f"#   actbench try {file}:{activation} {base}",
        f"#   actbench waterfall {name}",
        f"name: {name}",
        f"title: {json.dumps(f'{activation}: {one.title or base}', ensure_ascii=False)}",
        f"base: {base}",
        "arms:",
        f"- {{name: {activation}, activation: {activation}}}",
    ]
    if not one.controls:
        lines.append(f"controls: [{', '.join(_controls(one))}]")
    lines.append("profiles:")
    for profile, recipe in profiles.items():
        lines += [f"  {profile}:", *(f"    {line}" for line in _own_lines(recipe))]
    return "\n".join(lines) + "\n"


def _own_lines(recipe: Recipe) -> Iterator[str]:
    others = [arm.name for arm in recipe.arms if arm.name not in recipe.baselines]
    yield f"drop_arms: [{', '.join(others)}]"
    if recipe.tune is None:
        lr = recipe.train.lr
        rates = ", ".join(f"{lr * factor:.3g}" for factor in (1 / STEP, 1, STEP))
        seed = max(recipe.seeds) + 1000
        yield f"tune: {{space: {{train.lr: [{rates}]}}, epochs: 0.5, seeds: [{seed}]}}"


def _controls(recipe: Recipe) -> list[str]:
    """params only where the model has widths that can be set stage by stage."""
    fine = {"widths", "stages", "ff_width"} & type(recipe.model).model_fields.keys()
    return [*(["params"] if fine else []), "time", "slot"]
