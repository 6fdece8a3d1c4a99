"""Min-max scaling: exact ends, affine invariance, padding left out, and the guard where nothing varies."""

import pytest
import torch

from actbench.models.input_scaling import InputScaling, min_max

REAL = torch.tensor([[True] * 5, [True, True, True, False, False]])


def drawn(seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_channel_of_a_sentence_reaches_both_ends_exactly(dtype: torch.dtype) -> None:
    y = min_max(drawn(dtype=dtype), REAL, dim=1)
    assert y.dtype == dtype
    for sentence, length in zip(y, (5, 3), strict=True):
        assert (sentence[:length].amin(0) == -3).all()
        assert (sentence[:length].amax(0) == 3).all()
        assert (sentence[length:] == 0).all()


def test_every_token_reaches_both_ends_over_its_channels() -> None:
    y = min_max(drawn(), REAL, dim=-1)
    assert (y.amin(-1)[REAL] == -3).all()
    assert (y.amax(-1)[REAL] == 3).all()
    assert (y[~REAL] == 0).all()


def test_the_formula_by_hand() -> None:
    x = torch.tensor([1.0, 2.0, 5.0]).view(1, 3, 1)
    y = min_max(x, torch.ones(1, 3, dtype=torch.bool), dim=1)
    assert y.flatten().tolist() == [-3.0, -1.5, 3.0]


@pytest.mark.parametrize("dim", [1, -1])
def test_positive_affine_changes_of_the_input_change_nothing(dim: int) -> None:
    x = drawn(dtype=torch.float64)
    for scale, shift in ((1e-6, 0.0), (7.5, -3.0), (1e4, 1e3)):
        # x, max and min each round by eps of the shift, and the quotient multiplies that by 6 / (scale * range).
        bound = 8 * 6 * torch.finfo(torch.float64).eps * (1 + abs(shift) / scale)
        torch.testing.assert_close(
            min_max(scale * x + shift, REAL, dim=dim), min_max(x, REAL, dim=dim), rtol=0, atol=20 * bound
        )


def test_what_stands_at_padded_places_changes_nothing() -> None:
    x, other = drawn(), drawn()
    other[1, 3:] = 1e6
    assert torch.equal(min_max(x, REAL, dim=1), min_max(other, REAL, dim=1))
    shorter = min_max(x[1:, :3], REAL[1:, :3], dim=1)
    assert torch.equal(min_max(x, REAL, dim=1)[1:, :3], shorter)


@pytest.mark.parametrize("dim", [1, -1])
def test_where_nothing_varies_the_middle_is_taken_and_gradients_stay_finite(dim: int) -> None:
    x = torch.full((2, 5, 7), 4.25, requires_grad=True)
    y = min_max(x, REAL, dim=dim)
    assert (y == 0).all()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (gradient == 0).all()


def test_a_sentence_of_one_token_is_no_division_by_zero() -> None:
    x = drawn()[:, :1]
    assert (min_max(x, torch.ones(2, 1, dtype=torch.bool), dim=1) == 0).all()


@pytest.mark.parametrize("dim", [1, -1])
def test_the_gradient_is_that_of_the_formula_through_min_and_max(dim: int) -> None:
    x = drawn(3, torch.float64).requires_grad_()

    def scaled(values: torch.Tensor) -> torch.Tensor:
        return min_max(values, REAL, dim=dim)

    assert torch.autograd.gradcheck(scaled, (x,))
    y = scaled(x)
    # Any function of y is unmoved by x -> a x + b, so its gradient has no part along 1 and along x.
    (gradient,) = torch.autograd.grad((y * drawn(4, torch.float64)).sum(), x)
    kept = gradient.masked_fill(~REAL[..., None], 0)
    torch.testing.assert_close(gradient, kept, rtol=0, atol=0)
    torch.testing.assert_close(kept.sum(dim), torch.zeros_like(kept.sum(dim)), rtol=0, atol=1e-12)
    along = (kept * x.detach()).sum(dim)
    torch.testing.assert_close(along, torch.zeros_like(along), rtol=0, atol=1e-12)


def test_a_nan_is_not_hidden() -> None:
    x = drawn()
    x[0, 2, 3] = torch.nan
    assert min_max(x, REAL, dim=1)[0, 2, 3].isnan()


def test_none_gives_the_very_input() -> None:
    x = drawn()
    assert InputScaling("none")(x, REAL) is x
    assert torch.equal(InputScaling("minmax_seq")(x, REAL), min_max(x, REAL, dim=1))
    assert torch.equal(InputScaling("minmax_channel")(x, REAL), min_max(x, REAL, dim=-1))
