"""The wild score cluster bootstrap: a test that needs neither many clusters nor a standard error.

Under a null ratio the model is fitted with the ratio held at it, and each cluster leaves a score u_g: its exposed
events beyond expectation, after what the covariates explain. If the null is true these are independent with mean
zero, so their signs might as well have been others. The statistic is compared with what it becomes when every
cluster's score is multiplied by a random weight of mean 0 and variance 1 (Kline & Santos 2012, Journal of Econometric
Methods 1:23, with the null imposed). The ratios not rejected make the interval.

Why not refit the model in each draw? Nothing but the scores would change. MacKinnon, Nielsen & Webb (2024, arXiv
2406.00650) re-estimate the linearised model within each draw to studentise it; here one number per cluster is enough,
since with signs as weights and one coefficient tested the statistic orders the draws by |Σ w_g u_g| alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.inversion import bracket, interval_of_logs, narrowed, unbounded
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem
from counterfault.estimators.poisson.sign_weights import Weights, WeightTable
from counterfault.estimators.poisson.within_strata import FEWEST_CLUSTERS, answered, point_fit, strata_words, sums_by
from counterfault.estimators.tables.conditional_draws import require_draws

_WEBB_BELOW = 10  # clusters; the rule of thumb of Roodman et al. (2019), Stata Journal 19:4
_TIE = 1e-9  # statistics that differ by rounding alone count as equal
_NODES = 5  # of a polynomial over a quarter of the log scale: an interpolated score is off by some 1e-8 of itself


@dataclass(frozen=True)
class WildScore:
    """As ``ModifiedPoisson``, judged by the wild score cluster bootstrap.

    Parameters
    ----------
    adjust_for : covariate columns of ``cells.frame``; each level gets its own risk, "missing" included.
    weights : what scores are multiplied with. By default Webb's six points with fewer than 10 clusters, else signs.
    draws : how many. With signs and 2^G ≤ draws, all 2^G combinations are taken instead.
    seed : of the random numbers; the same weights serve every null, so limits are where the p-value passes 1−level.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the risk ratio,
    id ``regression.risk_ratio.wild_score``. The p-value is two-sided and symmetric: (1+b)/(1+B) with b of B draws at
    least as far out as the data, or the plain share of all sign vectors. The interval holds the ratios next to the
    estimate that are not rejected. It is unbounded on a side where even absurd ratios are not, as happens
    when too few clusters have a failure that speaks against them; a caveat says so. There is no standard error.

    Assumed: independent clusters with scores of mean zero under the null; with few large clusters, that they are
    alike enough (Canay, Santos & Shaikh 2021, Review of Economics and Statistics 103:346).

    Not estimable with fewer than 4 clusters of exposed, or of unexposed, deployments that can be compared: such a test
    hardly ever rejects, or far too often.

    Raises
    ------
    ValueError
        When ``draws`` is below 99; otherwise as :class:`~counterfault.estimators.poisson.regression.ModifiedPoisson`.
    """

    adjust_for: tuple[str, ...] = ()
    weights: Weights | None = None
    draws: int = 9_999
    seed: int = 20_260_101

    def __post_init__(self) -> None:
        require_draws(self.draws)

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        found = answered(
            cells, self.adjust_for, level, _method(cells, "", ""), lambda used: self._estimate(cells, used, level)
        )
        return found.named("regression.risk_ratio.wild_score")

    def _estimate(self, cells: Cells, used: Problem, level: float) -> Estimate:
        _require_enough_clusters(used)
        fit = point_fit(used)
        count = len(used.cluster_names)
        kind = self.weights or (Weights.WEBB if count < _WEBB_BELOW else Weights.RADEMACHER)
        table = WeightTable.of(kind, count, self.draws, self.seed)
        scores = RestrictedScores(used, fit.coefficients)
        order = _in_canonical_order(used, scores)
        test = ScoreTest(lambda log_ratio: scores(log_ratio)[order], table)
        low, high = (test.limit(fit.log_ratio, side, 1 - level) for side in (-1.0, 1.0))
        interval = interval_of_logs(low, high, level)
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(fit.log_ratio),
            interval=interval,
            method=_method(cells, *_words(kind, table, count)),
            support=used.support(),
            p_value=test(0.0),
            caveats=(*unbounded(interval, f"too few {used.cluster}s have failures that speak against it"), *used.notes),
        )


class RestrictedScores:
    """Efficient scores of exposure per cluster, with the ratio held at a null and everything else at its best.

    Called with a log ratio, gives (G,) u_g = Σ x̃ (y − μ) over the cluster, x̃ being what is left of exposure after a
    regression on covariates and strata with weights μ; NaN where the ratio is so extreme that nothing else can be
    told apart. Each call starts from where the last one ended.
    """

    def __init__(self, problem: Problem, start: Floats) -> None:
        self._problem = problem
        self._nuisance = np.delete(problem.design, EXPOSED, axis=1)
        self._exposed = problem.design[:, EXPOSED]
        self._start = np.delete(start, EXPOSED)

    def __call__(self, log_ratio: float) -> Floats:
        p = self._problem
        # Holding the ratio is the same as having that many more exposed deployments at no effect.
        copies = p.copies * np.exp(log_ratio * self._exposed - max(log_ratio, 0.0))
        try:
            fit = fit_conditional_poisson(self._nuisance, copies, p.events, p.strata, start=self._start)
        except np.linalg.LinAlgError:
            return np.full(len(p.cluster_names), np.nan)
        if not fit.converged:
            return np.full(len(p.cluster_names), np.nan)
        self._start = fit.coefficients
        left = _beyond(self._exposed, self._nuisance, fit.expected, p.strata)
        return sums_by(p.clusters, (left * (p.events - fit.expected))[:, None])[:, 0]


def _beyond(exposed: Floats, nuisance: Floats, weights: Floats, strata: Codes) -> Floats:
    """Residual of exposure from the weighted regression on nuisance columns and strata."""
    centred = centred_within(np.column_stack([exposed, nuisance]), weights, strata)
    target, others = centred[:, 0], centred[:, 1:]
    information = (others.T * weights) @ others
    left: Floats = target - others @ (np.linalg.pinv(information, hermitian=True) @ (others.T @ (weights * target)))
    return left


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """Called with a log ratio, how often weighted cluster scores lie as far out as the observed ones.

    The statistic is |Σ u_g| / √(Σ (u_g − ū)²), the squared deviations being those of the draw's own scores.

    Attributes
    ----------
    scores : from a log ratio to (G,) scores under it; NaN counts as no evidence.
    table : weights for the same clusters.
    """

    scores: Callable[[float], Floats]
    table: WeightTable

    def __call__(self, log_ratio: float) -> float:
        scores = self.scores(log_ratio)
        return self.p_value(scores, self.table.sums(scores[:, None])[:, 0])

    def p_value(self, scores: Floats, drawn: Floats) -> float:
        """From the observed scores (G,) and their weighted sum in each draw (B,)."""
        if np.isnan(scores).any() or not scores.any():
            return 1.0
        # T² rises with total²/Σu², which has no zero to divide by.
        observed = scores.sum() ** 2 / (scores @ scores)
        as_far = int((drawn**2 / self.table.squares(scores) >= observed * (1 - _TIE)).sum())
        return as_far / len(drawn) if self.table.enumerated else (1 + as_far) / (1 + len(drawn))

    def limit(self, estimate: float, side: float, alpha: float) -> float:
        """Where, going out from the estimate, the p-value first falls to alpha; infinite if it does not."""
        stretch = bracket(self, estimate, side, alpha)
        if stretch is None:
            return side * inf
        return narrowed(self._between(*stretch), *stretch, alpha)

    def _between(self, inside: float, outside: float) -> Callable[[float], float]:
        """The same test in a short stretch, where scores are as good as polynomials of the log ratio: no more fits."""
        nodes = (inside + outside) / 2 + (outside - inside) / 2 * np.cos((np.arange(_NODES) + 0.5) * np.pi / _NODES)
        scores = np.column_stack([self.scores(node) for node in nodes])
        drawn = self.table.sums(scores)

        def p_value(log_ratio: float) -> float:
            share = _lagrange(nodes, log_ratio)
            return self.p_value(scores @ share, drawn @ share)

        return p_value


def _lagrange(nodes: Floats, at: float) -> Floats:
    """What each node's value contributes to the interpolating polynomial at this point."""
    others = ~np.eye(len(nodes), dtype=bool)
    ratios = (at - nodes[None, :]) / np.where(others, nodes[:, None] - nodes[None, :], 1.0)
    shares: Floats = np.prod(ratios, axis=1, where=others)
    return shares


