"""The module under test: fresh or as training leaves it, and inputs for it. Everything is drawn from fixed seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from actbench.contract.result import NotDeclaredError
from actbench.training.phases import begin_epoch

_EPOCHS = 300
"""Phases of which training longer than any recipe would not reach the last are not known here."""
_FIRST_EPOCHS = 4
"""Epochs that see a batch even if no phase begins in them, so that statistics have something to average."""
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A way to make modules for `num_channels`, and the shape of their outputs, channels along `channel_dim`.

    Inputs have that shape too, with twice the channels where the module declares `is_gated`.
    """

    make: Callable[[int], nn.Module]
    shape: tuple[int, ...]
    channel_dim: int = 1

    @property
    def num_channels(self) -> int:
        return self.shape[self.channel_dim]

    @cached_property
    def _declaring(self) -> nn.Module:
        return self.fresh()

    def declared(self, name: str) -> object:
        """The module's declaration of that name; NotDeclaredError where there is none."""
        value = getattr(self._declaring, name, None)
        if value is None:
            raise NotDeclaredError(f"no {name}")
        return value

    @property
    def is_gated(self) -> bool:
        return getattr(self._declaring, "is_gated", False) is True

    @property
    def has_surrogate_gradient(self) -> bool:
        return getattr(self._declaring, "surrogate_gradient", False) is True

    def fresh(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """A new module as its constructor leaves it; made anew, it is the same."""
        torch.manual_seed(_SEED)
        return self.make(self.num_channels).to(dtype)

    def learnt(self, dtype: torch.dtype = torch.float32, *, training: bool = False) -> nn.Module:
        """A new module in its last phase, with statistics of some batches and every active parameter moved.

        In eval mode unless `training`; made anew, it is the same.
        """
        module = self.fresh().train()
        for epoch in range(_EPOCHS):
            changes = begin_epoch(module, epoch)
            if changes or epoch < _FIRST_EPOCHS:
                with torch.no_grad():
                    call(module, 2 * self.input(epoch) + 1)
        generator = torch.Generator().manual_seed(_SEED)
        with torch.no_grad():
            for parameter in active(module).values():
                # Up by 0.1 to 0.3: no parameter stays at the 0 or 1 at which it would be idle.
                parameter.add_(0.1 + 0.2 * torch.rand(parameter.shape, generator=generator))
        return module.to(dtype).train(training)

    def input_shape(self, batch: int | None = None) -> tuple[int, ...]:
        """Of an input; `batch` replaces the size of its first dimension."""
        shape = list(self.shape)
        shape[self.channel_dim] *= 2 if self.is_gated else 1
        if batch is not None:
            shape[0] = batch
        return tuple(shape)

    def input(
        self, seed: int = _SEED, *, batch: int | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Standard normal values."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(self.input_shape(batch), generator=generator).to(dtype)

    def arrange(self, columns: Tensor) -> Tensor:
        """Values (places, input channels) as an input; the places must fill whole examples."""
        shape = list(self.input_shape(batch=-1))
        del shape[self.channel_dim]
        return columns.reshape(*shape, columns.shape[1]).movedim(-1, self.channel_dim).contiguous()

    def examples(self, count: int) -> int:
        """The number of examples that hold at least `count` places."""
        places = torch.Size(self.shape[1:]).numel() // self.num_channels
        return -(-count // places)

    def places(self, batch: int) -> int:
        """Places in a batch of that many examples, each with a value per channel."""
        return batch * torch.Size(self.shape[1:]).numel() // self.num_channels


def active(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def call(module: nn.Module, x: Tensor) -> Tensor:
    """The module's output for a copy of x, the same draws behind every call should it draw any."""
    torch.manual_seed(_SEED)
    y: Tensor = module(x.clone())
    return y


def gradients(
    module: nn.Module, x: Tensor, lay: Callable[[Tensor], Tensor] = torch.clone
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output for lay(x), and the gradients of x ("input") and of active parameters, 0 for those not used.

    `lay` may put x into another order of memory. Behind the output stands a fixed random weighting: the plain sum over
    a normalised output has no gradient at all.
    """
    x = x.detach().requires_grad_()
    torch.manual_seed(_SEED)
    y: Tensor = module(lay(x))
    generator = torch.Generator().manual_seed(_SEED + 1)
    weights = (0.5 + torch.rand(y.shape, generator=generator)).to(y.dtype)
    learning = active(module)
    found = torch.autograd.grad(y, [x, *learning.values()], weights, materialize_grads=True)
    return y.detach(), dict(zip(["input", *learning], found, strict=True))
