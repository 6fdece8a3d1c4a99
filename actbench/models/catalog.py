"""Every model by name, with its typed options. Imports no torch.

A model is constructed as `Class(act, num_classes=K, in_channels=C, **options)`, where `act(num_channels)`
makes one activation per site. The field `name` tells the option classes apart in a recipe and is not passed
on.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from actbench.frozen import Frozen, Options

FeedForwardPlacement = Literal["mlp", "kat"]
WeightInit = Literal["trunc_normal_0.02", "variance_preserving"]
AttentionInit = Literal["default", "mimetic"]
WIDEST = 65_536


def _check_widths(widths: tuple[int, ...] | None, stages: int) -> None:
    """Raises a ValueError unless there is a possible width for each stage."""
    if widths is None:
        return
    if len(widths) != stages:
        raise ValueError(f"widths: {len(widths)} are given, and there are {stages} stages")
    for width in widths:
        if not 1 <= width <= WIDEST:
            raise ValueError(f"widths: {width} is none from 1 to {WIDEST}")


class VanillaNetOptions(Options):
    name: Literal["vanillanet"]
    depth: int = Field(5, ge=5, le=13)
    width: float = Field(1.0, gt=0, le=4)
    stem_stride: Literal[1, 2, 4] = 4
    dropout: float = Field(0.0, ge=0, lt=1)
    decay_epochs: int = Field(100, ge=1)
    """Epochs over which deep training moves lambda from 0 (ReLU) to 1 (identity)."""
    decay: Literal["linear", "cosine"] = "linear"
    widths: tuple[int, ...] | None = None
    """Channels behind the stem and behind each stage; None: as `width` says."""

    @model_validator(mode="after")
    def _has_widths(self) -> "VanillaNetOptions":
        _check_widths(self.widths, self.depth - 1)
        return self


class ResNetOptions(Options):
    name: Literal["resnet"]
    depth: Literal[18, 34, 50] = 18
    width: int = Field(64, ge=4, le=512)
    stem: Literal["imagenet", "cifar"] = "imagenet"
    dropout: float = Field(0.0, ge=0, lt=1)
    """On every residual branch before the sum, and before the classifier."""
    widths: tuple[int, ...] | None = None
    """Channels of the 3x3 convolutions of each of the four layers; None: as `width` says."""

    @model_validator(mode="after")
    def _has_widths(self) -> "ResNetOptions":
        _check_widths(self.widths, 4)
        return self


class CifarResNetOptions(Options):
    name: Literal["resnet_cifar"]
    depth: Literal[8, 20, 32, 56] = 20
    width: int = Field(16, ge=4, le=256)
    widths: tuple[int, ...] | None = None
    """Channels of each of the three stages, not falling; None: as `width` says."""

    @model_validator(mode="after")
    def _has_widths(self) -> "CifarResNetOptions":
        _check_widths(self.widths, 3)
        if self.widths and list(self.widths) != sorted(self.widths):
            raise ValueError("widths may not fall from stage to stage: shortcuts pad new channels with zeros")
        return self


class PreactResNetOptions(Options):
    name: Literal["resnet_preact"]
    depth: Literal[11, 20, 29, 164] = 164
    width: int = Field(16, ge=4, le=256)
    widths: tuple[int, ...] | None = None
    """Channels of the bottlenecks of each of the three stages; None: as `width` says."""

    @model_validator(mode="after")
    def _has_widths(self) -> "PreactResNetOptions":
        _check_widths(self.widths, 3)
        return self


class CNNOptions(Options):
    name: Literal["cnn"]
    stages: tuple[tuple[int, ...], ...] = ((32, 64), (128,))
    """Channels of the convolutions of each stage; every stage ends with a 2x2 pool."""
    kernel: Literal[3, 5, 7] = 3
    padding: Literal["same", "valid"] = "same"
    batch_norm: bool = False
    """Batch normalisation between every convolution and its activation."""
    pool: Literal["max", "average"] = "max"
    map_side: int = Field(1, ge=1, le=64)
    """Side of the map that the head flattens; a map of another side is averaged to it, so 1 is a global average."""
    dense: tuple[int, ...] = ()
    """Widths of the hidden linear layers, each with an activation."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """After every stage."""
    dense_dropout: float = Field(0.0, ge=0, lt=1)
    """After every hidden linear layer."""

    @model_validator(mode="after")
    def _has_layers_of_some_width(self) -> "CNNOptions":
        if not self.stages or not all(self.stages):
            raise ValueError("stages: every stage needs a convolution, and the network a stage")
        for width in (*self.dense, *(width for stage in self.stages for width in stage)):
            if not 1 <= width <= WIDEST:
                raise ValueError(f"a width of {width}: stages and dense take widths from 1 to {WIDEST}")
        return self

    def side_after(self, side: int) -> int:
        """Side of the map behind the last pool for images of that side; below 1 if nothing is left."""
        for convolutions in self.stages:
            lost = len(convolutions) * (self.kernel - 1) if self.padding == "valid" else 0
            side = (side - lost) // 2
        return side


class RetinaNetOptions(Options):
    name: Literal["retinanet"]
    depth: Literal[18, 34, 50] = 50
    """Of the ResNet that is the body."""
    width: int = Field(64, ge=4, le=512)
    fpn_channels: int = Field(256, ge=8, le=1024)
    """Channels of the feature pyramid and of the heads on it."""


class MaskRCNNOptions(Options):
    name: Literal["maskrcnn"]
    depth: Literal[18, 34, 50] = 50
    """Of the ResNet that is the body."""
    width: int = Field(64, ge=4, le=512)
    fpn_channels: int = Field(256, ge=8, le=1024)
    """Channels of the feature pyramid and of the convolutions on it."""
    proposals: int = Field(512, ge=4, le=4096)
    """Proposals per image that the box and mask heads are trained on."""


ScalingName = Literal["none", "minmax_seq", "minmax_channel"]


class _TransformerOptions(Options):
    """What encoders of sentences have in common."""

    dropout: float = Field(0.1, ge=0, lt=1)
    input_scaling: ScalingName = "none"
    """Before the feed-forward block's activation, min-max to [-3, 3] over a sentence or over a token's channels."""
    pooler: Literal["site", "tanh"] = "site"
    """Whether the arm's activation stands at the pooler too, or BERT's tanh in every arm."""


class BertSmallOptions(_TransformerOptions):
    name: Literal["bert_small"]
    layers: int = Field(4, ge=1, le=48)
    width: int = Field(128, ge=4, le=2048)
    heads: int = Field(4, ge=1, le=64)
    ff_width: int = Field(512, ge=4, le=8192)
    max_length: int = Field(64, ge=4, le=512)
    """Places of the position embedding; at least input.tokens.max_length."""

    @model_validator(mode="after")
    def _divides(self) -> "BertSmallOptions":
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} does not divide width {self.width}")
        return self


class BertWeights(Frozen):
    """What a run is fine-tuned from; the sum makes it part of what runs are compared by."""

    folder: str = Field(min_length=1)
    """With model.safetensors as transformers' save_pretrained writes it; from the working directory, or absolute."""
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    """Of that file."""


