"""FReLU by hand, its gradient on both sides, its start, and what it refuses."""

import math

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.frelu import FReLU
from actbench.errors import ActbenchError


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_worked_out_by_hand_in_eval_and_deploy_mode() -> None:
    module = FReLU(1).eval()
    assert module.bn is not None
    with torch.no_grad():
        module.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        module.bn.running_mean.fill_(3.0)  # type: ignore[union-attr]
        module.bn.running_var.fill_(4.0 - 1e-5)  # type: ignore[union-attr]
        module.bn.weight.fill_(2.0)
        module.bn.bias.fill_(-1.0)
    # Pixels 2 and -5 in a row; taps: left 3, centre 4, right 5. The window sees 4*2 - 5*5 = -17 at the first and
    # 3*2 - 4*5 = -14 at the second; BN subtracts 3, halves, doubles and subtracts 1: -21 and -18, below both pixels.
    x = torch.tensor([[[[2.0, -5.0]]]])
    assert module(x).flatten().tolist() == [2.0, -5.0]
    # With the signs turned: 17 - 4 = 13 > -2 and 14 - 4 = 10 > 5.
    for _ in range(2):
        assert module(-x).flatten().tolist() == pytest.approx([13.0, 10.0], rel=1e-6)
        module.deploy()
    assert module.bias is not None
    assert module.bias.item() == pytest.approx(-1 - 3, rel=1e-6)
    assert list(module.state_dict()) == ["weight", "bias"]


def test_is_the_larger_of_x_and_its_window() -> None:
    module, x = FReLU(3), images(2, 3, 6, 6)
    assert module.bn is not None
    window = module.bn(F.conv2d(x, module.weight, padding=1, groups=3))
    y = module(x)
    assert torch.equal(y, torch.where(x > window, x, window))
    assert 0.1 < (y == x).float().mean() < 0.9, "both sides take part"


def test_is_relu_where_the_window_is_zero() -> None:
    module, x = FReLU(2).eval(), images(2, 2, 5, 5).requires_grad_()
    with torch.no_grad():
        module.weight.zero_()
    y = module(x)
    y.sum().backward()
    assert torch.equal(y, F.relu(x))
    assert x.grad is not None
    assert torch.equal(x.grad, (x > 0).float())


def test_a_tie_gives_each_side_half() -> None:
    module = FReLU(1).double()
    module.deploy()
    assert module.bias is not None
    with torch.no_grad():
        module.weight.zero_()
        module.weight[0, 0, 1, 1] = 1.0  # the window is the pixel itself
        module.bias.zero_()
    x = images(1, 1, 2, 2).double().requires_grad_()
    module(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
    assert module.weight.grad is not None
    assert module.weight.grad[0, 0, 1, 1].item() == pytest.approx(x.sum().item() / 2, rel=1e-12)


def test_initial_weight_is_hes_for_one_filter() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = FReLU(10_000)
    # 90,000 draws: the standard error of mean and deviation is 0.471 / sqrt(90,000) = 1.6e-3, and 1.1e-3.
    assert module.weight.mean().abs() < 5 * 1.6e-3
    assert module.weight.std().item() == pytest.approx(math.sqrt(2) / 3, abs=5 * 1.1e-3)
    assert {name: tuple(p.shape[1:]) for name, p in module.named_parameters()} == {
        "weight": (1, 3, 3),
        "bn.weight": (),
        "bn.bias": (),
    }


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 4, 5), (2, 4, 5, 5, 5)])
def test_other_ranks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ActbenchError, match=r"images N,C,H,W, not an input of shape"):
        FReLU(4)(torch.zeros(shape))
