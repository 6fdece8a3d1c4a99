"""Every call of an activation in anyone's network is found and exchanged, and nothing else changes."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from actbench.errors import ActbenchError
from actbench.models.call_sites import CallSite, replace_calls

RequireEqual = Callable[[nn.Module, nn.Module, Tensor], None]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Marked(nn.Module):
    """ReLU that remembers which site it was made for."""

    def __init__(self, site: CallSite) -> None:
        super().__init__()
        self.site = site

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[self.site.channel_dim] == self.site.num_channels
        return torch.relu(x)


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def swapped(model: nn.Module, from_: Any = "relu", **options: Any) -> dict[str, int]:
    """Site name -> channels, after the swap."""
    sites = replace_calls(model, Marked, from_=from_, **options)
    found = {name: m for name, m in model.named_modules() if isinstance(m, Marked)}
    assert set(found) == {site.name for site in sites}
    assert len({id(module) for module in found.values()}) == len(sites)
    return {site.name: site.num_channels for site in sites}


def conv(channels: int = 4) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1)


@pytest.mark.parametrize(
    ("arch", "from_", "sites", "modules"),
    [
        ("resnet18", "relu", 17, 9),
        ("resnet50", "relu", 49, 17),
        ("mobilenet_v2", "relu6", 35, 35),
        ("mobilenet_v3_large", "hardswish", 21, 21),
        ("mobilenet_v3_large", "relu", 19, 19),
        ("efficientnet_b0", "silu", 49, 49),
    ],
)
def test_counts_of_known_networks(arch: str, from_: str, sites: int, modules: int) -> None:
    kinds = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hardswish": nn.Hardswish, "silu": nn.SiLU}
    with torch.device("meta"):
        model = getattr(torchvision.models, arch)(weights=None)
    names = list(model.state_dict())
    assert sum(type(m) is kinds[from_] for m in model.modules()) == modules
    assert len(swapped(model, from_)) == sites
    assert not any(type(m) is kinds[from_] for m in model.modules())
    assert list(model.state_dict()) == names


def test_names_and_channels_of_resnet() -> None:
    with torch.device("meta"):
        found = swapped(torchvision.models.resnet50(weights=None))
    assert list(found)[:4] == ["relu", "layer1.0.relu", "layer1.0.relu_1", "layer1.0.relu_2"]
    assert [found[name] for name in list(found)[:4]] == [64, 64, 64, 256]
    assert sum(found.values()) == 22_720  # as counted in the facts on PWLU
    with torch.device("meta"):
        assert sum(swapped(torchvision.models.resnet18(weights=None)).values()) == 3_904


def test_gates_are_no_sites_unless_named() -> None:
    with torch.device("meta"):
        model = torchvision.models.mobilenet_v3_large(weights=None)
    with pytest.raises(ActbenchError, match="calls hardsigmoid nowhere") as caught:
        replace_calls(model, Marked, from_="hardsigmoid")
    assert "features.4.block.2.scale_activation" in str(caught.value)
    assert len(swapped(model, "hardsigmoid", sites=["*.scale_activation"])) == 8


def test_a_detector_is_swapped_on_its_body_alone() -> None:
    with torch.device("meta"):
        model = torchvision.models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None)
        body, head = copy.deepcopy(model.backbone.body), copy.deepcopy(model.head)
    found = swapped(body)
    assert len(found) == 49
    assert next(iter(found)) == "relu"
    assert type(body).__name__ == "IntermediateLayerGetter"
    assert body(torch.zeros(1, 3, 64, 64, device="meta")).keys() == {"0", "1", "2"}
    assert len(swapped(model)) == 49
    assert str(model.head) == str(head)
    named = replace_calls(model, Marked, from_="relu", sites=["head.*"])
    assert {site.name.split(".")[0] for site in named} == {"head"}
    assert len(named) == 8


class Functional(nn.Module):
    """Every way to call a ReLU, in one forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = conv(), conv(), nn.BatchNorm2d(4)
        self.shared = nn.ReLU()
        self.fc = nn.Linear(4, 3)
        nn.init.constant_(self.fc.bias, 3.0)  # or the last ReLU might hide everything before it
        self.chosen = F.relu

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        x = F.relu(self.norm(self.a(x)))
        y = torch.relu(self.b(x) * scale)
        z = self.shared(self.a(y)).relu() + self.shared(self.b(y).relu_())
        z = self.chosen(F.relu(self.a(z), inplace=True) + x)
        z = F.dropout(z, 0.5, training=self.training)
        logits: Tensor = F.relu_(self.fc(z.mean((2, 3))))
        return logits


