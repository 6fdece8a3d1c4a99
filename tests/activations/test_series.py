"""The series activation by hand, and what folding BN does to it."""

import pytest
import torch
import torch.nn.functional as F

from actbench.activations.series import Series


def test_initial_weight_is_normal_with_deviation_002_and_keys_are_upstreams() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Series(2000, n=3)
    assert module.weight.shape == (2000, 1, 7, 7)
    # 98,000 draws: the standard error of mean and deviation is 0.02 / sqrt(98,000) = 6.4e-5, and 4.5e-5.
    assert module.weight.mean().abs() < 5 * 6.4e-5
    assert module.weight.std().item() == pytest.approx(0.02, abs=5 * 4.5e-5)
    assert list(module.state_dict()) == [
        "weight",
        *(f"bn.{key}" for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    ]
    assert module.bn is not None
    assert module.bn.eps == 1e-6


def test_worked_out_by_hand_in_eval_mode() -> None:
    module = Series(1, n=1).eval()
    assert module.bn is not None
    with torch.no_grad():
        module.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        module.bn.running_mean.fill_(3.0)  # type: ignore[union-attr]
        module.bn.running_var.fill_(4.0 - 1e-6)  # type: ignore[union-attr]
        module.bn.weight.fill_(6.0)
        module.bn.bias.fill_(-1.0)
    # The first pixel sees itself through the centre tap 4, the second sees the first through the tap 3 on its
    # left; -5 is clipped.
    x = torch.tensor([[[[2.0, -5.0]]]])
    expected = [(4 * 2 - 3) / 2 * 6 - 1, (3 * 2 - 3) / 2 * 6 - 1]
    assert module(x).flatten().tolist() == pytest.approx(expected, rel=1e-6)
    module.deploy()
    assert module(x).flatten().tolist() == pytest.approx(expected, rel=1e-6)
    assert module.bias is not None
    assert module.bias.item() == pytest.approx(-1 - 3 * 3, rel=1e-6)


@pytest.mark.parametrize("base", ["relu", "silu", "swish"])
def test_base_stands_before_the_convolution(base: str) -> None:
    module = Series(3, n=2, base=base)  # type: ignore[arg-type]
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert module.bn is not None
    before = F.relu(x) if base == "relu" else F.silu(x)  # beta starts at 1
    expected = module.bn(F.conv2d(before, module.weight, padding=2, groups=3))
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)
    assert ("base.beta" in module.state_dict()) == (base == "swish")
    assert (module.operations_per_element, list(module.log_values())) == {
        "relu": (1.0, []),
        "silu": (13.0, []),
        "swish": (14.0, ["beta"]),
    }[base]


def test_only_the_deployed_form_has_a_bias() -> None:
    module = Series(2)
    assert module.bias is None
    assert list(module.deploy().state_dict()) == ["weight", "bias"]
