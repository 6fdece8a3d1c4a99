"""In which settings two recipes or two arms differ, and the words that turn one into the other."""

import json
from collections.abc import Sequence

from actbench.recipe.hashing import arm_settings, flatten, footing_settings
from actbench.recipe.schema import Arm, Recipe

MAX_KEYS = 3
"""How many differing keys a message names."""

_NAMES = {"data.name": "data.", "model.name": "model.", "activation": "options.", "fill": "fill_options."}
"""Keys whose change empties their block, as recipes are merged."""


def differing_settings(first: Recipe, second: Recipe) -> list[str]:
    """The dotted keys in which what arms share differs, as far as hashes see it."""
    return _differing(flatten(footing_settings(first)), flatten(footing_settings(second)))


def differing_arm_settings(first: Arm, second: Arm) -> list[str]:
    """The dotted keys in which two arms differ, names apart."""
    if first == second:  # as nearly always, and spelling both out takes long
        return []
    return _differing(flatten(arm_settings(first)), flatten(arm_settings(second)))


def shown_difference(keys: Sequence[str], first: Recipe | Arm, second: Recipe | Arm) -> str:
    """`train.lr 0.1 / 0.2, ...`: the first few keys with both values."""
    one, two = _everything(first), _everything(second)
    parts = [
        f"{key} {_shown(key, _value(one, key)[1])} / {_shown(key, _value(two, key)[1])}"
        for key in keys[:MAX_KEYS]
    ]
    if len(keys) > MAX_KEYS:
        parts.append(f"and {len(keys) - MAX_KEYS} more")
    return ", ".join(parts)


def values_of(keys: Sequence[str], settings: Recipe | Arm) -> dict[str, object]:
    """The value under each of such keys, defaults included; None where it has none."""
    flat = _everything(settings)
    return {key: _value(flat, key)[1] for key in keys}


def settings_to_type(target: Recipe, reference: Recipe) -> list[str]:
    """The overrides that put `reference` on the footing of `target`; its limit is an option and left out."""
    keys = _keys_to_type(flatten(footing_settings(target)), flatten(footing_settings(reference)))
    return _words(target, [key for key in keys if key != "limit"], "")


def arm_settings_to_type(target: Arm, reference: Recipe) -> list[str] | None:
    """The overrides that make this arm of the recipe's arm of that name; None where it has none."""
    known = {arm.name: arm for arm in reference.arms}
    if target.name not in known:
        return None
    keys = _keys_to_type(flatten(arm_settings(target)), flatten(arm_settings(known[target.name])))
    keys = [key for key in keys if not key.startswith("plugins")]  # --plugin names it, no override does
    return _words(target, keys, f"arms.{target.name}.")


def _keys_to_type(target: dict[str, object], reference: dict[str, object]) -> list[str]:
    keys = set(_differing(target, reference))
    for name, block in _NAMES.items():
        if name in keys:
            keys = {key for key in keys if not key.startswith(block)}
            keys |= {name, *(key for key in target if key.startswith(block))}
    return sorted(key for key in keys if not any(key.startswith(f"{other}.") for other in keys))


def _words(target: Recipe | Arm, keys: Sequence[str], prefix: str) -> list[str]:
    flat = _everything(target)
    values = dict(_value(flat, key) for key in keys)
    return [f"{prefix}{path}={_text(value)}" for path, value in values.items()]


def _differing(first: dict[str, object], second: dict[str, object]) -> list[str]:
    missing = object()
    return sorted(k for k in first.keys() | second.keys() if first.get(k, missing) != second.get(k, missing))


def _everything(settings: Recipe | Arm) -> dict[str, object]:
    return flatten(settings.model_dump(mode="json"))


def _value(flat: dict[str, object], key: str) -> tuple[str, object]:
    """The key's value; for a block its members, and for a key inside a block that is null the block and null."""
    if key in flat:
        return key, flat[key]
    inside = {
        path.removeprefix(f"{key}."): value for path, value in flat.items() if path.startswith(f"{key}.")
    }
    if inside or "." not in key:
        return key, inside or None
    above = key.rpartition(".")[0]
    return (above, flat[above]) if above in flat else (key, None)


def _shown(key: str, value: object) -> str:
    return _text(value)[:8] if key.endswith(".sha256") else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
