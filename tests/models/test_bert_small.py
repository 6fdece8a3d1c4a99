"""The small BERT: its parameters by hand, and answers that no padding changes."""

import pytest
import torch
from torch import nn

from actbench.activations.base import Activation
from actbench.models.bert_small import BertSmall
from actbench.models.feed_forward import gated_hidden
from actbench.recipe.schema import Recipe
from actbench.training.build import activation_sites, build_model

SIZES = {"layers": 2, "width": 16, "heads": 4, "ff_width": 48, "max_length": 12}
WORDS = 30


def parameters(
    *, pooled: int = 16, ff_in: int = 48, ff_out: int = 48, pooler: int = 16, classes: int = 3
) -> int:
    width, layers = 16, 2
    embeddings = WORDS * width + 12 * width + 2 * width
    attention = 3 * width * width + 3 * width + width * width + width
    feed_forward = width * ff_in + ff_in + ff_out * width + width
    block = attention + feed_forward + 2 * 2 * width
    return embeddings + layers * block + width * pooler + pooler + pooled * classes + classes


def recipe_of(activation: str, **model: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "sentences",
            "profile": "smoke",
            "task": "text",
            "data": {"name": "synthetic_text"},
            "input": {"tokens": {"max_length": 12}},
            "model": {"name": "bert_small", **SIZES, **model},
            "arms": [{"name": "arm", "activation": activation}],
            "train": {"epochs": 1, "lr": 0.1},
        }
    )


def build(activation: str = "gelu", *, seed: int = 0, **model: object) -> BertSmall:
    recipe = recipe_of(activation, **model)
    made = build_model(recipe, recipe.arms[0], seed=seed, num_classes=3, channels=WORDS)
    assert isinstance(made, BertSmall)
    return made


def spread(model: nn.Module) -> nn.Module:
    """Weights far from their small start, so that every part of the network tells in its answers."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.double().eval()


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_parameters_are_those_counted_by_hand() -> None:
    assert count(build()) == count(build(pooler="tanh")) == parameters()
    assert count(build(input_scaling="minmax_seq")) == parameters()
    # Swish has one beta for each channel of every site.
    assert count(build("swish")) == parameters() + 2 * 48 + 16


def test_a_gated_activation_gets_blocks_of_matched_parameters() -> None:
    inner = gated_hidden(48)
    gated = build("geglu")
    assert count(gated) == parameters(ff_in=2 * inner, ff_out=inner, pooled=8, pooler=16)
    tokens = torch.randint(4, WORDS, (2, 7), generator=torch.Generator().manual_seed(0))
    assert gated.eval()(tokens).shape == (2, 3)


def test_sites_have_their_channels_last() -> None:
    model = build("prelu")
    sites = activation_sites(model)
    assert list(sites) == ["layers.0.feed_forward.act", "layers.1.feed_forward.act", "pooler.act"]
    layouts = [
        (site.num_channels, site.channel_dim) for site in sites.values() if isinstance(site, Activation)
    ]
    assert layouts == [(48, -1), (48, -1), (16, -1)]
    assert len(build(pooler="tanh").sites()) == 2
    assert isinstance(build(pooler="tanh").pooler.act, nn.Tanh)


@pytest.mark.parametrize("scaling", ["none", "minmax_seq", "minmax_channel"])
@pytest.mark.parametrize("activation", ["gelu", "rational"])
def test_a_padded_batch_answers_as_its_sentences_alone(scaling: str, activation: str) -> None:
    model = spread(build(activation, input_scaling=scaling))
    generator = torch.Generator().manual_seed(0)
    sentences = [torch.randint(1, WORDS, (length,), generator=generator) for length in (2, 5, 9, 12)]
    padded = nn.utils.rnn.pad_sequence(sentences, batch_first=True)
    assert padded.shape == (4, 12)
    alone = torch.cat([model(sentence[None]) for sentence in sentences])
    assert float(alone.detach().std()) > 0.1  # the answers differ, so that equality says something
    torch.testing.assert_close(model(padded), alone, rtol=1e-9, atol=1e-9)


def test_words_and_their_places_both_count() -> None:
    model = spread(build())
    tokens = torch.tensor([[2, 5, 6, 3], [2, 6, 5, 3], [2, 5, 7, 3]])
    answers = model(tokens)
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2])


def test_the_scaling_stands_before_the_activation_of_the_block_alone() -> None:
    model = spread(build(input_scaling="minmax_seq"))
    seen: dict[str, tuple[float, float]] = {}
    for name, site in activation_sites(model).items():  # type: ignore[arg-type]
        site.register_forward_pre_hook(
            lambda _site, inputs, name=name: seen.__setitem__(
                name, (inputs[0].min().item(), inputs[0].max().item())
            )
        )
    model(torch.randint(1, WORDS, (3, 8), generator=torch.Generator().manual_seed(0)))
    assert seen["layers.0.feed_forward.act"] == seen["layers.1.feed_forward.act"] == (-3.0, 3.0)
    assert seen["pooler.act"] != (-3.0, 3.0)


def test_arms_of_a_seed_start_alike_and_seeds_do_not() -> None:
    gelu, rational = build("gelu").state_dict(), build("rational").state_dict()
    shared = gelu.keys() & rational.keys()
    assert shared == gelu.keys()
    assert all(torch.equal(gelu[name], rational[name]) for name in shared)
    assert not torch.equal(gelu["words.weight"], build(seed=1).state_dict()["words.weight"])
    assert gelu["layers.0.norm1.weight"].eq(1).all()
    assert gelu["classifier.bias"].eq(0).all()
    # Of 480 values the deviation is within a fifth of its own, by many standard errors.
    assert 0.016 < float(gelu["words.weight"].std()) < 0.024
