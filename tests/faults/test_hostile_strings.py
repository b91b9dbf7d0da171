"""Names that want to be code, to turn a line around, or to fill a page: shown as text, everywhere."""

import json
import re
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures import (
    adoption,
    event_study,
    failure_rates,
    flow,
    forest,
    incident_flow,
    interactions,
    links,
    risk_windows,
    spill_over,
    table_html,
    verdict_strip,
)
from counterfault.figures.wording import clip, safe
from counterfault.publish import error_html, index_html, notebook_html, notebook_page

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "handler": '"><img src=x onerror=alert(1)>',
    "closing tags": "</td></table></svg></style></title><h1>owned</h1>",
    "address": "javascript:alert(1)",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "mathematics": r"$\frac{1}{0}$ $x_1^2",
    "quotes": "'\"`&lt;&amp;#39;",
    "lines": "check\r\nout\ttwo\u2028three\x00\x07\x1b[31m",
    "direction": "safe\u202egnp.exe\u2066x\u2069",
    "right to left": "שלום checkout سلام",
    "half a pair": "cart\ud800",
    "not in xml": "cart\ufffe\x0b",
    "style": "red;background:url(http://evil.example/x)",
    "markdown": "[x](javascript:alert(1)) ![y](http://evil.example/z.png) <b onclick=alert(1)>z</b>",
    "length": "ab " * 5000,
}
hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
# Drawing is slow, and a picture knows no Markdown, templates or addresses.
FOR_PICTURES = ["closing tags", "mathematics", "lines", "direction", "half a pair", "not in xml", "length"]


