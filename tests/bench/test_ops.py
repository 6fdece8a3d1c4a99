"""What the bench of activations says: by a clock that always tells a second the numbers can be worked out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actbench.activations.plugins import load_plugin
from actbench.bench import ops
from actbench.bench.activations import Inputs, Setting, prepare
from actbench.bench.ops import OpRow, OpsResult, Wanted, measure_ops
from actbench.bench.timing import Clock, Spread
from actbench.errors import ActbenchError

SHAPE = (4, 8, 4, 4)
NBYTES = 4 * 4 * 8 * 4 * 4
ONE = Spread(1.0, 1.0, 1.0)


def _second(call: Callable[[], object]) -> float:
    call()
    return 1.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "clock_for", lambda *_args, **_kwargs: Clock("seconds", _second))


def _measured(*names: str, setting: Setting | None = None, optional: bool = False) -> OpsResult:
    wanted = [Wanted(name=name, options={}, is_optional=optional) for name in names]
    return measure_ops(wanted, setting or Setting(shape=SHAPE), rounds=2)


def _row(result: OpsResult, name: str) -> OpRow:
    (row,) = (row for row in result.rows if row.activation == name)
    return row


def test_relu_and_silu_stand_first_whoever_is_asked_for() -> None:
    assert [row.activation for row in _measured("relu2", "silu").rows] == ["relu", "silu", "relu2"]


def test_bytes_moved_are_those_that_have_to_be() -> None:
    result = _measured("relu2", "swiglu")
    assert (result.copy_time_s, result.copy_bytes_per_s) == (ONE, 2 * NBYTES)
    relu2 = _row(result, "relu2")
    assert (relu2.forward.bytes_per_s, relu2.both.bytes_per_s) == (2 * NBYTES, 5 * NBYTES)
    assert (relu2.forward.of_copy, relu2.both.of_copy) == (1.0, 2.5)
    assert relu2.forward.over_relu == relu2.both.over_silu == ONE
    gated = _row(result, "swiglu")  # its input is twice as wide: 2 + 1 there, and 2 * 2 + 1 back
    assert (gated.forward.bytes_per_s, gated.both.bytes_per_s) == (3 * NBYTES, 8 * NBYTES)


def test_memory_is_told_per_element_and_in_inputs() -> None:
    result = _measured("identity", "relu2", "swiglu", "series")
    identity, relu2, gated, series = (_row(result, n) for n in ("identity", "relu2", "swiglu", "series"))
    assert (identity.kept_bytes_per_element, identity.kept_inputs) == (0.0, 0.0)
    assert (relu2.kept_bytes_per_element, relu2.kept_inputs) == (4.0, 1.0)
    assert (gated.kept_bytes_per_element, gated.kept_inputs) == (8.0, 1.0)
    assert series.kept_inputs >= 2  # what BN normalises, beside what the convolution takes
    assert relu2.peak_bytes_per_element >= 8  # output and input's gradient
    assert relu2.operations_per_element == 2


@pytest.mark.parametrize(("layout", "dtype"), [("channels_last", "bfloat16"), ("contiguous", "float32")])
def test_inputs_have_the_setting_and_are_shared(layout: str, dtype: str) -> None:
    setting = Setting(shape=SHAPE, layout=layout, dtype=dtype)  # type: ignore[arg-type]
    inputs = Inputs(setting)
    first, second = (prepare(name, {}, inputs) for name in ("prelu", "pwlu"))
    assert first.x is second.x
    assert first.grad is second.grad
    expected = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    for tensor in (first.x, first.grad, first.infer()):
        assert tensor.dtype == getattr(torch, dtype)
        assert tensor.is_contiguous(memory_format=expected)
    assert first.keeps_layout
    assert all(parameter.dtype == torch.float32 for parameter in first.module.parameters())


def test_activations_are_measured_in_their_last_phase() -> None:
    pwlu = prepare("pwlu", {}, Inputs(Setting(shape=SHAPE)))
    assert "learning" in repr(pwlu.module)  # and not in phase one, a ReLU that collects statistics
    pwlu.both()
    gradients = {name: p.grad for name, p in pwlu.module.named_parameters() if p.requires_grad}
    assert len(gradients) >= 4
    assert not [name for name, grad in gradients.items() if grad is None]
    assert pwlu.x.grad is not None
    assert bool(pwlu.x.grad.any())
    pwlu.forget()
    assert pwlu.x.grad is None
    assert all(parameter.grad is None for parameter in pwlu.module.parameters())


def test_what_does_not_fit_is_refused_when_named_and_left_out_among_all() -> None:
    flat = Setting(shape=(4, 12))
    with pytest.raises(ActbenchError, match="lslu needs 2 dimensions behind the channels, not those of 4,12"):
        _measured("lslu", setting=flat)
    result = _measured("lslu", "gr_kan", "relu2", setting=flat, optional=True)
    assert [row.activation for row in result.rows] == ["relu", "silu", "relu2"]
    assert [text.partition(":")[0] for text in result.left_out] == [
        "lslu is left out",
        "gr_kan is left out",  # eight groups do not divide twelve channels
    ]


@pytest.mark.usefixtures("catalogue")
def test_a_fault_of_a_users_file_is_told_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from torch import nn\n\nclass Fragile(nn.Module):\n    def forward(self, x):\n"
        "        if x.shape[2] > 4:\n            raise KeyError('too large')\n        return x.exp()\n"
    )
    load_plugin(path)
    with pytest.raises(ActbenchError) as caught:
        prepare("Fragile", {}, Inputs(Setting(shape=(4, 8, 5, 5))))
    assert str(caught.value) == f"{path}:6: KeyError: 'too large'"
