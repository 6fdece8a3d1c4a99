"""Vision Transformer: timm's to the last bit, KAT's placement, its starts, and stochastic depth."""

import math
from typing import Any

import pytest
import timm
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from actbench.models.catalog import ViTOptions
from actbench.models.feed_forward import FeedForward
from actbench.models.vit import Attention, VisionTransformer

SMALL: dict[str, Any] = {"image_size": 32, "patch": 8, "width": 24, "depth": 3, "heads": 3}


def gelu(*_: int, **__: int) -> nn.Module:
    return nn.GELU()


def small(**options: Any) -> VisionTransformer:
    return VisionTransformer(gelu, num_classes=7, **{**SMALL, **options})


def initialised(seed: int = 0, **options: Any) -> VisionTransformer:
    model = small(**options)
    for index, module in enumerate(model.modules()):
        for key, parameter in module.named_parameters(recurse=False):
            model.init_parameter(module, key, parameter, torch.Generator().manual_seed(1000 * seed + index))
    model.init_jointly(lambda name: torch.Generator().manual_seed(len(name)))
    model.init_behind_sites()
    return model


def timm_names(model: nn.Module) -> dict[str, Tensor]:
    return {name.replace("patch_embed.proj", "patch_embed"): v for name, v in model.state_dict().items()}


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_equals_timm_bit_for_bit(pool: str) -> None:
    torch.manual_seed(0)
    theirs = timm.models.VisionTransformer(
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=3,
        num_heads=3,
        num_classes=7,
        class_token=pool == "token",
        global_pool="token" if pool == "token" else "avg",
        fc_norm=False,
    )
    ours = small(pool=pool)
    ours.load_state_dict(timm_names(theirs))
    x = torch.randn(4, 3, 32, 32)
    got, want = ours(x), theirs(x)
    assert torch.equal(got, want)
    got.square().sum().backward()
    want.square().sum().backward()
    for name, parameter in theirs.named_parameters():
        own = ours.get_parameter(name.replace("patch_embed.proj", "patch_embed"))
        assert own.grad is not None
        assert parameter.grad is not None
        assert torch.equal(own.grad, parameter.grad), name


@pytest.mark.parametrize(("width", "heads", "count"), [(192, 3, 5_717_416), (384, 6, 22_050_664)])
def test_published_sizes(width: int, heads: int, count: int) -> None:
    # 5.7 M and 22.1 M; counted from the structure: patches, token, positions, 12 blocks, norm, head.
    with torch.device("meta"):
        model = VisionTransformer(gelu, num_classes=1000, width=width, heads=heads)
    d = width
    block = 2 * 2 * d + (d * 3 * d + 3 * d) + (d * d + d) + (d * 4 * d + 4 * d) + (4 * d * d + d)
    whole = (3 * 16 * 16 * d + d) + d + 197 * d + 12 * block + 2 * d + (d * 1000 + 1000)
    assert sum(p.numel() for p in model.parameters()) == whole == count


def test_sites_of_both_placements() -> None:
    assert small().sites() == tuple(f"blocks.{i}.mlp.act" for i in range(3))
    assert small(feed_forward="kat").sites() == tuple(
        f"blocks.{i}.mlp.{name}" for i in range(3) for name in ("act_in", "act")
    )


def test_mimetic_attention_starts_near_the_identity() -> None:
    """The factors multiply to what the description says: per head in the best rank, over all heads exactly."""
    width, heads = 48, 3
    size = width // heads
    attention = Attention(width, heads)
    generator = torch.Generator().manual_seed(5)
    attention.init_mimetic(generator)
    again = torch.Generator().manual_seed(5)
    bound = math.sqrt(3 / width)
    eye = torch.eye(width, dtype=torch.float64)
    query, key, value = attention.qkv.weight.detach().double().chunk(3)
    for head in range(heads):
        z = torch.empty(width, width, dtype=torch.float64).uniform_(-bound, bound, generator=again)
        rows = slice(head * size, (head + 1) * size)
        product = query[rows].T @ key[rows]
        target = 0.7 * z + 0.7 * eye
        singular = torch.linalg.svdvals(target)
        # Eckart and Young: no matrix of that rank is nearer than the tail of singular values.
        assert torch.linalg.matrix_rank(product, atol=1e-4) == size
        distance = torch.linalg.matrix_norm(product - target)
        assert distance == pytest.approx(singular[size:].square().sum().sqrt().item(), rel=1e-5)
        # Both factors carry half of each singular value.
        for factor in (query[rows], key[rows]):
            assert torch.allclose(factor.norm(dim=1).square(), singular[:size], rtol=1e-5)
    z = torch.empty(width, width, dtype=torch.float64).uniform_(-bound, bound, generator=again)
    through = attention.proj.weight.detach().double() @ value
    assert torch.allclose(through, 0.4 * z - 0.4 * eye, atol=1e-6)
    # On average over Z what attention writes is -0.4 of its token: 48 diagonal draws of deviation 0.4 / sqrt(48).
    assert abs(through.diagonal().mean().item() + 0.4) < 5 * 0.4 / width
    # Z has variance 1 / width; 48^2 uniform draws, whose variance deviates by sqrt(4 / 5 / 48^2) of itself.
    off = (through + 0.4 * eye) / 0.4
    assert off.var().item() * width == pytest.approx(1, abs=5 * math.sqrt(0.8) / width)


