"""scikit-learn's handwritten digits: real images that need no download.

1,797 images of 8x8 counts from 0 to 16, scaled to bytes, each pixel repeated 4x4 to 32x32; one channel.
"""

import numpy as np

from actbench.data.canonical import Examples, ImageSet, held_out, in_order
from actbench.data.catalog import DigitsOptions

LARGEST_COUNT = 16
REPEAT = 4


def load_digits(options: DigitsOptions) -> ImageSet:
    """The digits with a test part split off by content, in proportion to the classes."""
    # Imported here because it takes a second, which the other data sets need not pay.
    from sklearn.datasets import load_digits as embedded_digits

    counts, labels = embedded_digits(return_X_y=True)
    small = np.rint(counts.reshape(-1, 8, 8) * (255 / LARGEST_COUNT)).astype(np.uint8)
    images = small.repeat(REPEAT, axis=1).repeat(REPEAT, axis=2)[..., None]
    examples, keys = in_order(Examples(images, labels.astype(np.int64)))
    test = held_out(keys, examples.labels, options.test_fraction)
    return ImageSet(train=examples.select(~test), test=examples.select(test), num_classes=10)
