"""Designs around adoption against csdid and R, and what they answer where data cannot."""

from dataclasses import replace
from itertools import permutations, product
from math import comb, isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy.stats import chi2, norm

from counterfault.estimate import Estimate
from counterfault.estimators.around_adoption.change_point import (
    ChangePoint,
    Null,
    confidence_set,
    log_likelihood_ratios,
)
from counterfault.estimators.around_adoption.event_study import PreTrend, event_study
from counterfault.estimators.around_adoption.interrupted_series import InterruptedSeries, SeriesError
from counterfault.estimators.around_adoption.staggered import Aggregation, Controls, Outcome, StaggeredAdoption
from counterfault.estimators.around_adoption.trend_sensitivity import smoothness_breakdown, trend_sensitivity
from counterfault.estimators.around_adoption.unit_table import adoption_periods, organisation_adoption
from counterfault.panels import UnitPeriods


def panel(rows) -> UnitPeriods:
    """A panel from (unit, period, n, assisted, events) rows; an incident per event."""
    frame = pd.DataFrame(rows, columns=["unit", "period", "n", "assisted", "events"])
    return UnitPeriods(
        frame.assign(incidents=frame["events"], period_label="m" + frame["period"].astype(str)), "service", "month"
    )


def draw(picture: str) -> UnitPeriods:
    """A panel from a table of "events/assisted/n", units down and periods across."""
    lines = [line.split() for line in picture.splitlines() if "/" in line]
    return panel(
        (unit, period, int(n), int(assisted), int(events))
        for unit, *cells in lines
        for period, (events, assisted, n) in enumerate(cell.split("/") for cell in cells)
    )


def adopts(unit: int) -> int:
    return 99 if unit <= 6 else 3 if unit <= 12 else 5 if unit <= 19 else 7


