"""The gate on labels written after the incident: when it passes, when it silences, when it cannot be asked."""

from __future__ import annotations

from math import exp

import pandas as pd
import pytest
from drawing import counted, plan
from scipy.stats import fisher_exact

from counterfault.cells import Cells
from counterfault.challenges.leave_one_out import LeaveOneOut
from counterfault.challenges.link_rules import EachRuleAlone
from counterfault.checks import GATES, Check, Status, challenge, gates
from counterfault.checks.check import in_words
from counterfault.checks.facts import Facts
from counterfault.checks.labels import UNEVEN, late_labels
from counterfault.counting import Counted
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimating import estimate_effects
from counterfault.estimating.effects import planned_contrast

PLAN = plan()


def cells(*services: tuple[int, int, int, int], n: int = 40) -> Cells:
    """Services as (exposed failures, those labelled late, other failures, those labelled late) of n each."""
    rows = [
        (f"s{number}", "2026Q1", arm, n, events, late)
        for number, (*exposed, other, other_late) in enumerate(services)
        for arm, events, late in ((1, *exposed), (0, other, other_late))
    ]
    frame = pd.DataFrame(rows, columns=["service", "quarter", "exposed", "n", "events", "late_events"])
    return Cells(frame.assign(exposure_hours=24.0 * n, chance_events=0.0), ("service", "quarter"))


def counted_as(drawn: Cells) -> Counted:
    steps = pd.DataFrame([("analysed", 1, 1, 0)], columns=["step", "ai", "human", "unknown"])
    outcomes = tuple(name for name in ("events", "late_events") if name in drawn.frame)
    labels = pd.DataFrame(columns=["service", "month", "assistance", "compared", "n", "events"])
    return Counted(drawn, outcomes, steps, labels.astype({"compared": "bool"}), (), (), None)


def ratio(low: float, high: float, **others) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=(low * high) ** 0.5,
        interval=Interval(low, high, 0.95),
        method="made for the test",
        **others,
    )


HARM, NEITHER, BENEFIT = (1.2, 2.0), (0.8, 1.6), (0.5, 0.9)
NOTHING = not_estimable(Estimand.RISK_RATIO, "Nothing to compare.", method="m", level=0.95)


UNEVEN_LATE, OTHERS_LATE, AS_MANY = (20, 10, 20, 1), (20, 1, 20, 10), (20, 5, 20, 5)


def judged(
    primary: Estimate,
    without: Estimate,
    as_human: Estimate | None = None,
    *,
    failed: tuple[int, int, int, int] = UNEVEN_LATE,
) -> Check:
    """The gate on given readings; ``failed`` as a service of :func:`cells`, to say of which kind labels were late."""
    parts = () if as_human is None else (as_human,)
    facts = Facts(None, counted_as(cells(failed, n=400)), {"primary": primary}, PLAN)
    vars(facts)["without_late_labels"] = without.named("x", parts=parts)
    return late_labels(facts)


H, N, B = ratio(*HARM), ratio(*NEITHER), ratio(*BENEFIT)