class BertOptions(_TransformerOptions):
    name: Literal["bert"]
    layers: int = Field(12, ge=1, le=48)
    width: int = Field(768, ge=4, le=2048)
    heads: int = Field(12, ge=1, le=64)
    ff_width: int = Field(3072, ge=4, le=8192)
    max_length: int = Field(512, ge=4, le=512)
    """Places of the position embedding; at least input.tokens.max_length."""
    weights: BertWeights | None = None
    """None: from scratch."""

    @model_validator(mode="after")
    def _divides(self) -> "BertOptions":
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} does not divide width {self.width}")
        return self


class ViTOptions(Options):
    name: Literal["vit"]
    image_size: int = Field(224, ge=4, le=1024)
    """Side of the pictures, which the position embedding is made for; equal to `input.size`."""
    patch: int = Field(16, ge=1, le=64)
    width: int = Field(192, ge=8, le=2048)
    depth: int = Field(12, ge=1, le=48)
    heads: int = Field(3, ge=1, le=32)
    mlp_ratio: float = Field(4.0, gt=0, le=16)
    feed_forward: FeedForwardPlacement = "mlp"
    """kat: an activation before each of the two linear maps, not between them alone."""
    pool: Literal["token", "mean"] = "token"
    dropout: float = Field(0.0, ge=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    """Chance to drop a branch of the last block; it rises evenly from 0 in the first."""
    w_init: WeightInit = "trunc_normal_0.02"
    attention_init: AttentionInit = "default"
    ff_width: int | None = Field(None, ge=1, le=WIDEST)
    """Hidden channels of the feed-forward blocks; None: as `mlp_ratio` says."""

    @model_validator(mode="after")
    def _divides(self) -> "ViTOptions":
        if self.image_size % self.patch:
            raise ValueError(f"patch {self.patch} does not divide image_size {self.image_size}")
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} does not divide width {self.width}")
        return self


