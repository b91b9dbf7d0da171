"""A plan is kept as it was at one moment; what departs from it later is named, key by key."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st

from counterfault import showing
from counterfault.analysis import analyse
from counterfault.freezing import (
    NEVER_FROZEN,
    WITHOUT_FILE,
    Freeze,
    Happened,
    deviations,
    differences,
    freeze,
    freeze_path,
    read_freeze,
)
from counterfault.plan import Plan
from counterfault.record import record

JANUARY = datetime(2026, 1, 5, 9, 30, 12, 345678, tzinfo=UTC)
MARCH = datetime(2026, 3, 5, 17, 0, tzinfo=UTC)


def nothing_happened(moment: datetime) -> tuple[Happened, ...]:
    return Happened("deployments", 0, 30000), Happened("incidents", 0, 900)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "ours.toml"


def kept(path: Path, plan: Plan, now: datetime = JANUARY, *, again: bool = False) -> Freeze:
    found = freeze(plan, path, now, again=again)
    assert found is not None
    freeze_path(path).write_text(found.to_json(), encoding="utf-8")
    return found


def changed(**decisions) -> Plan:
    return Plan.checked(decisions)


def told(plan: Plan, path: Path | None, happened=nothing_happened) -> tuple[str, ...]:
    return deviations(plan, path, happened)


# --- the file


def test_a_freeze_lies_beside_its_plan():
    assert freeze_path(Path("plans/demo.toml")) == Path("plans/demo.frozen.json")
    assert freeze_path(Path("q3.final.toml")) == Path("q3.final.frozen.json")


def test_a_freeze_holds_digest_moment_version_and_every_decision_but_no_place(path):
    plan = changed(title="Ours", sources={"deployments": "secret.csv"}, period={"start": "2026-01-01"})
    kept(path, plan)
    plain = json.loads(freeze_path(path).read_text())
    assert (plain["digest"], plain["frozen"]) == (plan.digest, "2026-01-05T09:30:12Z")  # whole seconds
    assert plain["counterfault"] and plain["former"] == []
    assert plain["decisions"]["title"] == "Ours"
    assert plain["decisions"]["period"]["start"] == "2026-01-01"
    assert set(plain["decisions"]) == set(Plan.model_fields) - {"sources", "disclosure"}
    assert "secret" not in freeze_path(path).read_text()


def test_a_freeze_from_before_disclosure_control_still_holds(path):
    kept(path, changed(title="Ours"))
    assert "disclosure" not in json.loads(freeze_path(path).read_text())["decisions"]
    frozen = read_freeze(path)
    assert differences(frozen, changed(title="Ours")) == ()
    assert differences(frozen, changed(title="Ours", disclosure={"threshold": 5})) == ()
    stricter = differences(frozen, changed(title="Ours", disclosure={"threshold": 10}))
    assert [str(each) for each in stricter] == ["disclosure.threshold: not set → 10"]


def test_what_is_read_is_what_was_written(path):
    written = kept(path, changed(title="Größe ≥ 3"))
    assert read_freeze(path) == written
    again = kept(path, changed(title="b"), MARCH, again=True)
    assert read_freeze(path) == again


def test_the_moment_is_kept_in_utc_whatever_zone_the_clock_is_in(path):
    kept(path, Plan(), MARCH.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert json.loads(freeze_path(path).read_text())["frozen"] == "2026-03-05T17:00:00Z"


def test_a_plan_that_was_never_frozen_has_no_freeze(path):
    assert read_freeze(path) is None


def test_a_digest_does_not_depend_on_the_freeze(path):
    path.write_text("title = 'Ours'\n")
    before = Plan.read(path)
    kept(path, before)
    assert Plan.read(path).digest == before.digest and Plan.read(path) == before


# --- freezing again


def test_freezing_what_is_frozen_already_changes_nothing(path):
    kept(path, Plan())
    assert freeze(Plan(), path, MARCH) is None
    assert freeze(Plan(), path, MARCH, again=True) is None


def test_former_freezes_stay_in_the_file_oldest_first(path):
    titles = ("one", "two", "three")
    for title, day in zip(titles, (1, 2, 3), strict=True):
        kept(path, changed(title=title), datetime(2026, 1, day, tzinfo=UTC), again=title != "one")
    found = read_freeze(path)
    assert found.decisions["title"] == "three"
    assert [former.decisions["title"] for former in found.former] == ["one", "two"]
    assert [former.when.day for former in found.former] == [1, 2]
    assert all(former.former == () for former in found.former)


# --- differences


def differing(then: Plan, now: Plan, path: Path) -> list[str]:
    return [str(difference) for difference in differences(kept(path, then), now)]


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({}, {"decision": {"worth_acting_on": 1.5}}, ["decision.worth_acting_on: 1.25 → 1.5"]),
        ({}, {"period": {"start": "2026-01-01"}}, ['period.start: not set → "2026-01-01"']),
        ({"period": {"start": "2026-01-01"}}, {}, ['period.start: "2026-01-01" → not set']),
        ({}, {"design": {"strata": ["service"]}}, ['design.strata: ["service", "quarter"] → ["service"]']),
        (
            {},
            {"mapping": {"deployments": {"rename": {"change id": "deployment_id"}}}},
            ['mapping.deployments.rename."change id": not set → "deployment_id"'],
        ),
        (
            {"designs": {"amplifiers": {"size": {"at_least": 10}}}},
            {"designs": {"amplifiers": {"size": {"below": 10}}}},
            ["designs.amplifiers.size.below: not set → 10.0", "designs.amplifiers.size.at_least: 10.0 → not set"],
        ),
        ({"title": "a"}, {"title": "b", "gates": {"min_events": 5}}, ['title: "a" → "b"', "gates.min_events: 20 → 5"]),
        ({}, {"sources": {"deployments": "elsewhere.csv"}}, []),
        ({}, {}, []),
    ],
)
def test_each_difference_is_named_with_both_values(path, then, now, told):
    assert differing(changed(**then), changed(**now), path) == told


@given(margin=st.floats(1.01, 9), level=st.floats(0.6, 0.99), events=st.integers(0, 50))
def test_a_plan_differs_from_its_freeze_exactly_where_its_digest_does(margin, level, events):
    then, now = Plan(), changed(decision={"worth_acting_on": margin, "level": level}, gates={"min_events": events})
    frozen = freeze(then, Path("nowhere/x.toml"), JANUARY)
    assert bool(differences(frozen, now)) is (then.digest != now.digest)


def test_a_decision_that_a_later_version_adds_unset_is_no_difference(path):
    kept(path, Plan())
    plain = json.loads(freeze_path(path).read_text())
    del plain["decisions"]["outcome"]["severity_at_most"]  # None where absent
    del plain["decisions"]["outcome"]["incident_open_hours"]  # 24 where absent
    freeze_path(path).write_text(json.dumps(plain))
    assert [str(each) for each in differences(read_freeze(path), Plan())] == [
        "outcome.incident_open_hours: not set → 24.0"
    ]


def test_a_file_whose_digest_was_edited_is_no_longer_the_freeze_of_the_plan(path):
    kept(path, Plan())
    text = freeze_path(path).read_text().replace(Plan().digest, "0" * 12)
    freeze_path(path).write_text(text)
    assert [str(each) for each in differences(read_freeze(path), Plan())] == [f"digest: {'0' * 12} → {Plan().digest}"]


# --- deviations


def test_a_promise_kept_leaves_nothing_to_tell(path):
    kept(path, Plan())
    assert told(Plan(), path) == ()


def test_a_plan_that_was_never_frozen_shows_nothing(path):
    assert told(Plan(), path) == (NEVER_FROZEN,)
    assert NEVER_FROZEN == ("This plan was never frozen, so nothing shows that it was fixed before the data were seen.")


def test_a_plan_without_its_file_may_or_may_not_have_been_frozen():
    assert told(Plan(), None) == (WITHOUT_FILE,)


def test_a_plan_that_is_not_as_frozen_tells_each_key_with_both_values(path):
    kept(path, Plan())
    assert told(changed(decision={"worth_acting_on": 1.1}, outcome={"link": "window"}), path) == (
        'outcome.link was "recorded_then_window" in the plan frozen on 2026-01-05; this analysis followed "window".',
        "decision.worth_acting_on was 1.25 in the plan frozen on 2026-01-05; this analysis followed 1.1.",
    )


def some_happened(deployments: tuple[int, int], incidents: tuple[int, int]):
    return lambda moment: (Happened("deployments", *deployments), Happened("incidents", *incidents))


@pytest.mark.parametrize(
    ("deployments", "incidents", "what"),
    [
        ((28000, 30000), (880, 900), "28,000 of the 30,000 deployments and 880 of the 900 incidents"),
        ((30000, 30000), (900, 900), "all 30,000 deployments and all 900 incidents"),
        ((1, 30000), (0, 900), "1 of the 30,000 deployments"),
        ((0, 30000), (3, 900), "3 of the 900 incidents"),
        ((1, 1), (1, 1), "the one deployment and the one incident"),
    ],
)
def test_a_plan_frozen_after_its_data_says_how_much_of_them_had_happened(path, deployments, incidents, what):
    kept(path, Plan())
    assert told(Plan(), path, some_happened(deployments, incidents)) == (
        f"The plan was frozen on 2026-01-05, when {what} it uses had already happened; nothing shows that they were "
        f"not looked at first.",
    )


def test_the_question_what_had_happened_is_asked_of_the_moment_of_the_freeze(path):
    kept(path, Plan())
    asked = []
    told(Plan(), path, lambda moment: asked.append(moment) or ())
    assert asked == [JANUARY.replace(microsecond=0)]


def test_a_plan_frozen_more_than_once_says_so(path):
    kept(path, changed(title="a"))
    kept(path, Plan(), MARCH, again=True)
    assert told(Plan(), path) == (
        "The plan was frozen twice: 2026-01-05 09:30 UTC and 2026-03-05 17:00 UTC. This analysis is held against the "
        "last; what changed between them is in the file of the freeze.",
    )
    kept(path, changed(title="a"), MARCH + timedelta(hours=1), again=True)
    (third,) = told(changed(title="a"), path)  # back to the first is a change of mind too
    assert third.startswith("The plan was frozen 3 times: 2026-01-05 09:30 UTC, 2026-03-05 17:00 UTC and 2026-03-05 18")


# --- what an analysis uses, drawn: the middle of March is studied, the plan frozen on the 12th at nine

DEPLOYMENTS = """
    deployment_id | service | deployed_at      | assistance
    --------------+---------+------------------+-----------
    before        | api     | 2026-03-09 09:00 | ai
    early         | api     | 2026-03-11 09:00 | ai
    just_before   | api     | 2026-03-12 08:59 | human
    at_once       | api     | 2026-03-12 09:00 | ai
    unlabelled    | api     | 2026-03-13 09:00 | unknown
    late          | api     | 2026-03-14 09:00 | human
    unfollowed    | api     | 2026-03-15 09:00 | ai
