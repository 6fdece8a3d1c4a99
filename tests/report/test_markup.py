"""Whatever is no HTML yet is escaped, and an SVG loses what only a file of its own needs."""

import re

from actbench.report.figures import Drawing, figure, inline
from actbench.report.grid import Field, facts, grid
from actbench.report.markup import Html, code, element, join

NASTY = '<b onclick="x">&"\''

SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" height="10pt" xmlns="http://www.w3.org/2000/svg">
 <metadata>
  <rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/"></rdf:RDF>
 </metadata>
 <defs><clipPath id="p1"><rect x="0" y="0" width="1.23456789" height="2"/></clipPath><path id="m1" d="M 0 0"/></defs>
 <!-- a comment -->
 <g id="axes_1"><path d="M 1.23456 -0.0004 L 2.000001 33.999" clip-path="url(#p1)"/><use xlink:href="#m1" x="1.5"/></g>
 <text style="font-size: 6px; font-family: 'DejaVu Sans', sans-serif; text-anchor: middle" x="1" transform="rotate(-0 1 2)">a</text>
</svg>
"""  # noqa: E501


def test_text_and_attributes_are_escaped_and_html_is_not() -> None:
    made = element("td", NASTY, element("b", "5 < 6"), data_sort_value=NASTY)
    assert made == (
        '<td data-sort-value="&lt;b onclick=&quot;x&quot;&gt;&amp;&quot;&#x27;">'
        '&lt;b onclick="x"&gt;&amp;"\'<b>5 &lt; 6</b></td>'
    )
    assert join([NASTY, Html("<br>")], between="<") == '&lt;b onclick="x"&gt;&amp;"\'&lt;<br>'
    assert code("a/<b>") == "<code>a/<wbr>&lt;b&gt;</code>"


def test_attributes_that_are_none_or_false_are_left_out() -> None:
    assert element("b", None, "x", title=None, hidden=False, open=True) == "<b open>x</b>"
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">\n'


def test_a_grid_names_its_rows_and_tells_how_to_sort() -> None:
    made = grid(NASTY, ("arm", "n"), [[NASTY, Field(text="1,000", sort="1000", number=True)], ["b", ""]])
    assert "<b onclick" not in made
    assert '<th scope="row">' in made
    assert '<td class="number" data-sort-value="1000">1,000</td>' in made
    assert "<td>-</td>" in made
    assert "data-sortable" in made
    assert "data-sortable" not in grid("one row", ("arm",), [["a"]])


def test_facts_without_a_value_are_left_out() -> None:
    assert facts([("a", "1"), ("b", None), ("c", "")]).count("<dt>") == 1


def test_an_svg_becomes_a_part_of_the_page() -> None:
    made = inline(SVG, "c1-curves-", 'two lines & "more"')
    assert made.startswith('<svg role="img" aria-label="two lines &amp; &quot;more&quot;" width="10pt"')
    assert "http" not in made
    assert not re.search(r"xmlns|xlink|metadata|DOCTYPE|axes_1|comment", made)
    assert 'id="c1-curves-p1"' in made
    assert 'clip-path="url(#c1-curves-p1)"' in made
    assert '<use href="#c1-curves-m1" x="1.5"/>' in made
    assert 'd="M1.2 0L2 34"' in made
    assert 'width="1.2"' in made
    assert '<text style="font-size: 6px; text-anchor: middle" x="1">a</text>' in made


def test_a_figure_has_a_caption_and_an_anchor() -> None:
    made = figure(Drawing(key="curves", title="T", caption="C < D", alternative="A", svg=SVG), "c2")
    assert made.startswith('<figure class="wide" id="c2-curves">')
    assert "<figcaption><b>T. </b>C &lt; D</figcaption>" in made
