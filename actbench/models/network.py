"""What every model here offers to the code that seeds, trains and deploys it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from actbench.errors import ActbenchError

ActivationFactory = Callable[[int], nn.Module]
"""Makes one activation for that many channels; a model calls it once per site."""


class TokenActivationFactory(Protocol):
    """An `ActivationFactory` for models of tokens, whose sites have their channels elsewhere than at 1."""

    def __call__(self, num_channels: int, channel_dim: int = 1) -> nn.Module:
        """`channel_dim` of the site's input: -1 for (N, T, C), 1 for (N, C, *)."""


@runtime_checkable
class DeepTraining(Protocol):
    """A model whose paired convolutions grow together: lambda moves from ReLU (0) to identity (1)."""

    def deep_lambda_at(self, epoch: int) -> float:
        """The schedule's lambda in an epoch, from 0."""

    def set_deep_lambda(self, value: float) -> None:
        """Holds lambda at this value until it is set again."""


@runtime_checkable
class FramesInput(Protocol):
    """A model that resizes, normalises and pads whole pictures by itself, as detectors do."""

    def frame_input(
        self, *, size: int, max_size: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        """Sets the shorter side in pixels, the longer one's limit, and the normalisation."""

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps on which the heads look, of a batch (N, C, H, W) that needs no framing."""


class Network(nn.Module, ABC):
    """A model that names no activation: its sites hold whatever the factory made, each its own instance."""

    deployed = False
    """Whether `deploy` has turned the model into its inference form."""

    @abstractmethod
    def sites(self) -> tuple[str, ...]:
        """Module paths of all activation sites, in the order in which data meets them."""

    @abstractmethod
    def stem_sites(self) -> tuple[str, ...]:
        """Module paths of the sites that belong to the stem."""

    def native_at(self, site: str) -> str | None:  # noqa: ARG002
        """The architecture's own activation at that site; None where the catalogue names one for all."""
        return None

    def undecayed(self) -> tuple[str, ...]:
        """Names of parameters that weight decay spares beside biases and the like, such as position embeddings."""
        return ()

    def init_jointly(self, stream: Callable[[str], torch.Generator]) -> None:
        """Sets those parameters whose initial values hang together; `stream(name)` is a generator for that name."""

    def init_behind_sites(self) -> None:
        """Scales weights by what the activation before them does to its input; called once the sites are filled."""

    @abstractmethod
    def draw_initial(self, module: nn.Module, key: str, values: Tensor, generator: torch.Generator) -> None:
        """Fills `values`, a parameter of a convolution, linear layer or embedding, with the published start."""

    @abstractmethod
    def merge_convolutions(self) -> None:
        """Folds the model's own batch normalisations into its convolutions; eval output is unchanged."""

    @torch.no_grad()
    def init_parameter(
        self, module: nn.Module, key: str, parameter: Tensor, generator: torch.Generator
    ) -> None:
        """Sets one parameter of the model's own modules in place to its published initial value.

        `key` is its name within `module`; nothing is drawn but from `generator`. An activation's parameters
        are its own affair: asking for one is a TypeError.
        """
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            parameter.fill_(1.0 if key == "weight" else 0.0)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            # Drawn aside in float32 and in row-major order: the values then depend neither on the parameter's
            # device and dtype nor on a channels-last layout.
            values = torch.empty(parameter.shape, device=generator.device)
            self.draw_initial(module, key, values, generator)
            parameter.copy_(values)
        else:
            raise TypeError(
                f"{type(self).__name__} has no initial value for a {type(module).__name__}'s {key!r}"
            )

    def deploy(self) -> Self:
        """Turns the model into its inference form in place: merged convolutions, deployed activations.

        Its eval output is unchanged to rounding; from here on it can only be evaluated.
        """
        if self.deployed:
            return self
        self.eval()
        self.merge_convolutions()
        for path in self.sites():
            deploy_site = getattr(self.get_submodule(path), "deploy", None)
            if callable(deploy_site):
                self.set_submodule(path, deploy_site())
        self.requires_grad_(False)
        self.deployed = True
        return self

    def train(self, mode: bool = True) -> Self:
        """As in `nn.Module`; a deployed model has nothing left to train."""
        if mode and self.deployed:
            raise ActbenchError(
                "a deployed model cannot be trained: its batch normalisations are folded away",
                hints=("deploy a copy (copy.deepcopy) and go on training the original",),
            )
        return super().train(mode)
