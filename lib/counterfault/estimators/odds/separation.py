"""Separation in logistic regression: which observations a fit would predict with certainty.

Where some combination of covariates tells events from non-events without a fault, the likelihood has no
maximum: it rises as that combination's coefficient runs to infinity (Albert & Anderson 1984, Biometrika 71:1).
The same directions matter with stratum effects estimated and with strata conditioned on, since an
allocation of a stratum's events has maximal probability along γ exactly if a threshold on xγ divides it.

Why look before fitting, and not whether the fit converged? Along a separating direction gradient and curvature die
out together, so Newton's method can seem to arrive.
"""

from __future__ import annotations

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.conditional_poisson import Mask


def separated_cells(design: Floats, events: Floats, size: Floats, strata: Codes) -> Mask:
    """The cells whose fitted probability tends to 0 or 1 as the likelihood rises.

    Set aside, the rest of the fit is the limit the full fit tends to, for every coefficient that has one.

    Parameters
    ----------
    design : (m, k) columns; rows of one stratum share an intercept of their own.
    events, size : (m,) events and deployments of each cell.
    strata : (m,) codes 0 … S−1.

    Notes
    -----
    One linear programme answers for all cells, since separating directions add up (Konis 2007, doctoral thesis,
    Oxford, chapter 4): over γ, stratum shifts δ and 0 ≤ t ≤ 1 maximise Σ t, where xγ + δ is at most −t for cells
    without events, at least t for cells with nothing else, and 0 for mixed ones. At its maximum t is 1 exactly
    for the cells that can be moved.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csc_array, csr_array, eye_array, hstack, vstack

    mixed = (events > 0) & (events < size)
    shifts = csr_array((np.ones(len(strata)), (np.arange(len(strata)), strata)))
    index = hstack([csr_array(design), shifts]).tocsr()
    sign = np.where(events[~mixed] == 0, 1.0, -1.0)
    pure, free = index[~mixed].multiply(sign[:, None]).tocsr(), index.shape[1]
    count = pure.shape[0]
    # One system of rows between bounds: pure cells at most 0 with t added, mixed ones 0.
    balanced = csr_array((int(mixed.sum()), count))
    rows = csc_array(vstack([hstack([pure, eye_array(count)]), hstack([index[mixed], balanced])]))
    lowest = np.where(np.arange(rows.shape[0]) < count, -np.inf, 0.0)
    kind = np.arange(free + count) < free
    solution = milp(
        c=np.where(kind, 0.0, -1.0),
        constraints=LinearConstraint(rows, lowest, 0.0),
        bounds=Bounds(np.where(kind, -np.inf, 0.0), np.where(kind, np.inf, 1.0)),
    )
    separated = np.zeros(len(events), dtype=bool)
    if solution.x is not None:  # always feasible; should the solver give up, the fit will not settle and say so
        separated[~mixed] = np.asarray(solution.x)[free:] > 0.5
    return separated