@pytest.mark.parametrize(
    ("primary", "without", "as_human", "failed", "status"),
    [
        # As many of either kind: the labels that were looked up cost neither its share.
        (H, N, N, AS_MANY, Status.PASS),
        (H, N, N, (20, 0, 20, 0), Status.PASS),
        # More of one kind: a claim must stand without them …
        (H, H, H, UNEVEN_LATE, Status.PASS),
        (H, H, H, OTHERS_LATE, Status.PASS),
        (H, ratio(1.001, 1.9), H, UNEVEN_LATE, Status.PASS),
        (H, ratio(1.0, 1.9), H, UNEVEN_LATE, Status.FAIL),
        (H, B, H, UNEVEN_LATE, Status.FAIL),
        (H, NOTHING, H, UNEVEN_LATE, Status.FAIL),
        (B, B, B, OTHERS_LATE, Status.PASS),
        (B, ratio(0.5, 1.0), B, OTHERS_LATE, Status.FAIL),
        # … and with the AI that was found read as if nobody had looked.
        (H, H, N, UNEVEN_LATE, Status.FAIL),
        (H, H, N, OTHERS_LATE, Status.FAIL),
        (H, H, N, AS_MANY, Status.PASS),
        # Without a claim there is nothing that late labels could have made.
        (N, H, B, UNEVEN_LATE, Status.PASS),
        (N, NOTHING, NOTHING, UNEVEN_LATE, Status.PASS),
    ],
)
def test_a_claim_must_stand_without_labels_that_were_looked_up_of_one_kind(primary, without, as_human, failed, status):
    found = judged(primary, without, as_human, failed=failed)
    assert (found.status, found.gate, found.id) == (status, True, "late_labels")
    assert found.value == failed[1] + failed[3]


@pytest.mark.parametrize(
    ("error", "value", "status"),
    [
        # 2.80 standard errors are the ratio that is seen four times of five: 0.0796 · 2.8016 = log 1.25
        (0.0796, 1.24, Status.PASS),
        (0.0796, 1.26, Status.FAIL),
        (0.0796, 0.81, Status.PASS),
        (0.0796, 0.79, Status.FAIL),
        (0.0797, 1.26, Status.PASS),  # this design could not have claimed that there is no difference
    ],
)
def test_that_there_is_no_difference_is_a_claim_too_where_the_design_could_have_seen_one(error, value, status):
    primary = ratio(exp(-1.959964 * error), exp(1.959964 * error), standard_error=error)
    assert judged(primary, ratio(value / 1.2, value * 1.2)).status is status


def test_a_claim_of_no_difference_does_not_stand_on_nothing():
    assert judged(ratio(1 / 1.1, 1.1, standard_error=0.05), NOTHING).status is Status.FAIL


@pytest.mark.parametrize(
    "failed",
    [(20, late, 20, others) for late in (0, 3, 4, 5, 8) for others in (0, 1, 4, 5)]
    + [(9, 9, 200, 9), (200, 9, 9, 9), (200, 30, 9, 9)],
)
def test_late_labels_are_uneven_where_fishers_test_of_either_side_says_so(failed):
    exposed, late, others, other_late = failed
    table = [[late, other_late], [exposed - late, others - other_late]]
    sides = [fisher_exact(table, alternative=side).pvalue for side in ("greater", "less")]
    # With these readings the gate fails exactly where they are asked for.
    assert (judged(H, N, N, failed=failed).status is Status.FAIL) is bool(min(sides) < UNEVEN)


def test_both_answers_of_fishers_test_are_tried_above():
    p_values = [fisher_exact([[late, 0], [20 - late, 20]], alternative="greater").pvalue for late in (4, 5)]
    assert p_values[0] > UNEVEN > p_values[1]


def test_without_times_of_labels_the_gate_is_not_assessed_and_silences_nothing():
    bare = cells((4, 0, 2, 0))
    facts = Facts(
        None, counted_as(Cells(bare.frame.drop(columns="late_events"), bare.strata)), {"primary": ratio(*HARM)}, PLAN
    )
    found = late_labels(facts)
    assert (found.status, found.sentence) == (Status.NOT_ASSESSED, "not assessed: no column label_recorded_at")


def test_the_gate_tells_how_many_and_what_is_left():
    told = [
        judged(primary, without, as_human, failed=failed).sentence
        for primary, without, as_human, failed in (
            (H, N, N, UNEVEN_LATE),
            (H, NOTHING, None, UNEVEN_LATE),
            (N, H, H, UNEVEN_LATE),
            (H, H, H, AS_MANY),
        )
    ]
    assert told == [
        f"{kinds} failures were labelled after their incident had begun{rest}"
        for kinds, rest in (
            (
                "10 AI-assisted and 1 other",
                "; without them 1.13 (0.80 to 1.60); with their AI unseen 1.13 (0.80 to 1.60)",
            ),
            ("10 AI-assisted and 1 other", "; without them there is no ratio"),
            (
                "10 AI-assisted and 1 other",
                "; the answer claims neither a side nor that there is no difference, so nothing rests on them",
            ),
            ("5 AI-assisted and 5 other", ", no more of one kind than chance allows"),
        )
    ]


