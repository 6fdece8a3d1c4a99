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
from actbench.report.figures import figure
from actbench.report.limits import limits
from actbench.report.making import data_section, kernels_table, machines_section
from actbench.report.markup import Child, Html, element, join
from actbench.report.runs import runs_section

_FOLDER = Path(__file__).parent


def digest(chapters: Sequence[Chapter]) -> str:
    """Hash of the records that a page is made from, so that two pages can be told apart without a date."""
    sums = sorted(run.sha256 for chapter in chapters for run in chapter.runs)
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def page(chapters: Sequence[Chapter], warnings: Sequence[str] = ()) -> str:
    """The page as a file's text. The same records give the same bytes."""
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
            element("small", _origin(chapter)),
        )
        for chapter, told in zip(chapters, answers, strict=True)
    ]
    return element("nav", element("ol", *items), aria_label="Contents")


def _origin(chapter: Chapter) -> str:
    setting = chapter.group.setting
    parts = [setting.name, setting.variant, f"profile {setting.profile}" if setting.profile else None]
    runs = f"{len(chapter.runs)} runs" if chapter.runs else f"imported from {setting.source}"
    return ", ".join(part for part in (*parts, runs) if part)


def _chapter(chapter: Chapter, told: Answer, single: bool) -> Html:
    group, key = chapter.group, chapter.key
    held = limits(group)
    return element(
        "article",
        None if single else element("h2", told.question),
        element("p", f"Recipe {_origin(chapter)}.", class_="kicker"),
        element("p", told.text, class_="answer"),
        element("ul", *(element("li", text) for text in held), class_="limits") if held else None,
        _section("What the paper claims", chapter.claims) if chapter.claims else None,
        _section("The numbers", *chapter.tables, id=f"{key}-numbers"),
        _section(
            "Figures",
            element("div", *(figure(drawing, key) for drawing in chapter.drawings), class_="figures"),
        )
        if chapter.drawings
        else None,
        *_made(chapter),
        _section("For the appendix", _appendix(chapter)) if chapter.appendix else None,
        _section("How to repeat it", *_commands(chapter)),
        id=key,
        class_=None if single else "chapter",
    )


def _made(chapter: Chapter) -> list[Html]:
    """What only runs of our own can tell."""
    group, records = chapter.group, [run.record for run in chapter.runs]
    if group.plan is None or not records:
        return [_section("Data", data_section(group))]
    return [
        _section(
            "The arms and what they share",
            arms_table(group.plan, records),
            footing_words(group.footing or "", records),
            site_lists(records),
            element(
                "details", element("summary", "All shared settings, resolved"), shared_settings(group.plan)
            ),
            element(
                "details",
                element("summary", "How the optimiser treats each arm's parameters"),
                parameter_groups(records),
            ),
        ),
        _section("The runs", runs_section(group, chapter.runs)),
        _section(
            "Data, versions and machines",
            data_section(group),
            machines_section(records),
            element("details", element("summary", "What computed the activations"), kernels_table(records)),
        ),
    ]


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
    runs = sum(len(chapter.runs) for chapter in chapters)
    return element(
        "footer",
        element(
            "p",
            f"Made by actbench {__version__} from {runs} records, whose sums give ",
            element("code", digest(chapters)[:16]),
            ". The same records give this page to the byte; nothing in it was typed by hand.",
            class_="small-print",
        ),
    )
