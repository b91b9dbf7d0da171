"""p-values that allow for how many questions were asked at once.

With eight planned contrasts and no effect at all, one in three analyses would show a p below 0.05.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np

from counterfault.estimate import Estimate
from counterfault.estimators.poisson.cluster_robust import Floats


class Adjustment(Enum):
    """How p-values are adjusted; the value names the method and its paper.

    Bonferroni, Holm and Hochberg bound the probability of any false claim (Hochberg where tests are independent or
    positively dependent); BH and BY bound the expected share of false ones among all claims (BY under any dependence).
    """

    BONFERRONI = "Bonferroni"
    HOLM = "Holm 1979"
    HOCHBERG = "Hochberg 1988"
    BH = "Benjamini & Hochberg 1995"
    BY = "Benjamini & Yekutieli 2001"


def adjusted_p(p_values: Sequence[float], adjustment: Adjustment = Adjustment.HOLM) -> tuple[float, ...]:
    """The smallest level at which each hypothesis would be rejected by the whole procedure.

    Parameters
    ----------
    p_values : one per hypothesis of the family, in any order.
    adjustment : the procedure.

    Returns
    -------
    Adjusted p-values in the order given, never above 1.

    Raises
    ------
    ValueError
        When a p-value does not lie in [0, 1].

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65. Hochberg (1988), Biometrika 75:800. Benjamini & Hochberg
    (1995), JRSS B 57:289. Benjamini & Yekutieli (2001), Annals of Statistics 29:1165.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        wrong = [value for value in p_values if not 0 <= value <= 1]
        raise ValueError(f"A p-value lies between 0 and 1; got {', '.join(map(str, wrong))}.")
    order, count = np.argsort(p, kind="stable"), len(p)
    rank = np.arange(1.0, count + 1)
    scaled = np.minimum(p[order] * _factors(adjustment, rank), 1.0)
    if adjustment is Adjustment.HOLM:  # steps down: nothing is rejected after the first that is not
        scaled = np.maximum.accumulate(scaled)
    elif adjustment is not Adjustment.BONFERRONI:  # step up: everything is rejected below the last that is
        scaled = np.minimum.accumulate(scaled[::-1])[::-1]
    found = np.empty(count)
    found[order] = scaled
    return tuple(map(float, found))


def for_multiplicity(
    estimates: Iterable[Estimate], adjustment: Adjustment = Adjustment.HOLM
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """One family of planned contrasts, each with what its p becomes beside the others.

    Parameters
    ----------
    estimates : the family; ids differ. Those without a p, because they are not estimable, tested nothing and are
        not counted, as in R's ``p.adjust``.
    adjustment : the procedure.

    Returns
    -------
    The same estimates, a caveat added to each that has a p, and the adjusted p by id. Values, intervals and ``p_value``
    stay as they are: intervals hold for one contrast at a time.

    Raises
    ------
    ValueError
        When two estimates have the same id.
    """
    family = tuple(estimates)
    ids = [estimate.id for estimate in family]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(
            f"Two estimates are called {', '.join(map(repr, repeated))}; name each with `.named(...)` first."
        )
    tested = [estimate for estimate in family if estimate.p_value is not None]
    p = adjusted_p([estimate.p_value for estimate in tested if estimate.p_value is not None], adjustment)
    by_id = {estimate.id: value for estimate, value in zip(tested, p, strict=True)}
    return tuple(_with_caveat(estimate, by_id, adjustment) for estimate in family), by_id


def _factors(adjustment: Adjustment, rank: Floats) -> Floats | float:
    count = len(rank)
    if adjustment is Adjustment.BONFERRONI:
        return float(count)
    if adjustment in (Adjustment.HOLM, Adjustment.HOCHBERG):
        return count - rank + 1
    dependence = (1 / rank).sum() if adjustment is Adjustment.BY else 1.0
    return dependence * count / rank


def _with_caveat(estimate: Estimate, by_id: dict[str, float], adjustment: Adjustment) -> Estimate:
    if estimate.id not in by_id:
        return estimate
    contrasts = f"{len(by_id)} contrasts" if len(by_id) > 1 else "1 contrast"
    told = f"p adjusted for {contrasts} ({adjustment.value}): {_p(by_id[estimate.id])}"
    return replace(estimate, caveats=(*estimate.caveats, told))


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"
