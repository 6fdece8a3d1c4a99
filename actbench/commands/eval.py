"""`actbench eval`: the stored weights of runs, evaluated again, in training or in deploy form."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tabulate import tabulate

from actbench.commands.outcome import Outcome
from actbench.errors import ActbenchError
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Profile
from actbench.record import RunRecord, Weights
from actbench.store import CHECKPOINTS, Store

if TYPE_CHECKING:
    import torch
    from torch import nn

    from actbench.data.source import DataSource
    from actbench.models.network import Network
    from actbench.training.sources import DataSources

Split = Literal["val", "test"]
At = Literal["last", "best-val", "best-test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    references: tuple[str, ...]
    profile: Profile | None = None
    deploy: bool = False
    split: Split = "test"
    at: At = "last"
    weights: Weights = "raw"
    device: str = "auto"
    data_dir: Path = Path("data")
    results_dir: Path = Path("results")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """One checkpoint and the record of the run it belongs to."""

    record_path: Path
    record: RunRecord
    checkpoint: Path


def evaluate_stored(request: EvalRequest) -> Outcome:
    """Evaluates every checkpoint that the references name. Raises ActbenchError where one is missing."""
    store = Store(request.results_dir)
    targets = [target for reference in request.references for target in _targets(reference, request, store)]
    from actbench.training.precision import resolve_device
    from actbench.training.sources import DataSources

    device = resolve_device(request.device)
    sources = DataSources(request.data_dir)
    rows = [_evaluate(target, _source(target, request, sources), request, device) for target in targets]
    headers = {
        "arm": "arm",
        "seed": "seed",
        "form": "form",
        "weights": "weights",
        "epoch": "epoch",
        "accuracy": "top-1 %",
        "correct": "correct",
        "note": "",
    }
    table = [
        [
            row["arm"],
            row["seed"],
            row["form"],
            row["weights"],
            row["epoch"],
            f"{100 * float(str(row['accuracy'])):.2f}",
            f"{row['correct']}/{row['total']}",
            row["note"],
        ]
        for row in rows
    ]
    text = tabulate(table, headers=list(headers.values()), tablefmt="plain", disable_numparse=True)
    return Outcome(text=text, document={"evaluations": rows})


def _targets(reference: str, request: EvalRequest, store: Store) -> list[_Target]:
    path = Path(reference)
    if path.suffix == ".pt":
        record_path = path.parent.parent.parent / f"{path.parent.name}.json"
        if path.parent.parent.name != CHECKPOINTS or not path.exists():
            raise ActbenchError(
                f"no checkpoint of a stored run: {reference}",
                hints=[
                    f"checkpoints lie at results/RECIPE/PROFILE/{CHECKPOINTS}/RUN/last.pt beside their record"
                ],
            )
        return [_Target(record_path=record_path, record=store.read(record_path), checkpoint=path)]
    if path.suffix == ".json":
        return [_of_record(path, store.read(path), request, store)]
    loaded = load_recipe(reference, profile=request.profile)
    runs, _damaged = store.scan(loaded.recipes[0].name, loaded.profile)
    finished = [run for run in runs if run.record.status == "completed"]
    if not finished:
        raise ActbenchError(
            f"no finished run of {loaded.recipes[0].name} (profile {loaded.profile}) in {store.results_dir}",
            hints=[f"actbench train {reference} --profile {loaded.profile}"],
        )
    return [_of_record(run.path, run.record, request, store) for run in finished]


def _of_record(path: Path, record: RunRecord, request: EvalRequest, store: Store) -> _Target:
    from actbench.training.checkpoint import best_path

    folder = store.checkpoint_dir(path)
    if request.at == "last":
        checkpoint = folder / "last.pt"
    else:
        checkpoint = best_path(folder, request.at.replace("-", "_"), request.weights)
    if not checkpoint.exists():
        raise ActbenchError(
            f"the weights of this run are not here: {checkpoint}",
            where=str(path),
            hints=["checkpoints stay on the machine that trained; train the run again to have them"],
        )
    return _Target(record_path=path, record=record, checkpoint=checkpoint)


def _source(target: _Target, request: EvalRequest, sources: "DataSources") -> "DataSource":
    source = sources.of(target.record.recipe)
    if source.fingerprint != target.record.data.fingerprint:
        raise ActbenchError(
            f"the data here is not what the run was trained and tested on (fingerprint {source.fingerprint[:12]}, "
            f"record {target.record.data.fingerprint[:12]})",
            where=str(target.record_path),
            hints=["name the folder that holds the same data with --data-dir"],
        )
    if request.split == "val" and not source.num_val:
        raise ActbenchError("protocol best-test has no validation split", where=str(target.record_path))
    return source


def _evaluate(
    target: _Target, source: "DataSource", request: EvalRequest, device: "torch.device"
) -> dict[str, object]:
    from actbench.training.evaluate import evaluate
    from actbench.training.precision import place

    recipe = target.record.recipe
    model, epoch = _load(target, source, request)
    model = place(model, device, channels_last=recipe.train.channels_last)

    def run(form: "nn.Module") -> "tuple[int, int, list[bool]]":
        batches = source.eval_batches(
            request.split,
            batch_size=recipe.evaluation.batch_size,
            device=device,
            channels_last=recipe.train.channels_last,
        )
        found = evaluate(form, batches, device=device, amp=recipe.train.amp)
        return found.tally.correct, found.tally.total, found.correct

    correct, total, bits = run(model)
    note = ""
    if request.deploy:
        deployed = copy.deepcopy(model).eval().deploy()
        trained_bits = bits
        correct, total, bits = run(deployed)
        changed = sum(a != b for a, b in zip(trained_bits, bits, strict=True))
        note = f"{changed} of {total} answers differ from the training form"
    return {
        "record": str(target.record_path),
        "checkpoint": str(target.checkpoint),
        "arm": target.record.arm.name,
        "seed": target.record.seed,
        "split": request.split,
        "form": "deploy" if request.deploy else "training",
        "weights": request.weights,
        "epoch": epoch,
        "correct": correct,
        "total": total,
        "accuracy": correct / total,
        "note": note,
    }


def _load(target: _Target, source: "DataSource", request: EvalRequest) -> "tuple[Network, int]":
    from actbench.training.build import build_model, set_deep_lambda
    from actbench.training.checkpoint import load_weights

    record = target.record
    saved = load_weights(target.checkpoint)
    is_last = "history" in saved
    if is_last and request.weights == "ema" and saved["ema"] is None:
        raise ActbenchError("the run kept no moving average of its weights", where=str(target.record_path))
    weights = saved["ema"] if is_last and request.weights == "ema" else saved["model"]
    epoch = len(json.loads(saved["history"])) - 1 if is_last else int(saved["epoch"])
    model = build_model(
        record.recipe, record.arm, seed=record.seed, num_classes=source.num_classes, channels=source.channels
    )
    model.load_state_dict(weights)
    set_deep_lambda(model, record.arm, epoch=epoch)
    return model, epoch
