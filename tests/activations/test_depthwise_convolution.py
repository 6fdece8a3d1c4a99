"""Every form of the depthwise convolution is F.conv2d, and the fast one serves where it is promised."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from actbench.activations.base import Activation
from actbench.activations.create import create_activation
from actbench.activations.depthwise_convolution import choose_form, depthwise_convolution
from actbench.activations.kernels import layout
from actbench.activations.kernels.depthwise import depthwise_convolution as in_form
from actbench.activations.lslu import LSLU

ROUNDING = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}
FORMS = ["cpp", "matrix", "channels_last"]


def laid_out(x: Tensor, order: str) -> Tensor:
    if order == "strided":
        return torch.stack((x, x), dim=-1)[..., 1]
    return x.contiguous(
        memory_format=torch.channels_last if order == "channels_last" else torch.contiguous_format
    )


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(0, 5),
    channels=st.integers(1, 20),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    n=st.integers(1, 4),
    order=st.sampled_from(["contiguous", "channels_last", "strided"]),
    dtype=st.sampled_from(list(ROUNDING)),
    has_bias=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_form_is_conv2d(
    batch: int, channels: int, height: int, width: int, n: int,
    order: str, dtype: torch.dtype, has_bias: bool, seed: int,
) -> None:  # fmt: skip
    draw = torch.Generator().manual_seed(seed)
    shape = (batch, channels, height, width)
    x, g = (laid_out(torch.randn(shape, generator=draw).to(dtype), order) for _ in range(2))
    weight = torch.randn(channels, 1, 2 * n + 1, 2 * n + 1, generator=draw).to(dtype)
    bias = torch.randn(channels, generator=draw).to(dtype) if has_bias else None

    def run(form: str | None, *tensors: Tensor | None) -> list[Tensor]:
        leaves = [None if t is None else t.detach().requires_grad_() for t in tensors[:3]]
        x, weight, bias = leaves
        assert x is not None
        assert weight is not None
        if form is None:
            y = F.conv2d(x, weight, bias, padding=n, groups=channels)
        else:
            y = in_form(x, weight, bias, None, None, form)
        return [y.detach(), *torch.autograd.grad(y, [t for t in leaves if t is not None], tensors[3])]

    wide = [None if t is None else t.double() for t in (x, weight, bias, g)]
    expected = run(None, *wide)
    size = run(None, *(None if t is None else t.abs() for t in wide))
    # Of each sum a float32 rounding per term in any order, then roundings to the dtype: one, or three where a form
    # makes its result of rounded parts. The weight's gradient has a term per pixel of the batch.
    terms = [(2 * n + 1) ** 2 + 4] * 2 + [batch * height * width + 4] * (2 if has_bias else 1)
    for form in FORMS:
        for got, wanted, scale, count in zip(
            run(form, x, weight, bias, g), expected, size, terms, strict=True
        ):
            each = (
                2.0**-24 if form == "cpp" else ROUNDING[dtype]
            )  # torch adds up halves in halves on some processors
            bound = (count * each + 3 * ROUNDING[dtype]) * scale
            assert got.dtype == dtype
            assert ((got.double() - wanted).abs() <= bound).all(), form


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [1, 2, 4, 8, 14, 32])
def test_the_kernel_serves_every_map(side: int, dtype: torch.dtype, memory: torch.memory_format) -> None:
    x = torch.zeros(2, 4, side, side, dtype=dtype).contiguous(memory_format=memory)
    for n in range(1, 8):
        weight = torch.zeros(4, 1, 2 * n + 1, 2 * n + 1, dtype=dtype)
        assert choose_form(x, weight) == (
            "cpp" if n <= 4 or side <= 5 else "matrix" if side <= 8 else "channels_last"
        )


def test_the_plain_form_serves_what_no_kernel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.zeros(2, 4, 8, 8), torch.zeros(4, 1, 3, 3)
    assert choose_form(x.double(), weight.double()) == "conv2d"
    assert choose_form(x.to("meta"), weight.to("meta")) == "conv2d"
    assert choose_form(x[0], weight) == "conv2d"
    with pytest.raises(RuntimeError, match=r"expected scalar type|should be the same"):  # torch's own words
        depthwise_convolution(x.bfloat16(), weight)
    with pytest.raises(RuntimeError, match="channels"):
        depthwise_convolution(x[:, :3], weight)
    monkeypatch.setattr(layout, "load_library", lambda _name: None)
    assert choose_form(x, weight) == "matrix"
    assert choose_form(torch.zeros(2, 4, 9, 8), weight) == "channels_last"


class Names(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operators that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


SITES = [("series", {}), ("series", {"base": "silu"}), ("lslu", {}), ("lslu_parallel", {}), ("frelu", {})]


@pytest.mark.parametrize(("name", "options"), SITES)
@pytest.mark.parametrize("deployed", [False, True])
def test_activations_run_the_kernel(name: str, options: dict[str, Any], deployed: bool) -> None:
    module = create_activation(name, 8, **options)
    assert isinstance(module, Activation)
    if deployed:
        module.eval()
        module.deploy()
    with Names() as names:
        module(torch.randn(2, 8, 6, 6, requires_grad=True)).sum().backward()
    convolutions = [seen for seen in names.seen if "convolution" in seen]
    assert convolutions == [
        "actbench.depthwise_convolution.default", "actbench.depthwise_convolution_backward.default"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["series", "lslu"])
def test_the_ramp_goes_along_and_x_alone_is_kept(name: str) -> None:
    module, x = create_activation(name, 8), torch.randn(4, 8, 30, 30, requires_grad=True)
    module.bn = nn.Identity()  # it keeps its own input
    sizes = {}

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        module(x)
    assert [pointer for pointer, size in sizes.items() if size >= x.numel()] == [x.data_ptr()]


@pytest.mark.parametrize(("name", "options"), SITES)
def test_autocast_gives_its_dtype_and_float32_gradients(name: str, options: dict[str, Any]) -> None:
    module, x = create_activation(name, 8, **options), torch.randn(2, 8, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    assert y.dtype == (torch.float32 if name == "frelu" else torch.bfloat16)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == module.weight.grad.dtype == torch.float32  # type: ignore[union-attr]
    # BN divides by the output's own spread, so that roundings of half a percent stay of that size.
    assert (y.float() - module(x)).abs().max() < 0.1


def test_macs_are_counted_as_those_of_conv2d() -> None:
    x, weight = torch.randn(2, 4, 6, 6, requires_grad=True), torch.randn(4, 1, 5, 5, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        F.conv2d(x, weight, padding=2, groups=4)
    counted = counter.get_total_flops()
    assert counted == 2 * x.numel() * 25
    for form in FORMS:
        with FlopCounterMode(display=False) as counter:
            y = in_form(x, weight, None, None, None, form)
            assert counter.get_total_flops() == counted
            torch.autograd.grad(y.sum(), (x, weight))
        assert counter.get_total_flops() == 3 * counted  # each gradient takes as many


def test_exported_programs_hold_plain_operators() -> None:
    module = create_activation("lslu", 4).eval()
    program = torch.export.export(module, (torch.randn(2, 4, 6, 6),))
    names = {str(node.target) for node in program.graph.nodes}
    assert any("conv2d" in name for name in names)
    assert not any("actbench" in name for name in names)


def test_a_ramp_without_slope_passes_infinity_as_its_level() -> None:
    module = LSLU(4, n=2)
    with torch.no_grad():
        module.alphas.copy_(torch.tensor([0.0, 1.0]))
        module.biases.copy_(torch.tensor([1.0, 0.0]))
    x = torch.full((1, 4, 5, 5), math.inf)
    assert torch.equal(module.eval()(x), module(torch.zeros_like(x)))