def test_functional_calls(require_bitwise_equal: RequireEqual) -> None:
    torch.manual_seed(0)
    model = Functional()
    plain = copy.deepcopy(model)
    names, kind = list(model.state_dict()), type(model)
    found = swapped(model)
    assert list(found) == [
        "relu",
        "relu_1",
        "shared",
        "relu_2",
        "relu_3",
        "shared_1",
        "relu_4",
        "relu_5",
        "relu_6",
    ]
    assert list(found.values()) == [4] * 8 + [3]
    assert list(model.state_dict()) == names
    assert isinstance(model, kind)
    require_bitwise_equal(plain, model, torch.randn(3, 4, 8, 8))


def test_the_mode_stays_alive_in_a_rewritten_forward() -> None:
    model = Functional()
    swapped(model)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(model.eval()(x), model(x))
    assert not torch.equal(model.train()(x), model(x))  # dropout draws anew


def test_arguments_keep_their_names_and_insist_on_their_defaults() -> None:
    model = Functional()
    swapped(model)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(model.eval()(x, scale=1.0), model(x))
    with pytest.raises(AssertionError, match=r"specialized to have value 1\.0"):
        model(x, scale=2.0)


class Joined(nn.Module):
    """A block with an optional argument."""

    def __init__(self) -> None:
        super().__init__()
        self.a = conv()

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        if shortcut is None:
            shortcut = x
        return F.relu(self.a(x) + shortcut)


def test_an_argument_that_callers_give_is_a_variable(require_bitwise_equal: RequireEqual) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.a(x), shortcut=self.b(x))
        return y

    model = Owns(forward, act=Joined())
    plain = copy.deepcopy(model)
    assert swapped(model) == {"act.relu": 4}
    require_bitwise_equal(plain, model, torch.randn(2, 4, 8, 8))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'shortcut'"):
        model.act(torch.randn(2, 4, 8, 8))
    alone = nn.Sequential(Joined())
    assert swapped(alone) == {"0.relu": 4}
    with pytest.raises(AssertionError, match="specialized to have value None"):
        alone[0](x := torch.randn(2, 4, 8, 8), x)


def test_a_block_called_with_and_without_an_argument_is_refused() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.act(self.a(x)), self.b(x))
        return y

    with pytest.raises(ActbenchError, match="called with and without the argument shortcut"):
        replace_calls(Owns(forward, act=Joined()), Marked, from_="relu")


def test_copies_pickles_and_state_dicts() -> None:
    model = Functional()
    swapped(model)
    x = torch.randn(2, 4, 8, 8)
    want = model.eval()(x)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.a.weight.zero_()
    assert not torch.equal(other(x), want)
    assert torch.equal(model(x), want)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), want)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), want)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded(x), want)
    assert isinstance(loaded, Functional)
    assert torch.equal(copy.deepcopy(loaded)(x), want)


def test_a_swapped_model_can_be_swapped_again(require_bitwise_equal: RequireEqual) -> None:
    model = Functional()
    plain = copy.deepcopy(model)
    first = replace_calls(model, lambda _: nn.SiLU(), from_="relu")
    again = replace_calls(model, lambda _: nn.ReLU(), from_="silu")
    assert first == tuple(
        CallSite(name=s.name, kind="relu", num_channels=s.num_channels, channel_dim=s.channel_dim)
        for s in again
    )
    require_bitwise_equal(plain, model, torch.randn(3, 4, 8, 8))
    assert torch.equal(
        pickle.loads(pickle.dumps(model)).eval()(torch.ones(1, 4, 8, 8)), model(torch.ones(1, 4, 8, 8))
    )


