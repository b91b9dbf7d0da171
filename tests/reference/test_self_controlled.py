"""The case series against R and a printed example, and what it answers where R stops."""

from dataclasses import replace
from math import inf, isinf, isnan, log, sqrt

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.self_control import excess_ratio
from counterfault.estimators.self_control.excess_ratio import Excess
from counterfault.estimators.self_control.log_ratio import LogRatio
from counterfault.estimators.self_control.self_controlled import CaseSeries, SmallSample, suggests_event_dependence
from counterfault.panels import RiskTime

COLUMNS = ["service", "block", "band", "after_ai", "after_other", "before_ai", "before_other", "hours", "incidents"]
ROBUST = CaseSeries(at_least_model=False)


def drawn(picture: str, cuts: tuple[float, ...] = (0.0, 6.0, 24.0), before_hours: float = 24.0) -> RiskTime:
    """A panel from "incidents/hours" by state; its four figures are after AI, after other, before AI, before other."""
    head, *lines = [line.split("|") for line in picture.splitlines() if line.strip()]
    states = [tuple(map(int, name.strip())) for name in head[1:]]
    rows = []
    for place, *counts in lines:
        for state, count in zip(states, counts, strict=True):
            if "/" in count:
                incidents, hours = count.split("/")
                rows.append((*place.split(), *state, float(hours), int(incidents)))
    return RiskTime(pd.DataFrame(rows, columns=COLUMNS), cuts, before_hours)


# Invented. The columns: no state; 0 to 6 and 6 to 24 h after AI; the same after others; before AI; before others; and
# 6 to 24 h after others while 0 to 6 h after AI and before another.
INVENTED = drawn("""
                 | 0000   | 1000   | 2000   | 0100   | 0200   | 0010   | 0001   | 1201
    api  1 day   | 31/300 | -      | 10/56  | 1/30   | 5/109  | 0/28   | -      | 2/7
    api  1 night | 3/198  | 1/20   | -      | -      | 2/77   | 1/56   | -      | -
    api  2 day   | 41/368 | 2/14   | 2/62   | 4/37   | 3/51   | 0/27   | 2/51   | 1/5
    api  2 night | 7/317  | -      | 4/73   | 2/16   | 0/103  | 2/40   | 3/51   | 1/8
    app  1 day   | 9/315  | 1/12   | 1/64   | 1/39   | 1/49   | 1/38   | 1/55   | 0/11
    app  1 night | 3/288  | 1/13   | 1/68   | 0/44   | 0/81   | 0/35   | -      | -
    shop 1 day   | 15/412 | 1/16   | 3/29   | 2/41   | -      | 1/49   | 1/88   | 0/8
    shop 1 night | 3/270  | 2/25   | 1/45   | -      | 2/97   | -      | 2/62   | -
    web  1 day   | 14/218 | 3/19   | 5/41   | 6/28   | -      | 4/48   | 4/73   | 0/4
    web  1 night | 5/214  | 4/25   | 3/65   | 3/38   | 11/71  | 1/52   | 3/39   | 2/9
    zoo  1 day   | 8/417  | 2/23   | 1/36   | 3/23   | -      | 0/34   | -      | 0/7
    zoo  1 night | 4/392  | 0/19   | 0/26   | 3/34   | 1/94   | -      | 3/89   | 0/8
    zoo  2 day   | 7/358  | 1/17   | 1/61   | -      | 4/116  | 0/31   | -      | 0/11
    zoo  2 night | 0/254  | 3/13   | 0/74   | 0/27   | -      | -      | 1/66   | 0/9
""")


