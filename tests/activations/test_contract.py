"""What every activation of the catalogue owes, over every entry and its notable options."""

import copy
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.activations.base import Activation
from actbench.activations.catalog import ENTRIES
from actbench.activations.create import ACTIVATIONS, create_activation
from actbench.activations.series import SpatialSeries
from actbench.contract.suite import run_checks
from actbench.errors import ActbenchError

CHANNELS = 8  # gr_kan's groups
SPATIAL = {"series", "lslu", "lslu_parallel", "frelu", "slot_depthwise"}
MIXING = SPATIAL | {"dyrelu"}
"""Those whose output at a place depends on other places."""
GATED = {name for name, entry in ENTRIES.items() if entry.gated}
KERNELS = {
    "acon_c",
    "apalu",
    "dyrelu",
    "gr_kan",
    "linear_combination",
    "mish",
    "prelu",
    "pwlu",
    "rational",
    "relu2",
    "smu",
    "sqish",
    "swish",
    "talu",
    *SPATIAL,
}
"""Those with compiled code, which a machine that runs these tests must be able to build."""
PHASES = {"pwlu"}
FREE = {"identity"}
"""What computes nothing and keeps nothing."""
SURROGATES = {"threshold"}
UNLIMITED = MIXING | GATED | {"gelu", "slot_groups"}
"""Those that declare no limits at infinity."""
OVERFLOWING = {"geglu", "gelu", "hardswish", "pwlu"}
"""Those that are finite to a declared magnitude only."""
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ENTRIES),
    ("leaky_relu", {"negative_slope": -0.2}),
    ("prelu", {"sharing": "layer"}),
    ("prelu", {"freeze": True}),
    ("elu", {"alpha": 0.5}),
    ("gelu", {"approximate": "tanh"}),
    ("swish", {"sharing": "layer", "beta": 0.5}),
    ("swish", {"freeze": True, "beta": -1.0}),
    ("softplus", {"beta": 2.0}),
    ("series", {"base": "silu", "n": 1}),
    ("series", {"base": "swish"}),
    ("lslu", {"n": 1}),
    ("lslu", {"n": 5, "freeze": True}),
    ("lslu_parallel", {"sharing": "channel", "n": 2}),
    ("lslu_parallel", {"n": 1, "freeze": True}),
    ("pwlu", {"sharing": "layer", "intervals": 2}),
    ("pwlu", {"intervals": 64, "freeze": "heights"}),
    ("pwlu", {"freeze": "all", "phase_epochs": 0, "bound": 1.0}),
    ("apalu", {"sharing": "channel", "positive": "none", "a": 1.0, "b": 1.5}),
    ("sqish", {"form": "sigmoid", "sharing": "channel", "a": 0.25, "beta": 2.0}),
    ("sqish", {"freeze": True, "a": 0.0, "gamma": 0.5}),
    ("acon_c", {"sharing": "layer", "p2": 0.25}),
    ("smu", {"sharing": "channel", "alpha": 0.25, "mu": 1.0}),
    ("talu", {"alpha": 0.25, "clamp": -0.5}),
    ("fourier_series", {"sharing": "channel", "terms": 2}),
    ("linear_combination", {"sharing": "channel", "normalise": "softmax"}),
    ("dyrelu", {"variant": "A", "init": "default", "gate": "hard_sigmoid_6"}),
    ("dyrelu", {"variant": "C", "pieces": 3, "gate": "hard_sigmoid_2"}),
    ("dyrelu", {"variant": "C", "reduction": 1}),
    ("threshold", {"surrogate": "relu", "sharing": "layer", "amplitude": -2.0}),
    ("threshold", {"surrogate": "leaky", "freeze": True}),
    ("threshold", {"surrogate": "clipped"}),
    ("rational", {"version": "B", "init": "relu", "coefficients": "published", "sharing": "channel"}),
    ("rational", {"version": "C", "numerator": 7, "denominator": 6, "init": "tanh"}),
    ("rational", {"version": "D", "init": "silu", "sharing": "channel"}),
    ("rational", {"numerator": 3, "denominator": 2, "init": "leaky_relu", "freeze": True}),
    ("rational", {"init": "identity", "decay": True}),
    ("gr_kan", {"groups": 2, "denominator": "B", "share": "denominator", "init": "gelu"}),
    ("gr_kan", {"groups": 4, "share": "none", "init": "identity", "coefficients": "published"}),
    ("gr_kan", {"groups": 1, "freeze": True, "decay": True}),
    ("slot_depthwise", {"inner": "swish", "n": 1}),
    ("slot_groups", {"inner": "silu", "groups": 2}),
]


