"""The page in a real browser: it complains of nothing, asks for nothing, sorts by a click, fits a telephone, prints."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.commands.report import ReportRequest, report
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from tests.report.stored import store_runs

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)
WIDTHS = (1280, 390, 360)
PROBE = """<!DOCTYPE html>
<iframe id="frame" height="900" srcdoc="%s"></iframe><pre id="outcome"></pre>
<script>
addEventListener("load", () => {
  const frame = document.getElementById("frame"), page = frame.contentDocument, found = { overflow: {} };
  for (const width of %s) {
    frame.width = width;
    found.overflow[width] = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  }
  const table = page.querySelector("figure.table table"), head = table.tHead.rows[0].cells[1];
  const button = head.querySelector("button");
  const arms = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());
  found.orders = [[arms(), head.getAttribute("aria-sort")]];
  for (let click = 0; click < 3; click++) {
    button.click();
    found.orders.push([arms(), head.getAttribute("aria-sort")]);
  }
  button.focus();
  found.takesFocus = page.activeElement === button;
  found.asked = frame.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name);
  document.getElementById("outcome").textContent = JSON.stringify(found);
});
</script>
"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)"
)


def browse(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_recipe: Callable[..., Recipe],
    make_run: Callable[..., RunRecord],
) -> Path:
    """A report without figures."""
    monkeypatch.chdir(tmp_path)
    arms = [{"name": name, "activation": name} for name in ("relu", "swish", "lslu", "gelu")]
    store_runs(tmp_path, make_recipe(arms=arms), make_run)
    report(ReportRequest(references=("results",), with_figures=False))
    return tmp_path / "report.html"


def probed(page: Path) -> tuple[dict[str, Any], list[str]]:
    """What the probe found, and what the browser's console said."""
    probe = page.with_name("probe.html")
    probe.write_text(PROBE % (html.escape(page.read_text()), list(WIDTHS)))
    done = browse(page.parent, "--dump-dom", probe.as_uri())
    outcome = re.search(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert outcome is not None, done.stderr
    return json.loads(html.unescape(outcome[1])), re.findall(r".*CONSOLE.*", done.stderr)


def test_the_page_sorts_fits_and_is_quiet(page: Path) -> None:
    found, console = probed(page)
    assert console == []
    assert found["asked"] == []
    assert found["overflow"] == {str(width): 0 for width in WIDTHS}
    recipe_order = ["relu", "swish", "lslu", "gelu"]
    assert found["orders"] == [
        [recipe_order, None],
        [["lslu", "swish", "relu", "gelu"], "descending"],
        [["relu", "swish", "lslu", "gelu"], "ascending"],  # gelu has no run: last either way
        [recipe_order, None],
    ]
    assert found["takesFocus"]


def test_the_console_is_listened_to(page: Path) -> None:
    page.write_text(page.read_text().replace('"use strict";', '"use strict"; console.error("here"); '))
    _, console = probed(page)
    assert len(console) == 1
    assert "here" in console[0]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext here (Debian: poppler-utils)")
def test_what_is_folded_is_printed(page: Path) -> None:
    text = page.read_text()
    page.write_text(text[: text.index("<script>")])  # the style alone prints it whole
    browse(page.parent, "--print-to-pdf=page.pdf", "--no-pdf-header-footer", page.as_uri())
    printed = subprocess.run(
        ["pdftotext", "-layout", "page.pdf", "-"], cwd=page.parent, capture_output=True, text=True, check=True
    ).stdout
    for phrase in ("label_smoothing", "weight decay", "Hedges", "lslu-seed2"):
        assert phrase in printed, phrase