"""
INCIDENTS = """
    incident_id | service | started_at
    ------------+---------+-----------------
    long_ago    | api     | 2026-03-09 10:00
    i1          | api     | 2026-03-11 10:00
    i2          | api     | 2026-03-12 08:30
    i3          | api     | 2026-03-12 10:00
    i4          | api     | 2026-03-15 12:00
"""
MIDDLE = {"period": {"start": "2026-03-10"}, "outcome": {"window_hours": 24}}


def studied(plan: Plan, path: Path | None):
    tables = drawn("deployments", DEPLOYMENTS), drawn("incidents", INCIDENTS)
    return analyse(*tables, plan=plan, now=datetime(2026, 4, 1, tzinfo=UTC), further=False, plan_path=path)


def test_only_rows_that_the_analysis_uses_are_counted_as_seen(path):
    plan = changed(**MIDDLE)
    kept(path, plan, datetime(2026, 3, 12, 9, tzinfo=UTC))
    assert studied(plan, path).verdict.deviations == (
        "The plan was frozen on 2026-03-12, when 2 of the 4 deployments and 2 of the 4 incidents it uses had already "
        "happened; nothing shows that they were not looked at first.",
    )


def test_a_plan_frozen_for_a_period_to_come_deviates_in_nothing(path):
    plan = changed(**MIDDLE)
    kept(path, plan, datetime(2026, 3, 10, tzinfo=UTC))
    assert studied(plan, path).verdict.deviations == ()


def test_deviations_reach_the_record_and_the_notebook(path):
    plan = changed(**MIDDLE)
    kept(path, plan, datetime(2026, 3, 10, tzinfo=UTC))
    other = changed(**MIDDLE, decision={"worth_acting_on": 2.0})
    found = studied(other, path)
    sentence = "decision.worth_acting_on was 1.25 in the plan frozen on 2026-03-10; this analysis followed 2.0."
    assert record(found)["verdict"]["deviations"] == [sentence]
    shown = showing.tell_deviations(other, path, found.linked, found.counted)
    assert (str(shown), shown._repr_html_()) == (sentence, f"<ul><li>{sentence}</li></ul>")
    kept_promise = showing.tell_deviations(plan, path, found.linked, found.counted)
    assert str(kept_promise) == "None: the plan is as it was frozen, before any of the data it uses."


def test_an_analysis_without_a_file_says_that_nobody_can_tell():
    assert studied(changed(**MIDDLE), None).verdict.deviations == (WITHOUT_FILE,)


def test_a_value_of_the_plan_cannot_break_a_page(path):
    plan = changed(**MIDDLE)
    kept(path, plan, datetime(2026, 3, 10, tzinfo=UTC))
    found = studied(plan, path)
    hostile = changed(**MIDDLE, title="<script>")
    assert "<script>" not in showing.tell_deviations(hostile, path, found.linked, found.counted)._repr_html_()
