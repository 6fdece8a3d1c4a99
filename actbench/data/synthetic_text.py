"""Generated sentences for smoke runs: a few words of each tell its class, so it can be learnt.

Integers only, from a fixed seed, so the same set comes out everywhere.
"""

import numpy as np

from actbench.data.catalog import SyntheticTextOptions
from actbench.data.sentences import Sentences, TextSet
from actbench.streams import stream_seed

TELLING = 6
"""Words that each class has for itself."""
SHORTEST = 4


def make_synthetic_text(options: SyntheticTextOptions) -> TextSet:
    """A training and a test part with every class equally often, to within one sentence."""
    return TextSet(
        train=_part(options, "train", options.train),
        val=None,
        test=_part(options, "test", options.test),
        num_classes=options.num_classes,
    )


def _part(options: SyntheticTextOptions, part: str, count: int) -> Sentences:
    labels = np.arange(count, dtype=np.int64) % options.num_classes
    texts = tuple(_sentence(options, part, number, int(label)) for number, label in enumerate(labels))
    return Sentences(texts, labels)


def _sentence(options: SyntheticTextOptions, part: str, number: int, label: int) -> str:
    rng = np.random.default_rng(stream_seed(0, "synthetic text", part, number))
    length = int(rng.integers(SHORTEST, options.longest + 1))
    words = [f"word{place}" for place in rng.integers(0, options.words, length)]
    for place in rng.choice(length, SHORTEST // 2, replace=False):
        words[place] = f"class{label}of{rng.integers(0, TELLING)}"
    return " ".join(words)
