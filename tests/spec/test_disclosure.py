"""What is published gives no small count away and names no author, in results, tables, figures and sentences."""

import json
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from counterfault.estimate import ESTIMATES_MIME, Estimand, Estimate, Interval
from counterfault.figures import adoption, failure_rates, flow, forest, links, time_to_incident
from counterfault.plan import Plan
from counterfault.publish.disclosure import Policy, is_active, published_notebook, published_record, statement
from counterfault.publish.disclosure.audit import protected
from counterfault.publish.disclosure.frames import masked_frame
from counterfault.publish.disclosure.outputs import masked_html
from counterfault.publish.disclosure.people import names_people
from counterfault.publish.disclosure.pictures import redrawn
from counterfault.publish.disclosure.prose import masked_prose
from counterfault.publish.notebooks import notebook_html, notebook_page
from counterfault.record import schema
from counterfault.showing.tables import estimates_table

POLICY = Policy()
AUTHOR = "a-7f3c9e21d0"  # an invented pseudonym


def frame(picture: str) -> pd.DataFrame:
    """A drawn table; whole numbers are numbers, the rest is text."""
    head, _, *rows = [[cell.strip() for cell in line.split("|")] for line in picture.strip().splitlines()]
    columns = list(zip(*rows, strict=True))
    return pd.DataFrame({name: [_number(cell) for cell in column] for name, column in zip(head, columns, strict=True)})


def _number(text: str):
    return int(text) if text.isdigit() else float(text) if re.fullmatch(r"\d+\.\d+", text) else text


def shown(masked: pd.DataFrame) -> str:
    return "\n".join(" | ".join(map(str, row)) for row in masked.itertuples(index=False))


def masked(picture: str, policy: Policy = POLICY, *, margins: bool = False) -> str:
    return shown(masked_frame(frame(picture), policy, margins=margins).frame)


def drawn_as(picture: str) -> str:
    return "\n".join(" | ".join(cell.strip() for cell in line.split("|")) for line in picture.strip().splitlines())


# --- the policy ------------------------------------------------------------------------------------------------------


def test_a_plan_that_says_nothing_has_the_policy_that_records_without_one_are_given():
    section = Plan().disclosure
    assert (section.threshold, section.round_to) == (Policy.bare({"plan": {}}).threshold, Policy().round_to) == (5, 1)


@pytest.mark.parametrize(
    ("threshold", "round_to", "active"), [(0, 1, False), (1, 1, False), (2, 1, True), (0, 5, True)]
)
def test_the_policy_can_be_switched_off(threshold, round_to, active):
    assert is_active(Policy(threshold, round_to)) is active


def test_a_page_says_what_it_does_not_show():
    assert "Counts from 1 to 4 are suppressed" in statement(Policy(5))
    assert "Counts are rounded to multiples of 10" in statement(Policy(0, 10))
    assert statement(Policy(0)) == "Disclosure control is switched off in the plan: every count is shown as it is."


@pytest.mark.parametrize(("count", "published"), [(0, 0), (2, 5), (7, 5), (8, 10), (12, 10), (13, 15), (100, 100)])
def test_counts_are_rounded_to_the_nearest_multiple_and_some_never_become_none(count, published):
    assert Policy(0, 5).rounded(count) == published


# --- frames ----------------------------------------------------------------------------------------------------------


def test_small_counts_go_and_what_is_made_from_them_none_and_large_ones_stay():
    assert masked("""
        service | deployments | failures | risk | hours
        --------+-------------+----------+------+------
        search  | 80          | 0        | 0.0  | 3
        cart    | 90          | 4        | 0.044 | 2
        login   | 70          | 5        | 0.071 | 1
    """) == drawn_as("""
        search | 80 | 0   | 0.0        | 3
        cart   | 90 | < 5 | suppressed | 2
        login  | 70 | 5   | 0.071      | 1
    """)


def test_a_total_takes_a_second_count_with_it_the_smallest():
    assert masked("""
        service | failures
        --------+---------
        search  | 3
        cart    | 9
        login   | 20
        total   | 32
    """) == drawn_as("""
        search | < 5
        cart   | suppressed
        login  | 20
        total  | 32
    """)


def test_rows_read_accepted_and_quarantined_are_one_sum():
    assert masked("""
        table       | read | accepted | quarantined
        ------------+------+----------+------------
        deployments | 1015 | 1000     | 15
        incidents   | 104  | 100      | 4
    """) == drawn_as("""
        deployments | 1015 | 1000       | 15
        incidents   | 104  | suppressed | < 5
    """)


def test_one_after_the_other_goes_until_nothing_follows():
    # With 3 and 9 gone, the columns give 3 = 40 − 30 − 7 back unless two of each column are.
    table = """
        group | yes | no | all
        ------+-----+----+----
        one   | 3   | 9  | 12
        two   | 30  | 8  | 38
        three | 7   | 6  | 13
        total | 40  | 23 | 63
    """
    left = masked_frame(frame(table), POLICY).frame
    assert left.loc[0, "yes"] == "< 5"
    for lines in (left.iloc[0, 1:], left["yes"]):
        assert sum(isinstance(cell, str) for cell in lines) >= 2


