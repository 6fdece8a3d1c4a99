"""PWLU under torch.compile, torch.export and ONNX: what runs elsewhere is equal to what was trained."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from actbench.activations.create import create_activation
from actbench.activations.pwlu import PWLU

U32 = 2.0**-24


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    torch._dynamo.reset()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Net(nn.Module):
    """Convolution, normalisation, PWLU; then tokens with a unit for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.act = create_activation("pwlu", 5)
        self.head = nn.Linear(5, 4)
        self.last = create_activation("pwlu", 4, channel_dim=-1, sharing="layer", intervals=4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.norm(self.conv(x)))
        z: Tensor = self.last(self.head(y.flatten(2).transpose(1, 2)))
        return z


def units(net: nn.Module) -> list[PWLU]:
    return [module for module in net.modules() if isinstance(module, PWLU)]


def make(phase: str) -> nn.Module:
    """A net in eval mode whose units have learnt something: trained form, deployed, or still in phase one."""
    net = Net()
    for unit in units(net):
        unit.begin_epoch(0)
    for _ in range(3):
        net(torch.randn(4, 3, 6, 6))
    if phase != "phase one":
        for unit in units(net):
            unit.begin_epoch(5)
            with torch.no_grad():
                for value in unit.parameters():
                    value.add_(0.2 * torch.randn(value.shape))
    net.eval()
    if phase == "deployed":
        for unit in units(net):
            unit.deploy()
    return net


def other_compiled(net: nn.Module, backend: str) -> nn.Module:
    """The net as one graph; what torch makes of a module is a module."""
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    assert isinstance(compiled, nn.Module)
    return compiled


PHASES = ["trained", "deployed", "phase one"]


@pytest.mark.parametrize(("phase", "training"), [("trained", True), ("deployed", False), ("phase one", True)])
def test_compiles_to_one_graph(phase: str, training: bool) -> None:
    net = make(phase)
    net.train(training)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    other = copy.deepcopy(net)
    compiled = other_compiled(other, "eager")
    for batch in (2, 3, 3):  # the second size makes the shape symbolic
        x = torch.randn(batch, 3, 6, 6)
        outcomes = []
        for model in (net, compiled):
            y = model(x)
            learnt = [] if phase == "deployed" else [p for p in model.parameters() if p.requires_grad]
            outcomes.append((y, *(torch.autograd.grad(y.square().sum(), learnt) if learnt else ())))
        for plain, traced in zip(*outcomes, strict=True):
            assert torch.equal(plain, traced)
    for mine, theirs in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), "statistics are gathered in a compiled phase one too"


def test_a_compiled_module_follows_its_phases() -> None:
    net, other = make("phase one").train(), make("phase one").train()
    other.load_state_dict(net.state_dict())
    compiled = torch.compile(other, fullgraph=True, backend="eager")
    for epoch in (1, 5, 6):
        for mine, theirs in zip(units(net), units(other), strict=True):
            assert (mine.begin_epoch(epoch) is None) == (theirs.begin_epoch(epoch) is None)
        x = torch.randn(4, 3, 6, 6)
        assert torch.equal(net(x), compiled(x))
    assert all(unit.phase == 0 for unit in units(other))


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:torch._inductor.*")
def test_inductor_computes_the_same(phase: str) -> None:
    net = make(phase)
    compiled = other_compiled(copy.deepcopy(net), "inductor")
    x = torch.randn(2, 3, 6, 6)
    outcomes = []
    for model in (net, compiled):
        y = model(x)
        learnt = [] if phase == "deployed" else [p for p in model.parameters() if p.requires_grad]
        outcomes.append((y, *(torch.autograd.grad(y.square().sum(), learnt) if learnt else ())))
    for plain, traced in zip(*outcomes, strict=True):
        torch.testing.assert_close(plain, traced, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("phase", PHASES)
def test_exports_to_plain_operators(phase: str) -> None:
    net, x = make(phase), torch.randn(2, 3, 6, 6)
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [target for target in targets if "actbench" in target], "no operator that others lack"
    assert ("aten.relu.default" in targets) == (phase == "phase one")
    for batch in (2, 5):
        x = torch.randn(batch, 3, 6, 6)
        # The plain form rounds otherwise than the kernel: some U32 of inputs, knots and slopes of order 10.
        torch.testing.assert_close(program.module()(x), net(x), rtol=1e-5, atol=1e-5)


def run_onnx(model: nn.Module, x: Tensor) -> tuple[Tensor, set[str]]:
    """The exported model's output by onnxruntime, and the operators that it uses."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    program = torch.onnx.export(model, (x,), dynamo=True, opset_version=18, verbose=False)
    assert program is not None
    loaded = onnx.load_from_string(program.model_proto.SerializeToString())
    onnx.checker.check_model(loaded)
    assert {entry.version for entry in loaded.opset_import if entry.domain == ""} == {18}
    session = runtime.InferenceSession(loaded.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(y), {node.op_type for node in loaded.graph.node}


@pytest.mark.parametrize(
    ("phase", "sharing"), [("trained", "channel"), ("deployed", "layer"), ("phase one", "channel")]
)
def test_onnx_gives_an_equal_output(phase: str, sharing: str) -> None:
    unit = create_activation("pwlu", 3, sharing=sharing)
    assert isinstance(unit, PWLU)
    unit.begin_epoch(0)
    unit(torch.randn(64, 3))
    if phase != "phase one":
        unit.begin_epoch(5)
        with torch.no_grad():
            for value in (unit.heights, unit.slope_right):
                value.add_(torch.randn(value.shape))
    unit.eval()
    if phase == "deployed":
        unit.deploy()
    x = torch.cat(
        (2 * torch.randn(30, 3), torch.tensor([[torch.nan] * 3, [-torch.inf] * 3, [torch.inf] * 3]))
    )
    y, operators = run_onnx(unit, x)
    torch.testing.assert_close(y, unit(x).detach(), rtol=1e-6, atol=64 * U32, equal_nan=True)
    assert (operators == {"Relu"}) == (phase == "phase one")


@pytest.mark.parametrize("phase", ["trained", "deployed"])
def test_onnx_of_a_net_gives_an_equal_output(phase: str) -> None:
    net, x = make(phase), torch.randn(2, 3, 6, 6)
    y, _ = run_onnx(net, x)
    torch.testing.assert_close(y, net(x).detach(), rtol=1e-5, atol=1e-5)
