"""Are the two groups alike in what was measured, and silent where they must be?"""

from __future__ import annotations

from math import log, sqrt

from counterfault.checks.check import Check, Facts, in_words, not_assessed, passed
from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import present

PLACEBO_ZONE = (0.8, 1.25)  # an interval that should hold 1 must at least reach into this zone, as in OHDSI's SCCS


def balance(facts: Facts) -> Check:
    """Gate only where the primary estimate does not itself adjust for these confounders."""
    names = present(facts.plan.design.confounders, facts.counted)
    adjusted = facts.plan.design.primary == "total.risk_ratio"
    question = "Are measured confounders alike within strata?"
    if not names:
        return not_assessed("balance", question, "no measured confounder to compare", gate=False)
    worst, level_name = max((_imbalance(facts.counted, name) for name in names), key=lambda pair: pair[0])
    wanted = facts.plan.gates.max_imbalance
    remedy = "; the primary estimate adjusts for it" if adjusted else ""
    return Check(
        id="balance",
        question=question,
        status=passed(worst <= wanted or adjusted),
        value=worst,
        threshold=f"at most {wanted:g}, or adjusted for",
        sentence=f"the largest standardised difference within strata is {worst:.2f} ({level_name}){remedy}",
        gate=not adjusted,
    )


def _imbalance(counted: Counted, name: str) -> tuple[float, str]:
    """Largest standardised difference of a covariate's levels, strata weighted as Mantel–Haenszel weighs them."""
    frame, strata = counted.cells.frame, list(counted.cells.strata)
    arms = frame.groupby([*strata, "exposed"])["n"].sum().unstack(fill_value=0).reindex(columns=[0, 1], fill_value=0)
    weight = arms[0] * arms[1] / (arms[0] + arms[1])
    weight = weight[weight > 0] / weight.sum()
    if weight.empty:
        return float("inf"), name
    by_level = frame.groupby([*strata, "exposed", name])["n"].sum().unstack(fill_value=0)
    share = by_level.div(by_level.sum(axis=1), axis=0)
    found = []
    for level in share.columns:
        exposed, other = (share[level].xs(arm, level="exposed").reindex(weight.index) for arm in (1, 0))
        high, low = float((exposed * weight).sum()), float((other * weight).sum())
        spread = sqrt((high * (1 - high) + low * (1 - low)) / 2)
        found.append((abs(high - low) / spread if spread else 0.0, f"{name}: {level}"))
    return max(found)


def placebo(facts: Facts) -> Check:
    return _null_check(
        facts.placebo,
        "placebo_in_time",
        "Are incidents before the deployment unrelated to AI?",
        "incidents in the window before the deployment",
    )


def negative_control(facts: Facts) -> Check:
    question = "Are incidents of other known causes unrelated to AI?"
    if facts.control is None:
        return not_assessed("negative_control", question, "no column cause", gate=True)
    return _null_check(facts.control, "negative_control", question, "incidents attributed to something else")


def _null_check(found: Estimate, id: str, question: str, what: str) -> Check:
    low, high = PLACEBO_ZONE
    if not found.estimable:
        return not_assessed(id, question, f"{what}: {found.caveats[0].rstrip('.').lower()}", gate=True)
    meets = found.interval.low <= high and found.interval.high >= low
    return Check(
        id=id,
        question=question,
        status=passed(meets),
        value=found.value,
        threshold=f"interval meets {low:g} to {high:g}",
        sentence=f"ratio for {what}: {in_words(found)}; an unbiased comparison gives about 1",
        gate=True,
    )


def direction(facts: Facts) -> Check:
    primary = facts.estimates["primary"]
    others = [facts.estimates[id] for id in ("stratified.risk_ratio", "total.risk_ratio")]
    other = next(item for item in others if item.method != primary.method)
    question = "Do the within-service estimates agree in direction?"
    if not (primary.estimable and other.estimable):
        return not_assessed("direction", question, "one of the two is not estimable", gate=True)
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
