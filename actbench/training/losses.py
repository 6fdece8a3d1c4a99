"""The loss of a batch: the detector's own, or one of two on hard or mixed targets with label smoothing inside them.

With K classes and smoothing e a target t becomes (1 - e) * t + e / K. Both losses are the mean over the batch;
`bce` is also the mean over the classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actbench.data.source import Batch, DetectionBatch
from actbench.recipe.schema import TrainSettings
from actbench.training.detect import detection_loss
from actbench.training.precision import autocast


def batch_loss(
    model: nn.Module, batch: Batch | DetectionBatch, settings: TrainSettings, device: torch.device
) -> Tensor:
    """The model's loss on a batch, its mean over the images; the forward pass under the recipe's precision."""
    if isinstance(batch, DetectionBatch):
        return detection_loss(model, batch)
    with autocast(device, settings.amp):
        logits = model(batch.images)
    return training_loss(logits, batch.targets, settings)


def training_loss(logits: Tensor, targets: Tensor, settings: TrainSettings) -> Tensor:
    """Loss of one batch, computed in float32. logits (B, K); targets (B,) class indices or (B, K) shares."""
    logits = logits.float()
    if settings.loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
    num_classes = logits.shape[1]
    soft = targets if targets.ndim == 2 else F.one_hot(targets, num_classes).to(logits.dtype)
    soft = soft * (1 - settings.label_smoothing) + settings.label_smoothing / num_classes
    return F.binary_cross_entropy_with_logits(logits, soft)
