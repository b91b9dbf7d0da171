"""The page of error rates: complete, self-contained, the same for the same runs, and honest about what is missing."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from xml.etree import ElementTree

import pandas as pd
import pytest

from counterfault.figures.claims import MARKS, claims
from counterfault.plan import Plan
from counterfault.publish.validation import CANDIDATES, NAIVE, OURS, validation_html, write_validation
from counterfault.publish.validation import ORACLE as ORACLE_ON_THE_PAGE
from counterfault.simulate import WORLDS, World
from counterfault.validating import runs
from counterfault.validating.summary import Target, summarised, targets

NULL, HARM, BENEFIT = WORLDS["null_standard"], WORLDS["harm_20"], WORLDS["benefit_06"]
PLAN = Plan()


def run_rows(world: World, truth: float, *, harm: int, benefit: int = 0, of: int = 20, interval: bool = True) -> list:
    """So many runs of a world, of which so many claim harm or benefit; each reading alike."""
    rows = []
    for seed in range(of):
        side = 1 if seed < harm else -1 if seed < harm + benefit else 0
        value, low, high = (truth * (0.9 + 0.01 * seed), 0.8 * truth, 1.3 * truth) if interval else (nan, 0.0, inf)
        if seed == 19 and interval:
            low = 1.01 * truth  # one in twenty misses it
        row = {"world": world.name, "seed": seed, "truth": truth, "value": value, "low": low, "high": high}
        call = {1: "more", -1: "fewer", 0: "cannot_tell"}[side]
        rows.append({**row, "reading": OURS, "side": side, "call": call, "gates": "" if seed else "overlap"})
        rows += [{**row, "reading": name, "side": side} for name in (*CANDIDATES, *NAIVE, ORACLE_ON_THE_PAGE)]
    return rows


def page(*worlds: tuple[World, list]) -> str:
    summary = summarised([row for _, rows in worlds for row in rows])
    found = [world for world, _ in worlds]
    kept = targets(summary, {world.name: world.scale.services for world in found})
    return validation_html(summary, kept, found, plan=PLAN, runs=20, seed=7)


THREE = (
    (NULL, run_rows(NULL, 1.0, harm=2)),
    (HARM, run_rows(HARM, 2.0, harm=18)),
    (BENEFIT, run_rows(BENEFIT, 0.6, harm=0, benefit=16)),
)


@pytest.fixture(scope="module")
def html() -> str:
    return page(*THREE)


class Outline(HTMLParser):
    """Tags, references, ids and headings, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.images: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        known = dict(attrs)
        self.references += [known[name] for name in ("src", "href", "srcset", "action") if name in known]
        self.handlers += [name for name in known if name.startswith("on")]
        self.ids += [known["id"]] if "id" in known else []
        if known.get("role") == "img":
            self.images.append(known.get("aria-label", ""))


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|svg).*?</\1>", "", html)).split())


# --- what a page must be


def test_the_page_stands_alone(html):
    outline = Outline(html)
    assert set(outline.tags) & {"script", "link", "iframe", "object", "embed", "img"} == set()
    assert not outline.handlers
    assert not re.search(r"url\(|@import", html)
    beside = {"validation.csv", "validation_worlds.json"}
    inside = ("#", "data:text/csv;")  # the numbers behind the figures
    assert {reference for reference in outline.references if not reference.startswith(inside)} == beside


def test_every_place_that_is_pointed_to_is_there_once(html):
    outline = Outline(html)
    pointed = [reference.removeprefix("#") for reference in outline.references if reference.startswith("#")]
    assert set(pointed) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_figures_have_words_for_those_who_cannot_see_them(html):
    images = Outline(html).images
    assert len(images) == 4  # two figures, each for a wide and for a narrow screen
    assert all(alt.startswith("One row per world with a mark for each reading") for alt in images)
    assert all("null standard" in alt for alt in images[:2]) and all("harm 20" in alt for alt in images[2:])


def test_the_same_runs_give_the_same_bytes(tmp_path, html):
    assert page(*THREE) == html
    written = []
    for name in ("once", "again"):
        summary = summarised([row for _, rows in THREE for row in rows])
        worlds = [world for world, _ in THREE]
        kept = targets(summary, {world.name: world.scale.services for world in worlds})
        write_validation(tmp_path / name, summary, kept, worlds, plan=PLAN, runs=20, seed=7)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"validation.html", "validation.csv", "validation_worlds.json"}
    assert written[0]["validation.html"].decode() == html


def test_what_is_named_in_a_world_or_a_plan_can_break_nothing():
    hostile = replace(NULL, name="<script>alert(1)</script>", reason='"><img src=x onerror=alert(1)> & <b>more</b>')
    shown = page((hostile, run_rows(hostile, 1.0, harm=1)))
    outline = Outline(shown)
    assert not set(outline.tags) & {"script", "img", "b"} and not outline.handlers
    assert "&lt;script&gt;" in shown


# --- what it says


def test_the_headlines_name_the_worst_world(html):
    told = text_of(html)
    assert (
        "Where AI does nothing, the verdict cried harm in at most 10.0% of the runs of a world (null_standard), and "
        "benefit in at most 0.0% (null_standard)." in told
    )
    assert "The primary interval held the truth in 95.0% (" in told


