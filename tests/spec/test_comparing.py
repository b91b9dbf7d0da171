"""What changed between two runs, and why: nothing is called a cause that the records do not show to be the only one."""

import json
from copy import deepcopy
from html.parser import HTMLParser
from math import e, exp, sqrt
from pathlib import Path

import pytest

from counterfault.publish.comparing import compare, comparison_html, comparison_text
from counterfault.publish.comparing.primary import place

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e[x](javascript:y)"
PROVENANCE = {"code_commit": "0a1b2c3d4e5f", "python": "3.11.7", "versions": {"numpy": "2.4.6"}}


@pytest.fixture
def record():
    """A whole record that says where it came from."""
    return {**json.loads(SAMPLE.read_text(encoding="utf-8")), "provenance": deepcopy(PROVENANCE)}


@pytest.fixture
def later(record):
    """The same record, to be changed in one place at a time."""
    return deepcopy(record)


def estimate(record, id="primary"):
    return next(entry for entry in record["estimates"] if entry["id"] == id)


def interval(record, low, value, high, **others):
    """The record with another primary interval."""
    estimate(record).update(low=low, value=value, high=high, **others)
    return record


def check(record, id):
    return next(entry for entry in record["checks"] if entry["id"] == id)


def call(record, code, words="other words"):
    record["verdict"].update(call=code, words=words)
    return record


def told(before, after) -> str:
    return "\n".join(compare(before, after).sentences)


def change_of(comparison, id):
    return next(change for change in comparison.estimates if change.id == id)


# --- nothing changed -------------------------------------------------------------------------------------------------


def test_a_run_compared_with_itself_says_that_nothing_changed(record, later):
    comparison = compare(record, later)
    assert comparison.headline == "No result changed"
    assert "Nothing changed: data, plan and code are the same, and so is every result." in comparison.sentences
    assert {change.kind for change in comparison.estimates} == {"same"}
    assert (comparison.checks, comparison.verdict, comparison.plan.decisions, comparison.warnings) == ((), (), (), ())
    assert not comparison.data.any


def test_other_numbers_from_the_same_data_plan_and_code_are_told_as_a_riddle(record, later):
    interval(later, 1.3, 1.7, 2.2)
    assert "something the records do not hold is behind it" in told(record, later)


# --- one door, or several --------------------------------------------------------------------------------------------


def new_data(record):
    record["data"]["tables"]["deployments"].update(read=30_072, accepted=29_960, sha256="0" * 64)
    return record


def new_plan(record):
    record["plan"].update(digest="000000000000", outcome={"window_hours": 48})
    return record


def new_code(record):
    record["provenance"]["code_commit"] = "ffffffffffff"
    return record


DOORS = {"the data": new_data, "the plan": new_plan, "the code": new_code}


@pytest.mark.parametrize("door", DOORS)
def test_what_changed_alone_is_named_as_where_the_numbers_come_from(record, later, door):
    interval(DOORS[door](later), 1.3, 1.7, 2.2)
    others = " and ".join(name for name in DOORS if name != door)
    assert f"Only {door} changed; {others} are the same, so the numbers that differ come from {door}." in told(
        record, later
    )


@pytest.mark.parametrize("pair", [("the data", "the plan"), ("the data", "the code"), ("the plan", "the code")])
def test_what_changed_together_cannot_be_told_apart(record, later, pair):
    for door in pair:
        DOORS[door](later)
    words = told(record, interval(later, 1.3, 1.7, 2.2))
    first, second = pair
    assert f"{first.capitalize()} and {second} changed at once" in words
    assert "cannot be told apart" in words
    assert "Only" not in words


def test_new_rows_are_counted(record, later):
    # 30,072 − 29,260, from the sample
    assert "The data are new: deployments, 812 more rows (29,260 → 30,072)." in told(record, new_data(later))


def test_as_many_rows_with_another_digest_are_other_rows(record, later):
    later["data"]["tables"]["incidents"]["sha256"] = "0" * 64
    assert "incidents, as many rows as before (904) and not the same ones" in told(record, later)


