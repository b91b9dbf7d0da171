"""Every object a user meets shows itself: what it is, what comes next, and no name from data breaks it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from enum import Enum
from functools import cache, cached_property
from html.parser import HTMLParser
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest

import counterfault as cf
from counterfault.analysis import Analysis, conclude
from counterfault.checks import Challenged, Check, Status
from counterfault.display import SORTABLE, STYLE, card, rows_table
from counterfault.estimating.by_id import EstimatesById
from counterfault.estimators.amplifying.causal_diagram import Diagram
from counterfault.figures.tables import Table, table_html
from counterfault.publish.sanitise import sanitise
from counterfault.simulate import WORLDS, simulate
from counterfault.sources import RawTables
from counterfault.verdict import Attributable

HOSTILE = '</td><script>alert(1)</script><img src=x onerror=alert(1)> & "quoted" \u202egnihtyreve'
SHOWS_ITSELF = ("_repr_html_", "_repr_markdown_", "_repr_mimebundle_")
# Names that only a type checker imports.
KNOWN_TO_THE_TYPE_CHECKER = {
    "pd": pd,
    "np": np,
    "date": date,
    "Callable": Callable,
    "Mapping": Mapping,
    "Diagram": Diagram,
    "RawTables": RawTables,
}


# --- which objects there are -----------------------------------------------------------------------------------------


def classes_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from classes_in(part)


def hints(of: Any) -> dict[str, Any]:
    return get_type_hints(of, localns=KNOWN_TO_THE_TYPE_CHECKER)


def attributes(of: type) -> Iterator[Any]:
    """What a user can reach from an object without calling anything: its fields and its properties."""
    yield from (hint for name, hint in hints(of).items() if not name.startswith("_"))
    for name, member in inspect.getmembers(of):
        getter = getattr(member, "fget", None) or (member.func if isinstance(member, cached_property) else None)
        if getter and not name.startswith("_") and getter.__module__.startswith("counterfault."):
            yield hints(getter)["return"]


def met() -> set[type]:
    """The classes of this package that a user meets: the public ones, what public functions return, what they hold."""
    public = [getattr(module, name) for module in (cf, cf.figures, cf.showing) for name in module.__all__]
    found: set[type] = set()
    waiting = [each for each in public if isinstance(each, type)]
    for function in filter(inspect.isfunction, public):
        waiting += classes_in(hints(function)["return"])
    while waiting:
        each = waiting.pop()
        if each not in found and each.__module__.startswith("counterfault."):
            found.add(each)
            waiting += [inner for hint in attributes(each) for inner in classes_in(hint)]
    # A member of an enumeration and a named tuple are values: they are their own shortest description.
    return {each for each in found if not issubclass(each, Enum | tuple)} | {cf.Estimand}


@pytest.mark.parametrize("each", sorted(met(), key=lambda each: each.__qualname__), ids=lambda each: each.__qualname__)
def test_every_object_a_user_meets_shows_itself(each: type) -> None:
    assert any(hasattr(each, name) for name in SHOWS_ITSELF), f"{each} has no _repr_html_"


def test_the_search_finds_what_lies_deep() -> None:
    names = {each.__name__ for each in met()}
    assert {"Inputs", "RawTables", "Raw", "Account", "Cells", "EstimatesById", "Interval", "RiskTime"} <= names
    assert {"Overlap", "Homogeneity", "Diagram", "Verdict", "Check", "Design", "Figure", "Closing"} <= names


# --- what they show --------------------------------------------------------------------------------------------------


@cache
def study() -> dict[str, Any]:
    """One small invented study with every step's object, under names made to do harm."""
    organisation = simulate(WORLDS["harm"].of_size(400), 5)
    worst = organisation.deployments["service"].iloc[0]
    tables = [
        frame.assign(service=frame["service"].replace(worst, HOSTILE))
        for frame in (organisation.deployments, organisation.incidents)
    ]
    plan = cf.Plan(title=HOSTILE, question=HOSTILE)
    raw = cf.read(*tables, plan=plan, notes=(HOSTILE,))
    checked = cf.check(raw, plan)
    analysis = conclude(checked, plan, challenges=False, further=False)
    cells = analysis.counted.cells
    return {
        "inputs": replace(cf.open_inputs(), plan=plan),
        "raw": raw,
        "raw table": replace(raw.tables["deployments"], source=HOSTILE),
        "checked": checked,
        "account": replace(checked.accounts[0], source=HOSTILE),
        "linked": analysis.linked,
        "counted": replace(analysis.counted, not_assessed=((HOSTILE, HOSTILE),)),
        "cells": cells,
        "study": cf.Study(analysis.linked, analysis.counted, plan),
        "estimates": analysis.estimates,
        "estimate": hostile_estimate(analysis),
        "interval": cf.Interval(1.2, 2.5, 0.95),
        "estimand": cf.Estimand.RISK_RATIO,
        "no contrast": cf.Estimand.RISK,
        "check": hostile_check(),
        "challenged": Challenged((hostile_check(),), ()),
        "verdict": replace(analysis.verdict, needed=HOSTILE, deviations=(HOSTILE,)),
        "attributable": Attributable(3.0, -1.0, 6.0),
        "analysis": analysis,
        "plan": plan,
        "section": cf.Plan.checked({"design": {"confounders": ["team"]}}).design,
        "label error": cf.LabelError(),
        "leave one out": cf.LeaveOneOutOf(),
        "link grid": cf.LinkGrid(),
        "multiverse": cf.Multiverse(),
        "plasmode": cf.Plasmode(),
        "unmeasured": cf.UnmeasuredConfounding(),
        "risk time": cf.Study(analysis.linked, analysis.counted, plan).risk_time,
        "homogeneity": cf.homogeneity(cells),
        "overlap": cf.overlap(cells),
        "diagram": cf.causal_diagram((HOSTILE,), (), ("service",)),
        "table": Table(pd.DataFrame({HOSTILE: [HOSTILE, "b"], "n": [1, 2]}), HOSTILE),
        "estimates table": cf.showing.estimates_table([hostile_estimate(analysis)], HOSTILE),
    }


