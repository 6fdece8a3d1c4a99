"""Figures as they stand in the page: SVG without what only a file of its own needs, and small."""

import re
from dataclasses import dataclass
from html import escape

from actbench.report.markup import Html, element

_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_ATTRIBUTES = re.compile(r'\b(d|points|transform|x|y|x1|x2|y1|y2|width|height|r|cx|cy)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    key: str
    title: str
    caption: str
    alternative: str
    """What is seen in it, for those who cannot."""
    svg: str
    """As matplotlib writes it."""
    narrow: bool = False
    """Whether it is legible in half the width of a page."""


def figure(drawing: Drawing, chapter: str) -> Html:
    """The drawing with its caption; its ids begin with the chapter's key, as a page has them once."""
    plot = element(
        "div", inline(drawing.svg, f"{chapter}-{drawing.key}-", drawing.alternative), class_="plot"
    )
    caption = element("figcaption", element("b", f"{drawing.title}. "), drawing.caption)
    return element(
        "figure", plot, caption, class_="narrow" if drawing.narrow else "wide", id=f"{chapter}-{drawing.key}"
    )


def inline(svg: str, prefix: str, alternative: str) -> Html:
    """An SVG file as an element of the page: no prologue, no addresses of name spaces, two decimals."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r'\s+id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", svg)
    svg = _ATTRIBUTES.sub(lambda m: f'{m[1]}="{_NUMBER.sub(_rounded, m[2])}"', svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    label = f'<svg role="img" aria-label="{escape(alternative)}"'
    return Html(svg.replace("<svg", label, 1))


def _rounded(match: "re.Match[str]") -> str:
    text = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
