"""How strong would a confounder nobody measured have to be to explain a ratio away? On the scale of ratios.

Ding & VanderWeele (2016), Epidemiology 27:368: a confounder that is ``RR_EU`` times as common among the exposed and
makes failure ``RR_UD`` times as likely can multiply a risk ratio by at most the *bounding factor*
``RR_EU·RR_UD / (RR_EU + RR_UD − 1)``. The *E-value* (VanderWeele & Ding 2017, Annals of Internal Medicine 167:268) is
the strength that does it where both are equal.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, sqrt

from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable

ID, LIMIT_ID = "confounding.e_value", "confounding.e_value.limit"
METHOD = "E-value (VanderWeele & Ding 2017)"
LIMIT_METHOD = f"{METHOD} of the limit nearer 1"
ASSUMES = "Says how strong confounding would have to be, not how strong it is."
ONE_SIDED = "A limit has no interval of its own: what lies above it is left open."


def bounding_factor(with_exposure: float, with_outcome: float) -> float:
    """By how much a confounder of these two strengths can at most multiply a risk ratio.

    Ding & VanderWeele (2016): no assumption on the confounder's form, nor that its effect is the same with
    and without exposure. Either strength bounds the factor alone, which is its limit as the other grows.

    Parameters
    ----------
    with_exposure : RR_EU, at least 1; how many times as common some level of it is among the exposed.
    with_outcome : RR_UD, at least 1; how many times as likely failure is at one level of it as at another.

    Raises
    ------
    ValueError
        Where a strength is below 1, which a ratio of this kind cannot be.
    """
    for name, strength in (("with_exposure", with_exposure), ("with_outcome", with_outcome)):
        if not strength >= 1:
            raise ValueError(f"bounding_factor: {name} is {strength}; turn the ratio over, so that it is 1 or more")
    # Both divided by the larger, so that neither a product overflows nor infinity meets infinity.
    smaller, larger = sorted((with_exposure, with_outcome))
    return smaller / (1 + (smaller - 1) / larger) if isfinite(smaller) else inf


def e_value(ratio: float, to: float = 1.0) -> float:
    """The strength, the same with exposure and with outcome, whose bounding factor carries ``ratio`` to ``to``.

    ``R + √(R(R−1))`` with R = ratio/to (VanderWeele & Ding 2017); ratios below ``to`` are turned over.

    Parameters
    ----------
    ratio : a risk ratio, or a limit of one; 0 and infinity give infinity.
    to : the ratio that is to be reached, 1 for no difference.

    Raises
    ------
    ValueError
        Where either is negative, or ``to`` is not a positive number.
    """
    if not (ratio >= 0 and 0 < to < inf):
        raise ValueError(f"e_value: ratio {ratio} and to {to} must be ratios: not negative, and `to` above 0")
    if ratio in (0, inf):
        return inf
    away = max(ratio / to, to / ratio)
    return away + sqrt(away) * sqrt(away - 1)


def nearer_limit(interval: Interval) -> float:
    """The limit nearer 1 of a ratio's interval; 1 where the interval holds it."""
    return 1.0 if 1.0 in interval else (interval.low if interval.low > 1 else interval.high)


def e_values(primary: Estimate, worth_acting_on: float) -> tuple[Estimate, Estimate]:
    """E-values of a risk ratio and of its limit nearer 1, ids ``confounding.e_value`` and ``….limit``.

    Parameters
    ----------
    primary : a risk ratio with its interval.
    worth_acting_on : the plan's threshold; where the ratio is beyond it, a part says what brings it down to that.

    Returns
    -------
    Two estimates. The interval of the first runs from the E-value of the limit nearer 1 to that of the other one.

    Raises
    ------
    ValueError
        Where the estimate is not a risk ratio: of odds and hazards the formula holds for rare failures only.
    """
    if primary.estimand is not Estimand.RISK_RATIO:
        raise ValueError(
            f"e_values takes a risk ratio; {primary.id or primary.label!r} estimates: {primary.estimand.label}"
        )
    if not primary.estimable:
        return _silent(primary, METHOD).named(ID), _silent(primary, LIMIT_METHOD).named(LIMIT_ID)
    whole = _of(primary, 1.0, METHOD)
    threshold = worth_acting_on if primary.value > 1 else 1 / worth_acting_on
    beyond = primary.value > threshold if threshold > 1 else primary.value < threshold
    there = replace(_of(primary, threshold, METHOD), label=f"to bring it to {figures(threshold)}")
    limit = replace(
        whole,
        value=whole.interval.low,
        interval=Interval(whole.interval.low, inf, primary.interval.level),
        method=LIMIT_METHOD,
        caveats=(*_what_the_limit_says(primary, whole.interval.low), ONE_SIDED),
    )
    estimate = replace(whole, parts=(there,) if beyond else (), caveats=(_in_words(primary, whole.value), ASSUMES))
    return estimate.named(ID), limit.named(LIMIT_ID)


def _of(primary: Estimate, to: float, method: str) -> Estimate:
    """The E-value of a ratio; its limits are those of the ratio's limits, and 1 where these hold ``to``."""
    interval = primary.interval
    ends = (e_value(interval.low, to), e_value(interval.high, to))
    nearer = 1.0 if to in interval else min(ends)
    return Estimate(
        estimand=Estimand.E_VALUE,
        value=e_value(primary.value, to),
        interval=Interval(nearer, max(ends), interval.level),
        method=method,
        support=dict(primary.support),
        design=primary.design,
        adjustment=primary.adjustment,
        outcome=primary.outcome,
    )


def _silent(primary: Estimate, method: str) -> Estimate:
    reason = primary.caveats[0] if primary.caveats else "the primary estimate has no value"
    return not_estimable(Estimand.E_VALUE, reason, method=method, level=primary.interval.level, support=primary.support)


def _in_words(primary: Estimate, strength: float) -> str:
    if not isfinite(strength):
        return "No confounder of finite strength takes a ratio of zero to 1."
    sides = "with AI assistance as without" if primary.value > 1 else "without AI assistance as with it"
    return (
        f"To explain a ratio of {figures(primary.value)}, something nobody measured would have to be "
        f"{figures(strength)} times as common {sides} and make failure {figures(strength)} times as likely, at equal "
        f"{_held(primary)}; where it is weaker in one, it has to be stronger in the other."
    )


def _what_the_limit_says(primary: Estimate, strength: float) -> tuple[str, ...]:
    if strength == 1:
        return ("The interval holds 1 as it is: no confounding is needed for it.",)
    return (f"The limit nearer 1 is {figures(nearer_limit(primary.interval))}.",)


def _held(primary: Estimate) -> str:
    held = [name.replace("_", " ") for name in primary.adjustment]
    return ", ".join([primary.design.removeprefix("within ") or "nothing", *held])