TorchvisionArch = Literal["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0"]


class TorchvisionOptions(Options):
    name: Literal["torchvision"]
    arch: TorchvisionArch = "resnet18"
    stem: Literal["imagenet", "cifar"] = "imagenet"
    width: float = Field(1.0, gt=0, le=4)
    """Factor on MobileNet-V2's channels; the others have none."""

    @model_validator(mode="after")
    def _has_width(self) -> "TorchvisionOptions":
        if self.width != 1 and self.arch != "mobilenet_v2":
            raise ValueError(f"width {self.width:g}: of these networks only mobilenet_v2 has a width factor")
        return self


ModelOptions = Annotated[
    VanillaNetOptions
    | ResNetOptions
    | CifarResNetOptions
    | PreactResNetOptions
    | CNNOptions
    | TorchvisionOptions
    | ViTOptions
    | RetinaNetOptions
    | MaskRCNNOptions
    | BertSmallOptions
    | BertOptions,
    Field(discriminator="name"),
]


class ArmModel(Frozen):
    """What one arm may have otherwise than its recipe's model, a declared difference; None: as the recipe says."""

    feed_forward: FeedForwardPlacement | None = None
    w_init: WeightInit | None = None
    attention_init: AttentionInit | None = None
    width: int | float | None = Field(None, gt=0)
    widths: tuple[int, ...] | None = None
    stages: tuple[tuple[int, ...], ...] | None = None
    dense: tuple[int, ...] | None = None
    ff_width: int | None = None

    def changes(self) -> dict[str, object]:
        """The options that are given."""
        return self.model_dump(exclude_none=True)


class ArchFacts(NamedTuple):
    label: str
    native: tuple[str, ...]
    """The activations that the architecture calls, beside the gates of its squeeze-and-excite blocks."""


TORCHVISION_ARCHS: dict[TorchvisionArch, ArchFacts] = {
    "resnet18": ArchFacts("ResNet-18", ("relu",)),
    "resnet50": ArchFacts("ResNet-50", ("relu",)),
    "mobilenet_v2": ArchFacts("MobileNet-V2", ("relu6",)),
    "mobilenet_v3_large": ArchFacts("MobileNet-V3-Large", ("hardswish", "relu")),
    "efficientnet_b0": ArchFacts("EfficientNet-B0", ("silu",)),
}

PUBLISHED_CNNS = {
    "LeNet": CNNOptions.model_construct(
        name="cnn", stages=((6,), (16,)), kernel=5, padding="valid", map_side=5, dense=(120, 84)
    ),
    "Small CNN": CNNOptions.model_construct(name="cnn", stages=((16,), (32,), (32,)), map_side=4),
    "Middle CNN": CNNOptions.model_construct(name="cnn", stages=((32,), (64,), (64,)), map_side=4),
    "Large CNN": CNNOptions.model_construct(name="cnn", stages=((48,), (96,), (96,)), map_side=4),
}
"""Names that papers have for settings of `cnn`: LeCun et al., 1998, and Liao, 2020, arXiv:2004.13271."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """An architecture, as all who ask for it by name need to know it."""

    name: str
    target: str
    options: type[Options]
    summary: str
    source: str
    native: str | None
    """The architecture's own activation, with default options; None where it depends on the options or the site."""
    has_deep_training: bool = False
    task: Literal["classify", "detect", "text"] = "classify"
    predicts_masks: bool = False
    takes_gated: bool = False
    """Whether its sites lie in feed-forward blocks that give a gated activation its two halves."""


