"""The two losses of the recipes, on hard or on mixed targets, with label smoothing inside the targets.

With K classes and smoothing e a target t becomes (1 - e) * t + e / K. Both losses are the mean over the batch;
`bce` is also the mean over the classes.
"""

import torch.nn.functional as F
from torch import Tensor

from actbench.recipe.schema import TrainSettings


def training_loss(logits: Tensor, targets: Tensor, settings: TrainSettings) -> Tensor:
    """Loss of one batch, computed in float32. logits (B, K); targets (B,) class indices or (B, K) shares."""
    logits = logits.float()
    if settings.loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
    num_classes = logits.shape[1]
    soft = targets if targets.ndim == 2 else F.one_hot(targets, num_classes).to(logits.dtype)
    soft = soft * (1 - settings.label_smoothing) + settings.label_smoothing / num_classes
    return F.binary_cross_entropy_with_logits(logits, soft)