def test_two_small_counts_whose_sum_leaves_one_reading_take_a_third():
    # Of 8 in two groups of fewer than five each, both are 4.
    left = masked_frame(frame("who | n\n---\na | 4\nb | 4\nc | 50\ntotal | 58"), POLICY).frame
    assert list(left["n"]) == ["< 5", "< 5", "suppressed", 58]


def test_four_ones_that_add_up_to_four_are_not_even_called_small():
    left = masked_frame(frame("who | n\n---\na | 1\nb | 1\nc | 1\nd | 1\ntotal | 4"), POLICY).frame
    assert list(left["n"]) == ["< 5", "< 5", "< 5", "< 5", "suppressed"]


def test_a_running_account_gives_no_step_away():
    account = """
        step   | ai  | total | left out here
        -------+-----+-------+--------------
        read   | 103 | 500   | 0
        filter | 100 | 450   | 50
        end    | 100 | 400   | 50
    """
    left = masked_frame(frame(account), POLICY).frame
    assert not {103, 100} <= set(left["ai"])  # 103 − 100 is 3, and nobody had printed it


def test_a_share_of_a_printed_total_is_the_count():
    assert masked("n | risk\n---\n100 | 0.02\n1000 | 0.02\n100 | 0.97") == drawn_as(
        "100 | suppressed\n1000 | 0.02\n100 | suppressed"
    )


def test_the_sum_of_a_column_told_elsewhere_is_a_total_too():
    table = "who | n\n---\na | 3\nb | 9\nc | 20"
    assert masked(table).count("suppressed") == 0
    assert masked(table, Policy(told=frozenset({32}))).count("suppressed") == 1


@pytest.mark.parametrize(
    "name", ["hours", "day", "seed", "draws", "hops", "services", "level", "severity", "exposed", "df"]
)
def test_whole_numbers_that_count_no_one_stay(name):
    assert list(masked_frame(pd.DataFrame({name: [1, 2, 3]}), POLICY).frame[name]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["n", "events", "deployments", "ai", "whatever", "incidents in 6 hours", "value"])
def test_whole_numbers_of_which_nothing_is_known_are_counts(name):
    assert list(masked_frame(pd.DataFrame({name: [0, 1, 4, 5]}), POLICY).frame[name]) == [0, "< 5", "< 5", 5]


def test_without_a_policy_a_frame_is_as_it_was():
    table = pd.DataFrame({"n": [1, 2], "risk": [0.5, 0.25]})
    assert masked_frame(table, Policy(0)).frame.equals(table)


def test_rounded_counts_leave_out_what_was_made_from_them():
    assert masked("who | n | risk\n---\na | 12 | 0.25\nb | 101 | 0.5", Policy(0, 10)) == drawn_as(
        "a | 10 | left out\nb | 100 | left out"
    )


def test_where_nothing_else_helps_a_zero_goes():
    small, more = protected(
        {("a",): 3, ("b",): 0, ("t",): 3}, [{("t",): 1, ("a",): -1, ("b",): -1}], threshold=5, kept={("t",)}
    )
    assert (small, more) == ({("a",)}, {("b",)})


# --- sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("3 deployments failed.", "Fewer than 5 deployments failed."),
        ("Only 1 deployment failed.", "Only fewer than 5 deployments failed."),
        ("There were three failures.", "There were fewer than 5 failures."),
        ("all but the one incident", "all but fewer than 5 incidents"),
        ("**2** of the 341 failed", "**fewer than 5** of the 341 failed"),
        ("of 90 rows 4 broke, 86 did not", "of 90 rows fewer than 5 broke, a suppressed number did not"),
        ("2% of 150 changes", "A suppressed share of 150 changes"),
        ("whatever this is: 2", "whatever this is: fewer than 5"),
        ("0 incidents, 5 incidents, 1,204 incidents", "0 incidents, 5 incidents, 1,204 incidents"),
        ("within 3 hours after deployments, 1 hop away", "within 3 hours after deployments, 1 hop away"),
        ("at least 4 services with at least 2 tools", "at least 4 services with at least 2 tools"),
        ("Of 13 attempts 12 left it standing; 1 did not", "Of 13 attempts 12 left it standing; 1 did not"),
        ("Of 4 intervals: 1 above 1, 3 with 1 inside.", "Of 4 intervals: 1 above 1, 3 with 1 inside."),
        ("1.62 times (1.31 to 2.00), on 2025-03-01", "1.62 times (1.31 to 2.00), on 2025-03-01"),
        ("3% of the changes; p = 0.04; sensitivity of 0.91", "3% of the changes; p = 0.04; sensitivity of 0.91"),
        ("severity 2, CR2, dep-0003, v1.2", "severity 2, CR2, dep-0003, v1.2"),
    ],
)  # fmt: skip
def test_small_numbers_in_sentences_go_unless_they_are_known_to_count_no_one(text, published):
    assert masked_prose(text, POLICY).text == published


