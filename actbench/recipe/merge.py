"""Layers of a recipe laid over one another, as trees, so that every value keeps its origin."""

from actbench.errors import Problem
from actbench.recipe.nodes import Mapping, Node, Sequence

_REPLACED_BY_NAME = ("data", "model")


def merge(lower: Mapping, upper: Mapping) -> Mapping:
    """Mappings merge deep, lists and scalars are replaced.

    A `data` or `model` block that names another is replaced whole, and `arms` merge by their names.
    """
    entries = dict(lower.entries)
    for key, node in upper.entries.items():
        entries[key] = _merged(key, entries[key], node) if key in entries else node
    # A missing key is told where the block stands that ought to have it: in the recipe rather than its base,
    # and in the recipe's body rather than in a profile.
    same_place = upper.key == lower.key and upper.line is not None
    return (upper if same_place else lower).with_entries(entries)


def _merged(key: str, lower: Node, upper: Node) -> Node:
    if isinstance(lower, Mapping) and isinstance(upper, Mapping):
        if key in _REPLACED_BY_NAME and _names_another(lower, upper, "name"):
            return upper
        return merge(lower, upper)
    if key == "arms" and isinstance(lower, Sequence) and isinstance(upper, Sequence):
        return _merged_arms(lower, upper)
    return upper


def _merged_arms(lower: Sequence, upper: Sequence) -> Sequence:
    arms = list(lower.items)
    places = {arm.text("name"): index for index, arm in enumerate(arms) if isinstance(arm, Mapping)}
    for arm in upper.items:
        name = arm.text("name") if isinstance(arm, Mapping) else None
        index = places.get(name) if name is not None else None
        if index is None:
            arms.append(arm)
        else:
            arms[index] = _merged_arm(arms[index], arm)
    return Sequence(lower.source, lower.line, lower.key, tuple(arms))


def _merged_arm(lower: Node, upper: Node) -> Node:
    assert isinstance(lower, Mapping)
    assert isinstance(upper, Mapping)
    pairs = (("activation", "options"), ("fill", "fill_options"))
    emptied = {options for key, options in pairs if _names_another(lower, upper, key)}
    kept = {key: node for key, node in lower.entries.items() if key not in emptied}
    added = {key: node for key, node in upper.entries.items() if key != "name"}
    return merge(lower.with_entries(kept), upper.with_entries(added))


def _names_another(lower: Mapping, upper: Mapping, key: str) -> bool:
    return key in upper.entries and lower.text(key) != upper.text(key)


def without_repeated_arms(body: Mapping, problems: list[Problem]) -> Mapping:
    """The layer with each arm name once; one that stands there again is a problem, not a merge."""
    arms = body.entries.get("arms")
    if not isinstance(arms, Sequence):
        return body
    kept: dict[object, Node] = {}
    for index, arm in enumerate(arms.items):
        name = arm.text("name") if isinstance(arm, Mapping) else None
        if name is not None and name in kept:
            problems.append(arm.problem(f"the arm {name!r} stands here more than once"))
        else:
            kept[index if name is None else name] = arm
    merged = Sequence(arms.source, arms.line, arms.key, tuple(kept.values()))
    return body.with_entries({**body.entries, "arms": merged})


def arm_names(body: Mapping) -> tuple[str, ...]:
    """Names of the arms that a tree holds."""
    arms = body.entries.get("arms")
    items = arms.items if isinstance(arms, Sequence) else ()
    names = [arm.text("name") for arm in items if isinstance(arm, Mapping)]
    return tuple(name for name in names if name is not None)


def without_arms(body: Mapping, dropped: frozenset[str]) -> Mapping:
    """The tree without the arms of those names."""
    arms = body.entries.get("arms")
    if not isinstance(arms, Sequence):
        return body
    kept = tuple(arm for arm in arms.items if not (isinstance(arm, Mapping) and arm.text("name") in dropped))
    return body.with_entries({**body.entries, "arms": Sequence(arms.source, arms.line, arms.key, kept)})
