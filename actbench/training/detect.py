"""What detection does otherwise than classification: its loss, and one pass over a split by pycocotools.

Box and mask AP are COCO's own evaluation, run on the split's annotations as they were read; its printed report is kept
off the standard output.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from actbench.data.objects import Picture
from actbench.data.source import DetectionBatch, DetectionSource, EvalSplit
from actbench.record import AveragePrecision, DetectionTally

MASK_THRESHOLD = 0.5
"""As torchvision's own evaluation of Mask R-CNN."""
_SUMMARY = tuple(AveragePrecision.model_fields)
"""COCOeval's first six numbers, in its order."""


class DetectorEvaluation(NamedTuple):
    tally: DetectionTally
    class_box_ap: dict[str, float | None]


def detection_loss(model: nn.Module, batch: DetectionBatch) -> Tensor:
    """The sum of the detector's own losses, each with weight 1 as in torchvision."""
    losses: dict[str, Tensor] = model(batch.images, batch.targets)
    return torch.stack(list(losses.values())).sum()


@torch.no_grad()
def evaluate_detector(
    model: nn.Module,
    source: DetectionSource,
    split: EvalSplit,
    *,
    batch_size: int,
    device: torch.device,
) -> DetectorEvaluation:
    """Average precision of `model` on the split; leaves it in eval mode."""
    model.eval()
    detections: list[dict[str, Any]] = []
    place = 0
    for batch in source.eval_batches(split, batch_size=batch_size, device=device):
        for answer in model(batch.images):
            detections += _as_coco(answer, place)
            place += 1
    return average_precision(source.truth(split), detections, source.classes, masks=source.masks)


def average_precision(
    pictures: Sequence[Picture], detections: list[dict[str, Any]], classes: Sequence[str], *, masks: bool
) -> DetectorEvaluation:
    """COCO's evaluation. A detection is {image_id: place in `pictures`, category_id, bbox, score, segmentation?}."""
    truth = _index(pictures, _annotations(pictures, masks=masks), classes)
    found = [
        {**detection, "id": number, "area": detection["bbox"][2] * detection["bbox"][3], "iscrowd": 0}
        for number, detection in enumerate(detections, start=1)
    ]
    answers = _index(pictures, found, classes)
    box, class_box_ap = _evaluate(truth, answers, "bbox", classes)
    tally = DetectionTally(
        images=len(pictures),
        objects=sum(not thing.is_crowd for picture in pictures for thing in picture.things),
        detections=len(detections),
        box=box,
        mask=_evaluate(truth, _with_mask_areas(answers), "segm", classes)[0] if masks else None,
    )
    return DetectorEvaluation(tally, class_box_ap)


def _as_coco(answer: dict[str, Tensor], place: int) -> list[dict[str, Any]]:
    """One picture's answers as COCO writes them."""
    corners = answer["boxes"].cpu()
    boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist()
    found = [
        {"image_id": place, "category_id": label, "bbox": box, "score": score}
        for label, box, score in zip(answer["labels"].tolist(), boxes, answer["scores"].tolist(), strict=True)
    ]
    if "masks" in answer:
        from pycocotools import mask as codec

        pixels = (answer["masks"][:, 0] > MASK_THRESHOLD).cpu().numpy()
        for detection, mask in zip(found, pixels, strict=True):
            detection["segmentation"] = codec.encode(np.asfortranarray(mask, dtype=np.uint8))
    return found


def _annotations(pictures: Sequence[Picture], *, masks: bool) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for place, picture in enumerate(pictures):
        for thing in picture.things:
            annotation: dict[str, Any] = {
                # From 1, whatever the file says: COCOeval takes a match with an object of id 0 for none.
                "id": len(annotations) + 1,
                "image_id": place,
                "category_id": thing.label,
                "bbox": list(thing.box),
                "area": thing.area,
                "iscrowd": int(thing.is_crowd),
            }
            if masks:
                annotation["segmentation"] = thing.segmentation
            annotations.append(annotation)
    return annotations


def _index(pictures: Sequence[Picture], annotations: list[dict[str, Any]], classes: Sequence[str]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "width": p.width, "height": p.height} for i, p in enumerate(pictures)],
        "annotations": annotations,
        "categories": [{"id": label, "name": name} for label, name in enumerate(classes, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _with_mask_areas(answers: Any) -> Any:
    """The detections sorted into small, medium and large by their masks, as COCO's own reader of results does."""
    from pycocotools import mask as codec

    for detection in answers.dataset["annotations"]:
        detection["area"] = float(codec.area(detection["segmentation"]))
    return answers


def _evaluate(
    truth: Any, answers: Any, kind: str, classes: Sequence[str]
) -> tuple[AveragePrecision, dict[str, float | None]]:
    from pycocotools.cocoeval import COCOeval

    run = COCOeval(truth, answers, kind)
    with contextlib.redirect_stdout(io.StringIO()):
        run.evaluate()
        run.accumulate()
        run.summarize()
    summary = {
        name: None if value < 0 else float(value)
        for name, value in zip(_SUMMARY, run.stats[: len(_SUMMARY)], strict=True)
    }
    # Axes: IoU thresholds, recall, class, size (0: all), detections (-1: 100 per picture and class).
    precision = run.eval["precision"][:, :, :, 0, -1]
    per_class = {name: _mean(precision[:, :, place]) for place, name in enumerate(classes)}
    return AveragePrecision(**summary), per_class


def _mean(values: Any) -> float | None:
    """Mean of what is defined; COCOeval writes -1 where the class has no object."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
