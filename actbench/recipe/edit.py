"""Changes to a recipe's text that leave its comments and layout as they are."""

from typing import NamedTuple

import yaml

from actbench.recipe.nodes import EVENT_LOADER


class _Span(NamedTuple):
    start: int
    end: int
    value: str


def replace_scalar(text: str, key: str, written: str) -> str:
    """The text with the scalar under a top-level key exchanged; KeyError where there is none."""
    span = _find(text, key)
    if span is None:
        raise KeyError(key)
    return text[: span.start] + written + text[span.end :]


def scalar_text(text: str, key: str) -> str | None:
    """The scalar under a top-level key; None where there is none."""
    span = _find(text, key)
    return None if span is None else span.value


def _find(text: str, key: str) -> _Span | None:
    depth, nodes, wanted = 0, 0, False
    for event in yaml.parse(text, Loader=EVENT_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            if depth == 1:  # keys and values of the top-level mapping in turn
                nodes += 1
                if wanted and isinstance(event, yaml.ScalarEvent):
                    assert event.start_mark is not None
                    assert event.end_mark is not None
                    return _Span(event.start_mark.index, event.end_mark.index, event.value)
                wanted = nodes % 2 == 1 and getattr(event, "value", None) == key
            depth += isinstance(event, yaml.CollectionStartEvent)
    return None
