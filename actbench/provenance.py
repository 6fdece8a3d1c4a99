"""Which code, versions and machine made a result. Imports torch inside the function that asks it."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import actbench
from actbench.record import Provenance, Take

if TYPE_CHECKING:
    import torch

_PACKAGES = ("numpy", "timm", "torchvision", "pydantic", "scikit-learn", "pycocotools", "transformers")


def this_take(device: "torch.device", *, shared_by: int = 1) -> Take:
    """What this process is, as it takes up a run now; `shared_by` processes train on the device."""
    import torch

    commit, dirty = source_commit()
    return Take(
        commit=commit,
        dirty=dirty,
        device=str(device),
        hardware=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        threads=torch.get_num_threads(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        shared_by=shared_by,
    )


def provenance(takes: Sequence[Take], *, wall_time_s: float) -> Provenance:
    """Facts about a run's making, for its record; the last of `takes` is this process's."""
    import torch

    last = takes[-1]
    return Provenance(
        actbench=actbench.__version__,
        commit=last.commit,
        dirty=last.dirty,
        python=platform.python_version(),
        torch=torch.__version__,
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        device=last.device,
        hardware=last.hardware,
        threads=last.threads,
        allocator=os.environ.get("GLIBC_TUNABLES") or os.environ.get("LD_PRELOAD") or "system default",
        command=shlex.join(["actbench", *sys.argv[1:]]),
        started=takes[0].started,
        wall_time_s=round(wall_time_s, 3),
        resumed=len(takes) - 1,
        takes=tuple(takes),
        shared_by=last.shared_by,
    )


@cache
def source_commit() -> tuple[str | None, bool | None]:
    """Commit of the source tree this package runs from and whether it was changed; (None, None) outside one.

    Asked once, when the process starts its first run: what is loaded then is what computes.
    """
    source = Path(__file__).resolve().parents[1]
    if not (source / ".git").exists():
        return None, None
    try:
        head = _git(source, "rev-parse", "HEAD")
        # A new module or recipe counts even while git does not know it; what runs write does not.
        dirty = bool(_git(source, "status", "--porcelain", "--", "actbench", "recipes", "pyproject.toml"))
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head, dirty


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    return f"{platform.machine()}, {os.cpu_count()} cores"
