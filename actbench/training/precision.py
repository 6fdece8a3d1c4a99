"""Devices, autocast and memory layout: the three places where a model meets its hardware."""

from typing import TypeVar

import torch
from torch import nn

from actbench.errors import ActbenchError

Model = TypeVar("Model", bound=nn.Module)


def resolve_device(name: str) -> torch.device:
    """`auto` takes CUDA where it is there, else the CPU. Raises ActbenchError for a device this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ActbenchError(
            f"unknown device {name!r}",
            where="command line",
            key="--device",
            hints=["known: auto, cpu, cuda, cuda:0, ..."],
        ) from error
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise ActbenchError(
            f"device {name!r} is not on this machine ({torch.cuda.device_count()} CUDA devices)",
            where="command line",
            key="--device",
            hints=["use --device cpu, or auto"],
        )
    has_mps = torch.backends.mps.is_available()
    if device.type not in ("cpu", "cuda") and not (device.type == "mps" and has_mps):
        raise ActbenchError(
            f"device {name!r} is not on this machine, or not supported",
            where="command line",
            key="--device",
            hints=["known: auto, cpu, cuda, cuda:0, ..."],
        )
    return device


def autocast(device: torch.device, amp: str) -> torch.autocast:
    """bf16 autocast where the recipe asks for it; otherwise a context that changes nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp == "bf16")


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def place(model: Model, device: torch.device, *, channels_last: bool) -> Model:
    """The model on its device, in the layout its inputs will have."""
    model.to(device)
    return model.to(memory_format=torch.channels_last) if channels_last else model
