"""One order and one split for the same content, and counts per class as promised."""

import numpy as np
import pytest

from actbench.data.canonical import (
    Examples,
    ImageSet,
    canonical_order,
    fingerprint,
    held_out,
    image_keys,
    in_order,
    limited,
)


def random_examples(count: int = 60, num_classes: int = 5, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return Examples(images, rng.permutation(np.arange(count) % num_classes))


def shuffled(examples: Examples, seed: int) -> Examples:
    return examples.select(np.random.default_rng(seed).permutation(len(examples.labels)))


def test_shuffling_changes_neither_order_nor_split_nor_fingerprint() -> None:
    train, test = random_examples(), random_examples(20, seed=1)
    whole = ImageSet(in_order(train)[0], in_order(test)[0], 5)
    for seed in range(3):
        again, keys = in_order(shuffled(train, seed))
        assert np.array_equal(again.images, whole.train.images)
        assert np.array_equal(again.labels, whole.train.labels)
        assert np.array_equal(keys, image_keys(whole.train.images))
        moved = ImageSet(again, in_order(shuffled(test, seed))[0], 5)
        assert fingerprint(moved) == fingerprint(whole)


def test_the_fingerprint_sees_every_part() -> None:
    train, test = random_examples(), random_examples(20, seed=1)
    base = fingerprint(ImageSet(train, test, 5))
    brighter, other = train.images.copy(), test.labels.copy()
    brighter[3, 2, 2, 1] ^= 1
    other[7] = (other[7] + 1) % 5
    changed = [
        ImageSet(Examples(brighter, train.labels), test, 5),
        ImageSet(train, Examples(test.images, other), 5),
        ImageSet(train, test, 6),
        ImageSet(test, train, 5),
        ImageSet(Examples(train.images.reshape(60, 3, 12, 3), train.labels), test, 5),
    ]
    assert len({base, *map(fingerprint, changed)}) == 6


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_each_class_gives_its_rounded_share_and_the_smallest_keys(fraction: float) -> None:
    examples, keys = in_order(random_examples(97, 4))
    apart = held_out(keys, examples.labels, fraction)
    for label in range(4):
        mine = examples.labels == label
        assert (apart & mine).sum() == round(fraction * mine.sum())
        assert keys[apart & mine].max() < keys[~apart & mine].min()


def test_small_classes_give_one_if_they_keep_one() -> None:
    labels = np.array([0, 0, 1, 2, 2, 2])
    keys = np.array([5, 6, 7, 1, 2, 3], dtype=np.uint64)
    assert held_out(keys, labels, 0.1).tolist() == [True, False, False, True, False, False]
    assert held_out(keys, labels, 0.9).tolist() == [True, False, False, True, True, False]


def test_classes_of_one_image_give_a_share_of_all() -> None:
    keys = np.arange(10, dtype=np.uint64)
    assert held_out(keys, np.arange(10), 0.2).sum() == 2
    assert held_out(keys[:2], np.arange(2), 0.1).sum() == 1


def test_copies_of_an_image_fall_on_one_side_whatever_their_labels() -> None:
    examples = random_examples(40, 2)
    copies = examples.images[np.arange(40) // 2]
    labels = np.arange(40) % 4 // 2 + (np.arange(40) % 8 == 5)
    keys = image_keys(copies)
    order = canonical_order(keys, labels)
    apart = held_out(keys[order], labels[order], 0.3)
    assert 0 < apart.sum() < 40
    assert not set(keys[order][apart].tolist()) & set(keys[order][~apart].tolist())


def test_a_limit_keeps_the_shares_of_the_classes() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [60, 30, 10]))
    kept = limited(labels, 20)
    assert np.bincount(labels[kept]).tolist() == [12, 6, 2]
    assert (np.diff(kept) > 0).all()
    for label in range(3):  # the first of each class in canonical order
        assert np.array_equal(
            kept[labels[kept] == label], np.flatnonzero(labels == label)[: (12, 6, 2)[label]]
        )


def test_a_limit_of_the_number_of_classes_keeps_one_of_each() -> None:
    labels = np.repeat(np.arange(4), [97, 1, 1, 1])
    assert labels[limited(labels, 4)].tolist() == [0, 1, 2, 3]


def test_a_smaller_limit_keeps_the_first_classes_and_a_larger_one_everything() -> None:
    labels = np.arange(30)[::-1] % 10
    assert sorted(labels[limited(labels, 3)].tolist()) == [0, 1, 2]
    assert np.array_equal(limited(labels, 99), np.arange(30))
    assert np.array_equal(limited(labels, None), np.arange(30))
