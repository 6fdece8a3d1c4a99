"""A small BERT for sentences: post-norm self-attention and feed-forward blocks, and a pooler on the first token.

Structure   word and learned position embeddings, norm, dropout; `layers` blocks x = norm1(x + dropout(attention(x))),
            x = norm2(x + dropout(feed_forward(x))); the first token ([CLS]) through a linear layer and the pooler's
            activation; dropout, linear classifier
Sites       layers.I.feed_forward.act of `ff_width` channels, and with pooler: site, as RAFT has it, pooler.act of
            `width` channels for every arm; with pooler: tanh BERT's own tanh stands there in every arm. A gated
            activation gets a feed-forward block of matched parameters, and at the pooler half of the linear layer's
            channels as its gate
Shapes      tokens: (N, T) int64, 0 where there is none -> logits: (N, num_classes); T at most max_length
Padding     is not attended to and left out of min and max: an answer does not depend on how far its batch is padded.
            What stands at padded places goes through the sites and is thrown away; only an activation that gathers
            statistics of its input (pwlu in phase one) or pools over tokens can see it
Scaling     input_scaling before the feed-forward block's activation: see input_scaling.py; none before the pooler's
Dropout     on embeddings, attention weights, both branches, and before the classifier
Init        linear layers and embeddings normal with std 0.02 (not truncated), biases 0, norms 1 and 0
Norm        LayerNorm with eps 1e-5; weight decay spares norms and biases, as BERT's does
Source      Devlin et al., 2018, arXiv:1810.04805; Fang et al., 2022, arXiv:2208.14111 (RAFT)
Departures  a single sentence has no segment embedding; the residual sums are BERT's, not DeepNet's scaled ones that
            RAFT's pre-training uses
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.models.catalog import ScalingName
from actbench.models.feed_forward import FeedForward
from actbench.models.input_scaling import InputScaling
from actbench.models.network import Network, TokenActivationFactory

_EPS = 1e-5
_STD = 0.02


class MaskedAttention(nn.Module):
    """Multi-head self-attention over (N, T, width) that looks at real tokens alone."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=real[:, None, None, :], dropout_p=dropout
        )
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y


class ScaledFeedForward(FeedForward):
    """A feed-forward block whose activation may get its input scaled."""

    def __init__(self, width: int, hidden: int, act: TokenActivationFactory, scaling: ScalingName) -> None:
        super().__init__(width, hidden, act)
        self.scale = InputScaling(scaling)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:  # type: ignore[override]
        y: Tensor = self.fc2(self.act(self.scale(self.fc1(x), real)))
        return y


class Layer(nn.Module):
    """One post-norm block."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        act: TokenActivationFactory,
        dropout: float,
        scaling: ScalingName,
    ) -> None:
        super().__init__()
        self.attention = MaskedAttention(width, heads, dropout)
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.feed_forward = ScaledFeedForward(width, hidden, act, scaling)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, real)))
        y: Tensor = self.norm2(x + self.dropout(self.feed_forward(x, real)))
        return y


class Pooler(nn.Module):
    """The first token through a linear layer and an activation, which gives `out_features`."""

    def __init__(self, width: int, act: TokenActivationFactory | None) -> None:
        super().__init__()
        self.act = nn.Tanh() if act is None else act(width, channel_dim=-1)
        is_gated = act is not None and getattr(self.act, "is_gated", False)
        self.out_features = width // 2 if is_gated else width
        if act is not None and is_gated:
            self.act = act(self.out_features, channel_dim=-1)
        self.dense = nn.Linear(width, 2 * self.out_features if is_gated else width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.dense(x[:, 0]))
        return y


class BertSmall(Network):
    def __init__(
        self,
        act: TokenActivationFactory,
        *,
        num_classes: int,
        in_channels: int,
        layers: int = 4,
        width: int = 128,
        heads: int = 4,
        ff_width: int = 512,
        max_length: int = 64,
        dropout: float = 0.1,
        input_scaling: ScalingName = "none",
        pooler: Literal["site", "tanh"] = "site",
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(in_channels, width)
        self.positions = nn.Embedding(max_length, width)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            Layer(width, heads, ff_width, act, dropout, input_scaling) for _ in range(layers)
        )
        self.pooler = Pooler(width, act if pooler == "site" else None)
        self.classifier = nn.Linear(self.pooler.out_features, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        real = tokens != 0
        x = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, real)
        logits: Tensor = self.classifier(self.dropout(self.pooler(x)))
        return logits

    def sites(self) -> tuple[str, ...]:
        inner = tuple(f"layers.{place}.feed_forward.act" for place in range(len(self.layers)))
        return inner if isinstance(self.pooler.act, nn.Tanh) else (*inner, "pooler.act")

    def stem_sites(self) -> tuple[str, ...]:
        return ()

    def draw_initial(
        self,
        module: nn.Module,  # noqa: ARG002
        key: str,
        values: Tensor,
        generator: torch.Generator,
    ) -> None:
        if key == "bias":
            values.zero_()
        else:
            values.normal_(std=_STD, generator=generator)

    def merge_convolutions(self) -> None:
        """There is no batch normalisation."""
