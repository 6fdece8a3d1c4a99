"""What the commands of `actbench bench` have in common: checked options, the machine they ran on, words for numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actbench.errors import ActbenchError, DataError
from actbench.recipe.overrides import COMMAND_LINE

if TYPE_CHECKING:
    import torch

    from actbench.bench.pace import Pace
    from actbench.bench.timing import Spread


def at_least(option: str, value: int, least: int) -> None:
    if value < least:
        raise ActbenchError(f"{value} is too few: at least {least}", where=COMMAND_LINE, key=option)


def cifar_folder(data_dir: Path) -> Path | None:
    """The folder itself where CIFAR-100 is below it, else None."""
    from actbench.data.cifar import check_cifar

    try:
        check_cifar("cifar100", data_dir)
    except DataError:
        return None
    return data_dir


def machine(device: "torch.device", paces: Sequence["Pace"] = ()) -> dict[str, object]:
    """Of a document: what computed, and with which versions; `paces` of the core were taken while it did."""
    from actbench.provenance import provenance, this_take

    made = provenance([this_take(device)], wall_time_s=0.0)
    names = ("hardware", "device", "threads", "actbench", "commit", "dirty", "python", "torch")
    facts: dict[str, object] = {name: getattr(made, name) for name in names}
    return {**facts, "pace": _pace_document([*paces, *paces_now(device)])}


def paces_now(device: "torch.device") -> list["Pace"]:
    """Some samples; none of a GPU, and where nothing can be compiled."""
    from actbench.bench.pace import SAMPLES, pace

    samples = [pace() for _ in range(SAMPLES)] if device.type == "cpu" else []
    return [sample for sample in samples if sample is not None]


def _pace_document(paces: Sequence["Pace"]) -> dict[str, object] | None:
    from actbench.bench.timing import spread

    if not paces:
        return None
    return {
        "ghz": spread([each.ghz for each in paces]).median,
        "additions_per_cycle": spread_document(spread([each.additions_per_cycle for each in paces])),
    }


def machine_text(facts: Mapping[str, Any]) -> str:
    threads, pace = facts["threads"], facts["pace"]
    used = f", {threads} thread{'' if threads == 1 else 's'}" if facts["device"] == "cpu" else ""
    paced = ""
    if pace:
        additions = pace["additions_per_cycle"]
        paced = (
            f" ({pace['ghz']:.1f} GHz, {additions['low']:.1f} to {additions['high']:.1f} additions a cycle)"
        )
    return f"{facts['hardware']}{used}{paced}, torch {facts['torch']}"


def spread_document(spread: "Spread") -> dict[str, float]:
    return dict(zip(("median", "low", "high"), spread, strict=True))


def faults_warning(page_faults: int, rounds: int) -> tuple[str, ...]:
    """Said where memory was taken from the system while the clock ran: then it, not the activation, was measured."""
    per_round = page_faults / rounds
    if per_round < 1024:
        return ()
    return (
        f"{per_round:,.0f} page faults per round: memory was taken anew while the clock ran, and is part of the times"
        " (--allocator keep, and fewer other programs, avoid that)",
    )
