"""From repeated answers to shares of runs, and to the ratio from which on it would be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import exp, inf, log, nan
from statistics import NormalDist

import numpy as np

from counterfault.challenges.procedure import Answer
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.base_rates import clopper_pearson
from counterfault.estimators.detectable import POWER

Answers = Sequence[Answer | None]
MONTE_CARLO = "share of runs, Clopper–Pearson limits for the runs being finitely many"


def above_one(answer: Answer) -> bool:
    """Whether the interval lies above 1."""
    return answer.primary.interval.low > 1


def below_one(answer: Answer) -> bool:
    """Whether the interval lies below 1."""
    return answer.primary.interval.high < 1


def share(found: Answers, holds: Callable[[Answer], bool], label: str, level: float) -> Estimate:
    """How often an answer is of some kind; a run without an answer is not.

    Parameters
    ----------
    found : one per run.
    holds : the kind.
    label : of the estimate.
    level : of its interval, which speaks of the number of runs and of nothing else.
    """
    hits = sum(answer is not None and holds(answer) for answer in found)
    low, high = clopper_pearson(hits, len(found), level)
    return Estimate(
        estimand=Estimand.RISK,
        value=hits / len(found),
        interval=Interval(low, high, level),
        method=MONTE_CARLO,
        label=label,
        support={"runs": len(found), "of_this_kind": hits, "no_answer": sum(answer is None for answer in found)},
    )


def coverage(found: Answers, ratio: float, label: str, level: float) -> Estimate:
    """How often the interval holds the planted ratio, among the runs with an answer. Parameters as :func:`share`'s."""
    answered = [answer for answer in found if answer is not None]
    if not answered:
        reason = f"None of the {len(found)} runs gave an interval."
        return not_estimable(Estimand.RISK, reason, method=MONTE_CARLO, level=level, label=label)
    return share(answered, lambda answer: ratio in answer.primary.interval, label, level)


def typical(found: Answers, label: str, level: float) -> Estimate:
    """The median of the estimates, with limits for the runs being finitely many (order statistics).

    Beside the planted ratio it shows whether the procedure is off the mark or only wide. A run without an answer is
    left out. Parameters as :func:`share`'s.
    """
    values = np.sort([answer.primary.value for answer in found if answer is not None])
    if not len(values):
        reason = f"None of the {len(found)} runs gave an estimate."
        return not_estimable(Estimand.RISK_RATIO, reason, method="median of the runs", level=level, label=label)
    half = NormalDist().inv_cdf(0.5 + level / 2) * len(values) ** 0.5 / 2
    ends = np.clip([np.floor(len(values) / 2 - half), np.ceil(len(values) / 2 + half)], 0, len(values) - 1).astype(int)
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=float(np.median(values)),
        interval=Interval(float(values[ends[0]]), float(values[ends[1]]), level),
        method="median of the runs, limits by order statistics for the runs being finitely many",
        label=label,
        support={"runs": len(found), "no_answer": len(found) - len(values)},
    )


def ratio_seen(power: Mapping[float, Estimate], wanted: float = POWER) -> Estimate:
    """The planted ratio from which on the interval lies above 1 in ``wanted`` of the runs.

    Interpolated between planted ratios with power on the probit scale and the ratio on the logarithmic one, where power
    is a straight line for an estimate with a fixed standard error. Its limits are those of power read across.

    Parameters
    ----------
    power : by planted ratio, which rises; 1 among them.
    wanted : the share of runs.

    Returns
    -------
    Not estimable where the power of the largest planted ratio is less than ``wanted``; the lower limit then says that
    the ratio is above it, as far as the number of runs tells.
    """
    level = next(iter(power.values())).interval.level
    by_value, by_low, by_high = (
        _crossing({ratio: read(found) for ratio, found in power.items()}, wanted)
        for read in (_value, lambda found: found.interval.low, lambda found: found.interval.high)
    )
    method = f"interpolated between planted ratios ({', '.join(f'{ratio:g}' for ratio in power)}) at power {wanted:.0%}"
    last, caveats = max(power), tuple[str, ...]()
    if by_value == inf:
        caveats = (
            f"Even a ratio of {last:g} was seen in {power[last].value:.0%} of the runs only, so the ratio seen in "
            f"{wanted:.0%} is above {last:g}; plan larger ratios to find it.",
        )
        by_value = nan
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=by_value,
        interval=Interval(min(by_high, last), by_low, level),
        method=method,
        support={"runs": sum(found.support["runs"] for found in power.values())},
        caveats=caveats,
    )


def _value(found: Estimate) -> float:
    # Half a run more on each side: all of 200 runs do not show a power of 1, of which no line could be drawn.
    return (found.support["of_this_kind"] + 0.5) / (found.support["runs"] + 1)


def _crossing(power: Mapping[float, float], wanted: float) -> float:
    """Where the line through these points first reaches ``wanted``; infinite if it does not."""
    for (left, below), (right, above) in pairwise(sorted(power.items())):
        if below < wanted <= above:
            start, end, goal = (_probit(share) for share in (below, above, wanted))
            return exp(log(left) + (goal - start) / (end - start) * (log(right) - log(left)))
    return inf


def _probit(share: float) -> float:
    # A limit of 0 or 1 says "beyond what so few runs can show" and not "infinitely far".
    return NormalDist().inv_cdf(min(max(share, 1e-4), 1 - 1e-4))