_ENTRIES = (
    ModelEntry(
        name="vanillanet",
        target="actbench.models.vanillanet:VanillaNet",
        options=VanillaNetOptions,
        summary="VanillaNet-5 to -13: no shortcuts, paired convolutions that merge after deep training",
        source="Chen et al., 2023, arXiv:2305.12972",
        native="series",
        has_deep_training=True,
    ),
    ModelEntry(
        name="resnet",
        target="actbench.models.resnet:ResNet",
        options=ResNetOptions,
        summary="ResNet-18/34/50 with the ImageNet stem or a 3x3 stem for small images",
        source="He et al., 2015, arXiv:1512.03385",
        native="relu",
    ),
    ModelEntry(
        name="resnet_cifar",
        target="actbench.models.resnet_cifar:CifarResNet",
        options=CifarResNetOptions,
        summary="ResNet-8/20/32/56 for CIFAR: three stages of widths w, 2w, 4w, shortcuts without parameters",
        source="He et al., 2015, arXiv:1512.03385, section 4.2",
        native="relu",
    ),
    ModelEntry(
        name="resnet_preact",
        target="actbench.models.resnet_preact:PreactResNet",
        options=PreactResNetOptions,
        summary="pre-activation ResNet-164 for CIFAR: bottlenecks with BN and activation before each convolution",
        source="He et al., 2016, arXiv:1603.05027",
        native="relu",
    ),
    ModelEntry(
        name="cnn",
        target="actbench.models.cnn:CNN",
        options=CNNOptions,
        summary="a plain chain of convolutions, pools and linear layers: LeNet and its kind",
        source="LeCun et al., 1998, and as recipes say",
        native="relu",
    ),
    ModelEntry(
        name="retinanet",
        target="actbench.models.detection:RetinaNet",
        options=RetinaNetOptions,
        summary="torchvision's RetinaNet on ResNet-18/34/50 with FPN, from scratch; sites in the body alone",
        source="Lin et al., 2017, arXiv:1708.02002",
        native="relu",
        task="detect",
    ),
    ModelEntry(
        name="maskrcnn",
        target="actbench.models.detection:MaskRCNN",
        options=MaskRCNNOptions,
        summary="torchvision's Mask R-CNN on ResNet-18/34/50 with FPN, from scratch; sites in the body alone",
        source="He et al., 2017, arXiv:1703.06870",
        native="relu",
        task="detect",
        predicts_masks=True,
    ),
    ModelEntry(
        name="torchvision",
        target="actbench.models.torchvision_nets:TorchvisionNet",
        options=TorchvisionOptions,
        summary="torchvision's ResNet-18/50, MobileNet-V2, MobileNet-V3-Large or EfficientNet-B0, untrained",
        source="He et al., 2015; Sandler et al., 2018; Howard et al., 2019; Tan and Le, 2019",
        native=None,
    ),
    ModelEntry(
        name="bert_small",
        target="actbench.models.bert_small:BertSmall",
        options=BertSmallOptions,
        summary="a small BERT for sentences; sites in feed-forward blocks and pooler, RAFT's input scaling",
        source="Devlin et al., 2018, arXiv:1810.04805; Fang et al., 2022, arXiv:2208.14111",
        native="gelu",
        task="text",
        takes_gated=True,
    ),
    ModelEntry(
        name="bert",
        target="actbench.models.bert:Bert",
        options=BertOptions,
        summary="transformers' BERT of any size, from scratch or a local folder of weights; needs the extra "
        "actbench[text]",
        source="Devlin et al., 2018, arXiv:1810.04805; Fang et al., 2022, arXiv:2208.14111",
        native="gelu",
        task="text",
    ),
    ModelEntry(
        name="vit",
        target="actbench.models.vit:VisionTransformer",
        options=ViTOptions,
        summary="Vision Transformer of any size, sites in its feed-forward blocks, KAT's placement among them",
        source="Dosovitskiy et al., 2020, arXiv:2010.11929; Yang and Wang, 2024, arXiv:2409.10594",
        native="gelu",
        takes_gated=True,
    ),
)

ENTRIES: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}


def native_activations(model: ModelOptions) -> tuple[str, ...]:
    """All activations that `activation: native` stands for in that model: each site keeps its architecture's own."""
    if isinstance(model, TorchvisionOptions):
        return TORCHVISION_ARCHS[model.arch].native
    native = ENTRIES[model.name].native
    assert native is not None
    return (native,)