def test_a_count_that_gives_a_small_one_away_goes_wherever_it_stands():
    policy = Policy(withheld=frozenset({904}))
    assert masked_prose("Of 904 rows 900 are used.", policy).text == "Of a suppressed number of rows 900 are used."
    assert masked_frame(pd.DataFrame({"rows": [904, 83]}), policy).frame["rows"].tolist() == ["suppressed", 83]


def test_numbers_in_sentences_are_rounded_where_counts_are():
    assert masked_prose("681 failures in 24 hours", Policy(0, 10)).text == "680 failures in 24 hours"


# --- results ---------------------------------------------------------------------------------------------------------


def entry(id: str, n: int | None, events: int | None, value: float = 1.6, **more) -> dict:
    return {
        "id": id, "label": "all", "notebook": "30_association", "design": "", "outcome": "", "estimand": "risk ratio",
        "adjustment": [], "value": value, "low": value / 2, "high": value * 2, "level": 0.95, "p_value": 0.04, "n": n,
        "events": events, "method": "any", "caveats": [], "family": "exploratory", "p_adjusted": 0.1, **more,
    }  # fmt: skip


def table(read: int, quarantined: int, used: int) -> dict:
    accepted = read - quarantined
    return {
        "source": "a.csv",
        "read": read,
        "accepted": accepted,
        "quarantined": quarantined,
        "used": used,
        "sha256": None,
    }


RECORD = {
    "schema_version": 1,
    "plan": {
        "title": "Ours", "question": "Do they?", "digest": "0123456789ab", "level": 0.95, "worth_acting_on": 1.25,
        "outcome": {}, "strata": ["service"], "confounders": [], "mediators": [], "primary": "corrected.risk_ratio",
        "period": {}, "disclosure": {"threshold": 5, "round_to": 1},
    },
    "data": {
        "tables": {"deployments": table(1020, 20, 900), "incidents": table(104, 4, 100)},
        "labels": {"ai": 320, "human": 580, "unknown": 100},
        "population": [
            {"step": "too young", "ai": 18, "human": 79, "unknown": 3},
            {"step": "assistance unknown", "ai": 0, "human": 0, "unknown": 97},
            {"step": "analysed", "ai": 302, "human": 501, "unknown": 0},
        ],
        "links": [
            {"rule": "recorded", "links": 3, "incidents_linked": 3, "deployments_linked": 3,
             "expected_by_chance": None},
            {"rule": "window", "links": 90, "incidents_linked": 60, "deployments_linked": 80,
             "expected_by_chance": 9.5},
        ],
        "window": {"start": "2025-01-01T00:00:00+00:00", "end": "2025-06-01T00:00:00+00:00", "follow_up_hours": 24.0},
        "not_assessed": [{"analysis": "peaks", "reason": "2 deployments have a time"}],
        "notes": ["deployments: 3 rows have no zone", f"author = {AUTHOR} was seen"],
    },
    "estimates": [
        entry("crude.risk_ratio", 803, 60, value=(20 / 302) / (40 / 501)),
        entry("failure_mode.race.risk_ratio", 500, 3),
        entry("failure_mode.data.risk_ratio", 500, 20, caveats=["2 failures are left out."]),
        entry("failure_mode.other.risk_ratio", 500, 37),
        entry("surfaced", 60, 58),
        entry("leave_one_out.service", 801, 60, label="without search"),
        entry("risk", 803, 40, value=0.002, estimand="risk"),
        entry("primary", 803, 60),
    ],
    "checks": [
        {"id": "late_labels", "question": "?", "status": "pass", "value": 15.0, "threshold": "", "gate": True,
         "sentence": "3 AI-assisted and 12 other failures were labelled late"},
        {"id": "overlap", "question": "?", "status": "pass", "value": 1.0, "threshold": "", "gate": True,
         "sentence": "100.0% of the AI-assisted changes"},
    ],
    "verdict": {
        "question": "Do they?", "call": "more", "words": "More often", "grade": "B", "sentence": "1.60 times.",
        "attributable_incidents": {"value": 7.5, "low": 5.2, "high": 11.0}, "minimum_detectable_effect": 1.4,
        "excluded": "Nothing.", "needed": None, "deviations": ["2 of the 900 deployments had happened."],
    },
    "provenance": {"inputs": {"incidents": {"source": "a.csv", "sha256": None, "rows": 104}}},
}  # fmt: skip
RECORD["data"]["tables"]["deployments"] = table(1020, 20, 803)


def published(**changes) -> dict:
    return published_record({**deepcopy(RECORD), **changes})


def estimates(record: dict) -> dict:
    return {each["id"]: each for each in record["estimates"]}


def test_a_published_record_keeps_the_schema_and_the_run_keeps_its_own():
    import jsonschema

    before = deepcopy(RECORD)
    jsonschema.validate(published_record(RECORD), schema())
    assert before == RECORD


