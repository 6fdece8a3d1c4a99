"""transformers' BERT with our sites: with GELU it is theirs to the last bit."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.base import Activation
from actbench.errors import ActbenchError
from actbench.models.bert import WEIGHTS_FILE, Bert
from actbench.recipe.schema import Recipe
from actbench.training.build import activation_sites, build_model

transformers = pytest.importorskip("transformers", reason="needs the extra actbench[text]")

SIZES = {"layers": 2, "width": 16, "heads": 4, "ff_width": 48, "max_length": 12}
WORDS = 30


def recipe_of(activation: str = "gelu", **model: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "sentences",
            "profile": "smoke",
            "task": "text",
            "data": {"name": "synthetic_text"},
            "input": {"tokens": {"max_length": 12, "tokenizer": "wordpiece"}},
            "model": {"name": "bert", **SIZES, **model},
            "arms": [{"name": "arm", "activation": activation}],
            "train": {"epochs": 1, "lr": 0.1},
        }
    )


def build(activation: str = "gelu", **model: object) -> Bert:
    recipe = recipe_of(activation, **model)
    made = build_model(recipe, recipe.arms[0], seed=0, num_classes=3, channels=WORDS)
    assert isinstance(made, Bert)
    return made


@pytest.fixture
def theirs() -> nn.Module:
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        num_hidden_layers=2,
        hidden_size=16,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=12,
    )
    model: nn.Module = transformers.BertModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def stored(theirs: nn.Module, tmp_path: Path) -> dict[str, str]:
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    content = (tmp_path / WEIGHTS_FILE).read_bytes()
    return {"folder": str(tmp_path), "sha256": hashlib.sha256(content).hexdigest()}


def pooled(model: Bert, tokens: Tensor) -> Tensor:
    """What the classifier gets."""
    model.dropout, model.classifier = nn.Dropout(0), nn.Identity()  # type: ignore[assignment]
    answer: Tensor = model.eval()(tokens)
    return answer


def test_bert_base_has_its_published_parameters() -> None:
    with torch.device("meta"):
        model = Bert(lambda _n, channel_dim=1: nn.GELU(), num_classes=2, in_channels=30522)  # noqa: ARG005
    body = sum(parameter.numel() for parameter in model.bert.parameters())
    assert body == 109_482_240
    assert sum(p.numel() for p in model.parameters()) == body + 768 * 2 + 2
    assert len(model.sites()) == 13  # twelve blocks and the pooler, as in RAFT


def test_with_gelu_and_tanh_it_is_theirs_to_the_last_bit(theirs: nn.Module, stored: dict[str, str]) -> None:
    model = build(pooler="tanh", weights=stored)
    tokens = torch.tensor([[2, 5, 6, 7, 3, 0, 0], [2, 9, 8, 7, 6, 5, 3]])
    expected = theirs(input_ids=tokens, attention_mask=(tokens != 0).long()).pooler_output
    assert torch.equal(pooled(model, tokens), expected)


def test_the_second_sentence_of_a_pair_is_segment_one(theirs: nn.Module, stored: dict[str, str]) -> None:
    model = build(pooler="tanh", weights=stored)
    tokens = torch.tensor([[2, 5, 3, 7, 8, 3, 0], [2, 9, 8, 7, 3, 5, 3]])
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1, 1]])
    expected = theirs(
        input_ids=tokens, attention_mask=(tokens != 0).long(), token_type_ids=segments
    ).pooler_output
    assert torch.equal(pooled(model, tokens), expected)


@pytest.mark.parametrize("scaling", ["none", "minmax_seq", "minmax_channel"])
def test_a_padded_batch_answers_as_its_sentences_alone(scaling: str, stored: dict[str, str]) -> None:
    model = build("rational", input_scaling=scaling, weights=stored).double().eval()
    generator = torch.Generator().manual_seed(0)
    sentences = [torch.randint(1, WORDS, (length,), generator=generator) for length in (2, 5, 9, 12)]
    padded = nn.utils.rnn.pad_sequence(sentences, batch_first=True)
    alone = torch.cat([model(sentence[None]) for sentence in sentences])
    assert float(alone.detach().std()) > 1e-3
    torch.testing.assert_close(model(padded), alone, rtol=1e-9, atol=1e-9)


def test_sites_are_the_intermediate_layers_and_the_pooler() -> None:
    model = build("swish")
    sites = activation_sites(model)
    layouts = [
        (site.num_channels, site.channel_dim) for site in sites.values() if isinstance(site, Activation)
    ]
    assert layouts == [(48, -1), (48, -1), (16, -1)]
    assert list(build(pooler="tanh").sites()) == list(sites)[:2]
    model.train()(torch.randint(1, WORDS, (2, 6))).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_masked_language_model_s_file_starts_all_but_the_pooler(tmp_path: Path) -> None:
    config = build(pooler="tanh").bert.config
    masked = transformers.BertForMaskedLM(config)
    masked.save_pretrained(tmp_path)
    content = (tmp_path / WEIGHTS_FILE).read_bytes()
    weights = {"folder": str(tmp_path), "sha256": hashlib.sha256(content).hexdigest()}
    fresh, started = build("swish").state_dict(), build("swish", weights=weights).state_dict()
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(started[words], masked.state_dict()[words])
    for name in ("bert.pooler.dense.weight", "classifier.weight"):
        assert torch.equal(started[name], fresh[name])
    assert all(value.eq(1).all() for name, value in started.items() if name.endswith("beta"))


def broken(stored: dict[str, str]) -> Iterator[tuple[dict[str, Any], str]]:
    yield {"weights": {**stored, "sha256": "0" * 64}}, "other weights than the recipe names: sha256"
    yield {"weights": stored, "width": 8}, "has another shape"
    yield {"weights": stored, "layers": 3}, r"it lacks encoder\.layer\.2"
    yield {"weights": {**stored, "folder": "nowhere"}}, r"no model\.safetensors of a BERT here"


def test_wrong_weights_are_told(stored: dict[str, str]) -> None:
    for model, message in broken(stored):
        with pytest.raises(ActbenchError, match=message):
            build(**model)


def test_without_transformers_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ActbenchError, match="model 'bert' needs transformers") as caught:
        build()
    assert 'pip install "actbench[text]"' in str(caught.value)
