"""The two hashes of a run: `footing` covers all that arms share, `run` adds this arm and this seed.

A field that equals its default is left out: a new field with a default, another arm or another seed in the recipe
invalidates nothing that is stored. An optional block that is there with nothing but defaults stays, as an empty one:
early stopping with its default patience is not the same as none.
"""

import hashlib
import json
from typing import Any

from actbench.recipe.schema import Arm, Recipe

_SHARED = {"task", "data", "limit", "input", "model", "train", "evaluation", "init"}
# How many processes decode images changes no image; stored weights count by their sum, wherever they lie.
_WITHOUT_EFFECT: dict[str, Any] = {"data": {"workers": True}, "model": {"weights": {"folder": True}}}


def footing_settings(recipe: Recipe) -> dict[str, Any]:
    """What every arm of the recipe shares, as plain data; the data's content comes in by its fingerprint."""
    return recipe.model_dump(mode="json", include=_SHARED, exclude=_WITHOUT_EFFECT, exclude_defaults=True)


def arm_settings(arm: Arm) -> dict[str, Any]:
    """What tells this arm from another, as plain data; its names are labels and left out.

    Of a plug-in it is the source itself that tells, wherever it lies.
    """
    settings = arm.model_dump(
        mode="json",
        exclude={"name", "stands_for", "options", "fill_options", "plugins"},
        exclude_defaults=True,
    )
    settings["options"] = arm.chosen_options()
    settings["fill_options"] = arm.chosen_fill_options()
    settings["plugins"] = {name: {"sha256": source.sha256} for name, source in arm.plugins.items()}
    # Options at their defaults are those of an activation without options; nothing optional hides in an arm.
    return {key: value for key, value in settings.items() if value != {}}


def footing_hash(recipe: Recipe, fingerprint: str) -> str:
    """Hash of all that is shared, the data's fingerprint included."""
    return _digest({"settings": footing_settings(recipe), "data": fingerprint})


def run_hash(footing: str, arm: Arm, seed: int) -> str:
    """Hash of one run: its footing, its arm and its seed."""
    return _digest({"footing": footing, "arm": arm_settings(arm), "seed": seed})


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Dotted keys for nested mappings: {"train": {"lr": 0.1}} becomes {"train.lr": 0.1}."""
    flat: dict[str, object] = {}
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{path}."))
        else:
            flat[path] = value
    return flat


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