def test_ratios_and_cr2_errors_are_those_of_club_sandwich():
    # p holds INVENTED, one row per entry; stratum = service and block; a1, a2, o1, o2 the pieces            # R 4.2.2
    # > g <- glm(incidents ~ a1+a2+o1+o2+before_ai+before_other+band+stratum-1, poisson, p, offset = log(hours))
    # > V <- vcovCR(g, cluster = p$service, type = "CR2")                                      # clubSandwich 0.5.8
    # > coef_test(g, vcov = V, test = "Satterthwaite")[1:6, ]
    # > linear_contrast(g, vcov = V, contrasts = C, test = "Satterthwaite")      # a1 - o1, a2 - o2, before_ai - …
    witness = {
        "rate_ratio_ai": [
            (1.0051432704073, 0.0828299381276, 2.95370498541),
            (0.2416234614749, 0.0908390228145, 2.39578181418),
            (-0.6227325303077, 0.3068177873812, 2.38106953312),
        ],
        "rate_ratio_other": [
            (0.5871307486506, 0.3188989079370, 2.61038732546),
            (-0.0288890969701, 0.4970034180316, 2.05633781802),
            (-0.1142050877572, 0.1313549173435, 2.87947901366),
        ],
        "ratio": [
            (0.418012521757, 0.333425454543, 2.83411310367),
            (0.270512558445, 0.479253501895, 2.22104105080),
            (-0.508527442551, 0.422104536908, 2.49907995526),
        ],
    }
    found = ROBUST(INVENTED)._asdict()
    for name, parts in witness.items():
        for part, (value, error, degrees) in zip(found[name].parts, parts, strict=False):
            assert log(part.value) == approx(value, rel=1e-9)
            assert part.standard_error == approx(error, rel=1e-9)
            assert f"t with {degrees:.1f} Satterthwaite" in part.method


def test_limits_are_those_club_sandwich_prints():
    # > linear_contrast(…)        Contrast 1  0.418 0.333 2.83  -0.679  1.52;  Contrast 3 … -2.018  1.00
    found = ROBUST(INVENTED)
    assert log(found.ratio.interval.low) == approx(-0.679, abs=5e-4)
    assert log(found.ratio.interval.high) == approx(1.52, abs=5e-3)
    assert log(found.before_ratio.interval.low) == approx(-2.018, abs=5e-4)


def test_cr1_errors_are_those_of_sandwich():
    # > sqrt(diag(vcovCL(g, cluster = p$service, type = "HC0", cadjust = TRUE)))[1:6]    # sandwich 3.0.2: HC0 · G/(G−1)
    found = CaseSeries(small_sample=SmallSample.CR1, at_least_model=False)(INVENTED)
    errors = [
        part.standard_error for group in (found.rate_ratio_ai, found.rate_ratio_other) for part in group.parts[:3]
    ]
    witness = [0.0754419308204, 0.1046679545175, 0.2912100106, 0.3210689684918, 0.4370762232658, 0.1209968378988]
    assert errors == approx(witness, rel=1e-7)  # the dummies of glm stop at its own tolerance
    assert "CR1 (factor G/(G−1)) standard error by service, t with 4.0 degrees" in found.ratio.method


def test_model_errors_are_those_of_gnm_and_used_where_they_are_wider():
    # > m <- gnm(incidents ~ a1+a2+o1+o2+before_ai+before_other+band, eliminate = stratum, family = poisson, …)
    # > sqrt(diag(vcov(m)))    a1 0.210807001714  a2 0.193786201423                                # gnm 1.1.2
    ai = CaseSeries()(INVENTED).rate_ratio_ai
    assert [part.standard_error for part in ai.parts[:2]] == approx([0.210807001714, 0.193786201423], rel=1e-8)
    assert "that of independent incidents (normal), which is wider" in ai.method
    assert log(ai.interval.high / ai.interval.low) == approx(2 * 1.959963984540054 * 0.210807001714, rel=1e-8)
    before = ai.parts[2]  # here the robust interval is the wider
    assert before.standard_error == approx(0.3068177873812, rel=1e-9)


# Aseptic meningitis 15 to 35 days after a first MMR vaccination in the second year of life: ten children of the Oxford
# region, days of vaccination and of the event (Whitaker et al. 2006, the data of its first example).
VACCINATED = (458, 392, 429, 433, 432, 395, 470, 496, 428, 716)
ADMITTED = (398, 413, 449, 455, 472, 474, 485, 524, 700, 399)


def meningitis(last_day_of_first_age_group: int) -> RiskTime:
    """Children as services, age groups as bands, days as hours; the 21 days at risk, 15 to 35, are the first piece."""
    rows = []
    for child, (vaccinated, admitted) in enumerate(zip(VACCINATED, ADMITTED, strict=True)):
        for day in range(366, 731):
            at_risk = 1 if 15 <= day - vaccinated < 36 else 0
            age = "second" if day > last_day_of_first_age_group else "first"
            rows.append((f"child {child}", "all", age, at_risk, 0, 0, 0, 1.0, int(day == admitted)))
    return RiskTime(pd.DataFrame(rows, columns=COLUMNS), (0.0, 21.0), 0.0)


