"""The widths at which a baseline's network is as large as another arm's, in parameters or in work.

All stages are widened or narrowed alike, as far as whole channels allow, until parameters, or multiply-accumulates with
the declared operations of the activations, of one image agree; what rounding leaves is made up by single channels of
single stages. Counts are those that records hold (`training/cost.py`), of models that have shapes and no values.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple

from pydantic import ValidationError

from actbench.errors import ActbenchError, Problem
from actbench.fair.controls import Pair, pairs
from actbench.models.catalog import ArmModel, ModelOptions
from actbench.models.network import Network
from actbench.models.stage_widths import stage_widths, with_widths
from actbench.recipe.hashing import arm_settings
from actbench.recipe.schema import Arm, ArmTrain, Recipe
from actbench.training.build import activation_sites, build_model, build_shapes
from actbench.training.cost import forward_work, probe

TOLERANCE = 0.01
_FINE = 0.001
"""So near, scaling is done."""
_GOOD = 0.0025
"""So near, single channels need no correction."""
_SCALINGS = 12
_CORRECTIONS = 8

Widths = tuple[int, ...]
Count = Callable[[Widths], int | None]
"""None where the model cannot have these widths."""


class _Nearest(NamedTuple):
    widths: Widths
    reached: int

    def miss(self, target: int) -> float:
        """How much more than the target it is, as a share of it."""
        return self.reached / target - 1


def matched_widths(
    recipe: Recipe, tuned: Mapping[str, Arm], *, num_classes: int, channels: int
) -> dict[Pair, ArmModel]:
    """For each control params and macs the options of the baseline's model that make it one; none where it is.

    `tuned` as in `control_arms`; with none of them it tells before any run whether the controls can be had. Raises
    ActbenchError with all those that cannot.
    """
    counts = _Counts(recipe, num_classes, channels)
    found: dict[Pair, ArmModel] = {}
    problems: list[Problem] = []
    for pair in pairs(recipe, "params", "macs"):
        base = tuned.get(pair.baseline, recipe.arm(pair.baseline))
        candidate = tuned.get(pair.candidate, recipe.arm(pair.candidate))
        try:
            found[pair] = _matched(recipe, pair, base, candidate, counts)
        except ActbenchError as error:
            problems.extend(error.problems)
    if problems:
        failure = ActbenchError(problems[0].message)
        failure.problems = tuple(problems)
        raise failure
    return found


class _Counts:
    """Parameters, or work, of arms; each is counted once."""

    def __init__(self, recipe: Recipe, num_classes: int, channels: int) -> None:
        self._recipe, self._shape = recipe, {"num_classes": num_classes, "channels": channels}
        self._known: dict[tuple[str, bool], int] = {}

    def __call__(self, arm: Arm, control: str) -> int:
        shape = arm.model_copy(update={"train": ArmTrain(), "salt": 0})
        key = (str(arm_settings(shape)), control == "macs")
        if key not in self._known:
            self._known[key] = self._work(arm) if control == "macs" else self._parameters(arm)
        return self._known[key]

    def _parameters(self, arm: Arm) -> int:
        return sum(parameter.numel() for parameter in self._built(arm).parameters())

    def _work(self, arm: Arm) -> int:
        model, images = self._built(arm), probe(self._recipe, self._shape["channels"])
        device = next(model.parameters()).device
        try:
            macs, pointwise, _ = forward_work(model, activation_sites(model), images.to(device))
        except Exception:
            if device.type == "cpu":
                raise
            # What looks at values cannot be run without them.
            model = build_model(self._recipe, arm, seed=0, **self._shape)
            macs, pointwise, _ = forward_work(model, activation_sites(model), images)
        return macs + pointwise

    def _built(self, arm: Arm) -> Network:
        try:
            return build_shapes(self._recipe, arm, **self._shape)
        except ActbenchError:
            raise
        except Exception:  # a user's own may look at the values of its parameters
            return build_model(self._recipe, arm, seed=0, **self._shape)


def _matched(recipe: Recipe, pair: Pair, base: Arm, candidate: Arm, counts: _Counts) -> ArmModel:
    target, model = counts(candidate, pair.control), recipe.model_of(base)
    own = _Nearest(stage_widths(model), counts(base, pair.control))
    if abs(own.miss(target)) <= TOLERANCE:
        return ArmModel()

    def count(widths: Widths) -> int | None:
        changes = with_widths(model, widths).changes()
        arm = base.model_copy(update={"model": base.model.model_copy(update=changes)})
        try:
            recipe.model_of(arm)
        except ValidationError:
            return None
        return counts(arm, pair.control)

    nearest = _nearest(own, target, count) if own.widths else own
    if abs(nearest.miss(target)) > TOLERANCE and own.widths:
        nearest = min(_exchanges(nearest, count), key=lambda found: abs(found.miss(target)), default=nearest)
    if abs(nearest.miss(target)) > TOLERANCE:
        raise _unmatched(pair, model, target, nearest)
    return with_widths(model, nearest.widths)


def _nearest(own: _Nearest, target: int, count: Count) -> _Nearest:
    """The nearest that was found; every width of a stage makes the network larger."""
    best = min(_scalings(own, target, count), key=lambda found: abs(found.miss(target)))
    for _ in range(_CORRECTIONS):
        if abs(best.miss(target)) <= _GOOD:
            break
        corrected = min(
            _neighbours(best, target, count), key=lambda found: abs(found.miss(target)), default=best
        )
        if abs(corrected.miss(target)) >= abs(best.miss(target)):
            break
        best = corrected
    return best


def _scalings(own: _Nearest, target: int, count: Count) -> Iterator[_Nearest]:
    """The network as it is, and scaled by factors that close in on the target."""
    yield own
    tried = {own.widths}
    points = [(1.0, own.reached)]
    factor = (target / own.reached) ** 0.5  # work grows about as the square of the widths
    for _ in range(_SCALINGS):
        widths = tuple(max(1, round(width * factor)) for width in own.widths)
        reached = None if widths in tried else count(widths)
        if reached is None:
            return
        tried.add(widths)
        found = _Nearest(widths, reached)
        yield found
        if abs(found.miss(target)) <= _FINE:
            return
        points.append((factor, reached))
        factor = _next_factor(points, target)


def _next_factor(points: list[tuple[float, int]], target: int) -> float:
    """Where the line through the two points nearest to the target meets it; one on each side, if there is one."""
    by_distance = sorted(points, key=lambda point: abs(point[1] - target))
    first = by_distance[0]
    other_side = [p for p in by_distance if (p[1] < target) != (first[1] < target)]
    second = (other_side or by_distance[1:])[0]
    if first[1] == second[1]:
        return first[0]
    factor = first[0] + (second[0] - first[0]) * (target - first[1]) / (second[1] - first[1])
    return min(max(factor, first[0] / 4), first[0] * 4)


def _neighbours(found: _Nearest, target: int, count: Count) -> Iterator[_Nearest]:
    """One stage a channel wider where the network is too small, else narrower."""
    step = 1 if found.reached < target else -1
    for stage, width in enumerate(found.widths):
        widths = (*found.widths[:stage], width + step, *found.widths[stage + 1 :])
        reached = count(widths) if width + step >= 1 else None
        if reached is not None:
            yield _Nearest(widths, reached)


def _exchanges(found: _Nearest, count: Count) -> Iterator[_Nearest]:
    """As it is, and with two stages a channel or two wider or narrower: in narrow networks one step is too coarse."""
    yield found
    for one, other in combinations(range(len(found.widths)), 2):
        for a, b in product((-2, -1, 1, 2), repeat=2):
            changed = list(found.widths)
            changed[one] += a
            changed[other] += b
            reached = count(tuple(changed)) if min(changed) >= 1 else None
            if reached is not None:
                yield _Nearest(tuple(changed), reached)


def _unmatched(pair: Pair, model: ModelOptions, target: int, nearest: _Nearest) -> ActbenchError:
    what = "parameters" if pair.control == "params" else "operations (MACs and declared pointwise ones)"
    if nearest.widths:
        why = f"the nearest, of widths {', '.join(map(str, nearest.widths))}, has"
        remedy = "a channel more or less is a coarse step in so narrow a network: take a wider one"
    else:
        why = f"the widths of {model.name!r} cannot be changed here, and as it is it has"
        remedy = "take a model whose stages have widths, such as resnet, vanillanet or vit"
    return ActbenchError(
        f"{pair.name}: {pair.candidate} has {target:,} {what}, and {pair.baseline} cannot come within "
        f"{TOLERANCE:.0%} of it: {why} {nearest.reached:,} ({nearest.miss(target):+.1%})",
        hints=[remedy, f"or leave {pair.control} out of controls"],
    )
