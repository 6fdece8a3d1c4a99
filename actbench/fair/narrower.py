"""A model a tenth narrower, by the options of width that it has. Imports no torch."""

from pydantic import ValidationError

from actbench.models.catalog import (
    BertOptions,
    BertSmallOptions,
    CNNOptions,
    ModelOptions,
    TorchvisionOptions,
    VanillaNetOptions,
    ViTOptions,
)

FACTOR = 0.9


def narrower(model: ModelOptions) -> dict[str, object] | None:
    """The options that make every width 0.9 of what it is, rounded as the model needs it; None where none can shrink.

    VanillaNet and MobileNet-V2 take a factor and round channels by themselves; attention needs a multiple of its heads;
    the others count channels, stage by stage where the recipe does. The rest of torchvision's networks have no width,
    nor has a model that starts from stored weights.
    """
    changes = _changes(model)
    if changes is None or all(getattr(model, key) == value for key, value in changes.items()):
        return None
    try:
        type(model).model_validate({**model.model_dump(), **changes})
    except ValidationError:
        return None
    return changes


def _changes(model: ModelOptions) -> dict[str, object] | None:
    if isinstance(model, CNNOptions):
        return {"stages": tuple(map(_scaled, model.stages)), "dense": _scaled(model.dense)}
    if isinstance(model, BertOptions) and model.weights is not None:
        return None
    if isinstance(model, TorchvisionOptions) and model.arch != "mobilenet_v2":
        return None
    if widths := getattr(model, "widths", None):
        return {"widths": _scaled(widths)}
    if isinstance(model, VanillaNetOptions | TorchvisionOptions):
        return {"width": round(FACTOR * model.width, 6)}
    step = model.heads if isinstance(model, ViTOptions | BertSmallOptions | BertOptions) else 1
    return {"width": min(round(FACTOR * model.width / step) * step, model.width - step)}


def _scaled(widths: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, round(FACTOR * width)) for width in widths)
