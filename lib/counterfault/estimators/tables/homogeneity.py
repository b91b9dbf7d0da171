"""Do the strata agree on one odds ratio? The test of Breslow & Day, with Tarone's correction."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan

import numpy as np
from scipy.special import chdtrc

from counterfault.cells import Cells, TwoByTwo
from counterfault.display import card
from counterfault.estimators.tables import score
from counterfault.estimators.tables.strata import Strata

# Cochran's rule of thumb for chi-square tests: at most a fifth of the expected counts below five.
SMALL_EXPECTED = 5
SHARE_ALLOWED = 0.2


@dataclass(frozen=True)
class Homogeneity:
    """Whether one odds ratio fits all strata.

    Attributes
    ----------
    statistic : Tarone's chi-square; NaN where it cannot be formed, and then the first caveat says why.
    df : degrees of freedom, strata used less one.
    p_value : probability of a statistic as large if the odds ratio is the same everywhere; NaN with it.
    strata_used : strata with both groups, and with events and non-events.
    caveats : sentences a reader needs before believing the p-value.
    method : the test, named as its papers name it.
    """

    statistic: float
    df: int
    p_value: float
    strata_used: int
    caveats: tuple[str, ...] = ()
    method: str = "Breslow–Day (1980) with Tarone's (1985) correction, at the Mantel–Haenszel odds ratio"

    def _repr_html_(self) -> str:
        facts = {
            "chi-square": self.statistic,
            "degrees of freedom": self.df,
            "p": self.p_value,
            "strata used": self.strata_used,
        }
        told = f"{self.method}. A small p says that no one odds ratio describes all strata; a large one proves nothing."
        return card("Homogeneity of strata", told, facts=facts, notes=self.caveats)


def homogeneity(cells: Cells) -> Homogeneity:
    """Is the odds ratio the same in all strata?

    A large p-value is no proof that it is: with sparse strata the test has little power.

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.

    Returns
    -------
    Homogeneity

    Raises
    ------
    ValueError
        A cell lacks a stratum value, or counts are impossible.

    Notes
    -----
    Breslow & Day (1980), Statistical Methods in Cancer Research I, p. 142. Without the correction of Tarone
    (1985), Biometrika 72:91, the statistic is not chi-square at the Mantel–Haenszel estimate, which is not
    the most likely one.

    Examples
    --------
    >>> told = cf.showing.tell_homogeneity(cf.homogeneity(counted.cells))
    """
    tables = [table for table in Strata.of(cells).tables if _varies(table)]
    common = _mantel_haenszel(tables)
    if len(tables) < 2 or not 0 < common < inf:
        return Homogeneity(nan, max(len(tables) - 1, 0), nan, len(tables), (_why_not(tables, common),))
    fitted = np.array([score.cells_under_odds_ratio(table, common) for table in tables])
    excess = np.array([table.exposed_events for table in tables]) - fitted[:, 0]
    variance = 1 / (1 / fitted).sum(axis=1)
    statistic = float((excess**2 / variance).sum() - excess.sum() ** 2 / variance.sum())
    df = len(tables) - 1
    return Homogeneity(statistic, df, float(chdtrc(df, max(statistic, 0.0))), len(tables), _sparse(fitted))


def _varies(table: TwoByTwo) -> bool:
    a, n1, c, n0 = table
    return 0 < a + c < n1 + n0


def _mantel_haenszel(tables: list[TwoByTwo]) -> float:
    over = sum(a * (n0 - c) / (n1 + n0) for a, n1, c, n0 in tables)
    under = sum((n1 - a) * c / (n1 + n0) for a, n1, c, n0 in tables)
    return over / under if under else inf


def _why_not(tables: list[TwoByTwo], common: float) -> str:
    if len(tables) < 2:
        return f"it takes two strata with both groups, events and non-events to disagree; there are {len(tables)}"
    return f"the common odds ratio is {'0' if common == 0 else 'infinite'}, so no counts can be expected under it"


def _sparse(fitted: np.ndarray) -> tuple[str, ...]:
    small = float((fitted < SMALL_EXPECTED).mean())
    if small <= SHARE_ALLOWED:
        return ()
    return (
        f"{small:.0%} of the expected counts are below {SMALL_EXPECTED}: strata this sparse can hardly disagree, and "
        "the chi-square approximation is rough",
    )
