"""From a record's file to what tables need of it, without an object for every epoch. Imports no torch.

Most of a record is its history, and its recipe is that of thousands of others. So the history is passed over, and each
distinct recipe and arm is made once. What this cannot read is left to `Store.read`, which checks everything and has
the words for what is wrong.
"""

import json
import re
from functools import cache
from typing import cast, get_args

from pydantic import BaseModel

from actbench.frozen import Frozen, as_json
from actbench.recipe.schema import Arm, Recipe
from actbench.record import (
    Cost,
    DataFacts,
    DetectionTally,
    Machine,
    Provenance,
    RunRecord,
    RunSummary,
    Status,
    Tally,
    TestResult,
    share_right,
)

_BEFORE_RECIPE = re.compile(
    rb'\{\s*"schema_version":\s*1,\s*"status":\s*"(%s)",\s*"reason":\s*(null|"(?:[^"\\]|\\.)*"),\s*"recipe":\s*'
    % "|".join(get_args(Status)).encode()
)
_ARM, _SEED, _DATA, _HISTORY, _RESULTS = (
    f'"{key}":'.encode() for key in ("arm", "seed", "data", "history", "results")
)
_EPOCH = re.compile(rb'"epoch":\s*(\d+),')


class _Skimmed(BaseModel):
    """An object of which nothing is looked at."""


class _BeforeData(Frozen):
    seed: int
    footing: str
    run: str


class _AfterHistory(Frozen):
    results: tuple[TestResult, ...]
    backends: _Skimmed = _Skimmed()
    parameter_groups: tuple[_Skimmed, ...] = ()
    cost: Cost | None = None
    provenance: Provenance


def summarise(content: bytes) -> RunSummary | None:
    """The summary of a record's file; None where its keys stand in another order, or something is wrong.

    JSON is read from left to right. Before the history every part is known to be whole, so that the next key is one
    of the record's own; behind it the text could not end with the file if it had begun inside of something.
    """
    head = _BEFORE_RECIPE.match(content)
    if head is None:
        return None
    try:
        recipe, arm = _recipe_at(content, head.end())
        if recipe.evaluation.protocol == "validation":
            return None  # what is asked of its runs stands in their history
        seed = content.index(_SEED, arm)
        data = content.index(_DATA, seed)
        history = content.index(_HISTORY, data)
        results = content.rindex(_RESULTS, history)  # from the end, where less lies before it
        begins = content[history + len(_HISTORY) : content.index(b"[", history) + 1].strip()
        ends = content[max(history, results - 64) : results].rstrip()
        # Zeros, which a crash may leave, are no JSON anywhere else either.
        if begins != b"[" or not ends.endswith(b"],") or content.find(b"\0", history, results) >= 0:
            return None
        return _summary(
            _BeforeData.model_validate_json(b"{" + _without_comma(content[seed:data]) + b"}"),
            _AfterHistory.model_validate_json(b"{" + content[results:]),
            status=cast(Status, head[1].decode()),
            reason=None if head[2] == b"null" else json.loads(head[2]),
            recipe=recipe,
            arm=_arm_before_a_key(content[arm + len(_ARM) : seed]),
            data=_data_before_a_key(content[data + len(_DATA) : history]),
            epochs=_epochs(content, history, results),
        )
    except ValueError:  # pydantic's and json's errors among them
        return None


def _epochs(content: bytes, history: int, results: int) -> int:
    """How many the history has, by the number of the last; a plug-in may log something else under that name."""
    end = results
    while (start := content.rfind(b'"epoch":', history, end)) >= 0:
        if number := _EPOCH.match(content, start):
            return int(number[1]) + 1
        end = start
    return 0


def summary_of(record: RunRecord) -> RunSummary:
    """The summary of a record that is read whole."""
    return _summary(
        record,
        record,
        status=record.status,
        reason=record.reason,
        recipe=record.recipe,
        arm=record.arm,
        data=record.data,
        epochs=record.epochs,
        validation=record.validation,
    )


def _summary(
    before: _BeforeData | RunRecord,
    after: _AfterHistory | RunRecord,
    *,
    status: Status,
    reason: str | None,
    recipe: Recipe,
    arm: Arm,
    data: DataFacts,
    epochs: int,
    validation: Tally | DetectionTally | None = None,
) -> RunSummary:
    made, cost = after.provenance, after.cost
    results = [as_json(result, exclude={"correct_bits"}) for result in after.results]
    # A line each; to base64 the end of a line says nothing.
    bits = [result.correct_bits.encode().replace(b"\n", b"") for result in after.results]
    return RunSummary(
        status=status,
        reason=reason,
        recipe=recipe,
        arm=arm,
        seed=before.seed,
        footing=before.footing,
        run=before.run,
        data=data,
        epochs=epochs,
        validation=validation,
        started=made.started,
        wall_time_s=made.wall_time_s,
        machine=Machine(made.device, made.hardware, made.threads, made.shared_by),
        step_wall_s=cost.step_time_s if cost else None,
        step_cpu_s=cost.step_cpu_s if cost else None,
        evaluated=tuple((result.which, result.weights) for result in after.results),
        accuracies=tuple(share_right(result.tally) for result in after.results),
        results_json=b"\n".join(results),
        cost_json=b"" if cost is None else as_json(cost),
        details=b"\n".join([as_json(made), *bits]),
    )


# The text that ends where the next key seems to stand is looked up before it is parsed. It is known only if it was
# one whole JSON object and a comma when it was new.
def _recipe_at(content: bytes, start: int) -> tuple[Recipe, int]:
    """The recipe that begins there, and where the key behind it stands; most often it is that of the file before."""
    if _last_recipe and content.startswith(_last_recipe[0], start):
        end = start + len(_last_recipe[0])
        if content.startswith(_ARM, end):
            return _parsed_recipe(_last_recipe[0]), end
    end = content.index(_ARM, start)
    text = content[start:end]
    recipe = _parsed_recipe(text)
    _last_recipe[:] = [text]
    return recipe, end


_last_recipe: list[bytes] = []


@cache
def _parsed_recipe(text: bytes) -> Recipe:
    return Recipe.model_validate_json(_without_comma(text))


@cache
def _arm_before_a_key(text: bytes) -> Arm:
    return Arm.model_validate_json(_without_comma(text))


@cache
def _data_before_a_key(text: bytes) -> DataFacts:
    return DataFacts.model_validate_json(_without_comma(text))


def _without_comma(text: bytes) -> bytes:
    stripped = text.rstrip()
    if not stripped.endswith(b","):
        raise ValueError("no comma before the next key")
    return stripped[:-1]