def test_rows_without_a_digest_are_not_taken_for_the_same(record, later):
    for each in (record, later):
        each["data"]["tables"]["incidents"]["sha256"] = None
    words = told(record, interval(later, 1.3, 1.7, 2.2))
    assert "whether the data stayed the same the records do not show" in words
    assert "something the records do not hold" not in words
    assert "Nothing changed" not in words


def test_a_table_given_for_the_first_time_is_told(record, later):
    del record["data"]["tables"]["dependencies"]
    assert "dependencies, 96 rows, not given before" in told(record, later)
    assert "dependencies, given before and not now" in told(later, record)


def test_local_changes_are_not_taken_for_the_same_code(record, later):
    for each in (record, later):
        each["provenance"]["code_commit"] = "0a1b2c3d4e5f with local changes"
    words = told(record, interval(new_data(later), 1.3, 1.7, 2.2))
    assert "whether the code did the records do not show" in words
    assert "cannot be told apart" in words


def test_another_library_is_other_code(record, later):
    later["provenance"]["versions"]["numpy"] = "2.5.0"
    assert "Other versions: numpy 2.4.6 → 2.5.0." in told(record, later)


def test_code_is_taken_from_the_manifest_where_the_record_has_none(record, later):
    record["provenance"] = later["provenance"] = {}
    manifests = ({"code_commit": "aaaaaaaaaaaa"}, {"code_commit": "bbbbbbbbbbbb"})
    assert (
        "The code is another one: aaaaaaaaaaaa → bbbbbbbbbbbb." in compare(record, later, manifests=manifests).sentences
    )


# --- the plan --------------------------------------------------------------------------------------------------------


def test_a_changed_promise_is_named_with_both_values_and_what_it_means(record, later):
    words = told(record, new_plan(later))
    assert "A promise changed: outcome.window hours 24 → 48." in words
    assert "the outcome is another one: other deployments count as failed or safe" in words


def test_a_digest_alone_says_that_something_unrecorded_changed(record, later):
    later["plan"]["digest"] = "000000000000"
    assert "no decision the records hold differs" in told(record, later)


def test_equal_digests_over_different_decisions_are_warned_of(record, later):
    later["plan"]["strata"] = ["team"]
    assert any("changed by hand" in warning for warning in compare(record, later).warnings)


def test_a_record_from_before_disclosure_was_published_under_five_and_one(record, later):
    later["plan"]["disclosure"] = {"threshold": 5, "round_to": 1}
    assert compare(record, later).plan.decisions == ()
    later["plan"]["disclosure"] = {"threshold": 10, "round_to": 1}
    (change,) = compare(record, later).plan.decisions
    assert (change.what, change.before, change.after) == ("disclosure.threshold", 5, 10)


def test_a_key_that_one_version_did_not_write_is_no_decision(record, later):
    later["plan"]["outcome"]["hops"] = 1
    comparison = compare(record, later)
    assert (comparison.plan.decisions, comparison.plan.unrecorded) == ((), ("outcome.hops",))


def test_a_moved_line_is_read_against_the_interval_there_was(record, later):
    interval(record, 1.3, 1.6, 2.0), interval(later, 1.3, 1.6, 2.0)
    later["plan"].update(digest="000000000000", worth_acting_on=1.5)
    words = told(record, call(later, "more_size_unsettled"))
    assert "lay above 1.25, and read against the new line it lies above 1, and not above 1.50" in words


# --- estimates -------------------------------------------------------------------------------------------------------


def test_a_move_is_measured_in_widths_on_the_logarithmic_scale(record, later):
    interval(record, 1 / e, 1.0, e)  # 2 wide in logarithms
    interval(later, e**-0.5, sqrt(e), e**1.5)  # as wide, and half a unit up
    assert change_of(compare(record, later), "primary").moved == pytest.approx(0.25)
    assert change_of(compare(later, record), "primary").moved == pytest.approx(-0.25)


