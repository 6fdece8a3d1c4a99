"""An exponential moving average of a model's weights and buffers.

After each update w_ema <- d * w_ema + (1 - d) * w. With a horizon h (a share of all S steps) d = 1 - 1 / (h * S), so
the average spans the last h of training whatever its length; a decay that suits 100,000 steps would still be half
initial weights after a short run. Integer buffers (batch counts) are copied.
"""

import copy
from typing import Generic

import torch
from torch import Tensor, nn

from actbench.recipe.schema import EMASettings
from actbench.training.precision import Model


class EMA(Generic[Model]):
    def __init__(self, model: Model, settings: EMASettings, total_steps: int) -> None:
        self.model: Model = copy.deepcopy(model).eval().requires_grad_(False)
        if settings.decay is not None:
            self.decay = settings.decay
        else:
            assert settings.horizon is not None
            self.decay = max(0.0, 1 - 1 / max(settings.horizon * total_steps, 1))
        self._once = _first_of_each(self.model)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes one step towards the model's present weights."""
        averaged, current = self._pairs(model)
        torch._foreach_lerp_(averaged, current, 1 - self.decay)

    def _pairs(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        for name, mine, theirs in zip(
            self.model.state_dict(),
            self.model.state_dict().values(),
            model.state_dict().values(),
            strict=True,
        ):
            if name not in self._once:
                continue
            if mine.is_floating_point():
                averaged.append(mine)
                current.append(theirs)
            else:
                mine.copy_(theirs)
        return averaged, current


def _first_of_each(model: nn.Module) -> set[str]:
    """Names of the state, each tensor once: one that several modules share must not take several steps."""
    names: dict[int, str] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        names.setdefault(id(value), name)
    return set(names.values())
