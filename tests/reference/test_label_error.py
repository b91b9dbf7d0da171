"""Corrected labels against episensr, against arithmetic by hand, and against organisations whose labels are known."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy import stats

import counterfault as cf
from counterfault.cells import Cells
from counterfault.challenges.audited_labels import AuditedLabels
from counterfault.challenges.corrected_tables import ErrorRates, LabelledTables
from counterfault.challenges.error_rates import JudgedRates, PriorRates, trapezoid_quantile
from counterfault.challenges.label_bounds import UnknownAsEither
from counterfault.challenges.label_error import LabelError, bias_adjusted, fixed
from counterfault.challenges.late_labels import WithoutLateLabels
from counterfault.estimators.tables import stratified
from counterfault.plan import Plan

# Fink & Lash (2003), Cancer Causes & Control 14:471, smoking and breast cancer, as Lash, Fox & Fink (2009) use it:
# smokers and others among 1,664 cases, then among 4,964 without.
SMOKING = (215, 1449, 668, 4296)


def one_table(exposed_events: int, unexposed_events: int, exposed_rest: int, unexposed_rest: int) -> Cells:
    frame = pd.DataFrame(
        {
            "service": "all",
            "exposed": [1, 0],
            "n": [exposed_events + exposed_rest, unexposed_events + unexposed_rest],
            "events": [exposed_events, unexposed_events],
        }
    )
    return Cells(frame, strata=("service",))


def study_of(cells: Cells, level: float = 0.95) -> SimpleNamespace:
    """What the bias analysis looks at of a study."""
    return SimpleNamespace(cells=cells, level=level, confounders=())


def rates(se1: float, se0: float, sp1: float, sp0: float) -> ErrorRates:
    return ErrorRates(*(np.array([value]) for value in (se1, se0, sp1, sp0)))


# > misclassification(matrix(c(215, 1449, 668, 4296), nrow = 2, byrow = TRUE), type = "exposure",
# +                   bias_parms = c(.78, .78, .99, .99))        # R 4.2.2, episensr 1.3.0
#   BC+ 257.6104 1406.390   BC- 803.0649 4160.935   Misclassification Bias Corrected Relative Risk: 0.9614392
# bias_parms = c(.85, .78, .99, .97):                Misclassification Bias Corrected Relative Risk: 1.015503
@pytest.mark.parametrize(
    ("chosen", "expected"), [((0.78, 0.78, 0.99, 0.99), 0.9614392), ((0.85, 0.78, 0.99, 0.97), 1.015503)]
)
def test_the_corrected_ratio_of_one_table_agrees_with_episensr(chosen, expected):
    # Ten thousand times the counts: what misclassification adds to a product of two counts is then out of sight, and
    # episensr, which knows one large table only, leaves it out.
    tables = LabelledTables.of(one_table(*(10_000 * count for count in SMOKING)))
    assert np.exp(tables.corrected(rates(*chosen)).log_ratio[0]) == approx(expected, rel=5e-7)


# > set.seed(20260101)
# > probsens(<the same table>, type = "exposure", reps = 400000, seca.parms = list("uniform", c(.7, .95)),
# +          spca.parms = list("uniform", c(.9, .99)))$adj.measures     # R 4.2.2, episensr 1.3.0
#                                                   Median 2.5th percentile 97.5th percentile
#            Relative Risk -- systematic error: 0.9431479        0.8815794         0.9612154
# Relative Risk -- systematic and random error: 0.9364330        0.8179817         1.0678417
def test_the_systematic_error_over_a_prior_agrees_with_episensr():
    cells = one_table(*SMOKING)
    prior = PriorRates((0.7, 0.7, 0.95, 0.95), (0.9, 0.9, 0.99, 0.99), correlation=1.0)
    rng = np.random.default_rng(1)
    found = bias_adjusted(study_of(cells), stratified.risk_ratio(cells), prior.draw(rng, 200_000), rng)
    systematic, total = found.parts
    limits = (systematic.value, systematic.interval.low, systematic.interval.high)
    assert limits == approx((0.9431479, 0.8815794, 0.9612154), rel=1e-3)  # Monte Carlo error of both
    # episensr adds the error of uncorrected labels. Corrected ones are less certain, so ours must be wider.
    assert total.interval.low < 0.8179817
    assert total.interval.high > 1.0678417
    assert found.support["discarded"] == 0


def test_correlation_1_makes_failed_and_other_changes_alike():
    drawn = PriorRates((0.7, 0.8, 0.9, 1.0), (0.9, 0.9, 0.99, 1.0), 1.0).draw(np.random.default_rng(1), 500)
    assert np.array_equal(drawn.sensitivity_failed, drawn.sensitivity_other)
    assert np.array_equal(drawn.specificity_failed, drawn.specificity_other)


@pytest.mark.parametrize(
    "corners", [(0.75, 0.85, 0.97, 1.0), (0.95, 0.98, 1.0, 1.0), (0.6, 0.6, 0.8, 0.9), (0.6, 0.8, 0.8, 0.9)]
)
def test_the_trapezoid_is_that_of_scipy(corners):
    low, first, last, high = corners
    width = high - low
    there = stats.trapezoid((first - low) / width, (last - low) / width, loc=low, scale=width)
    shares = np.linspace(0.001, 0.999, 97)
    assert trapezoid_quantile(shares, corners) == approx(there.ppf(shares), rel=1e-9)


def test_a_trapezoid_of_one_point_is_that_point():
    assert trapezoid_quantile(np.array([0.0, 0.4, 1.0]), (0.9, 0.9, 0.9, 0.9)) == approx([0.9] * 3)


def test_with_right_labels_the_error_of_one_table_is_katz():
    found = LabelledTables.of(one_table(*SMOKING)).corrected(rates(1, 1, 1, 1))
    assert found.log_error[0] == approx(np.sqrt(1 / 215 - 1 / 883 + 1 / 1449 - 1 / 5745), rel=1e-9)


def test_with_right_labels_the_error_over_many_strata_is_near_greenland_and_robins():
    rng = np.random.default_rng(3)
    services = np.repeat([f"s{k:02}" for k in range(40)], 2)
    frame = pd.DataFrame({"service": services, "exposed": [1, 0] * 40, "n": rng.integers(60, 200, 80)})
    cells = Cells(frame.assign(events=rng.binomial(frame["n"], 0.08)), strata=("service",))
    found = LabelledTables.of(cells).corrected(rates(1, 1, 1, 1))
    expected = stratified.risk_ratio(cells)
    assert np.exp(found.log_ratio[0]) == approx(expected.value, rel=1e-12)
    assert found.log_error[0] == approx(expected.standard_error, rel=0.02)


def test_predictive_values_become_sensitivity_and_specificity_by_bayes():
    # By hand: of 100 labelled AI 90 are; of 300 labelled human 30 are AI. So 120 are AI and 280 are not:
    # Se = 90/120 = 0.75, Sp = 270/280 = 0.964. A sample a million times as large has no error of its own.
    million = 1_000_000
    both = {("ai", failed): 100 for failed in (0, 1)} | {("human", failed): 300 for failed in (0, 1)}
    found = {("ai", failed): 90 for failed in (0, 1)} | {("human", failed): 30 for failed in (0, 1)}
    judged = JudgedRates(
        {key: million * count for key, count in both.items()},
        {key: million * count for key, count in found.items()},
        both,
    )
    drawn = judged.draw(np.random.default_rng(1), 200)
    assert drawn.sensitivity_failed == approx(0.75, abs=1e-3)
    assert drawn.specificity_other == approx(270 / 280, abs=1e-3)


def test_the_posterior_of_a_predictive_value_is_jeffreys():
    # All of 20 labelled AI are; nothing missed. > qbeta(.5, 20.5, .5)  # R 4.2.2: 0.9888308
    judged = JudgedRates(
        {("ai", 1): 20, ("human", 1): 10**9, ("ai", 0): 20, ("human", 0): 10**9},
        {("ai", 1): 20, ("human", 1): 0, ("ai", 0): 20, ("human", 0): 0},
        {("ai", 1): 50, ("human", 1): 50, ("ai", 0): 50, ("human", 0): 50},
    )
    drawn = judged.draw(np.random.default_rng(2), 40_000)
    false_alarms = 1 / drawn.specificity_failed - 1  # with equal shares: (1 − P) / (1 − F), F being 0
    assert 1 - np.median(false_alarms) == approx(0.9888308, abs=3e-4)


# --- organisations whose labels are known


@cache
def organisation(*, unlabelled: str, looked_up: bool = True) -> cf.Study:
    """Eight services; 40 of 100 changes are AI-assisted and fail as often as the rest, 1 in 10.

    Half the AI-assisted are labelled when deployed. The others are ``unlabelled``, until an incident makes somebody
    look, a day after it began.
    """
    rows, incidents = [], []
    for service in range(8):
        for change in range(100):
            ai, hidden = change < 40, 20 <= change < 40
            fails = change % 10 == 0
            at = pd.Timestamp("2026-01-05T10:00Z") + pd.Timedelta(hours=12 * change)
            late = hidden and fails and looked_up
            label = "ai" if (ai and not hidden) or late else unlabelled if hidden else "human"
            key = f"d{service}-{change}"
            written = at + pd.Timedelta(hours=30 if late else 0)
            rows.append((key, at, f"s{service}", label, written if label != "unknown" else pd.NaT))
            if fails:
                incidents.append((f"i{key}", at + pd.Timedelta(hours=6), f"s{service}", key))
    deployments = pd.DataFrame(
        rows, columns=["deployment_id", "deployed_at", "service", "assistance", "label_recorded_at"]
    )
    table = pd.DataFrame(incidents, columns=["incident_id", "started_at", "service", "caused_by"])
    return studied(deployments, table)


def studied(deployments: pd.DataFrame, incidents: pd.DataFrame) -> cf.Study:
    plan = Plan.checked(
        {"outcome": {"link": "recorded"}, "design": {"primary": "stratified.risk_ratio", "strata": ["service", "year"]}}
    )
    raw = cf.read(deployments, incidents, plan=plan)
    linked = cf.link(cf.check(raw, plan, now=pd.Timestamp("2026-07-01T00:00Z").to_pydatetime()), plan)
    return cf.Study(linked, cf.count(linked, plan), plan)


def test_labels_looked_up_after_incidents_make_harm_and_leaving_them_out_ends_it():
    study = organisation(unlabelled="unknown")
    primary = stratified.risk_ratio(study.cells)
    assert primary.value > 1.5  # AI does nothing here
    found = WithoutLateLabels()(study, primary)
    assert found.id == "label_error.without_late_labels"
    assert found.value == approx(1, abs=0.05)  # the last changes of each service are not followed for long enough
    assert (found.support["late_exposed_events"], found.support["late_unexposed_events"]) == (16, 0)
    assert found.caveats[-1] == (
        "16 AI-assisted and 0 other failures are left out, because their label was written after the incident had "
        "begun."
    )


def test_where_unlabelled_means_human_only_reading_late_labels_as_human_ends_it():
    study = organisation(unlabelled="human")
    found = WithoutLateLabels()(study, stratified.risk_ratio(study.cells))
    assert found.value > 1.2
    (as_human,) = found.parts
    assert as_human.label == "late labels read as human"
    assert as_human.value == approx(1, abs=0.05)
    assert WithoutLateLabels(read_as_human=False)(study, stratified.risk_ratio(study.cells)).parts == ()


def test_without_a_late_label_the_primary_estimate_is_repeated():
    study = organisation(unlabelled="human", looked_up=False)
    primary = stratified.risk_ratio(study.cells)
    found = WithoutLateLabels()(study, primary)
    assert (found.value, found.interval) == (primary.value, primary.interval)
    assert found.caveats[-1] == "No failure has a label that was written after its incident."


def test_without_the_time_of_labels_there_is_nothing_to_say():
    study = organisation(unlabelled="human")
    tables = study.linked.checked.tables["deployments"].drop("label_recorded_at").execute()
    incidents = study.linked.checked.tables["incidents"].execute()
    columns = ["deployment_id", "deployed_at", "service", "assistance"]
    bare = studied(tables[columns], incidents[["incident_id", "started_at", "service", "caused_by"]])
    assert WithoutLateLabels()(bare, stratified.risk_ratio(bare.cells)) is None


@pytest.mark.parametrize(("hours", "late"), [(5, 0), (6, 0), (6.001, 1)])
def test_a_label_is_late_from_the_moment_after_the_incident_began(hours, late):
    at = pd.Timestamp("2026-01-05T10:00Z")
    rows = [("d1", at, "api", "ai", at + pd.Timedelta(hours=hours))]
    rows += [(f"d{k}", at + pd.Timedelta(days=k), "api", ("ai", "human")[k % 2], at) for k in range(2, 40)]
    deployments = pd.DataFrame(
        rows, columns=["deployment_id", "deployed_at", "service", "assistance", "label_recorded_at"]
    )
    incidents = pd.DataFrame(
        [("i1", at + pd.Timedelta(hours=6), "api", "d1"), ("i2", at + pd.Timedelta(days=3, hours=1), "api", "d3")],
        columns=["incident_id", "started_at", "service", "caused_by"],
    )
    study = studied(deployments, incidents)
    found = WithoutLateLabels(read_as_human=False)(study, stratified.risk_ratio(study.cells))
    assert found.support["late_exposed_events"] == late


def test_unknown_labels_read_either_way_are_counted_by_hand():
    study = organisation(unlabelled="unknown", looked_up=False)
    as_ai, as_human = UnknownAsEither()(study, stratified.risk_ratio(study.cells))
    assert (as_ai.id, as_human.id) == ("label_error.unknown_as_ai", "label_error.unknown_as_human")
    # 20 hidden in each of 8 services, 2 of them failed.
    assert (as_ai.support["unknown"], as_ai.support["unknown_events"]) == (160, 16)
    assert as_ai.support["exposed_total"] - study.cells.two_by_two().exposed_total == 160
    assert as_ai.support["exposed_events"] - study.cells.two_by_two().exposed_events == 16
    assert as_human.support["unexposed_total"] - study.cells.two_by_two().unexposed_total == 160
    assert as_human.caveats[-1] == "All 160 unlabelled changes (16 failed) are read as not AI-assisted."


def test_without_unknown_labels_both_readings_repeat_the_primary_estimate():
    study = organisation(unlabelled="human")
    primary = stratified.risk_ratio(study.cells)
    for reading in UnknownAsEither()(study, primary):
        assert reading.value == primary.value
        assert reading.caveats[-1] == "No change is unlabelled."


def truly_ai(key: str) -> str:
    return "ai" if int(key.split("-")[1]) < 40 else "human"


def test_a_judged_sample_of_everything_gives_what_right_labels_would():
    # Labels looked up after incidents; unlabelled means human. Judging all changes finds the half that was hidden.
    study = organisation(unlabelled="human")
    judged = {key: truly_ai(key) for key in study.counted.rows.select("deployment_id").execute()["deployment_id"]}
    primary = stratified.risk_ratio(study.cells)
    found = AuditedLabels(judged, draws=4000)(study, primary)
    assert primary.value > 2
    assert found.parts[0].value == approx(1, abs=0.1)
    assert found.id == "label_error.audited"
    assert found.support["judged_ai_of_human_failed"] == 0
    assert found.support["judged_human_other"] > 500


def test_too_few_judged_changes_say_how_many_are_needed():
    study = organisation(unlabelled="human")
    found = AuditedLabels({"d0-0": "ai", "d0-1": "human"})(study, stratified.risk_ratio(study.cells))
    assert not found.estimable
    assert found.caveats[0] == (
        "of the failed changes labelled ai, 1 was judged; at least 5 are needed, so judge more of the sample or draw a "
        "larger one"
    )


# --- what cannot be corrected


def test_error_rates_that_the_counts_contradict_are_discarded_and_told():
    # 3 % of the changes are labelled AI; a specificity below 0.97 would leave fewer than none.
    cells = one_table(6, 194, 294, 9506)
    settings = LabelError(specificity=(0.94, 0.94, 0.99, 0.99), draws=1000)
    found, _ = settings(study_of(cells), stratified.risk_ratio(cells))
    share = found.support["discarded"] / 1000
    assert 0.5 < share < 0.7
    assert found.caveats[0] == (
        f"{share:.1%} of the draws were discarded, because they leave a group with fewer than no changes; so many mean "
        "that labels err less than was supposed."
    )


def test_too_few_possible_draws_are_no_estimate():
    cells = one_table(6, 194, 294, 9506)
    settings = LabelError(specificity=(0.6, 0.6, 0.8, 0.8), draws=1000)
    found, at = settings(study_of(cells), stratified.risk_ratio(cells))
    assert found.caveats[0] == (
        "1000 of 1000 draws of the error rates leave a group with fewer than no changes; at least 200 must be "
        "possible, so the labels err less than was supposed"
    )
    assert at.caveats[0] == "these error rates leave a group with fewer than no changes"
    assert (found.interval.low, found.interval.high) == (0, np.inf)


def test_without_a_primary_estimate_there_is_nothing_to_correct():
    cells = one_table(0, 0, 30, 40)
    primary = stratified.risk_ratio(cells)
    for found in LabelError()(study_of(cells), primary):
        assert not found.estimable
        assert found.caveats[0] == f"there is no primary estimate to correct: {primary.caveats[0]}"


def test_labels_no_better_than_a_coin_are_refused():
    cells = one_table(*SMOKING)
    with pytest.raises(ValueError) as caught:
        fixed(study_of(cells), stratified.risk_ratio(cells), 0.4, 0.6)
    assert str(caught.value) == (
        "sensitivity 0.4 and specificity 0.6 must lie between 0 and 1 and sum to more than 1; labels no better than a "
        "coin cannot be corrected"
    )


# --- how bad labels may be


def test_the_tipping_point_is_the_last_sensitivity_at_which_the_interval_keeps_its_side():
    cells = one_table(60, 60, 940, 1940)
    settings = LabelError(specificity=(1.0, 1.0, 1.0, 1.0))
    study, primary = study_of(cells), stratified.risk_ratio(cells)
    assert primary.interval.low > 1
    alike, _ = settings.tipping(study, primary)
    assert fixed(study, primary, alike, 1).interval.low > 1
    assert alike == 0.5 or fixed(study, primary, alike - 0.01, 1).interval.low <= 1


def test_hidden_ai_among_changes_that_did_not_fail_can_explain_a_ratio_by_hand():
    # Labelled: 60 of 1,000 against 60 of 2,000. With Se 1 among failures and s among the rest there are 940/s exposed
    # successes: the ratio is 1 when 940/s = 1,440, at s = 0.653; the interval leaves its side somewhat earlier.
    cells = one_table(60, 60, 940, 1940)
    settings = LabelError(sensitivity=(1.0, 1.0, 1.0, 1.0), specificity=(1.0, 1.0, 1.0, 1.0))
    _, other = settings.tipping(study_of(cells), stratified.risk_ratio(cells))
    assert 0.653 < other < 0.95
    ratio = LabelledTables.of(cells).corrected(rates(1, 940 / 1440, 1, 1)).log_ratio[0]
    assert ratio == approx(0, abs=1e-9)


def test_an_interval_that_holds_1_has_no_side_to_lose():
    cells = one_table(*SMOKING)
    _, at = LabelError()(study_of(cells), stratified.risk_ratio(cells))
    assert "The interval holds 1, so there is no side to lose." in at.caveats
    assert LabelError().tipping(study_of(cells), stratified.risk_ratio(cells)) == (None, None)
    assert len(at.parts) == 4 * 3
