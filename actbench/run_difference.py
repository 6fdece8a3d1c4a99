"""Why two records differ: from what was asked for to what came out, and whether they are one run. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from actbench.difference import ABSENT, Difference, Section, differing
from actbench.recipe.differences import differing_arm_settings, differing_settings, values_of
from actbench.recipe.hashing import footing_hash, run_hash
from actbench.recipe.schema import Arm, Recipe
from actbench.record import RunRecord
from actbench.result_difference import (
    cost_section,
    first_parting,
    history_section,
    result_section,
    same_numbers,
)

_COST = ("wall_time_s",)
"""Fields of the provenance that are told as cost."""
_PLAN = ("title", "paper", "table", "claim", "baselines", "seeds")
"""Keys of a recipe that no single run depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    is_equal: bool
    """One run by its hash, with the same numbers; times and machines may differ."""
    answer: str
    """In a sentence, why or in what sense."""
    sections: tuple[Section, ...]


def run_difference(first: RunRecord, second: RunRecord) -> RunDifference:
    """The first is called A and the second B."""
    same_run, numbers = first.run == second.run, same_numbers(first, second)
    provenance = _provenance(first, second)
    told = _told_apart(first, second)
    if same_run and told:
        answer = f"one run by its hash, yet {', '.join(told)}: a hash that is not of its record's settings"
    elif same_run and numbers:
        answer = (
            f"equal: one run made twice, every loss and every test answer the same{_elsewhere(provenance)}"
        )
    elif same_run:
        answer = f"one run by its hash, yet {_outcome(first, second)}; {_suspects(provenance)}"
    else:
        same = ", and yet the same numbers" if numbers and first.history else ""
        answer = f"not one run: {', '.join(told or [_UNTOLD])}{same}"
    return RunDifference(
        is_equal=same_run and numbers and not told,
        answer=answer,
        sections=(
            _identity(first, second),
            _settings(first.recipe, second.recipe),
            _arm(first.arm, second.arm),
            _plugins(first.arm, second.arm),
            _groups(first, second),
            _footing(first, second),
            provenance,
            _kernels(first.backends, second.backends),
            history_section(first, second),
            result_section(first, second),
            cost_section(first, second),
        ),
    )


_UNTOLD = "another hash of the same settings, data and seed: another version hashed it"


def _told_apart(first: RunRecord, second: RunRecord) -> list[str]:
    """What of all that makes a run is not the same."""
    reasons = []
    if keys := differing_settings(first.recipe, second.recipe):
        reasons.append(f"other settings ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})")
    if first.data.fingerprint != second.data.fingerprint:
        reasons.append("other data")
    if differing_arm_settings(first.arm, second.arm):
        named = f" ({first.arm.name} / {second.arm.name})" if first.arm.name != second.arm.name else ""
        reasons.append(f"another arm{named}")
    if first.seed != second.seed:
        reasons.append(f"another seed ({first.seed} / {second.seed})")
    return reasons


def _outcome(first: RunRecord, second: RunRecord) -> str:
    parting = first_parting(first, second)
    if first.status != second.status:
        return f"one {first.status} and the other {second.status}"
    return "other test answers" if parting is None else f"other numbers from epoch {parting + 1} on"


_MACHINE = ("hardware", "device", "threads", "shared_by", "allocator")
_CODE = ("commit", "dirty", "actbench", "python", "torch", "packages")


def _elsewhere(provenance: Section) -> str:
    keys = {difference.key.split(".")[0] for difference in provenance.differences}
    found = [
        words
        for words, group in (("on another machine", ("hardware", "device")), ("by other code", _CODE))
        if keys.intersection(group)
    ]
    return f" ({', '.join(found)})" if found else ""


def _suspects(provenance: Section) -> str:
    keys = dict.fromkeys(difference.key.split(".")[0] for difference in provenance.differences)
    found = [key for key in keys if key in _MACHINE or key in _CODE]
    return (
        f"of what is recorded these differ: {', '.join(found)}" if found else "nothing recorded explains it"
    )


def _identity(first: RunRecord, second: RunRecord) -> Section:
    def facts(run: RunRecord) -> dict[str, object]:
        return {
            "recipe": run.recipe.name,
            "profile": run.recipe.profile,
            "variant": run.recipe.variant,
            "arm": run.arm.name,
            "seed": run.seed,
            "status": run.status,
            "reason": run.reason,
            "run hash": run.run[:8],
        }

    return Section(name="identity", differences=differing(facts(first), facts(second)))


