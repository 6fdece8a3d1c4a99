"""The whole way from bytes to a batch: normalisation, memory formats, evaluation."""

import pytest
import torch
from torch import Tensor

from actbench.data.normalization import Normalization
from actbench.data.pipeline import Generators, Pipeline, eval_side
from actbench.data.settings import InputSettings, RandAugmentSettings

COLOUR = Normalization((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
EVERYTHING = InputSettings(
    size=16,
    crop="pad",
    padding=2,
    flip=0.5,
    rand_augment=RandAugmentSettings(),
    cutout=4,
    random_erasing=0.5,
    mixup=0.2,
    cutmix=1.0,
)


def random_images(count: int = 12, side: int = 16, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, side, side, channels), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_is_per_channel_in_the_format_asked_for(channels: int, channels_last: bool) -> None:
    normalization = Normalization(COLOUR.mean[:channels], COLOUR.std[:channels])
    images = random_images(channels=channels)
    pixels = Pipeline(InputSettings(size=16), normalization, 4).normalize(images, channels_last=channels_last)
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in normalization)
    expected = (images.permute(0, 3, 1, 2).double() / 255 - mean) / std
    assert (pixels - expected).abs().max() < 1e-5
    assert pixels.dtype == torch.float32
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    assert pixels.is_contiguous(memory_format=memory_format)
    assert channels == 1 or pixels.is_contiguous() != channels_last


def test_memory_formats_hold_equal_values_through_every_augmentation() -> None:
    pipeline = Pipeline(EVERYTHING, COLOUR, 5)
    batches = []
    for channels_last in (False, True):
        generators = Generators.of_epoch(1, 2)
        labels = torch.arange(12) % 5
        batches.append(
            pipeline.train_batch(random_images(), None, labels, generators, channels_last=channels_last)
        )
    assert torch.equal(batches[0].images, batches[1].images)
    assert torch.equal(batches[0].targets, batches[1].targets)
    assert batches[0].images.is_contiguous()
    assert batches[1].images.is_contiguous(memory_format=torch.channels_last)
    assert batches[0].targets.shape == (12, 5)


def test_training_never_writes_into_the_stored_images() -> None:
    for settings in (InputSettings(size=16, rand_augment=RandAugmentSettings(num_ops=4)), EVERYTHING):
        images = random_images()
        pipeline, generators = Pipeline(settings, COLOUR, 5), Generators.of_epoch(0, 0)
        labels = torch.zeros(12, dtype=torch.long)
        for index in (None, torch.arange(12)):
            pipeline.train_batch(images, index, labels, generators, channels_last=True)
            assert torch.equal(images, random_images())


def test_without_mixing_targets_are_the_labels() -> None:
    labels = torch.arange(12)
    pipeline = Pipeline(InputSettings(size=16), COLOUR, 12)
    generators = Generators.of_epoch(0, 0)
    batch = pipeline.train_batch(random_images(), None, labels, generators, channels_last=False)
    assert torch.equal(batch.targets, labels)
    assert torch.equal(batch.images, pipeline.normalize(random_images(), channels_last=False))


def test_padding_is_black_before_normalisation() -> None:
    pipeline = Pipeline(InputSettings(size=16, crop="pad", padding=4), COLOUR, 2)
    white = torch.full((64, 16, 16, 3), 255, dtype=torch.uint8)
    labels, generators = torch.zeros(64, dtype=torch.long), Generators.of_epoch(0, 0)
    moved = pipeline.train_batch(white, None, labels, generators, channels_last=False).images
    black, full = (pipeline.normalize(torch.full_like(white, v), channels_last=False) for v in (0, 255))
    assert ((moved == black) | (moved == full)).all()
    assert (moved == black).any()
    assert torch.equal(moved[:, :, 4:12, 4:12], full[:, :, 4:12, 4:12])


def test_the_streams_of_an_epoch_differ_by_purpose_epoch_and_seed() -> None:
    first = [g.initial_seed() for g in Generators.of_epoch(0, 0)]
    others = [g.initial_seed() for pair in ((0, 1), (1, 0)) for g in Generators.of_epoch(*pair)]
    assert len({*first, *others}) == 9
    assert first == [g.initial_seed() for g in Generators.of_epoch(0, 0)]


def test_evaluation_resizes_and_crops_the_middle() -> None:
    settings = InputSettings(size=16, test_crop_ratio=0.8, interpolation="bilinear")
    pipeline = Pipeline(settings, COLOUR, 2)
    assert eval_side(settings) == 20
    images = random_images(side=20)
    expected = pipeline.normalize(images[:, 2:18, 2:18].contiguous(), channels_last=False)
    assert torch.equal(pipeline.evaluate(images, channels_last=False), expected)
    ramp = (torch.arange(40) * 6).to(torch.uint8)[None, None, :, None].expand(1, 40, 40, 3)
    shrunk = pipeline.evaluate(ramp.contiguous(), channels_last=True)
    assert shrunk.shape == (1, 3, 16, 16)
    middle = (ramp[0, 0, :, 0].view(20, 2).float().mean(dim=1)[2:18] / 255 - 0.5) / 0.2
    assert (shrunk[0, 0, 0] - middle).abs().max() < 2 / 255 / 0.2
