"""The Fourier series against its formula in double precision, its start, its period and its gradients."""

import math

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from actbench.activations.fourier_series import FourierSeries
from tests.activations.formulas import values


def series(x: float, module: FourierSeries) -> float:
    offset, w = module.offset.item(), module.w.item()
    waves: float = sum(
        a * math.cos(n * w * x) + b * math.sin(n * w * x)
        for n, (a, b) in enumerate(zip(module.a.tolist(), module.b.tolist(), strict=True), start=1)
    )
    return offset + waves


@pytest.mark.parametrize("terms", [1, 5, 20])
def test_formula(terms: int) -> None:
    module = FourierSeries(1, terms=terms)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.linspace(-0.2, 0.3, parameter.numel()).view(parameter.shape))
    module = module.double()
    points = torch.linspace(-20, 20, 401, dtype=torch.float64).tolist()
    # Each turn by the addition theorem rounds twice, and the n-th wave has turned n times: n * eps each, summed.
    bound = 4 * terms**2 * 2**-52
    assert values(module, points) == pytest.approx([series(x, module) for x in points], rel=0, abs=bound)


def test_twelve_scalars_per_layer() -> None:
    assert sum(p.numel() for p in FourierSeries(7).parameters()) == 12
    assert sum(p.numel() for p in FourierSeries(7, sharing="channel").parameters()) == 12 * 7


@pytest.mark.parametrize("half_period", [1.0, 3.0])
def test_the_start_is_relus_series(half_period: float) -> None:
    module, w = FourierSeries(1, half_period=half_period), math.pi / half_period
    assert module.w.item() == pytest.approx(w, rel=1e-7)
    mean = quad(lambda x: max(x, 0), -half_period, half_period, points=[0])[0] / (2 * half_period)
    assert module.offset.item() == pytest.approx(mean, rel=1e-7)
    for n in range(1, 6):
        even, odd = (
            quad(lambda x, f=f: max(x, 0) * f(n * w * x), 0, half_period)[0] / half_period  # noqa: B023
            for f in (math.cos, math.sin)
        )
        assert module.a[n - 1].item() == pytest.approx(even, rel=1e-6, abs=1e-7)
        assert module.b[n - 1].item() == pytest.approx(odd, rel=1e-6)


def test_known_coefficients_at_half_period_one() -> None:
    module = FourierSeries(1, half_period=1.0)
    first = (module.a[0].item(), module.b[0].item(), module.w.item(), module.offset.item())
    assert first == pytest.approx((-0.202642, 0.318310, math.pi, 0.25), abs=1e-6)


def test_more_terms_come_closer_to_relu() -> None:
    points = torch.linspace(-2.5, 2.5, 101).tolist()
    errors = [
        max(
            abs(y - max(x, 0)) for x, y in zip(points, values(FourierSeries(1, terms=n), points), strict=True)
        )
        for n in (2, 5, 20)
    ]
    assert errors == sorted(errors, reverse=True)


def test_input_beyond_a_period_wraps_around() -> None:
    module = FourierSeries(1).double()
    period = 2 * math.pi / module.w.item()
    points = torch.linspace(-3, 3, 61, dtype=torch.float64)
    assert values(module, (points + 4 * period).tolist()) == pytest.approx(
        values(module, points.tolist()), abs=1e-12
    )


def test_gradients_equal_autograds_through_the_plain_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    module = FourierSeries(3, sharing="channel").double()
    n = torch.arange(1, 6, dtype=torch.float64)
    phase = n * (module.w.view(1, 3, 1) * x)[..., None]

    def waves(coefficients: Tensor, wave: Tensor) -> Tensor:
        return (coefficients.view(1, 3, 1, 5) * wave).sum(-1)

    plain = module.offset.view(1, 3, 1) + waves(module.a, phase.cos()) + waves(module.b, phase.sin())
    leaves = (x, *module.parameters())
    wanted, got = (torch.autograd.grad(y.sin().sum(), leaves) for y in (plain, module(x)))
    for w, g in zip(wanted, got, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-11, atol=1e-12)


def test_a_phase_beyond_float32_is_still_a_phase() -> None:
    x = torch.tensor([[-3.4e38], [3.4e38]])  # times w = pi / 3 that is infinite
    y = FourierSeries(1)(x)
    assert y.isfinite().all()
    assert (y.abs() < 10).all()
