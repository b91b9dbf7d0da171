"""The published page: complete, self-contained, honest about its state, the same for the same input."""

import json
import re
from copy import deepcopy
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import counterfault.publish
from counterfault.estimate import ESTIMATES_MIME
from counterfault.figures import Figure, Table, adoption, table_html
from counterfault.publish import (
    NotebookPage,
    error_html,
    index_html,
    notebook_html,
    notebook_page,
    write_all,
    write_whole,
)

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
STYLE = Path(counterfault.publish.__file__).parent / "templates" / "style.css"


@pytest.fixture
def record():
    return json.loads(SAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def chart() -> Figure:
    return adoption(pd.DataFrame({"period": ["2025", "2026"], "ai": [1, 30], "human": [99, 70], "unknown": [10, 0]}))


def code(source, *outputs, ran=True):
    cell = new_code_cell(source, outputs=list(outputs))
    cell.execution_count = 1 if ran else None
    return cell


def shown(**data):
    return new_output("display_data", data={kind.replace("_", "/", 1): value for kind, value in data.items()})


def shown_html(html):
    return shown(text_html=html)


def page_of(*cells, name="30_association") -> NotebookPage:
    return notebook_page(new_notebook(cells=list(cells)), name=name)


@pytest.fixture(scope="module")
def notebook(chart):
    frame = pd.DataFrame({"service": ["checkout", "search"], "n": [1200, 33]})
    return page_of(
        new_markdown_cell("# Do they fail more often?\n\nInputs: two tables."),
        code("from counterfault import analyse", new_output("stream", name="stderr", text="FutureWarning: leaked")),
        new_markdown_cell("## Rates"),
        code("adoption(frame)", shown(text_html=chart._repr_html_(), text_plain="Figure(svg=...)")),
        new_markdown_cell("#### Too deep"),
        code("frame", shown(text_html=frame._repr_html_(), text_plain="frame")),
        code("print(1)", new_output("stream", name="stdout", text="printed by a cell")),
        new_markdown_cell("## Limits"),
    )


@pytest.fixture(scope="module")
def page(notebook):
    """The whole report, drawn once for all the tests that only look at it."""
    return index_html(json.loads(SAMPLE.read_text(encoding="utf-8")), [notebook])


@pytest.fixture
def quick(chart):
    """A report without drawings of its own, for tests of its words."""

    def report(record, notebooks=()):
        ratios = [entry for entry in record["estimates"] if "ratio" in entry["estimand"]]
        words_only = {**record, "estimates": ratios, "data": {**record["data"], "population": [], "links": []}}
        return index_html(words_only, notebooks, primary_figure=chart, forest_figure=chart)

    return report


class Outline(HTMLParser):
    """What a browser or a screen reader would find: tags, heading levels, references, ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.levels: list[int] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster", "action"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)
            if name.startswith("on"):
                self.handlers.append(name)


def all_pages(page, notebook):
    return {
        "index": page,
        "notebook": notebook_html(notebook),
        "error": error_html("A question", "30_association", "x = 1", "Boom", ["10_data_quality"]),
    }


def words(html: str) -> str:
    """The text of a page, spaces and all markup aside."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


# --- every page ------------------------------------------------------------------------------------------------------


def test_the_sample_is_a_valid_record(record):
    schema = Path(counterfault.__file__).with_name("results.schema.json")
    jsonschema.validate(record, json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", ["index", "notebook", "error"])
def test_a_page_has_language_title_landmarks_one_h1_and_no_skipped_level(page, notebook, kind):
    html = all_pages(page, notebook)[kind]
    outline = Outline(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert re.search(r"<title>[^<]{10,}</title>", html)
    assert outline.levels.count(1) == 1 and outline.levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert [outline.tags.count(tag) for tag in ("main", "nav", "footer", "header")] == [1, 1, 1, 1]
    assert '<a class="skip" href="#main">' in html


@pytest.mark.parametrize("kind", ["index", "notebook", "error"])
def test_a_page_asks_the_network_for_nothing_and_runs_nothing(page, notebook, kind):
    html = all_pages(page, notebook)[kind]
    outline = Outline(html)
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(outline.tags)
    # The files of the same run are linked and never loaded; all else is in the page.
    beside = re.compile(r"#|data:|notebooks/\w+\.html(#|$)|(results\.json|estimates\.csv|summary\.md)$")
    assert all(map(beside.match, outline.references))
    assert not outline.handlers
    assert "@import" not in html and not re.search(r"url\(", html)


@pytest.mark.parametrize("kind", ["index", "notebook", "error"])
def test_every_address_on_a_page_exists_and_no_id_stands_twice(page, notebook, kind):
    outline = Outline(all_pages(page, notebook)[kind])
    assert len(outline.ids) == len(set(outline.ids))
    assert {reference[1:] for reference in outline.references if reference.startswith("#")} <= set(outline.ids)


def test_equal_inputs_give_equal_bytes(record, notebook, page):
    assert index_html(deepcopy(record), [notebook]) == page


def test_the_shell_is_small(record):
    record["estimates"] = record["checks"] = record["data"]["population"] = record["data"]["links"] = []
    assert len(index_html(record).encode()) < 30_000


# --- the first screen ------------------------------------------------------------------------------------------------


def first_screen(html: str) -> str:
    return html[html.index('<section id="answer"') : html.index('id="evidence"')]


def test_the_first_screen_answers(record, page):
    screen = words(first_screen(page))
    for part in (
        record["plan"]["question"],
        "AI-assisted changes fail more often, by enough to act on.",
        record["verdict"]["sentence"],
        "Risk ratio 1.62 95% interval 1.31–2.00; within service × quarter",
        "Grade B A to D; 2 of 4 checks passed, 1 not assessed",
        "Deployments analysed 25,650 6,320 AI-assisted, 19,330 not; 21,910 of them can be compared; 2,813 left out "
        "because their assistance is unknown",
        "Incidents 871",
        "121 95% interval 70 to 158; among AI-assisted deployments, beyond the others’ risk method",
        "1\u00a0Jan\u00a02025 to 30\u00a0Jun\u00a02026".replace("\u00a0", " "),
        "112 of 29,260 rows of deployments broke the contract and were set aside.",
    ):
        assert part in screen
    assert first_screen(page).count('role="img"') == 2  # wide and narrow


@pytest.mark.parametrize(
    ("call", "sign"),
    [
        ("more", "▲"),
        ("more_size_unsettled", "△"),
        ("no_material_difference", "≈"),
        ("fewer_size_unsettled", "▽"),
        ("fewer", "▼"),
        ("cannot_tell", "?"),
    ],
)
def test_a_call_is_told_by_words_and_sign_not_by_colour_alone(record, quick, call, sign):
    record["verdict"].update(call=call, words=f"words for {call}")
    screen = first_screen(quick(record))
    assert f'<span class="sign" aria-hidden="true">{sign}</span> Words for {call}.' in screen


def test_a_page_without_a_primary_value_says_so_and_what_it_would_take(record):
    primary = next(entry for entry in record["estimates"] if entry["id"] == "primary")
    primary.update(value=None, low=None, high=None, caveats=["no service has both kinds of change"])
    record["verdict"].update(
        call="cannot_tell", words="the data cannot tell", needed="Needed: 40 failures.", attributable_incidents=None
    )
    screen = words(first_screen(index_html(record)))
    assert "The data cannot tell." in screen
    assert "Risk ratio not estimable no service has both kinds of change" in screen
    assert "Needed: 40 failures." in screen


def test_a_run_without_a_primary_estimate_still_has_a_page(record):
    record["estimates"] = []
    assert "No estimate was made." in index_html(record)


def test_failed_gates_departures_and_failed_notebooks_are_warned_of(record, quick):
    record["checks"][0].update(status="fail", sentence="Only 9 strata hold both kinds.")
    record["verdict"]["deviations"] = ["the window was shortened"]
    failed = page_of(
        new_markdown_cell("# Adoption"), code("x", new_output("error", ename="E", evalue="v", traceback=[]))
    )
    stopped = page_of(new_markdown_cell("# Timing"), code("x", ran=False), name="40_timing")
    screen = words(first_screen(quick(record, [failed, stopped])))
    assert "A gate failed, so no estimate may speak: Only 9 strata hold both kinds." in screen
    assert "Deviations the window was shortened Before you rely on this" in screen
    assert "Notebook “Adoption” failed." in screen
    assert "Notebook “Timing” did not finish." in screen


def test_every_deviation_stands_on_the_first_screen_under_its_heading(record, quick):
    record["verdict"]["deviations"] = ["never frozen.", "title was <b> before."]
    screen = first_screen(quick(record))
    assert '<h2 id="deviations">Deviations</h2>' in screen
    assert "<li>never frozen.</li>" in screen and "<li>title was &lt;b&gt; before.</li>" in screen


def test_a_promise_that_was_kept_is_told_and_one_that_nobody_looked_at_is_not(record, quick):
    record["verdict"]["deviations"] = []
    kept = words(first_screen(quick(record)))
    assert "Deviations None: the plan is as it was frozen, before any of the data it uses." in kept
    del record["verdict"]["deviations"]
    assert "Deviations" not in words(first_screen(quick(record)))


def test_an_adjusted_p_stands_beside_its_p_with_the_family_it_belongs_to(record, page):
    table = re.search(r"<caption><span>Estimates discussed in 30_association.*?</table>", page, re.DOTALL)[0]
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
    assert heads[-4:] == ["p", "adjusted p", "family", "shown in"]
    row = re.search(r">direct\.risk_ratio</a>.*?</tr>", table, re.DOTALL)[0]
    assert re.findall(r"<td>(.*?)</td>", row)[-4:-1] == ["0.008", "0.008", "exploratory"]


# --- the rest of the report ------------------------------------------------------------------------------------------


def test_checks_carry_status_as_sign_and_word_and_the_number_that_decided(page):
    text = words(page)
    assert "✓ pass Are there enough incidents and discordant strata? gate" in text
    assert "✕ fail Are incidents linked by record rather than by time?" in text
    assert "○ not assessed Do negative controls stay at 1?" in text
    assert re.search(r"46 % of linked incidents carry a recorded cause\. 46% at least 50%", text)


def test_crude_and_adjusted_estimates_stand_in_one_table_and_one_picture(page):
    caption = "<caption><span>Estimates discussed in 30_association, with 95% limits"
    table = re.search(rf"{caption}.*?</table>", page, re.DOTALL)[0]
    rows = re.findall(r'<th scope="row"><a href="#m\d+">(.*?)</a></th><td>(.*?)</td>', table)
    assert rows[:2] == [("crude.risk_ratio", "2.31"), ("stratified.risk_ratio", "1.62")]
    assert ("stratified.odds_ratio", "not estimable") in rows
    assert "Ratios side by side" in page and "Differences side by side" in page


def test_the_primary_estimate_is_not_counted_once_more_under_its_own_name(record):
    record["plan"]["primary"] = "stratified.risk_ratio"
    page = index_html(record)
    picture = re.search(r"<strong>Ratios side by side</strong>.*?</figure>", page, re.DOTALL)[0]
    assert "<bdi>primary</bdi>" in picture and "stratified: risk ratio" not in picture


def test_p_values_come_with_their_number_and_their_limits(record, page, quick):
    assert "about 0.10 of the 2 p values outside the primary family would be below 0.05" in words(page)
    for entry in record["estimates"]:
        entry["p_value"] = None
    assert "p values" not in words(quick(record))


def test_what_was_not_assessed_and_what_cannot_be_told_is_always_there(page):
    text = words(page)
    assert "severity : no column severity" in text
    assert "What this page cannot tell you That AI assistance causes the difference." in text


def test_a_figure_given_is_shown_in_place_of_the_made_one(record, quick):
    given = quick(record)
    assert "AI-assisted changes over time" in first_screen(given)
    assert "Ratios side by side" not in given


def test_every_number_leads_to_its_method_and_to_the_cell_that_shows_it(record):
    shown = "<table><tr><th>crude.risk_ratio</th></tr></table>"
    last = {"text/plain": "provenance", ESTIMATES_MIME: [{"id": "crude.risk_ratio"}, {"id": "stratified.risk_ratio"}]}
    showing = page_of(
        new_markdown_cell("# Do they fail more often?"),
        code("table(crude)", shown_html(shown)),
        code("closing()", new_output("display_data", data=last)),
    )
    html = index_html(record, [showing])
    rows = dict(re.findall(r'<tr><th scope="row"><a href="#(m\d+)">crude\.risk_ratio</a>.*?<a href="(.*?)">', html))
    ((method, cell),) = rows.items()
    assert cell == "notebooks/30_association.html#cell-2" and 'id="cell-2"' in showing.body_html
    made = re.search(rf'<div id="{method}">.*?</div>', html, re.DOTALL)[0]
    assert "crude.risk_ratio" in made and record["estimates"][0]["method"][1:] in unescape(made)
    # Not named in any output, but among those the notebook kept at its end.
    assert re.search(r">stratified\.risk_ratio</a>.*?#cell-3\"", html)
    # Of another notebook, which is not there.
    record["estimates"][0]["notebook"] = "40_within_service"
    assert "#cell-2" not in index_html(record, [showing])


def test_what_a_notebook_offers_stands_on_the_front_page_and_nothing_else_of_it(record, chart):
    offering = code("adoption(frame)", shown(text_html=chart._repr_html_()))
    offering.metadata["tags"] = ["report"]
    told = code("tell()", shown(text_markdown="Of 9 **changes** <b>all</b> failed."))
    told.metadata["tags"] = ["report"]
    kept = code("links(frame)", shown(text_html="<p>kept to itself</p>"))
    html = index_html(record, [page_of(new_markdown_cell("# How much AI?"), offering, told, kept)])
    evidence = html[html.index('id="evidence"') : html.index('id="checks"')]
    assert "How much AI?" in evidence and "AI-assisted changes over time" in evidence
    assert '<a href="notebooks/30_association.html#cell-2">Notebook 30_association, cell 2</a>' in evidence
    assert "Of 9 <strong>changes</strong> &lt;b&gt;all&lt;/b&gt; failed." in evidence
    assert "kept to itself" not in html


def test_the_failures_beyond_the_expected_lead_to_the_formula_that_made_them(record, quick):
    html = quick(record)
    assert '<a href="#beyond">method</a>' in first_screen(html)
    made = words(re.search(r'<div id="beyond">.*?</div>', html, re.DOTALL)[0])
    assert "Failed AI-assisted deployments × (1 − 1/ratio), at the primary ratio and at each of its limits" in made
    record["verdict"]["attributable_incidents"] = None
    assert "#beyond" not in quick(record) and 'id="beyond"' not in quick(record)


def test_an_estimate_without_limits_of_its_own_shows_none(record, quick):
    record["estimates"][0].update(low=None, high=None)
    row = re.search(r">crude\.risk_ratio</a>.*?</tr>", quick(record), re.DOTALL)[0]
    assert re.findall(r"<td>(.*?)</td>", row)[:2] == ["2.31", "–"]


def test_a_criterion_is_never_cut_and_a_whole_number_has_no_decimals(record, quick):
    record["checks"][0].update(value=40.0, threshold="at least 4 each, " + "and on the side that is claimed, " * 4)
    text = words(quick(record))
    assert "40 at least 4 each" in text and text.count("and on the side that is claimed,") == 4


def test_an_unknown_estimand_is_named(record):
    record["estimates"][0]["estimand"] = "hazard quotient"
    with pytest.raises(
        ValueError, match=r"estimate 'crude.risk_ratio': 'hazard quotient' is not an estimand; there are "
    ):
        index_html(record)


# --- notebooks -------------------------------------------------------------------------------------------------------


def test_a_notebook_page_has_name_title_and_status(notebook):
    assert (notebook.name, notebook.title, notebook.status) == (
        "30_association",
        "Do they fail more often?",
        "finished",
    )


def test_headings_of_a_notebook_follow_one_another_without_a_gap(notebook):
    assert Outline(notebook.body_html).levels == [2, 3, 2]


def test_nothing_a_cell_printed_or_warned_about_reaches_the_page(notebook):
    assert "leaked" not in notebook.body_html and "printed by a cell" not in notebook.body_html


def test_code_is_closed_away_and_can_be_told_apart(notebook):
    summaries = re.findall(r"<summary>Code (.*?)</summary>", notebook.body_html)
    assert [re.sub("<[^>]+>", "", summary) for summary in summaries] == ["cell 2", "cell 4", "cell 6", "cell 7"]
    assert "<details open" not in notebook.body_html


def test_a_figure_survives_the_way_through_a_notebook(notebook, chart):
    def drawing(html):
        svg = re.search(r'<svg class="wide".*?</svg>', html, re.DOTALL)[0]
        return sorted(re.findall(r' (d|x|y|transform|viewBox|aria-label)="([^"]*)"', svg))

    assert drawing(notebook.body_html) == drawing(chart._repr_html_())
    assert "var(--ai, #c2560c)" in notebook.body_html and "currentColor" in notebook.body_html


def test_a_pandas_table_becomes_accessible(notebook):
    table = re.search(r"<table><caption><span>2 rows, 3 columns.*?</table>", notebook.body_html, re.DOTALL)[0]
    assert table.count('scope="col"') == 2 and table.count('scope="row"') == 2
    assert '<td class="number">1200</td>' in table and "dataframe" not in table and "<th></th>" not in table


def test_our_own_table_is_left_as_it_is():
    frame = pd.DataFrame({"service": ["checkout"], "n": [3]})
    body = page_of(code("t", shown(text_html=Table(frame, "Services")._repr_html_()))).body_html
    assert table_html(frame, "Services") in body


def test_a_picture_without_alternative_text_fails_the_page():
    with pytest.raises(ValueError, match=r"begins 'plt.plot\(x\)' shows a picture without alternative text; show a "):
        page_of(code("plt.plot(x)", shown(image_png="iVBORw0KGgo=")))


def test_a_picture_with_alternative_text_carries_it():
    output = shown(image_png="iVBORw0KGgo=")
    output.metadata = {"image/png": {"alt": 'Two "lines" cross'}}
    body = page_of(code("plt.plot(x)", output)).body_html
    assert '<img class="output" src="data:image/png;base64,iVBORw0KGgo=" alt="Two &quot;lines&quot; cross">' in body


def test_a_failed_notebook_shows_that_it_failed():
    failed = page_of(
        code("1/0", new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["\x1b[31m"]))
    )
    assert failed.status == "failed"
    html = notebook_html(failed)
    assert "<strong>This notebook failed.</strong>" in html
    assert "ZeroDivisionError" in html and "division by zero" in html and "\x1b" not in html


def test_a_notebook_whose_kernel_died_is_not_taken_for_finished():
    assert page_of(code("a"), code("b", ran=False)).status == "not finished"
    dead = nbformat.from_dict(new_notebook(cells=[code("a")], metadata={"papermill": {"exception": True}}))
    assert notebook_page(dead).status == "failed"


def test_a_notebook_without_a_heading_goes_by_its_name():
    page = page_of(new_markdown_cell("words"), name="10_data quality/../x")
    assert (page.title, page.name) == ("10_data quality/../x", "10_data-quality-x")


def test_an_error_page_says_what_failed_and_what_finished():
    html = error_html("A question", "30_association", "links = link(x)", "\x1b[31mBoom\x1b[0m\n  in <b>", ["10_data"])
    text = words(html)
    assert "This run failed. Nothing here is a result." in text
    assert "Boom\n  in &lt;b&gt;</pre>" in html and "\x1b" not in html
    assert "links = link(x)" in text and "10_data" in text
    assert "No notebook had finished." in error_html("A question", "n", "", "Boom", [])


# --- looks that can be computed --------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does():
    # the two ends are defined: black on white is 21:1; #767676 is the usual example of just over 4.5:1
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


THEMES = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in STYLE.read_text().split(":root {")[1:3]]


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_and_marks_keep_their_contrast(theme):
    papers = {"paper": theme["paper"], "raised": theme["raised"]}
    for name in ("ink", "muted", "link", "more", "fewer", "even", "open", "good", "bad"):
        for paper in papers.values():
            assert contrast(theme[name], paper) >= 4.5, name
    for name in ("ai", "human", "unknown"):
        assert contrast(theme[name], theme["paper"]) >= 3, name
    assert contrast(theme["ink"], theme["warn-paper"]) >= 4.5
    assert contrast(theme["ink"], theme["bad-paper"]) >= 4.5


@pytest.mark.parametrize("paper", ["#ffffff", "#111111"])
def test_data_colours_without_a_style_sheet_show_on_white_and_on_near_black(paper):
    from counterfault.figures.svg import AI, HUMAN, QUIET, UNKNOWN

    assert min(contrast(colour, paper) for colour in (AI, HUMAN, UNKNOWN, QUIET)) >= 3


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "deep" / "index.html"
    write_whole(target, "old")
    write_whole(target, "new – ünïcode")
    assert target.read_text(encoding="utf-8") == "new – ünïcode"
    assert list(target.parent.iterdir()) == [target]


def test_if_one_file_cannot_be_written_none_changes(tmp_path):
    write_all(tmp_path, {"index.html": "good", "notebooks/10.html": "good"})
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError, match="taken is a directory, so no file of that name"):
        write_all(tmp_path, {"index.html": "bad", "notebooks/10.html": b"bad", "taken": "bad"})
    assert (tmp_path / "index.html").read_text() == "good"
    assert (tmp_path / "notebooks" / "10.html").read_text() == "good"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["10.html", "index.html", "notebooks", "taken"]
