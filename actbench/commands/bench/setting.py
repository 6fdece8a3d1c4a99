"""What the commands of `actbench bench` have in common: checked options, the machine they ran on, words for numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

from actbench.errors import ActbenchError, DataError
from actbench.recipe.overrides import COMMAND_LINE

if TYPE_CHECKING:
    import torch

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


def machine(device: "torch.device") -> dict[str, object]:
    """Of a document: what computed, and with which versions."""
    from actbench.provenance import provenance, this_take

    made = provenance([this_take(device)], wall_time_s=0.0)
    names = ("hardware", "device", "threads", "actbench", "commit", "dirty", "python", "torch")
    return {name: getattr(made, name) for name in names}


def machine_text(facts: dict[str, object]) -> str:
    threads = facts["threads"]
    used = f", {threads} thread{'' if threads == 1 else 's'}" if facts["device"] == "cpu" else ""
    return f"{facts['hardware']}{used}, torch {facts['torch']}"


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
