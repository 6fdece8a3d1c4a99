"""Coefficients with which a rational starts as a given curve: fitted here, or published.

The fit minimises the squared error at evenly spaced points of [-interval, interval], in float64. Multiplied by its
denominator the error is linear in all coefficients, so that weighted least squares, repeated with the denominator
found before as weight, gives a start; a trust-region method goes on from there on the true error. No draw is random.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from actbench.activations.catalog import Coefficients, CurveName, RationalVersion
from actbench.activations.create import create_activation
from actbench.activations.pade import FORMS, rational
from actbench.activations.rational_coefficients import INTERVAL, ORDERS, PUBLISHED
from actbench.errors import ActbenchError

_POINTS = 1201
_REWEIGHTED = 30
"""Rounds of weighted least squares; the residual stops falling after about ten."""
_EXACT = 1e-20
"""Summed squares that are rounding alone."""
_INSIDE = 1e-3
"""How far from a bound a trust region starts."""
_TOLERANCE = 1e-13
"""Relative change of cost and coefficients, and slope of the cost, at which the fit ends."""
SCALE_OF_C = 0.9
"""Version C has one coefficient too many: a common factor changes nothing. b_0 is held here, so that Q(0) = 1."""

Array = np.ndarray[tuple[Any, ...], np.dtype[np.floating]]


class Start(NamedTuple):
    """Coefficients of numerator and denominator in the version's own layout."""

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]


_CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "x_gelu": lambda x: x * F.gelu(x),
    "x_silu": lambda x: x * F.silu(x),
}


def curve(name: CurveName) -> Callable[[Tensor], Tensor]:
    """The curve of that name on tensors of any dtype."""
    return _CURVES[name] if name in _CURVES else create_activation(name, 1)


def start_as(
    init: CurveName,
    version: RationalVersion,
    orders: tuple[int, int],
    interval: float,
    coefficients: Coefficients,
) -> Start:
    """The fitted or published start. Raises ActbenchError where none is published, or for another version only."""
    if coefficients == "fitted":
        return fit(version, *orders, init, interval)
    if (orders, interval) != (ORDERS, INTERVAL):
        raise ActbenchError(
            f"published coefficients are of order {ORDERS[0]}/{ORDERS[1]} on [-{INTERVAL:g}, {INTERVAL:g}], not "
            f"{orders[0]}/{orders[1]} on [-{interval:g}, {interval:g}]",
            hints=("coefficients: fitted",),
        )
    own: RationalVersion = "B" if version == "D" else version  # D's are B's, as in the library
    if (own, init) in PUBLISHED:
        return Start(*PUBLISHED[own, init])
    others = [other for other, name in PUBLISHED if name == init]
    if not others:
        raise ActbenchError(
            f"no coefficients are published for a start as {init}", hints=("coefficients: fitted",)
        )
    message = f"no coefficients of version {version} are published for a start as {init}"
    if own in ("A", "B") and others == ["B" if own == "A" else "A"]:
        off = distance(Start(*PUBLISHED[others[0], init]), own, init)
        message += f"; those of version {others[0]} computed as {version} are off by {off:.3g} on [-3, 3]"
    raise ActbenchError(message, hints=("coefficients: fitted", f"version: {' or '.join(others)}"))


def distance(start: Start, version: RationalVersion, init: CurveName, interval: float = INTERVAL) -> float:
    """Largest error of these coefficients under that version, at 60,001 points of [-interval, interval]."""
    x = torch.linspace(-interval, interval, 60_001, dtype=torch.float64)
    a, b = (torch.tensor([values], dtype=torch.float64) for values in start)
    y = rational(x, a, b, version=version, num_channels=1, channel_dim=0)
    return float((y - curve(init)(x)).abs().max())


