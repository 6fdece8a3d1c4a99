"""The widths of a network's stages, as numbers that may be changed one by one. Imports no torch.

vanillanet      channels behind the stem and behind each stage
resnet          channels of the 3x3 convolutions of the four layers; the stem has the first one's
resnet_cifar    channels of the three stages; the stem has the first one's
resnet_preact   channels of the bottlenecks of the three stages; the stem has the first one's
cnn             channels of every convolution, then widths of the hidden linear layers
vit, bert_small, bert   the hidden channels of the feed-forward blocks, one number for all
The others have none here: torchvision's networks come as they are, stored weights fit one size alone, and of a detector
the body is only a part.
"""

import math
from itertools import accumulate, pairwise

from actbench.models.catalog import (
    ArmModel,
    BertOptions,
    BertSmallOptions,
    CifarResNetOptions,
    CNNOptions,
    ModelOptions,
    PreactResNetOptions,
    ResNetOptions,
    VanillaNetOptions,
    ViTOptions,
)

_HEAD = (512, 512, 1024)
_TAIL = (4096, 4096)
PUBLISHED: dict[int, tuple[int, ...]] = {
    5: (512, 1024, 2048, 4096),
    6: (512, 1024, 2048, 4096, 4096),
    **{depth: (*_HEAD, *(2048,) * (depth - 6), *_TAIL) for depth in range(7, 14)},
}
"""VanillaNet's channels after the stem and after each stage, at width 1."""


def vanillanet_widths(depth: int, width: float) -> tuple[int, ...]:
    """The published channels times `width`, rounded to multiples of 8."""
    return tuple(max(8, math.floor(channels * width / 8 + 0.5) * 8) for channels in PUBLISHED[depth])


def stage_widths(model: ModelOptions) -> tuple[int, ...]:
    """As the model has them now; empty where none can be changed."""
    match model:
        case VanillaNetOptions():
            return model.widths or vanillanet_widths(model.depth, model.width)
        case ResNetOptions():
            return model.widths or doubled(model.width, 4)
        case CifarResNetOptions() | PreactResNetOptions():
            return model.widths or doubled(model.width, 3)
        case CNNOptions():
            return (*(width for stage in model.stages for width in stage), *model.dense)
        case ViTOptions():
            return (hidden_width(model.width, model.mlp_ratio, model.ff_width),)
        case BertSmallOptions() | BertOptions(weights=None):
            return (model.ff_width,)
        case _:
            return ()


def with_widths(model: ModelOptions, widths: tuple[int, ...]) -> ArmModel:
    """What an arm's model has otherwise so that its stages have these widths; as many as `stage_widths` gives."""
    match model:
        case CNNOptions():
            ends = list(accumulate((len(stage) for stage in model.stages), initial=0))
            stages = tuple(widths[start:end] for start, end in pairwise(ends))
            return ArmModel(stages=stages, dense=widths[ends[-1] :] if model.dense else None)
        case ViTOptions() | BertSmallOptions() | BertOptions():
            return ArmModel(ff_width=widths[0])
        case _:
            return ArmModel(widths=widths)


def doubled(width: int, stages: int) -> tuple[int, ...]:
    """A ResNet's channels: twice as many from stage to stage."""
    return tuple(width << stage for stage in range(stages))


def hidden_width(width: int, mlp_ratio: float, ff_width: int | None) -> int:
    """Hidden channels of a ViT's feed-forward blocks."""
    return round(mlp_ratio * width) if ff_width is None else ff_width