def test_only_attention_has_another_start_when_it_is_mimetic() -> None:
    plain, mimetic = initialised().state_dict(), initialised(attention_init="mimetic").state_dict()
    differing = {name for name, value in plain.items() if not torch.equal(value, mimetic[name])}
    assert differing == {f"blocks.{i}.attn.{name}.weight" for i in range(3) for name in ("qkv", "proj")}


def test_variance_preserving_start() -> None:
    """Behind each linear map of a block the variance is 1 within 5 %, for inputs of mean 0 and variance 1."""
    width = 512
    options = {"width": width, "depth": 1, "heads": 4, "feed_forward": "kat", "w_init": "variance_preserving"}
    model = VisionTransformer(_relu_between, num_classes=2, image_size=32, patch=8, **options)  # type: ignore[arg-type]
    block = model.get_submodule("blocks.0.mlp")
    assert isinstance(block, FeedForward)
    for linear in (block.fc1, block.fc2):
        for key, parameter in linear.named_parameters():
            model.init_parameter(linear, key, parameter, torch.Generator().manual_seed(len(key)))
    model.init_behind_sites()
    x = torch.randn(512, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        middle = block.fc1(block.act_in(x))
        assert middle.var().item() == pytest.approx(1, abs=0.05)
        # ReLU halves the mean square; a start without its gain would give 0.5 here.
        assert block.fc2(block.act(middle)).var().item() == pytest.approx(1, abs=0.05)
    assert block.gain("act") == pytest.approx(2, rel=1e-9)
    assert block.gain("act_in") == pytest.approx(1, rel=1e-9)


def _relu_between(num_channels: int, channel_dim: int = 1) -> nn.Module:  # noqa: ARG001
    return nn.Identity() if num_channels == 512 else nn.ReLU()


class _Product(nn.Module):
    is_gated = True

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:  # noqa: ARG002
        super().__init__()
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x[..., : self.num_channels]) * torch.relu(3 * x[..., self.num_channels :])


def test_the_gain_behind_a_gate_is_that_of_two_independent_factors() -> None:
    # E[relu(g)^2] E[relu(3 v)^2] = 0.5 * 9 * 0.5; with gate and value equal it would be 9 E[relu(z)^4] = 13.5.
    assert FeedForward(24, 96, _Product).gain("act") == pytest.approx(1 / 2.25, rel=1e-9)


def test_drop_path_drops_whole_branches_more_often_in_later_blocks() -> None:
    model = small(drop_path=0.5).train()
    assert model.drop_rates == [0.0, 0.25, 0.5]
    kept: list[Tensor] = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _block, args: kept.append(args[1]))
    torch.manual_seed(0)
    images = torch.randn(2000, 3, 32, 32)
    model(images)
    for factors, rate in zip(kept, model.drop_rates, strict=True):
        assert factors.shape == (2, 2000, 1, 1)
        stays = (1 / (1 - torch.tensor(rate))).item()
        assert set(factors.flatten().tolist()) == ({0.0, stays} if rate else {stays})
        # 4000 draws: five deviations of their mean
        share = (factors == 0).float().mean().item()
        assert abs(share - rate) <= 5 * math.sqrt(rate * (1 - rate) / 4000)
    kept.clear()
    model.eval()(images[:2])
    assert kept == [None] * 3


def test_branches_drop_alike_whatever_is_drawn_within_blocks() -> None:
    kept: list[list[Tensor]] = []
    for dropout, placement in ((0.0, "mlp"), (0.3, "mlp"), (0.3, "kat")):
        model = small(drop_path=0.5, dropout=dropout, feed_forward=placement).train()
        own: list[Tensor] = []
        for block in model.blocks:
            block.register_forward_pre_hook(lambda _block, args, own=own: own.append(args[1]))
        torch.manual_seed(3)
        model(torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
        kept.append(own)
    assert all(torch.equal(a, b) for other in kept[1:] for a, b in zip(kept[0], other, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 5}, "patch 5 does not divide image_size 224"),
        ({"heads": 5}, "heads 5 does not divide width 192"),
    ],
)
def test_sizes_must_divide(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ViTOptions.model_validate({"name": "vit", **options})