@cache
def fit(
    version: RationalVersion, numerator: int, denominator: int, init: CurveName, interval: float
) -> Start:
    """The least-squares start of that version and those orders; the same numbers at every call."""
    form = FORMS[version]
    if init == "identity":  # exact, and no work
        head = (SCALE_OF_C,) if form.first == 0 else ()
        return Start((0.0, 1.0, *(0.0,) * (numerator - 1)), (*head, *(0.0,) * denominator))
    unit = np.linspace(-1, 1, _POINTS)
    wanted = curve(init)(torch.from_numpy(unit * interval)).numpy()
    a, b = _Problem(unit, wanted, version, numerator, denominator).solve()
    a /= interval ** np.arange(numerator + 1)
    b /= interval ** np.arange(1, denominator + 1)
    head = (SCALE_OF_C,) if form.first == 0 else ()
    return Start(tuple(a.tolist()), (*head, *b.tolist()))


class _Problem:
    """Coefficients (a_0 .. a_m, b_1 .. b_n) of a rational on [-1, 1], with Q(0) = 1 whatever the version."""

    def __init__(
        self, x: Array, wanted: Array, version: RationalVersion, numerator: int, denominator: int
    ) -> None:
        form = FORMS[version]
        self.wanted, self.of_magnitude = wanted, form.of_magnitude
        self.offset = form.offset
        self.constant = 1.0 - form.offset  # C's b_0, the others' 0
        self.top = x[:, None] ** np.arange(numerator + 1)
        z = np.abs(x) if form.of_magnitude else x
        self.bottom = z[:, None] ** np.arange(1, denominator + 1)

    def solve(self) -> tuple[Array, Array]:
        """a_0 .. a_m and b_1 .. b_n with the least squared error."""
        from scipy.optimize import least_squares  # only who fits pays for the import

        split = self.top.shape[1]
        low = np.full(split + self.bottom.shape[1], -np.inf)
        if self.of_magnitude:
            low[split:] = 0  # |b_j| is what counts
        flat, linear = self._starts()
        # For a polynomial a denominator would only fit the rounding.
        if float(np.square(self._error(flat)).sum()) < _EXACT:
            return flat[:split], flat[split:]
        best = None
        for start in (flat, linear):
            inside = np.maximum(start, np.where(np.isfinite(low), _INSIDE, -np.inf))
            bounds, small = (low, np.inf), _TOLERANCE
            found = least_squares(
                self._error,
                inside,
                self._slopes,
                bounds=bounds,
                xtol=small,
                ftol=small,
                gtol=small,
                max_nfev=400,
            )
            if best is None or found.cost < best.cost:
                best = found
        assert best is not None
        coefficients: Array = best.x
        return coefficients[:split], coefficients[split:]

    def _starts(self) -> tuple[Array, Array]:
        """The best polynomial, and what reweighted linear least squares finds."""
        split = self.top.shape[1]
        weight = np.ones(len(self.wanted))
        for _ in range(_REWEIGHTED):
            system = np.hstack((self.top, -self.bottom * self.wanted[:, None])) * weight[:, None]
            linear: Array = np.linalg.lstsq(system, self.wanted * weight, rcond=None)[0]
            below = np.abs(linear[split:]) if self.of_magnitude else linear[split:]
            weight = 1 / np.maximum(np.abs(1 + self.bottom @ below), 0.1)
        flat: Array = np.zeros(len(linear))
        flat[:split] = np.linalg.lstsq(self.top, self.wanted, rcond=None)[0]
        return flat, linear

    def _parts(self, at: Array) -> tuple[Array, Array, Array]:
        split = self.top.shape[1]
        inner = self.constant + self.bottom @ at[split:]
        q = self.offset + np.abs(inner)
        return self.top @ at[:split] / q, q, np.where(inner < 0, -1.0, 1.0)

    def _error(self, at: Array) -> Array:
        return self._parts(at)[0] - self.wanted

    def _slopes(self, at: Array) -> Array:
        y, q, sign = self._parts(at)
        return np.hstack((self.top / q[:, None], -self.bottom * (sign * y / q)[:, None]))