def test_the_printed_example_of_the_method_comes_out():
    # > glm(y ~ ex + ag + factor(case) - 1, family = poisson, offset = log(days))                           # R 4.2.2
    #   ex  2.48797465299  0.708487918134                                        relative incidence in print: 12.04
    # > coef_test(m, vcov = vcovCR(m, rows$case, "CR2"), test = "Satterthwaite")   ex 0.721038465511, 8.23895648987 df
    found = ROBUST(meningitis(547)).rate_ratio_ai
    assert log(found.value) == approx(2.48797465299, rel=1e-9)
    assert found.value == approx(12.04, abs=0.005)
    assert found.standard_error == approx(0.721038465511, rel=1e-8)
    assert "t with 8.2 Satterthwaite" in found.method
    wider = CaseSeries()(meningitis(547)).rate_ratio_ai
    assert wider.interval.high / wider.value == approx(
        max(np.exp(1.959963984540054 * 0.708487918134), found.interval.high / found.value), rel=1e-8
    )


def test_a_boundary_one_day_off_moves_the_printed_example():
    # gnm, same session: the first age group up to day 546 gives 11.962440, up to 547 12.0368725
    assert CaseSeries()(meningitis(546)).rate_ratio_ai.value == approx(11.962440, abs=5e-6)
    assert CaseSeries()(meningitis(547)).rate_ratio_ai.value == approx(12.0368725, abs=5e-7)
    assert "half-open risk periods [0, 21) h" in CaseSeries()(meningitis(547)).rate_ratio_ai.method


# --- by hand


def one_state(*counts: tuple[int, float, int, float], column: str = "after_ai") -> RiskTime:
    """Per service: incidents and hours at risk, incidents and hours otherwise."""
    rows = []
    for number, (at_risk, hours, otherwise, rest) in enumerate(counts):
        state = dict.fromkeys(COLUMNS[3:7], 0)
        common = {"service": f"s{number}", "block": "b", "band": "all"}
        rows.append({**common, **state, column: 1, "hours": hours, "incidents": at_risk})
        rows.append({**common, **state, "hours": rest, "incidents": otherwise})
    return RiskTime(pd.DataFrame(rows), (0.0, 6.0), 24.0)


def test_with_equal_shares_of_time_at_risk_it_is_the_ratio_of_two_pooled_rates():
    # Then the likelihood is binomial: 9 of 30 incidents in 10 of 100 hours, odds (9/21)·(90/10), variance 1/9 + 1/21.
    found = CaseSeries()(one_state((4, 10, 8, 90), (3, 10, 6, 90), (2, 20, 7, 180))).rate_ratio_ai
    assert found.value == approx(9 / 21 * 9)
    assert found.standard_error >= sqrt(1 / 9 + 1 / 21) * (1 - 1e-12)
    assert found.support == {
        "events": 30,
        "exposed_events": 9,
        "unexposed_events": 21,
        "hours": 400,
        "exposed_hours": 40,
        "unexposed_hours": 360,
        "strata": 3,
        "clusters": 3,
        "informative_clusters": 3,
    }


def test_services_without_incidents_change_nothing():
    counts = [(4, 10.0, 8, 90.0), (3, 12.0, 6, 80.0), (2, 20.0, 7, 150.0)]
    few, many = (CaseSeries()(one_state(*counts, *more)).rate_ratio_ai for more in ((), [(0, 5.0, 0, 70.0)] * 3))
    assert (few.value, few.interval) == (many.value, many.interval)
    assert many.support == {**few.support, "clusters": 6}


def test_beyond_five_hundred_services_the_cheaper_correction_is_used_and_named():
    rng = np.random.default_rng(0)
    counts = [(int(rng.poisson(1.0)), 10.0, int(rng.poisson(3.0)), 90.0) for _ in range(520)]
    many, few = CaseSeries()(one_state(*counts)).rate_ratio_ai, CaseSeries()(one_state(*counts[:400])).rate_ratio_ai
    assert "CR1 (factor G/(G−1)) standard error by service" in many.method
    assert "CR2 standard error by service" in few.method
    at_risk, otherwise = sum(count[0] for count in counts), sum(count[2] for count in counts)
    assert many.value == approx(9 * at_risk / otherwise)
    # equal shares of time: each service's score is its incidents at risk minus a share p of its incidents
    share = at_risk / (at_risk + otherwise)
    scores = np.array([a - share * (a + b) for a, _, b, _ in counts if a + b])
    information = share * (1 - share) * (at_risk + otherwise)
    error = sqrt(len(scores) / (len(scores) - 1) * (scores**2).sum()) / information
    assert CaseSeries(at_least_model=False)(one_state(*counts)).rate_ratio_ai.standard_error == approx(error)


