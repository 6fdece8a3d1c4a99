"""Sets in memory: equal batches for equal seeds, splits, limits, and evaluation in canonical order."""

from typing import Any

import numpy as np
import pytest
import torch

from actbench.data.batch import Batch
from actbench.data.canonical import Examples, ImageSet, in_order
from actbench.data.memory import MemorySource
from actbench.data.settings import InputSettings, RandAugmentSettings

CPU = torch.device("cpu")
AUGMENTED = InputSettings(
    size=8,
    crop="pad",
    padding=2,
    flip=0.5,
    rand_augment=RandAugmentSettings(),
    cutout=3,
    random_erasing=0.3,
    mixup=0.2,
    cutmix=1.0,
)


def make_data(order_seed: int | None = None, train: int = 70, test: int = 23) -> ImageSet:
    rng = np.random.default_rng(0)
    parts = []
    for count in (train, test):
        images = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        part = Examples(images, np.arange(count) % 4)
        if order_seed is not None:
            part = part.select(np.random.default_rng(order_seed).permutation(count))
        parts.append(part)
    return ImageSet(parts[0], parts[1], 4)


def make_source(
    settings: InputSettings = AUGMENTED, data: ImageSet | None = None, **options: Any
) -> MemorySource:
    options = {"limit": None, "val_fraction": 0.1, **options}
    return MemorySource("image_folder", data or make_data(), settings, **options)


def train_batches(source: MemorySource, seed: int = 0, epoch: int = 0, batch_size: int = 16) -> list[Batch]:
    options: Any = {"batch_size": batch_size, "device": CPU, "channels_last": False}
    return list(source.train_batches(seed=seed, epoch=epoch, **options))


def same(one: list[Batch], other: list[Batch]) -> bool:
    assert len(one) == len(other)
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.targets, b.targets)
        for a, b in zip(one, other, strict=True)
    )


def distinct(images: list[torch.Tensor]) -> int:
    return len({image.numpy().tobytes() for batch in images for image in batch})


@pytest.mark.parametrize("crop", ["none", "pad", "random-resized"])
def test_batches_are_bitwise_a_function_of_seed_and_epoch(crop: str) -> None:
    settings = InputSettings.model_validate({**AUGMENTED.model_dump(), "crop": crop})
    source, again = make_source(settings), make_source(settings, make_data(order_seed=1))
    batches = train_batches(source, seed=3, epoch=5)
    torch.rand(7)  # the global sequence has no say
    assert same(batches, train_batches(source, seed=3, epoch=5))
    assert same(batches, train_batches(again, seed=3, epoch=5))
    assert source.fingerprint == again.fingerprint
    assert not same(batches, train_batches(source, seed=3, epoch=6))
    assert not same(batches, train_batches(source, seed=4, epoch=5))


def test_making_batches_leaves_the_global_sequence_alone() -> None:
    source = make_source()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train_batches(source)
    assert torch.equal(before, torch.get_rng_state())


def test_an_epoch_has_whole_batches_and_no_image_twice() -> None:
    source = make_source(InputSettings(size=8))
    assert (source.num_train, source.num_val, source.num_test) == (62, 8, 23)
    assert source.steps_per_epoch(16) == 3
    batches = train_batches(source)
    assert [len(batch.targets) for batch in batches] == [16, 16, 16]
    assert distinct([batch.images for batch in batches]) == 48


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    source = make_source()
    assert source.steps_per_epoch(1000) == 1
    assert [len(batch.images) for batch in train_batches(source, batch_size=1000)] == [62]


def test_evaluation_goes_through_canonical_order_once() -> None:
    data = make_data()
    source = make_source(InputSettings(size=8, normalize="half"), make_data(order_seed=9))
    expected, _ = in_order(data.test)
    for batch_size in (5, 23, 100):
        batches = list(source.eval_batches("test", batch_size=batch_size, device=CPU, channels_last=True))
        pixels = torch.cat([batch.images for batch in batches])
        assert torch.cat([batch.targets for batch in batches]).tolist() == expected.labels.tolist()
        restored = (pixels * 127.5 + 127.5).round().permute(0, 2, 3, 1).to(torch.uint8)
        assert torch.equal(restored, torch.from_numpy(expected.images))


