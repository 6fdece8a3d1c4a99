"""Parameters that must stay positive: what is learnt is the inverse softplus of their value."""

import math

import torch.nn.functional as F
from torch import Tensor


def inverse_softplus(value: float) -> float:
    """rho with log(1 + exp(rho)) = value > 0."""
    return value + math.log(-math.expm1(-value))


def softplus(rho: Tensor) -> Tensor:
    """The value of what `inverse_softplus` stored: positive for every finite rho that does not underflow."""
    return F.softplus(rho)
