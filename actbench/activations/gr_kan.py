"""GR-KAN's activation: a rational of order 5/4 per group of channels, as KAT puts it before its linear layers.

Formula     y = P(x) / Q(x), the polynomials those of the group floor(i / (C / groups)) of channel i; P of degree 5 and
            Q of degree 4, by `denominator`:
            A   1 + sum |b_j||x|^j   (the released kernels)
            B   1 + |sum b_j x^j|    (the paper's equation 12)
Shapes      x: (N, C, *) -> y: same shape; numerator (1, 6) and denominator (groups, 4) with share="numerator",
            (groups, 6) and (1, 4) with share="denominator", both per group with share="none"
Dtype       y has the dtype of x; at least float32 inside, also under autocast, as in the kernels
Parameters  numerator, denominator: learnable unless frozen; start as the curve `init` (silu; KAT has identity before
            the first linear layer of a block, silu before the second) by a fit on [-3, 3], or as published; weight
            decay: no (the released training decays them by 0.05, being 2-D), with `decay` the model's
Gradient    see pade.py; sgn(0) = +1 as in the kernels, so that a unit started as identity trains its denominator
Source      Yang and Wang, 2024, arXiv:2409.10594, sections 4.1 and 4.2; github.com/Adamdad/rational_kat_cu
Departures  the paper's prose shares the denominator and has a numerator per group, its code and its count of parameters
            (38 for 8 groups) the opposite: the default is the code's. The released "gelu", "geglu" and "swishglu" fit
            B, though the kernels compute A; a start that is not its name is refused here. The linear layer and its
            variance-preserving start are the model's; `gain.second_moment_gain` measures what it needs
"""

from typing import Literal

from actbench.activations.catalog import Coefficients, CurveName
from actbench.activations.channelwise import check_groups
from actbench.activations.pade_unit import PadeUnit
from actbench.activations.rational_coefficients import INTERVAL, ORDERS
from actbench.activations.rational_fit import start_as


class GRKAN(PadeUnit):
    """See the module's header."""

    def __init__(
        self,
        num_channels: int,
        channel_dim: int = 1,
        *,
        groups: int = 8,
        denominator: Literal["A", "B"] = "A",
        share: Literal["numerator", "denominator", "none"] = "numerator",
        init: CurveName = "silu",
        coefficients: Coefficients = "fitted",
        freeze: bool = False,
        decay: bool = False,
    ) -> None:
        rows = (1 if share == "numerator" else groups, 1 if share == "denominator" else groups)
        start = start_as(init, denominator, ORDERS, INTERVAL, coefficients)
        super().__init__(num_channels, channel_dim, start, denominator, rows=rows, freeze=freeze, decay=decay)
        check_groups("gr_kan", num_channels, groups)
