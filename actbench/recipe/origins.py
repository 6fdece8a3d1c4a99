"""Every value of a resolved recipe as a flat list of keys, and where each value comes from."""

from collections.abc import Callable, Iterator

from actbench.frozen import Frozen
from actbench.recipe.nodes import Located, Mapping, Node, Sequence
from actbench.recipe.schema import Arm, Recipe


def flat_values(recipe: Recipe) -> dict[str, object]:
    """Key path -> value for every setting, defaults included; the paths are those that overrides take."""
    return {path: value for path, value, _ in _leaves(recipe, None, "")}


def origins_of(recipe: Recipe, tree: Mapping, origin: Callable[[Located], str]) -> dict[str, str]:
    """Key path -> the origin of its value; "default" where no layer gives it."""
    found = {path: "default" if node is None else origin(node) for path, _, node in _leaves(recipe, tree, "")}
    for arm in recipe.arms:
        for name, source in arm.plugins.items():
            found[f"arms.{arm.name}.plugins.{name}"] = source.label
    return found


def _leaves(model: Frozen, tree: Node | None, path: str) -> Iterator[tuple[str, object, Node | None]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        node = tree.entries.get(name) if isinstance(tree, Mapping) else None
        here = f"{path}{name}"
        if name == "plugins" and isinstance(value, dict):
            yield from ((f"{here}.{plugin}", source.sha256, None) for plugin, source in value.items())
        elif isinstance(value, dict):
            entries = node.entries if isinstance(node, Mapping) else {}
            yield from ((f"{here}.{key}", list(item), entries.get(key)) for key, item in value.items())
        elif isinstance(value, Frozen):
            yield from _leaves(value, node, f"{here}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], Arm):
            items: tuple[Node | None, ...] = (
                node.items if isinstance(node, Sequence) else (None,) * len(value)
            )
            for arm, item in zip(value, items, strict=True):
                yield from _leaves(arm, item, f"{here}.{arm.name}.")
        else:
            yield here, list(value) if isinstance(value, tuple) else value, node