def test_every_estimate_has_its_id_design_and_adjustment():
    found = CaseSeries()(INVENTED)
    assert [estimate.id for estimate in found] == [
        "self_controlled.rate_ratio_ai",
        "self_controlled.rate_ratio_other",
        "self_controlled.ratio",
        "self_controlled.excess_ratio",
        "self_controlled.before_ai",
        "self_controlled.before_other",
        "self_controlled.before_ratio",
    ]
    assert {estimate.design for estimate in found} == {"within service × block"}
    assert {estimate.adjustment for estimate in found} == {("band", "time before deployments")}
    assert [part.label for part in found.ratio.parts] == [
        "0 to 6 h after",
        "6 to 24 h after",
        "before",
        "0 to 6 h after, time before counted as background",
    ]
    assert found.ratio.estimand is found.before_ratio.estimand is Estimand.RATIO_OF_RATIOS
    assert found.excess_ratio.estimand is found.rate_ratio_ai.estimand is Estimand.RATE_RATIO
    assert any("freeze" in caveat for caveat in found.ratio.caveats)


def test_the_part_with_time_before_as_background_is_the_estimate_of_those_settings():
    part = CaseSeries()(INVENTED).ratio.parts[-1]
    plain = CaseSeries(pre_exposure=False)(INVENTED)
    assert (part.value, part.interval) == (plain.ratio.value, plain.ratio.interval)
    assert plain.ratio.adjustment == ("band",)
    assert plain.before_ai.caveats == ("The panel or the settings tell no time before deployments apart.",)


# --- the ratio of added incidents


def log_ratio(value: float, error: float) -> LogRatio:
    return LogRatio(log(value), error, inf, error, SmallSample.CR1, at_least_model=True)


def limits(ai: LogRatio, other: LogRatio, correlation: float, level: float = 0.95) -> tuple[float, float]:
    return excess_ratio.limits(Excess.of(ai, level), Excess.of(other, level), correlation)


def test_the_excess_ratio_divides_what_each_kind_adds():
    found = CaseSeries()(INVENTED)
    ai, other = found.rate_ratio_ai.value, found.rate_ratio_other.value
    assert found.excess_ratio.value == approx((ai - 1) / (other - 1))
    assert found.excess_ratio.p_value == found.ratio.p_value


def test_excess_limits_are_donner_and_zous_closed_form_without_correlation():
    # Donner & Zou (2012), ratio of two independent parameters with limits (l1, u1) and (l2, u2), typed from the paper:
    # L = (t1·t2 − √((t1·t2)² − l1·u2·(2·t1 − l1)·(2·t2 − u2))) / (u2·(2·t2 − u2)), U with u1 and l2, and a plus sign
    ai, other = log_ratio(3.0, 0.15), log_ratio(2.0, 0.12)
    t1, l1, u1 = 2.0, 3 * np.exp(-1.959963984540054 * 0.15) - 1, 3 * np.exp(1.959963984540054 * 0.15) - 1
    t2, l2, u2 = 1.0, 2 * np.exp(-1.959963984540054 * 0.12) - 1, 2 * np.exp(1.959963984540054 * 0.12) - 1
    low = (t1 * t2 - sqrt((t1 * t2) ** 2 - l1 * u2 * (2 * t1 - l1) * (2 * t2 - u2))) / (u2 * (2 * t2 - u2))
    high = (t1 * t2 + sqrt((t1 * t2) ** 2 - u1 * l2 * (2 * t1 - u1) * (2 * t2 - l2))) / (l2 * (2 * t2 - l2))
    assert limits(ai, other, 0.0) == approx((low, high), rel=1e-12)


