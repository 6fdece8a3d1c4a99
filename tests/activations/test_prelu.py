"""PReLU beside torch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from actbench.activations.prelu import PReLU


def test_values_and_gradients_by_hand() -> None:
    module = PReLU(1, init=0.5)
    x = torch.tensor([[-4.0], [0.0], [3.0]], requires_grad=True)
    y = module(x)
    y.backward(torch.tensor([[1.0], [10.0], [100.0]]))
    assert y.flatten().tolist() == [-2.0, 0.0, 3.0]
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0.5, 5.0, 100.0]  # at 0 the slope, as torch has it
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [-4.0]


@pytest.mark.parametrize("sharing", ["channel", "layer"])
def test_equals_torchs_module_and_loads_its_state(sharing: str) -> None:
    theirs = nn.PReLU(6 if sharing == "channel" else 1)
    nn.init.uniform_(theirs.weight, -1, 1, generator=torch.Generator().manual_seed(0))
    ours = PReLU(6, sharing=sharing)  # type: ignore[arg-type]
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    grad = torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(ours(x), theirs(x))
    (dx, dslope), (their_dx, their_dslope) = (
        torch.autograd.grad(module(x), (x, module.weight), grad) for module in (ours, theirs)
    )
    assert torch.equal(dx, their_dx)
    torch.testing.assert_close(dslope.flatten(), their_dslope, rtol=1e-5, atol=1e-5)


def test_zero_slope_is_relu_and_unit_slope_the_identity() -> None:
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(3))
    assert torch.equal(PReLU(2, init=0.0)(x), F.relu(x))
    assert torch.equal(PReLU(2, init=1.0)(x), x)


def test_bfloat16_sums_the_slopes_gradient_in_float32() -> None:
    module = PReLU(1, sharing="layer")
    x = torch.full((2**14 + 1, 1), -1.0, dtype=torch.bfloat16)  # a number that bfloat16 does not have
    y = module(x)
    y.backward(torch.ones_like(y))
    assert module.weight.grad is not None
    assert module.weight.grad.item() == -(2**14 + 1)


def test_freezing() -> None:
    assert not PReLU(2, freeze=True).weight.requires_grad