# --- on cells, with the readings made of them

LOOKING = [(6, 4, 2, 0), (5, 4, 3, 0), (7, 5, 2, 0), (6, 4, 3, 1)] * 3  # what is left: two against two
PLAIN = [(6, 0, 2, 0), (5, 1, 3, 0), (7, 0, 2, 1), (6, 0, 3, 0)] * 3


@pytest.mark.parametrize(("services", "status"), [(LOOKING, Status.FAIL), (PLAIN, Status.PASS)])
def test_a_harm_that_late_labels_made_is_silenced_and_a_plain_one_is_not(services, status):
    study = counted_as(cells(*services))
    primary = planned_contrast(study.cells, PLAN, (), 0.95)
    assert primary.interval.low > 1
    assert late_labels(Facts(None, study, {"primary": primary}, PLAN)).status is status


def test_the_ratio_that_is_told_is_that_of_the_deployments_without_a_late_label():
    study = counted_as(cells(*LOOKING))
    primary = planned_contrast(study.cells, PLAN, (), 0.95)
    found = late_labels(Facts(None, study, {"primary": primary}, PLAN))
    frame, late = study.cells.frame, study.cells.frame["late_events"]
    rest = Cells(frame.assign(n=frame["n"] - late, events=frame["events"] - late), study.cells.strata)
    assert f"; without them {in_words(planned_contrast(rest, PLAN, (), 0.95))}; " in found.sentence


def test_a_drawn_label_written_after_the_incident_reaches_the_gate():
    deployments = """
        id  | service | at               | assistance | label_recorded_at
        d1  | a       | 2026-03-01 10:00 | ai         | 2026-03-01 15:00
        d2  | a       | 2026-03-02 10:00 | human      | 2026-03-02 10:00
        d3  | a       | 2026-03-03 10:00 | ai         | 2026-03-03 10:00
        end | a       | 2026-06-01 00:00 | human      |
    """
    found = counted(deployments=deployments, incidents="id | service | at \n i1 | a | 2026-03-01 12:00")
    gate = late_labels(Facts(None, found, {"primary": ratio(*NEITHER)}, PLAN))
    assert gate.sentence.startswith("1 AI-assisted and 0 other failures were labelled after their incident had begun")


# --- the gates alone


def gates_of(study: Counted) -> tuple[Check, ...]:
    return gates(None, study, estimate_effects(study, PLAN), PLAN)


@pytest.fixture(scope="module")
def study() -> Counted:
    drawn = cells(*PLAIN)
    return counted_as(Cells(drawn.frame.assign(placebo_events=[2, 1] * 12), drawn.strata))


def test_the_gates_alone_say_what_they_say_among_all_checks(study):
    assert len(GATES) == len({check.id for check in gates_of(study)})
    among_all = challenge(None, study, estimate_effects(study, PLAN), PLAN).checks[: len(GATES)]
    assert [(check.id, check.status, check.sentence) for check in gates_of(study)] == [
        (check.id, check.status, check.sentence) for check in among_all
    ]


def test_the_gates_make_no_challenge_they_do_not_read(study, monkeypatch):
    def refuse(*_):
        raise AssertionError("a challenge was made that no gate reads")

    for unread in (LeaveOneOut, EachRuleAlone):
        monkeypatch.setattr(unread, "__call__", refuse)
    assert all(check.sentence for check in gates_of(study))
    with pytest.raises(AssertionError, match="no gate reads"):
        challenge(None, study, estimate_effects(study, PLAN), PLAN)