def test_the_rows_of_a_table_do_not_give_the_quarantined_away():
    found = published()["data"]["tables"]["incidents"]
    assert found["quarantined"] is None
    assert found["read"] is None or found["accepted"] is None
    assert found["used"] == 100
    assert published()["provenance"]["inputs"]["incidents"]["rows"] == found["read"]


def test_steps_with_few_changes_are_taken_together():
    steps = published()["data"]["population"]
    assert [row["step"] for row in steps] == ["too young or assistance unknown", "analysed"]
    assert steps[0] == {"step": "too young or assistance unknown", "ai": 18, "human": 79, "unknown": 100}


def test_where_an_account_cannot_be_told_it_is_left_out_with_what_gives_it_away():
    data = deepcopy(RECORD["data"])
    data["population"] = [
        {"step": "too young", "ai": 3, "human": 0, "unknown": 0},
        {"step": "analysed", "ai": 302, "human": 501, "unknown": 0},
    ]
    data["labels"] = {"ai": 305, "human": 501, "unknown": 0}
    data["tables"]["deployments"] = table(826, 20, 803)
    shown_data = published(data=data)["data"]
    assert shown_data["population"] == []
    # 806 accepted less 803 used would be the three again.
    assert (
        shown_data["tables"]["deployments"]["accepted"] is None or shown_data["tables"]["deployments"]["used"] is None
    )
    assert shown_data["labels"]["ai"] is None


def test_an_estimate_that_rests_on_few_is_not_shown_and_says_so():
    few = estimates(published())["failure_mode.race.risk_ratio"]
    assert {few[key] for key in ("value", "low", "high", "n", "events", "p_value", "p_adjusted")} == {None}
    assert few["caveats"] == ["Suppressed: it rests on fewer than 5 deployments or failures."]
    assert estimates(published())["primary"]["value"] == 1.6


def test_slices_that_add_up_lose_a_second_one():
    # 60 failures in all, less 37 and 20, are the 3 that were suppressed.
    found = estimates(published())
    assert (
        found["failure_mode.data.risk_ratio"]["events"] is None
        and found["failure_mode.other.risk_ratio"]["events"] == 37
    )


def test_few_without_a_failure_are_few_too():
    assert estimates(published())["surfaced"]["value"] is None


def test_an_omission_of_few_is_not_told_by_the_number_that_remain():
    found = estimates(published())["leave_one_out.service"]
    assert found["n"] is None and found["value"] == 1.6


def test_a_risk_of_few_is_not_shown():
    assert estimates(published())["risk"]["value"] is None  # 0.002 of 803 are one or two


def test_the_crude_ratio_goes_where_the_failures_of_one_group_follow_from_it():
    found = deepcopy(RECORD["estimates"])
    found[0]["value"] = (3 / 302) / (57 / 501)  # with 60 failures and both groups known, 3 is the only solution
    record = published(estimates=found)
    assert estimates(record)["crude.risk_ratio"]["value"] is None
    assert record["verdict"]["attributable_incidents"] is None
    assert estimates(published())["crude.risk_ratio"]["value"] == RECORD["estimates"][0]["value"]


def test_the_call_stays_and_its_sentence_goes_with_the_primary_estimate():
    found = [*RECORD["estimates"][:-1], entry("primary", 803, 4)]
    verdict = published(estimates=found)["verdict"]
    assert (verdict["call"], verdict["grade"]) == ("more", "B")
    assert "suppressed" in verdict["sentence"] and verdict["attributable_incidents"] is None
    assert published()["verdict"]["sentence"] == "1.60 times."


def test_sums_beside_a_masked_sentence_go_and_shares_stay():
    late, overlap = published()["checks"]
    assert late["sentence"].startswith("Fewer than 5 AI-assisted and 12 other") and late["value"] is None
    assert overlap == RECORD["checks"][1]


def test_a_record_says_what_it_does_not_show():
    told = published()["disclosure"]
    assert told["statement"] == statement(POLICY) and told["suppressed"] > 10
    off = published(plan={**RECORD["plan"], "disclosure": {"threshold": 0, "round_to": 1}})
    assert off["disclosure"]["suppressed"] == 0
    assert (off["estimates"], off["data"]["tables"]) == (RECORD["estimates"], RECORD["data"]["tables"])


def test_rounding_leaves_multiples_and_no_crude_estimate():
    record = published(plan={**RECORD["plan"], "disclosure": {"threshold": 5, "round_to": 10}})
    counts = [each[key] for each in record["estimates"] for key in ("n", "events") if each[key] is not None]
    counts += [
        value for found in record["data"]["tables"].values() for value in found.values() if isinstance(value, int)
    ]
    assert counts and all(value % 10 == 0 for value in counts)
    assert estimates(record)["crude.risk_ratio"]["value"] is None and estimates(record)["primary"]["value"] == 1.6


def test_a_record_from_before_is_published_by_the_default():
    plan = {key: value for key, value in RECORD["plan"].items() if key != "disclosure"}
    assert published(plan=plan)["disclosure"] == published()["disclosure"]


# --- figures ---------------------------------------------------------------------------------------------------------