def test_excess_limits_are_fiellers_where_half_widths_are_equal():
    # Fieller: all R with (x − R·y)² ≤ h² − 2·R·r·h·k + R²·k², half-widths h = 0.8, k = 0.3, x = 2, y = 1, r = 0.4
    a, b, c = 1 - 0.3**2, -2 * (2 * 1 - 0.4 * 0.8 * 0.3), 2**2 - 0.8**2
    roots = [(-b + sign * sqrt(b**2 - 4 * a * c)) / (2 * a) for sign in (-1, 1)]
    found = excess_ratio.limits(Excess(2.0, 1.2, 2.8), Excess(1.0, 0.7, 1.3), 0.4)
    assert found == approx(tuple(roots), rel=1e-12)


def test_excess_limits_are_open_where_an_excess_is_not_clear():
    clear, unclear = log_ratio(3.0, 0.1), log_ratio(1.2, 0.2)
    low, high = limits(clear, unclear, 0.0)
    assert low > 1 and isinf(high)
    assert limits(unclear, clear, 0.0)[0] == 0


SCARCE = [("20/200", "4/20", "1/20"), ("30/200", "5/20", "1/20"), ("10/200", "3/20", "0/20")]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (SCARCE, "After other deployments incidents are no more frequent than in the background (rate ratio 0.33)"),
        ([(c, b, a) for c, a, b in SCARCE], "After AI-assisted deployments incidents are no more frequent"),
        ([("20/200", "2/19", "3/27"), ("30/200", "4/21", "2/11")], "Neither kind of deployment is clearly followed"),
    ],
)
def test_without_two_excesses_there_is_no_ratio_of_them(rows, reason):
    lines = [f"s{number} b all | {' | '.join(row)}" for number, row in enumerate(rows)]
    panel = drawn("\n".join([" | 0000 | 1000 | 0100", *lines]), cuts=(0.0, 6.0), before_hours=0.0)
    found = CaseSeries()(panel).excess_ratio
    assert silent(found).startswith(reason)
    assert found.estimand is Estimand.RATE_RATIO


# --- where there is no answer


def silent(found: Estimate) -> str:
    """The reason, of an estimate that excludes nothing."""
    assert isnan(found.value) and (found.interval.low, found.interval.high) == (0, inf) and found.p_value is None
    return found.caveats[0]


def test_an_empty_panel_is_no_error():
    found = CaseSeries()(RiskTime(pd.DataFrame(columns=COLUMNS), (0.0, 6.0), 24.0))
    assert {silent(estimate) for estimate in found} == {"No incident began in the 0 hours of service time watched."}


def test_no_incident_is_no_answer():
    found = CaseSeries()(one_state((0, 10, 0, 90), (0, 10, 0, 90)))
    assert {silent(estimate) for estimate in found} == {"No incident began in the 200 hours of service time watched."}
    assert found.ratio.support["events"] == 0


def test_a_state_without_incidents_would_give_zero():
    found = CaseSeries()(one_state((0, 10, 5, 90), (0, 10, 7, 90)))
    assert silent(found.rate_ratio_ai) == (
        "No incident began in the hours 0 to 6 after an AI-assisted deployment, so the ratio would be zero, without an "
        "interval."
    )
    assert silent(found.rate_ratio_other) == "No service was watched in the hours 0 to 6 after another deployment."
    assert silent(found.ratio) == "No service was watched in the hours 0 to 6 after another deployment."


def test_incidents_in_a_state_alone_would_give_infinity():
    found = CaseSeries()(one_state((5, 10, 0, 90), (7, 10, 0, 90)))
    assert silent(found.rate_ratio_ai) == (
        "Incidents fell on one side only wherever the hours 0 to 6 after an AI-assisted deployment can be compared: "
        "the ratio has no finite estimate."
    )


def test_one_service_cannot_show_how_services_differ():
    reason = silent(CaseSeries()(one_state((2, 10, 5, 90))).rate_ratio_ai)
    assert reason.startswith("Only one service can be compared in the hours 0 to 6 after an AI-assisted deployment")


def test_services_that_agree_exactly_give_no_standard_error():
    assert silent(CaseSeries()(one_state((2, 10, 5, 90), (2, 10, 5, 90))).rate_ratio_ai).startswith(
        "All services agree"
    )


def test_a_service_always_at_risk_tells_nothing():
    frame = one_state((2, 10, 5, 90), (3, 10, 9, 90)).frame.query("after_ai == 1")
    reason = silent(CaseSeries()(RiskTime(frame, (0.0, 6.0), 24.0)).rate_ratio_ai)
    assert reason.endswith("cannot be told apart from the other states and parts of the week.")


