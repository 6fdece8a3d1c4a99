"""An activation behind its normalisation: one call, so that both may be one function."""

import torch
import torch.nn.modules.module as torch_module
from torch import Tensor, nn


def norm_act(norm: nn.Module, act: nn.Module, x: Tensor) -> Tensor:
    """act(norm(x)).

    Where `act` offers `after_batch_norm(norm, x)`, it is asked first and may decline by None; it then computes both
    without `norm`'s output ever being a tensor. With a hook on either module they are called one after the other, so
    that the hook sees what passes.
    """
    if not torch.compiler.is_compiling() and isinstance(x, Tensor) and is_unseen(norm) and is_unseen(act):
        offer = getattr(act, "after_batch_norm", None)
        y = offer(norm, x) if offer is not None else None
        if isinstance(y, Tensor):
            return y
    y = act(norm(x))
    assert isinstance(y, Tensor) or not isinstance(x, Tensor)
    return y


def is_unseen(module: nn.Module) -> bool:
    """Whether no hook looks at the module's calls."""
    own = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    is_seen = torch_module._has_any_global_hook()  # type: ignore[no-untyped-call]
    return not any(own) and not is_seen and "forward" not in vars(module)
