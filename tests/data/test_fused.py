"""The compiled pass against the plain stages, bit for bit, and the draws that no change may move."""

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from actbench import native
from actbench.data import fused
from actbench.data.moves import Moves, draw_moves
from actbench.data.normalization import Normalization
from actbench.data.pipeline import Generators, Pipeline
from actbench.data.rand_augment import OPERATIONS, Draws
from actbench.data.settings import InputSettings, RandAugmentSettings

pytestmark = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("c++", "g++", "clang++")),
    reason="no C++ compiler on this machine",
)

NORMALIZATION = Normalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
EXACT = torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}
"""Whether PyTorch's own kernels fuse multiplication and addition here, as the compiled pass does."""
GREY_LEVEL = 1 / (255 * min(NORMALIZATION.std))
NONE = Moves(None, None, None, (), None)


def random_images(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def smooth_images(count: int, height: int, width: int, channels: int) -> Tensor:
    """Neighbours alike, contrast from image to image another, flat channels among them."""
    generator = torch.Generator().manual_seed(1)
    contrast = torch.linspace(0, 255, count)[:, None, None, None]
    coarse = torch.rand(count, channels, 4, 4, generator=generator) * contrast
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return fine.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def pipeline_of(options: InputSettings, channels: int) -> Pipeline:
    normalization = Normalization(NORMALIZATION.mean[:channels], NORMALIZATION.std[:channels])
    return Pipeline(options, normalization, 4)


def assert_equal(
    pipeline: Pipeline, images: Tensor, index: Tensor | None, moves: Moves, *, channels_last: bool
) -> None:
    before = images.clone()
    assert fused.takes(images, moves), "the compiled pass must serve where there is a compiler"
    compiled = pipeline.pixels(images, index, moves, channels_last=channels_last)
    plain = pipeline.plain_pixels(images, index, moves, channels_last=channels_last)
    assert torch.equal(compiled, plain) or (not EXACT and (compiled - plain).abs().max() < 1.01 * GREY_LEVEL)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    assert compiled.is_contiguous(memory_format=memory_format)
    assert plain.is_contiguous(memory_format=memory_format)
    assert torch.equal(images, before)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
    st.integers(0, 9),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 12),
    st.booleans(),
    st.sampled_from(["whole", "strided", "chosen"]),
    st.integers(0, 1000),
)
def test_crop_flip_and_cutout_are_those_of_the_plain_form(
    height: int,
    width: int,
    channels: int,
    padding: int,
    flip: float,
    hole: int,
    channels_last: bool,
    kind: str,
    seed: int,
) -> None:
    options = InputSettings(crop="pad", padding=padding, flip=flip, cutout=hole)
    images = random_images(14, height, width, channels, seed=seed)
    index = torch.tensor([13, 0, 5, 5, 9]) if kind == "chosen" else None
    if kind == "strided":
        images = random_images(7, width, 2 * height, channels, seed=seed)[:, :, ::2].transpose(1, 2)
    count = len(images) if index is None else len(index)
    moves = draw_moves(options, count, (height, width), torch.Generator().manual_seed(seed))
    assert_equal(pipeline_of(options, channels), images, index, moves, channels_last=channels_last)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sides", [(32, 32), (16, 23), (5, 3), (2, 2), (1, 1)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_that_of_the_plain_form(name: str, sides: tuple[int, int], channels: int) -> None:
    count = 24
    level = torch.cat(
        [torch.tensor([0.0, 0.25, 0.5, 1.0]), torch.rand(count - 4, generator=torch.Generator())]
    )
    operation = torch.full((count,), list(OPERATIONS).index(name))
    pipeline = pipeline_of(InputSettings(), channels)
    for images in (random_images(count, *sides, channels), smooth_images(count, *sides, channels)):
        for sign in (torch.ones(count), -torch.ones(count)):
            moves = NONE._replace(layers=(Draws(operation, level, sign),))
            assert_equal(pipeline, images, None, moves, channels_last=True)


@pytest.mark.parametrize("name", ["brightness", "color", "contrast", "sharpness", "autocontrast"])
def test_all_values_at_many_strengths(name: str) -> None:
    count = 400
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    images = (
        torch.cat([ramp, ramp.flip(1), ramp.transpose(1, 2)], dim=3).expand(count, -1, -1, -1).contiguous()
    )
    level = torch.linspace(0, 1, count)
    sign = torch.arange(count) % 2 * 2.0 - 1.0
    operation = torch.full((count,), list(OPERATIONS).index(name))
    moves = NONE._replace(layers=(Draws(operation, level, sign),))
    assert_equal(pipeline_of(InputSettings(), 3), images, None, moves, channels_last=False)


