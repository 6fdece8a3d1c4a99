"""The plain form that LSLU is compared with: the same function."""

import torch

from actbench.activations.lslu import LSLU
from actbench.bench.plain_lslu import PlainLSLU


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
