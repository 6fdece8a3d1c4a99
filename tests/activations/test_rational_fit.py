"""Fits are least squares, repeatable, at least as close as the published ones; and those are what their names say."""

import itertools
from typing import get_args

import pytest
import torch

from actbench.activations import rational_fit
from actbench.activations.catalog import ENTRIES, CurveName, RationalVersion
from actbench.activations.create import create_activation
from actbench.activations.pade import rational
from actbench.activations.rational_coefficients import KAT_GELU, PUBLISHED
from actbench.activations.rational_fit import Start, curve, distance, fit

VERSIONS: tuple[RationalVersion, ...] = ("A", "B", "C")
NAMES: tuple[CurveName, ...] = get_args(CurveName)

ERRORS: dict[tuple[RationalVersion, CurveName], tuple[float, float]] = {
    # Largest error of the published coefficients on [-3, 3], and half of the last digit given for it.
    ("A", "silu"): (1.2e-6, 5e-8),
    ("A", "relu"): (0.0300, 5e-5),
    ("A", "gelu"): (0.00414, 5e-6),
    ("A", "leaky_relu"): (0.0298, 5e-5),
    ("A", "tanh"): (4.1e-5, 5e-7),
    ("B", "relu"): (0.0339, 5e-5),
    ("B", "leaky_relu"): (0.0336, 5e-5),
    ("B", "gelu"): (0.00095, 5e-6),
    ("B", "silu"): (1.2e-6, 5e-8),
    ("B", "tanh"): (3.5e-6, 5e-8),
    ("B", "sigmoid"): (5.8e-9, 5e-11),
    ("B", "x_gelu"): (0.0013, 5e-5),
    ("B", "x_silu"): (0.0017, 5e-5),
}


def test_published_coefficients_are_as_far_off_as_told() -> None:
    for (version, name), (error, half) in ERRORS.items():
        assert distance(Start(*PUBLISHED[version, name]), version, name) == pytest.approx(error, abs=half)
    # The same under C as under B, the coefficients being scaled.
    for name in ("relu", "gelu", "silu"):
        b, c = (distance(Start(*PUBLISHED[version, name]), version, name) for version in ("B", "C"))
        assert c == pytest.approx(b, rel=0.05)
    assert set(ERRORS) | {
        ("A", "identity"),
        ("B", "identity"),
        ("C", "relu"),
        ("C", "gelu"),
        ("C", "silu"),
    } == set(PUBLISHED)


def test_released_coefficients_that_do_not_compute_their_name() -> None:
    """KAT's kernels evaluate form A; its newer "gelu", its "geglu" and "swishglu" fit form B."""
    wrong = [
        (Start(*KAT_GELU), "gelu", 1.465, 0.00295),
        (Start(*PUBLISHED["B", "x_gelu"]), "x_gelu", 0.945, 0.0013),
        (Start(*PUBLISHED["B", "x_silu"]), "x_silu", 1.71, 0.0017),
    ]
    for start, name, under_a, under_b in wrong:
        assert distance(start, "A", name) == pytest.approx(under_a, abs=5e-3)  # type: ignore[arg-type]
        assert distance(start, "B", name) == pytest.approx(under_b, abs=5e-5)  # type: ignore[arg-type]
    # The other way round, sets of form A that only its kernels compute.
    for name, under_b in (
        ("relu", 0.443),
        ("gelu", 0.350),
        ("leaky_relu", 0.424),
        ("silu", 1.3e-4),
        ("tanh", 1.8e-3),
    ):
        found = distance(Start(*PUBLISHED["A", name]), "B", name)  # type: ignore[arg-type, index]
        assert found == pytest.approx(under_b, rel=0.05)


@pytest.mark.parametrize(("version", "name"), list(ERRORS))
def test_fits_are_as_close_as_published_ones(version: RationalVersion, name: CurveName) -> None:
    # Least squares may lie a little further off at its worst point than another fit; by no more than a fifth.
    assert distance(fit(version, 5, 4, name, 3.0), version, name) <= 1.2 * ERRORS[version, name][0] + 1e-12


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_no_coefficient_can_be_moved_for_the_better(version: RationalVersion, name: CurveName) -> None:
    start = fit(version, 5, 4, name, 3.0)
    x = torch.linspace(-3, 3, 1201, dtype=torch.float64)
    wanted = curve(name)(x)

    def cost(numerator: list[float], denominator: list[float]) -> float:
        tables = (torch.tensor([values], dtype=torch.float64) for values in (numerator, denominator))
        y = rational(x, *tables, version=version, num_channels=1, channel_dim=0)
        return float((y - wanted).square().sum())

    best = cost(*map(list, start))
    for side, step in itertools.product((0, 1), (-1e-3, 1e-3)):
        for index in range(len(start[side])):
            moved = [list(values) for values in start]
            moved[side][index] += step * max(abs(moved[side][index]), 1e-3)
            assert cost(*moved) >= best * (1 - 1e-9) - 1e-20


def test_more_orders_and_other_intervals() -> None:
    # Errors of the library's own higher and lower orders: A 3/2 0.114, A 7/6 0.0101, B 7/6 0.0197.
    assert distance(fit("A", 3, 2, "leaky_relu", 3.0), "A", "leaky_relu") <= 0.114 * 1.2
    assert distance(fit("A", 7, 6, "leaky_relu", 3.0), "A", "leaky_relu") <= 0.0101 * 1.2
    assert distance(fit("B", 7, 6, "leaky_relu", 3.0), "B", "leaky_relu") <= 0.0197 * 1.2
    wide, narrow = fit("A", 5, 4, "gelu", 8.0), fit("A", 5, 4, "gelu", 3.0)
    assert distance(wide, "A", "gelu", 8.0) < distance(narrow, "A", "gelu", 8.0) / 10
    # relu(kx) = k relu(x): the fit on another interval is the same curve, stretched.
    on_one, on_three = fit("A", 5, 4, "relu", 1.0), fit("A", 5, 4, "relu", 3.0)
    assert distance(on_three, "A", "relu", 3.0) == pytest.approx(
        3 * distance(on_one, "A", "relu", 1.0), rel=1e-6
    )


def test_a_fit_is_the_same_at_every_call() -> None:
    first = fit("A", 5, 4, "mish", 3.0)
    fit.cache_clear()
    assert fit("A", 5, 4, "mish", 3.0) == first
    assert fit("A", 5, 4, "mish", 3.0) is fit("A", 5, 4, "mish", 3.0)


def test_polynomials_are_met_exactly() -> None:
    # On [-3, 3] hardswish is x (x + 3) / 6.
    start = fit("A", 5, 4, "hardswish", 3.0)
    assert start.numerator == pytest.approx((0, 1 / 2, 1 / 6, 0, 0, 0), abs=1e-14)
    assert start.denominator == (0, 0, 0, 0)


def test_every_curve_without_parameters_can_be_a_start() -> None:
    assert set(rational_fit._CURVES) | set(ENTRIES) >= set(NAMES)
    fitting = set()
    for entry in ENTRIES.values():
        module = create_activation(entry.name, 8)
        is_curve = getattr(module, "is_pointwise", False) and not getattr(entry, "gated", False)
        if is_curve and not any(True for _ in module.parameters()):
            fitting.add(entry.name)
    assert fitting == set(NAMES) - set(rational_fit._CURVES)
