"""Numbers and names as tables and reports write them."""

from collections.abc import Sequence


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else "".join(names)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """A difference in points, signed unless it rounds to nothing."""
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def hours_text(hours: float) -> str:
    """To a hundredth of an hour, of many hours whole ones."""
    return "<0.01" if hours < 0.005 else f"{hours:.2f}" if hours < 10 else f"{hours:.0f}"


def setting_name(key: str) -> str:
    """The last part of a setting's key: `lr` of `train.lr`."""
    return key.rpartition(".")[2]