def test_a_difference_can_be_told_where_neither_rate_ratio_can():
    # No background is left: always after one or the other. Each service: a binomial with equal shares of time.
    ai = one_state((6, 10, 4, 10), (9, 10, 5, 10), (7, 10, 6, 10)).frame
    other = ai.assign(after_other=(ai["after_ai"] == 0).astype(int))
    found = CaseSeries()(RiskTime(other, (0.0, 6.0), 0.0))
    for alone in (found.rate_ratio_ai, found.rate_ratio_other):
        assert "cannot be told apart" in silent(alone)
    assert found.ratio.value == approx(22 / 15)


def test_hours_that_separate_leave_the_fit_and_are_counted():
    quiet = INVENTED.frame.query("band == 'day'").assign(band="weekend", incidents=0)
    found = CaseSeries()(replace(INVENTED, frame=pd.concat([INVENTED.frame, quiet])))
    plain = CaseSeries()(INVENTED)
    assert found.ratio.value == approx(plain.ratio.value) and found.ratio.interval.low == approx(
        plain.ratio.interval.low
    )
    assert f"{quiet['hours'].sum():.0f} hours left the fit" in " ".join(found.ratio.caveats)


# --- event-dependent exposure


def test_no_incident_before_deployments_is_a_rate_of_zero_with_an_exact_limit():
    # 12 incidents, time before a tenth of all: P(none there) = (1 + r·10/90)^−12; at 95 % the limit r solves
    # 12·log(1 + r/9) = log 40.
    found = CaseSeries()(one_state((0, 10, 5, 90), (0, 10, 7, 90), column="before_ai")).before_ai
    assert (found.value, found.interval.low) == (0, 0)
    assert found.interval.high == approx(9 * (40 ** (1 / 12) - 1))
    assert found.p_value == approx(2 * (10 / 9) ** -12)
    assert "exact upper limit" in found.method and isnan(found.standard_error)


def test_a_rate_before_deployments_far_from_the_backgrounds_raises_the_alarm():
    freeze = CaseSeries()(one_state((0, 40, 30, 60), (0, 40, 37, 60), column="before_ai"))
    assert suggests_event_dependence(freeze.before_ai) is True
    assert any("Incidents seem to drive deployments" in caveat for caveat in freeze.rate_ratio_ai.caveats)
    repair = CaseSeries()(one_state((30, 10, 40, 90), (37, 10, 37, 90), (33, 10, 39, 90), column="before_other"))
    assert suggests_event_dependence(repair.before_other) is True
    assert suggests_event_dependence(repair.before_ai) is None  # nobody was watched there


def test_the_criterion_is_that_the_interval_meets_four_fifths_to_five_fourths():
    before = CaseSeries()(INVENTED).before_other
    for low, high, alarm in ((0.5, 0.8, False), (0.5, 0.79, True), (1.25, 2, False), (1.26, 2, True), (0.1, 9, False)):
        interval = replace(before.interval, low=low, high=high)
        assert suggests_event_dependence(replace(before, interval=interval)) is alarm


# --- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hours": -1.0}, "hours go down to -1"),
        ({"hours": 0.0, "incidents": 1}, "hours go down to 0 where there are incidents"),
        ({"incidents": 1.5}, r"incidents holds 1\.5; it is a whole number from 0 up"),
        ({"after_ai": 3}, "after_ai holds 3; it is a whole number from 0 to 2"),
        ({"before_ai": 2}, "before_ai holds 2; it is a whole number from 0 to 1"),
        ({"band": None}, "empty values in band"),
    ],
)
def test_a_panel_that_is_none_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CaseSeries()(replace(INVENTED, frame=INVENTED.frame.assign(**change)))


def test_a_missing_column_wrong_cuts_and_a_wrong_level_are_refused():
    with pytest.raises(ValueError, match="needs the columns band, which this one lacks"):
        CaseSeries()(replace(INVENTED, frame=INVENTED.frame.drop(columns="band")))
    with pytest.raises(ValueError, match=r"cuts are \(6\.0, 24\.0\); they start at 0 and rise"):
        CaseSeries()(replace(INVENTED, cuts=(6.0, 24.0)))
    with pytest.raises(ValueError, match="level is 95"):
        CaseSeries()(INVENTED, 95)
