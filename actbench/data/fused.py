"""A training batch in one pass over its bytes, by augment.cpp: the CPU's form of the plain one in pipeline.py.

Its batches are bitwise those of the plain form wherever PyTorch's own kernels fuse multiplication and addition
(AVX2, AVX-512); elsewhere an operation may differ by the rounding of a grey level. It takes crop with padding,
flip, RandAugment, normalisation and cutout; what comes before (a random-resized crop) and after (random erasing,
mixing) stays PyTorch's.
"""

import ctypes
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from actbench.data.affine import pixel_centres
from actbench.data.moves import Moves
from actbench.data.normalization import Normalization
from actbench.data.rand_augment import LARGEST_ANGLE
from actbench.native import load_library

EXACT_AREA = 65_536
"""Pixels up to which the sum of an image's grey values is exact in float32, whatever its order."""
_WORTH_THREADS = 1 << 15
"""Fewer bytes than this are done before a second thread has woken."""
_POINTERS = (
    *("images", "index", "top", "left", "mirrored", "operation", "level", "sign", "cosine", "sine"),
    *("across", "down", "hole_top", "hole_left", "scale", "shift", "pixels"),
)
_NUMBERS = (
    *("count", "height", "width", "channels", "padding", "layers", "hole_side", "channels_last", "threads"),
)


class _Work(ctypes.Structure):
    """As augment.cpp declares it."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in _NUMBERS),
    )


def takes(images: Tensor, moves: Moves) -> bool:
    """Whether the compiled pass prepares these (N, H, W, C) images; builds it if need be."""
    _, height, width, channels = images.shape
    return (
        images.device.type == "cpu"
        and images.dtype == torch.uint8
        and channels in (1, 3)
        and (not moves.layers or height * width <= EXACT_AREA)
        and _library() is not None
    )


def prepare(
    images: Tensor,
    index: Tensor | None,
    moves: Moves,
    normalization: Normalization,
    *,
    padding: int,
    channels_last: bool,
) -> Tensor:
    """(N, H, W, C) uint8, of which `index` (B,) int64 names a batch (None: all) -> (B, C, H, W) float32."""
    images = images.contiguous()
    total, height, width, channels = images.shape
    count = total if index is None else len(index)
    shape = (count, height, width, channels) if channels_last else (count, channels, height, width)
    pixels = torch.empty(shape)
    tensors = {"images": images, "index": index, "pixels": pixels, **_affine_map(normalization)}
    if moves.corners is not None:
        tensors |= {"top": moves.corners[0], "left": moves.corners[1]}
    if moves.mirrored is not None:
        tensors["mirrored"] = moves.mirrored
    if moves.layers:
        tensors |= _layers(moves, height, width)
    if moves.holes is not None:
        tensors |= {"hole_top": moves.holes.top, "hole_left": moves.holes.left}
    numbers = {
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
        "padding": padding,
        "layers": len(moves.layers),
        "hole_side": moves.holes.side if moves.holes else 0,
        "channels_last": channels_last,
        "threads": torch.get_num_threads() if pixels.numel() >= _WORTH_THREADS else 1,
    }
    kept = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
    work = _Work(**{name: tensor.data_ptr() for name, tensor in kept.items()}, **numbers)
    _library().actbench_augment(ctypes.byref(work))
    return pixels.permute(0, 3, 1, 2) if channels_last else pixels


def _library() -> Any:
    return load_library(Path(__file__).parent, "augment")


def _affine_map(normalization: Normalization) -> dict[str, Tensor | None]:
    scale, shift = normalization.scale_and_shift()
    return {"scale": torch.tensor(scale), "shift": torch.tensor(shift)}


def _layers(moves: Moves, height: int, width: int) -> dict[str, Tensor]:
    operation, level, sign = (torch.stack(parts) for parts in zip(*moves.layers, strict=True))
    angle = level * sign * LARGEST_ANGLE * (math.pi / 180)
    return {
        "operation": operation,
        "level": level,
        "sign": sign,
        # PyTorch's own, which may differ from the C library's in the last bit.
        "cosine": angle.cos(),
        "sine": angle.sin(),
        "across": _centres(width),
        "down": _centres(height),
    }


_centres = cache(pixel_centres)
