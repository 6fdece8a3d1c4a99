"""Small tensors on their way to the device that trains."""

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device; to a GPU from pinned memory, so that the program need not wait for it."""
    if values.device == device:
        return values
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
