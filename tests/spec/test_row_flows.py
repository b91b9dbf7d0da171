"""From rows read to rows used: every change and every incident ends in one place, and the figure shows all of them."""

import json
from xml.etree import ElementTree

import pandas as pd
import pytest
from drawing import counted, linked, plan

from counterfault.figures import flow, incident_flow
from counterfault.figures.incident_flow import TIED
from counterfault.figures.recipe import redraw
from counterfault.showing import incident_steps

STEPS = pd.DataFrame(
    [("not followed", 2, 3, 1), ("assistance unknown", 0, 0, 14), ("analysed", 20, 60, 0)],
    columns=["step", "ai", "human", "unknown"],
)
ENDED = pd.DataFrame(
    [("not by a change, says the record", 0, 0, 30), ("tied only to changes that are not compared", 4, 1, 0),
     (TIED, 40, 25, 0)],
    columns=["step", "record", "time", "untied"],
)  # fmt: skip

BY_LABEL = {"ai": [0, 0, 30], "human": [0, 0, 25], "both": [0, 0, 10]}


def with_quarantine(steps: pd.DataFrame, rows: int) -> pd.DataFrame:
    first = {**dict.fromkeys(steps.columns, 0), "step": "quarantined, a rule is broken", "quarantined": rows}
    return pd.concat([pd.DataFrame([first]), steps.assign(quarantined=0)], ignore_index=True)


DEPLOYMENTS = """
    id | service | at               | assistance
    ---+---------+------------------+-----------
    d1 | a       | 2026-03-01 09:00 | ai
    d2 | a       | 2026-03-02 09:00 | human
    d3 | a       | 2026-03-03 09:00 | unknown
    d4 | b       | 2026-03-04 09:00 | ai
    d5 | b       | 2026-03-04 10:00 | human
    d6 | c       | 2026-04-30 09:00 | human
"""
INCIDENTS = """
    id | service | at               | cause  | caused_by | severity
    ---+---------+------------------+--------+-----------+---------
    i0 | a       | 2026-02-01 09:00 |        |           | 1
    i1 | a       | 2026-03-01 10:00 |        |           | 1
    i2 | a       | 2026-03-20 10:00 | change | d2        | 1
    i3 | a       | 2026-03-03 10:00 |        |           | 1
    i4 | b       | 2026-03-04 11:00 |        |           | 1
    i5 | b       | 2026-03-04 11:00 | other  |           | 1
    i6 | c       | 2026-03-10 11:00 |        |           | 1
    i7 |         | 2026-03-10 11:00 |        |           | 1
    i8 | a       | 2026-03-01 10:00 |        |           | 4
    i9 | a       | 2026-03-01 11:00 |        | elsewhere | 1
"""
PLAN = {"outcome": {"link": "recorded_then_window", "window_hours": 6.0, "severity_at_most": 2}}


