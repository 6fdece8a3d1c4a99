"""What an activation may declare to the training loop. A bare `nn.Module` without declarations works too."""

import math
from typing import NamedTuple

from torch import Tensor, nn

from actbench.activations.batch_norm import activate_after
from actbench.activations.kernels.batch_norm import Kernel
from actbench.errors import ActbenchError


class PhaseChange(NamedTuple):
    """What the loop must do after `begin_epoch` changed parameter values in place."""

    reset: tuple[nn.Parameter, ...]
    """Parameters whose optimiser state and moving average start anew."""
    note: str
    graph_changed: bool = False
    """Whether other parameters than before get gradients, or forward runs other operations: wrappers that looked at
    the module once, such as DistributedDataParallel, must be made anew."""


class Activation(nn.Module):
    """Defaults for every declaration; a subclass overrides what it has.

    `num_channels` is the size of `channel_dim` in the inputs to come (1 for N,C,*; -1 for token layouts), or half of it
    for a gated one.
    """

    operations_per_element: float = 1.0
    """Additions, multiplications, comparisons of the deploy form per output element; exp or tanh count 10."""
    surrogate_gradient: bool = False
    """True where backward is not the derivative of forward by design."""
    limits: tuple[float, float] | None = None
    """Value at -inf and at +inf; NaN for a declared NaN; None for not declared."""
    is_pointwise: bool = False
    """True where each output depends on the input at its own place, and on its channel, alone."""
    is_gated: bool = False
    """True where it takes 2 * num_channels, first the gates and then the values, and gives num_channels."""
    spatial_dims: int = 0
    """Dimensions behind the channels that its inputs must have; 0 takes any number of dimensions in any order."""
    finite_to: float = math.inf
    """Largest |x| up to which output and gradient are finite in float32 and bfloat16 wherever the exact ones are."""
    took_norm_along: bool = False
    """Whether the last pass in training was one function with the batch normalisation before it."""
    backend: str = "reference"
    """The code that computes it, as the record names it."""

    def __init__(self, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__()
        if not isinstance(num_channels, int) or isinstance(num_channels, bool) or num_channels < 1:
            raise ActbenchError(f"num_channels must be a positive integer, not {num_channels!r}")
        self.num_channels, self.channel_dim = num_channels, channel_dim

    def begin_epoch(self, epoch: int) -> PhaseChange | None:  # noqa: ARG002
        """Called before each epoch, from 0; may move the activation to its next phase."""
        return None

    def fusible_kernel(self) -> Kernel | None:
        """The kernel that computes it, with the tables of this call, for batch normalisation to take along.

        None where it must be given its input by itself. Who overrides `forward` overrides this too.
        """
        return None

    def after_batch_norm(self, norm: nn.Module, x: Tensor, *, of_any_size: bool = False) -> Tensor | None:
        """self(norm(x)) in one function that keeps x alone for backward; None where it has to be two, or costs more."""
        y = activate_after(self, norm, x, of_any_size=of_any_size)
        if self.training:
            self.took_norm_along = y is not None
        return y

    def log_values(self) -> dict[str, Tensor]:
        """Learnt values worth keeping after each epoch, by name; small tensors only."""
        return {}

    def deploy(self) -> nn.Module:
        """Turns the module into its inference form in place; eval output is unchanged to rounding."""
        return self


def backend_of(module: nn.Module) -> str:
    """The code that computes an activation, as the record names it.

    What a module says of itself goes for all of it; of one that is plain PyTorch itself, as a user's own is, the parts
    tell theirs: "reference + cpp".
    """
    own: str = getattr(module, "backend", "reference")
    if own != "reference":
        return own
    parts = (part.backend for part in module.modules() if isinstance(part, Activation))
    return " + ".join(dict.fromkeys([own, *parts]))
