"""`actbench bench pipeline`: the input pipeline beside torchvision's transforms in a DataLoader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from actbench.bench.allocator import Allocator, set_allocator
from actbench.commands.bench.setting import (
    at_least,
    cifar_folder,
    faults_warning,
    machine,
    machine_text,
    spread_document,
)
from actbench.commands.outcome import Outcome

if TYPE_CHECKING:
    from actbench.bench.pipeline import PipelineResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    device: str = "cpu"
    batch_size: int = 512
    workers: int = 0
    channels_last: bool = False
    threads: int = 1
    rounds: int = 9
    data_dir: Path = Path("data")
    """CIFAR-100 is taken from here; without it, random bytes of its shape."""
    allocator: Allocator = "keep"


def bench_pipeline(request: PipelineRequest, note: Callable[[str], None] = lambda _text: None) -> Outcome:
    """Raises ActbenchError for a number that is too small or a device that is not there."""
    at_least("--rounds", request.rounds, 2)
    at_least("--threads", request.threads, 1)
    at_least("--batch-size", request.batch_size, 1)
    at_least("--workers", request.workers, 0)
    # Loads PyTorch, which mistakes on the command line do without; the allocator is told before anything is allocated.
    allocator = set_allocator(request.allocator)
    import torch

    from actbench.bench.pipeline import PipelineSetting, run_pipeline_bench
    from actbench.training.precision import resolve_device

    device = resolve_device(request.device)
    torch.set_num_threads(request.threads)
    setting = PipelineSetting(
        device=device,
        batch_size=request.batch_size,
        workers=request.workers,
        channels_last=request.channels_last,
        rounds=request.rounds,
    )
    result = run_pipeline_bench(setting, data_dir=cifar_folder(request.data_dir), note=note)
    facts = machine(device)
    return Outcome(
        text=pipeline_text(result, facts, allocator),
        document=pipeline_document(result, facts, allocator),
        warnings=faults_warning(result.page_faults, result.setting.rounds * len(result.rows)),
    )


def pipeline_document(
    result: "PipelineResult", facts: dict[str, object], allocator: str
) -> dict[str, object]:
    setting = result.setting
    return {
        "machine": facts,
        "setting": {
            "data": result.data,
            "batch_size": setting.batch_size,
            "workers": setting.workers,
            "layout": _layout(result),
            "rounds": setting.rounds,
            "clock": result.clock,
            "allocator": allocator,
            "page_faults": result.page_faults,
        },
        "pipelines": [
            {
                "pipeline": row.pipeline,
                "way": row.way,
                "us_per_image": spread_document(row.us_per_image),
                "over_ours": spread_document(row.over_ours),
            }
            for row in result.rows
        ],
    }


def pipeline_text(result: "PipelineResult", facts: dict[str, object], allocator: str) -> str:
    setting = result.setting
    rows = [[row.pipeline, row.way, str(row.us_per_image), str(row.over_ours)] for row in result.rows]
    headers = ["", "", "us per image", "times ours"]
    grid = tabulate(rows, headers, disable_numparse=True, colalign=["left", "left", "right", "right"])
    return "\n".join(
        [
            f"{result.data}, batches of {setting.batch_size}, {_layout(result)}; {machine_text(facts)}",
            f"{result.clock}, {setting.rounds} rounds, workers of the DataLoader: {setting.workers}; "
            f"allocator: {allocator}",
            "",
            *(line.rstrip() for line in grid.split("\n")),
            "",
            "each ends in normalisation; median [quartiles]; torchvision's RandAugment draws from other operations",
        ]
    )


def _layout(result: "PipelineResult") -> str:
    return "channels_last" if result.setting.channels_last else "contiguous"
