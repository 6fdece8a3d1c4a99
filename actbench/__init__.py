"""actbench: the bench on which activation functions are tried fairly.

The public names are loaded on first use, so that `import actbench` costs nothing and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "ACTIVATIONS",
    "ActbenchError",
    "__version__",
    "begin_epoch",
    "create_activation",
    "load_plugin",
    "load_recipe",
    "swap_activations",
]

if TYPE_CHECKING:
    from actbench.activations.create import ACTIVATIONS, create_activation
    from actbench.activations.plugins import load_plugin
    from actbench.errors import ActbenchError
    from actbench.recipe.load import load_recipe
    from actbench.swap import swap_activations
    from actbench.training.phases import begin_epoch

_HOMES = {
    "ACTIVATIONS": "actbench.activations.create",
    "create_activation": "actbench.activations.create",
    "load_plugin": "actbench.activations.plugins",
    "ActbenchError": "actbench.errors",
    "load_recipe": "actbench.recipe.load",
    "swap_activations": "actbench.swap",
    "begin_epoch": "actbench.training.phases",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'actbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
