"""Streams are named by purpose: equal names give equal seeds, any difference gives another."""

from actbench.streams import stream_seed


def test_the_same_purpose_gives_the_same_seed() -> None:
    assert stream_seed(3, "init", "stem.weight") == stream_seed(3, "init", "stem.weight")


def test_every_part_of_the_purpose_counts() -> None:
    seeds = {
        stream_seed(seed, purpose, part)
        for seed in range(20)
        for purpose in ("init", "activation", "order")
        for part in ("a", "b", 0, 1)
    }
    assert len(seeds) == 20 * 3 * 4


def test_an_integer_and_its_text_are_different_purposes() -> None:
    assert stream_seed(0, "step", 1) != stream_seed(0, "step", "1")


def test_parts_do_not_run_together() -> None:
    assert stream_seed(0, "ab", "c") != stream_seed(0, "a", "bc")


def test_a_seed_fits_a_signed_64_bit_integer() -> None:
    assert all(0 <= stream_seed(seed, "order", 0) < 2**63 for seed in range(1000))
