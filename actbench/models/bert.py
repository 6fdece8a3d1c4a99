"""BERT of any size from transformers, with activation sites in its intermediate layers and its pooler.

Structure   transformers' BertModel (attention by PyTorch's scaled_dot_product_attention), dropout, linear classifier.
            Built from a BertConfig of the options, never fetched; `weights` starts it from a local folder
Sites       bert.encoder.layer.I.intermediate.intermediate_act_fn.act of `ff_width` channels, and with pooler: site,
            as RAFT has it, bert.pooler.activation of `width` channels for every arm; with pooler: tanh BERT's own
            tanh stands there
Shapes      tokens: (N, T) int64, 0 where there is none -> logits: (N, num_classes); T at most max_length. The last
            token of every sentence is [SEP]; what follows an earlier one is segment 1, a pair's second sentence
Padding     is not attended to and left out of min and max: an answer does not depend on how far its batch is padded
Scaling     input_scaling before the intermediate layer's activation: see input_scaling.py
Init        linear layers and embeddings normal with std 0.02, biases 0, norms 1 and 0; from `weights` everything but
            what stands at sites, the classifier, and a pooler that the file lacks (masked language models have none)
Norm        LayerNorm with eps 1e-12; weight decay spares norms and biases, as BERT's does
Source      Devlin et al., 2018, arXiv:1810.04805; Fang et al., 2022, arXiv:2208.14111 (RAFT)
Departures  the residual sums are BERT's, not DeepNet's scaled ones that RAFT's pre-training uses
"""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.catalog import BertWeights, ScalingName
from actbench.models.input_scaling import InputScaling
from actbench.models.network import Network, TokenActivationFactory

_STD = 0.02
WEIGHTS_FILE = "model.safetensors"


class ScaledSite(nn.Module):
    """An activation site with its input scaled; the model sets `real` before its layers run."""

    real: Tensor

    def __init__(self, act: nn.Module, scaling: ScalingName) -> None:
        super().__init__()
        self.scale, self.act = InputScaling(scaling), act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.scale(x, self.real))
        return y


class Bert(Network):
    def __init__(
        self,
        act: TokenActivationFactory,
        *,
        num_classes: int,
        in_channels: int,
        layers: int = 12,
        width: int = 768,
        heads: int = 12,
        ff_width: int = 3072,
        max_length: int = 512,
        dropout: float = 0.1,
        input_scaling: ScalingName = "none",
        pooler: Literal["site", "tanh"] = "site",
        weights: BertWeights | None = None,
    ) -> None:
        super().__init__()
        if importlib.util.find_spec("transformers") is None:
            raise ActbenchError(
                "model 'bert' needs transformers, which is not installed",
                hints=['pip install "actbench[text]"'],
            )
        from transformers import BertConfig, BertModel  # an extra, and slow to import

        config = BertConfig(
            vocab_size=in_channels,
            num_hidden_layers=layers,
            hidden_size=width,
            num_attention_heads=heads,
            intermediate_size=ff_width,
            max_position_embeddings=max_length,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            attn_implementation="sdpa",
        )
        self.bert: Any = BertModel(config)
        for layer in self.bert.encoder.layer:
            layer.intermediate.intermediate_act_fn = ScaledSite(act(ff_width, channel_dim=-1), input_scaling)
        if pooler == "site":
            self.bert.pooler.activation = act(width, channel_dim=-1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)
        self._has_pooler_site = pooler == "site"
        # Options reach a model as plain values.
        self._weights = None if weights is None else BertWeights.model_validate(weights)
        if self._weights is not None:
            _find_weights(self._weights)

    def forward(self, tokens: Tensor) -> Tensor:
        real = tokens != 0
        for layer in self.bert.encoder.layer:
            layer.intermediate.intermediate_act_fn.real = real
        hidden = self.bert(
            input_ids=tokens, attention_mask=real.long(), token_type_ids=_segments(tokens, real)
        )
        logits: Tensor = self.classifier(self.dropout(hidden.pooler_output))
        return logits

    def sites(self) -> tuple[str, ...]:
        inner = [
            f"bert.encoder.layer.{place}.intermediate.intermediate_act_fn.act"
            for place in range(len(self.bert.encoder.layer))
        ]
        return (*inner, *(("bert.pooler.activation",) if self._has_pooler_site else ()))

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

    @torch.no_grad()
    def init_jointly(self, stream: Callable[[str], torch.Generator]) -> None:  # noqa: ARG002
        """Puts the weights of the file, where one is named, in the place of the drawn ones."""
        if self._weights is None:
            return
        file = _find_weights(self._weights)
        stored = _read_weights(file, self._weights.sha256)
        own = {name: value for name, value in self.bert.named_parameters() if not _is_site(name)}
        absent = [name for name in own if name not in stored and not name.startswith("pooler.")]
        wrong = [name for name, value in own.items() if name in stored and stored[name].shape != value.shape]
        if absent or wrong:
            what = f"it lacks {absent[0]}" if absent else f"{wrong[0]} has another shape"
            raise ActbenchError(
                f"not the weights of this model: {what}",
                where=str(file),
                hints=[
                    "layers, width, heads, ff_width, max_length and the vocabulary must be those of the weights"
                ],
            )
        for name, value in own.items():
            if name in stored:
                value.copy_(stored[name])

    def merge_convolutions(self) -> None:
        """There is no batch normalisation."""


def _segments(tokens: Tensor, real: Tensor) -> Tensor:
    """1 from behind a sentence's end on, where another follows; the last real token tells which number ends one."""
    end = tokens.gather(1, real.sum(1, keepdim=True) - 1)
    ends = (tokens == end).long()
    return ((ends.cumsum(1) - ends) > 0).long() * real


def _is_site(name: str) -> bool:
    return ".intermediate_act_fn." in name or name.startswith("pooler.activation.")


def _find_weights(weights: BertWeights) -> Path:
    file = Path(weights.folder) / WEIGHTS_FILE
    if not file.is_file():
        raise ActbenchError(
            f"no {WEIGHTS_FILE} of a BERT here",
            where=str(file),
            key="model.weights.folder",
            hints=["name a folder that transformers' save_pretrained wrote; nothing is fetched"],
        )
    return file


def _read_weights(file: Path, sha256: str) -> dict[str, Tensor]:
    """The file's tensors, without the prefix that models with a head put before their names."""
    from safetensors.torch import load

    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise ActbenchError(
            f"other weights than the recipe names: sha256 {found}",
            where=str(file),
            key="model.weights.sha256",
            hints=["the sum stands in the recipe because what a run starts from decides its result"],
        )
    return {name.removeprefix("bert."): tensor for name, tensor in load(content).items()}