@pytest.mark.skipif(not EXACT, reason="one layer may enlarge what the one before has rounded otherwise")
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.sampled_from([1, 3]), st.booleans(), st.integers(8, 33), st.integers(0, 1000))
def test_all_stages_together(num_ops: int, channels: int, channels_last: bool, side: int, seed: int) -> None:
    augment = RandAugmentSettings(num_ops=num_ops, magnitude=8, magnitude_std=2)
    options = InputSettings(size=side, crop="pad", flip=0.5, rand_augment=augment, cutout=5)
    images = smooth_images(40, side, side, channels)
    moves = draw_moves(options, 40, (side, side), torch.Generator().manual_seed(seed))
    assert_equal(
        pipeline_of(options, channels), images, torch.arange(39, -1, -1), moves, channels_last=channels_last
    )


def test_any_number_of_threads_makes_the_same_batch() -> None:
    options = InputSettings(crop="pad", flip=0.5, rand_augment=RandAugmentSettings(), cutout=8)
    images, moves = random_images(300, 32, 32, 3), draw_moves(options, 300, (32, 32), torch.Generator())
    pipeline, threads = pipeline_of(options, 3), torch.get_num_threads()
    batches = []
    try:
        for number in (1, 2, 3, 2):
            torch.set_num_threads(number)
            batches.append(pipeline.pixels(images, None, moves, channels_last=True))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(batches[0], other) for other in batches[1:])


def test_what_it_does_not_take_goes_through_the_plain_form() -> None:
    layered = NONE._replace(layers=(Draws(torch.zeros(1).long(), torch.ones(1), torch.ones(1)),))
    assert not fused.takes(random_images(1, 4, 4, 2), NONE)
    assert not fused.takes(random_images(1, 4, 4, 3).float(), NONE)
    assert not fused.takes(random_images(1, 4, 4, 3).to("meta"), NONE)
    assert not fused.takes(random_images(1, 257, 256, 3), layered)
    assert fused.takes(random_images(1, 257, 256, 3), NONE)
    assert fused.takes(random_images(1, 256, 256, 3), layered)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("-march=native", "-mno-avx512f"), ("-march=native", "-mno-avx")])
def test_other_processors_code_makes_the_same_batches(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = Path(fused.__file__).with_name("augment.cpp"), tmp_path / "other.so"
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))))
    subprocess.run([compiler, *native._FLAGS, *flags, str(source), "-o", str(made)], check=True, timeout=300)
    monkeypatch.setattr(fused, "_library", lambda: ctypes.CDLL(str(made)))
    augment = RandAugmentSettings(num_ops=4, magnitude=8, magnitude_std=2)
    options = InputSettings(crop="pad", flip=0.5, rand_augment=augment, cutout=5)
    for channels, side in ((1, 32), (3, 32), (3, 19)):
        images = smooth_images(500, side, side, channels)
        moves = draw_moves(options, 500, (side, side), torch.Generator().manual_seed(0))
        for channels_last in (False, True):
            assert_equal(pipeline_of(options, channels), images, None, moves, channels_last=channels_last)


def test_the_draws_are_those_of_the_stored_results() -> None:
    """Integers and signs alone are hashed: normal numbers may differ in the last bit between processors."""
    augment = RandAugmentSettings(num_ops=2, magnitude=7, magnitude_std=0.5)
    options = InputSettings(crop="pad", padding=4, flip=0.5, rand_augment=augment, cutout=8)
    generators = Generators.of_epoch(3, 5)
    digest = hashlib.sha256(torch.randperm(1000, generator=generators.order).numpy().tobytes())
    for _ in range(3):
        moves = draw_moves(options, 64, (32, 32), generators.augment)
        assert moves.corners is not None
        assert moves.mirrored is not None
        assert moves.holes is not None
        for layer in moves.layers:
            digest.update(layer.operation.numpy().tobytes() + layer.sign.numpy().tobytes())
            assert ((layer.level - 0.7).abs() < 0.3).all()
        for values in (moves.corners, moves.mirrored, moves.holes.top, moves.holes.left):
            digest.update(values.contiguous().numpy().tobytes())
    assert digest.hexdigest()[:16] == "3cc23a5f5dfb8831"
