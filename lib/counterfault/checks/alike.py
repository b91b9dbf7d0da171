"""Are the two groups alike in what was measured, and silent where they must be?"""

from __future__ import annotations

from dataclasses import replace
from math import inf, log, sqrt

import pandas as pd

from counterfault.checks.check import Check, in_words, not_assessed, passed
from counterfault.checks.facts import Facts
from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import present
from counterfault.plan import PRIMARY

PLACEBO_ZONE = (0.8, 1.25)  # an interval that should hold 1 must at least reach into this zone, as in OHDSI's SCCS


def balance(facts: Facts) -> Check:
    """Are measured confounders alike? A gate only where the primary estimate does not itself adjust for them."""
    names = present(facts.plan.design.confounders, facts.counted)
    adjusted = facts.plan.design.primary != "stratified.risk_ratio"
    question = "Are measured confounders alike within strata?"
    if not names:
        return not_assessed("balance", question, "no measured confounder to compare", gate=False)
    if not _comparisons(facts.counted).size:
        return not_assessed("balance", question, "no stratum holds both kinds of change", gate=False)
    worst, level_name = max((_imbalance(facts.counted, name) for name in names), key=lambda pair: pair[0])
    wanted = facts.plan.gates.max_imbalance
    remedy = "; the primary estimate adjusts for it" if adjusted else ""
    return Check(
        id="balance",
        question=question,
        status=passed(worst <= wanted),
        value=worst,
        threshold=f"at most {wanted:g}",
        sentence=f"the largest standardised difference within strata is {worst:.2f} ({level_name}){remedy}",
        gate=not adjusted,
    )


def _imbalance(counted: Counted, name: str) -> tuple[float, str]:
    """Largest standardised difference of a covariate's levels, strata weighted as Mantel–Haenszel weighs them."""
    frame, strata, weight = counted.cells.frame, list(counted.cells.strata), _comparisons(counted)
    by_level = frame.groupby([*strata, "exposed", name])["n"].sum().unstack(fill_value=0)
    share = by_level.div(by_level.sum(axis=1), axis=0)
    found = []
    for level in share.columns:
        exposed, other = (share[level].xs(arm, level="exposed").reindex(weight.index) for arm in (1, 0))
        high, low = float((exposed * weight).sum()), float((other * weight).sum())
        spread = sqrt((high * (1 - high) + low * (1 - low)) / 2)
        found.append((abs(high - low) / spread if spread else 0.0, f"{name}: {level}"))
    return max(found)


def _comparisons(counted: Counted) -> pd.Series[float]:
    """Mantel–Haenszel weights, summing to 1, of the strata that hold both kinds of change."""
    arms = counted.cells.tables()
    exposed, other = arms["exposed_total"], arms["unexposed_total"]
    weight = (exposed * other / (exposed + other)).loc[lambda each: each > 0]
    return weight / weight.sum()


def placebo(facts: Facts) -> Check:
    """Incidents before the deployment cannot be its doing; a ratio away from 1 speaks of bias."""
    return _null_check(
        facts,
        facts.placebo,
        "placebo_in_time",
        "Are incidents before the deployment unrelated to AI?",
        "incidents in the window before the deployment",
    )


def next_deployment(facts: Facts) -> Check:
    """What comes later explains nothing; if it seems to, something else goes along with AI use in time."""
    question = "Is the label of the next deployment unrelated to this one's failure?"
    found = facts.found.get("placebo.next_deployment")
    if found is None:
        return not_assessed("next_deployment", question, "this challenge was not made", gate=False)
    what = "this deployment's incidents by the next one's label"
    return replace(_null_check(facts, found, "next_deployment", question, what), gate=False)


def negative_control(facts: Facts) -> Check:
    """Incidents with another known cause cannot be AI's doing either."""
    question = "Are incidents of other known causes unrelated to AI?"
    if facts.control is None:
        return not_assessed("negative_control", question, "no column cause", gate=True)
    return _null_check(facts, facts.control, "negative_control", question, "incidents attributed to something else")


def _null_check(facts: Facts, found: Estimate, id: str, question: str, what: str) -> Check:
    """Fails where the null outcome shows a bias; passes only where it would have shown the one that matters.

    That is the bias that would take the nearer limit of the primary estimate to 1, or, where it claims no side, a ratio
    worth acting on. A check whose interval leaves room for it has seen nothing, and says so.
    """
    low, high = PLACEBO_ZONE
    if not found.support.get("events"):
        return not_assessed(id, question, f"no {what}", gate=True)
    if not found.estimable:
        return not_assessed(id, question, f"{what}: {found.caveats[0].rstrip('.')}", gate=True)
    claimed, matters = _bias_that_matters(facts)
    away = found.interval.low > high or found.interval.high < low
    same_side = (claimed > 0 and found.interval.low > 1) or (claimed < 0 and found.interval.high < 1)
    if not (away or same_side) and not _would_have_shown(found, claimed, matters):
        reason = f"{what}: {in_words(found)} leaves room for a bias of {matters:.2f} times, which would matter here"
        return not_assessed(id, question, reason, gate=True)
    return Check(
        id=id,
        question=question,
        status=passed(not (away or same_side)),
        value=found.value,
        threshold=f"meets {low:g} to {high:g}, holds 1 on the side claimed, and excludes a bias that matters",
        sentence=f"ratio for {what}: {in_words(found)}; an unbiased comparison gives about 1",
        gate=True,
    )


def _bias_that_matters(facts: Facts) -> tuple[int, float]:
    """The side the primary estimate claims, and the bias, as a factor above 1, that alone could have made the claim."""
    interval = facts.estimates["primary"].interval
    if interval.low > 1:
        return 1, interval.low
    if interval.high < 1:
        return -1, 1 / interval.high if interval.high > 0 else inf
    return 0, facts.plan.decision.worth_acting_on


def _would_have_shown(found: Estimate, claimed: int, matters: float) -> bool:
    above, below = found.interval.high < matters, found.interval.low > 1 / matters
    return above if claimed > 0 else below if claimed < 0 else above and below


def direction(facts: Facts) -> Check:
    """Two estimators of the same contrast must not contradict one another."""
    primary = facts.estimates["primary"]
    stratified, regression = PRIMARY[:2]
    other = facts.estimates[regression if facts.plan.design.primary == stratified else stratified]
    question = "Do the within-service estimates agree in direction?"
    if not (primary.value > 0 and other.value > 0):
        return not_assessed("direction", question, "one of the two is not estimable or zero", gate=True)
    agree = log(primary.value) * log(other.value) >= 0 or (1.0 in primary.interval and 1.0 in other.interval)
    return Check(
        id="direction",
        question=question,
        status=passed(agree),
        value=other.value,
        threshold="same side of 1, or both compatible with 1",
        sentence=f"primary {in_words(primary)}; the other within-service estimate {in_words(other)}",
        gate=True,
    )
