"""The Triton kernels without a GPU: computed by Triton's interpreter, and when they are loaded."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.activations.kernels import gpu, layout
from tests.activations.kernels.triton_bounds import SMALL

ROOT = Path(__file__).parents[3]


def test_the_interpreter_finds_values_and_gradients_within_bounds() -> None:
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "tests.activations.kernels.triton_bounds"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(len(SMALL))]


@pytest.fixture
def _capable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose GPU could run the kernels."""
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.delenv("ACTBENCH_KERNELS", raising=False)
    gpu._load.cache_clear()
    yield
    gpu._load.cache_clear()


@pytest.mark.usefixtures("_capable")
def test_without_triton_one_line_tells_that_the_plain_form_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'triton'", name=name)

    monkeypatch.setattr(gpu, "import_module", missing)
    with caplog.at_level(logging.WARNING, logger="actbench"):
        for _ in range(3):
            assert not gpu.load_kernels("rational")
    (record,) = caplog.records
    assert "slower plain PyTorch is used instead (No module named 'triton')" in record.getMessage()


@pytest.mark.usefixtures("_capable")
def test_what_has_no_gpu_kernel_or_is_turned_off_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    assert not gpu.load_kernels("swish")
    monkeypatch.setenv("ACTBENCH_KERNELS", "0")
    assert not gpu.load_kernels("rational")
    monkeypatch.delenv("ACTBENCH_KERNELS")
    gpu._load.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert not gpu.load_kernels("rational")


@pytest.mark.usefixtures("_capable")
def test_tensors_and_parameters_on_a_capable_gpu_go_to_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(gpu, "import_module", loaded.append)

    class OnGpu:
        device, dtype = torch.device("cuda"), torch.bfloat16

    tensor: Any = OnGpu()
    assert layout.takes("rational", tensor)
    assert layout.backend("rational", tensor) == "triton"
    assert loaded == ["actbench.activations.kernels.triton_rational"]
    assert layout.backend("swish", tensor) == "reference"
    tensor.dtype = torch.float64
    assert not layout.takes("rational", tensor)
