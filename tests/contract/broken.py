"""A zoo of broken activations: each has one fault, of a kind that is met in real code, and is sound apart from it.

`ZOO` names for each check of the contract the classes that it, and no other check, must catch.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function


class Sound(nn.Module):
    """Leaky ReLU with a learnable slope per channel, free of faults; what the others begin with."""

    is_pointwise = True
    limits = (-math.inf, math.inf)

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.slope = nn.Parameter(torch.full((num_channels,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * self.slope.to(x.dtype)[:, None, None])

    def param_groups(self) -> Iterator[dict[str, Any]]:
        yield {"params": [self.slope], "weight_decay": 0.0}

    def deploy(self) -> nn.Module:
        return self


class SqueezesSingleExample(Sound):
    """A batch of one loses its first dimension."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(0)


class WidensHalves(Sound):
    """Computes half types in float32 and forgets the way back."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return torch.where(wide > 0, wide, wide * self.slope.to(wide.dtype)[:, None, None])


class WritesInput(nn.Module):
    """The in-place ReLU of many networks."""

    is_pointwise = True
    limits = (0.0, math.inf)

    def __init__(self, num_channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x, inplace=True)


class RejectsEmptyBatch(Sound):
    """-1 cannot be told where there are no elements."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(len(x), -1).view(x.shape))


class MixesPlaces(Sound):
    """Declared pointwise, but with a mean over its neighbours inside."""

    limits = (-math.inf, math.inf)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 0.5 + x.mean((2, 3), keepdim=True) * 0.5


class MixesChannelsInTraining(Sound):
    """Normalises while it trains."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y - y.mean(1, keepdim=True) if self.training else y


_SHARED = nn.Parameter(torch.empty(0))


class SharesParameters(Sound):
    """One parameter at the head of the module serves all instances."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        _SHARED.data = torch.full((num_channels,), 0.25)
        self.slope = _SHARED


class StartsAtRandom(Sound):
    """Draws its start from the system, whatever the seed."""

    draws = 0

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        StartsAtRandom.draws += 1
        nn.init.constant_(self.slope, 0.25)
        self.register_buffer("serial", torch.tensor(float(StartsAtRandom.draws)))


