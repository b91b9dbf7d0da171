"""What a story about AI and incidents can tell before anyone has data: arithmetic on shares, written out.

All of it rests on one identity. Where AI-assisted changes are a share s of all changes and fail r times as often as the
others, a failed change is AI-assisted with probability

    p = r·s / (r·s + 1 − s),      so that      r = [p / (1 − p)] / [s / (1 − s)]:

the case-only odds of exposure over its odds in the source population (Miettinen 1976, American Journal of Epidemiology
103:226). A story usually gives p, or a count behind it, and leaves s out.
"""

from __future__ import annotations

from math import ceil, inf, sqrt
from statistics import NormalDist

from scipy.special import betaincinv

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable


def share_of_failures(share_of_changes: float, ratio: float = 1.0) -> float:
    """What share of failed changes would be AI-assisted, if AI-assisted changes failed ``ratio`` times as often?

    Parameters
    ----------
    share_of_changes : of all changes, those that are AI-assisted; from 0 to 1.
    ratio : their risk over that of the others; 1 is "no effect at all".

    Raises
    ------
    ValueError : a share outside 0 to 1, or a ratio that is not above 0.
    """
    _require_share("share_of_changes", share_of_changes)
    _require_ratio(ratio)
    return ratio * share_of_changes / (ratio * share_of_changes + 1 - share_of_changes)


def share_involving(share_of_changes: float, changes_nearby: int) -> float:
    """What share of incidents has an AI-assisted change among the last few, whatever caused them?

    1 − (1 − s)^k: every incident "involves AI-assisted changes", nearly, once enough changes are looked at.

    Parameters
    ----------
    share_of_changes : of all changes, those that are AI-assisted; from 0 to 1.
    changes_nearby : k, how many changes of an incident's surroundings are looked at.

    Raises
    ------
    ValueError : a share outside 0 to 1, or a negative number of changes.

    Notes
    -----
    Assumes that AI-assisted changes are no closer to one another than others; where they come in bursts it is less.
    """
    _require_share("share_of_changes", share_of_changes)
    if changes_nearby < 0:
        raise ValueError(f"changes_nearby is {changes_nearby}; give a whole number from 0 on")
    return 1.0 - (1.0 - share_of_changes) ** changes_nearby


def share_after_growth(share_before: float, growth: float) -> float:
    """What share of changes is AI-assisted after their number grew ``growth``-fold and that of the others did not?

    Parameters
    ----------
    share_before : of all changes, those that were AI-assisted; from 0 to 1.
    growth : their number after over before; "up 300 %" is 4.

    Raises
    ------
    ValueError : a share outside 0 to 1, or a growth that is not above 0.
    """
    _require_share("share_before", share_before)
    _require_ratio(growth, "growth")
    return share_of_failures(share_before, growth)


def failures_to_tell(ratio: float, share_of_changes: float, level: float = 0.95, power: float = 0.8) -> int:
    """How many failed changes must be known before ``ratio`` can be told from 1?

    One-sample comparison of the AI-assisted share among failures, p, with their share among changes, s: with q = 1 − p,

        m = [z_(1−α/2)·√(s(1−s)) + z_power·√(pq)]² / (p − s)²

    (Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, equation 2.14, without continuity term.)

    Parameters
    ----------
    ratio : above 0 and not 1.
    share_of_changes : strictly between 0 and 1.
    level, power : 0.95 and 0.8 mean: at a two-sided 5 % level, in four studies of five.

    Raises
    ------
    ValueError : an argument outside its range.

    Notes
    -----
    The best case: one population in which all changes run the same risk, nothing adjusted for, labels and causes known
    without error. Real designs need more.
    """
    _require_share("share_of_changes", share_of_changes)
    _require_ratio(ratio)
    if ratio == 1 or not 0 < share_of_changes < 1:
        raise ValueError(
            f"ratio {ratio:g} and share_of_changes {share_of_changes:g} leave nothing to tell apart; the ratio must "
            "differ from 1 and the share lie between 0 and 1"
        )
    s, p = share_of_changes, share_of_failures(share_of_changes, ratio)
    normal = NormalDist()
    reach = normal.inv_cdf(0.5 + level / 2) * sqrt(s * (1 - s)) + normal.inv_cdf(power) * sqrt(p * (1 - p))
    return ceil((reach / (p - s)) ** 2)


def ratio_behind(ai_failures: int, failures: int, share_of_changes: float, level: float = 0.95) -> Estimate:
    """Which ratios fit a report that ``ai_failures`` of ``failures`` reviewed were AI-assisted changes?

    Parameters
    ----------
    ai_failures, failures : counts of the report.
    share_of_changes : of all changes, those that are AI-assisted; usually the number the report leaves out.
    level : of the interval.

    Returns
    -------
    Estimate of the risk ratio, with Clopper and Pearson's (1934) exact limits of the share carried through the identity
    above. Not estimable where no failure was reviewed, or no change, or every one, is AI-assisted.

    Raises
    ------
    ValueError : impossible counts, or a share outside 0 to 1.

    Notes
    -----
    Assumes that the reviewed failures are all of them or a fair draw, and that the share of changes is that of the same
    services at the same time. A story seldom says either.
    """
    _require_share("share_of_changes", share_of_changes)
    if not 0 <= ai_failures <= failures:
        raise ValueError(f"{ai_failures} of {failures} failures cannot be AI-assisted; count from 0 to all of them")
    method = "case-only odds over source odds (Miettinen 1976), Clopper–Pearson limits of the share"
    support = {"events": failures, "exposed_events": ai_failures, "unexposed_events": failures - ai_failures}
    reason = _silence(failures, share_of_changes)
    if reason:
        return not_estimable(Estimand.RISK_RATIO, reason, method=method, level=level, support=support)
    low, high = clopper_pearson(ai_failures, failures, level)
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=_ratio(ai_failures / failures, share_of_changes) if ai_failures < failures else inf,
        interval=Interval(_ratio(low, share_of_changes), _ratio(high, share_of_changes), level),
        method=method,
        support=support,
        label=f"{ai_failures} of {failures} at a share of {share_of_changes:.0%}",
        design="failures against all changes",
    )


def clopper_pearson(events: int, n: int, level: float) -> tuple[float, float]:
    """Exact limits of one proportion (Clopper & Pearson 1934, Biometrika 26:404)."""
    tail = (1 - level) / 2
    low = float(betaincinv(events, n - events + 1, tail)) if events else 0.0
    high = float(betaincinv(events + 1, n - events, 1 - tail)) if events < n else 1.0
    return low, high


def _ratio(share_of_failures: float, share_of_changes: float) -> float:
    if share_of_failures >= 1:
        return inf
    return share_of_failures / (1 - share_of_failures) * (1 - share_of_changes) / share_of_changes


def _silence(failures: int, share_of_changes: float) -> str:
    if not failures:
        return "no failure was reviewed"
    if share_of_changes in (0, 1):
        return f"a share of {share_of_changes:.0%} leaves nothing to compare with"
    return ""


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value:g}; a share lies between 0 and 1, such as 0.3")


def _require_ratio(value: float, name: str = "ratio") -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value:g}; it must be above 0, and 1 means no difference")
