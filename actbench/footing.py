"""Whether runs may stand in one table, and if not, what must be trained again. Imports no torch."""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from actbench.errors import NotComparableError
from actbench.recipe.differences import (
    arm_settings_to_type,
    differing_arm_settings,
    differing_settings,
    settings_to_type,
    shown_difference,
)
from actbench.recipe.hashing import arm_settings
from actbench.recipe.schema import Arm, Profile, Recipe
from actbench.record import RunFacts
from actbench.store import StoredRun

DEFAULT_RESULTS = Path("results")
_ORDER = attrgetter("record.arm.name", "record.seed", "record.run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a person typed, or would type, to train the runs of a selection."""

    reference: str
    profile: Profile
    overrides: tuple[str, ...] = ()
    limit: int | None = None
    seeds: str | None = None
    arms: tuple[str, ...] = ()
    results_dir: Path = DEFAULT_RESULTS
    current: Recipe | None = None
    """What all this makes of the recipe now; None where no such recipe can be read."""

    def command(self) -> str:
        """The `actbench train` command for all that was asked for; what is stored it does not train again."""
        return self._command(self.arms, self.seeds, self.limit, self.overrides)

    def commands(
        self, target: Recipe, arms: Mapping[str, Arm], runs: Collection[tuple[str, int]]
    ) -> list[str]:
        """The commands that train exactly these (arm, seed) runs on the footing of `target`.

        One for each set of seeds that arms share. None where words cannot make these runs of the recipe as
        it stands: it cannot be read, has no such arm, or has variants that the words would change as well.
        """
        words = self._words(target, arms, sorted({arm for arm, _ in runs}))
        if words is None:
            return []
        kept = [text for text in self.overrides if text.partition("=")[0].strip() != "seeds"]
        seeds_of: dict[str, set[int]] = {}
        for arm, seed in runs:
            seeds_of.setdefault(arm, set()).add(seed)
        arms_of: dict[tuple[int, ...], list[str]] = {}
        for arm, seeds in sorted(seeds_of.items()):
            arms_of.setdefault(tuple(sorted(seeds)), []).append(arm)
        return [
            self._command(names, ",".join(map(str, seeds)), target.limit, [*kept, *words])
            for seeds, names in arms_of.items()
        ]

    def _words(self, target: Recipe, arms: Mapping[str, Arm], names: Sequence[str]) -> list[str] | None:
        if self.current is None:
            return None
        words = settings_to_type(target, self.current)
        for name in names:
            more = arm_settings_to_type(arms[name], self.current)
            if more is None:
                return None
            words += more
        return None if words and target.variant else words

    def _command(
        self, arms: Iterable[str], seeds: str | None, limit: int | None, overrides: Sequence[str]
    ) -> str:
        words = ["actbench", "train", self.reference, "--profile", self.profile]
        for arm in arms:
            words += ["--arm", arm]
        words += ["--seeds", seeds] if seeds else []
        words += ["--limit", str(limit)] if limit else []
        for file in self._plugin_files():
            words += ["--plugin", file]
        words += ["--results-dir", str(self.results_dir)] if self.results_dir != DEFAULT_RESULTS else []
        return shlex.join([*words, *overrides])

    def _plugin_files(self) -> list[str]:
        """The files without which the recipe's activations are not known."""
        arms = self.current.arms if self.current else ()
        sources = [source for arm in arms for source in arm.plugins.values()]
        return sorted({source.file for source in sources if source.file})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Runs that stand in a table although they were not trained on the footing of the others."""

    seeds: Mapping[str, tuple[int, ...]]
    """By the arm's name."""
    difference: str
    """`train.lr 0.1 / 0.2`: the others' first, then theirs."""


def check_footing(
    stored: Sequence[StoredRun], origin: Origin, plan: Recipe, *, allow_mismatch: bool = False
) -> tuple[RunFacts, tuple[Mismatch, ...]]:
    """Raises NotComparableError unless runs share their footing and each arm and run is one thing.

    Where it is allowed that footings differ, a run of the footing that the others are told against, which is the
    plan's if there is one, and those others.
    """
    if len({run.record.footing for run in stored}) == 1:
        by_name = _by_name(stored)
        _check_each_is_one(by_name, origin)
        return min(by_name[min(by_name)], key=_ORDER).record, ()
    by_footing = _sorted_into(stored, lambda run: run.footing)
    if not allow_mismatch:
        raise _unequal(
            f"runs of {origin.reference} were not trained on equal footing",
            by_footing,
            origin,
            difference=_footing_difference,
            hints=["or show them side by side with footnotes: --allow-mismatch"],
        )
    _check_each_is_one(_by_name(stored), origin)
    by_footing.sort(key=lambda runs: bool(differing_settings(plan, runs[0].record.recipe)))
    kept, *others = by_footing
    return kept[0].record, tuple(_mismatch(kept[0].record, runs) for runs in others)


def largest_footing(stored: Sequence[StoredRun]) -> list[StoredRun]:
    """Of runs on several footings those on the one that most have."""
    return _sorted_into(stored, lambda run: run.footing)[0]


def _mismatch(kept: RunFacts, runs: Sequence[StoredRun]) -> Mismatch:
    seeds: dict[str, list[int]] = {}
    for arm, seed in sorted(_members(runs)):
        seeds.setdefault(arm, []).append(seed)
    return Mismatch(
        seeds={arm: tuple(found) for arm, found in seeds.items()},
        difference=_footing_difference(kept, runs[0].record),
    )


def _by_name(stored: Iterable[StoredRun]) -> dict[str, list[StoredRun]]:
    by_name: dict[str, list[StoredRun]] = {}
    for run in stored:
        by_name.setdefault(run.record.arm.name, []).append(run)
    return by_name


def _check_each_is_one(by_name: Mapping[str, list[StoredRun]], origin: Origin) -> None:
    """Raises NotComparableError where one name stands for two arms, or two records for one run."""
    for name, same_name in sorted(by_name.items()):
        arms = {id(arm): arm for arm in (run.record.arm for run in same_name)}
        if len(arms) > 1 and len({_arm_key(arm) for arm in arms.values()}) > 1:
            raise _unequal(
                f"runs of {origin.reference} call two different arms {name!r}",
                _sorted_into(same_name, lambda run: _arm_key(run.arm)),
                origin,
                difference=lambda a, b: shown_difference(differing_arm_settings(a.arm, b.arm), a.arm, b.arm),
            )
        if len({run.record.seed for run in same_name}) < len(same_name):
            times = Counter(run.record.seed for run in same_name)
            twice = [seed for seed, count in sorted(times.items()) if count > 1]
            files = [str(run.path) for run in same_name if run.record.seed == twice[0]]
            raise NotComparableError(
                f"two records hold the run {origin.reference} {name} seed {twice[0]}",
                hints=[
                    f"name the record files to compare, one for each run; of these one: {shlex.join(files)}"
                ],
            )


def _arm_key(arm: Arm) -> str:
    """What tells one arm from another."""
    return json.dumps(arm_settings(arm), sort_keys=True)


def _sorted_into(stored: Sequence[StoredRun], key: Callable[[RunFacts], str]) -> list[list[StoredRun]]:
    """Runs of equal key together; the largest set first, of equally large ones the one begun last."""
    sets: dict[str, list[StoredRun]] = {}
    for run in sorted(stored, key=_ORDER):
        sets.setdefault(key(run.record), []).append(run)
    return sorted(
        sets.values(),
        key=lambda s: (len(s), max(run.record.started for run in s), key(s[0].record)),
        reverse=True,
    )


def _unequal(
    message: str,
    sets: list[list[StoredRun]],
    origin: Origin,
    *,
    difference: Callable[[RunFacts, RunFacts], str],
    hints: Sequence[str] = (),
) -> NotComparableError:
    """The refusal: which keys differ, the smallest set of runs to redo, how long that takes, and the command."""
    kept, *others = sets
    first = kept[0].record
    have = _members(kept)
    redo = {member for runs in others for member in _members(runs)} - have
    differences = [
        f"{_shown(have)} against {_shown(_members(runs))}: {difference(first, runs[0].record)}"
        for runs in others[:2]
    ]
    if not redo:
        files = shlex.join(str(run.path) for run in kept)
        whole = f"the first {len(kept)} are a whole set: name their record files alone"
        return NotComparableError(message, hints=[*differences, whole, files, *hints])
    arms = {run.record.arm.name: run.record.arm for runs in (*reversed(others), kept) for run in runs}
    what = f"the smallest set to train again: {_shown(redo)}"
    commands = origin.commands(first.recipe, arms, redo)
    return NotComparableError(
        message, hints=[*differences, what, *_duration(redo, first, sets), *commands, *hints]
    )


def _duration(
    redo: Iterable[tuple[str, int]], kept: RunFacts, sets: Iterable[Iterable[StoredRun]]
) -> list[str]:
    """How long the runs take, by those that were as long: of as many epochs, and under the same limit."""
    from actbench.run_cost import cost_of, timed_runs  # for refusals alone

    length = kept.recipe.train.epochs, kept.recipe.limit
    facts = (run.record for runs in sets for run in runs)
    made = timed_runs(run for run in facts if (run.recipe.train.epochs, run.recipe.limit) == length)
    cost = cost_of(Counter(arm for arm, _ in redo), made)
    return [] if cost.hours is None else [cost.words]


def _footing_difference(first: RunFacts, second: RunFacts) -> str:
    keys = differing_settings(first.recipe, second.recipe)
    if keys:
        return shown_difference(keys, first.recipe, second.recipe)
    a, b = first.data.fingerprint[:8], second.data.fingerprint[:8]
    return (
        f"fingerprint of the data {a} / {b}"
        if a != b
        else f"footing {first.footing[:8]} / {second.footing[:8]}"
    )


def _members(stored: Iterable[StoredRun]) -> set[tuple[str, int]]:
    return {(run.record.arm.name, run.record.seed) for run in stored}


def _shown(runs: Iterable[tuple[str, int]]) -> str:
    seeds: dict[str, list[str]] = {}
    for arm, seed in sorted(runs):
        seeds.setdefault(arm, []).append(str(seed))
    return "; ".join(f"{arm} seed {','.join(numbers)}" for arm, numbers in seeds.items())
