"""A model a tenth narrower, by the width option that it has. Imports no torch."""

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


def narrower_width(model: ModelOptions) -> int | float | None:
    """The model's `width` times 0.9, rounded as the model needs it; None where it has none that can shrink.

    VanillaNet and MobileNet-V2 take a factor and round channels by themselves; attention needs a multiple of its heads;
    the others count channels. A `cnn` has no width of its own, nor have torchvision's networks but one, nor has a
    model that starts from stored weights.
    """
    if isinstance(model, CNNOptions) or (isinstance(model, BertOptions) and model.weights is not None):
        return None
    if isinstance(model, TorchvisionOptions) and model.arch != "mobilenet_v2":
        return None
    if isinstance(model, VanillaNetOptions | TorchvisionOptions):
        return round(FACTOR * model.width, 6)
    step = model.heads if isinstance(model, ViTOptions | BertSmallOptions | BertOptions) else 1
    width = min(round(FACTOR * model.width / step) * step, model.width - step)
    try:
        type(model).model_validate({**model.model_dump(), "width": width})
    except ValidationError:
        return None
    return width
