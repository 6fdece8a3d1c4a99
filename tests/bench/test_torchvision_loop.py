"""The plain loop that actbench is compared with: the same function, and whole epochs of both in turn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from actbench.activations.lslu import LSLU
from benchmarks.torchvision_loop import PlainLSLU

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "torchvision_loop.py"


def test_the_plain_activation_is_the_function_that_it_stands_for() -> None:
    torch.manual_seed(0)
    ours, plain = LSLU(6, n=3), PlainLSLU(6, n=3)
    alphas, biases = torch.tensor([1.3, 0.7, -0.9]), torch.tensor([-0.2, 0.1, 0.6])
    with torch.no_grad():
        plain.weight.copy_(ours.weight)
        for kept, values in ((ours.alphas, alphas), (ours.biases, biases)):
            kept.copy_(values)
        plain.alphas[:3], plain.biases[:3] = alphas, biases
    x = torch.randn(4, 6, 8, 8)
    y, expected = ours(x), plain(x)
    assert torch.allclose(y, expected, rtol=1e-4, atol=1e-5)
    y.square().sum().backward()
    expected.square().sum().backward()
    assert plain.weight.grad is not None
    assert ours.weight.grad is not None
    scale = plain.weight.grad.abs().max()
    assert (ours.weight.grad - plain.weight.grad).abs().max() < 1e-3 * scale


@pytest.mark.slow
@pytest.mark.parametrize("choices", [[], ["--amp", "bf16", "--transforms", "tensor", "--channels-last"]])
def test_both_loops_train_on_generated_images(choices: list[str]) -> None:
    sizes = ["--images", "48", "--batch-size", "16", "--rounds", "1", "--workers", "1", "--threads", "1"]
    environment = {key: value for key, value in os.environ.items() if key != "ACTBENCH_DATA_DIR"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "lslu", *choices, *sizes, "train.lr=0.001"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "48 images an epoch, batch 16, random bytes of CIFAR's shape" in done.stdout
    for side in ("torchvision loop", "actbench, contiguous", "actbench, channels-last"):
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(side))
        assert float(line.split()[-1]) < 10