def test_a_difference_is_measured_on_its_own_scale(record, later):
    for each, low, value, high in ((record, -0.01, 0.0, 0.01), (later, 0.005, 0.02, 0.035)):
        interval(each, low, value, high, estimand="risk difference")
    # 0.02 on a mean width of (0.02 + 0.03) / 2
    assert change_of(compare(record, later), "primary").moved == pytest.approx(0.8)


def test_those_that_moved_most_come_first_and_the_unmeasurable_last(record, later):
    interval(later, 1.31 * 1.1, 1.62 * 1.1, 2.0 * 1.1)
    later["estimates"][0]["high"] = None
    moved = [change.moved for change in compare(record, later).estimates]
    known = [abs(each) for each in moved if each is not None]
    assert known == sorted(known, reverse=True) and known[0] > 0
    assert None in moved and moved.index(None) == len(known)


def test_what_appeared_vanished_or_became_estimable_is_told(record, later):
    later["estimates"] = [each for each in later["estimates"] if each["id"] != "crude.risk_ratio"]
    interval(later, None, None, None, caveats=["no failure in either group"])
    comparison = compare(record, later)
    assert change_of(comparison, "crude.risk_ratio").kind == "vanished"
    assert change_of(comparison, "primary").kind == "cannot be estimated any longer"
    assert change_of(compare(later, record), "crude.risk_ratio").kind == "appeared"
    assert "not estimable (no failure in either group)" in "\n".join(comparison.sentences)


def test_an_interval_that_left_its_side_is_told(record, later):
    change = change_of(compare(interval(record, 1.1, 1.5, 2.0), interval(later, 0.9, 1.3, 1.9)), "primary")
    assert change.sides == ("above 1", "holds 1") and change.changed_side


def test_another_method_under_one_id_is_told_and_its_numbers_are_not(record, later):
    estimate(record)["method"] = "t with 21.9 degrees of freedom"
    estimate(later)["method"] = "t with 22 degrees of freedom"
    assert change_of(compare(record, later), "primary").described == ()
    estimate(later)["method"] = "chi-square"
    around(record, 2.0, 1.5), around(later, 1.8, 1.5, "more_size_unsettled")
    words = told(record, later)
    assert "The primary estimate is a number of something else now (method changed)" in words
    assert "The point did it" not in words and "of an interval’s width" not in words


# --- point or width --------------------------------------------------------------------------------------------------


def around(record, point, arm, code="more"):
    """The record with an interval of equal arms on the logarithmic scale."""
    return call(interval(record, point / arm, point, point * arm), code)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        # the line is 1.25; 2/1.5 = 1.33 lies above it, 1.8/1.5 = 1.2 and 2/1.7 = 1.18 do not
        ((2.0, 1.5), (1.8, 1.5), "The point did it"),
        ((2.0, 1.5), (2.0, 1.7), "The width did it"),
        ((2.0, 1.5), (1.8, 1.7), "Either change would have been enough"),
        # 1.9/1.5 = 1.267 and 2/1.58 = 1.266 lie above it, 1.9/1.58 = 1.203 does not
        ((2.0, 1.5), (1.9, 1.58), "It took both"),
    ],
)
def test_a_crossed_line_is_laid_at_the_point_or_the_width(record, later, before, after, sentence):
    words = told(around(record, *before), around(later, *after, "more_size_unsettled"))
    assert "The interval lay above 1.25; it lies above 1, and not above 1.25." in words
    assert sentence in words


def test_an_interval_of_unequal_arms_keeps_both(record, later):
    call(interval(record, 1.26, 2.0, 2.2), "more")
    # the point fell by a tenth; with the old lower arm of 2/1.26 the limit falls with it, to 1.134
    comparison = compare(record, call(interval(later, 1.134, 1.8, 9.0), "more_size_unsettled"))
    assert comparison.exchange.point_alone == "above 1, and not above 1.25"
    assert comparison.exchange.width_alone == "above 1.25"