def texts(svg: str) -> str:
    return " | ".join(e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text"))


# --- changes ---------------------------------------------------------------------------------------------------------


def test_with_the_quarantine_the_flow_of_changes_begins_at_the_rows_read():
    figure = flow(with_quarantine(STEPS, 5))
    assert figure.title == "From changes read to changes analysed"
    assert figure.data["step"].tolist()[:3] == [
        "read",
        "without: quarantined, a rule is broken",
        "without: not followed",
    ]
    assert figure.data["total"].tolist() == [105, 100, 94, 80, 80]
    assert figure.data["left_out_here"].tolist() == [0, 5, 6, 14, 0]
    assert figure.data["quarantined"].tolist() == [5, 0, 0, 0, 0]
    assert figure.caption == (
        "Of 105 changes read, 80 (76%) are analysed; the largest step leaves out 14 (assistance unknown)."
    )
    assert "AI 22 · not AI 63 · unknown 15 · quarantined 5" in texts(figure.svg)


def test_a_quarantine_without_rows_is_shown_too():
    figure = flow(with_quarantine(STEPS, 0))
    assert figure.data["total"].tolist() == [100, 100, 94, 80, 80]


def test_on_a_telephone_long_reasons_stay_readable():
    reason = "not followed for 72 h before the data end"
    figure = flow(STEPS.replace("not followed", reason))
    assert reason in texts(figure.narrow)


def test_suppressed_counts_leave_totals_of_what_is_told_and_the_caption_says_so():
    masked = STEPS.astype({"ai": object, "human": object})
    masked.loc[0, ["ai", "human"]] = ["< 5", "suppressed"]
    figure = flow(masked)
    assert figure.data["total"].tolist() == [95, 94, 80, 80]
    assert figure.data["step"].tolist()[1] == "without: not followed (not all told)"
    assert figure.caption.endswith(
        "Small counts are suppressed, which leaves a gap at 1 step. Totals are of the counts told."
    )


# --- incidents -------------------------------------------------------------------------------------------------------


def test_in_the_flow_of_incidents_none_disappears():
    figure = incident_flow(with_quarantine(ENDED.assign(**BY_LABEL), 4))
    steps = figure.data.head(5)
    assert steps["total"].tolist() == [104, 100, 70, 65, 65]
    assert steps["left_out_here"].tolist() == [0, 4, 30, 5, 0]
    assert figure.data["total"].tolist()[5:] == [30, 25, 10]
    assert figure.caption == (
        "Of 104 incidents read, 65 (62%) are tied to an analysed change; the largest step leaves out 30 (not by a "
        "change, says the record). Of those tied 62% are tied by record; 30 to AI-assisted changes, 25 to others, "
        "10 to both."
    )
    for svg in (figure.svg, figure.narrow):
        assert {"by record 40 · by time 25 · to no change 0", "AI 30 · not AI 25 · both 10"} <= set(
            texts(svg).split(" | ")
        )


def test_a_study_without_tied_incidents_says_so():
    nothing = pd.DataFrame([(TIED, 0, 0, 0)], columns=["step", "record", "time", "untied"])
    figure = incident_flow(with_quarantine(nothing.assign(ai=0, human=0, both=0), 0))
    assert figure.caption.startswith("Of 0 incidents read, 0 are tied to an analysed change.")


def test_suppressed_counts_by_label_are_not_drawn():
    masked = ENDED.assign(**{**BY_LABEL, "both": [0, 0, "< 5"]})
    figure = incident_flow(masked)
    assert "both" not in texts(figure.svg) and len(figure.data) == 4


def test_the_pictures_can_be_drawn_again_from_what_they_carry():
    for figure in (flow(with_quarantine(STEPS, 5)), incident_flow(ENDED.assign(**BY_LABEL))):
        again = redraw(json.loads(json.dumps(figure.recipe)), lambda frame: frame)
        assert again._repr_html_() == figure._repr_html_()


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="incident_flow: no column 'time'"):
        incident_flow(ENDED.drop(columns="time"))


def test_every_incident_ends_in_one_place_for_the_first_reason_that_holds():
    promise = plan(**PLAN)
    found = incident_steps(
        linked(promise, deployments=DEPLOYMENTS, incidents=INCIDENTS),
        counted(promise, deployments=DEPLOYMENTS, incidents=INCIDENTS),
    )
    ended = {row["step"]: (row["record"], row["time"], row["untied"]) for row in found.to_dict("records")}
    assert ended == {
        "not severe enough for the plan": (0, 0, 1),  # i8, although the rule would have found d1
        "not by a change, says the record": (0, 0, 1),  # i5
        "the recorded change is not among these": (0, 0, 1),  # i9
        "no service, so nowhere to look": (0, 0, 1),  # i7
        "before the first change read": (0, 0, 1),  # i0
        "its service was not changed in the 6 h before": (0, 0, 1),  # i6
        "tied only to changes that are not compared": (0, 1, 0),  # i3, to a change of unknown assistance
        TIED: (1, 2, 0),  # i2 by record; i1 and i4 by time
    }
    assert found["step"].iloc[-1] == TIED
