"""Whether runs may stand in one table, and if not, what must be trained again. Imports no torch."""

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actbench.errors import NotComparableError
from actbench.recipe.hashing import arm_settings, flatten, footing_settings
from actbench.recipe.schema import Arm, Profile, Recipe
from actbench.record import RunRecord

MAX_KEYS = 3
"""How many differing keys a message names."""
DEFAULT_RESULTS = Path("results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a person would type to train the runs of a selection."""

    reference: str
    profile: Profile
    overrides: tuple[str, ...] = ()
    results_dir: Path = DEFAULT_RESULTS
    current: Recipe | None = None
    """The recipe as `reference` reads now; None where only records were named."""

    def command(
        self, *, arms: Iterable[str] = (), seeds: Iterable[int] = (), overrides: Sequence[str] = ()
    ) -> str:
        """The `actbench train` command for these arms and seeds; for all of them where none are named."""
        words = ["actbench", "train", self.reference, "--profile", self.profile]
        for arm in arms:
            words += ["--arm", arm]
        numbers = ",".join(str(seed) for seed in seeds)
        words += ["--seeds", numbers] if numbers else []
        words += ["--results-dir", str(self.results_dir)] if self.results_dir != DEFAULT_RESULTS else []
        return shlex.join([*words, *self.overrides, *overrides])


def commands(origin: Origin, runs: Iterable[tuple[str, int]], overrides: Sequence[str] = ()) -> list[str]:
    """The commands that train exactly these (arm, seed) runs: one for each set of seeds that arms share."""
    seeds_of: dict[str, set[int]] = {}
    for arm, seed in runs:
        seeds_of.setdefault(arm, set()).add(seed)
    arms_of: dict[tuple[int, ...], list[str]] = {}
    for arm, seeds in sorted(seeds_of.items()):
        arms_of.setdefault(tuple(sorted(seeds)), []).append(arm)
    return [origin.command(arms=arms, seeds=seeds, overrides=overrides) for seeds, arms in arms_of.items()]


def differing_settings(first: Recipe, second: Recipe) -> list[str]:
    """The dotted keys in which what arms share differs, as far as hashes see it."""
    return _differing(flatten(footing_settings(first)), flatten(footing_settings(second)))


def differing_arm_settings(first: Arm, second: Arm) -> list[str]:
    """The dotted keys in which two arms differ, names apart."""
    return _differing(flatten(arm_settings(first)), flatten(arm_settings(second)))


def shown_difference(keys: Sequence[str], first: Recipe | Arm, second: Recipe | Arm) -> str:
    """`train.lr 0.1 / 0.2, ...`: the first few keys with both values."""
    one, two = _everything(first), _everything(second)
    parts = [f"{key} {_text(_value(one, key)[1])} / {_text(_value(two, key)[1])}" for key in keys[:MAX_KEYS]]
    if len(keys) > MAX_KEYS:
        parts.append(f"and {len(keys) - MAX_KEYS} more")
    return ", ".join(parts)


def settings_to_type(target: Recipe, reference: Recipe) -> list[str]:
    """The words that turn `reference` into a recipe on the footing of `target`."""
    flat = _everything(target)
    words: list[str] = []
    for key in differing_settings(target, reference):
        path, value = _value(flat, key)
        words += ["--limit", _text(value)] if path == "limit" else [f"{path}={_text(value)}"]
    return words


def check_footing(runs: Sequence[RunRecord], origin: Origin) -> None:
    """Raises NotComparableError unless runs share their footing and each arm and run is one thing."""
    by_footing = _sorted_into(runs, lambda run: run.footing)
    if len(by_footing) > 1:
        kept, *others = by_footing
        raise _unequal(
            f"runs of {origin.reference} were not trained on equal footing",
            kept,
            others,
            origin,
            difference=_footing_difference,
        )
    for name in sorted({run.arm.name for run in runs}):
        same_name = [run for run in runs if run.arm.name == name]
        by_arm = _sorted_into(same_name, lambda run: json.dumps(arm_settings(run.arm), sort_keys=True))
        if len(by_arm) > 1:
            kept, *others = by_arm
            raise _unequal(
                f"runs of {origin.reference} call two different arms {name!r}",
                kept,
                others,
                origin,
                difference=lambda a, b: shown_difference(differing_arm_settings(a.arm, b.arm), a.arm, b.arm),
            )
        seeds = [run.seed for run in same_name]
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise NotComparableError(
                f"two records hold the run {origin.reference} {name} seed {twice[0]}",
                hints=["name the record files to compare, one for each run"],
            )


def _sorted_into(runs: Sequence[RunRecord], key: Callable[[RunRecord], str]) -> list[list[RunRecord]]:
    """Runs of equal key together; the largest set first, of equally large ones the one begun last."""
    sets: dict[str, list[RunRecord]] = {}
    for run in sorted(runs, key=lambda run: (run.arm.name, run.seed, run.run)):
        sets.setdefault(key(run), []).append(run)
    return sorted(
        sets.values(),
        key=lambda s: (len(s), max(run.provenance.started for run in s), key(s[0])),
        reverse=True,
    )


def _unequal(
    message: str,
    kept: list[RunRecord],
    others: list[list[RunRecord]],
    origin: Origin,
    *,
    difference: Callable[[RunRecord, RunRecord], str],
) -> NotComparableError:
    """The refusal: which keys differ, the smallest set of runs to redo, and the command."""
    have = {(run.arm.name, run.seed) for run in kept}
    redo = {(run.arm.name, run.seed) for runs in others for run in runs} - have
    differences = [f"{_members(kept)} against {_members(o)}: {difference(kept[0], o[0])}" for o in others[:2]]
    if not redo:
        return NotComparableError(
            message,
            hints=[*differences, f"the first {len(kept)} are a whole set: name their record files alone"],
        )
    fixes = settings_to_type(kept[0].recipe, origin.current or others[0][0].recipe)
    what = f"the smallest set to train again: {_runs(redo)}"
    return NotComparableError(message, hints=[*differences, what, *commands(origin, redo, fixes)])


def _footing_difference(first: RunRecord, second: RunRecord) -> str:
    keys = differing_settings(first.recipe, second.recipe)
    if keys:
        return shown_difference(keys, first.recipe, second.recipe)
    a, b = first.data.fingerprint[:8], second.data.fingerprint[:8]
    return (
        f"fingerprint of the data {a} / {b}"
        if a != b
        else f"footing {first.footing[:8]} / {second.footing[:8]}"
    )


def _differing(first: dict[str, object], second: dict[str, object]) -> list[str]:
    missing = object()
    return sorted(k for k in first.keys() | second.keys() if first.get(k, missing) != second.get(k, missing))


def _everything(settings: Recipe | Arm) -> dict[str, object]:
    return flatten(settings.model_dump(mode="json"))


def _value(flat: dict[str, object], key: str) -> tuple[str, object]:
    """The key's value; for a key inside a block that is null, the block and null."""
    while key not in flat and "." in key:
        key = key.rpartition(".")[0]
    return key, flat.get(key)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _members(runs: Sequence[RunRecord]) -> str:
    return _runs({(run.arm.name, run.seed) for run in runs})


def _runs(runs: Iterable[tuple[str, int]]) -> str:
    seeds: dict[str, list[str]] = {}
    for arm, seed in sorted(runs):
        seeds.setdefault(arm, []).append(str(seed))
    return "; ".join(f"{arm} seed {','.join(numbers)}" for arm, numbers in seeds.items())