def test_wider_or_narrower_is_said_with_both_lengths(record, later):
    words = told(around(record, 2.0, 1.5), around(later, 1.8, 1.7, "more_size_unsettled"))
    assert "It is wider: its ends are a factor of 2.89 apart and were 2.25." in words  # 1.7², 1.5²


@pytest.mark.parametrize(
    ("low", "high", "where"),
    [
        (1.26, 2, "above 1.25"),
        (1.25, 2, "above 1, and not above 1.25"),
        (1.0, 2, "on both sides of 1"),
        (0.5, 1.0, "on both sides of 1"),
        (0.5, 0.8, "below 1, and not below 0.80"),
        (0.5, 0.79, "below 0.80"),
    ],
)
def test_an_interval_is_placed_as_the_verdict_reads_it(low, high, where):
    assert place(low, high, 1.25) == where


def test_a_call_read_off_a_second_interval_is_not_taken_apart(record, later):
    around(record, 2.0, 1.5), around(later, 1.0, 1.1, "no_material_difference")
    comparison = compare(record, later)
    assert comparison.exchange is None
    assert any("read off a second interval" in sentence for sentence in comparison.sentences)


def test_intervals_at_two_levels_are_not_taken_apart(record, later):
    around(record, 2.0, 1.5), around(later, 1.8, 1.5, "more_size_unsettled")
    estimate(later)["level"] = 0.9
    assert compare(record, later).exchange is None
    assert "at two levels" in told(record, later)


# --- checks, gates, grade --------------------------------------------------------------------------------------------


def gate_of(record):
    return next(each for each in record["checks"] if each["gate"])


def test_a_gate_that_fails_now_silences_and_no_line_is_said_to_be_crossed(record, later):
    for each in (record, later):
        for one in each["checks"]:
            one["status"] = "pass"
    gate_of(later).update(status="fail", sentence="3 failures; the plan asks for 20")
    around(record, 2.0, 1.5), around(later, 1.8, 1.7, "cannot_tell")
    words = told(record, later)
    assert "A gate that held fails now and silences the estimate: 3 failures; the plan asks for 20." in words
    assert "The point did it" not in words and "The interval lay" not in words
    assert "so the estimate speaks again" in told(later, record)


def test_checks_that_changed_are_listed_gates_first(record, later):
    for each in (record, later):
        for one in each["checks"]:
            one["status"] = "pass"
    for one in later["checks"]:
        one["status"] = "fail"
    gates = [change.gate for change in compare(record, later).checks]
    assert gates == sorted(gates, reverse=True)
    assert len(gates) == len(record["checks"])


def test_the_grade_is_told_with_the_checks_behind_it(record, later):
    last = later["checks"][-1]
    record["checks"][-1].update(id="last_of_all", status="pass")
    last.update(id="last_of_all", status="fail")
    record["verdict"]["grade"], later["verdict"]["grade"] = "A", "B"
    assert "The grade went from A to B: last of all pass → fail." in told(record, later)


def test_a_new_deviation_is_told(record, later):
    record["verdict"]["deviations"] = []
    later["verdict"]["deviations"] = ["The plan was changed after its freeze.", "Twice."]
    words = told(record, later)
    assert "New among the deviations from the frozen plan: The plan was changed after its freeze. And 1 more." in words
    del record["verdict"]["deviations"]
    assert "deviations" not in told(record, later)


# --- old, partial, backwards, hostile --------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["labels", "population", "links", "window", "not_assessed", "notes", "tables"])
def test_records_that_lack_a_part_are_compared_all_the_same(record, later, section):
    del record["data"][section]
    for pair in ((record, later), (later, record)):
        comparison = compare(*pair)
        assert comparison_text(comparison) and comparison_html(comparison) and json.loads(comparison.to_json())