PERIODS = frame("""
    period | ai | human | unknown
    -------+----+-------+--------
    May    | 3  | 90    | 10
    June   | 20 | 80    | 6
    July   | 40 | 70    | 12
""")
RATES = frame("""
    period | exposed | n   | events
    -------+---------+-----+-------
    May    | 1       | 50  | 3
    May    | 0       | 200 | 10
    June   | 1       | 50  | 9
    June   | 0       | 200 | 12
""")
RULES = pd.DataFrame([("recorded", 3, None), ("window", 100, 29.6)], columns=["rule", "observed", "expected_by_chance"])
STEPS = frame("""
    step         | ai | human | unknown
    -------------+----+-------+--------
    not followed | 2  | 13    | 1
    repair       | 10 | 20    | 30
    analysed     | 20 | 60    | 0
""")
CURVES = pd.DataFrame(
    [("AI-assisted", hours, risk, risk, risk, events)
     for hours, risk, events in ((0, 0.0, 0), (1, 0.01, 3), (2, 0.02, 4), (5, 0.03, 6), (9, 0.035, 1), (72, 0.035, 0))],
    columns=["group", "hours", "risk", "low", "high", "events"],
)  # fmt: skip
SMALL = Estimate(
    estimand=Estimand.RISK_RATIO, value=2.5, interval=Interval(1.1, 9, 0.95), method="any", id="race", label="race",
    support={"n": 300, "events": 3},
)  # fmt: skip
LARGE = Estimate(
    estimand=Estimand.RISK_RATIO, value=1.5, interval=Interval(1.1, 2, 0.95), method="any", id="data", label="data",
    support={"n": 300, "events": 30},
)  # fmt: skip


def again(figure):
    found, _ = redrawn(json.loads(json.dumps(figure.recipe)), POLICY)
    return found


def test_a_bar_that_would_show_a_small_count_is_a_gap_and_the_caption_says_so():
    found = again(adoption(PERIODS))
    assert list(found.data["ai"]) == ["< 5", "suppressed", 40] and list(found.data["human"]) == [90, 80, 70]
    assert list(found.data["ai_share"][:2]) == ["suppressed"] * 2
    assert "Small counts are suppressed, which leaves a gap at 2 periods" in found.caption
    assert "Of the changes known to be AI-assisted or not, 36% were AI-assisted in July." in found.caption
    assert "of all changes it is unknown" not in found.caption
    assert found.svg != adoption(PERIODS).svg and found.recipe is None


def test_failure_rates_lose_points_and_the_share_over_all_periods():
    found = again(failure_rates(RATES))
    assert list(found.data["events"]) == ["< 5", 10, "suppressed", 12]
    assert "AI-assisted: no share of all periods" in found.caption and "22 of 400" in found.caption


def test_a_rule_with_few_links_keeps_its_row_and_loses_its_marks():
    found = again(links(RULES))
    assert found.caption == "Recorded: a suppressed number of links; window: 100 links, 30 (30%) expected by chance."
    planned = again(links(RULES.assign(planned=[True, False])))
    assert planned.caption.startswith("By the plan's rule (recorded) a suppressed number of links were made.")


def test_the_flow_takes_small_steps_together():
    found = again(flow(STEPS))
    assert list(found.data["step"]) == ["accepted", "without: not followed or repair", "analysed"]
    assert list(found.data["left_out_here"]) == [0, 76, 0]


def test_a_count_that_happens_to_equal_a_withheld_number_of_rows_stays():
    policy = Policy(withheld=frozenset({19}))
    assert masked_frame(pd.DataFrame({"quarantined": [19, 30]}), policy).frame["quarantined"].tolist() == [
        "suppressed",
        30,
    ]
    assert masked_frame(pd.DataFrame({"events": [19, 30]}), policy).frame["events"].tolist() == [19, 30]


def test_a_curve_rises_by_no_fewer_incidents_than_may_be_seen():
    found = again(time_to_incident(CURVES, level=0.9, within="teams"))
    assert found.caption.startswith("Within 72 hours 3.5% of AI-assisted deployments had an incident (90% interval ")
    assert list(found.data["events"]) == [0, 7, 7] and list(found.data["hours"]) == [0, 2, 72]
    assert again(time_to_incident(CURVES.drop(columns="events"))) is None  # nobody knows what a step stands for


def test_a_forest_leaves_out_what_rests_on_few():
    found = again(forest([SMALL, LARGE]))
    assert found.data["value"].notna().tolist() == [False, True]
    assert "Suppressed: it rests on fewer than 5" in found.data["note"][0]


# --- notebooks -------------------------------------------------------------------------------------------------------


def executed(*outputs, source: str = "show()") -> nbformat.NotebookNode:
    """A notebook of which one cell showed these outputs."""
    cell = new_code_cell(source, execution_count=1, outputs=list(outputs))
    return new_notebook(cells=[new_markdown_cell("# Ours"), cell])