IDS = [name + "".join(f"-{key}={value}" for key, value in options.items()) for name, options in VARIANTS]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def make(name: str, options: dict[str, Any]) -> Activation:
    """One whose parameters and statistics are no longer the initial ones, so that none of them is idle."""
    module = create_activation(name, CHANNELS, **options)
    assert isinstance(module, Activation)
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.add_(0.1 + 0.2 * torch.rand(value.shape))
    return module


def seeded(module: Callable[[Tensor], Any], x: Tensor) -> Any:
    """The output under one seed, for those that draw in training."""
    torch.manual_seed(1)
    return module(x)


def images(name: str, batch: int = 2, side: int = 5) -> Tensor:
    return torch.randn(batch, taken(name), side, side)


def taken(name: str) -> int:
    """Channels of the input."""
    return 2 * CHANNELS if name in GATED else CHANNELS


def test_there_are_entries_and_the_mapping_has_them_all() -> None:
    assert len(ENTRIES) > 20
    assert list(ACTIVATIONS) == list(ENTRIES)
    assert len(ACTIVATIONS) == len(ENTRIES)
    with pytest.raises(KeyError):
        ACTIVATIONS["swich"]


@pytest.mark.parametrize("name", ENTRIES)
def test_options_are_the_constructors_keywords_defaults_included(name: str) -> None:
    parameters = list(inspect.signature(ACTIVATIONS[name]).parameters.values())
    assert [(p.name, p.default) for p in parameters[:2]] == [
        ("num_channels", inspect.Parameter.empty),
        ("channel_dim", 1),
    ]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[2:])
    fields = ENTRIES[name].options.model_fields
    assert {p.name: p.default for p in parameters[2:]} == {key: f.default for key, f in fields.items()}


@pytest.mark.parametrize("name", ENTRIES)
def test_declarations_are_made(name: str) -> None:
    module = create_activation(name, CHANNELS)
    assert isinstance(module, Activation)
    assert module.operations_per_element >= (name not in FREE)
    assert module.backend == ("cpp" if name in KERNELS else "reference")
    assert module.surrogate_gradient == (name in SURROGATES)
    assert (module.begin_epoch(0) is None) == (name not in PHASES)
    for value in module.log_values().values():
        assert not value.requires_grad


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(*variant, id=key, marks=pytest.mark.slow if variant[1] else ())
        for variant, key in zip(VARIANTS, IDS, strict=True)
    ],
)
def test_the_contract(name: str, options: dict[str, Any]) -> None:
    """The checks that `actbench check` runs; below them stands what is asked of this catalogue alone."""
    results = run_checks(lambda n: create_activation(name, n, **options), shape=(2, CHANNELS, 5, 5))
    assert {result.name: result.detail for result in results if result.status == "fail"} == {}
    left = {result.name for result in results if result.status == "not declared"}
    assert ("infinities" in left) == (name in UNLIMITED)
    assert left <= {"infinities", "parameter groups"}
    idle = {result.name for result in results if result.status == "not applicable"}
    assert ("gradcheck" in idle) == (name in SURROGATES)
    assert ("own places" in idle) == (name in MIXING | GATED)
    assert idle <= {"gradcheck", "own places", "parameters learn", "fresh parameters"}


@pytest.mark.parametrize("name", ENTRIES)
def test_how_far_an_activation_is_finite(name: str) -> None:
    assert math.isfinite(create_activation(name, CHANNELS).finite_to) == (name in OVERFLOWING)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options"), [(n, o) for n, o in VARIANTS if o.get("freeze") or n in SURROGATES]
)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_behind_frozen_values_and_of_a_surrogate(
    name: str, options: dict[str, Any], training: bool
) -> None:
    """With every value moved, those too that the contract leaves as they start; of a surrogate, its parameters'."""
    module = make(name, options).double().train(training)
    # All kinks lie at 0 or, for a shift, at one of some twenty random places: far from a step of 1e-6.
    x = torch.randn(2, taken(name), 3, 3, dtype=torch.float64)
    x = (x + 0.01 * x.sign()).requires_grad_()
    learnt = [p for p in module.parameters() if p.requires_grad]
    checked = learnt if module.surrogate_gradient else [x, *learnt]
    if checked:
        assert torch.autograd.gradcheck(lambda *_: seeded(module, x), checked, fast_mode=True)


@every_variant
def test_channels_last_stays_so(name: str, options: dict[str, Any]) -> None:
    module, x = make(name, options).eval(), images(name)
    assert module(x.contiguous(memory_format=torch.channels_last)).is_contiguous(
        memory_format=torch.channels_last
    )


