"""The embedded digits: facts of the set, and the split by content."""

from pathlib import Path

import numpy as np

from actbench.data.catalog import DigitsOptions
from actbench.data.digits import load_digits
from actbench.data.settings import InputSettings
from actbench.data.source import check_data, open_data

OPTIONS = DigitsOptions(name="digits")


def test_counts_shapes_and_repeated_pixels() -> None:
    data = load_digits(OPTIONS)
    images = np.concatenate([data.train.images, data.test.images])
    assert images.shape == (1797, 32, 32, 1)
    assert images.dtype == np.uint8
    assert images.min() == 0
    assert images.max() == 255
    assert len(np.unique(images)) == 17
    small = images[:, ::4, ::4]
    assert np.array_equal(images, small.repeat(4, axis=1).repeat(4, axis=2))
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_test_part_is_the_same_share_of_every_digit() -> None:
    data = load_digits(OPTIONS)
    whole = np.bincount(np.concatenate([data.train.labels, data.test.labels]))
    assert np.bincount(data.test.labels).tolist() == [round(0.3 * n) for n in whole]


def test_it_needs_no_folder() -> None:
    nowhere = Path("/nonexistent")
    check_data(OPTIONS, data_dir=nowhere)
    source = open_data(OPTIONS, InputSettings(), data_dir=nowhere, limit=None, val_fraction=0.1)
    assert (source.num_train + source.num_val + source.num_test, source.channels) == (1797, 1)
    assert source.num_classes == 10
    assert not source.synthetic
