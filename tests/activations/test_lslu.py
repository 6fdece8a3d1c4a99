"""LSLU beside series, its deploy form, upstream's state dicts, and the parallel form."""

import math
from typing import Any, TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.activations.lslu import LSLU, LSLUParallel
from actbench.activations.series import Series

Kind = TypeVar("Kind", Series, LSLU, LSLUParallel)
SHAPES = [(2, 3, 8, 8), (2, 5, 1, 1), (3, 4, 7, 2), (2, 16, 12, 12)]


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(kind: type[Kind], channels: int, seed: int = 0, **options: Any) -> Kind:
    """One with BN statistics and parameters as after some training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = kind(channels, **options)
        assert module.bn is not None
        with torch.no_grad():
            module.weight.normal_(std=0.3)
            module.bn.weight.uniform_(0.5, 1.5)
            module.bn.bias.normal_()
            module.bn.running_mean.normal_()  # type: ignore[union-attr]
            module.bn.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return module


def set_chain(module: LSLU, theta: list[float], omega: list[float]) -> None:
    with torch.no_grad():
        module.alphas.copy_(torch.tensor(theta))
        module.biases.copy_(torch.tensor(omega))


def by_definition(module: LSLU, x: Tensor) -> Tensor:
    """Eval output, computed in float64 as the formula reads."""
    theta, omega, weight = (t.double() for t in (module.alphas, module.biases, module.weight))
    h = x.double()
    for scale, shift in zip(theta, omega, strict=True):
        h = scale * torch.relu(h) + shift
    h = F.conv2d(torch.relu(h), weight, padding=module.n, groups=module.num_channels)
    bn = module.bn
    assert bn is not None
    assert bn.running_mean is not None
    assert bn.running_var is not None
    mean, var, gamma, beta = (t.double() for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    return F.batch_norm(h, mean, var, gamma, beta, eps=bn.eps)


CHAINS = [
    ([0.9, 0.95, 1.05], [0.0, 0.0, 0.0]),
    ([0.8, 1.2, 0.9], [0.1, -0.05, 0.1]),
    ([0.8, 1.2, 0.9], [0.1, 0.3, 0.1]),
    ([-0.7, 1.1, 0.9], [1.3, 0.2, -0.4]),
    ([-0.7, -1.1, 0.9], [1.3, 1.2, 0.0]),
    ([1.0, -1.0, 1.0], [0.0, 0.0, 0.4]),
    ([1.0, 0.0, 1.0], [0.0, 2.0, 0.4]),
    ([1.0, 1.0, 1.0], [-0.5, 0.0, 0.0]),
    ([-1.0, -1.0, -1.0], [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_frozen_lslu_is_series_bitwise_gradients_included(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    series, lslu = made(Series, shape[1], n=2), made(LSLU, shape[1], n=2, freeze=True)
    lslu.load_state_dict({**series.state_dict(), "alphas": torch.ones(2), "biases": torch.zeros(2)})
    x = draw(1, *shape).contiguous(memory_format=layout)
    x[0, 0, 0, 0] = 0.0
    grad = draw(2, *shape).contiguous(memory_format=layout)
    outcomes = []
    for module in (series, lslu):
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = module(leaf)
        y.backward(grad)
        assert module.bn is not None
        assert leaf.grad is not None
        assert y.stride() == leaf.stride()
        outcomes.append([y, leaf.grad, module.weight.grad, module.bn.weight.grad, module.bn.bias.grad])
        outcomes[-1] += [module.bn.running_mean, module.bn.running_var]
    for ours, theirs in zip(*outcomes, strict=True):
        assert ours is not None
        assert theirs is not None
        assert torch.equal(ours, theirs)
    assert lslu.alphas.grad is None


def test_five_updates_of_frozen_lslu_equal_those_of_series_bitwise() -> None:
    models = []
    for kind, options in ((Series, {}), (LSLU, {"freeze": True})):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = nn.Sequential(nn.Conv2d(3, 8, 3), kind(8, **options), nn.Conv2d(8, 2, 1))  # type: ignore[arg-type]
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
        for step in range(5):
            optimizer.zero_grad()
            model(draw(step, 4, 3, 10, 10)).square().mean().backward()
            optimizer.step()
        models.append(model.state_dict())
    assert set(models[1]) - set(models[0]) == {"1.alphas", "1.biases"}
    assert all(torch.equal(models[1][key], value) for key, value in models[0].items())


def test_equal_seeds_give_equal_weights_in_all_three() -> None:
    weights = []
    for kind in (Series, LSLU, LSLUParallel):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            weights.append(kind(6).weight)
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(("theta", "omega"), CHAINS)
@pytest.mark.parametrize("side", [1, 3, 9])
def test_deploy_is_the_trained_function(theta: list[float], omega: list[float], side: int) -> None:
    module = made(LSLU, 4, n=3).eval()
    set_chain(module, theta, omega)
    x = 2 * draw(4, 2, 4, side, side)
    expected = by_definition(module, x)
    # 49 products of numbers of order 1, each with a handful of float32 roundings.
    tolerance = 49 * 8 * torch.finfo(torch.float32).eps * (1 + expected.abs().max().item())
    assert (module(x) - expected).abs().max() < tolerance
    deployed = module.deploy()
    assert sorted(deployed.state_dict()) == ["bias", "ramp", "weight"]
    assert (deployed(x) - expected).abs().max() < tolerance


def test_q_joins_the_weight_only_where_p_is_zero() -> None:
    joined, kept = made(LSLU, 4, n=3), made(LSLU, 4, n=3)
    set_chain(joined, [2.0, 1.0, 1.5], [0.0, 0.0, 0.0])
    set_chain(kept, [2.0, 1.0, 1.5], [0.0, 0.0, 0.25])
    assert joined.bn is not None
    assert joined.bn.running_var is not None
    gain = joined.bn.weight / torch.sqrt(joined.bn.running_var + 1e-6)
    folded = joined.weight.detach() * gain.detach().view(-1, 1, 1, 1)
    expected = (joined, [0, math.inf, 0, 1], 3 * folded), (kept, [0, math.inf, 0.25, 3], folded)
    for module, ramp, weight in expected:
        module.deploy()
        assert module.ramp is not None
        assert module.ramp.tolist() == ramp
        torch.testing.assert_close(module.weight.detach(), weight)
    assert (joined.operations_per_element, kept.operations_per_element) == (2.0, 4.0)


def test_a_deployed_state_of_either_kind_loads_into_a_deployed_instance_of_the_other() -> None:
    x = draw(5, 2, 4, 6, 6)
    for source, target in (CHAINS[0], CHAINS[3]), (CHAINS[3], CHAINS[0]):
        modules = made(LSLU, 4, n=3).eval(), made(LSLU, 4, seed=1, n=3).eval()
        for module, chain in zip(modules, (source, target), strict=True):
            set_chain(module, *chain)
            module.deploy()
        modules[1].load_state_dict(modules[0].state_dict())
        assert torch.equal(modules[0](x), modules[1](x))


def test_a_dead_layer_is_constant_for_infinite_inputs_too() -> None:
    module = made(LSLU, 4, n=2).eval()
    set_chain(module, [0.0, 1.0], [1.0, 0.0])
    ordinary, extreme = draw(6, 1, 4, 5, 5), torch.full((1, 4, 5, 5), math.inf)
    for form in (module, module.deploy()):
        assert torch.equal(form(ordinary), form(extreme))
    assert module.log_values()["q"].item() == 0


def test_the_published_deploy_rule_is_another_function() -> None:
    module = made(LSLU, 8, n=3).eval()
    x = draw(8, 4, 8, 7, 7)

    def published(x: Tensor) -> Tensor:
        # theta_c scales channel c (upstream's vectors have one entry per channel, 1 beyond the first n); the
        # chain and omega are gone.
        per_channel = torch.cat((module.alphas, torch.ones(5))).view(-1, 1, 1, 1)
        y = F.conv2d(torch.relu(x), module.weight * per_channel, padding=3, groups=8)
        assert module.bn is not None
        out: Tensor = module.bn(y)
        return out

    with torch.no_grad():
        torch.testing.assert_close(published(x), module(x))  # they agree as long as nothing has been learnt
        for theta, omega in CHAINS[:2]:
            set_chain(module, theta, omega)
            trained = module(x)
            # Far from rounding: a tenth of the outputs' own spread.
            assert (published(x) - trained).abs().max() > 0.1 * trained.std()


def test_upstreams_state_dict_loads_as_it_is_and_the_first_n_are_taken() -> None:
    ours = made(LSLU, 8, n=3)
    upstream = {**ours.state_dict(), "alphas": torch.arange(8.0), "biases": -torch.arange(8.0)}
    target = nn.Sequential(LSLU(8, n=3))
    target.load_state_dict({f"0.{key}": value for key, value in upstream.items()})
    assert target.state_dict()["0.alphas"].tolist() == [0, 1, 2]
    assert target.state_dict()["0.biases"].tolist() == [0, -1, -2]
    assert len(upstream["alphas"]) == 8  # the caller's dictionary is left alone
    assert sorted(upstream) == sorted(
        ["weight", "alphas", "biases"]
        + [f"bn.{key}" for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]
    )


def test_too_few_or_unexpectedly_many_values_are_refused() -> None:
    small = made(LSLU, 2, n=3)
    state = {**small.state_dict(), "alphas": torch.ones(2), "biases": torch.zeros(2)}
    with pytest.raises(RuntimeError, match="alphas has 2 values, but n = 3 are needed"):
        small.load_state_dict(state)
    other = made(LSLU, 8, n=3)
    with pytest.raises(RuntimeError, match="size mismatch for alphas"):
        other.load_state_dict({**other.state_dict(), "alphas": torch.ones(5)})


def test_the_log_has_the_ramp_and_the_chain() -> None:
    module = made(LSLU, 4, n=2)
    set_chain(module, [2.0, 1.0], [-1.0, 0.5])
    logged = {key: value.tolist() for key, value in module.log_values().items()}
    expected = {"theta": [2.0, 1.0], "omega": [-1.0, 0.5], "t0": 0.5, "t1": math.inf, "p": -0.5, "q": 2.0}
    assert logged == expected
    assert set(module.deploy().log_values()) == {"t0", "t1", "p", "q"}


def test_bn_hides_theta_while_omega_is_zero() -> None:
    # With omega = 0 theta is a common positive factor before BN, which divides it out but for eps.
    module = made(LSLU, 4, n=3).double()
    set_chain(module, [0.9, 1.1, 1.3], [0.0, 0.0, 0.0])
    module(draw(9, 8, 4, 9, 9).double()).square().sum().backward()
    module(draw(9, 8, 4, 9, 9).double()).pow(3).sum().backward()
    assert module.alphas.grad is not None
    assert module.biases.grad is not None
    assert module.alphas.grad.abs().max() < 1e-3 * module.biases.grad.abs().max()


@pytest.mark.parametrize("sharing", ["layer", "channel"])
def test_the_parallel_form_is_the_sum_it_says(sharing: str) -> None:
    module = made(LSLUParallel, 4, n=3, sharing=sharing)
    shape = (3,) if sharing == "layer" else (3, 4)
    assert module.theta.shape == module.omega.shape == shape
    assert module.omega.reshape(3, -1)[:, 0].tolist() == [-1.0, 0.0, 1.0]
    with torch.no_grad():
        module.theta.copy_(draw(1, *shape))
        module.omega.copy_(draw(2, *shape))
    x = draw(10, 2, 4, 5, 5).requires_grad_()
    theta, omega = (t.view(3, 1, -1, 1, 1) for t in (module.theta, module.omega))
    expected = (theta * torch.relu(x + omega)).sum(0)
    got = module.pointwise(x)
    torch.testing.assert_close(got, expected)
    leaves, grad = (x, module.theta, module.omega), draw(11, 2, 4, 5, 5)
    wanted = torch.autograd.grad(expected, leaves, grad)
    for w, g in zip(wanted, torch.autograd.grad(got, leaves, grad), strict=True):
        torch.testing.assert_close(g, w, rtol=1e-5, atol=1e-5)
    assert module.param_groups() == [{"params": [module.theta, module.omega], "weight_decay": 0.0}]


def test_one_parallel_term_starts_as_series() -> None:
    module, x = LSLUParallel(4, n=1), draw(12, 2, 4, 5, 5)
    assert module.omega.tolist() == [0.0]
    assert torch.equal(module.pointwise(x), torch.relu(x))


def test_with_all_shifts_equal_the_parallel_terms_never_part() -> None:
    # The departure's reason: spread = 0 is the paper's start.
    module = LSLUParallel(4, n=3, spread=0.0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for step in range(3):
        optimizer.zero_grad()
        (module(draw(step, 4, 4, 6, 6)) * draw(step + 50, 4, 4, 6, 6)).sum().backward()
        optimizer.step()
    assert not torch.equal(module.omega, torch.zeros(3))
    assert len(set(module.theta.tolist())) == len(set(module.omega.tolist())) == 1