def output(thing=None, **data) -> nbformat.NotebookNode:
    if hasattr(thing, "_repr_mimebundle_"):
        data = thing._repr_mimebundle_()
    elif thing is not None:
        data = {"text/html": thing._repr_html_(), "text/plain": repr(thing)}
    return new_output(
        "execute_result", {name.replace("__", "/"): value for name, value in data.items()}, execution_count=1
    )


def page(*outputs, policy: Policy = POLICY, source: str = "show()") -> str:
    return notebook_html(notebook_page(published_notebook(executed(*outputs, source=source), policy), name="ours"))


def words(html: str) -> str:
    body = html.split("<main", 1)[-1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<svg.*?</svg>", " ", body, flags=re.DOTALL)))


def test_a_frame_of_a_users_own_notebook_is_masked():
    own = pd.DataFrame({"service": ["search", "cart"], "failures": [3, 40], "rate": [0.03, 0.4], "n": [100, 100]})
    said = words(page(output(own)))
    assert "search &lt; 5 suppressed 100" in said and "cart 40 0.40 100" in said
    assert "What is not shown" in said and statement(POLICY) in said


def test_an_index_of_several_levels_is_read_as_it_is_seen():
    own = pd.DataFrame({"team": ["a", "a", "b"], "kind": ["x", "y", "x"], "failures": [3, 40, 50]}).set_index(
        ["team", "kind"]
    )
    said = words(page(output(own)))
    assert "&lt; 5" in said and "40" in said and "50" in said


def test_rows_of_a_table_that_rest_on_few_are_left_out_though_it_does_not_show_what_they_rest_on():
    said = words(page(output(estimates_table([SMALL, LARGE], "Both"))))
    assert "2.50" not in said and "9.00" not in said and "1.50" in said


def test_captions_names_and_alternative_texts_are_masked_too():
    html = "<figure><figcaption>3 deployments failed</figcaption><table><tr><td>x</td></tr></table></figure>"
    html += "<p>and 2 incidents</p>"
    said = masked_html(html + '<div role="group" aria-label="4 incidents" tabindex="0">x</div>', POLICY)
    assert not re.search(r"[234] (deployments|incidents)", said)
    assert said.count("ewer than 5") == 3


def test_a_picture_whose_numbers_had_to_go_is_withheld_and_its_masked_table_stays():
    mine = adoption(PERIODS)
    shown_page = page(output(text__html=mine._repr_html_()))  # as a figure of somebody's own, without a recipe
    body = shown_page.split("<main", 1)[-1]
    assert "<svg" not in body and "The picture and its finding are withheld" in body
    assert "3.2%" not in body  # of 93 they were the three
    assert "&lt; 5" in words(shown_page) and "data:text/csv" in body and "May%2C3" not in body and "May,3," not in body


def test_a_figure_whose_numbers_may_be_seen_keeps_its_picture_to_the_byte():
    fine = adoption(PERIODS.assign(ai=[30, 40, 50]))
    assert fine.svg in masked_html(fine._repr_html_(), POLICY)
    assert masked_html(fine._repr_html_(), POLICY).count("data:text/csv") == 1


def test_a_picture_nobody_can_read_is_withheld():
    png = new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": "3 incidents"}})
    assert "A picture is withheld" in page(png)
    assert "A picture is withheld" in page(output(text__html='<img src="data:image/png;base64,iVBORw0KGgo=" alt="3">'))


def test_computed_sentences_are_masked_and_text_of_the_analyst_stays():
    said = words(page(output(text__markdown="**2** deployments failed.")))
    assert "fewer than 5 deployments failed" in said.lower()
    nb = executed()
    nb.cells[0].source = "# Three groups, 3 of them small"
    assert published_notebook(nb, POLICY).cells[0].source == "# Three groups, 3 of them small"


def test_what_a_page_does_not_show_does_not_travel_with_it():
    told = {ESTIMATES_MIME: [{"id": "primary", "value": 1.6, "events": 3}], "text/plain": "facts"}
    stream = new_output("stream", name="stdout", text="3 incidents")
    error = new_output("error", ename="ValueError", evalue=f"row of {AUTHOR}", traceback=[f"row of {AUTHOR}"])
    nb = published_notebook(
        executed(new_output("display_data", told), output(adoption(PERIODS)), stream, error), POLICY
    )
    nbformat.validate(nb)
    kinds = [set(each.get("data", {})) for each in nb.cells[1].outputs]
    assert kinds == [{ESTIMATES_MIME, "text/plain"}, {"text/html"}, set()]
    assert nb.cells[1].outputs[0].data[ESTIMATES_MIME] == [{"id": "primary"}]
    assert "<script" not in nb.cells[1].outputs[1].data["text/html"]


def test_the_notebook_of_the_run_stays_as_it_is():
    nb = executed(output(adoption(PERIODS)))
    before = deepcopy(nb)
    published_notebook(nb, POLICY)
    assert nb == before


# --- authors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["author", "Author", "author_hash", "co_author", "authors", "committer", "e-mail", "login"]
)
def test_columns_of_people_are_known_by_name(name):
    assert names_people(name)


