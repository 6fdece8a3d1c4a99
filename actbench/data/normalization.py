"""The mean and deviation by which images are normalised, in shares of full brightness."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actbench.data.canonical import Images
from actbench.data.settings import InputSettings


class Normalization(NamedTuple):
    """One value per channel each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def scale_and_shift(self) -> tuple[list[float], list[float]]:
        """(x / 255 - mean) / std as x * scale + shift, per channel."""
        pairs = list(zip(self.mean, self.std, strict=True))
        return [1 / (255 * std) for _, std in pairs], [-mean / std for mean, std in pairs]


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Of the whole training sets, to the four digits that everybody uses.
KNOWN = {
    "cifar10": Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Normalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "mnist": Normalization((0.1307,), (0.3081,)),
    "imagenet": IMAGENET,
}
CHUNK = 4096


def choose_normalization(name: str, settings: InputSettings, train_images: Images) -> Normalization:
    """What the recipe asks for; `train_images` is the whole training part, before any limit or split.

    A grey set takes the mean of the three colour values.
    """
    if settings.normalize != "dataset":
        return constant_normalization(settings, train_images.shape[-1])
    return KNOWN.get(name) or measure(train_images)


def constant_normalization(settings: InputSettings, channels: int) -> Normalization:
    """What the recipe asks for where it asks for no set's own."""
    assert settings.normalize != "dataset"
    if settings.normalize == "half":
        return Normalization((0.5,) * channels, (0.5,) * channels)
    if channels == 3:
        return IMAGENET
    return Normalization((sum(IMAGENET.mean) / 3,), (sum(IMAGENET.std) / 3,))


def measure(images: Images) -> Normalization:
    """Mean and deviation of every channel, from exact sums of integers."""
    channels = images.shape[-1]
    total: NDArray[np.int64] = np.zeros(channels, dtype=np.int64)
    squares: NDArray[np.int64] = np.zeros(channels, dtype=np.int64)
    for start in range(0, len(images), CHUNK):
        pixels = images[start : start + CHUNK].reshape(-1, channels).astype(np.int64)
        total += pixels.sum(axis=0)
        squares += (pixels * pixels).sum(axis=0)
    count = images.size // channels
    mean = total / count
    # A constant channel has no deviation to divide by; one grey level stands in.
    std = np.maximum(np.sqrt(np.maximum(squares / count - mean * mean, 0.0)), 1.0)
    return Normalization(tuple(map(float, mean / 255)), tuple(map(float, std / 255)))
