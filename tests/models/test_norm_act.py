"""Batch normalisation and activation, called together: what hooks see, and which sites models declare."""

import copy
import shutil

import pytest
import torch
from torch import Tensor, nn

from actbench.activations import batch_norm
from actbench.activations.create import create_activation
from actbench.models.network import Network
from actbench.models.norm_act import norm_act
from tests.models.test_create import build

needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("c++", "g++", "clang++")), reason="no C++ compiler"
)


class Offers(nn.Module):
    """Tells whether it computed both."""

    def __init__(self) -> None:
        super().__init__()
        self.together = 0

    def after_batch_norm(self, norm: nn.Module, x: Tensor) -> Tensor:
        self.together += 1
        y: Tensor = norm(x)
        return y.relu()

    def forward(self, x: Tensor) -> Tensor:
        return x.relu()


def test_with_a_hook_on_either_they_are_called_one_by_one() -> None:
    norm, act, x = nn.BatchNorm2d(3), Offers(), torch.randn(2, 3, 4, 4)
    norm_act(norm, act, x)
    assert act.together == 1
    for module in (norm, act):
        seen: list[Tensor] = []
        hooks = (
            module.register_forward_hook(lambda _module, _inputs, y, seen=seen: seen.append(y)),
            module.register_forward_pre_hook(lambda _module, _inputs: None),
            module.register_full_backward_hook(lambda *_: None),
        )
        for hook in hooks:
            norm_act(norm, act, x.clone().requires_grad_())
            hook.remove()
        assert len(seen) == 1
    assert act.together == 1
    norm_act(norm, act, x)
    assert act.together == 2


def test_an_activation_that_offers_nothing_is_called() -> None:
    norm, x = nn.BatchNorm2d(3), torch.randn(2, 3, 4, 4)
    assert torch.equal(norm_act(norm, nn.ReLU(), x), norm(x).relu())


@needs_compiler
def test_a_networks_step_is_the_same_to_rounding_and_so_is_its_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for least in ("LEAST", "LEAST_ROW"):
        monkeypatch.setattr(batch_norm, least, 0)
    torch.manual_seed(0)
    both = build({"name": "resnet", "depth": 18, "width": 8, "stem": "cifar"})
    assert isinstance(both, Network)
    for site in both.sites():
        norm = both.get_submodule(site.replace("act", "bn"))
        assert isinstance(norm, nn.BatchNorm2d)
        both.set_submodule(site, create_activation("swish", norm.num_features))
    alone = copy.deepcopy(both)
    for site in alone.sites():
        alone.get_submodule(site).register_forward_hook(lambda *_: None)
    x = torch.randn(8, 3, 16, 16)
    for model in (both, alone):
        logits = model(x)
        logits.square().mean().backward()
    # Those of the second place in a block follow a sum.
    along = [site for site in both.sites() if getattr(both.get_submodule(site), "took_norm_along", False)]
    assert along == [site for site in both.sites() if site.endswith("act1")]
    assert both.state_dict().keys() == alone.state_dict().keys()
    for (name, mine), theirs in zip(both.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.allclose(mine.double(), theirs.double(), rtol=1e-4, atol=1e-5), name
    for (name, mine), theirs in zip(both.named_parameters(), alone.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert (mine.grad - theirs.grad).norm() <= 1e-3 * theirs.grad.norm() + 1e-6, name
