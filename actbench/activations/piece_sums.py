"""From sums per piece to the gradients of a uniform grid; the last step of every form of the backward."""

from torch import Tensor, arange


def grid_gradients(
    base_grad: Tensor, rise_grad: Tensor, rise: Tensor, inv_step: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of low and inv_step, (K,) each, from the sums of g and g * (u - o_j) per piece, (K, S).

    dy/du = rise[j], so both are sums over the pieces: -inv_step * rise * sum g, and rise * sum g * u / inv_step.
    """
    origin = (arange(rise.shape[1], device=rise.device, dtype=rise.dtype) - 1).clamp(min=0)
    low_grad = -inv_step * (rise * base_grad).sum(dim=1)
    step_grad = (rise * (rise_grad + origin * base_grad)).sum(dim=1) / inv_step
    return low_grad, step_grad
