"""The ratio of means per deployment within strata, in two parts that multiply to it; bare functions on arrays.

A hurdle: most deployments have no consequence at all, so that the mean per deployment is the risk of any times the mean
where there is one. Both the mean and the risk are fitted by Poisson scores with stratum effects conditioned out
(Gourieroux, Monfort & Trognon 1984, Econometrica 52:701: nothing of the Poisson distribution is needed but the mean),
in the same strata. The second part is the quotient of the two ratios, and the log ratios add up exactly. With
one stratum it is the ratio of the two means among those with a consequence.

Why not fit the second part among failed deployments, as hurdle regressions do? Within service × quarter hardly a
stratum has a failure in each arm, and those few would speak for all.

Error: the linearised cluster jackknife. Leaving out cluster g moves a log ratio by −U_g/(I − I_g) to first order, U its
score and I its information; the variance is (G−1)/G Σ of the squares (CV3L: MacKinnon, Nielsen & Webb 2023, Journal of
Applied Econometrics 38:671, and for nonlinear models their arXiv 2406.00650). A cluster that carries much of
the information is enlarged, which a plain sandwich does not do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson

_ALL_OF_IT = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums per stratum × cluster × arm, in strata that hold both arms.

    Attributes
    ----------
    copies : (m,) deployments.
    failures : (m,) those with a consequence.
    amount : (m,) the consequence, summed over them.
    exposed : (m,) 0 or 1.
    strata, clusters : (m,) codes from 0 without gaps.
    """

    copies: Floats
    failures: Floats
    amount: Floats
    exposed: Floats
    strata: Codes
    clusters: Codes


@dataclass(frozen=True, slots=True)
class LogRatio:
    """One fitted ratio.

    Attributes
    ----------
    value : the logarithm.
    moves : (G,) how far leaving out each cluster moves it; NaN where nothing is left.
    """

    value: float
    moves: Floats

    @property
    def standard_error(self) -> float:
        count = len(self.moves)
        return float(np.sqrt((count - 1) / count * (self.moves**2).sum()))

    def over(self, other: LogRatio) -> LogRatio:
        """The logarithm of the quotient, clusters moving both at once."""
        return LogRatio(self.value - other.value, self.moves - other.moves)


def log_ratio(totals: Totals, outcome: Floats) -> LogRatio | None:
    """Exposed over unexposed mean of an outcome (its sums, (m,)) within strata; None where the fit does not settle.

    Both arms must hold some of the outcome in strata that they share.
    """
    scaled = outcome / outcome.sum()  # millions of users would otherwise meet tolerances made for counts
    has = _any_in(totals.strata, scaled > 0)
    strata = np.unique(totals.strata[has], return_inverse=True)[1].reshape(-1)
    design, copies, events = totals.exposed[has, None], totals.copies[has], scaled[has]
    fit = fit_conditional_poisson(design, copies, events, strata)
    if not fit.converged:
        return None
    centred = centred_within(design, fit.expected, strata)[:, 0]
    count = int(totals.clusters.max()) + 1
    scores = np.bincount(totals.clusters[has], centred * (events - fit.expected), count)
    information = np.bincount(totals.clusters[has], centred**2 * fit.expected, count)
    total = float(information.sum())
    carried = information >= _ALL_OF_IT * total
    moves = np.full(count, np.nan)
    moves[~carried] = -scores[~carried] / (total - information[~carried])
    return LogRatio(float(fit.coefficients[0]), moves)


def _any_in(groups: Codes, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.bincount(groups, holds) > 0)[groups]
    return found