class Markup(HTMLParser):
    """The elements and attributes of a page, without its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[tuple[str, ...]] = Counter()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements[(tag, *sorted(name for name, _ in attrs))] += 1


def shape(html: str) -> Counter[tuple[str, ...]]:
    """What a page is built of. The boxes that scroll come and go with the width of a name, and are left out."""
    elements = Markup(html).elements
    # A name may bring a letter that needs no more than its own mark in the text; only boxes depend on length.
    return Counter({key: n for key, n in elements.items() if key != ("div", "aria-label", "class", "role", "tabindex")})


def record_with(name: str) -> dict:
    """The sample record with a name in every place where data can put one."""
    record = deepcopy(json.loads(SAMPLE.read_text(encoding="utf-8")))
    del record["estimates"][3:]
    record["plan"].update(title=name, question=name, outcome={"link": name}, strata=[name])
    record["data"]["tables"]["incidents"]["source"] = name
    record["data"]["not_assessed"] = [{"analysis": name, "reason": name}]
    record["data"]["notes"] = [name]
    record["data"]["population"][0]["step"] = name
    record["data"]["links"][0]["rule"] = name
    record["estimates"][0].update(label=name, design=name, adjustment=[name], method=name, caveats=[name])
    record["estimates"][1]["id"] = name
    record["checks"][0].update(question=name, sentence=name, threshold=name)
    record["verdict"].update(question=name, sentence=name, words=name, needed=name, excluded=name, deviations=[name])
    record["provenance"]["versions"] = {name[:200]: name}
    return record


@pytest.fixture(scope="module")
def harmless_report():
    return index_html(record_with("checkout"))


@hostile
def test_a_report_is_built_the_same_whatever_a_service_is_called(name, harmless_report):
    html = index_html(record_with(name))
    assert shape(html) == shape(harmless_report)
    assert not DIRECTION_MARKS.search(html)
    assert html.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe]", html)


def test_a_name_of_fifteen_kilobytes_is_cut_visibly():
    html = index_html(record_with(HOSTILE["length"]))
    without_downloads = re.sub(r'href="data:[^"]*"', "", html)
    # The record has the name in about thirty places; uncut they alone would be half a megabyte.
    assert len(without_downloads) < 150_000
    assert "ab ab…" in html


def figures_with(name: str):
    in_a_frame = name.replace("\ud800", "")  # a pandas frame of texts cannot hold half a pair at all
    estimate = Estimate(
        estimand=Estimand.RISK_RATIO, value=1.5, interval=Interval(1.1, 2, 0.95), method=name, label=name, id=name
    )
    nothing = not_estimable(Estimand.RISK_RATIO, name, method=name, level=0.95, label=name)
    yield verdict_strip(nothing, worth_acting_on=1.25)
    yield forest([estimate, nothing], worth_acting_on=1.25)
    yield adoption(pd.DataFrame({"period": [in_a_frame, "b"], "ai": [1, 2], "human": [3, 4], "unknown": [5, 6]}))
    yield failure_rates(
        pd.DataFrame({"period": [in_a_frame, in_a_frame], "exposed": [0, 1], "n": [10, 10], "events": [1, 2]})
    )
    yield flow(pd.DataFrame({"step": [in_a_frame, "analysed"], "ai": [1, 2], "human": [3, 4], "unknown": [5, 6]}))
    yield links(pd.DataFrame({"rule": [in_a_frame], "observed": [3], "expected_by_chance": [1.0]}))
    yield incident_flow(pd.DataFrame({"step": [in_a_frame], "record": [1], "time": [2], "untied": [3]}))
    yield interactions([replace(estimate, parts=(estimate, estimate)), nothing], [0.04, None])
    yield risk_windows(replace(estimate, parts=(estimate,)), nothing, nothing)
    yield spill_over([estimate, nothing], estimate)
    silent = not_estimable(Estimand.RISK_DIFFERENCE, name, method=name, level=0.95, label=name)
    period = replace(silent, value=0.1, label="period +1")
    yield event_study(replace(silent, value=0.1, parts=(period,), design=name, outcome=name), silent)


@pytest.mark.parametrize("kind", FOR_PICTURES)
def test_a_figure_stays_well_formed_and_is_only_shapes_and_text(kind):
    for figure in figures_with(HOSTILE[kind]):
        for svg in (figure.svg, figure.narrow):
            tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
            assert tags <= {"svg", "g", "path", "text"}
        html = figure._repr_html_()
        assert not DIRECTION_MARKS.search(html)
        assert shape(html)[("script",)] == 0 and shape(html)[("img", "onerror", "src")] == 0
        assert len(html) < 60_000


def hostile_notebook(name: str):
    estimate = not_estimable(Estimand.RISK_RATIO, name, method=name, level=0.95, label=name)
    outputs = [
        new_output("display_data", data={"text/markdown": name}),
        new_output("display_data", data={"text/html": name}),
        new_output("display_data", data={"text/plain": name}),
        new_output("display_data", data={"text/html": pd.DataFrame({"s": [name]})._repr_html_()}),
        new_output("display_data", data={"text/html": estimate._repr_html_()}),
        new_output("error", ename=name, evalue=name, traceback=[name]),
    ]
    cells = [new_markdown_cell("# Title"), new_markdown_cell(name), new_code_cell(f"# {name}", outputs=outputs)]
    return notebook_page(new_notebook(cells=cells), name="n")


# fmt: off
KNOWN_TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "nav", "ul", "ol", "li", "main", "h1", "h2",
    "h3", "footer", "div", "details", "summary", "span", "pre", "code", "strong", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "bdi", "em", "del", "b",
}
# fmt: on


@hostile
def test_a_notebook_shows_a_name_and_runs_none(name):
    html = notebook_html(hostile_notebook(name.replace("\ud800", "")))
    elements = Markup(html).elements
    assert {tag for tag, *_ in elements} <= KNOWN_TAGS
    assert not any(attribute.startswith("on") for _, *attributes in elements for attribute in attributes)
    # A link may lead elsewhere when somebody follows it; nothing may be fetched, and nothing run.
    assert not re.search(r'src="(?!data:)|href="\s*(?:javascript|data|vbscript):', html)
    assert html.count("</html>") == 1 and html.count("</style>") == 1


def test_html_in_a_computed_text_is_shown_as_the_text_it_is():
    body = hostile_notebook("<b>bold claim</b>").body_html
    assert '<div class="output prose"><p>&lt;b&gt;bold claim&lt;/b&gt;</p>' in body


@hostile
def test_an_error_page_is_built_the_same_whatever_failed(name):
    harmless = error_html("t", "n", "c", "e", ["a"])
    assert shape(error_html(name, name, name, name, [name])) == shape(harmless)
    assert error_html(name, name, name, name, [name]).encode("utf-8")


@given(st.text())
def test_any_text_becomes_one_clean_line_that_can_be_written(text):
    line = clip(text)
    assert len(line) <= 60 and line.isprintable() and not DIRECTION_MARKS.search(line)
    assert safe(text).encode("utf-8")
    assert clip(line) == line


@given(st.text())
def test_any_text_leaves_a_table_one_table(text):
    html = table_html(pd.DataFrame({text: [text]}), f"x{text}")
    assert shape(html) == shape(table_html(pd.DataFrame({"s": ["checkout"]}), "x"))
