"""Bytes kept for backward by the activations alone, against counts made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.data.source import DataSource
from actbench.recipe.load import load_recipe
from actbench.recipe.schema import Recipe
from actbench.record import Cost
from actbench.training.cost import measure_cost
from actbench.training.sources import DataSources
from actbench.training.state import backends, start_state

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
Open = Callable[[Recipe], DataSource]
# The sites of the VanillaNet of these tests: their channels, on maps of 8, 4, 2 and 1.
CHANNELS = (32, 64, 128, 256)
ELEMENTS = 32 * 64 + 64 * 16 + 128 * 4 + 256 * 1


class Naive(nn.Module):
    """SiLU as autograd keeps it when written out: the input and the gate."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class KeepsTwice(torch.autograd.Function):
    """Keeps the input, its own output and a copy of the input in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = 2 * x
        ctx.save_for_backward(x, x.to(torch.float32, copy=True), y)
        return y

    @staticmethod
    def backward(_ctx: Any, grad: Tensor) -> Tensor:
        return 2 * grad


class Wasteful(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = KeepsTwice.apply(x)
        return y


def cost_of(recipe: Recipe, open_source: Open, arm: str, replacement: type[nn.Module] | None = None) -> Cost:
    state = start_state(recipe, recipe.arm(arm), seed=0, source=open_source(recipe), device=CPU)
    if replacement is not None:
        for name in list(state.sites):
            state.model.set_submodule(name, replacement())
            state.sites[name] = state.model.get_submodule(name)
    return measure_cost(state, recipe, channels=3, num_classes=4, batch_images=8, device=CPU)


@pytest.mark.parametrize(("amp", "size"), [("none", 4), ("bf16", 2)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_kept_by_each_kind_of_activation(
    make_recipe: MakeRecipe, open_source: Open, amp: str, size: int, channels_last: bool
) -> None:
    recipe = make_recipe(train={"amp": amp, "channels_last": channels_last})

    def kept(arm: str, replacement: type[nn.Module] | None = None) -> tuple[float, float]:
        cost = cost_of(recipe, open_source, arm, replacement)
        assert cost.activation_elements == ELEMENTS
        assert cost.activation_kept_bytes is not None
        assert cost.activation_kept_output_bytes is not None
        assert cost.activation_kept_bytes <= cost.kept_bytes
        return (cost.activation_kept_bytes / ELEMENTS, cost.activation_kept_output_bytes / ELEMENTS)

    assert kept("relu") == (size, size)  # its own output
    assert kept("swish")[1] == 0  # its input
    table = (
        4 * sum(CHANNELS) / 4 / ELEMENTS
    )  # of beta, in float32, once for the four images that are measured
    assert kept("swish")[0] == size + table
    assert kept("relu", Naive) == (2 * size, 0)
    assert kept("relu", Wasteful) == (2 * size + 4, size)


def test_a_series_keeps_its_map_twice_and_the_statistics_of_its_normalisation(
    make_recipe: MakeRecipe, open_source: Open
) -> None:
    cost = cost_of(make_recipe(), open_source, "series")
    # The input, whose ReLU the convolution takes along, and the convolution's output, which its BN takes; mean and
    # inverse deviation of every channel, and six numbers of each ReLU, once for the four images that are measured.
    statistics = (2 * 4 * sum(CHANNELS) + 6 * 4 * len(CHANNELS)) // 4
    assert cost.activation_kept_bytes == 2 * 4 * ELEMENTS + statistics
    assert cost.activation_kept_output_bytes == 0


def test_a_detectors_sites_are_counted_where_its_features_are(tmp_path: Path) -> None:
    recipe = load_recipe("pwlu_maskrcnn_coco", profile="smoke").recipes[0]
    source = DataSources(tmp_path).of(recipe)
    state = start_state(recipe, recipe.arm("relu"), seed=0, source=source, device=CPU)

    def measure() -> Cost:
        return measure_cost(state, recipe, channels=3, num_classes=4, batch_images=2, device=CPU)

    for name, site in state.sites.items():
        site.took_norm_along = name.endswith(("0.act1", "1.act1"))  # type: ignore[assignment]
    fused = [name for name, backend in backends(state).items() if backend == "cpp+bn"]
    together = measure()
    for site in state.sites.values():
        site.register_forward_hook(lambda *_: None)  # by which every site runs by itself
    alone = measure()
    assert alone.activation_elements
    assert alone.activation_kept_bytes == alone.activation_kept_output_bytes == 4 * alone.activation_elements

    # Behind a batch normalisation a site keeps mean and inverse deviation in float64, once for the four images, and its
    # output is the next layer's.
    assert len(fused) == 8
    assert together.activation_elements == alone.activation_elements
    assert together.activation_kept_bytes is not None
    assert together.activation_kept_output_bytes is not None
    assert together.activation_kept_output_bytes < alone.activation_kept_output_bytes
    channels = sum(
        norm.num_features
        for name in fused
        if isinstance(norm := state.model.get_submodule(name.replace("act1", "bn1")), nn.BatchNorm2d)
    )
    own = together.activation_kept_bytes - together.activation_kept_output_bytes
    assert own == 16 * channels / 4
    assert together.kept_bytes <= alone.kept_bytes + own


def test_records_made_before_this_was_counted_are_read() -> None:
    old = {
        "parameters": 1,
        "activation_parameters": 0,
        "macs": 1,
        "pointwise_ops": 1,
        "kept_bytes": 1,
        "step_time_s": None,
        "images_per_s": None,
        "peak_memory_bytes": None,
    }
    cost = Cost.model_validate(old)
    assert cost.activation_kept_bytes is cost.activation_kept_output_bytes is cost.activation_elements is None


def test_products_of_attention_are_counted_on_a_cpu_too(make_recipe: MakeRecipe, open_source: Open) -> None:
    model = {"name": "vit", "image_size": 32, "patch": 8, "width": 24, "depth": 2, "heads": 3}
    recipe = Recipe.model_validate({**make_recipe().model_dump(exclude={"model"}), "model": model})
    tokens, width = 16 + 1, 24
    attention = 4 * width * width * tokens + 2 * tokens * tokens * width
    feed_forward = 8 * width * width * tokens
    whole = 16 * (3 * 8 * 8 * width) + 2 * (attention + feed_forward) + width * 4
    assert cost_of(recipe, open_source, "relu").macs == whole
