"""The whole page: one chapter per comparison, its style and its script inside it, no address outside."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from actbench import __version__
from actbench.report.answer import Answer, answer
from actbench.report.arms import (
    arms_table,
    footing_words,
    parameter_groups,
    shared_settings,
    site_lists,
)
from actbench.report.chapter import Chapter
from actbench.report.drawings import FALL
from actbench.report.fairer import fairer_words
from actbench.report.figures import Drawing, figure
from actbench.report.limits import limits
from actbench.report.making import data_section, kernels_table, machines_section
from actbench.report.markup import Child, Html, element, join
from actbench.report.results import claims_section, result_tables, waterfall_tables
from actbench.report.runs import imported_runs, runs_section, sums

_FOLDER = Path(__file__).parent


def digest(chapters: Sequence[Chapter]) -> str:
    """Hash of the records that a page is made from, so that two pages can be told apart without a date."""
    sums = [file.sha256 for chapter in chapters for file in chapter.files]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def page(chapters: Sequence[Chapter], warnings: Sequence[str] = ()) -> str:
    """The page as a file's text. The same files give the same bytes."""
    answers = [answer(chapter.group) for chapter in chapters]
    single = len(chapters) == 1
    title = answers[0].question if single else f"{len(chapters)} comparisons of activation functions"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"actbench {__version__}"),
        element("title", title),
        element("style", Html(f"\n{_asset('page.css')}")),
    )
    body = element(
        "body",
        element("header", element("p", "actbench report", class_="kicker"), element("h1", title)),
        element(
            "main",
            None if single else _contents(chapters, answers),
            *(_chapter(chapter, told, single) for chapter, told in zip(chapters, answers, strict=True)),
            _warnings(warnings),
        ),
        _footer(chapters),
        element("script", Html(f"\n{_asset('sort.js')}")),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _contents(chapters: Sequence[Chapter], answers: Sequence[Answer]) -> Html:
    items = [
        element(
            "li",
            element("a", told.question, href=f"#{chapter.key}"),
            element("small", chapter.origin),
        )
        for chapter, told in zip(chapters, answers, strict=True)
    ]
    return element("nav", element("ol", *items), aria_label="Contents")


def _chapter(chapter: Chapter, told: Answer, single: bool) -> Html:
    group, key = chapter.group, chapter.key
    held, claims = limits(group), claims_section(group)
    falls = [drawing for drawing in chapter.drawings if drawing.key.startswith(FALL)]
    others = [drawing for drawing in chapter.drawings if drawing not in falls]
    return element(
        "article",
        None if single else element("h2", told.question),
        element("p", f"{chapter.origin}.", class_="kicker"),
        element("p", told.text, class_="answer"),
        *(element("p", fairer_words(fall), class_="answer") for fall in chapter.falls),
        element("ul", *(element("li", text) for text in held), class_="limits") if held else None,
        _section("What the paper claims", claims) if claims else None,
        _section(
            "As the comparison gets fairer", *_figures(falls, key), *waterfall_tables(chapter.falls, key)
        )
        if chapter.falls
        else None,
        _section("The numbers", *result_tables(group, key)),
        _section("Figures", *_figures(others, key)) if others else None,
        *_made(chapter),
        _section("For the appendix", _appendix(chapter)) if chapter.appendix else None,
        _section("How to repeat it", *_commands(chapter)),
        id=key,
        class_=None if single else "chapter",
    )


def _figures(drawings: Sequence[Drawing], key: str) -> list[Html]:
    if not drawings:
        return []
    return [element("div", *(figure(drawing, key) for drawing in drawings), class_="figures")]


def _made(chapter: Chapter) -> list[Html]:
    """How the numbers came about, as far as it is known."""
    group, records = chapter.group, chapter.records
    if chapter.imported is not None:
        return [_section("The runs", imported_runs(group, chapter.imported), sums(chapter.files))]
    assert group.plan is not None
    assert group.footing is not None
    return [
        _section(
            "The arms and what they share",
            arms_table(group.plan, records),
            footing_words(group.footing, records),
            site_lists(records),
            _folded("All shared settings, resolved", shared_settings(group.plan)),
            _folded("How the optimiser treats each arm's parameters", parameter_groups(records)),
        ),
        _section("The runs", runs_section(group, chapter.files, records)),
        _section(
            "Data, versions and machines",
            data_section(group),
            machines_section(records),
            _folded("What computed the activations", kernels_table(records)),
        ),
    ]


def _folded(summary: str, content: Html) -> Html:
    return element("details", element("summary", summary), content)


def _section(title: str, *children: Child, id: str | None = None) -> Html:
    return element("section", element("h3", title), *children, id=id)


def _commands(chapter: Chapter) -> list[Html]:
    return [
        join([element("p", f"{what}:"), element("pre", element("code", command))])
        for what, command in chapter.commands
    ]


def _appendix(chapter: Chapter) -> Html:
    return element(
        "dl",
        *(
            join([element("dt", head), element("dd", *_coded(text))], between="")
            for head, text in chapter.appendix
        ),
        class_="appendix",
    )


def _coded(text: str) -> list[Child]:
    """The text, with what stands between backquotes as code."""
    return [element("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))]


def _warnings(warnings: Sequence[str]) -> Html | None:
    if not warnings:
        return None
    items = [element("li", warning) for warning in warnings]
    return element(
        "article", element("h2", "What the program warned of"), element("ul", *items), id="warnings"
    )


def _footer(chapters: Sequence[Chapter]) -> Html:
    files = sum(len(chapter.files) for chapter in chapters)
    return element(
        "footer",
        element(
            "p",
            f"Made by actbench {__version__} from {files} record files, whose sums give ",
            element("code", digest(chapters)[:16]),
            ". The same files give this page to the byte; nothing in it was typed by hand.",
            class_="small-print",
        ),
    )