def test_records_of_an_early_version_are_compared_all_the_same(record, later):
    record.pop("provenance")
    for entry in record["estimates"]:
        for key in ("family", "p_adjusted", "p_value", "n", "events", "outcome", "design", "adjustment", "caveats"):
            entry.pop(key, None)
    for entry in record["checks"]:
        entry.pop("threshold", None)
    for key in ("words", "needed", "deviations", "grade"):
        record["verdict"].pop(key, None)
    comparison = compare(record, later)
    assert comparison_text(comparison) and comparison_html(comparison) and json.loads(comparison.to_json())


def test_counts_that_were_suppressed_are_shown_as_they_are(record, later):
    later["data"]["labels"]["unknown"] = "1 to 4"
    assert "labelled unknown 2,850 → 1 to 4" in told(record, later)


def test_a_partial_run_is_compared_with_a_warning(record, later):
    (warning,) = compare(record, later, manifests=({"status": "complete"}, {"status": "partial"})).warnings
    assert warning.startswith("The later run is partial")


def test_runs_given_backwards_are_warned_of_across_time_zones(record, later):
    begun = [{"began": "2026-11-23T01:00:00+00:00"}, {"began": "2026-11-22T20:30:00-05:00"}]  # 01:30 UTC
    assert compare(record, later, manifests=tuple(begun)).warnings == ()
    (warning,) = compare(record, later, manifests=tuple(reversed(begun))).warnings
    assert "began after the second" in warning


def test_two_studies_are_warned_of(record, later):
    manifests = ({"study": "demo"}, {"study": "shop"})
    (warning,) = compare(record, later, manifests=manifests).warnings
    assert "“demo”" in warning and "“shop”" in warning


class Page(HTMLParser):
    """Tags, ids and addresses of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("href", "src")]


def hostile_everywhere(value, kept=("call", "status", "estimand", "gate", "schema_version")):
    """The record with every text that is no code of ours replaced."""
    if isinstance(value, dict):
        return {key: each if key in kept else hostile_everywhere(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile_everywhere(each) for each in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


def test_hostile_text_is_shown_and_does_nothing(record, later):
    comparison = compare(record, hostile_everywhere(later), manifests=({}, {"study": HOSTILE, "began": HOSTILE}))
    page = Page(comparison_html(comparison))
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:text/csv;")) for address in page.addresses)
    text = comparison_text(comparison)
    assert "\x1b" not in text and "\u202e" not in text
    assert comparison._repr_html_().count("<script") == 0


def test_half_of_a_surrogate_pair_stops_nothing(record, later):
    later["plan"]["title"] = "\ud800"
    assert comparison_html(compare(record, later)).encode() and compare(record, later).to_json().encode()


def test_the_page_is_whole_and_the_same_for_the_same_records(record, later):
    around(record, 2.0, 1.5), around(new_data(later), 1.8, 1.5, "more_size_unsettled")
    html = comparison_html(compare(record, later))
    page = Page(html)
    assert page.tags.count("h1") == 1 and page.tags.count("svg") == 2  # for a desk and for a telephone
    assert len(page.ids) == len(set(page.ids))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert all(address.startswith(("#", "data:text/csv;")) for address in page.addresses)  # a figure brings its numbers
    assert "http:" not in html.replace("http://www.w3.org", "") and "https:" not in html
    assert html == comparison_html(compare(deepcopy(record), deepcopy(later)))


def test_the_text_has_no_wide_tables(record, later):
    around(record, 2.0, 1.5), around(new_data(later), 1.8, 1.5, "more_size_unsettled")
    lines = comparison_text(compare(record, later)).splitlines()
    assert lines[0].startswith("Before: ") and lines[1].startswith("After: ")
    assert not any("   " in line.strip() or "\t" in line for line in lines)


def test_the_json_holds_every_estimate_and_every_sentence(record, later):
    comparison = compare(record, interval(later, 1.31, exp(0.5), None))
    plain = json.loads(comparison.to_json())
    assert {each["id"] for each in plain["estimates"]} == {each["id"] for each in record["estimates"]}
    assert plain["sentences"] == list(comparison.sentences)
    assert next(each for each in plain["estimates"] if each["id"] == "primary")["after"]["high"] is None
