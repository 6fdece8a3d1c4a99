"""One pass over a split in evaluation mode: counts and, for the test set, one bit per example."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from actbench.data.source import Batch
from actbench.record import Tally
from actbench.training.precision import autocast


class Evaluation(NamedTuple):
    tally: Tally
    correct: list[bool]
    """Per example, in the split's canonical order."""


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
