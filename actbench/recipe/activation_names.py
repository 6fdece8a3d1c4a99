"""The activations that a recipe's tree names: in the catalogue, in an installed package, in records, or nowhere."""

from collections.abc import Callable, Iterator, Mapping

from actbench.activations.catalog import ENTRIES
from actbench.activations.plugin_source import PluginSource
from actbench.activations.plugins import find_entry, offered_by_packages
from actbench.errors import ActbenchError, Problem
from actbench.frozen import OptionValue, UntypedOptions
from actbench.recipe import nodes
from actbench.recipe.nearest import name_hints
from actbench.recipe.schema import Arm, Recipe

Remembered = Callable[[], Mapping[str, PluginSource]]
"""What records know of the plug-ins that made them; asked only where a recipe names one."""


def check_activations(tree: nodes.Mapping, problems: list[Problem], remembered: Remembered | None) -> None:
    """Adds a problem for every name that nothing has.

    For training a package that offers a name is imported; for reading (`remembered`) records suffice, and nothing is.
    """
    for node in _named(tree):
        name = node.text
        if name == "native" or name in ENTRIES or (remembered and name in remembered()):
            continue
        try:
            found = None if remembered else find_entry(name)
        except ActbenchError as error:
            problems.extend(error.problems)
            continue
        if found is None:
            hints = name_hints(name, [*ENTRIES, *offered_by_packages(), "native"])
            own = "records know no plug-in of that name" if remembered else "your own: --plugin FILE.py"
            problems.append(node.problem(f"unknown activation {name!r}", *hints, own))


def with_remembered(recipe: Recipe, remembered: Remembered) -> Recipe:
    """The recipe with what records know of the plug-ins that are not at hand: source, and options left out."""
    arms = tuple(_with_remembered(arm, remembered) for arm in recipe.arms)
    return recipe if arms == recipe.arms else recipe.model_copy(update={"arms": arms})


def _with_remembered(arm: Arm, remembered: Remembered) -> Arm:
    missing = [name for name, source in arm.plugins.items() if not source.sha256]
    if not missing:
        return arm
    plugins = {**arm.plugins, **{name: remembered()[name] for name in missing}}
    changed: dict[str, object] = {"plugins": plugins}
    for key, name, options in (
        ("options", arm.activation, arm.options),
        ("fill_options", arm.fill, arm.fill_options),
    ):
        if name in missing:
            defaults = plugins[name].defaults
            written = {k: _as_declared(value, defaults.get(k)) for k, value in options.model_dump().items()}
            changed[key] = UntypedOptions.model_validate({**defaults, **written})
    return arm.model_copy(update=changed)


def _as_declared(value: OptionValue, default: OptionValue) -> OptionValue:
    """An integer as the number that the option's default is."""
    return float(value) if type(value) is int and type(default) is float else value


def _named(tree: nodes.Mapping) -> Iterator[nodes.Scalar]:
    arms = tree.entries.get("arms")
    for arm in arms.items if isinstance(arms, nodes.Sequence) else ():
        for key in ("activation", "fill"):
            node = arm.entries.get(key) if isinstance(arm, nodes.Mapping) else None
            if isinstance(node, nodes.Scalar) and not node.is_null:
                yield node
