"""The activations that are measured: made, brought to their last phase, and called as a network calls them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actbench.activations.base import backend_of
from actbench.activations.create import create_activation
from actbench.activations.plugins import failure_of, find_entry
from actbench.contract.subject import Subject
from actbench.errors import ActbenchError
from actbench.training.precision import wait_for

Layout = Literal["contiguous", "channels_last"]
Dtype = Literal["float32", "bfloat16", "float16"]

_SIDE = 4
"""Side of the small images on which an activation is brought to its last phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the activations are given."""

    shape: tuple[int, ...]
    """Of the output, channels second; a gated unit's input has twice as many."""
    dtype: Dtype = "float32"
    layout: Layout = "contiguous"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def laid_out(self, values: Tensor) -> Tensor:
        if self.layout == "channels_last":
            return values.contiguous(memory_format=torch.channels_last)
        return values.contiguous()

    def autocast(self) -> torch.autocast:
        """As training has it: half types come by autocast, and parameters stay in float32."""
        dtype = getattr(torch, self.dtype)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32)


class Inputs:
    """Standard normal inputs and gradients from above, the same tensors for every activation that takes their shape."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._made: dict[tuple[int, bool, torch.dtype], Tensor] = {}

    def x(self, *, is_wide: bool = False) -> Tensor:
        """A leaf that takes a gradient; with twice the channels where `is_wide`."""
        return self._get(0, is_wide, getattr(torch, self.setting.dtype)).requires_grad_()

    def grad(self, y: Tensor) -> Tensor:
        return self._get(1, False, y.dtype)

    def _get(self, seed: int, is_wide: bool, dtype: torch.dtype) -> Tensor:
        key = (seed, is_wide, dtype)
        if key not in self._made:
            batch, channels, *places = self.setting.shape
            shape = (batch, 2 * channels if is_wide else channels, *places)
            values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
            self._made[key] = self.setting.laid_out(values.to(self.setting.device, dtype))
        return self._made[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An activation in its last phase with its input, the gradient that comes from above, and both ways through."""

    name: str
    module: nn.Module
    called: nn.Module
    """The same, or compiled."""
    setting: Setting
    x: Tensor
    grad: Tensor
    first_call_s: float
    """Wall time of the first forward and backward, which compiles what is compiled."""

    @property
    def backend(self) -> str:
        return backend_of(self.module)

    @property
    def operations(self) -> float | None:
        """Per element of the output, as the activation declares them; None where it declares none."""
        return getattr(self.module, "operations_per_element", None)

    def forward(self) -> Tensor:
        with self.setting.autocast():
            y: Tensor = self.called(self.x)
        return y

    def infer(self) -> Tensor:
        with torch.no_grad():
            return self.forward()

    def both(self) -> None:
        """Forward, and backward to the input and to every parameter."""
        torch.autograd.backward(self.forward(), self.grad)

    def forget(self) -> None:
        """Drops the gradients, which would else be added up."""
        self.x.grad = None
        for parameter in self.module.parameters():
            parameter.grad = None

    @property
    def keeps_layout(self) -> bool:
        """Whether the output is laid out as the input is: if not, the next layer pays for it."""
        last = self.setting.layout == "channels_last"
        return self.infer().is_contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )


def prepare(name: str, options: Mapping[str, Any], inputs: Inputs, *, is_compiled: bool = False) -> Measured:
    """Raises ActbenchError for an activation that cannot be made for these channels, or does not take this shape."""
    setting = inputs.setting
    module = _last_phase(name, options, setting.shape).to(setting.device)
    called = torch.compile(module) if is_compiled else module
    assert isinstance(called, nn.Module)
    x = inputs.x(is_wide=getattr(module, "is_gated", False) is True)
    begun = time.perf_counter()
    try:
        with setting.autocast():
            y: Tensor = called(x)
        _require_shape(name, y, setting.shape)
        grad = inputs.grad(y)
        torch.autograd.backward(y, grad)
    except Exception as error:
        _raise_as_the_users(name, error)
        raise
    wait_for(setting.device)
    first_call_s = time.perf_counter() - begun
    measured = Measured(
        name=name, module=module, called=called, setting=setting, x=x, grad=grad, first_call_s=first_call_s
    )
    measured.forget()
    return measured


def _last_phase(name: str, options: Mapping[str, Any], shape: tuple[int, ...]) -> nn.Module:
    """In training mode, every parameter away from the value at which it would be idle."""
    needed = getattr(create_activation(name, shape[1], **options), "spatial_dims", 0)
    if len(shape) < 2 + needed:
        message = f"{name} needs {needed} dimensions behind the channels, not those of {_words(shape)}"
        raise ActbenchError(message, where="command line", key="--shape")
    small = (2, shape[1], *(min(size, _SIDE) for size in shape[2:]))
    subject = Subject(make=lambda channels: create_activation(name, channels, **options), shape=small)
    try:
        return subject.learnt(training=True)
    except Exception as error:
        _raise_as_the_users(name, error)
        raise


def _require_shape(name: str, y: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(y.shape) != shape:
        raise ActbenchError(
            f"{name} gives the shape {_words(tuple(y.shape))} where {_words(shape)} is asked for"
        )


def _raise_as_the_users(name: str, error: Exception) -> None:
    """A plug-in's code may raise anything; what ours raises beyond ActbenchError is a fault to be seen."""
    entry = find_entry(name)
    if entry is not None and entry.plugin is not None and not isinstance(error, ActbenchError):
        raise failure_of(entry, error) from error


def _words(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))
