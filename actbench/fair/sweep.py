"""The points that every arm tries: a grid each, as many for one arm as for any other, and how grids grow.

An arm's grid is the product of the values of all its settings, those that all arms have and its own. An arm whose grid
is smaller than the largest gets learning rates between the grid's, evenly in their logarithm, until it has as many
points. Whatever grows keeps the points that were there, so no trial is made for nothing. Imports no torch.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, NamedTuple

from actbench.recipe.schema import Recipe
from actbench.recipe.tuned_keys import LR, is_integer, is_of, parse_key, refusal

Side = Literal["low", "high"]
Point = Mapping[str, float]
"""Setting -> value, by the keys of `tune.space`."""
MAX_GROWTH = 3
"""Values by which one side of one setting can grow; from 3 values a factor of 3 apart, 27 times further."""


class Edge(NamedTuple):
    key: str
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    axes: Mapping[str, tuple[float, ...]]
    """The grid's values of each setting, rising."""
    points: Mapping[str, tuple[Point, ...]]
    """Arm -> its points, in the order in which they came to be wanted."""
    grown: Mapping[Edge, int]
    """How often each side has grown."""


def first_sweep(recipe: Recipe) -> Sweep:
    """What the recipe's block `tune` asks for, before anything is known."""
    tune = recipe.tune
    assert tune is not None
    axes = {key: tuple(sorted(values)) for key, values in tune.space.items()}
    grids = {
        arm.name: _grid({key: values for key, values in axes.items() if is_of(key, arm)})
        for arm in recipe.arms
    }
    return Sweep(axes=axes, points=_equalised(grids, tune.trials or 0), grown={})


def edges_at(sweep: Sweep, recipe: Recipe, point: Point) -> list[Edge]:
    """The sides of the grid on which the point lies, those left out where the setting's own range ends."""
    found: list[Edge] = []
    for key, value in point.items():
        axis = sweep.axes[key]
        ends = (Edge(key, "low"), axis[0]), (Edge(key, "high"), axis[-1])
        at = [edge for edge, end in ends if value == end]
        found += [edge for edge in at if not _is_end_of_range(recipe, edge, value)]
    return found


def can_grow(sweep: Sweep, recipe: Recipe, edge: Edge) -> bool:
    return sweep.grown.get(edge, 0) < MAX_GROWTH and _next_value(sweep, recipe, edge) is not None


def grown(sweep: Sweep, recipe: Recipe, edges: Collection[Edge]) -> Sweep:
    """One more value beyond each of these sides, for every arm that has the setting; as many points for the others."""
    axes, points = dict(sweep.axes), dict(sweep.points)
    for edge in edges:
        value = _next_value(sweep, recipe, edge)
        assert value is not None
        for arm in recipe.arms:
            if is_of(edge.key, arm):
                own = {key: values for key, values in axes.items() if is_of(key, arm)}
                points[arm.name] = (*points[arm.name], *_grid({**own, edge.key: (value,)}))
        axes[edge.key] = tuple(sorted((*axes[edge.key], value)))
    counts = {edge: sweep.grown.get(edge, 0) + (edge in edges) for edge in {*sweep.grown, *edges}}
    return Sweep(axes=axes, points=_equalised(points, 0), grown=counts)


def _grid(axes: Mapping[str, Sequence[float]]) -> tuple[Point, ...]:
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


def _equalised(points: Mapping[str, tuple[Point, ...]], least: int) -> dict[str, tuple[Point, ...]]:
    """As many points for every arm as the one with the most has, and `least` at any rate."""
    number = max(least, *map(len, points.values())) if points else least
    return {arm: _with_rates_between(own, number) for arm, own in points.items()}


def _with_rates_between(points: tuple[Point, ...], number: int) -> tuple[Point, ...]:
    """So many points: further ones differ from those that are there in the learning rate alone.

    They are dealt out so that all combinations of the other settings get as many rates.
    """
    lines: dict[tuple[tuple[str, float], ...], list[float]] = {}
    for point in points:
        others = tuple((key, value) for key, value in point.items() if key != LR)
        lines.setdefault(others, []).append(point[LR])
    missing = number - len(points)
    sizes = {others: len(rates) for others, rates in lines.items()}
    for _ in range(missing):
        smallest = min(sizes, key=lambda others: sizes[others])
        sizes[smallest] += 1
    order = list(points[0])
    added = [
        {**dict(others), LR: rate}
        for others, rates in lines.items()
        for rate in rates_between(rates, sizes[others] - len(rates))
    ]
    return (*points, *({key: point[key] for key in order} for point in added))


def rates_between(rates: Sequence[float], count: int) -> list[float]:
    """So many more between the smallest and the largest, each gap cut into equal ratios, the widest gaps most often."""
    gaps = list(pairwise(sorted(rates)))
    cuts = [1] * len(gaps)
    for _ in range(count):
        widest = max(range(len(gaps)), key=lambda i: round(math.log(gaps[i][1] / gaps[i][0]) / cuts[i], 9))
        cuts[widest] += 1
    return [
        rate
        for (low, high), number in zip(gaps, cuts, strict=True)
        for rate in _short([low, *(low * (high / low) ** (part / number) for part in range(1, number)), high])
    ]


def _next_value(sweep: Sweep, recipe: Recipe, edge: Edge) -> float | None:
    """One step beyond that side, as far as the last one: a ratio where all values are positive, else a difference.

    None where the setting cannot have that value.
    """
    axis = sweep.axes[edge.key]
    last, inner = (axis[0], axis[1]) if edge.side == "low" else (axis[-1], axis[-2])
    value = last * (last / inner) if axis[0] > 0 else last + (last - inner)
    if _is_integer(recipe, edge.key):
        value = float(round(value))
        value = value if value != last else last + math.copysign(1, last - inner)
    else:
        value = float(f"{value:.3g}")
    return None if _refused(recipe, edge.key, value) else value


def _is_end_of_range(recipe: Recipe, edge: Edge, value: float) -> bool:
    """Whether the setting can have no value beyond this one, however near."""
    step = 1.0 if _is_integer(recipe, edge.key) else 1e-6 * max(abs(value), 1e-6)
    return _refused(recipe, edge.key, value - step if edge.side == "low" else value + step)


def _refused(recipe: Recipe, name: str, value: float) -> bool:
    key = parse_key(name, recipe.arms)
    assert key is not None
    return refusal(recipe.arms, key, value) is not None


def _is_integer(recipe: Recipe, name: str) -> bool:
    key = parse_key(name, recipe.arms)
    return key is not None and key.arm is not None and is_integer(recipe.arm(key.arm), key)


def _short(rates: Sequence[float]) -> list[float]:
    """The inner ones with three digits, or as many as tell them from one another and from the two ends."""
    low, *inner, high = rates
    for digits in range(3, 17):
        short = [float(f"{rate:.{digits}g}") for rate in inner]
        if all(one < other for one, other in pairwise([low, *short, high])):
            return short
    return inner
