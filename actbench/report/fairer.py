"""What becomes of a gain, in one sentence below the answer: a reader may stop there. Imports no torch."""

from actbench.fair.waterfall import LABELS, Rung, Waterfall
from actbench.tables.words import listed, points


def fairer_words(fall: Waterfall) -> str:
    """`As the comparison gets fairer, the gain of lslu over relu, +7.94, becomes +0.30 (both tuned, undecided), ...`"""
    told = [text for baseline in fall.baselines if (text := _over(fall, baseline))]
    if not told:
        return f"Runs of tuned arms and controls that would make the comparison of {fall.candidate} fairer are missing."
    interim = " Runs are missing: this is interim." if fall.is_interim else ""
    return f"As the comparison gets fairer, the gain of {fall.candidate} {'; '.join(told)}.{interim}"


def _over(fall: Waterfall, baseline: str) -> str | None:
    first = fall.rung(baseline, "same")
    later = [
        f"{_gain(rung)} ({LABELS[rung.key]}, {rung.word})" for rung in fall.rungs[baseline][1:] if rung.gap
    ]
    if first is None or first.gap is None or not later:
        return None
    return f"over {baseline}, {_gain(first)}, becomes {listed(later)}"


def _gain(rung: Rung) -> str:
    return points(rung.gap.value) if rung.gap else ""