class _WrongSlope(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return torch.where(x > 0, x, x * slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        dslope = torch.where(x > 0, 0, grad * x).sum((0, 2, 3), keepdim=True)[0]
        return torch.where(x > 0, grad, grad * slope * 1.02), dslope


class WrongInputGradient(Sound):
    """Two percent off, on one side."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _WrongSlope.apply(x, self.slope.to(x.dtype)[:, None, None])
        return y


class _WrongSum(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return torch.where(x > 0, x, x * slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        dslope = torch.where(x > 0, 0, grad * x)[:1].sum((0, 2, 3), keepdim=True)[0]
        return torch.where(x > 0, grad, grad * slope), dslope


class WrongParameterGradient(Sound):
    """Sums over the first example alone."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _WrongSum.apply(x, self.slope.to(x.dtype)[:, None, None])
        return y


class _Step(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, height: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x > 0, height, x * 0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        return grad, torch.where(x > 0, grad, 0).sum((0, 2, 3), keepdim=True)[0]


class UndeclaredSurrogate(Sound):
    """A straight-through step that does not say so."""

    limits = (math.nan, 0.25)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Step.apply(x, self.slope.to(x.dtype)[:, None, None])
        return y


class OverflowsBetween(Sound):
    """Scales up before it scales down, in the dtype of the input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * 16) / 16


class LosesEpsilon(Sound):
    """Guards a division by what is 0 in float16."""

    limits = (math.nan, math.nan)  # inf / inf

    def forward(self, x: Tensor) -> Tensor:
        size = super().forward(x).abs()
        return super().forward(x) * (size / (size + 1e-8))


class NaNFarOut(nn.Module):
    """Mish as it is written down: log(1 + exp(x)) is inf beyond 709 even in float64, and its gradient inf / inf."""

    is_pointwise = True

    def __init__(self, num_channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tanh(torch.log(1 + torch.exp(x)))


class WrongLimit(Sound):
    """Declares ReLU's limits."""

    limits = (0.0, math.inf)


class SwallowsNaN(Sound):
    """No comparison with NaN is true."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, torch.where(x <= 0, x * self.slope.to(x.dtype)[:, None, None], 0.0))


class SpreadsNaN(Sound):
    """One NaN, and the whole batch is taken for lost."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.where(x.isnan().any(), torch.nan, 1.0).to(x.dtype)


class ReadsMemoryInOrder(Sound):
    """Takes any tensor for contiguous, as a kernel does that is handed a bare pointer."""

    def forward(self, x: Tensor) -> Tensor:
        strides = torch.empty(x.shape, device="meta").stride()
        return super().forward(torch.as_strided(x, x.shape, strides))


class ForgetsStatistics(Sound):
    """What training gathers is no part of the state."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.register_buffer("average", torch.zeros(num_channels), persistent=False)
        self.average: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.average.lerp_(x.detach().float().mean((0, 2, 3)).to(self.average.dtype), 0.1)
        return super().forward(x) + (0 if self.training else self.average.to(x.dtype)[:, None, None])


class KeepsLastOutput(Sound):
    """A tensor of the graph as an attribute, which deepcopy refuses."""

    last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if not torch.compiler.is_compiling():
            self.last = y
        return y


class CopiesItselfByReference(Sound):
    """A copy by hand that takes the parameters along."""

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        copied = CopiesItselfByReference(self.num_channels)
        copied.slope = self.slope
        return copied.train(self.training)


class MixesDtypesUnderAutocast(Sound):
    """Blends what autocast makes bfloat16, a convolution, with what stays float32."""

    limits = None  # type: ignore[assignment]  # inf - inf in the blend

    def forward(self, x: Tensor) -> Tensor:
        same = F.conv2d(x, torch.ones_like(self.slope)[:, None, None, None], groups=self.num_channels)
        below = x * self.slope[:, None, None]
        return torch.lerp(below, same, (x > 0).to(below.dtype)).to(x.dtype)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _untraceable(x: Tensor) -> Tensor:
    return x


class BreaksGraph(Sound):
    """Calls what torch.compile may not enter."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_untraceable(x))


class CompilesToOther(Sound):
    """Has a fast path for compilation, which is not quite the same."""

    def forward(self, x: Tensor) -> Tensor:
        fast = torch.compiler.is_compiling() and not torch.compiler.is_exporting()
        return super().forward(x) * (1 + 2**-20 if fast else 1)


class ExportsOther(Sound):
    """Has a plain path for export, which is not the same."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.25) if torch.compiler.is_exporting() else super().forward(x)


class IdleParameter(Sound):
    """A parameter that nothing uses."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.idle = nn.Parameter(torch.zeros(num_channels))


class LearnsInPhaseOneAlone(Sound):
    """Goes over to a fixed slope after ten epochs, and leaves its parameter active."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.register_buffer("is_settled", torch.tensor(False))
        self.is_settled: Tensor

    def begin_epoch(self, epoch: int) -> None:
        self.is_settled.fill_(epoch >= 10)

    def forward(self, x: Tensor) -> Tensor:
        slope = torch.where(self.is_settled, torch.full_like(self.slope, 0.25), self.slope).to(x.dtype)
        return torch.where(x > 0, x, x * slope[:, None, None])


class GroupsTwice(Sound):
    """Names its slope in two groups, of which an optimiser takes both."""

    def param_groups(self) -> Iterator[dict[str, Any]]:
        yield {"params": [self.slope], "weight_decay": 0.0}
        yield {"params": list(self.parameters())}


class GroupsOfAnother(Sound):
    """Groups a copy of its parameter, which nobody trains."""

    def param_groups(self) -> Iterator[dict[str, Any]]:
        yield {"params": [nn.Parameter(self.slope.detach().clone())]}


class DeploysOther(Sound):
    """Merges the mean of its slopes."""

    def deploy(self) -> nn.Module:
        with torch.no_grad():
            self.slope.fill_(float(self.slope.mean()))
        return self


class DeploysTwice(Sound):
    """Folds again what is folded already."""

    folded = 0

    def deploy(self) -> nn.Module:
        self.folded += 1
        if self.folded > 1:
            with torch.no_grad():
                self.slope.mul_(self.slope)
        return self


ZOO: dict[str, tuple[type[nn.Module], ...]] = {
    "shape": (SqueezesSingleExample,),
    "dtype": (WidensHalves,),
    "input untouched": (WritesInput,),
    "empty batch": (RejectsEmptyBatch,),
    "own places": (MixesPlaces, MixesChannelsInTraining),
    "fresh parameters": (SharesParameters, StartsAtRandom),
    "gradcheck": (WrongInputGradient, WrongParameterGradient, UndeclaredSurrogate),
    "finite": (OverflowsBetween, LosesEpsilon, NaNFarOut),
    "infinities": (WrongLimit,),
    "nan": (SwallowsNaN, SpreadsNaN),
    "memory layout": (ReadsMemoryInOrder,),
    "state_dict": (ForgetsStatistics,),
    "deepcopy": (KeepsLastOutput, CopiesItselfByReference),
    "autocast": (MixesDtypesUnderAutocast,),
    "compile": (BreaksGraph, CompilesToOther),
    "export": (ExportsOther,),
    "parameters learn": (IdleParameter, LearnsInPhaseOneAlone),
    "parameter groups": (GroupsTwice, GroupsOfAnother),
    "deploy": (DeploysOther, DeploysTwice),
}
