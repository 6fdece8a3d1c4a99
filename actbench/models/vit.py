"""Vision Transformer: patches as tokens, pre-norm blocks of self-attention and a feed-forward block.

Structure   patches by one convolution of stride `patch`, a class token before them (pool: token), a learnable position
            embedding, `depth` blocks x + attn(norm1(x)), x + mlp(norm2(x)), norm, pool, linear head. The pool is the
            class token, or the mean of all tokens where there is none (pool: mean).
Sites       one per block, blocks.I.mlp.act of mlp_ratio * width channels, or of ff_width; with feed_forward: kat also
            blocks.I.mlp.act_in of `width` channels, before fc1 (see feed_forward.py). A gated activation at
            blocks.I.mlp.act gets a block of matched parameters.
Shapes      x: (N, in_channels, image_size, image_size) -> logits: (N, num_classes)
Dropout     `drop_path` drops whole branches per image, at a rate that rises evenly from 0 in the first block to
            `drop_path` in the last, and scales what stays; all masks are drawn before anything else is, so that arms
            with other draws inside their blocks drop the same branches. `dropout` acts in the feed-forward blocks.
Init        linear layers normal with std 0.02 (published truncated at +-2, a hundred deviations), biases 0; position
            embedding likewise, class token std 1e-6; patches uniform with PyTorch's bounds; norms 1 and 0
            w_init: variance_preserving draws fc1 and fc2 with variance alpha / fan-in, alpha = 1 / E[F(z)^2] for
            z ~ N(0, 1) of the activation F before them as it starts (1 where none is), measured, not tabulated
            attention_init: mimetic, per head Wq^T Wk is 0.7 Z + 0.7 I as near as a head's rank allows, and over all
            heads proj * Wv = 0.4 Z - 0.4 I, each Z uniform with variance 1 / width
Norm        LayerNorm with eps 1e-6; decay of weights spares the class token and the position embedding
Source      Dosovitskiy et al., 2020, arXiv:2010.11929; Touvron et al., 2020, arXiv:2012.12877 (width 192 and 3 heads,
            drop path); Yang and Wang, 2024, arXiv:2409.10594 (kat, its starts); Trockman and Kolter, 2023,
            arXiv:2305.09828 (mimetic)
Departures  mimetic: the attention's weights alone, not the sinusoidal position embedding of that paper; this is what
            KAT's released code does
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.models.catalog import AttentionInit, FeedForwardPlacement, WeightInit
from actbench.models.feed_forward import FeedForward
from actbench.models.network import Network, TokenActivationFactory
from actbench.models.stage_widths import hidden_width

_EPS = 1e-6
_QUERY_KEY = (0.7, 0.7)
_VALUE_OUT = (0.4, -0.4)
"""Weights of Z and of the identity in the mimetic start."""


class Attention(nn.Module):
    """Multi-head self-attention over (N, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y

    @torch.no_grad()
    def init_mimetic(self, generator: torch.Generator) -> None:
        """Sets all weights in place so that attention starts near the identity; biases stay."""
        width = self.proj.in_features
        size = width // self.heads
        rows: tuple[list[Tensor], list[Tensor]] = ([], [])
        for _ in range(self.heads):
            query, key = _root_factors(_near_identity(width, *_QUERY_KEY, generator))
            rows[0].append(query[:, :size].mT)
            rows[1].append(key[:size])
        out, value = _root_factors(_near_identity(width, *_VALUE_OUT, generator))
        self.qkv.weight.copy_(torch.cat([*rows[0], *rows[1], value]))
        self.proj.weight.copy_(out)


class Block(nn.Module):
    """One pre-norm block; `forward` takes for each branch the factor of every image, None to keep all."""

    def __init__(self, width: int, heads: int, mlp: FeedForward) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = mlp

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        branch = self.attn(self.norm1(x))
        x = x + (branch if keep is None else branch * keep[0])
        branch = self.mlp(self.norm2(x))
        y: Tensor = x + (branch if keep is None else branch * keep[1])
        return y


class VisionTransformer(Network):
    """ViT of any width and depth; the defaults are ViT-Ti/16 for 224 pixels."""

    def __init__(
        self,
        act: TokenActivationFactory,
        *,
        num_classes: int,
        in_channels: int = 3,
        image_size: int = 224,
        patch: int = 16,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        mlp_ratio: float = 4.0,
        feed_forward: FeedForwardPlacement = "mlp",
        pool: Literal["token", "mean"] = "token",
        dropout: float = 0.0,
        drop_path: float = 0.0,
        w_init: WeightInit = "trunc_normal_0.02",
        attention_init: AttentionInit = "default",
        ff_width: int | None = None,
    ) -> None:
        super().__init__()
        self.w_init, self.attention_init = w_init, attention_init
        self.patch_embed = nn.Conv2d(in_channels, width, patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if pool == "token" else None
        tokens = (image_size // patch) ** 2 + (pool == "token")
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        hidden = hidden_width(width, mlp_ratio, ff_width)
        self.blocks = nn.ModuleList(
            Block(width, heads, FeedForward(width, hidden, act, dropout=dropout, placement=feed_forward))
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.head = nn.Linear(width, num_classes)
        self.drop_rates = [drop_path * index / max(depth - 1, 1) for index in range(depth)]

    def forward(self, x: Tensor) -> Tensor:
        keep = self._keep(x) if self.training and self.drop_rates[-1] > 0 else None
        x = self.patch_embed(x).flatten(2).mT
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self.pos_embed
        for index, block in enumerate(self.blocks):
            x = block(x, None if keep is None else keep[index])
        x = self.norm(x)
        logits: Tensor = self.head(x.mean(dim=1) if self.cls_token is None else x[:, 0])
        return logits

    def _keep(self, x: Tensor) -> Tensor:
        """Factors (depth, 2, N, 1, 1) of the branches: 0 where one is dropped, else 1 / its chance to stay."""
        stay = 1 - torch.tensor(self.drop_rates, device=x.device).view(-1, 1, 1, 1, 1)
        drawn = torch.rand(len(self.drop_rates), 2, len(x), 1, 1, device=x.device)
        return (drawn < stay).to(x.dtype) / stay

    def sites(self) -> tuple[str, ...]:
        return tuple(
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, FeedForward)
            for name in module.site_names()
        )

    def stem_sites(self) -> tuple[str, ...]:
        return ()

    def undecayed(self) -> tuple[str, ...]:
        return ("pos_embed", *(("cls_token",) if self.cls_token is not None else ()))

    @torch.no_grad()
    def init_parameter(
        self, module: nn.Module, key: str, parameter: Tensor, generator: torch.Generator
    ) -> None:
        if module is self:
            values = torch.empty(parameter.shape, device=generator.device)
            parameter.copy_(values.normal_(std=1e-6 if key == "cls_token" else 0.02, generator=generator))
        else:
            super().init_parameter(module, key, parameter, generator)

    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:
        if isinstance(module, nn.Conv2d):
            bound = module.weight[0].numel() ** -0.5
            values.uniform_(-bound, bound, generator=generator)
        elif key == "bias":
            values.zero_()
        else:
            is_scaled = self.w_init == "variance_preserving" and module in self._feed_forward_maps()
            values.normal_(std=values.shape[1] ** -0.5 if is_scaled else 0.02, generator=generator)

    def init_jointly(self, stream: Callable[[str], torch.Generator]) -> None:
        if self.attention_init == "mimetic":
            for path, module in self.named_modules():
                if isinstance(module, Attention):
                    module.init_mimetic(stream(path))

    @torch.no_grad()
    def init_behind_sites(self) -> None:
        if self.w_init == "variance_preserving":
            for block in self.modules():
                if isinstance(block, FeedForward):
                    block.fc2.weight.mul_(block.gain("act") ** 0.5)
                    if block.placement == "kat":
                        block.fc1.weight.mul_(block.gain("act_in") ** 0.5)

    def merge_convolutions(self) -> None:
        """There is no batch normalisation."""

    def _feed_forward_maps(self) -> list[nn.Module]:
        blocks = [module for module in self.modules() if isinstance(module, FeedForward)]
        return [linear for block in blocks for linear in (block.fc1, block.fc2)]


def _near_identity(width: int, noise: float, identity: float, generator: torch.Generator) -> Tensor:
    """noise * Z + identity * I in float64, Z uniform with variance 1 / width."""
    bound = (3 / width) ** 0.5
    drawn = torch.empty(width, width, dtype=torch.float64).uniform_(-bound, bound, generator=generator)
    return noise * drawn + identity * torch.eye(width, dtype=torch.float64)


def _root_factors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A and B with A @ B = matrix: the singular values' roots on either side, largest first."""
    left, values, right = torch.linalg.svd(matrix)
    roots = values.sqrt()
    return left * roots, roots[:, None] * right
