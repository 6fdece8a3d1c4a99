"""Figures as they stand in the page: SVG without what only a file of its own needs, and small."""

import re
from dataclasses import dataclass
from html import escape

from actbench.report.markup import Html, element

_NUMBER = re.compile(r"-?\d+\.\d{2,}")
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
    """An SVG file as an element of the page: no prologue, no addresses of name spaces, the page's own letters.

    Coordinates, which are points, get one decimal: a twentieth of a point is seen by nobody, and most of a figure is
    coordinates.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r'\s+id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", svg)
    svg = re.sub(r" font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", svg)
    svg = _ATTRIBUTES.sub(_shortened, svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    label = f'<svg role="img" aria-label="{escape(alternative)}"'
    return Html(svg.replace("<svg", label, 1))


def _shortened(match: "re.Match[str]") -> str:
    name, value = match[1], _NUMBER.sub(_rounded, match[2])
    if name == "d":
        value = re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(value.split()))
    return f'{name}="{value}"'


def _rounded(match: "re.Match[str]") -> str:
    text = f"{float(match[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
