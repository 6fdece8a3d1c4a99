"""Which modules and functions compute an activation, and in which blocks they are something else.

A kind is named as in the catalogue of activations. Modules are known by class name and the package that they come
from, so that timm's own activation modules count without timm being imported; a subclass with another name is not
taken for its base, because its forward may differ. What is written out as arithmetic (x * x.sigmoid()) is no call
of an activation and stays.
"""

import copy
import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from actbench.errors import ActbenchError

_PACKAGES = ("torch", "torchvision", "timm", "actbench")

_MODULES: dict[str, tuple[str, ...]] = {
    "relu": ("ReLU",),
    "relu6": ("ReLU6",),
    "leaky_relu": ("LeakyReLU",),
    "prelu": ("PReLU",),
    "elu": ("ELU",),
    "selu": ("SELU",),
    "celu": ("CELU",),
    "gelu": ("GELU", "GELUTanh"),
    "silu": ("SiLU", "Swish", "SwishMe", "SwishJit"),
    "hardswish": ("Hardswish", "HardSwish", "HardSwishMe", "HardSwishJit"),
    "mish": ("Mish", "MishMe", "MishJit"),
    "softplus": ("Softplus",),
    "tanh": ("Tanh",),
    "sigmoid": ("Sigmoid",),
    "hardsigmoid": ("Hardsigmoid", "HardSigmoid", "HardSigmoidMe", "HardSigmoidJit"),
}
# prelu has modules alone: its function takes the slope, which would be left behind without a use.
_FUNCTIONS = {name: (name, f"{name}_") for name in _MODULES if name != "prelu"}
_ALIASES = {"swish": "silu", "hard_swish": "hardswish"}

_GATE_KINDS = frozenset({"sigmoid", "hardsigmoid"})
_GATED_BLOCKS = frozenset(
    {"SqueezeExcitation", "SqueezeExcite", "SqueezeExciteCl", "SEModule", "EffectiveSEModule"}
)
_DETECTOR_PARTS = frozenset(
    {
        "FeaturePyramidNetwork",
        "RegionProposalNetwork",
        "RPNHead",
        "RoIHeads",
        "RetinaNetHead",
        "FCOSHead",
        "SSDHead",
        "SSDLiteHead",
    }
)

FUNCTION_NAMES = {function: kind for kind, functions in _FUNCTIONS.items() for function in functions}
"""Name of a function or tensor method -> the kind of activation that it computes."""

FUNCTIONS: dict[Callable[..., object], str] = {
    found: kind
    for name, kind in FUNCTION_NAMES.items()
    for home in (F, torch, Tensor)
    if (found := getattr(home, name, None)) is not None
}


def kinds_named(names: str | Iterable[str]) -> frozenset[str]:
    """The kinds meant by a user's names; ActbenchError for one that is not known."""
    asked = (names,) if isinstance(names, str) else tuple(names)
    kinds = []
    for name in asked:
        kind = _ALIASES.get(name, name)
        if kind not in _MODULES:
            known = sorted([*_MODULES, *_ALIASES])
            near = get_close_matches(name, known, n=1)
            hints = [f"known: {', '.join(known)}", *(f"did you mean {n!r}?" for n in near)]
            raise ActbenchError(f"no activation {name!r} whose calls could be found", hints=hints)
        kinds.append(kind)
    if not kinds:
        raise ActbenchError("from_ names no activation", hints=[f"known: {', '.join(sorted(_MODULES))}"])
    return frozenset(kinds)


def module_kind(module: nn.Module) -> str | None:
    """The kind that a module computes; None for any other module."""
    cls = type(module)
    if cls.__module__.partition(".")[0] not in _PACKAGES:
        return None
    return next((kind for kind, names in _MODULES.items() if cls.__name__ in names), None)


def call_kind(node: fx.Node) -> str | None:
    """The kind that a functional call computes; None for any other node."""
    if node.op == "call_function":
        return FUNCTIONS.get(node.target) if callable(node.target) else None
    return FUNCTION_NAMES.get(str(node.target)) if node.op == "call_method" else None


def stands_aside(module: nn.Module, kind: str) -> bool:
    """Whether calls of that kind inside a module are no sites unless named.

    These are the gate of a squeeze-and-excite block (its sigmoid, not the activation between its two layers), and
    everything in a detector's pyramid, RPN and heads: a detector is swapped in its backbone's body.
    """
    names = _DETECTOR_PARTS | (_GATED_BLOCKS if kind in _GATE_KINDS else frozenset())
    return any(base.__name__ in names for base in type(module).__mro__)


def module_is_inplace(module: nn.Module) -> bool:
    return bool(getattr(module, "inplace", False))


def call_is_inplace(node: fx.Node) -> bool:
    """Whether a functional call overwrites its input."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name.endswith("_"):
        return True
    if inspect.isfunction(node.target):
        given = inspect.signature(node.target).bind_partial(*node.args, **node.kwargs)
        return bool(given.arguments.get("inplace", False))
    return False


def call_input(node: fx.Node) -> fx.Node | None:
    """What an activation's call is applied to; None where something beside it is no constant."""
    inputs = node.all_input_nodes
    return inputs[0] if len(inputs) == 1 else None


class FunctionModule(nn.Module):
    """A functional call as a module, with its constants, never in place."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__()
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        name = name.removesuffix("_")
        homes = (Tensor,) if node.op == "call_method" else (F, torch)
        self.function = next(found for home in homes if (found := getattr(home, name, None)))
        self.rest = node.args[1:]
        self.named = {key: v for key, v in node.kwargs.items() if not isinstance(v, fx.Node)}
        if inspect.isfunction(self.function):
            bound = inspect.signature(self.function).bind(None, *self.rest, **self.named)
            bound.arguments.pop("inplace", None)
            self.rest, self.named = bound.args[1:], bound.kwargs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(x, *self.rest, **self.named)
        return y


def out_of_place(module: nn.Module) -> nn.Module:
    """The module, or a copy of it that leaves its input alone; parameters stay the same objects."""
    if not module_is_inplace(module):
        return module
    twin = copy.copy(module)
    vars(twin)["inplace"] = False
    return twin
