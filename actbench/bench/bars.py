"""The bars: what was promised of kernels, data, steps, the loop, training and the start. Imports no torch.

A bar has a first height and an aim. It is judged by the median that was measured, as that is printed.
"""

from dataclasses import dataclass
from typing import Literal

Section = Literal["kernels", "lslu", "data", "step", "start", "loop", "training"]
DeviceKind = Literal["cpu", "cuda"]
Reached = Literal["aim", "first bar", "no", ""]


@dataclass(frozen=True, slots=True)
class Bar:
    section: Section
    name: str
    """With section and device it says which."""
    unit: str
    first: float | None = None
    aim: float | None = None
    """Where both are None nothing was promised: the number is told beside those that have a bar."""
    sense: Literal["at most", "at least"] = "at most"
    device: DeviceKind = "cpu"

    @property
    def promised(self) -> str:
        return "-" if self.first is None else f"{self.sense} {self.first:,g} {self.unit}"

    @property
    def aimed(self) -> str:
        if self.aim is None:
            return "-"
        return f"{self.aim:,g}" if self.first is not None else f"{self.sense} {self.aim:,g} {self.unit}"

    def reached(self, median: float) -> Reached:
        if self.aim is not None and self._meets(median, self.aim):
            return "aim"
        if self.first is not None and self._meets(median, self.first):
            return "first bar"
        return "" if self.first is None and self.aim is None else "no"

    def is_missed(self, median: float) -> bool:
        """Whether there is a first bar, and not even that is met; an aim alone can not be missed."""
        return self.first is not None and self.reached(median) == "no"

    def _meets(self, median: float, height: float) -> bool:
        printed = round(median, 2)
        return printed <= height if self.sense == "at most" else printed >= height


LAYOUTS: tuple[Literal["contiguous", "channels_last"], ...] = ("contiguous", "channels_last")
_RELU, _INPUT, _COPY, _FASTER = "x relu", "x the input", "% of a copy", "x faster"
_RESNET18, _LOADER, _RATE = "ResNet-18 on CIFAR-100", "x a DataLoader loop", "images per s"
_LITE = "lite recipe of lslu_vanillanet_c100 end to end"

_KERNELS = (
    Bar("kernels", "pwlu, forward", _RELU, 1.0, 0.8),
    Bar("kernels", "pwlu, both ways, contiguous", _RELU, 1.7, 1.3),
    Bar("kernels", "pwlu, both ways, channels_last", _RELU, 2.2, 1.5),
    # The aim is to keep nothing beyond what batch norm keeps before it.
    *(
        Bar("kernels", f"{name}, kept for backward", _INPUT, 1.0, 0.0)
        for name in ("pwlu", "silu", "swish", "rational")
    ),
    Bar("kernels", "rational, both ways", _RELU, 1.3, 1.0),
    Bar("kernels", "rational, both ways, two threads", _RELU, 1.6, 1.0),
    *(
        Bar("kernels", f"{name}, both ways, {layout}", _RELU, 2.5, 1.5)
        for name in ("gr_kan", "dyrelu")
        for layout in LAYOUTS
    ),
    *(
        Bar("kernels", f"{name}, both ways", _RELU, 2.0, 1.3)
        for name in ("apalu", "sqish", "talu", "relu2", "swish", "prelu")
    ),
)
_LSLU = tuple(
    Bar("lslu", f"lslu, {what}, against upstream's arithmetic", _FASTER, first, aim, "at least")
    for what, first, aim in (
        ("step over the maps of VanillaNet-5, contiguous", 8, 20),
        ("step over the maps of VanillaNet-5, channels_last", 2, 3),
        ("16x16, contiguous", 2.5, 5),
    )
)
_DATA = (
    Bar("data", "crop, flip, normalise", "us of CPU", 5, 2.5),
    Bar("data", "crop, flip, normalise: torchvision, tensor", "x ours"),
    Bar("data", "crop, flip, normalise: torchvision, PIL", "x ours"),
    Bar("data", "crop, flip, RandAugment, normalise", "us of CPU", 30, 12),
    Bar("data", "crop, flip, RandAugment, normalise: torchvision, tensor", "x ours"),
    Bar("data", "crop, flip, RandAugment, normalise: torchvision, PIL", "x ours"),
)
_LOOP = (
    Bar("loop", f"{_LITE}, contiguous", "x images per CPU s", 3, 6, "at least"),
    Bar("loop", f"{_LITE}, channels_last", "x images per CPU s"),
    Bar("loop", f"{_LITE}, contiguous, by the wall clock", "x images per s"),
    Bar("loop", f"{_LITE}, channels_last, by the wall clock", "x images per s"),
)
_ON_GPU = (
    *(
        Bar("kernels", f"{name}, {way}, {layout}", _COPY, 80, 90, "at least", "cuda")
        for name in ("pwlu", "rational", "gr_kan")
        for way in ("forward", "backward")
        for layout in LAYOUTS
    ),
    *(
        Bar("kernels", f"{name}, whole module, both ways, {layout}", "x silu", None, 1.05, device="cuda")
        for name in ("pwlu", "rational", "gr_kan")
        for layout in LAYOUTS
    ),
    Bar("training", f"{_RESNET18}, captured", _LOADER, 3, 8, "at least", "cuda"),
    Bar("training", f"{_RESNET18}, eager", _LOADER, device="cuda"),
    Bar("training", "ResNet-18 in a DataLoader loop", _RATE, device="cuda"),
    *(
        Bar("training", f"ResNet-20, {runs} runs at a time, captured", _RATE, device="cuda")
        for runs in (4, 6)
    ),
    Bar("training", "ResNet-20, 8 runs at a time, captured", _RATE, 20_000, 60_000, "at least", "cuda"),
    Bar("training", "ResNet-20, 8 runs at a time, eager", _RATE, device="cuda"),
)
BARS: tuple[Bar, ...] = (
    *_KERNELS,
    *_LSLU,
    *_DATA,
    Bar("step", "ResNet-18, step with pwlu", _RELU, 1.1, 1.03),
    Bar("start", "actbench --help", "x typer and rich", 1.5, 1.2),
    *_LOOP,
    *_ON_GPU,
)
"""In the order of the table."""


def sections_of(device: DeviceKind) -> tuple[Section, ...]:
    """In the order of the table."""
    return tuple(dict.fromkeys(bar.section for bar in BARS if bar.device == device))


def bars_of(section: Section, device: DeviceKind) -> dict[str, Bar]:
    """By their names."""
    return {bar.name: bar for bar in BARS if (bar.section, bar.device) == (section, device)}
