"""Text becomes HTML here and nowhere else: whatever is no `Html` yet is escaped. Imports nothing of ours."""

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"meta", "br", "col", "hr"})
_INLINE = frozenset(
    {"a", "b", "button", "code", "dd", "dt", "small", "span", "strong", "summary", "td", "th"}
)
"""Other elements end a line of the source, so that a page can be read and compared as text."""


class Html(str):
    """A piece of a page that is HTML already."""

    __slots__ = ()


Child = str | None
"""Plain text, or Html; None is left out."""


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Html:
    """`<tag attributes>children</tag>`. An attribute's underscores become hyphens (`class_` is `class`); one that is
    None or False is left out, one that is True stands without a value."""
    parts = []
    for name, value in attributes.items():
        key = name.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(f" {key}")
        elif value is not None and value is not False:
            parts.append(f' {key}="{escape(value)}"')
    end = "" if tag in _INLINE else "\n"
    opening = f"<{tag}{''.join(parts)}>"
    return Html(opening + end if tag in _VOID else f"{opening}{join(children)}</{tag}>{end}")


def join(children: Iterable[Child], between: str = "") -> Html:
    """The pieces one after the other, plain text escaped."""
    return Html(
        escape(between).join(
            child if isinstance(child, Html) else escape(child, quote=False)
            for child in children
            if child is not None
        )
    )


def code(text: str) -> Html:
    """A name of the program or of a file, which may break behind its separators."""
    broken = "".join(f"{c}\0" if c in "/_.@" else c for c in text)
    return element("code", Html(escape(broken, quote=False).replace("\0", "<wbr>")))
