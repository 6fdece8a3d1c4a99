"""A ViT with the real activations: what arms share, KAT's parameters, and a trained ViT handed over to KAT."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.models.feed_forward import FeedForward
from actbench.models.network import Network
from actbench.recipe.schema import Recipe
from actbench.training.build import activation_sites, build_model
from actbench.training.optim import parameter_groups

SMALL = {"image_size": 16, "patch": 8, "width": 24, "depth": 2, "heads": 3}
KAT = {
    "activation": "gr_kan",
    "options": {"init": "silu"},
    "sites": ["*.act"],
    "fill": "gr_kan",
    "fill_options": {"init": "identity"},
    "model": {"feed_forward": "kat"},
}


def recipe_of(*arms: dict[str, Any], **model: Any) -> Recipe:
    options = {**SMALL, **model}
    return Recipe.model_validate(
        {
            "name": "vit",
            "profile": "smoke",
            "data": {"name": "synthetic"},
            "input": {"size": options["image_size"]},
            "model": {"name": "vit", **options},
            "arms": [{"name": f"arm{index}", **arm} for index, arm in enumerate(arms)],
            "train": {"epochs": 1, "lr": 0.1, "weight_decay": 0.05},
        }
    )


def built(recipe: Recipe, *, num_classes: int = 10) -> list[Network]:
    return [
        build_model(recipe, arm, seed=1, num_classes=num_classes, channels=3).eval() for arm in recipe.arms
    ]


def own(model: Network) -> dict[str, Tensor]:
    """The parameters that are no activation's."""
    sites = tuple(f"{name}." for name in model.sites())
    return {name: p for name, p in model.named_parameters() if not name.startswith(sites)}


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_arms_with_models_of_their_own_share_every_weight_that_both_have() -> None:
    recipe = recipe_of(
        {"activation": "gelu"},
        KAT,
        {"activation": "gelu", "model": {"attention_init": "mimetic"}},
        {"activation": "swiglu"},
    )
    plain, kat, mimetic, gated = map(own, built(recipe))
    assert plain.keys() == kat.keys() == mimetic.keys() == gated.keys()
    same = {
        name: [torch.equal(value, other[name]) for other in (kat, mimetic, gated)]
        for name, value in plain.items()
    }
    attention = {f"blocks.{i}.attn.{part}.weight" for i in range(2) for part in ("qkv", "proj")}
    feed_forward = {
        f"blocks.{i}.mlp.{part}" for i in range(2) for part in ("fc1.weight", "fc1.bias", "fc2.weight")
    }
    assert {name for name, (kat_too, _, _) in same.items() if not kat_too} == set()
    assert {name for name, (_, mimetic_too, _) in same.items() if not mimetic_too} == attention
    # Behind a gate the first layer has other rows: there is nothing to share.
    assert {name for name, (*_, gated_too) in same.items() if not gated_too} == feed_forward


def test_each_start_stands_at_its_site() -> None:
    _, kat = built(recipe_of({"activation": "gelu"}, KAT))
    x = torch.linspace(-3, 3, 24 * 4).view(4, 24)
    for name, site in activation_sites(kat).items():
        wide = x if name.endswith("act_in") else x.repeat(1, 4)
        want = wide if name.endswith("act_in") else nn.functional.silu(wide)
        # The fit of SiLU on [-3, 3] is off by 1.2e-6; identity is exact.
        assert (site(wide) - want).abs().max() <= (0 if name.endswith("act_in") else 1e-5)


def test_kat_t_has_912_parameters_more_than_vit_t_at_224_pixels() -> None:
    """5.7 M and 38 per unit, 2 units in each of 12 blocks; 5,718,328 is the released KAT-T's count."""
    recipe = recipe_of({"activation": "gelu"}, KAT, image_size=224, patch=16, width=192, depth=12, heads=3)
    vit, kat = built(recipe, num_classes=1000)
    assert (count(vit), count(kat)) == (5_717_416, 5_718_328)


def test_a_block_of_the_prose_has_104_parameters_more_and_gates_match_within_a_third_of_hidden() -> None:
    prose = {
        **KAT,
        "options": {"share": "denominator"},
        "fill_options": {"init": "identity", "share": "denominator"},
    }
    vit, kat, gated = map(count, built(recipe_of({"activation": "gelu"}, prose, {"activation": "swiglu"})))
    assert kat - vit == 2 * 104
    assert gated - vit == 2 * (4 * 24 // 3)


def test_a_vit_of_silu_handed_over_to_kat_gives_the_same_logits() -> None:
    vit, kat = built(recipe_of({"activation": "silu"}, KAT, depth=4))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in vit.parameters():  # somewhere else than the start, as after training
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        absent, unexpected = kat.load_state_dict(vit.state_dict(), strict=False)
        images = torch.randn(16, 3, 16, 16, generator=generator)
        wanted, got = vit(images), kat(images)
        inner: list[Tensor] = []
        for block in vit.modules():
            if isinstance(block, FeedForward):
                block.act.register_forward_pre_hook(lambda _module, args: inner.append(args[0]))
        vit(images)
    assert unexpected == []
    assert all(name.split(".")[-2] in ("act", "act_in") for name in absent)
    # Within [-3, 3], where the fit holds to 1.2e-6, and summed over 96 channels of weights near 0.05 in four blocks.
    assert max(float(x.abs().max()) for x in inner) < 3
    assert wanted.std() > 0.1
    assert (got - wanted).abs().max() < 1e-4


def test_every_coefficient_gets_a_gradient_from_the_first_step() -> None:
    _, kat = built(recipe_of({"activation": "gelu"}, KAT))
    kat.train()(torch.randn(8, 3, 16, 16)).square().sum().backward()
    for name, site in activation_sites(kat).items():
        for key, parameter in site.named_parameters():
            assert parameter.grad is not None
            assert bool((parameter.grad != 0).all()), f"{name}.{key}"


def test_variance_is_kept_behind_every_map_of_a_kat_block() -> None:
    recipe = recipe_of(KAT, width=384, depth=1, heads=3, w_init="variance_preserving")
    (kat,) = built(recipe)
    block = kat.get_submodule("blocks.0.mlp")
    assert isinstance(block, FeedForward)
    # 2.810761: SiLU's, by quadrature of the target itself; its fit is off by 1e-6 within [-3, 3] alone.
    assert block.gain("act") == pytest.approx(2.8108, abs=2e-3)
    x = torch.randn(2048, 384, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        middle = block.fc1(block.act_in(x))
        assert middle.var().item() == pytest.approx(1, abs=0.05)
        assert block.fc2(block.act(middle)).var().item() == pytest.approx(1, abs=0.05)


def test_decay_spares_the_token_and_the_positions() -> None:
    recipe = recipe_of({"activation": "prelu"})
    (model,) = built(recipe)
    groups = parameter_groups(model, activation_sites(model), recipe.train, recipe.arms[0].train).records
    decayed = {name for group in groups if group.weight_decay for name in group.tensors}
    every = {name for group in groups for name in group.tensors}
    assert {"cls_token", "pos_embed"} <= every - decayed
    assert decayed == {name for name, p in model.named_parameters() if p.ndim > 1} - {
        "cls_token",
        "pos_embed",
    }