def _in_canonical_order(problem: Problem, scores: Callable[[float], Floats]) -> Codes:
    """The clusters ordered by what is in them, so that random weights do not depend on names."""
    exposed = problem.design[:, EXPOSED]
    counts = [problem.copies, problem.copies * exposed, problem.events, problem.events * exposed]
    keys = [np.round(scores(ratio), 8) for ratio in (0.0, 0.5)]
    keys += list(sums_by(problem.clusters, np.column_stack(counts)).T)
    order: Codes = np.lexsort(keys)
    return order


def _require_enough_clusters(used: Problem) -> None:
    exposed, unexposed = used.clusters_compared()
    if min(exposed, unexposed) < FEWEST_CLUSTERS:
        raise NotComparableError(
            f"Exposed deployments of {exposed} and unexposed ones of {unexposed} {used.cluster}s can be compared; a "
            f"bootstrap over {used.cluster}s needs {FEWEST_CLUSTERS} of each. Randomisation inference does not: see "
            "stratified.randomisation, or clusters.randomisation where exposure was assigned by cluster."
        )


def _words(kind: Weights, table: WeightTable, count: int) -> tuple[str, str]:
    if table.enumerated:
        return f"all 2^{count} sign vectors", ""
    return f"{kind.value} weights", f", {len(table.weights)} draws, p = (1+b)/(1+B)"


def _method(cells: Cells, kind: str, draws: str) -> str:
    how = f" ({kind}{draws}; no further small-sample factor)" if kind else ""
    return (
        f"modified Poisson regression (Zou 2004){strata_words(cells)}; wild score bootstrap by {cells.cluster}, null "
        f"imposed, studentised{how}; limits where the test stops rejecting"
    )
