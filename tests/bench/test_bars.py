"""The table of the bars: that every promise has its entry, and when one counts as reached."""

import pytest

from actbench.bench.bars import BARS, Bar, bars_of, sections_of

CPU, CUDA = "cpu", "cuda"
RELU, COPY = "x relu", "% of a copy"
UPSTREAM = "against upstream's arithmetic"
MAPS = "lslu, step over the maps of VanillaNet-5"

PROMISED = [
    # pwlu per channel, N = 16
    (CPU, "kernels", "pwlu, forward", "at most", 1.0, 0.8, RELU),
    (CPU, "kernels", "pwlu, both ways, contiguous", "at most", 1.7, 1.3, RELU),
    (CPU, "kernels", "pwlu, both ways, channels_last", "at most", 2.2, 1.5, RELU),
    # exactly one input; nothing beyond batch norm's own
    (CPU, "kernels", "pwlu, kept for backward", "at most", 1.0, 0.0, "x the input"),
    (CPU, "kernels", "silu, kept for backward", "at most", 1.0, 0.0, "x the input"),
    (CPU, "kernels", "swish, kept for backward", "at most", 1.0, 0.0, "x the input"),
    (CPU, "kernels", "rational, kept for backward", "at most", 1.0, 0.0, "x the input"),
    # rational 5/4, two threads / one
    (CPU, "kernels", "rational, both ways, two threads", "at most", 1.6, 1.0, RELU),
    (CPU, "kernels", "rational, both ways", "at most", 1.3, 1.0, RELU),
    (CPU, "kernels", "gr_kan, both ways, contiguous", "at most", 2.5, 1.5, RELU),
    (CPU, "kernels", "gr_kan, both ways, channels_last", "at most", 2.5, 1.5, RELU),
    (CPU, "kernels", "dyrelu, both ways, contiguous", "at most", 2.5, 1.5, RELU),
    (CPU, "kernels", "dyrelu, both ways, channels_last", "at most", 2.5, 1.5, RELU),
    (CPU, "kernels", "apalu, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "kernels", "sqish, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "kernels", "talu, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "kernels", "relu2, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "kernels", "swish, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "kernels", "prelu, both ways", "at most", 2.0, 1.3, RELU),
    (CPU, "lslu", f"{MAPS}, contiguous, {UPSTREAM}", "at least", 8, 20, "x faster"),
    (CPU, "lslu", f"{MAPS}, channels_last, {UPSTREAM}", "at least", 2, 3, "x faster"),
    (CPU, "lslu", f"lslu, 16x16, contiguous, {UPSTREAM}", "at least", 2.5, 5, "x faster"),
    (CPU, "data", "crop, flip, normalise", "at most", 5, 2.5, "us of CPU"),
    (CPU, "data", "crop, flip, RandAugment, normalise", "at most", 30, 12, "us of CPU"),
    (
        CPU, "loop", "lite recipe of lslu_vanillanet_c100 end to end, contiguous", "at least", 3, 6,
        "x images per CPU s",
    ),
    (CPU, "step", "ResNet-18, step with pwlu", "at most", 1.1, 1.03, RELU),
    (CPU, "start", "actbench --help", "at most", 1.5, 1.2, "x typer and rich"),
    (CUDA, "kernels", "pwlu, forward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "pwlu, forward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "pwlu, backward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "pwlu, backward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "rational, forward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "rational, forward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "rational, backward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "rational, backward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "gr_kan, forward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "gr_kan, forward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "gr_kan, backward, contiguous", "at least", 80, 90, COPY),
    (CUDA, "kernels", "gr_kan, backward, channels_last", "at least", 80, 90, COPY),
    (CUDA, "kernels", "pwlu, whole module, both ways, contiguous", "at most", None, 1.05, "x silu"),
    (CUDA, "kernels", "pwlu, whole module, both ways, channels_last", "at most", None, 1.05, "x silu"),
    (CUDA, "kernels", "rational, whole module, both ways, contiguous", "at most", None, 1.05, "x silu"),
    (CUDA, "kernels", "rational, whole module, both ways, channels_last", "at most", None, 1.05, "x silu"),
    (CUDA, "kernels", "gr_kan, whole module, both ways, contiguous", "at most", None, 1.05, "x silu"),
    (CUDA, "kernels", "gr_kan, whole module, both ways, channels_last", "at most", None, 1.05, "x silu"),
    (CUDA, "training", "ResNet-18 on CIFAR-100, captured", "at least", 3, 8, "x a DataLoader loop"),
    (
        CUDA, "training", "ResNet-20, 8 runs at a time, captured", "at least", 20_000, 60_000, "images per s",
    ),
]  # fmt: skip


def test_every_promise_has_its_entry_and_no_entry_promises_more() -> None:
    held = [
        (bar.device, bar.section, bar.name, bar.sense, bar.first, bar.aim, bar.unit)
        for bar in BARS
        if bar.first is not None or bar.aim is not None
    ]
    assert sorted(held, key=str) == sorted(PROMISED, key=str)


def test_names_are_unique_and_sections_are_those_of_the_device() -> None:
    assert len({(bar.device, bar.section, bar.name) for bar in BARS}) == len(BARS)
    assert sections_of("cpu") == ("kernels", "lslu", "data", "step", "start", "loop")
    assert sections_of("cuda") == ("kernels", "training")
    assert sum(len(bars_of(section, "cpu")) for section in sections_of("cpu")) + sum(
        len(bars_of(section, "cuda")) for section in sections_of("cuda")
    ) == len(BARS)


@pytest.mark.parametrize(
    ("bar", "value", "reached"),
    [
        (Bar("kernels", "", "x relu", 1.7, 1.3), 1.3, "aim"),
        (Bar("kernels", "", "x relu", 1.7, 1.3), 1.304, "aim"),  # printed as 1.30
        (Bar("kernels", "", "x relu", 1.7, 1.3), 1.306, "first bar"),
        (Bar("kernels", "", "x relu", 1.7, 1.3), 1.7, "first bar"),
        (Bar("kernels", "", "x relu", 1.7, 1.3), 1.71, "no"),
        (Bar("lslu", "", "x faster", 8, 20, "at least"), 20, "aim"),
        (Bar("lslu", "", "x faster", 8, 20, "at least"), 19.9, "first bar"),
        (Bar("lslu", "", "x faster", 8, 20, "at least"), 7.99, "no"),
        (Bar("kernels", "", "x the input", 1.0, 0.0), 1.001, "first bar"),
        (Bar("kernels", "", "x silu", None, 1.05), 1.06, "no"),
        (Bar("kernels", "", "x silu", None, 1.05), 1.05, "aim"),
        (Bar("data", "", "x ours"), 100.0, ""),
        (Bar("kernels", "", "x relu", 1.7, 1.3), float("nan"), "no"),
    ],
)
def test_a_bar_is_judged_by_the_median_as_it_is_printed(bar: Bar, value: float, reached: str) -> None:
    assert bar.reached(value) == reached
    assert bar.is_missed(value) == (reached == "no" and bar.first is not None)


def test_what_was_promised_in_words() -> None:
    assert (BARS[0].promised, BARS[0].aimed) == ("at most 1 x relu", "0.8")
    packed = bars_of("training", "cuda")["ResNet-20, 8 runs at a time, captured"]
    assert (packed.promised, packed.aimed) == ("at least 20,000 images per s", "60,000")
    aim_alone = Bar("kernels", "", "x silu", None, 1.05)
    assert (aim_alone.promised, aim_alone.aimed) == ("-", "at most 1.05 x silu")
    assert (Bar("data", "", "x ours").promised, Bar("data", "", "x ours").aimed) == ("-", "-")
