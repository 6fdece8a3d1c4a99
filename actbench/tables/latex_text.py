r"""Any text as LaTeX that pdflatex sets with no package: pure ASCII, every special character escaped.

Accented letters become their accents, signs and Greek letters mathematics; a character that LaTeX's fonts lack is
named by its number, so that it is missed in print and breaks nothing.
"""

# ruff: noqa: RUF001 - characters that look alike are told apart here on purpose

import re
import unicodedata

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    # At the start of a table's line [ would be taken for an optional argument, and * for a star of \\.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_MATHS = {
    **dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", (rf"\{name}" for name in _GREEK.split()), strict=True)),
    "±": r"\pm", "×": r"\times", "·": r"\cdot", "÷": r"\div", "−": "-", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq",
    "≈": r"\approx", "∞": r"\infty", "√": r"\surd", "→": r"\to", "←": r"\leftarrow", "∈": r"\in", "∂": r"\partial",
    "∇": r"\nabla", "µ": r"\mu", "†": r"^{\dagger}", "‡": r"^{\ddagger}", "°": r"^{\circ}", "¹": "^{1}", "²": "^{2}",
    "³": "^{3}",
}  # fmt: skip
_LETTERS = {
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "–": "--", "—": "---", "…": r"\ldots{}", "“": "``", "”": "''",
    "‘": "{`}", "’": "'", "§": r"\S{}", "©": r"\copyright{}", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
_ACCENTS = {
    "\u0300": r"\`", "\u0301": r"\'", "\u0302": r"\^", "\u0303": r"\~", "\u0304": r"\=", "\u0306": r"\u",
    "\u0307": r"\.", "\u0308": r'\"', "\u030a": r"\r", "\u030b": r"\H", "\u030c": r"\v", "\u0327": r"\c",
}  # fmt: skip
_QUOTED = re.compile(r'"([^"]*)"')
_MINUS = re.compile(r"(?<![\w.)])[-−](?=\d)")


def escaped(text: str) -> str:
    """The text made plain: a lone hyphen a dash, a number's hyphen a minus, two quotes a pair."""
    if text == "-":
        return "--"
    return "$-$".join(_plain(part) for part in _MINUS.split(_QUOTED.sub("“\\1”", text)))


def _plain(text: str) -> str:
    # Between two hyphens in a row, which LaTeX would set as one dash, stands an empty group.
    parts = re.split("(?<=-)(?=-)", unicodedata.normalize("NFC", text))
    return "{}".join("".join(map(_character, part)) for part in parts)


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character in _MATHS:
        return f"${_MATHS[character]}$"
    if character in _LETTERS:
        return _LETTERS[character]
    if character.isspace():
        return " "
    return character if " " < character <= "~" else _accented(character) or f"U+{ord(character):04X}"


def _accented(character: str) -> str | None:
    base, *accents = list(unicodedata.normalize("NFD", character))
    if len(accents) != 1 or accents[0] not in _ACCENTS or not base.isascii():
        return None
    return rf"{_ACCENTS[accents[0]]}{{{base}}}"