def test_compiles_as_one_graph_and_keeps_channels_last() -> None:
    torch._dynamo.reset()
    model = Functional().eval()
    swapped(model)
    x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last)
    seen: list[bool] = []
    hook = model.get_submodule("relu").register_forward_hook(
        lambda _m, _a, y: seen.append(y.is_contiguous(memory_format=torch.channels_last))
    )
    want = model.to(memory_format=torch.channels_last)(x)
    hook.remove()
    assert seen == [True]
    assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), want)


def test_one_module_at_several_places_becomes_several(require_bitwise_equal: RequireEqual) -> None:
    shared = nn.ReLU()
    model = nn.Sequential(conv(), shared, nn.Sequential(conv(), shared), conv(), shared)
    plain = copy.deepcopy(model)
    assert list(swapped(model)) == ["1", "4", "2.1"]
    require_bitwise_equal(plain, model, torch.randn(2, 4, 8, 8))


class Owns(nn.Module):
    """A module whose forward is given; it has two convolutions, a norm and an activation in place."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], act: nn.Module | None = None) -> None:
        super().__init__()
        self.a, self.b, self.norm = conv(), conv(), nn.BatchNorm2d(4)
        self.act = act or nn.ReLU(inplace=True)
        self.__class__ = type("Owns", (Owns,), {"forward": forward})


def later_reader(self: Any, x: Tensor) -> Tensor:
    y: Tensor = self.a(x)
    z: Tensor = self.b(self.act(y))
    return z + y  # y was overwritten


def by_statement(self: Any, x: Tensor) -> Tensor:
    y = self.a(x)
    torch.relu_(y)
    result: Tensor = self.b(y)
    return result


@pytest.mark.parametrize("forward", [later_reader, by_statement])
def test_readers_of_an_overwritten_value_read_the_activation(forward: Callable[..., Tensor]) -> None:
    model = Owns(forward)
    with torch.no_grad():
        want = model.eval()(x := torch.randn(2, 4, 8, 8))
        assert len(swapped(model)) == 1
        assert torch.equal(model(x), want)


def test_what_writes_into_a_sites_output_is_set_out_of_place() -> None:
    """Hard-swish needs its input for the gradient, ReLU its output, which the dropout would overwrite."""
    head = nn.Sequential(nn.Dropout(0.5, inplace=True), conv(), nn.Dropout(0.5, inplace=True))
    model = nn.Sequential(nn.Sequential(conv(), nn.Hardswish()), nn.Identity(), head)
    replace_calls(model, Marked, from_="hardswish")
    model(torch.randn(2, 4, 8, 8)).sum().backward()
    assert [m.inplace for m in model.modules() if isinstance(m, nn.Dropout)] == [False, True]


class Residual(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x) + x
        return y


def test_an_overwritten_argument_that_the_caller_reads_again_is_refused() -> None:
    model = nn.Sequential(conv(), Residual(nn.Sequential(nn.ReLU(inplace=True), conv())))
    before = str(model)
    with pytest.raises(
        ActbenchError, match=r"1\.branch\.0 is in place, and its input is read again in Residual"
    ):
        replace_calls(model, Marked, from_="relu")
    with pytest.raises(ActbenchError, match="computes something else on example_input"):
        replace_calls(model, Marked, from_="relu", example_input=torch.randn(1, 4, 8, 8))
    assert str(model) == before
    harmless = nn.Sequential(conv(), Residual(nn.Sequential(nn.ReLU(), conv())))
    assert swapped(harmless) == {"1.branch.0": 4}


def data_dependent(self: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = self.a(x)
    y: Tensor = F.relu(x)
    return y


def mode_dependent(self: Any, x: Tensor) -> Tensor:
    if self.training:
        x = F.dropout(x)
    y: Tensor = F.relu(self.a(x))
    return y


def in_a_context(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        x = self.a(x)
    return F.relu(x)


def makes_a_tensor(self: Any, x: Tensor) -> Tensor:
    return F.relu(self.a(x) + torch.arange(8.0))


def sets_an_attribute(self: Any, x: Tensor) -> Tensor:
    self.last = self.a(x)
    return F.relu(self.last)


def in_a_loop(self: Any, x: Tensor) -> Tensor:
    for row in range(x.shape[0]):
        x = x + self.act(self.a(x[row : row + 1]))
    return x


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (data_dependent, "cannot be traced: TraceError"),
        (mode_dependent, "cannot be traced: TraceError"),
        (in_a_context, "`with` block"),
        (makes_a_tensor, "makes a tensor"),
        (sets_an_attribute, "sets the attribute 'last'"),
        (in_a_loop, "cannot be traced: TypeError"),
    ],
)
def test_what_cannot_be_traced_for_certain_is_refused_with_its_place(
    forward: Callable[..., Tensor], reason: str
) -> None:
    model = nn.Sequential(conv(), nn.ReLU(), Owns(forward))
    before, buffers = str(model), copy.deepcopy(dict(model.named_buffers()))
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    with pytest.raises(ActbenchError, match=reason) as caught:
        replace_calls(model, Marked, from_="relu")
    problem = caught.value.problems[0]
    assert problem.message.startswith("'2' calls relu")
    code = forward.__code__
    file, _, line = str(problem.where).rpartition(":")
    assert file == code.co_filename
    assert code.co_firstlineno < int(line) <= code.co_firstlineno + 5
    assert str(model) == before
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, buffers[name])
    # What can be traced is swapped where the rest is left out by name.
    assert swapped(model, sites=["1"]) == {"1": 4}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_compiled_script_is_refused_where_it_calls_one() -> None:
    x = torch.randn(1, 4, 8, 8)
    scripted = torch.jit.trace(nn.Sequential(conv(), nn.ReLU()), x)  # type: ignore[no-untyped-call]
    with pytest.raises(ActbenchError, match="'1' calls relu, but its forward cannot be traced"):
        replace_calls(nn.Sequential(nn.ReLU(), scripted), Marked, from_="relu")
    plain = torch.jit.trace(nn.Sequential(conv(), nn.Sigmoid()), x)  # type: ignore[no-untyped-call]
    model = nn.Sequential(conv(), nn.ReLU(), plain)
    assert swapped(model) == {"1": 4}


def test_what_cannot_be_traced_is_no_obstacle_without_a_call() -> None:
    def wild(self: Any, x: Tensor) -> Tensor:
        x = self.act(x) if x.sum() > 0 else self.a(x)
        return self.b(x) if len(x) > 1 else x

    model = Owns(wild, act=nn.Sequential(conv(), nn.ReLU()))
    assert swapped(model) == {"act.1": 4}


def test_modes_that_call_different_activations_need_no_rewriting() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.a(self.act(self.norm(x))) if self.training else self.b(self.norm(x))
        return y

    assert swapped(Owns(forward, act=nn.ReLU())) == {"act": 4}


def test_methods_left_behind_refuse() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv()

        def forward_features(self, x: Tensor) -> Tensor:
            return F.relu(self.conv(x))

        def forward(self, x: Tensor) -> Tensor:
            return self.forward_features(x).mean((2, 3))

    model = Network()
    swapped(model)
    model(torch.randn(1, 4, 8, 8))
    with pytest.raises(ActbenchError, match=r"Network\.forward_features was left behind"):
        model.forward_features(torch.randn(1, 4, 8, 8))


def test_hooks_and_mode_stay() -> None:
    model = Functional().eval()
    seen: list[int] = []
    model.register_forward_hook(lambda *_: seen.append(1))
    swapped(model)
    model(torch.randn(1, 4, 8, 8))
    assert seen == [1]
    assert not any(module.training for module in model.modules())


def test_channels_come_from_the_example_where_no_layer_tells() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return F.relu(torch.cat([self.a(x), x], 1))

    model = Owns(forward)
    before = str(model)
    with pytest.raises(ActbenchError, match="cannot tell how many channels reach relu") as caught:
        replace_calls(model, Marked, from_="relu")
    assert "give example_input" in str(caught.value)
    assert str(model) == before
    assert type(model).forward is forward
    assert swapped(model, example_input=torch.randn(2, 4, 8, 8)) == {"relu": 8}


def test_tokens_have_their_channels_last() -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Dropout(0.1), nn.LayerNorm(6), nn.GELU())
    sites = replace_calls(model, Marked, from_="gelu")
    assert [(s.num_channels, s.channel_dim) for s in sites] == [(6, -1), (6, -1)]
    bare = nn.Sequential(nn.GELU())
    with pytest.raises(ActbenchError, match="channels first, or last"):
        replace_calls(bare, Marked, from_="gelu", example_input=torch.randn(2, 3, 4))
    assert swapped(bare, "gelu", example_input=torch.randn(2, 3, 4), channel_dim=-1) == {"0": 4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_": "rleu"}, "no activation 'rleu'"),
        ({"from_": "silu"}, "the model calls silu nowhere"),
        ({"from_": "relu", "sites": ["layer9.*"]}, "no activation site matches 'layer9"),
        ({"from_": ()}, "names no activation"),
        ({"from_": "relu", "example_input": torch.randn(1, 3, 8, 8)}, "cannot be run on example_input"),
    ],
)
def test_wrong_usage(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ActbenchError, match=message):
        replace_calls(nn.Sequential(conv(), nn.ReLU()), Marked, **options)


def test_a_factory_that_fails_or_shares_leaves_the_model_alone() -> None:
    model = Functional()
    before, cls = str(model), type(model)
    one = nn.ReLU()
    with pytest.raises(ActbenchError, match="one module for several sites"):
        replace_calls(model, lambda _: one, from_="relu")
    with pytest.raises(ZeroDivisionError):
        replace_calls(model, lambda site: nn.PReLU(site.num_channels // 0), from_="relu")
    assert (str(model), type(model)) == (before, cls)
    with pytest.raises(ActbenchError, match="itself an activation"):
        replace_calls(nn.ReLU(), Marked, from_="relu")


def test_some_calls_of_a_shared_module() -> None:
    model = torchvision.models.resnet18(weights=None).layer1
    replace_calls(model, lambda _: Doubling(), from_="relu", sites=["*.relu_1"])
    x = torch.randn(1, 64, 4, 4)
    block = model[0].eval()
    inner = block.conv2(torch.relu(block.bn1(block.conv1(x))))
    assert torch.equal(block(x), 2 * (block.bn2(inner) + x))
    assert type(model[0].relu) is nn.ReLU


def test_timms_own_modules_count() -> None:
    with torch.device("meta"):
        model = timm.create_model("mobilenetv3_small_050", pretrained=False)
    kinds = {site.kind for site in replace_calls(model, Marked, from_=("hardswish", "relu"))}
    assert kinds == {"hardswish", "relu"}


class _OnlyFunctions(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


def test_an_activation_follows_the_model_where_its_own_module_has_no_parameters() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), _OnlyFunctions(), nn.Sequential(nn.ReLU())).double()
    replace_calls(model, lambda site: nn.PReLU(site.num_channels), from_="relu")
    slopes = [module.weight for module in model.modules() if isinstance(module, nn.PReLU)]
    assert [slope.dtype for slope in slopes] == [torch.float64, torch.float64]


class _Masked(nn.Module):
    """One channel, made by a layer, broadcast over eight that the graph does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.mask = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(torch.cat([self.left(x), self.right(x)], 1) * self.mask(x))


def test_one_channel_that_is_broadcast_tells_no_channels() -> None:
    with pytest.raises(ActbenchError, match="cannot tell how many channels reach relu"):
        replace_calls(_Masked(), lambda site: nn.PReLU(site.num_channels), from_="relu")
    sites = replace_calls(
        _Masked(),
        lambda site: nn.PReLU(site.num_channels),
        from_="relu",
        example_input=torch.randn(2, 3, 5, 5),
    )
    assert [site.num_channels for site in sites] == [8]
