"""Which of a paper's values stand beside which arm. Imports no torch.

A value belongs to an arm with the row's activation at its default options and at all sites, and no declared
difference in training, in a network of the row's name; a row that names its arm, to that arm as it is. Rows of the
table that the recipe names come first, on whatever data set; then those of the paper's other tables on the recipe's
data set. A value that is known to exist and could not be read (null) stands beside the activation with any number n
of terms, its other options at their defaults.
"""

from dataclasses import dataclass
from typing import Literal

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.data.catalog import GLUE_LABELS, DataOptions
from actbench.frozen import NoOptions
from actbench.metrics import Metric, metric_of
from actbench.models.catalog import (
    PUBLISHED_CNNS,
    TORCHVISION_ARCHS,
    ArmModel,
    CNNOptions,
    ModelOptions,
    ViTOptions,
    native_activations,
)
from actbench.papers.reported import Paper, ReportedRow, ReportedTable
from actbench.recipe.schema import Arm, ArmTrain, Recipe

_DATA = {
    "digits": "scikit-learn digits",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "mnist": "MNIST",
    "imagenet": "ImageNet-1K",
    "synthetic": "synthetic images",
    "synthetic_shapes": "synthetic shapes",
    "sst2": "SST-2",
    "synthetic_text": "synthetic sentences",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A paper's value beside an arm; `other_data` names the paper's data set where it is not the recipe's."""

    row: ReportedRow
    table: ReportedTable
    other_data: str | None

    @property
    def value(self) -> float | None:
        return self.row.value


def data_label(data: DataOptions) -> str:
    """The data set's name as papers write it."""
    if data.name in ("image_folder", "coco"):
        name = data.folder.rstrip("/").rsplit("/", 1)[-1]
        return "COCO" if name == "coco" else name
    if data.name == "glue":
        return f"GLUE {GLUE_LABELS[data.task]}"
    if data.name in ("cifar10", "cifar100") and data.per_class is not None:
        return f"{_DATA[data.name]} ({data.per_class} training images of each class)"
    return _DATA[data.name]


def model_label(model: ModelOptions) -> str:
    """The network's name as papers write it, with what differs from the published one."""
    label = _published_name(model)
    if model.name == "vanillanet":
        if model.width != 1:
            label += f" x{model.width:g}"
        if model.stem_stride != 4:
            label += f", stem stride {model.stem_stride}"
    elif model.name == "resnet":
        label += f", width {model.width}" if model.width != 64 else ""
        label += ", 3x3 stem" if model.stem == "cifar" else ""
    elif model.name in ("retinanet", "maskrcnn"):
        label += f", width {model.width}" if model.width != 64 else ""
        label += f", {model.fpn_channels} FPN channels" if model.fpn_channels != 256 else ""
        if model.name == "maskrcnn" and model.proposals != 512:
            label += f", {model.proposals} proposals"
    elif model.name == "torchvision":
        label += f" x{model.width:g}" if model.width != 1 else ""
        label += ", stem for small images" if model.stem == "cifar" else ""
    elif model.name in ("bert_small", "bert"):
        label += f", input scaling {model.input_scaling}" if model.input_scaling != "none" else ""
        label += ", tanh at the pooler" if model.pooler == "tanh" else ""
        label += ", pre-trained" if model.name == "bert" and model.weights else ""
    elif model.name == "vit":
        width, heads = _VIT_SIZES[_vit_size(model)]
        label += f", width {model.width}" if model.width != width else ""
        label += f", depth {model.depth}" if model.depth != 12 else ""
        label += f", {model.heads} heads" if model.heads != heads else ""
        label += ", mean of tokens" if model.pool == "mean" else ""
    elif model.name == "cnn":
        label += " with BN" if model.batch_norm else ""
    else:
        label += " with pre-activation" if model.name == "resnet_preact" else ""
        label += f", width {model.width}" if model.width != 16 else ""
    return label


def resolved_activation(arm: Arm, recipe: Recipe) -> str:
    """The arm's activation, `native` replaced by what the architecture brings: one, or several in words."""
    return " and ".join(native_activations(recipe.model)) if arm.activation == "native" else arm.activation


def reported_values(
    paper: Paper,
    recipe: Recipe,
    arm: Arm,
    kind: Literal["absolute", "gain"],
    metric: Metric | None = None,
) -> tuple[Reported, ...]:
    """The paper's values of that kind beside this arm, of the first table that has any, or an unread one.

    Without a metric those of the task's first.
    """
    activation = resolved_activation(arm, recipe)
    beside = _beside(paper, recipe, activation, metric or metric_of(recipe), kind)
    found = [r for r in beside if _fits(arm, r.row)]
    known = [r for r in found if r.value is not None]
    if known:
        return tuple(r for r in known if r.table.id == known[0].table.id)
    return tuple(found[:1])


def arm_of(activation: str | None, plan: Recipe) -> str | None:
    """The arm that is this activation as it comes."""
    fitting = (
        arm.name for arm in plan.arms if resolved_activation(arm, plan) == activation and is_plain(arm)
    )
    return next(fitting, None)


def rows_beside(table: ReportedTable, recipe: Recipe, arm: Arm) -> tuple[tuple[ReportedRow, bool], ...]:
    """The table's rows that stand beside this arm, on whatever data; and whether network and options are the row's.

    Where the recipe names the table, a network of the row's family stands in for it, and the arm that bears the
    activation's name for one of other options.
    """
    activation, names = resolved_activation(arm, recipe), _model_names(recipe.model)
    family = _family(recipe.model) if recipe.table == table.id else None
    found: list[tuple[ReportedRow, bool]] = []
    for row in (row for row in table.rows if row.activation == activation):
        model = _folded(row.model)
        is_own = model in names and _fits(arm, row)
        stands_in = family is not None and model.startswith(family) and row.arm in (None, arm.name)
        if is_own or (stands_in and (arm.name == activation or _fits(arm, row))):
            found.append((row, is_own))
    return tuple(found)


def setting_label(recipe: Recipe) -> str:
    """The recipe's network and data set in a few words."""
    return f"{model_label(recipe.model)} on {data_label(recipe.data)}"


def is_setting(recipe: Recipe, *, model: str, data: str) -> bool:
    """Whether the recipe's network and data set are those that a paper calls by these names."""
    return is_data(recipe, data) and _folded(model) in _model_names(recipe.model)


def is_data(recipe: Recipe, data: str) -> bool:
    """Whether the recipe's data set is the one that a paper calls by this name."""
    return _folded(data_label(recipe.data)) == _folded(data)


def is_published(model: ModelOptions) -> bool:
    """Whether nothing in the network differs from the one that its name says."""
    return model_label(model) == _published_name(model)


def is_plain(arm: Arm) -> bool:
    """Whether the arm is its activation at default options and at all sites, trained like all the others."""
    same_settings = arm.train == ArmTrain() and arm.model == ArmModel() and not arm.is_ablated
    return not arm.chosen_options() and arm.sites == "all" and same_settings


def _beside(
    paper: Paper, recipe: Recipe, activation: str, metric: Metric, kind: Literal["absolute", "gain"]
) -> list[Reported]:
    here, names = _folded(data_label(recipe.data)), _model_names(recipe.model)
    # Sorting is stable: the recipe's own table moves to the front, the others keep the file's order.
    tables = sorted(paper.tables, key=lambda table: table.id != recipe.table)
    found = []
    for table in tables:
        same_data = table.dataset is not None and _folded(table.dataset) == here
        if table.metric != metric.reported or not (same_data or table.id == recipe.table):
            continue
        found += [
            Reported(
                row=row, table=table, other_data=None if same_data else table.dataset or "data not known"
            )
            for row in table.rows
            if row.kind == kind and row.activation == activation and _folded(row.model) in names
        ]
    return found


def _fits(arm: Arm, row: ReportedRow) -> bool:
    if row.arm is not None:
        return row.arm == arm.name
    if row.value is not None:
        return is_plain(arm)
    entry = ACTIVATIONS.get(arm.activation)
    default = entry.options() if entry else NoOptions()
    same_options = arm.options.model_dump(exclude={"n"}) == default.model_dump(exclude={"n"})
    same_settings = arm.train == ArmTrain() and arm.model == ArmModel() and not arm.is_ablated
    return same_options and arm.sites == "all" and same_settings


BERT_BASE = (12, 768, 12, 3072)
"""Layers, width, heads, width of the feed-forward block."""


def _published_name(model: ModelOptions) -> str:
    if model.name == "vanillanet":
        return f"VanillaNet-{model.depth}"
    if model.name in ("retinanet", "maskrcnn"):
        return f"{'RetinaNet' if model.name == 'retinanet' else 'Mask R-CNN'} R{model.depth}-FPN"
    if model.name == "cnn":
        return _cnn_name(model)
    if model.name == "torchvision":
        return TORCHVISION_ARCHS[model.arch].label
    if model.name == "bert_small" or model.name == "bert":  # mypy narrows by neither of two in a tuple
        is_base = (model.layers, model.width, model.heads, model.ff_width) == BERT_BASE
        return "BERT-base" if is_base else f"BERT {model.layers} x {model.width}, {model.heads} heads"
    if model.name == "vit":
        return f"ViT-{_vit_size(model)}/{model.patch}"
    return f"ResNet-{model.depth}"


_VIT_SIZES = {"Ti": (192, 3), "S": (384, 6), "B": (768, 12)}
"""Width and heads of the published sizes, of depth 12."""


def _vit_size(model: ViTOptions) -> str:
    """The smallest published size that is not narrower."""
    return next((name for name, (width, _) in _VIT_SIZES.items() if model.width <= width), "B")


def _cnn_name(model: CNNOptions) -> str:
    plain = model.model_copy(update={"batch_norm": False})
    for name, published in PUBLISHED_CNNS.items():
        if plain == published:
            return name
    widths = "/".join("-".join(str(width) for width in stage) for stage in model.stages)
    return f"CNN {widths}" + (f" + {'-'.join(str(width) for width in model.dense)}" if model.dense else "")


def _model_names(model: ModelOptions) -> set[str]:
    """Names under which a paper's row may speak of this network: the family's, or the very one's."""
    family = _family(model)
    names = {_folded(_published_name(model)), *([family] if family else [])}
    if model.name == "vanillanet" and model.width != 1:
        names.add(_folded(f"{_published_name(model)}-{model.width:g}x"))
    if model.name == "vit":
        names.add(_folded(f"ViT-{_vit_size(model)}/16"))  # the patches of all published sizes
    return names


def _family(model: ModelOptions) -> str | None:
    published = _folded(_published_name(model))
    families = ("vanillanet", "resnet", "mobilenetv3", "retinanet", "maskrcnn", "cnn")
    return next((family for family in families if published.startswith(family)), None)


def _folded(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