@every_variant
def test_pointwise_means_that_places_do_not_mix(name: str, options: dict[str, Any]) -> None:
    module, x = make(name, options).eval(), images(name, side=4)
    has_parameters = any(True for _ in module.parameters())
    assert ENTRIES[name].learns_curve == (module.is_pointwise and has_parameters)
    assert ENTRIES[name].learns == has_parameters
    moved = x.clone()
    moved[0, :, 1, 1] += 1
    differs = (module(moved) != module(x)).any(1)
    assert differs[0, 1, 1]
    differs[0, 1, 1] = False
    assert differs.any() == (name in MIXING)
    assert module.is_pointwise == (name not in MIXING | GATED)


@every_variant
@pytest.mark.parametrize("ndim", [1, 2, 3, 4, 5])
def test_any_number_of_dimensions_in_any_order(name: str, options: dict[str, Any], ndim: int) -> None:
    if name in SPATIAL:
        with pytest.raises(ActbenchError, match="channel_dim must be 1, not -1"):
            create_activation(name, CHANNELS, channel_dim=-1, **options)
        return
    x = torch.randn(*(2, 3, 5, 2)[: ndim - 1], taken(name))
    tokens = create_activation(name, CHANNELS, channel_dim=-1, **options).eval()
    with torch.no_grad():
        for value in tokens.parameters():
            value.add_(torch.rand(value.shape))
    y = tokens(x)
    assert y.shape == (*x.shape[:-1], CHANNELS)
    for dim in range(ndim):
        other = create_activation(name, CHANNELS, channel_dim=dim, **options).eval()
        other.load_state_dict(tokens.state_dict())
        # In another order of memory, other elements fall to torch's vector kernels, which round otherwise.
        torch.testing.assert_close(other(x.movedim(-1, dim)).movedim(dim, -1), y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["gr_kan", "prelu", "swish"])
def test_other_channels_than_announced_are_an_error(name: str) -> None:
    module = create_activation(name, CHANNELS)
    for shape in ((2, 3, CHANNELS), (CHANNELS,)):
        with pytest.raises(ActbenchError, match=r"8 channels along dimension 1 got an input of shape"):
            module(torch.zeros(shape))


@every_variant
@pytest.mark.parametrize("training", [True, False])
def test_autocast_takes_and_gives_bfloat16(name: str, options: dict[str, Any], training: bool) -> None:
    module, x = make(name, options).train(training), images(name).bfloat16().requires_grad_()
    reference = seeded(copy.deepcopy(module), x.float())
    with torch.autocast("cpu", torch.bfloat16):
        y = seeded(module, x)
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in module.parameters())
    # One rounding to 8 bits pointwise; a convolution rounds inputs, weights and sums, BN scales the errors.
    tolerance = 2**-8 if name not in SPATIAL else 2**-4
    assert x.grad is not None
    torch.testing.assert_close(y.float(), reference, rtol=tolerance, atol=tolerance)


@every_variant
@pytest.mark.parametrize("side", [1, 2, 9])
def test_deploy_leaves_eval_output_as_it_was(name: str, options: dict[str, Any], side: int) -> None:
    module, x = make(name, options).eval(), images(name, side=side)
    expected = module(x)
    for _ in range(2):  # the second time there is nothing left to do
        assert module.deploy() is module
        torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)


@every_variant
def test_deployed_state_round_trips_and_compiles(name: str, options: dict[str, Any]) -> None:
    module, other, x = make(name, options).eval(), make(name, options).eval(), images(name)
    module.deploy()
    other.deploy()
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(x), module(x))
    if name in SPATIAL:  # the others are what they were
        torch._dynamo.reset()
        assert torch.equal(torch.compile(module, fullgraph=True, backend="eager")(x), module(x))


# FReLU has no pointwise part: its maximum needs both sides again. A curve between scales is left to autograd.
@pytest.mark.parametrize(("name", "options"), [v for v in VARIANTS if v[0] not in ("frelu", "slot_groups")])
def test_the_pointwise_part_keeps_its_input_alone(name: str, options: dict[str, Any]) -> None:
    module, x = make(name, options), images(name, batch=8, side=9).requires_grad_()  # larger than any table
    sizes: list[tuple[int, int]] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append((tensor.data_ptr(), tensor.numel()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = module.pointwise(x) if isinstance(module, SpatialSeries) else module(x)
    full = {pointer for pointer, size in sizes if size >= x.numel()}
    assert full <= {x.data_ptr(), y.data_ptr()}
    assert len(full) == (name not in FREE)