def made() -> UnitPeriods:
    """24 services in ten months, made by the same whole-number formula as in the R session below."""
    return panel(
        (
            f"u{i:02d}",
            t,
            n := 10 + (7 * i + 3 * t) % 11,
            n if t >= adopts(i) else 0,
            (i * i + 3 * t * t + 5 * i * t) % 7 % 4 + (1 + (t - adopts(i)) // 2 if t >= adopts(i) else 0),
        )
        for i, t in product(range(1, 25), range(10))
    )


def series(events=None) -> UnitPeriods:
    """One organisation in thirty months that adopts in the fifteenth, by the formula of the R session below."""
    t = np.arange(30)
    n = 200 + (37 * t) % 53
    made_events = 8 + (5 * t * t + 3 * t) % 7 + t // 6 + np.where(t >= 14, 6, 0)
    events = made_events if events is None else events
    return panel(
        zip(["all"] * 30, t.tolist(), n.tolist(), np.where(t >= 14, n, 0).tolist(), events.tolist(), strict=True)
    )


def limits(estimate: Estimate) -> tuple[float, float]:
    return estimate.interval.low, estimate.interval.high


# As R's did and csdid do it: variances by m, and no time since adoption left out.
AS_CSDID = StaggeredAdoption(small_sample=False, fewest=2, window=(-9, 9))


# csdid 0.4.3 (numpy 2.4.6, pandas 3.1.1) on made(), periods from 1 and never-adopting as 0:
# > o = ATTgt(yname="y", tname="t", idname="i", gname="g", data=f, control_group=["nevertreated" | "notyettreated"])
# > o = o.fit(est_method="reg", base_period="universal", bstrap=False)
# > o.aggte(typec="simple" | "group" | "dynamic" | "calendar", bstrap=False, cband=False).atte
@pytest.mark.parametrize(
    ("controls", "overall", "value", "error"),
    [
        (Controls.NEVER, Aggregation.SIMPLE, 0.13155492169428265, 0.02101034332016395),
        (Controls.NEVER, Aggregation.COHORT, 0.12072225172544392, 0.02403045063603245),
        (Controls.NEVER, Aggregation.EVENT_TIME, 0.1540557569802179, 0.01871229349503889),
        (Controls.NEVER, Aggregation.CALENDAR, 0.12039583069852464, 0.021837608415098433),
        (Controls.NOT_YET, Aggregation.SIMPLE, 0.12831662807827315, 0.021787305646716562),
        (Controls.NOT_YET, Aggregation.COHORT, 0.1187241679077403, 0.025408733427879342),
        (Controls.NOT_YET, Aggregation.EVENT_TIME, 0.15145247419601676, 0.019512335552222537),
        (Controls.NOT_YET, Aggregation.CALENDAR, 0.11399873846461055, 0.022819173671808406),
    ],
)
def test_overall_effects_agree_with_csdid(controls, overall, value, error):
    found = replace(AS_CSDID, controls=controls, overall=overall)(made())
    assert (found.value, found.standard_error) == approx((value, error), rel=1e-12)


def test_effects_by_time_since_adoption_agree_with_csdid():
    # aggte(typec="dynamic"), not-yet-treated controls: egt, att_egt, se_egt
    printed = {
        "period -7": (-0.004339534734271552, 0.0738853814364525),
        "period -6": (0.04492184844739025, 0.07207185985400338),
        "period -5": (-0.016693761116608016, 0.030947322654413474),
        "period -4": (-0.00758235393490811, 0.026940787982431588),
        "period -3": (0.01163217193958039, 0.02547382588587295),
        "period -2": (0.0036067611761665167, 0.036559248062818975),
        "period 0": (0.041689870881262345, 0.028140434652859054),
        "period +1": (0.07600919264224137, 0.03063365258368756),
        "period +2": (0.12748477588470003, 0.031872942045973796),
        "period +3": (0.16275621293996875, 0.03298907166218325),
        "period +4": (0.1946609004985999, 0.0342825437514086),
        "period +5": (0.19804881221289888, 0.06469800173904482),
        "period +6": (0.25951755431244594, 0.03163258905670778),
    }
    parts = AS_CSDID(made()).parts
    assert [part.label for part in parts] == list(printed)
    for part in parts:
        assert (part.value, part.standard_error) == approx(printed[part.label], rel=1e-9)


def test_effects_by_cohort_agree_with_csdid():
    # aggte(typec="group"), not-yet-treated controls
    parts = replace(AS_CSDID, parts=Aggregation.COHORT)(made()).parts
    assert [part.label for part in parts] == ["adopted m3", "adopted m5", "adopted m7"]
    values = [0.1623449393048022, 0.10698186949056435, 0.08281846001531246]
    assert [part.value for part in parts] == approx(values, rel=1e-10)
    errors = [0.02571053566807129, 0.023533178594769548, 0.06682134389864956]
    assert [part.standard_error for part in parts] == approx(errors, rel=1e-10)


# R version 4.2.2, base only, on the same panel: Y is events/n by unit (rows) and period (columns from 1), g adoption.
# > att <- function(a, t, never) {
# +   d <- Y[,t+1] - Y[,a]
# +   c <- if (never) g==99 else g > max(t, a-1) & g != a
# +   c(mean(d[g==a]) - mean(d[c]), sqrt(var(d[g==a])/sum(g==a) + var(d[c])/sum(c)), sum(g==a), sum(c)) }
@pytest.mark.parametrize(
    ("controls", "cohort", "period", "printed"),
    [
        (Controls.NEVER, 3, 5, (0.1555028433898403, 0.0669494840492826, 6, 6)),
        (Controls.NOT_YET, 3, 5, (0.1402548562782872, 0.0614802463276883, 6, 11)),
        (Controls.NOT_YET, 5, 0, (-0.00812759813553911, 0.04674894482630699, 7, 11)),
        (Controls.NOT_YET, 7, 9, (0.1091797045976612, 0.0830845558461724, 5, 6)),
        (Controls.NEVER, 5, 2, (-0.0288958821577132, 0.0415708281060210, 7, 6)),
    ],
)
def test_group_time_effects_agree_with_differences_of_means_in_r(controls, cohort, period, printed):
    table = StaggeredAdoption(controls=controls).group_time(made())
    row = table[(table["cohort"] == cohort) & (table["period"] == period)]
    assert tuple(row[["value", "standard_error", "adopters", "controls"]].iloc[0]) == approx(printed, rel=1e-12)


def test_one_cohort_in_one_period_is_welchs_t_test_of_the_changes():
    # > d <- Y[,6]-Y[,3]; r <- t.test(d[g==3], d[g==99]); c(r$conf.int, r$p.value, r$parameter)      # R 4.2.2
    rows = made().frame.assign(cohort=lambda frame: frame["unit"].str[1:].astype(int).map(adopts))
    kept = rows[rows["cohort"].isin([3, 99]) & rows["period"].isin([2, 5])]
    two = UnitPeriods(kept.assign(period=(kept["period"] == 5).astype(int)), "service", "month")
    found = StaggeredAdoption(controls=Controls.NEVER)(two)
    assert limits(found) == approx((0.00481866659892443, 0.30618702018075611), rel=1e-12)
    assert found.p_value == approx(0.04437951711183773, rel=1e-12)
    assert "t with 9.3 Welch–Satterthwaite" in found.method
    assert found.id == "adoption.did.never"


def test_the_band_is_wider_than_the_interval_and_seeded():
    first, again = (event_study(made(), StaggeredAdoption(), draws=999, seed=7) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    others = first[~first["is_base"]]
    assert (others["band_low"] < others["low"]).all()
    assert (others["band_high"] > others["high"]).all()
    assert first.loc[first["is_base"], ["since", "value"]].to_numpy().tolist() == [[-1, 0.0]]


def test_a_band_over_one_time_is_about_the_interval():
    one = event_study(made(), StaggeredAdoption(window=(-1, 0), small_sample=False), draws=19999, seed=1)
    row = one[~one["is_base"]].iloc[0]
    assert row["band_high"] - row["value"] == approx(row["high"] - row["value"], rel=0.05)


def test_the_pre_trend_statistic_is_that_of_its_definition():
    # The Wald statistic from the influences written out by hand: adopters' own differences, controls' deviations.
    design = StaggeredAdoption(controls=Controls.NEVER, small_sample=False)
    y = made().frame.eval("events / n").to_numpy().reshape(24, 10)
    g = np.array([adopts(unit) for unit in range(1, 25)])
    values, influences = [], []
    for lead in (-4, -3, -2):
        change = {i: y[i, g[i] + lead] - y[i, g[i] - 1] for i in range(24) if 0 <= g[i] + lead < 9}
        control = {a: y[:6, a + lead] - y[:6, a - 1] for a in (3, 5, 7) if a + lead >= 0}
        own = {i: change[i] - control[g[i]].mean() for i in change}
        value = np.mean(list(own.values()))
        influence = np.zeros(24)
        for i in own:
            influence[i] = (own[i] - value) / len(own)
            influence[:6] -= (control[g[i]] - control[g[i]].mean()) / 6 / len(own)
        values.append(value)
        influences.append(influence)
    b, psi = np.array(values), np.array(influences)
    found = PreTrend(design)(made())
    assert [part.value for part in found.parts] == approx(values, rel=1e-10)
    assert found.p_value == approx(float(chi2.sf(b @ np.linalg.solve(psi @ psi.T, b), 3)), rel=1e-9)
    assert found.value == approx(float(np.array([-3, -2, -1]) @ b / 14), rel=1e-10)
    assert "chi-square with 3" in found.method


def test_with_one_lead_the_pre_trend_test_is_the_t_test_of_that_lead():
    found = PreTrend(StaggeredAdoption(), leads=1)(made())
    assert found.p_value == approx(found.parts[0].p_value, rel=1e-9)
    assert found.value == approx(-found.parts[0].value)


def test_smoothness_breaks_down_where_the_fixed_length_interval_touches_zero():
    bend = smoothness_breakdown(0.5, 0.1, 0.95)
    # At the breakdown |N(bend/se, 1)| lies below value/se with probability 0.95.
    assert norm.cdf(5 - bend / 0.1) - norm.cdf(-5 - bend / 0.1) == approx(0.95, abs=1e-9)
    assert smoothness_breakdown(0.19, 0.1, 0.95) == 0
    assert smoothness_breakdown(-0.5, 0.1, 0.95) == bend


def test_a_drift_that_simply_goes_on_leaves_nothing_of_the_effect():
    # Adopters drift by 2 in 100 per month against controls, before and after alike, with a little noise.
    rows = [
        (f"u{i:02d}", t, 1000, 1000 * (i >= 8 and t >= 4), 50 + (i * 7 + t * t * 5) % 11 + (20 * t if i >= 8 else 0))
        for i, t in product(range(16), range(8))
    ]
    found = trend_sensitivity(panel(rows), StaggeredAdoption())
    assert found is not None
    assert 0 in found.adjusted.interval
    assert found.smoothness == 0
    assert found.relative_magnitude < 1
    assert len(list(found.sentences())) == 2


def test_adoption_is_the_first_period_that_reaches_the_share_and_keeps_it():
    found = adoption_periods(
        draw("""
        once     0/0/10 0/5/10 0/0/10 0/0/10
        stays    0/0/10 0/2/10 0/2/10 0/0/10
        gap      0/0/10 0/3/10 0/0/0  0/4/10
        late     0/0/10 0/0/10 0/0/10 0/9/10
        below    0/1/10 0/1/10 0/1/10 0/1/10
        start    0/5/10 0/5/10 0/5/10 0/5/10
        twice    0/5/10 0/0/10 0/5/10 0/5/10
        idle     0/0/0  0/0/0  0/0/0  0/0/0
        """),
        0.2,
    )
    assert found == {
        "once": None, "stays": 1, "gap": 1, "late": 3, "below": None, "start": 0, "twice": 2, "idle": None,
    }  # fmt: skip


def test_the_organisation_adopts_by_the_same_rule():
    assert organisation_adoption(series()) == 14
    assert organisation_adoption(draw("a 0/0/9 0/1/9 0/0/9"), 0.5) is None


def test_a_unit_without_deployments_leaves_only_the_comparisons_that_need_it():
    whole = made()
    gone = whole.frame.copy()
    gone.loc[(gone["unit"] == "u07") & (gone["period"] == 6), ["n", "assisted", "events", "incidents"]] = 0
    design = StaggeredAdoption(controls=Controls.NEVER)
    before, after = design.group_time(whole), design.group_time(UnitPeriods(gone, "service", "month"))
    differ = (before["adopters"] != after["adopters"]).to_numpy()
    assert before.loc[differ, ["cohort", "period"]].to_numpy().tolist() == [[3, 6]]
    assert before.loc[~differ, "value"].tolist() == after.loc[~differ, "value"].tolist()
    found = design(UnitPeriods(gone, "service", "month"))
    assert found.support["unit_periods_without_deployments"] == 1
    assert found.support["adopters"] == 18


def test_every_unit_is_accounted_for():
    rows = made().frame
    rows.loc[rows["unit"] == "u01", "assisted"] = rows["n"]  # adopted at the start
    idle = (rows["unit"] == "u08") & (rows["period"] == 2)  # no base
    rows.loc[idle, ["n", "assisted", "events"]] = 0
    found = StaggeredAdoption()(UnitPeriods(rows, "service", "month")).support
    parts = ("adopters", "adopters_not_comparable", "adopted_at_start", "never_adopted")
    assert [found[name] for name in parts] == [17, 1, 1, 5]
    assert sum(found[name] for name in parts) == found["units"] == 24


def changed(change) -> UnitPeriods:
    frame = made().frame
    return UnitPeriods(change(frame), "service", "month")


def idle_before_adoption(frame: pd.DataFrame) -> pd.DataFrame:
    ships = frame["period"] != frame["unit"].str[1:].astype(int).map(adopts) - 1
    return frame.assign(**{name: frame[name].where(ships, 0) for name in ("n", "assisted", "events", "incidents")})


@pytest.mark.parametrize(
    ("panel_of", "controls", "reason"),
    [
        (lambda f: f.iloc[:0], Controls.NEVER, "months in the panel: 0; a change from before to after needs two"),
        (
            lambda f: f[f["period"] == 0],
            Controls.NEVER,
            "months in the panel: 1; a change from before to after needs two",
        ),
        (
            lambda f: f.assign(assisted=0),
            Controls.NEVER,
            "no service adopted: none reached a lasting share of 20% AI-assisted deployments",
        ),
        (
            lambda f: f.assign(assisted=f["n"]),
            Controls.NOT_YET,
            "every service that adopted had done so when the data begin, so there is no before",
        ),
        (
            lambda f: f.assign(assisted=f["n"].where(f["period"] >= 5, 0)),
            Controls.NEVER,
            "services that never adopted: 0; fewer than 4 are no control group",
        ),
        (
            lambda f: f.assign(assisted=f["n"].where(f["period"] >= 5, 0)),
            Controls.NOT_YET,
            "at no adoption were there 4 services with deployments that had not adopted: no controls",
        ),
        (
            lambda f: f[f["unit"] == "u07"],
            Controls.NOT_YET,
            "services that adopted after the first month: 1; fewer than 4 tell nothing",
        ),
        (
            lambda f: f.assign(events=0, incidents=0),
            Controls.NOT_YET,
            "no service had any incident, so there is nothing to compare",
        ),
        (
            idle_before_adoption,
            Controls.NEVER,
            "services that adopted, shipped just before, and have 4 controls later: 0; fewer than 4 tell nothing",
        ),
    ],
)
def test_panels_that_cannot_answer_say_why(panel_of, controls, reason):
    silent = changed(panel_of)
    design = StaggeredAdoption(controls=controls)
    for found in (design(silent), PreTrend(design)(silent)):
        assert isnan(found.value)
        assert found.caveats == (reason,)
        assert limits(found) == (-1, 1)
        assert found.p_value is None
    assert event_study(silent, design).empty
    assert trend_sensitivity(silent, design) is None


def test_units_that_do_not_differ_give_a_value_but_no_interval():
    rows = [
        (f"u{i}", t, 100, 100 * (i >= 4 and t >= 3), 5 + 10 * (i >= 4 and t >= 3))
        for i, t in product(range(8), range(6))
    ]
    design = StaggeredAdoption(controls=Controls.NEVER)
    found = design(panel(rows))
    assert found.value == approx(0.1)
    assert limits(found) == (-1, 1)
    assert found.p_value is None
    assert isnan(found.standard_error)
    assert found.caveats[0] == "all units changed alike, so there is nothing to tell the uncertainty from"
    assert PreTrend(design)(panel(rows)).p_value is None
    band = event_study(panel(rows), design)
    assert band.loc[~band["is_base"], "band_low"].isna().all()


def test_incidents_per_month_are_compared_in_months_without_deployments_too():
    frame = made().frame
    idle = (frame["unit"] == "u07") & (frame["period"] == 2)
    frame.loc[idle, ["n", "assisted", "events"]] = 0
    found = StaggeredAdoption(outcome=Outcome.INCIDENTS)(UnitPeriods(frame, "service", "month"))
    assert found.support["adopters"] == 18
    assert found.estimand.label == "difference of means"
    per_change = StaggeredAdoption(outcome=Outcome.INCIDENTS_PER_DEPLOYMENT)(UnitPeriods(frame, "service", "month"))
    assert per_change.support["adopters"] == 17


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StaggeredAdoption(fewest=1), "fewest is 1; one unit has no spread to take an error from: 2 at least."),
        (
            lambda: StaggeredAdoption(window=(0, 3)),
            "window is (0, 3); it runs from before adoption (below 0) to 0 or later.",
        ),
        (
            lambda: StaggeredAdoption()(made(), 95),
            "level is 95; a confidence level lies between 0 and 1, such as 0.95.",
        ),
        (
            lambda: StaggeredAdoption(threshold=0)(made()),
            "threshold is 0; the share of AI-assisted deployments that counts as adoption lies above 0 and at most at "
            "1, such as 0.2.",
        ),
        (
            lambda: StaggeredAdoption()(changed(lambda f: f.iloc[1:])),
            "UnitPeriods: 239 rows for 24 services and 10 months; each service must have each month once. Fill missing "
            "ones with rows that count nothing.",
        ),
        (
            lambda: StaggeredAdoption()(changed(lambda f: f[f["period"] != 4])),
            "UnitPeriods: the periods (0, 1, 2, 3, 5, 6, 7, 8, 9) have a gap; fill it with rows that count nothing.",
        ),
        (
            lambda: StaggeredAdoption()(changed(lambda f: f.assign(events=f["n"] + 1))),
            "UnitPeriods: events is 18 for service 'u01' in m0, with 17 deployments; counts lie from 0 up, assisted "
            "and events at most at n.",
        ),
        (lambda: PreTrend(StaggeredAdoption(), leads=0), "leads is 0; at least one period before the base is needed."),
        (
            lambda: event_study(made(), StaggeredAdoption(), draws=9),
            "draws is 9; a quantile of the largest deviation needs 100 or more, such as 1999.",
        ),
        (
            lambda: InterruptedSeries(start=0)(series()),
            f"start is 0; it must be one of the periods {tuple(range(1, 30))}, after the first.",
        ),
        (
            lambda: InterruptedSeries(harmonics=6)(series()),
            "harmonics is 6; a year of months has at most 5, and 0 means no season.",
        ),
        (
            lambda: InterruptedSeries()(series(), 0),
            "level is 0; a confidence level lies between 0 and 1, such as 0.95.",
        ),
        (lambda: ChangePoint(draws=9), "draws is 9; a p-value down to 0.01 needs 99 or more, such as 1999."),
        (lambda: ChangePoint()(series(), 1), "level is 1; a confidence level lies between 0 and 1, such as 0.95."),
    ],
)
def test_wrong_arguments_are_told_apart_from_poor_data(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


# R version 4.2.2, sandwich 3.0-2, on series():
# > t <- 0:29; n <- 200 + (37*t) %% 53; e <- 8 + (5*t*t+3*t) %% 7 + t%/%6 + ifelse(t>=14, 6, 0); A <- as.numeric(t>=14)
# > f <- glm(e ~ I(t-14) + A + I(A*(t-14)), family=quasipoisson, offset=log(n), epsilon=1e-14)
LEVEL, SLOPE = 0.40780664861220, -0.00501597493802


def test_level_and_trend_agree_with_r_where_failures_vary_less_than_poisson():
    # family=poisson, since the dispersion, 0.413880901438, is below 1
    level, slope = InterruptedSeries(start=14)(series())
    assert (np.log(level.value), level.standard_error) == approx((LEVEL, 0.2031058833107), rel=1e-9)
    assert (np.log(slope.value), slope.standard_error) == approx((SLOPE, 0.0240455685863), rel=1e-9)
    assert "dispersion 1.00 (not below 1)" in level.method
    assert (level.id, slope.id) == ("adoption.interrupted.level", "adoption.interrupted.slope")
    assert (level.label, slope.label) == ("level at m14", "trend per month from m14")


def test_level_and_trend_agree_with_r_where_failures_vary_more_than_poisson():
    # > e2 <- e + c(0,0,9,0,0,0,12,0,0,0)[t%%10+1]; coef(summary(glm(e2 ~ …))); summary(…)$dispersion is 2.12214866863
    noisy = series().frame["events"].to_numpy() + np.array([0, 0, 9, 0, 0, 0, 12, 0, 0, 0])[np.arange(30) % 10]
    level, slope = InterruptedSeries()(series(noisy))
    assert (np.log(level.value), level.standard_error) == approx((0.35148349025786, 0.2735343755712), rel=1e-8)
    assert level.p_value == approx(0.210132594648, rel=1e-8)
    assert (np.log(slope.value), slope.standard_error) == approx((-0.00509853034499, 0.0323212715163), rel=1e-8)
    assert "dispersion 2.12" in level.method
    assert "t with 26 degrees of freedom" in level.method


def test_newey_west_errors_agree_with_sandwich():
    # > sqrt(diag(NeweyWest(f, lag=3, prewhite=FALSE, adjust=TRUE)))
    level, slope = InterruptedSeries(error=SeriesError.NEWEY_WEST)(series())
    assert (level.standard_error, slope.standard_error) == approx((0.07096323220224, 0.00990721729689), rel=1e-8)
    assert "lag 3, factor T/(T−k)" in level.method
    assert level.caveats[-1] == "Newey–West errors of fewer than 100 months are too small as a rule"


def test_a_season_agrees_with_r():
    # > w <- 2*pi*t/12; glm(e ~ I(t-14) + A + I(A*(t-14)) + sin(w) + cos(w), family=quasipoisson, …)
    level, slope = InterruptedSeries(harmonics=1)(series())
    assert (np.log(level.value), np.log(slope.value)) == approx((0.42646611765760, -0.00554351983215), rel=1e-8)


def test_the_fitted_lines_part_at_adoption_by_the_level():
    lines = InterruptedSeries()(series())[0], InterruptedSeries().fitted(series())
    ratio = lines[1]["fitted"] / lines[1]["without_adoption"]
    assert ratio[:14].tolist() == approx([1] * 14)
    assert ratio[14] == approx(lines[0].value)
    assert lines[1]["period"].tolist() == list(range(30))


@pytest.mark.parametrize(
    ("events", "start", "reason"),
    [
        (np.zeros(30, int), 14, "failures in 0 months before adoption; a trend needs them in two"),
        (
            np.where(np.arange(30) == 29, 5, np.arange(30) < 14),
            14,
            "failures in 1 months from adoption; a trend needs them in two",
        ),
        (None, 2, "2 months with deployments before adoption; a line and its error need 3"),
        (None, 28, "2 months with deployments from adoption; a line and its error need 3"),
    ],
)
def test_series_that_cannot_answer_say_why(events, start, reason):
    for found in InterruptedSeries(start=start)(series(events)):
        assert isnan(found.value)
        assert found.caveats == (reason,)
        assert limits(found) == (0, np.inf)
    assert InterruptedSeries(start=start).fitted(series(events)).empty


def test_a_series_without_adoption_says_so():
    never = draw("a 1/0/9 1/0/9 1/0/9 1/0/9 1/0/9 1/0/9 1/0/9")
    for found in InterruptedSeries()(never):
        assert found.caveats[0].startswith("the organisation reached no lasting share of 20% AI-assisted deployments")
    empty = UnitPeriods(never.frame.iloc[:0], "service", "month")
    assert all(isnan(found.value) for found in InterruptedSeries()(empty))


def test_a_season_without_failures_at_its_low_point_is_refused():
    winter = np.where(np.isin(np.arange(30) % 12, (0, 1)), 6, 0)
    found = InterruptedSeries(harmonics=5)(series(winter))
    assert found[0].caveats == (
        "some months without failures can be fitted a rate of zero: the curve has no finite course",
    )


def test_a_curve_that_fits_exactly_has_no_newey_west_error():
    flat = draw("a 2/0/90 2/0/90 2/0/90 2/0/90 2/90/90 2/90/90 2/90/90 2/90/90")
    level, slope = InterruptedSeries(error=SeriesError.NEWEY_WEST)(flat)
    assert (level.value, slope.value) == approx((1, 1))
    assert limits(level) == limits(slope) == (0, np.inf)
    assert level.p_value is None
    assert level.caveats[0] == "the curve fits every period exactly, so there is nothing to tell the uncertainty from"
    assert InterruptedSeries()(flat)[0].standard_error > 0


def test_the_fewest_periods_still_answer():
    found = InterruptedSeries()(draw("a 1/0/90 2/0/90 2/0/90 3/90/90 5/90/90 4/90/90"))[0]
    assert found.estimable
    assert "t with 2 degrees of freedom" in found.method
    assert any("with fewer than 8 the line hangs on single ones" in caveat for caveat in found.caveats)


def test_likelihood_ratios_of_breaks_agree_with_r():
    # > lr <- sapply(1:29, function(k) { g <- t>=k
    # +   anova(glm(cbind(e,n-e)~1,family=binomial), glm(cbind(e,n-e)~g,family=binomial))$Deviance[2] })   # R 4.2.2
    frame = series().frame
    found = log_likelihood_ratios(frame["n"].to_numpy(), frame["events"].to_numpy())
    assert int(found.argmax()) == 13
    assert (found[0], found[12], found[13], found[28]) == approx(
        (2.74307023503, 34.22923455494, 35.36834504940, 1.61228124477), rel=1e-10
    )


def test_the_likeliest_break_is_the_planted_one():
    # strucchange 1.5-3, least squares on e/n: breakpoints(I(e/n) ~ 1, breaks=1, h=2) says 15, one month later.
    found = ChangePoint()(series())
    assert found.label == "from m14 on"
    assert found.support["break_period"] == found.support["adoption_period"] == 14
    assert found.p_value == 1 / 2000
    assert found.caveats[1] == "that is the period of adoption (m14)"
    after, before = series().frame[14:], series().frame[:14]
    ratio = (after["events"].sum() / after["n"].sum()) / (before["events"].sum() / before["n"].sum())
    assert found.value == approx(ratio)


TINY_N, TINY_EVENTS = np.array([3, 4, 3, 5]), np.array([0, 1, 2, 4])


def test_the_p_value_of_a_break_is_that_of_all_ways_to_spread_the_failures():
    # All ways to draw 7 failures from 3, 4, 3 and 5 deployments, weighted by choose(): R 4.2.2 gives
    # statistic 5.9887085094759 and p 0.0590520590521.
    assert log_likelihood_ratios(TINY_N, TINY_EVENTS).max() == approx(5.9887085094759, rel=1e-12)
    tiny = draw("a 0/0/3 1/0/4 2/0/3 4/5/5")
    p, draws = 0.0590520590521, 40_000
    found = ChangePoint(draws=draws, seed=3)(tiny)
    assert found.p_value == approx(p, abs=4 * sqrt(p * (1 - p) / draws))


def test_the_p_value_over_orders_of_periods_is_that_of_all_orders():
    observed = log_likelihood_ratios(TINY_N, TINY_EVENTS).max()
    orders = [list(order) for order in permutations(range(4))]
    largest = [log_likelihood_ratios(TINY_N[order], TINY_EVENTS[order]).max() for order in orders]
    p = float(np.mean(np.array(largest) >= observed - 1e-9))
    found = ChangePoint(null=Null.PERIODS, draws=20_000)(draw("a 0/0/3 1/0/4 2/0/3 4/5/5"))
    assert found.p_value == approx(p, abs=0.015)


def test_the_set_of_breaks_is_the_test_inverted_over_all_ways_on_either_side():
    # Brute force: for each break, all ways to spread the failures before it and after it, their numbers held.
    def ways(n, events):
        every = np.array(list(product(*(range(m + 1) for m in n))))
        every = every[every.sum(axis=1) == events.sum()]
        chance = np.array([np.prod([comb(m, e) for m, e in zip(n, row, strict=True)]) for row in every.tolist()], float)
        return every, chance / chance.sum()

    n, events = np.array([6, 5, 6, 7, 6]), np.array([0, 0, 1, 5, 5])
    observed = log_likelihood_ratios(n, events)
    p_values = []
    for place in range(4):
        left, of_left = ways(n[: place + 1], events[: place + 1])
        right, of_right = ways(n[place + 1 :], events[place + 1 :])
        p = 0.0
        for first, chance in zip(left, of_left, strict=True):
            both = np.concatenate([np.tile(first, (len(right), 1)), right], axis=1)
            again = log_likelihood_ratios(np.broadcast_to(n, both.shape), both)
            far = again.max(axis=1) - again[:, place] >= observed.max() - observed[place] - 1e-9
            p += chance * float(of_right[far].sum())
        p_values.append(p)
    level = 0.9
    assert min(abs(p - (1 - level)) for p in p_values) > 0.02  # far from the edge, so that chance cannot decide
    expected = [place for place, p in enumerate(p_values) if p > 1 - level]
    found = confidence_set(n, events, level, 4000, np.random.default_rng(5))
    assert found == expected
    assert 0 < len(expected) < 4


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ("a 0/0/9 0/0/9 0/9/9 0/9/9", "no deployment failed, so nothing can have changed"),
        ("a 9/0/9 9/0/9 9/9/9 9/9/9", "every deployment failed, so nothing can have changed"),
        ("a 1/0/9 0/0/0 2/9/9", "2 months with deployments; to look for a break among them needs 3"),
    ],
)
def test_sequences_without_a_possible_break_say_why(picture, reason):
    found = ChangePoint()(draw(picture))
    assert isnan(found.value)
    assert found.caveats == (reason,)
    assert found.id == "adoption.change_point"


def test_months_without_deployments_hold_no_break():
    found = ChangePoint()(draw("a 1/0/99 1/0/99 0/0/0 9/99/99 9/99/99"))
    assert found.label == "from m3 on"
    assert found.support["periods_without_deployments"] == 1


def test_a_break_from_no_failures_at_all_has_a_lower_limit_only():
    found = ChangePoint()(draw("a 0/0/50 0/0/50 0/0/50 9/50/50 9/50/50"))
    assert isnan(found.value)
    assert found.caveats[0].startswith("the risk ratio has no finite value because the count it divides by is zero")
    assert found.interval.low > 1
    assert found.interval.high == np.inf
    assert found.p_value == 1 / 2000


def test_failures_that_come_in_bursts_are_told():
    bursts = [1, 30, 2, 28, 1, 29, 3, 33, 30, 2, 31, 1]
    rows = [("a", t, 200, 200 * (t >= 6), events) for t, events in enumerate(bursts)]
    found = ChangePoint()(panel(rows))
    assert any("put whole periods in random order" in caveat for caveat in found.caveats)
    assert not any("random order instead" in caveat for caveat in ChangePoint(null=Null.PERIODS)(panel(rows)).caveats)