def test_promises_kept_and_missed_stand_apart_with_what_a_report_says_there(html):
    found = summarised([row for _, rows in THREE for row in rows])
    kept = targets(found, {world.name: world.scale.services for world, _ in THREE})
    assert f"{sum(target.kept for target in kept)} of {len(kept)} promises were kept." in text_of(html)
    missed, rest = html.split("<summary>Promises kept</summary>")
    assert "false harm" in missed and "false harm" not in rest.split("</details>")[0]
    assert "10.0 ± 7.3" in missed  # two of twenty, read as three of 22: sqrt(3/22 · 19/22 / 22)
    assert "cannot tell 90%, harm 10%; silenced by a gate 5%" in missed


def test_where_every_promise_is_kept_no_table_says_otherwise():
    shown = page((NULL, run_rows(NULL, 1.0, harm=0)))
    assert "Promises not kept" not in shown
    assert "3 of 3 promises were kept." in text_of(shown)


def test_a_world_without_any_interval_shows_dashes_and_no_nan():
    shown = page((NULL, run_rows(NULL, 1.0, harm=0, interval=False)), THREE[1])
    assert not re.search(r"\bnan\b", text_of(shown))
    assert "–" in text_of(shown)


def test_without_a_null_world_or_without_harm_a_figure_is_left_out():
    assert len(Outline(page(THREE[1])).images) == len(Outline(page(THREE[0])).images) == 2
    assert Outline(page(THREE[2])).images == []  # a benefit is no harm to be seen


def test_readings_are_shown_side_by_side_in_percent(html):
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"(?s)<tr>(.*?)</tr>", html)]
    cells = [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in rows]
    assert ["benefit 06", "0.60", *["0.0 / 80.0"] * 6] in cells  # verdict, four naive readings, oracle
    assert ["harm 20", "2.00", *["90.0 / 0.0 / 95.0"] * 3] in cells  # the candidates, with their coverage


def test_it_says_how_it_was_made(html):
    told = text_of(html)
    assert f"Plan {PLAN.digest} : links recorded then window, window 24 h, within service × quarter" in told
    assert "First seed 7." in told
    assert "Each of 20 organisations per world" in told


def test_the_table_beside_it_holds_every_number(tmp_path):
    summary = summarised([row for _, rows in THREE for row in rows])
    write_validation(tmp_path, summary, [], [world for world, _ in THREE], plan=PLAN, runs=20, seed=7)
    text = (tmp_path / "validation.csv").read_text(encoding="utf-8")
    read = list(csv.DictReader(text.splitlines()))
    assert len(read) == len(summary) == 3 * 9
    assert list(read[0]) == list(summary)
    assert [float(row["harm"]) for row in read if row["reading"] == OURS] == [0.1, 0.9, 0.0]
    settings = json.loads((tmp_path / "validation_worlds.json").read_text(encoding="utf-8"))
    assert [world["name"] for world in settings] == ["null_standard", "harm_20", "benefit_06"]
    assert settings[1]["effect"]["risk"] == 2.0


def test_the_page_knows_every_reading_of_a_run():
    assert (OURS, ORACLE_ON_THE_PAGE, CANDIDATES) == (runs.VERDICT, runs.ORACLE, runs.CANDIDATES)


def test_targets_on_the_page_are_percentages_with_their_error():
    target = Target(HARM.name, "power as a share of the oracle's", 0.812, 0.034, "at least 90%", False)
    summary = summarised(run_rows(HARM, 2.0, harm=16))
    shown = validation_html(summary, [target], [HARM], plan=PLAN, runs=20, seed=1)
    assert "81.2 ± 3.4" in shown and "at least 90%" in shown


# --- its figure


def shares(*readings: str) -> pd.DataFrame:
    rows = [(world, reading, 0.1 * place) for place, world in enumerate(("one", "two")) for reading in readings]
    return pd.DataFrame(rows, columns=["world", "reading", "share"])


def test_the_figure_has_a_mark_for_each_reading_of_each_world():
    figure = claims(shares("ours", "crude", "oracle"), title="Claims of harm", promised=0.025)
    for svg in (figure.svg, figure.narrow):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label") == figure.alt
        told = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"one", "two", "ours", "crude", "oracle", "share of runs"} <= told
    assert figure.caption == (
        "Share of runs; the world with most of them: ours 10% (two); crude 10% (two); oracle 10% (two)."
    )
    assert len(figure.data) == 6


def test_names_in_the_figure_are_escaped_and_cut():
    hostile = shares("ours").replace({"one": "<b>&" + "x" * 80})
    figure = claims(hostile, title="<i>")
    assert "<b>" not in figure._repr_html_() and "<i>" not in figure._repr_html_()
    assert all("x" * 60 not in svg for svg in (figure.svg, figure.narrow))


def test_more_readings_than_marks_and_missing_columns_are_refused():
    with pytest.raises(ValueError, match=f"^claims: {len(MARKS) + 1} readings, and marks for {len(MARKS)}; leave some"):
        claims(shares(*map(str, range(len(MARKS) + 1))), title="Too many")
    with pytest.raises(ValueError, match=r"claims.*share"):
        claims(shares("ours").drop(columns="share"), title="Nothing to draw")
