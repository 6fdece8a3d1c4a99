"""Parameter groups, the optimiser and the learning rate of a step.

Weight decay spares 1-D parameters, biases and what the model names in `undecayed()`, as the papers' own code does,
unless an activation says otherwise through `param_groups()`.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from actbench.models.network import Network
from actbench.recipe.schema import ArmTrain, TrainSettings
from actbench.record import ParameterGroup

_CPU = torch.device("cpu")


class _Kind(NamedTuple):
    lr_factor: float
    weight_decay: float
    activation: bool


class Groups(NamedTuple):
    """The optimiser's groups and the same as the record tells them."""

    groups: list[dict[str, object]]
    records: list[ParameterGroup]


def parameter_groups(
    model: nn.Module, sites: dict[str, nn.Module], settings: TrainSettings, arm: ArmTrain
) -> Groups:
    """Every trainable parameter in exactly one group; groups carry `lr_factor`, which the loop multiplies with lr."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kinds: dict[int, _Kind] = {}
    for site in sites.values():
        kinds.update(_activation_kinds(site, settings, arm))
    undecayed = set(model.undecayed()) if isinstance(model, Network) else set()
    members: dict[_Kind, list[tuple[str, nn.Parameter]]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            is_decayed = parameter.ndim > 1 and names[id(parameter)] not in undecayed
            decay = settings.weight_decay if is_decayed else 0.0
            kind = kinds.get(id(parameter), _Kind(1.0, decay, False))
            members.setdefault(kind, []).append((names[id(parameter)], parameter))
    groups: list[dict[str, object]] = [
        {"params": [p for _, p in held], "lr_factor": kind.lr_factor, "weight_decay": kind.weight_decay}
        for kind, held in members.items()
    ]
    records = [
        ParameterGroup(
            lr_factor=kind.lr_factor,
            weight_decay=kind.weight_decay,
            activation=kind.activation,
            parameters=sum(p.numel() for _, p in held),
            tensors=tuple(name for name, _ in held),
        )
        for kind, held in members.items()
    ]
    return Groups(groups, records)


def _activation_kinds(site: nn.Module, settings: TrainSettings, arm: ArmTrain) -> dict[int, _Kind]:
    decay = settings.weight_decay * arm.weight_decay_factor
    kinds = {id(p): _Kind(arm.lr_factor, decay if p.ndim > 1 else 0.0, True) for p in site.parameters()}
    declare = getattr(site, "param_groups", None)
    if declare is not None:
        for group in declare():
            for parameter in group["params"]:
                own = group.get("weight_decay")
                kinds[id(parameter)] = _Kind(
                    arm.lr_factor * group.get("lr_factor", 1.0),
                    kinds[id(parameter)].weight_decay if own is None else own * arm.weight_decay_factor,
                    True,
                )
    return kinds


def make_optimizer(
    groups: list[dict[str, object]], settings: TrainSettings, device: torch.device = _CPU
) -> torch.optim.Optimizer:
    """SGD, AdamW, RMSprop with eps beside the root (PyTorch's), or timm's LAMB.

    LAMB clips the global gradient norm at 1 by itself, as upstream's recipe has it. On a GPU, SGD and AdamW take one
    kernel for all tensors, whose values are those of PyTorch's plain loop to rounding; on a CPU the plain loop stays,
    as its values are those of stored runs. A step that is captured reads its learning rate from the device.
    """
    on_gpu = device.type == "cuda"
    captured = on_gpu and settings.capture
    if captured:
        groups = [{**group, "lr": torch.tensor(settings.lr, device=device)} for group in groups]
    fused = True if on_gpu else None
    if settings.optimizer == "sgd":
        sgd = torch.optim.SGD(
            groups,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov and settings.momentum > 0,
            fused=fused,
        )
        _fill_momenta(sgd)
        return sgd
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            groups,
            lr=settings.lr,
            alpha=settings.rms_decay,
            eps=settings.eps,
            momentum=settings.momentum,
            capturable=captured,
        )
    betas = (settings.beta1, settings.beta2)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            groups, lr=settings.lr, betas=betas, eps=settings.eps, fused=fused, capturable=captured
        )
    from timm.optim.lamb import Lamb  # slow to import, and few recipes want it

    optimizer: torch.optim.Optimizer = Lamb(
        groups, lr=settings.lr, betas=betas, eps=settings.eps, max_grad_norm=1.0
    )
    return optimizer


def learning_rate(settings: TrainSettings, step: int, steps_per_epoch: int) -> float:
    """Learning rate of step `step` (from 0 over the whole run): linear warm-up, then the schedule."""
    total = settings.epochs * steps_per_epoch
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total)
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.lr
    if settings.schedule == "step":
        drops = sum(step >= round(share * total) for share in settings.milestones)
        return max(settings.lr * settings.gamma**drops, settings.min_lr)
    if settings.schedule == "exponential":
        # Counted from the first epoch, warm-up included, as the papers' staircases are.
        drops = math.floor(step / (settings.decay_every * steps_per_epoch) + 1e-9)
        return max(settings.lr * settings.gamma**drops, settings.min_lr)
    progress = (step - warmup) / max(total - warmup, 1)
    if settings.schedule == "linear":
        return settings.min_lr + (settings.lr - settings.min_lr) * (1 - progress)
    return settings.min_lr + (settings.lr - settings.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr * group["lr_factor"])  # in place: a captured step reads it there
        else:
            group["lr"] = lr * group["lr_factor"]


_HOW = ("lr", "foreach", "fused", "capturable")
"""What says how an optimiser computes, on its device; the learning rate is set before every update."""


def load_optimizer_state(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Loads a state that may have been saved on another device, by a form of the optimiser that computes otherwise."""
    groups = [
        {**theirs, **{key: ours[key] for key in _HOW if key in ours}}
        for ours, theirs in zip(optimizer.param_groups, saved["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({**saved, "param_groups": groups})
    _fill_momenta(optimizer)


def forget(optimizer: torch.optim.Optimizer, parameters: tuple[Tensor, ...]) -> None:
    """Drops the optimiser's state of parameters whose values were changed in place by a new phase."""
    for parameter in parameters:
        optimizer.state.pop(parameter, None)
    _fill_momenta(optimizer)


def _fill_momenta(optimizer: torch.optim.Optimizer) -> None:
    """Gives parameters without a momentum one of zeros, after which the next step is what a first one would be.

    For the fused SGD alone, which takes momenta of all tensors of a group or of none.
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for group in optimizer.param_groups:
        if group["fused"] and group["momentum"]:
            for parameter in group["params"]:
                if optimizer.state[parameter].get("momentum_buffer") is None:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
