"""From sums per piece to the gradients of a uniform grid; the last step of every form of the backward."""

from torch import Tensor, arange, where


def grid_gradients(
    base_grad: Tensor, rise_grad: Tensor, rise: Tensor, inv_step: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of low and inv_step, (K,) each, from the sums of g and g * (u - o_j) per piece, (K, S).

    dy/du = rise[j], so both are sums over the pieces: -inv_step * rise * sum g, and rise * sum g * u / inv_step.
    A level piece adds nothing, even where infinite inputs fell on it.
    """
    origin = (arange(rise.shape[1], device=rise.device, dtype=rise.dtype) - 1).clamp(min=0)
    low_grad = -inv_step * (rise * base_grad).sum(dim=1)
    moments = where(rise == 0, 0, rise * (rise_grad + origin * base_grad))
    step_grad = moments.sum(dim=1) / inv_step
    return low_grad, step_grad
