"""One hazard moment against one control moment each: the case-crossover in its first form, exact and by hand."""

from __future__ import annotations

from enum import Enum
from math import erfc, exp, inf, nan, sqrt
from operator import index

from scipy.special import betaincinv

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables.score import critical_value


class PairLimits(Enum):
    """Where interval and p-value come from."""

    EXACT = "exact limits from those of a binomial share (Clopper & Pearson 1934), p from the same binomial"
    WALD = "log limits with variance 1/b + 1/c, p by McNemar (1947) without continuity correction"


def matched_pairs(
    *, case_only: int, control_only: int, level: float = 0.95, limits: PairLimits = PairLimits.EXACT
) -> Estimate:
    """How many times more often was it the moment of the incident, and not its control, that followed a deployment?

    Counts are passed by name: swapping them inverts the answer.

    Parameters
    ----------
    case_only : pairs in which only the moment of the incident followed a deployment.
    control_only : pairs in which only the control moment did. Pairs in which both did, or neither, say nothing.
    level : confidence level of the two-sided interval.
    limits : exact, or by the usual approximation. Where a count is zero, exact ones are used in any case.

    Returns
    -------
    Estimate
        The conditional maximum-likelihood odds ratio, ``case_only / control_only``. Without ``control_only`` pairs,
        value NaN with a finite lower limit; without any discordant pair, not estimable.

    Raises
    ------
    ValueError
        A count is negative or not whole, or ``level`` is not inside (0, 1).

    Notes
    -----
    Given the number of discordant pairs, ``case_only`` is binomial with share ψ/(1 + ψ), ψ being the odds ratio
    (Breslow & Day 1980, Statistical Methods in Cancer Research I, section 5.2). Assumes independent pairs.
    """
    b, c = _count("case_only", case_only), _count("control_only", control_only)
    z = critical_value(level)
    support = {"discordant_pairs": b + c, "case_only": b, "control_only": c}
    if not b + c:
        reason = "No pair differs in whether its moments followed a deployment, so the ratio would be 0/0."
        return not_estimable(Estimand.ODDS_RATIO, reason, method=_method(limits), level=level, support=support).named(
            "case_crossover.matched_pairs"
        )
    kind = limits if b and c else PairLimits.EXACT
    error = sqrt(1 / b + 1 / c) if b and c else nan
    wald = kind is PairLimits.WALD
    low, high = (b / c * exp(-z * error), b / c * exp(z * error)) if wald else _exact(b, c, level)
    return Estimate(
        estimand=Estimand.ODDS_RATIO,
        value=b / c if c else nan,
        interval=Interval(low, high, level),
        method=_method(kind),
        support=support,
        id="case_crossover.matched_pairs",
        design="within pairs of moments",
        p_value=_mcnemar(b, c) if wald else _exact_p(b, c),
        standard_error=error,
        caveats=() if c else ("No control moment alone followed a deployment: the ratio has no upper limit.",),
    )


def _method(limits: PairLimits) -> str:
    return f"matched-pair odds ratio b/c; {limits.value}"


def _exact(b: int, c: int, level: float) -> tuple[float, float]:
    """Limits of the share b/(b + c), as odds."""
    tail = (1 - level) / 2
    low = float(betaincinv(b, c + 1, tail)) if b else 0.0
    # The upper limit of b's share is one minus the lower limit of c's; taking it so keeps its digits near 1.
    complement = float(betaincinv(c, b + 1, tail)) if c else 0.0
    return low / (1 - low), (1 - complement) / complement if complement else inf


def _mcnemar(b: int, c: int) -> float:
    return erfc(abs(b - c) / sqrt(2 * (b + c)))


def _count(name: str, value: int) -> int:
    try:
        whole = index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; pairs are counted in whole numbers.") from None
    if whole < 0:
        raise ValueError(f"{name} is {whole}; a number of pairs is 0 or more.")
    return whole


def _exact_p(b: int, c: int) -> float:
    """Two-sided binomial p of one half: all splits at most as probable as the one seen."""
    # Late: scipy's distributions take longer to import than everything here to compute.
    from scipy.stats import binomtest

    return float(binomtest(b, b + c).pvalue)