@pytest.mark.parametrize(
    "name", ["author_tenure_days", "author groups", "author cluster", "approved_by_human", "reviewers"]
)
def test_columns_about_many_people_stay(name):
    assert not names_people(name)


PLANTED = {
    "a column": output(pd.DataFrame({"author": [AUTHOR, "b"], "n": [50, 60]})),
    "an index": output(pd.DataFrame({"n": [50, 60]}, index=pd.Index([AUTHOR, "b"], name="author"))),
    "columns": output(pd.DataFrame({"author": [AUTHOR], "n": [50]}).T),
    "a sentence": output(text__markdown=f"author = {AUTHOR} and author: {AUTHOR}; the author is {AUTHOR}."),
    "printed text": output(text__plain=f"     author   n\n0  {AUTHOR}  50"),
    "a trailer": output(text__markdown=f"Co-authored-by: {AUTHOR} <{AUTHOR}@example.org>"),
    "an address": output(text__html=f"<p>{AUTHOR}@example.org</p>"),
    "a figure": output(adoption(PERIODS.assign(ai=[30, 40, 50], author=AUTHOR))),
    "a traceback": new_output("error", ename="KeyError", evalue=AUTHOR, traceback=[AUTHOR]),
    "a line of code": (f'rows[rows.author == "{AUTHOR}"]',),
    "a quarantined value": output(
        pd.DataFrame({"rule broken": ["x"], "rows": [9], "first": [AUTHOR], "its value": [f"assistance = {AUTHOR}"]})
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", PLANTED)
@pytest.mark.parametrize("policy", [POLICY, Policy(0)], ids=["masked", "switched off"])
def test_no_author_reaches_a_published_notebook(where, policy):
    planted = PLANTED[where]
    nb = executed(source=planted[0]) if isinstance(planted, tuple) else executed(planted)
    assert AUTHOR in json.dumps(nb), "the test plants nothing"
    assert AUTHOR not in json.dumps(published_notebook(nb, policy))


def test_no_author_reaches_a_published_record():
    assert AUTHOR in json.dumps(RECORD)
    assert AUTHOR not in json.dumps(published_record(RECORD))
    off = {**RECORD["plan"], "disclosure": {"threshold": 0, "round_to": 1}}
    assert AUTHOR not in json.dumps(published(plan=off))


def test_a_filter_on_authors_says_only_that_it_is_one():
    from counterfault.checking.filters import _told
    from counterfault.plan import Mapping

    assert _told(Mapping(rename={"login": "author"}), "login", [AUTHOR]) == "one the plan names"
    assert _told(Mapping(), "environment", ["production"]) == "production"


def test_quarantined_lines_that_could_not_be_split_are_not_quoted():
    from counterfault.showing.tables import _value_of

    assert AUTHOR not in _value_of(pd.Series({"key": "", "value": f"d1;{AUTHOR};x"}))
    assert _value_of(pd.Series({"key": "d1", "value": "ai_share = 1.7"})) == "ai_share = 1.7"


def test_disclosure_control_knows_results_and_no_data():
    folder = Path(published_record.__code__.co_filename).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert not re.search(r"counterfault\.(plan|checking|counting|linking|sources)", source)
    assert "quarantine.parquet" not in source


# --- what an attack found --------------------------------------------------------------------------------------------

HASH = "3ffeed6c45fc"  # as the tables of this project name an author


@pytest.mark.parametrize(
    ("told", "published"),
    [
        ("These data hold 3: too few.", "These data hold fewer than 5: too few."),
        ("3/117 failed on 2025/03/01", "A suppressed part of 117 failed on 2025/03/01"),
        (
            "grew by +1550 % (95% interval +164 % to +10199 %), from 2 of 51 deployments to 33 of 74",
            "grew by a suppressed number (95% interval a suppressed number to a suppressed number), "
            "from fewer than 5 of 51 deployments to 33 of 74",
        ),
        ("3 deployments failed; the plan asks for at least 80%", "Fewer than 5 deployments failed; the plan asks for "
         "at least 80%"),
        ("2 of 4 changes, t with 12.2 Satterthwaite degrees of freedom", "Fewer than 5 of fewer than 5 changes, t with "
         "12.2 Satterthwaite degrees of freedom"),
        ("0 controls can be estimated; it takes 2", "0 controls can be estimated; it takes 2"),
    ],
)  # fmt: skip
def test_what_is_made_from_a_suppressed_count_goes_with_it(told, published):
    assert masked_prose(told, POLICY).text == published


def test_a_ratio_in_bold_goes_with_the_count_beside_it():
    said = words(masked_html("<p>Grew <b>16.5</b> times, from 2 deployments to 33.</p><p>1.62 times.</p>", POLICY))
    assert "16.5" not in said and "1.62 times" in said


def test_a_ratio_the_results_show_stays_beside_a_suppressed_count():
    said = masked_prose("As labelled 1.60; without 3 deployments 1.47.", Policy.of(RECORD)).text
    assert said == "As labelled 1.60; without fewer than 5 deployments a suppressed number."


def test_a_suppressed_estimate_is_not_told_by_a_sentence():
    found = [entry("crude.risk_ratio", 803, 4) | {"value": 2.67}, *RECORD["estimates"][1:]]
    policy = Policy.of({**RECORD, "estimates": found})
    assert masked_prose("All services together it is 2.67; within strata 1.60.", policy).text == (
        "All services together it is a suppressed number; within strata 1.60."
    )


def test_an_estimate_made_of_the_suppressed_primary_one_is_suppressed_with_it():
    curve = {**entry("multiverse.median", None, None), "value": 2.449489742783178}
    few = [*RECORD["estimates"][:-1], entry("primary", 803, 4), curve]
    assert published(estimates=few)["estimates"][-1]["value"] is None
    enough = [*RECORD["estimates"], curve]
    assert published(estimates=enough)["estimates"][-1]["value"] == curve["value"]


def a_check(used: int, unlabelled: int) -> dict:
    share = used / (used + unlabelled)
    sentence = f"{share:.1%} of the changes carry a label; the plan asks for at least 80%"
    told = {"status": "pass", "threshold": "at least 80%", "sentence": sentence, "gate": True}
    return {"id": "label_coverage", "question": "?", "value": share, **told}


def test_a_share_of_labelled_changes_does_not_tell_how_few_are_not():
    used = RECORD["data"]["tables"]["deployments"]["used"]
    (few,) = published(checks=[a_check(used, 2)])["checks"]
    assert few["value"] is None and few["sentence"].startswith("A suppressed number of the changes carry")
    (many,) = published(checks=[a_check(used, 60)])["checks"]
    assert many == a_check(used, 60)


def test_rounded_counts_do_not_come_back_from_the_values_of_checks():
    counted = {**a_check(52, 18), "value": 52.0, "sentence": "52 deployments failed"}
    first, second = published(
        checks=[counted, {**a_check(34, 18), "value": 34 / 52}], plan={"disclosure": {"threshold": 5, "round_to": 5}}
    )["checks"]
    assert first["value"] == 50 and second["value"] == 0.65


def test_shares_told_to_six_decimals_do_not_say_of_how_many_they_are():
    told = "service | rate\n-\na | 0.016949\nb | 0.0\nc | 0.0625\nd | 0.117647\ne | 0.050000"
    assert masked(told) == "a | suppressed\nb | 0.0\nc | suppressed\nd | suppressed\ne | suppressed"
    rounded = "service | share\n-\na | 0.017\nb | 0.05\nc | 0.0239"
    assert masked(rounded) == "a | 0.017\nb | 0.05\nc | 0.0239"


def test_a_table_of_single_deployments_is_withheld():
    rows = pd.DataFrame({"deployment_id": ["d1", "d2", "d3"], "service": ["a", "a", "b"]})
    said = words(masked_html(rows.to_html(), POLICY))
    assert "one by one" in said and "d1" not in said
    assert "d1" in masked_html(rows.to_html(), Policy(0))


AUTHORED = {
    "renamed": pd.DataFrame({"who": [HASH], "n": [40]}).to_html(),
    "in an index": pd.DataFrame({"author": [HASH], "kind": ["ai"], "n": [40]})
    .pivot_table(index="author", columns="kind", values="n").to_html(),
    "in columns": pd.DataFrame({"author": [HASH], "service": ["a"], "n": [40]})
    .pivot_table(index="service", columns="author", values="n").to_html(),
    "in a sentence": f"<p>{HASH} made it; <i>{HASH}</i></p>",
    "in an address": f'<p><a href="https://example.org/?who={HASH}">x</a></p>',
}  # fmt: skip


@pytest.mark.parametrize("html", AUTHORED.values(), ids=AUTHORED)
@pytest.mark.parametrize("policy", [POLICY, Policy(0)], ids=["masked", "switched off"])
def test_no_hash_of_an_author_reaches_a_page_whatever_stands_around_it(html, policy):
    assert HASH not in page(output(text__html=html), policy=policy)


@pytest.mark.parametrize("kind", ["text__plain", "text__markdown"])
def test_no_hash_of_an_author_reaches_a_page_as_text_or_code(kind):
    assert HASH not in page(output(**{kind: f"['{HASH}']"}), policy=Policy(0), source=f"chosen = '{HASH}'  # {HASH}")


def test_authors_named_in_the_corner_of_a_pivot_table_go():
    people = pd.DataFrame({"author": ["Ada", "Grace"], "kind": ["ai", "ai"], "n": [40, 50]})
    table = people.pivot_table(index="author", columns="kind", values="n").to_html()
    assert "Ada" not in masked_html(table, Policy(0))
    written = "| author | n |\n|---|---|\n| Ada | 40 |"
    assert "Ada" not in page(output(text__markdown=written), policy=Policy(0))


def test_digests_that_say_what_they_are_of_stay():
    told = (
        f"<table><tr><th>plan</th><td>A study ({HASH})</td></tr><tr><th>data</th><td>SHA-256 {HASH}</td></tr></table>"
    )
    assert masked_html(told, POLICY).count(HASH) == 2