def _settings(first: Recipe, second: Recipe) -> Section:
    """What all arms share, as far as hashes see it; then what no single run depends on."""
    keys = differing_settings(first, second)
    plan = differing(*({key: getattr(r, key) for key in _PLAN} for r in (first, second)))
    arms = [[arm.name for arm in recipe.arms] for recipe in (first, second)]
    if arms[0] != arms[1]:
        plan += (Difference(key="arms", first=arms[0], second=arms[1]),)
    without = tuple(
        Difference(key=d.key, first=d.first, second=d.second, remark="of no effect on this run") for d in plan
    )
    return Section(name="settings", differences=_valued(keys, first, second) + without)


def _arm(first: Arm, second: Arm) -> Section:
    keys = [key for key in differing_arm_settings(first, second) if not key.startswith("plugins")]
    return Section(name="arm", differences=_valued(keys, first, second))


def _valued(keys: list[str], first: Recipe | Arm, second: Recipe | Arm) -> tuple[Difference, ...]:
    one, two = values_of(keys, first), values_of(keys, second)
    return tuple(Difference(key=key, first=one[key], second=two[key]) for key in keys)


def _plugins(first: Arm, second: Arm) -> Section:
    """The sources of a user's own activations, and which state of a file lies there now."""

    def sources(arm: Arm) -> dict[str, object]:
        return {name: {"from": s.label, "sha256": s.sha256[:8]} for name, s in arm.plugins.items()}

    notes = [
        f"{source.label} as it lies there now is that of {letter}"
        for letter, arm in (("A", first), ("B", second))
        for source in arm.plugins.values()
        if source.is_present()
    ]
    differences = differing(sources(first), sources(second))
    return Section(name="plug-in", differences=differences, notes=tuple(notes) if differences else ())


def _groups(first: RunRecord, second: RunRecord) -> Section:
    """How many parameters train under which factor of the learning rate and which weight decay."""

    def sizes(run: RunRecord) -> dict[str, object]:
        return {
            f"{'activation' if group.activation else 'network'}, lr x {group.lr_factor:g}, "
            f"weight decay {group.weight_decay:g}": group.parameters
            for group in run.parameter_groups
        }

    return Section(name="parameter groups", differences=differing(sizes(first), sizes(second)))


def _footing(first: RunRecord, second: RunRecord) -> Section:
    """The shared footing's hash and the data below it."""
    one = {"footing": first.footing[:8], "data": {**first.data.model_dump(), "fingerprint": _finger(first)}}
    two = {
        "footing": second.footing[:8],
        "data": {**second.data.model_dump(), "fingerprint": _finger(second)},
    }
    found = differing(one, two)
    keys = {difference.key for difference in found}
    notes = []
    if "footing" not in keys:
        notes.append(f"equal footing {first.footing[:8]}: both may stand in one table")
    elif "data.fingerprint" not in keys:
        notes.append("the same data")
    notes += [
        f"the hashes of {letter} are not those of its settings: edited, or of another version"
        for letter, run in (("A", first), ("B", second))
        if not _is_hashed(run)
    ]
    return Section(name="footing", differences=found, notes=tuple(notes))


def _is_hashed(run: RunRecord) -> bool:
    """Whether the record's hashes are what its own settings give."""
    footing = footing_hash(run.recipe, run.data.fingerprint)
    return (footing, run_hash(footing, run.arm, run.seed)) == (run.footing, run.run)


def _finger(run: RunRecord) -> str:
    return run.data.fingerprint[:8]


def _provenance(first: RunRecord, second: RunRecord) -> Section:
    one, two = (run.provenance.model_dump(mode="json", exclude={*_COST, "takes"}) for run in (first, second))
    return Section(name="provenance", differences=differing(one, two))


def _kernels(first: Mapping[str, str], second: Mapping[str, str]) -> Section:
    """The code that computed each site; sites of the same two together."""
    sites: dict[tuple[str | None, str | None], list[str]] = {}
    for site in dict.fromkeys((*first, *second)):
        pair = first.get(site, ABSENT), second.get(site, ABSENT)
        if pair[0] != pair[1]:
            sites.setdefault(pair, []).append(site)
    found = tuple(
        Difference(
            key=names[0] if len(names) == 1 else f"{len(names)} sites, {names[0]} ...", first=a, second=b
        )
        for (a, b), names in sites.items()
    )
    return Section(name="kernels", differences=found)