@pytest.mark.parametrize("crop", ["pad", "random-resized"])
def test_the_first_training_images_are_prepared_as_for_evaluation(crop: str) -> None:
    settings = InputSettings.model_validate({**AUGMENTED.model_dump(), "crop": crop, "size": 12})
    data = make_data(order_seed=1)
    first = make_source(settings, data, val_fraction=None).first_train_images(
        20, device=CPU, channels_last=False
    )
    assert first.shape == (20, 3, 12, 12)
    # The same pictures as a test set, whose evaluation is known to be right.
    swapped = make_source(settings, ImageSet(data.train, data.train, 4), val_fraction=None)
    (batch, *_) = swapped.eval_batches("test", batch_size=20, device=CPU, channels_last=False)
    assert torch.equal(first, batch.images)


def test_training_and_validation_share_no_image_and_leave_none_out() -> None:
    source = make_source(InputSettings(size=8))
    train = train_batches(source, batch_size=62)
    val = source.eval_batches("val", batch_size=4, device=CPU, channels_last=False)
    assert distinct([batch.images for batch in (*train, *val)]) == 70


def test_best_test_holds_nothing_out() -> None:
    source = make_source(val_fraction=None)
    assert (source.num_train, source.num_val) == (70, 0)
    assert list(source.eval_batches("val", batch_size=4, device=CPU, channels_last=False)) == []


def test_a_limit_cuts_both_parts_before_the_split_and_keeps_the_fingerprint() -> None:
    source = make_source(limit=20)
    assert (source.num_train, source.num_val, source.num_test) == (16, 4, 20)
    assert source.fingerprint == make_source().fingerprint


def test_input_of_another_size_is_resized() -> None:
    for crop in ("none", "random-resized"):
        source = make_source(InputSettings(size=12, crop=crop))
        assert train_batches(source)[0].images.shape == (16, 3, 12, 12)
        batch = next(source.eval_batches("val", batch_size=4, device=CPU, channels_last=False))
        assert batch.images.shape == (4, 3, 12, 12)


def test_the_device_copy_is_made_once() -> None:
    source = make_source()
    meta = torch.device("meta")
    for part in ("train", "val", "test"):
        assert source._on(part, meta)[0] is source._on(part, meta)[0]
        assert source._on(part, CPU)[0] is source._parts[part][0]


@pytest.mark.gpu
@pytest.mark.parametrize("crop", ["pad", "random-resized"])
def test_a_gpu_makes_the_same_batches(crop: str) -> None:
    settings = InputSettings.model_validate({**AUGMENTED.model_dump(), "crop": crop, "rand_augment": None})
    source = make_source(settings)
    options: Any = {"seed": 0, "epoch": 0, "batch_size": 16, "channels_last": True}
    on_gpu = source.train_batches(device=torch.device("cuda"), **options)
    for a, b in zip(source.train_batches(device=CPU, **options), on_gpu, strict=True):
        # One grey level where resampling rounds the other way.
        assert (a.images - b.images.cpu()).abs().max() < 0.03
        assert torch.allclose(a.targets, b.targets.cpu())


@pytest.mark.gpu
@pytest.mark.parametrize("crop", ["pad", "random-resized"])
def test_an_epoch_on_a_gpu_never_waits_for_the_gpu(crop: str) -> None:
    settings = InputSettings.model_validate({**AUGMENTED.model_dump(), "crop": crop})
    source = make_source(settings)
    options: Any = {"seed": 0, "batch_size": 16, "device": torch.device("cuda")}
    for channels_last in (False, True):
        list(source.train_batches(epoch=0, channels_last=channels_last, **options))  # copies the set
        torch.cuda.set_sync_debug_mode("error")
        try:
            batches = list(source.train_batches(epoch=1, channels_last=channels_last, **options))
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert len(batches) == source.steps_per_epoch(16)
