"""The score test for a trend in risk over ordered doses, within strata; exact in its variance, free of any model."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from counterfault.estimators.poisson.cluster_robust import Codes, Floats


def mantel_extension(scores: Floats, n: Floats, events: Floats, strata: Codes) -> float | None:
    """Two-sided p of "no trend": Mantel's extension of the Mantel–Haenszel test.

    Parameters
    ----------
    scores : (m,) dose of each entry.
    n, events : (m,) deployments, and those followed by an incident.
    strata : (m,) codes 0 … S−1.

    Returns
    -------
    p by the chi-squared distribution with one degree of freedom, without continuity correction; None where no stratum
    has both several doses and deployments with and without an incident.

    Notes
    -----
    Given the margins of a stratum with N deployments and Y events, Σ score·events has mean Y·s̄ and variance
    Y(N−Y)/(N−1) · var(s). In one stratum this is the Cochran–Armitage test times (N−1)/N. Deployments are taken as
    independent.

    References
    ----------
    Mantel (1963), Journal of the American Statistical Association 58:690.
    """
    total, y = np.bincount(strata, n), np.bincount(strata, events)
    safe = np.maximum(total, 1.0)
    mean = np.bincount(strata, n * scores) / safe
    spread = np.bincount(strata, n * (scores - mean[strata]) ** 2) / safe
    excess = float((events * (scores - mean[strata])).sum())
    variance = float((y * (total - y) / np.maximum(total - 1, 1.0) * spread).sum())
    return float(chdtrc(1, excess**2 / variance)) if variance > 1e-14 else None