def hostile_estimate(analysis: Analysis) -> cf.Estimate:
    found = analysis.estimates["primary"]
    return replace(found, label=HOSTILE, parts=(replace(found, label=HOSTILE),), caveats=(HOSTILE,), id=HOSTILE)


def hostile_check() -> Check:
    return Check(id=HOSTILE, question=HOSTILE, status=Status.FAIL, sentence=HOSTILE, threshold=HOSTILE)


class Page(HTMLParser):
    """The elements of a snippet, what they say, and whether they close as they opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def own_blocks_removed(html: str) -> str:
    """The snippet without the two constants that every one may carry."""
    return html.replace(SORTABLE, "").replace(STYLE, "")


NAMES = sorted(study())


@pytest.mark.parametrize("name", NAMES)
class TestEachObject:
    def test_no_name_from_data_becomes_markup(self, name: str) -> None:
        html = own_blocks_removed(study()[name]._repr_html_())
        page = Page(html)
        assert page.open == []
        assert not {"script", "img", "style"} & set(page.seen)
        assert not any(attribute.startswith("on") for attribute in page.attributes)
        assert "\u202e" not in html

    def test_it_reads_the_same_on_a_page(self, name: str) -> None:
        """The sanitiser takes away style and script, and not one word."""
        html = study()[name]._repr_html_()
        kept = sanitise(html)
        assert Page(kept).text.split() == Page(html).text.split()
        assert "<style" not in kept and "<script" not in kept

    def test_it_is_short(self, name: str) -> None:
        html = own_blocks_removed(study()[name]._repr_html_())
        assert len(html) < 12_000
        assert len(repr(study()[name])) < 1_500

    def test_as_text_it_is_one_line(self, name: str) -> None:
        assert "\n" not in repr(study()[name])


def test_the_flow_says_what_comes_next() -> None:
    """Following the cards from the first leads to the last."""
    follow = [("inputs", "cf.check("), ("raw", "cf.check("), ("checked", "cf.link("), ("linked", "cf.count(")]
    follow += [("counted", "cf.estimate_effects("), ("study", "cf.try_to_break("), ("challenged", "cf.decide(")]
    for name, call in follow:
        assert call in Page(study()[name]._repr_html_()).text.split("Next:")[1]


def test_a_card_shows_numbers_as_the_report_does() -> None:
    shown = Page(card("Thing", facts={"many": 12345, "ratio": 1.6249, "none": None, "open": float("inf")})).text
    assert [word for word in ("12,345", "1.62", "–", "∞") if word not in shown] == []


def test_a_long_list_is_cut_and_says_so() -> None:
    rows = [(f"s{number}", number) for number in range(30)]
    assert "Services (first 12 of 30)" in Page(rows_table("Services", ("service", "n"), rows)).text
    assert "(first" not in rows_table("Services", ("service", "n"), rows[:12])


# --- estimates by id -------------------------------------------------------------------------------------------------


def test_estimates_by_id_are_a_mapping_that_does_not_change() -> None:
    one = study()["analysis"].estimates["primary"]
    given = {"primary": one}
    found = EstimatesById(given)
    given["other"] = one
    assert dict(found) == {"primary": one}
    assert found == {"primary": one}
    assert not hasattr(found, "__setitem__")
    assert found._ipython_key_completions_() == ["primary"]


def test_a_missing_id_is_told_with_those_there_are() -> None:
    found = EstimatesById({"primary": study()["analysis"].estimates["primary"]})
    with pytest.raises(KeyError) as told:
        found["primry"]
    assert told.value.args == ("no estimate 'primry' among these 1: primary",)
    assert found.get("primry") is None


# --- sorting belongs to the Lab --------------------------------------------------------------------------------------


def test_a_published_table_is_the_same_with_and_without_the_lab_s_part() -> None:
    table = study()["table"]
    assert table._repr_html_() != table_html(table.frame, table.caption)
    assert sanitise(table._repr_html_()) == sanitise(table_html(table.frame, table.caption))


def test_the_script_is_a_constant_and_asks_for_nothing() -> None:
    others = [html for name, html in ((name, study()[name]._repr_html_()) for name in NAMES) if "<script" in html]
    assert len(others) > 3
    assert all(html.count("<script") == html.count(SORTABLE) for html in others)
    assert not [word for word in ("http", "fetch(", "import(", "innerHTML", "eval(") if word in SORTABLE]
