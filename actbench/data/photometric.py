"""Changes of brightness and colour, for whole batches with one strength per image.

Images are (B, H, W, C) uint8 and so are results; strengths are (B,) float. Each agrees with the operation of
the same name in Pillow to one grey level.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601-2, as Pillow turns colour into grey."""


def invert(images: Tensor) -> Tensor:
    return 255 - images


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the highest `bits` bits of every value."""
    mask = (256 - 2 ** (8 - bits)).to(torch.uint8)
    return images & _per_image(mask)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts values at or above the threshold."""
    return torch.where(images.to(torch.int16) >= _per_image(threshold.to(torch.int16)), 255 - images, images)


def solarize_add(images: Tensor, amount: Tensor) -> Tensor:
    """Adds the amount to values below 128."""
    raised = (images.to(torch.int16) + _per_image(amount.to(torch.int16))).clamp_(max=255)
    return torch.where(images < 128, raised.to(torch.uint8), images)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(torch.zeros((), device=images.device), images, factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """Between grey (factor 0) and more than its own colour; a one-channel image stays as it is."""
    return images if images.shape[-1] == 1 else _blend(_grey(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the mean grey of the whole image."""
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    return _blend((mean + 0.5).floor(), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the smoothed image (3x3, centre 5, sum 13); the border of one pixel stays."""
    if min(images.shape[1:3]) < 3:
        return images
    channels = images.shape[-1]
    kernel = torch.ones(channels, 1, 3, 3, device=images.device)
    kernel[:, :, 1, 1] = 5
    planes = images.permute(0, 3, 1, 2).to(torch.float32)
    smooth = planes.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(planes, kernel / 13, groups=channels).round()
    return _blend(smooth.permute(0, 2, 3, 1), images, factor)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches every channel of every image to the full range; a flat channel stays."""
    values = images.to(torch.float32)
    low, high = values.amin(dim=(1, 2), keepdim=True), values.amax(dim=(1, 2), keepdim=True)
    scale = 255 / (high - low).clamp(min=1)
    stretched = ((values - low) * scale).clamp_(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images: Tensor) -> Tensor:
    """Flattens the histogram of every channel of every image, by Pillow's rule in integers."""
    count, height, width, channels = images.shape
    values = images.permute(0, 3, 1, 2).reshape(count * channels, height * width).long()
    histogram = torch.zeros(count * channels, 256, dtype=torch.long, device=images.device)
    histogram.scatter_add_(1, values, torch.ones_like(values))
    last = histogram.gather(1, values.amax(dim=1, keepdim=True))
    step = (height * width - last) // 255
    below = histogram.cumsum(dim=1) - histogram
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    planes = table.gather(1, values).to(torch.uint8).view(count, channels, height, width)
    return planes.permute(0, 2, 3, 1)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _grey(images: Tensor) -> Tensor:
    if images.shape[-1] == 1:
        return images.to(torch.float32)
    # Summed in this order and not by a matrix product, whose rounding depends on the library and the processor.
    red, green, blue = (images[..., i : i + 1] * LUMA[i] for i in range(3))
    return (red + green + blue).round_()


def _blend(other: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    # Truncated like Pillow's; past the range of bytes it is clipped first.
    blended = torch.lerp(other, images.to(torch.float32), _per_image(factor))
    return blended.clamp_(0, 255).to(torch.uint8)
