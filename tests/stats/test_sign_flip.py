import pytest

from actbench.stats import sign_flip


@pytest.mark.parametrize(
    ("n", "smallest"), [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (9, 0.00390625)]
)
def test_few_pairs_cannot_have_a_small_p(n: int, smallest: float) -> None:
    assert sign_flip([0.1 * (k + 1) for k in range(n)]) == (smallest, smallest)


def test_by_hand() -> None:
    # sums of +-1 +-2 +-4 are +-1, 3, 5, 7; seen is 5, and two of four are as far out
    assert sign_flip([-1.0, 2.0, 4.0]) == (0.5, 0.25)
    # ties, in spite of rounding: 0.1 + 0.2 is not 0.3
    assert sign_flip([0.1, 0.2, -0.3]) == (1.0, 0.25)
    assert sign_flip([0.0, 0.0, 1.0]) == (1.0, 0.25)


def test_no_pair_one_pair_and_too_many_have_none() -> None:
    assert sign_flip([]) is None
    assert sign_flip([1.0]) is None
    assert sign_flip([1.0] * 13) is None
    assert sign_flip([1.0] * 12) == (0.5**11, 0.5**11)
