"""Randomisation inference: would the failures look like this if exposure had been dealt out otherwise?

Nothing is assumed about how failures come about, only how exposure was assigned. Dealt to single deployments within
a stratum (:class:`RandomiseDeployments`), the summed exposed events are a sum of hypergeometric counts. Dealt to
whole clusters (:class:`~counterfault.estimators.tables.cluster_randomisation.RandomiseClusters`), histories of exposure
are exchanged between clusters; that is all that can be done when few clusters are exposed.

References
----------
Fisher (1935), The Design of Experiments, chapter 2. Rosenbaum (2002), Observational Studies, chapter 2.
Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39: why (1+b)/(1+B).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.tables.cluster_randomisation import RandomiseClusters
from counterfault.estimators.tables.conditional_draws import draw_exposed_events, require_draws
from counterfault.estimators.tables.exact import LARGEST_SUPPORT, TIE, exact_conditional, exposed_events, points
from counterfault.estimators.tables.strata import Strata

__all__ = ["RandomiseClusters", "RandomiseDeployments"]


@dataclass(frozen=True)
class RandomiseDeployments:
    """How often would exposed events lie as far from their expectation, were exposure dealt out anew in each stratum?

    Parameters
    ----------
    draws : random assignments, where there are more than 10,000 possible sums; else all are taken.
    seed : of the random numbers.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate`, id
    ``stratified.randomisation``. The statistic is the stratified score: exposed events minus what each stratum's events
    and share of exposed deployments let expect. The p-value counts assignments whose score is at least as far from
    zero, on either side.

    The estimand is the odds ratio, because given all margins the distribution depends on that alone: only on its
    scale can the test be inverted. Value and limits are those of
    :func:`~counterfault.estimators.tables.exact.exact_conditional`.

    Assumed: within a stratum exposure might as well have fallen on any other deployments, so it should be no longer
    than a habit lasts; and one deployment's exposure does not change another's failure.

    Raises
    ------
    ValueError
        When ``draws`` is below 99; otherwise as :func:`~counterfault.estimators.tables.exact.exact_conditional`.
    """

    draws: int = 9_999
    seed: int = 20_260_101

    def __post_init__(self) -> None:
        require_draws(self.draws)

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        found = exact_conditional(cells, level, draws=self.draws, seed=self.seed)
        if found.p_value is None:
            return found.named("stratified.randomisation")
        p, how = self._p_value(cells)
        method = (
            f"randomisation test of the stratified score, exposure permuted among deployments of a stratum ({how}); "
            f"estimate and limits: {found.method.partition(';')[0]}"
        )
        return found.named("stratified.randomisation", p_value=p, method=method)

    def _p_value(self, cells: Cells) -> tuple[float, str]:
        tables = list(Strata.of(cells).tables)
        if points(tables) > LARGEST_SUPPORT:
            drawn = draw_exposed_events(tables, self.draws, self.seed)
            return drawn.two_sided(), f"{self.draws} draws, p = (1+b)/(1+B)"
        exposed = exposed_events(tables)
        chances = np.exp(exposed.log_probabilities())
        distance = np.abs(exposed.lowest + np.arange(len(chances)) - exposed.mean(1.0))
        far = distance >= distance[exposed.observed - exposed.lowest] - TIE
        return min(1.0, float(chances[far].sum())), "all assignments, by convolution"
