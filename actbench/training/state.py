"""Everything that a run carries from one epoch to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from actbench.activations.base import backend_of
from actbench.data.source import Source
from actbench.models.network import Network
from actbench.recipe.schema import Arm, Recipe
from actbench.record import EpochRecord, ParameterGroup
from actbench.training.ablated import share, transplant
from actbench.training.build import activation_sites, build_model, chosen_sites
from actbench.training.ema import EMA
from actbench.training.matched_start import match_start
from actbench.training.optim import make_optimizer, parameter_groups
from actbench.training.precision import place


@dataclass(slots=True, kw_only=True)
class State:
    model: Network
    sites: dict[str, nn.Module]
    optimizer: torch.optim.Optimizer
    groups: list[ParameterGroup]
    ema: EMA[Network] | None
    compiled: nn.Module | None = None
    """The model as training calls it, where it is compiled; it shares every tensor with `model`."""
    history: list[EpochRecord] = field(default_factory=list)

    @property
    def trained(self) -> nn.Module:
        return self.model if self.compiled is None else self.compiled

    @property
    def epoch(self) -> int:
        """The next epoch to train; equal to the number of epochs done."""
        return len(self.history)


def backends(state: State) -> dict[str, str]:
    """What computed each site in training; "+bn" where the batch normalisation before it was computed along."""
    return {
        name: "cpp+bn" if getattr(site, "took_norm_along", False) else backend_of(site)
        for name, site in state.sites.items()
    }


def start_state(
    recipe: Recipe,
    arm: Arm,
    *,
    seed: int,
    source: Source,
    device: torch.device,
    donor: Mapping[str, Tensor] | None = None,
) -> State:
    """The state before the first epoch; `donor` holds the weights of the run whose shapes this one takes."""
    settings = recipe.train
    model = build_model(recipe, arm, seed=seed, num_classes=source.num_classes, channels=source.channels)
    if donor is not None:
        transplant(chosen_sites(arm, model), donor)
    model = place(model, device, channels_last=settings.channels_last)
    if arm.shared:
        share(chosen_sites(arm, model))
    if recipe.init == "matched":
        _match(
            model,
            recipe,
            arm,
            seed,
            source,
            device,
            kept=set() if donor is None else set(chosen_sites(arm, model)),
        )
    sites = activation_sites(model)
    groups = parameter_groups(model, sites, settings, arm.train)
    total_steps = settings.epochs * source.steps_per_epoch(settings.batch_size)
    return State(
        model=model,
        sites=sites,
        optimizer=make_optimizer(groups.groups, settings, device),
        groups=groups.records,
        ema=EMA(model, settings.ema, total_steps) if settings.ema else None,
    )


def _match(
    model: Network,
    recipe: Recipe,
    arm: Arm,
    seed: int,
    source: Source,
    device: torch.device,
    *,
    kept: set[str],
) -> None:
    """Against the same network with ReLUs; sites in `kept` have a gain already."""
    plain = Arm(name="relu", activation="relu", train=arm.train, model=arm.model)
    reference = build_model(
        recipe, plain, seed=seed, num_classes=source.num_classes, channels=source.channels
    )
    reference = place(reference, device, channels_last=recipe.train.channels_last)
    match_start(model, reference, recipe, source, device, kept=kept)
