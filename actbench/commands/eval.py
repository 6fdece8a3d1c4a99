"""`actbench eval`: the stored weights of runs, evaluated again, in training or in deploy form."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tabulate import tabulate

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.metrics import headline, under_attack
from actbench.recipe.schema import Profile
from actbench.record import DetectionTally, RunRecord, Tally, Weights, Which
from actbench.selection import Sources, select
from actbench.store import CHECKPOINTS, Store

if TYPE_CHECKING:
    import torch
    from torch import nn

    from actbench.data.source import Source
    from actbench.models.network import Network

Split = Literal["val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    references: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    profile: Profile | None = None
    limit: int | None = None
    arms: tuple[str, ...] = ()
    deploy: bool = False
    split: Split = "test"
    which: Which = "last"
    weights: Weights | None = None
    """None: raw, or what a checkpoint named as a file holds."""
    device: str = "auto"
    data_dir: Path = Path("data")
    results_dir: Path = Path("results")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """One checkpoint, the kind of weights wanted of it, and the record of the run it belongs to."""

    record_path: Path
    record: RunRecord
    checkpoint: Path
    weights: Weights


def evaluate_stored(request: EvalRequest) -> Outcome:
    """Evaluates every checkpoint that the references name; those that cannot be are warned about.

    Raises ActbenchError where not a single one could be evaluated.
    """
    warnings: list[str] = []
    targets = _targets(request, warnings)
    from actbench.training.precision import resolve_device
    from actbench.training.sources import DataSources

    device = resolve_device(request.device)
    sources = DataSources(request.data_dir)
    rows: list[dict[str, object]] = []
    errors: list[ActbenchError] = []
    for target in targets:
        try:
            source = sources.of(target.record.recipe)
            _check_data(target, source, request)
            rows.append(_evaluate(target, source, request, device))
        except ActbenchError as error:
            errors.append(error)
    if not rows:
        raise errors[0]
    warnings += [f"{target}" for target in errors]
    return Outcome(
        text=_table(rows), document={"evaluations": rows, "warnings": warnings}, warnings=tuple(warnings)
    )


def _targets(request: EvalRequest, warnings: list[str]) -> list[_Target]:
    files = [reference for reference in request.references if reference.endswith(".pt")]
    targets = [_of_file(Path(file), request) for file in files]
    others = [reference for reference in request.references if reference not in files]
    if others:
        selected = select(
            Sources(
                references=others,
                profile=request.profile,
                overrides=request.overrides,
                results_dir=request.results_dir,
                arms=request.arms,
                limit=request.limit,
            )
        )
        warnings += selected.warnings
        runs = [stored for selection in selected.selections for stored in selection.stored]
        finished = [run for run in runs if run.record.status == "completed"]
        if not finished:
            raise ActbenchError(f"no finished run among the records of {', '.join(others)}")
        store = Store(request.results_dir)
        targets += [_of_record(run.path, store.read(run.path), request) for run in finished]
    return targets


def _of_file(path: Path, request: EvalRequest) -> _Target:
    record_path = path.parent.parent.parent / f"{path.parent.name}.json"
    if path.parent.parent.name != CHECKPOINTS or not path.exists():
        raise ActbenchError(
            f"no checkpoint of a stored run: {path}",
            hints=[
                f"checkpoints lie at results/RECIPE/PROFILE/{CHECKPOINTS}/RUN/last.pt beside their record"
            ],
        )
    held: Weights | None = None if path.stem == "last" else "ema" if path.stem.endswith("_ema") else "raw"
    if held and request.weights and held != request.weights:
        raise ActbenchError(f"this file holds {held} weights, not {request.weights}", where=str(path))
    record = Store(request.results_dir).read(record_path)
    return _Target(
        record_path=record_path, record=record, checkpoint=path, weights=held or request.weights or "raw"
    )


def _of_record(path: Path, record: RunRecord, request: EvalRequest) -> _Target:
    weights = request.weights or "raw"
    folder = Store(request.results_dir).checkpoint_dir(path)
    name = (
        "last" if request.which == "last" else f"{request.which}_ema" if weights == "ema" else request.which
    )
    return _Target(record_path=path, record=record, checkpoint=folder / f"{name}.pt", weights=weights)


def _check_data(target: _Target, source: "Source", request: EvalRequest) -> None:
    where = str(target.record_path)
    if source.fingerprint != target.record.data.fingerprint:
        raise ActbenchError(
            f"the data here is not what the run was trained and tested on (fingerprint {source.fingerprint[:12]}, "
            f"record {target.record.data.fingerprint[:12]})",
            where=where,
            hints=["name the folder that holds the same data with --data-dir"],
        )
    if request.split == "val" and not source.num_val:
        raise ActbenchError("protocol best-test has no validation split", where=where)


def _evaluate(
    target: _Target, source: "Source", request: EvalRequest, device: "torch.device"
) -> dict[str, object]:
    from actbench.training.evaluate import Evaluation, evaluate_split
    from actbench.training.precision import place

    recipe = target.record.recipe
    model, epoch = _load(target, source)
    model = place(model, device, channels_last=recipe.train.channels_last)

    found, note = evaluate_split(model, source, request.split, recipe, device=device), ""
    if request.deploy:
        trained = found
        model = copy.deepcopy(model).eval().deploy()
        found = evaluate_split(model, source, request.split, recipe, device=device)
        if isinstance(trained, Evaluation) and isinstance(found, Evaluation):
            changed = sum(a != b for a, b in zip(trained.correct, found.correct, strict=True))
            note = f"{changed} of {found.tally.total} answers differ from the training form"
        else:
            note = f"in the training form {headline(trained.tally)}"
    return {
        "record": str(target.record_path),
        "checkpoint": str(target.checkpoint),
        "variant": recipe.variant,
        "arm": target.record.arm.name,
        "seed": target.record.seed,
        "split": request.split,
        "form": "deploy" if request.deploy else "training",
        "weights": target.weights,
        "epoch": epoch,
        "found": headline(found.tally),
        "attacks": _attacked(model, target, source, request, device),
        **_numbers(found.tally),
        "note": note,
    }


def _attacked(
    model: "nn.Module", target: _Target, source: "Source", request: EvalRequest, device: "torch.device"
) -> list[dict[str, object]]:
    """What attacks leave, where the recipe asks for them."""
    from actbench.data.source import DataSource
    from actbench.training.attack import accuracy_under_attack

    if not isinstance(source, DataSource):
        return []
    record = target.record
    found = accuracy_under_attack(
        model, source, request.split, record.recipe, seed=record.seed, device=device
    )
    return [
        {"name": under_attack(result.attack, result.eps).name, **_numbers(result.tally)} for result in found
    ]


def _numbers(tally: Tally | DetectionTally) -> dict[str, object]:
    """What was found, for programs: counts of a classification, COCO's summary of a detection."""
    if isinstance(tally, Tally):
        return {"correct": tally.correct, "total": tally.total, "accuracy": tally.accuracy}
    return tally.model_dump(mode="json")


