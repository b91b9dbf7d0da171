"""Leaving out by subtraction is leaving out, and what is told of an omission is true of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault import Plan, Study
from counterfault.cells import Cells
from counterfault.challenges import leave_one_out
from counterfault.challenges.leave_one_out import LeaveOneOut, LeaveOneOutOf
from counterfault.challenges.stratified_omissions import anew, without_each
from counterfault.counting.leave_out_cells import LEFT_OUT, LeaveOutCells, author_groups_of
from counterfault.estimate import Estimate, Interval
from counterfault.estimators.tables import stratified

GROUPS = [("a", "q1"), ("a", "q2"), ("b", "q1"), ("b", "q2")]


@st.composite
def cells(draw) -> Cells:
    """Two services in two quarters, each with up to three teams, some of which have but one kind of change."""
    rows = []
    for service, quarter in GROUPS:
        for team in ("red", "blue", "green"):
            for exposed in (0, 1):
                n = draw(st.integers(0, 12))
                if n:
                    rows.append((service, quarter, team, exposed, n, draw(st.integers(0, n))))
    frame = pd.DataFrame(rows, columns=["service", "quarter", "team", "exposed", "n", "events"])
    return Cells(frame, ("service", "quarter"))


def same(one: Estimate, other: Estimate) -> bool:
    numbers = (one.value, one.interval.low, one.interval.high)
    return numbers == approx((other.value, other.interval.low, other.interval.high), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("column", ["service", "team", "quarter"])
@settings(max_examples=25, deadline=None)
@given(drawn=cells())
def test_subtracting_is_leaving_out(column, drawn):
    if drawn.frame.empty:
        return
    found = without_each(drawn, column, 0.9)
    whole = stratified.risk_ratio(drawn, 0.9)
    for value in drawn.frame[column].unique():
        rest = anew(drawn, column, value, 0.9)
        assert same(found.get(value, whole), rest), value
        assert value not in found or found[value].label == f"without {value}"


@settings(max_examples=25, deadline=None)
@given(drawn=cells())
def test_each_service_without_failures_changes_nothing(drawn):
    for item in LeaveOneOut()(drawn, 0.9):
        name = item.label.removeprefix("without ")
        assert same(item, anew(drawn, "service", name, 0.9))


@settings(max_examples=25, deadline=None)
@given(drawn=cells())
def test_what_has_no_name_is_never_left_out(drawn):
    unnamed = replace(drawn, frame=drawn.frame.assign(team=drawn.frame["team"].replace("red", "")))
    if not drawn.frame.empty:
        assert "" not in without_each(unnamed, "team", 0.9)


@given(st.sets(st.text("abcdef0123456789", min_size=4, max_size=6), min_size=6, max_size=60), st.data())
def test_no_group_of_authors_is_small_and_the_order_of_rows_does_not_matter(authors, data):
    groups = data.draw(st.integers(2, len(authors) // 3))
    found = author_groups_of(sorted(authors), groups)
    sizes = found[LEFT_OUT].value_counts()
    assert len(sizes) == groups
    assert sizes.min() >= 3
    assert sizes.max() - sizes.min() <= 1
    assert author_groups_of(sorted(authors, reverse=True), groups).equals(found)


# --- what is told


def drawn_cells(**values: tuple[tuple[int, int], tuple[int, int]]) -> Cells:
    """Failures of deployments of each value: AI-assisted, others; each value is a service of its own."""
    rows = [
        (name, "2026Q1", name, exposed, n, events)
        for name, arms in values.items()
        for exposed, (events, n) in zip((1, 0), arms, strict=True)
    ]
    columns = ["service", "quarter", LEFT_OUT, "exposed", "n", "events"]
    return Cells(pd.DataFrame(rows, columns=columns), ("service", "quarter"))


@pytest.fixture
def told(monkeypatch):
    """The estimate for one dimension of drawn cells, with the primary estimate they themselves give."""

    def answer(drawn: Cells | str, by="service", groups=0, limits: Interval | None = None) -> Estimate:
        counted = drawn if isinstance(drawn, str) else LeaveOutCells(drawn, groups)
        monkeypatch.setattr(leave_one_out, "leave_out_cells", lambda *_: counted)
        promise = Plan.checked({"design": {"primary": "stratified.risk_ratio", "confounders": [], "mediators": []}})
        study = Study(None, SimpleNamespace(covariates=(), rows=None), promise)
        whole = drawn_cells(a=((9, 90), (9, 90))) if isinstance(drawn, str) else drawn
        primary = stratified.risk_ratio(whole)
        (found,) = LeaveOneOutOf((by,))(study, replace(primary, interval=limits or primary.interval))
        return found

    return answer


HARM = {"payments": ((60, 200), (10, 200)), "search": ((10, 200), (14, 200)), "web": ((11, 200), (12, 200))}


def test_one_that_turns_the_answer_is_named(told):
    found = told(drawn_cells(**HARM))
    # Without payments: (10 + 11) / (14 + 12) = 0.81 in arms of equal size; with it 81 / 36 = 2.25.
    assert found.id == "leave_one_out.service"
    assert found.label == "without payments"
    assert found.value == approx(21 / 26)
    assert found.caveats[0] == "Without payments the ratio falls below 1."
    assert found.caveats[1].startswith("Without payments the interval holds 1 (")
    assert found.caveats[2] == "The stratified ratio changes sides of 1 without payments."
    # Without search (60 + 11) / (10 + 12) = 3.23.
    assert found.caveats[3] == ("The stratified ratio moves between 0.81 (without payments) and 3.23 (without search).")
    assert [part.label for part in found.parts] == ["without payments", "without search", "without web"]
    assert (found.support["omissions"], found.support["across"], found.support["reaching"]) == (3, 1, 1)


def test_a_benefit_is_turned_upwards(told):
    mirrored = {name: (arms[1], arms[0]) for name, arms in HARM.items()}
    found = told(drawn_cells(**mirrored))
    assert found.value == approx(26 / 21)
    assert found.caveats[0] == "Without payments the ratio rises above 1."


def test_an_interval_that_reaches_1_without_one_is_told_apart_from_a_turn(told):
    found = told(drawn_cells(a=((40, 200), (20, 200)), b=((15, 200), (11, 200)), c=((15, 200), (12, 200))))
    assert found.label == "without a"
    assert found.value == approx(30 / 23)
    assert found.interval.low < 1 < found.value
    assert found.caveats[0].startswith("Without a the interval holds 1 (")
    assert not any("falls below" in caveat for caveat in found.caveats)
    assert (found.support["across"], found.support["reaching"]) == (0, 1)


def test_an_interval_may_reach_1_without_another_than_moves_the_ratio_most(told):
    # "large" holds most failures, at nearly the ratio of all; "odd" alone is high. Leaving out odd lowers the ratio
    # most, leaving out large loses the precision.
    found = told(drawn_cells(large=((150, 1000), (100, 1000)), odd=((11, 100), (2, 100)), small=((20, 200), (17, 200))))
    assert found.label == "without odd"
    assert found.value == approx(170 / 117)
    assert found.interval.low > 1
    without_large = next(part for part in found.parts if part.label == "without large")
    assert without_large.value == approx(31 / 19)
    assert found.caveats[0].startswith("Without large the interval holds 1 (0.9")
    assert (found.support["across"], found.support["reaching"]) == (0, 1)


def test_where_everything_together_takes_no_side_no_omission_turns_it(told):
    found = told(drawn_cells(a=((12, 200), (10, 200)), b=((10, 200), (11, 200))))
    assert found.value < 1
    assert found.caveats[0] == (
        "With everything the interval holds 1, so on which side of 1 the ratio then lies says little; "
        "without a it is 0.91."
    )
    assert not any("falls below" in caveat or "changes sides" in caveat for caveat in found.caveats)


def test_one_without_which_nothing_is_left_is_named_in_the_reason(told):
    # Without a no AI-assisted change fails; in the second drawing, without b nothing fails among them.
    found = told(drawn_cells(a=((9, 50), (3, 50)), b=((0, 50), (2, 50))), limits=Interval(1.1, 4.0, 0.95))
    assert found.label == "without a"
    assert found.value == 0.0
    assert found.caveats[0] == "Without a the ratio falls below 1."
    nothing = told(drawn_cells(a=((0, 50), (3, 50)), b=((5, 50), (0, 50))))
    assert nothing.label == "without b"


def test_authors_are_never_named(told):
    drawn = drawn_cells(**{f"{n:02}": arms for n, arms in enumerate(HARM.values(), start=1)})
    found = told(drawn, by="author_cluster", groups=12)
    assert found.label == "without author group 1 of 12"
    assert found.caveats[0] == "Without author group 1 of 12 the ratio falls below 1."


def test_a_tool_is_left_out_with_the_changes_made_with_it_alone(told):
    drawn = drawn_cells(**HARM)
    tools = drawn.frame[LEFT_OUT].where(drawn.frame["exposed"] == 1, "")
    tools = tools.replace({"payments": "one", "search": "two", "web": "missing"})
    found = told(replace(drawn, frame=drawn.frame.assign(**{LEFT_OUT: tools})), by="tool")
    assert found.label == "without AI-assisted changes made with one"
    assert found.value == approx(21 / 26)  # payments then compares nothing
    assert [part.label for part in found.parts] == [
        "without AI-assisted changes of no named tool",
        "without AI-assisted changes made with one",
        "without AI-assisted changes made with two",
    ]


def test_what_cannot_be_left_out_says_why(told):
    assert told("no column team", by="team").caveats == ("no column team",)
    alone = told(drawn_cells(a=((9, 50), (3, 50))))
    assert not alone.estimable
    assert alone.caveats == ("1 service has failures that can be compared; it takes 2 to leave one out",)
    silent = told(drawn_cells(a=((0, 50), (3, 50)), b=((0, 50), (4, 50))))
    assert silent.caveats == ("the primary ratio is zero or has no value, so no omission can be compared with it",)


def test_a_dimension_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"by = 'person' is nothing to leave out; use service, team, tool"):
        LeaveOneOutOf(("service", "person"))


def test_the_plan_says_what_is_left_out():
    promise = Plan.checked({"challenges": {"leave_one_out": {"by": ["month", "team"], "author_clusters": 4}}})
    assert LeaveOneOutOf.of(promise) == LeaveOneOutOf(("month", "team"), 4)
