"""Equal tuning: the same search for every arm, baselines included, decided by validation alone.

Everything here is a function of the recipe and of what is stored, so that tuning can be stopped and gone on with at
any run. A trial is an arm with other settings, trained on seeds that no table reports, under a protocol that never
opens the test set. Once all trials are there, the best point of each arm is looked at; where one lies on the grid's
edge, the grid grows there for all arms alike, and the search goes on. Imports no torch.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actbench.fair.controls import with_slots
from actbench.fair.naming import derived_recipe, tuned_name
from actbench.fair.sweep import Edge, Point, Sweep, can_grow, edges_at, first_sweep, grown
from actbench.metrics import metric_of
from actbench.recipe.differences import differing_settings
from actbench.recipe.hashing import run_hash
from actbench.recipe.own_training import of_length
from actbench.recipe.schema import Arm, Recipe
from actbench.recipe.tuned_keys import LR, parse_key, with_setting
from actbench.record import FINISHED, RunFacts, Tally
from actbench.store import StoredRun

NAME_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point of one arm, and what its runs said."""

    arm: str
    """The recipe's name of it."""
    settings: Point
    accuracies: tuple[float, ...]
    """On the validation set after the last epoch, one for each tuning seed that is finished: what the task's first
    metric counts, as a fraction; 0 for a run that diverged."""
    loss: float
    """Mean over validation examples and seeds; infinite where a run has none."""
    seconds: float
    """Wall time of its runs."""
    is_finished: bool
    """Whether every tuning seed is there."""

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.accuracies) / len(self.accuracies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What tuning made of one arm."""

    arm: Arm
    """With the settings chosen, at the recipe's full length, under `tuned_name`."""
    settings: Mapping[str, float]
    trials: int
    """How many are finished."""
    hours: float
    """Wall time of all its trials."""
    at_edge: tuple[str, ...]
    """Settings whose best value is the last that was tried on one side."""
    complete: bool
    """Whether nothing more is to be tried, for this arm or another."""


def tuning_recipe(
    recipe: Recipe, stored: Sequence[StoredRun], *, fingerprint: str | None = None
) -> Recipe | None:
    """The recipe of all trials that are wanted by now, finished ones included; None once nothing more is.

    To be asked again when its runs are stored: what they say may make the grid grow. Where the data's `fingerprint` is
    given, runs on other data count for nothing.
    """
    if recipe.tune is None:
        return None
    recipe = with_slots(recipe)
    search = _search(recipe, stored, fingerprint)
    return None if search.is_complete else _recipe_of_trials(recipe, search.sweep)


def choices(
    recipe: Recipe, stored: Sequence[StoredRun], *, fingerprint: str | None = None
) -> dict[str, Choice]:
    """Of each arm the best point so far, slot controls among them; of arms without a finished trial nothing."""
    if recipe.tune is None:
        return {}
    recipe = with_slots(recipe)
    search = _search(recipe, stored, fingerprint)
    found: dict[str, Choice] = {}
    for arm in recipe.arms:
        finished = [trial for trial in search.trials[arm.name] if trial.is_finished]
        if finished:
            chosen = best(finished)
            edges = edges_at(search.sweep, recipe, chosen.settings)
            found[arm.name] = Choice(
                arm=_with_point(recipe, arm, chosen.settings).model_copy(
                    update={"name": tuned_name(arm.name)}
                ),
                settings=chosen.settings,
                trials=len(finished),
                hours=math.fsum(trial.seconds for trial in search.trials[arm.name]) / 3600,
                at_edge=tuple(dict.fromkeys(edge.key for edge in edges)),
                complete=search.is_complete,
            )
    return found


def trials(
    recipe: Recipe, stored: Sequence[StoredRun], *, fingerprint: str | None = None
) -> dict[str, tuple[Trial, ...]]:
    """Of each arm all points that are wanted by now, with what is known of them."""
    return {} if recipe.tune is None else dict(_search(with_slots(recipe), stored, fingerprint).trials)


def best(finished: Sequence[Trial]) -> Trial:
    """The one with the highest accuracy; of several the one with the lowest loss.

    Then the one with the lowest rate: where all diverged, the search goes on below.
    """
    return max(finished, key=lambda trial: (trial.accuracy, -trial.loss, -trial.settings[LR]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    sweep: Sweep
    trials: Mapping[str, tuple[Trial, ...]]

    @property
    def is_complete(self) -> bool:
        return all(trial.is_finished for own in self.trials.values() for trial in own)


def _search(recipe: Recipe, stored: Sequence[StoredRun], fingerprint: str | None) -> _Search:
    """Follows the search as far as stored runs lead."""
    assert recipe.tune is not None
    result_of = _results(recipe, stored, fingerprint)
    sweep = first_sweep(recipe)
    while True:
        known = {
            arm.name: tuple(_trial(recipe, arm, point, result_of) for point in sweep.points[arm.name])
            for arm in recipe.arms
        }
        search = _Search(sweep=sweep, trials=known)
        if not search.is_complete or recipe.tune.edge == "flag":
            return search
        edges: dict[Edge, None] = {}
        for own in known.values():
            edges |= dict.fromkeys(edges_at(sweep, recipe, best(own).settings))
        growing = [edge for edge in edges if can_grow(sweep, recipe, edge)]
        if not growing:
            return search
        sweep = grown(sweep, recipe, growing)


_Result = Callable[[Arm, int], RunFacts | None]
"""The finished run of a trial's arm and seed."""


def _results(recipe: Recipe, stored: Sequence[StoredRun], fingerprint: str | None) -> _Result:
    """Looks runs up by their settings, whatever their arms are called; of several the one begun last counts."""
    plain, fitting = _recipe_of_trials(recipe, None), dict[int, bool]()
    found: dict[str, RunFacts] = {}
    for run in sorted((run.record for run in stored), key=lambda record: record.started):
        if id(run.recipe) not in fitting:
            fitting[id(run.recipe)] = not differing_settings(plain, run.recipe)
        is_data = fingerprint is None or run.data.fingerprint == fingerprint
        if fitting[id(run.recipe)] and is_data and run.status in FINISHED:
            found[run_hash("", run.arm, run.seed)] = run
    return lambda arm, seed: found.get(run_hash("", arm, seed))


def _trial(recipe: Recipe, arm: Arm, point: Point, result_of: _Result) -> Trial:
    assert recipe.tune is not None
    runs = list(
        _runs(_shortened(_with_point(recipe, arm, point), recipe.tune.epochs), recipe.tune.seeds, result_of)
    )
    return Trial(
        arm=arm.name,
        settings=point,
        accuracies=tuple(_accuracy(run) for run in runs),
        loss=math.fsum(_loss(run) for run in runs) / len(runs) if runs else math.inf,
        seconds=math.fsum(run.wall_time_s for run in runs),
        is_finished=len(runs) == len(recipe.tune.seeds),
    )


def _runs(arm: Arm, seeds: Sequence[int], result_of: _Result) -> Iterator[RunFacts]:
    return (run for run in (result_of(arm, seed) for seed in seeds) if run is not None)


def _accuracy(run: RunFacts) -> float:
    if run.status == "diverged" or run.validation is None:
        return 0.0
    return metric_of(run.recipe).read(run.validation) or 0.0


def _loss(run: RunFacts) -> float:
    tally = run.validation
    if run.status == "diverged" or not isinstance(tally, Tally) or tally.loss_sum is None:
        return math.inf
    return tally.loss_sum / tally.total


def _recipe_of_trials(recipe: Recipe, sweep: Sweep | None) -> Recipe:
    """All trials of all arms on one footing: shorter, with seeds of their own, the test set shut."""
    assert recipe.tune is not None
    share = recipe.tune.epochs
    short = of_length(recipe, max(1, round(recipe.train.epochs * share)))
    shut = short.evaluation.model_copy(update={"protocol": "validation", "robustness": None})
    arms = tuple(_named_trials(recipe, sweep)) if sweep else recipe.arms
    derived = derived_recipe(short, "tune", arms)
    return derived.model_copy(
        update={"evaluation": shut, "seeds": recipe.tune.seeds, "tune": None, "controls": ()}
    )


def _named_trials(recipe: Recipe, sweep: Sweep) -> Iterator[Arm]:
    """The trials' arms, the first point of every arm first, so that all arms are known alike at any time."""
    assert recipe.tune is not None
    taken: set[str] = set()
    for number in range(max(map(len, sweep.points.values()))):
        for arm in recipe.arms:
            point = sweep.points[arm.name][number]
            name = _trial_name(arm, point)
            if name in taken or len(name) > NAME_LENGTH:
                name = f"{arm.name[: NAME_LENGTH - 8]}.t{len(taken)}"
            taken.add(name)
            trial = _shortened(_with_point(recipe, arm, point), recipe.tune.epochs)
            yield trial.model_copy(update={"name": name})


def _trial_name(arm: Arm, point: Point) -> str:
    """`relu.lr0.03-weight_decay0.0005`: the arm and its point, for progress lines and the names of files."""
    parts = [f"{key.rpartition('.')[2]}{value:g}" for key, value in point.items()]
    return f"{arm.name}.{'-'.join(parts)}".replace("+", "")


def _with_point(recipe: Recipe, arm: Arm, point: Point) -> Arm:
    for name, value in point.items():
        key = parse_key(name, recipe.arms)
        assert key is not None
        arm = with_setting(arm, key, value)
    return arm


def _shortened(arm: Arm, share: float) -> Arm:
    """With its own length, and the phases of its activation, as much shorter as the trial is."""
    if arm.train.epochs is not None:
        train = arm.train.model_copy(update={"epochs": max(1, round(arm.train.epochs * share))})
        arm = arm.model_copy(update={"train": train})
    phases = {
        name: max(1, round(value * share))
        for name, value in arm.options.model_dump().items()
        if name.endswith("_epochs") and type(value) is int and value > 0
    }
    return arm.model_copy(update={"options": arm.options.model_copy(update=phases)}) if phases else arm
