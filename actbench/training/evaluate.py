"""One pass over a split in evaluation mode: counts, and what the record keeps of the test set beside them."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from actbench.data.source import Batch, DataSource, DetectionSource, EvalSplit, Source
from actbench.recipe.schema import Recipe
from actbench.record import Tally
from actbench.training.detect import DetectorEvaluation, evaluate_detector
from actbench.training.precision import autocast


class Evaluation(NamedTuple):
    tally: Tally
    correct: list[bool]
    """Per example, in the split's canonical order."""


def evaluate_split(
    model: nn.Module, source: Source, split: EvalSplit, recipe: Recipe, *, device: torch.device
) -> Evaluation | DetectorEvaluation:
    """The model on a split, as the recipe's task and settings have it; leaves it in eval mode."""
    batch_size = recipe.evaluation.batch_size
    if isinstance(source, DetectionSource):
        return evaluate_detector(model, source, split, batch_size=batch_size, device=device)
    assert isinstance(source, DataSource)
    batches = source.eval_batches(
        split, batch_size=batch_size, device=device, channels_last=recipe.train.channels_last
    )
    return evaluate(model, batches, device=device, amp=recipe.train.amp)


@torch.inference_mode()
def evaluate(model: nn.Module, batches: Iterable[Batch], *, device: torch.device, amp: str) -> Evaluation:
    """Accuracy counts and summed cross-entropy of `model` over hard-labelled batches; leaves it in eval mode."""
    model.eval()
    correct: list[torch.Tensor] = []
    losses: list[torch.Tensor] = []
    for images, targets in batches:
        with autocast(device, amp):
            logits = model(images).float()
        correct.append(logits.argmax(dim=1) == targets)
        losses.append(F.cross_entropy(logits, targets, reduction="sum").double())
    bits = torch.cat(correct).tolist()
    loss_sum = torch.stack(losses).sum().item()
    tally = Tally(correct=sum(bits), total=len(bits), loss_sum=loss_sum if math.isfinite(loss_sum) else None)
    return Evaluation(tally, bits)
