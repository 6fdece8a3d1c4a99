"""A first use under another default device, as when only shapes are asked for, leaves nothing behind on it."""

import subprocess
import sys

CODE = """
import contextlib
import sys
import torch
from actbench.activations.catalog import ENTRIES
from actbench.activations.create import create_activation

with torch.device("meta"):
    for name in ENTRIES:
        with contextlib.suppress(NotImplementedError):  # some work their start out, which takes values
            create_activation(name, 8)
left = {}
for module in [m for n, m in sys.modules.items() if n.startswith("actbench.")]:
    for name, value in vars(module).items():
        found = value if isinstance(value, tuple) else (value,)
        if any(isinstance(one, torch.Tensor) and one.device.type == "meta" for one in found):
            left[f"{module.__name__}.{name}"] = "meta"
assert not left, left
series = create_activation("series", 8, n=1)
x = torch.randn(4, 8, 8, 8)
series(x)  # builds or finds its kernel
expected = series.bn(torch.nn.functional.conv2d(x.relu(), series.weight, padding=1, groups=8))
series.bn.reset_running_stats()
torch.testing.assert_close(series(x), expected, rtol=1e-4, atol=1e-4)
"""


def test_no_constant_is_made_on_the_default_device() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
