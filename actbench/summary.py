"""From a record's file to what tables need of it, without an object for every epoch. Imports no torch.

Most of a record is its history, and its recipe is that of thousands of others. So the history is read as JSON and no
further, and each distinct recipe and arm is made once. What this cannot read is left to `Store.read`, which checks
everything and has the words for what is wrong.
"""

import json
import re
from functools import cache
from typing import cast, get_args

from pydantic import BaseModel

from actbench.frozen import Frozen
from actbench.recipe.schema import Arm, Recipe
from actbench.record import (
    Cost,
    DataFacts,
    Machine,
    Provenance,
    RunRecord,
    RunSummary,
    Status,
    TestResult,
    whole_bits,
)

_BEFORE_RECIPE = re.compile(
    rb'\{\s*"schema_version":\s*1,\s*"status":\s*"(%s)",\s*"reason":\s*(null|"(?:[^"\\]|\\.)*"),\s*"recipe":\s*'
    % "|".join(get_args(Status)).encode()
)
_ARM = b'"arm":'
_SEED = b'"seed":'


class _Skimmed(BaseModel):
    """An object of which nothing is looked at."""


class _Rest(Frozen):
    """What follows the arm in a record."""

    seed: int
    footing: str
    run: str
    data: DataFacts
    history: tuple[_Skimmed, ...]
    results: tuple[TestResult, ...] = ()
    backends: _Skimmed = _Skimmed()
    parameter_groups: tuple[_Skimmed, ...] = ()
    cost: Cost | None = None
    provenance: Provenance


def summarise(content: bytes) -> RunSummary | None:
    """The summary of a record's file; None where its keys stand in another order, or something is wrong."""
    head = _BEFORE_RECIPE.match(content)
    if head is None:
        return None
    try:
        before_arm = content.index(_ARM, head.end())
        arm = before_arm + len(_ARM)
        before_seed = content.index(_SEED, arm)
        return _summary(
            _Rest.model_validate_json(b"{" + content[before_seed:]),
            status=cast(Status, head[1].decode()),
            reason=json.loads(head[2]),
            recipe=_recipe_before_a_key(content[head.end() : before_arm]),
            arm=_arm_before_a_key(content[arm:before_seed]),
        )
    except ValueError:  # pydantic's and json's errors among them
        return None


def summary_of(record: RunRecord) -> RunSummary:
    """The summary of a record that is read whole."""
    return _summary(record, status=record.status, reason=record.reason, recipe=record.recipe, arm=record.arm)


def _summary(
    rest: _Rest | RunRecord, *, status: Status, reason: str | None, recipe: Recipe, arm: Arm
) -> RunSummary:
    made = rest.provenance
    packed = [whole_bits(result, rest.data) for result in rest.results]
    return RunSummary(
        status=status,
        reason=reason,
        recipe=recipe,
        arm=arm,
        seed=rest.seed,
        footing=rest.footing,
        run=rest.run,
        data=rest.data,
        epochs=len(rest.history),
        started=made.started,
        wall_time_s=made.wall_time_s,
        machine=Machine(made.device, made.hardware, made.threads),
        step_wall_s=rest.cost.step_time_s if rest.cost else None,
        step_cpu_s=rest.cost.step_cpu_s if rest.cost else None,
        cost_json=None if rest.cost is None else as_json(rest.cost),
        provenance_json=as_json(made),
        result_jsons=tuple(as_json(result, exclude={"correct_bits"}) for result in rest.results),
        packed_bits=b"".join(packed),
        bits_lengths=tuple(map(len, packed)),
    )


def as_json(facts: BaseModel, exclude: set[str] | None = None) -> bytes:
    return facts.__pydantic_serializer__.to_json(facts, exclude=exclude)


# The text that ends where the next key seems to stand is looked up before it is parsed. It is known only if it was
# one whole JSON object and a comma when it was new; JSON is read from left to right, so it is the same again here.
@cache
def _recipe_before_a_key(text: bytes) -> Recipe:
    return Recipe.model_validate_json(_object(text))


@cache
def _arm_before_a_key(text: bytes) -> Arm:
    return Arm.model_validate_json(_object(text))


def _object(text: bytes) -> str:
    """The JSON object in `text`, which must be followed by a comma and nothing else."""
    decoded = text.decode().strip()
    _, end = json.JSONDecoder().raw_decode(decoded)
    if decoded[end:].strip() != ",":
        raise ValueError("the text goes on after the object")
    return decoded[:end]
