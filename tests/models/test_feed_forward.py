"""The feed-forward block: order of its parts, its two placements, and gates at matched parameters."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.feed_forward import FeedForward, gated_hidden


class Scale(nn.Module):
    """Channels times a factor of their own, along the last dimension."""

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__()
        assert channel_dim == -1
        self.factor = nn.Parameter(torch.linspace(0.5, 2.0, num_channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) * self.factor


class Gate(nn.Module):
    """relu(gate) * value over the last dimension."""

    is_gated = True

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__()
        assert channel_dim == -1
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        gate, value = x[..., : self.num_channels], x[..., self.num_channels :]
        return torch.relu(gate) * value


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_mlp_is_fc1_activation_fc2() -> None:
    block = FeedForward(6, 24, Scale)
    x = torch.randn(2, 5, 6)
    inner = torch.relu(F.linear(x, block.fc1.weight, block.fc1.bias)) * torch.linspace(0.5, 2.0, 24)
    assert torch.equal(block(x), F.linear(inner, block.fc2.weight, block.fc2.bias))
    assert block.site_names() == ("act",)


def test_kat_has_a_site_of_its_own_before_each_linear_map() -> None:
    block = FeedForward(6, 24, Scale, placement="kat")
    x = torch.randn(2, 5, 6)
    y = torch.relu(x) * torch.linspace(0.5, 2.0, 6)
    y = torch.relu(F.linear(y, block.fc1.weight, block.fc1.bias)) * torch.linspace(0.5, 2.0, 24)
    assert torch.equal(block(x), F.linear(y, block.fc2.weight, block.fc2.bias))
    assert block.site_names() == ("act_in", "act")
    assert block.act_in is not block.act


@pytest.mark.parametrize("placement", ["mlp", "kat"])
def test_dropout_follows_each_site(placement: str) -> None:
    block = FeedForward(6, 24, Scale, dropout=0.5, placement="kat" if placement == "kat" else "mlp")
    block.dropout.p = 1.0
    x = torch.randn(2, 5, 6)
    # All that reaches fc2 is dropped, and of it only the bias is left; in kat all that reaches fc1 too.
    assert torch.equal(block.train()(x), block.fc2.bias.expand(2, 5, 6))
    seen: list[Tensor] = []
    block.fc1.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    block(x)
    assert bool((seen[0] == 0).all()) == (placement == "kat")
    assert not bool((block.eval()(x) == block.fc2.bias).any(dim=-1).all())


@pytest.mark.parametrize(
    ("width", "hidden", "inner"),
    [(192, 768, 512), (384, 1536, 1024), (48, 192, 128), (10, 64, 40), (4, 5, 8)],
)
def test_a_gate_matches_the_parameters_of_the_plain_block(width: int, hidden: int, inner: int) -> None:
    gated, plain = FeedForward(width, hidden, Gate), FeedForward(width, hidden, lambda *_a, **_k: nn.ReLU())
    assert gated_hidden(hidden) == inner
    assert (gated.fc1.out_features, gated.fc2.in_features) == (2 * inner, inner)
    difference = abs(parameters(gated) - parameters(plain))
    if hidden % 12 == 0:
        assert difference == hidden // 3
    if hidden >= 6:  # below, 2/3 of it rounds to 0, and 8 stand instead
        assert difference <= 4 * (3 * width + 2) + hidden / 3
    x = torch.randn(2, 3, width)
    gate, value = gated.fc1(x).chunk(2, dim=-1)
    assert torch.equal(gated(x), gated.fc2(torch.relu(gate) * value))


def test_a_gate_has_no_place_before_the_first_layer() -> None:
    with pytest.raises(ActbenchError, match="no place before fc1"):
        FeedForward(12, 48, Gate, placement="kat")
