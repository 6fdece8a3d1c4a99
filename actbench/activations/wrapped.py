"""An activation around another one: what it declares is what the inner one does, unless it says otherwise."""

from typing import Any, Self

from torch import Tensor, nn

from actbench.activations.base import Activation, backend_of


class Wrapped(Activation):
    """`num_channels` are those of the inner one's output."""

    def __init__(self, inner: nn.Module, num_channels: int, channel_dim: int = 1) -> None:
        super().__init__(num_channels, channel_dim)
        self.inner = inner
        self.is_pointwise = getattr(inner, "is_pointwise", False)
        self.is_gated = getattr(inner, "is_gated", False)
        self.spatial_dims = getattr(inner, "spatial_dims", 0)
        self.surrogate_gradient = getattr(inner, "surrogate_gradient", False)
        self.operations_per_element = getattr(inner, "operations_per_element", 0.0)
        self.backend = backend_of(inner)

    def param_groups(self) -> list[dict[str, Any]]:
        declare = getattr(self.inner, "param_groups", None)
        groups: list[dict[str, Any]] = list(declare()) if declare is not None else []
        return groups

    def log_values(self) -> dict[str, Tensor]:
        declare = getattr(self.inner, "log_values", None)
        values: dict[str, Tensor] = dict(declare()) if declare is not None else {}
        return values

    def deploy(self) -> Self:
        deploy = getattr(self.inner, "deploy", None)
        if callable(deploy):
            self.inner = deploy()
        return self