def _load(target: _Target, source: "Source") -> "tuple[Network, int]":
    """The model with the target's weights, and the epoch after which they stood."""
    from actbench.training.build import build_model, set_deep_lambda
    from actbench.training.checkpoint import load_weights

    record, where = target.record, str(target.record_path)
    if not target.checkpoint.exists():
        raise ActbenchError(
            f"{target.checkpoint.name} of this run is not here",
            where=where,
            hints=[
                "checkpoints stay on the machine that trained; best-val and best-test exist under their protocol, "
                "and ema weights where the recipe keeps them"
            ],
        )
    saved = load_weights(target.checkpoint)
    model = build_model(
        record.recipe, record.arm, seed=record.seed, num_classes=source.num_classes, channels=source.channels
    )
    try:
        is_last = "history" in saved
        weights = saved["ema"] if is_last and target.weights == "ema" else saved["model"]
        if weights is None:
            raise ActbenchError("the run kept no moving average of its weights", where=where)
        model.load_state_dict(weights)
        epoch = len(json.loads(saved["history"])) - 1 if is_last else int(saved["epoch"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ActbenchError(
            f"not a checkpoint of this run: {error}".splitlines()[0], where=str(target.checkpoint)
        ) from error
    set_deep_lambda(model, record.arm, epoch=epoch)
    return model, epoch


def _table(rows: Sequence[dict[str, Any]]) -> str:
    headers = ["arm", "seed", "form", "weights", "epoch", "found", "of", "file", ""]
    table = [
        [
            f"{row['variant']}/{row['arm']}" if row["variant"] else row["arm"],
            row["seed"],
            row["form"],
            row["weights"],
            row["epoch"],
            row["found"],
            f"{row['correct']}/{row['total']}" if "correct" in row else f"{row['objects']} objects",
            Path(str(row["record"])).name,
            row["note"],
        ]
        for row in rows
    ]
    text = tabulate(table, headers=headers, tablefmt="plain", disable_numparse=True)
    attacked = [row for row in rows if row["attacks"]]
    return f"{text}\n\n{_attack_table(attacked)}" if attacked else text


def _attack_table(rows: Sequence[dict[str, Any]]) -> str:
    """One line for each evaluation and attack, one column for each eps."""
    sizes = list(dict.fromkeys(attack["name"].partition("@")[2] for row in rows for attack in row["attacks"]))
    table: list[list[object]] = []
    for row in rows:
        found: dict[str, dict[str, str]] = {}
        for attack in row["attacks"]:
            name, _, size = attack["name"].partition("@")
            found.setdefault(name, {})[size] = f"{100 * attack['accuracy']:.2f} %"
        total = row["attacks"][0]["total"]
        table += [
            [row["arm"], row["seed"], name, *(by_size.get(size, "") for size in sizes), total]
            for name, by_size in found.items()
        ]
    return tabulate(
        table, headers=["arm", "seed", "attack", *sizes, "of"], tablefmt="plain", disable_numparse=True
    )
