"""How images and sentences become network input: the recipe's `input` block. Imports no torch."""

from typing import Literal

from pydantic import Field

from actbench.frozen import Frozen


class RandAugmentSettings(Frozen):
    num_ops: int = Field(2, ge=1, le=4)
    magnitude: float = Field(7, ge=0, le=10)
    magnitude_std: float = Field(0.5, ge=0, le=10)


class TokenSettings(Frozen):
    """From a sentence to token numbers: see tokens.py."""

    tokenizer: Literal["words", "wordpiece"] = "words"
    max_length: int = Field(64, ge=4, le=512)
    """Tokens of a sentence, special ones included; what is longer is cut."""
    min_count: int = Field(1, ge=1, le=1000)
    """Occurrences in the training part that a word needs to be known; of `words` alone."""
    max_words: int = Field(30_000, ge=1, le=1_000_000)
    """At most so many words, the commonest; of `words` alone."""
    vocabulary: str = Field("bert-base-uncased/vocab.txt", min_length=1)
    """File below the data folder (or an absolute path), one word piece per line; of `wordpiece` alone."""


class InputSettings(Frozen):
    """From stored example to network input; everything random here applies to training images alone."""

    size: int = Field(32, ge=4, le=1024)
    """Side of the square; for detection the shorter side of the whole picture."""
    max_size: int = Field(1333, ge=32, le=4096)
    """Detection alone: the longer side's limit, which the shorter one gives way to."""
    normalize: Literal["dataset", "imagenet", "half"] = "dataset"
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop: Literal["none", "pad", "random-resized"] = "none"
    padding: int = Field(4, ge=0, le=64)
    scale_min: float = Field(0.08, gt=0, le=1)
    """Smallest share of the area that a random-resized crop takes; its aspect ratio lies in 3/4 to 4/3."""
    test_crop_ratio: float = Field(1.0, gt=0, le=1)
    """Test images are resized to size / test_crop_ratio, then cropped at the centre."""
    flip: float = Field(0.0, ge=0, le=1)
    rand_augment: RandAugmentSettings | None = None
    cutout: int = Field(0, ge=0, le=512)
    """Side of the square that is set to the mean; 0 for none."""
    random_erasing: float = Field(0.0, ge=0, le=1)
    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)
    mix_probability: float = Field(1.0, ge=0, le=1)
    switch_probability: float = Field(0.5, ge=0, le=1)
    """Chance of cutmix instead of mixup where both are on."""
    tokens: TokenSettings = TokenSettings.model_construct()
    """Text alone, which takes nothing else of this block."""
