"""Randomisation inference when exposure was assigned to whole clusters: exchange their histories of exposure.

With few exposed clusters every standard error is guesswork, because it would have to be estimated from those few. The
assignment itself still supports a test: if exposure does nothing, the failures of each cluster are what they are, and
any exchange of exposure histories between clusters might as well have happened. The statistic is standardised,
which holds up better when clusters differ in size (MacKinnon & Webb 2020, Journal of Econometrics 218:435).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, log

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.inversion import bracket, interval_of_logs, narrowed, unbounded
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.within_strata import clusters_in
from counterfault.estimators.roots import positive_crossing
from counterfault.estimators.tables.conditional_draws import require_draws
from counterfault.estimators.tables.exchanges import Histories

_TIE = 1e-9  # statistics that differ by rounding alone count as equal

_METHOD = "randomisation test of the standardised stratified score, exposure histories permuted between"


@dataclass(frozen=True)
class RandomiseClusters:
    """How often would the score lie as far from zero, had other clusters had these histories of exposure?

    Parameters
    ----------
    draws : random exchanges; where there are no more distinct ones than this, all are taken.
    seed : of the random numbers.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the risk ratio
    between clusters, id ``clusters.randomisation``. Clusters are compared within the strata that remain when the
    cluster itself is taken out of them: services within a quarter. Each cluster must be wholly exposed or
    wholly unexposed in each of these. A cluster without deployments in a stratum has the exposure it had before, or
    else first had after.

    With n₁ₚ, nₚ exposed and all deployments and mₚ events of stratum p, the score is Σ (exposed events − mₚn₁ₚ/nₚ),
    divided by the root of Σ mₚn₁ₚ(nₚ−n₁ₚ)/nₚ². The value is the ratio that makes the score zero. The interval inverts
    the test: a ratio θ is kept if, with the events of exposed clusters divided by θ, the test does not reject.

    Assumed: each history might as well have fallen on any other cluster, which fails if the riskiest or
    the busiest adopt first; exposure of one cluster does not change failures of another; under θ, exposure
    multiplies each cluster's failures by it.

    Raises
    ------
    ValueError
        When ``draws`` is below 99, the level is not in (0, 1), or a cell lacks a value of stratum or cluster.
    """

    draws: int = 9_999
    seed: int = 20_260_101

    def __post_init__(self) -> None:
        require_draws(self.draws)

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        blocks = Blocks.of(cells)
        found = self._estimate(blocks, level)
        places = " × ".join(blocks.places)
        return found.named(
            "clusters.randomisation",
            design=f"between {cells.cluster}s" + (f" within {places}" if places else ""),
            support={
                **cells.two_by_two().support(),
                "clusters": clusters_in(cells),
                "exposed_clusters": int((blocks.exposure == 1).any(axis=1).sum()),
            },
        )

    def _estimate(self, blocks: Blocks, level: float) -> Estimate:
        method = f"{_METHOD} {blocks.cluster}s"
        if reason := blocks.silence():
            return not_estimable(Estimand.RISK_RATIO, reason, method=method, level=level)
        test = _ExchangeTest.of(blocks, self.draws, self.seed)
        method = f"{method} ({test.words()})"
        if reason := blocks.one_sided():
            nothing = not_estimable(Estimand.RISK_RATIO, reason, method=method, level=level)
            return replace(nothing, p_value=test(0.0))
        value = blocks.ratio()
        low, high = (_limit(test, log(value), side, 1 - level) for side in (-1.0, 1.0))
        interval = interval_of_logs(low, high, level)
        why = f"there are {test.ways} ways to deal out the histories" if test.enumerated else "no exchange is extreme"
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=value,
            interval=interval,
            method=f"{method}; limits where the test stops rejecting",
            p_value=test(0.0),
            caveats=tuple(unbounded(interval, why)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Deployments and events by cluster (rows, G) and stratum (columns, P).

    Attributes
    ----------
    deployments, events : (G, P).
    exposure : (G, P) 0 or 1; NaN where it is mixed. Blocks without deployments have that of their neighbours in time.
    cluster : what a cluster is called.
    places : columns that make a stratum.
    mixed : how many blocks hold exposed and unexposed deployments.
    """

    deployments: Floats
    events: Floats
    exposure: Floats
    cluster: str
    places: tuple[str, ...]
    mixed: int

    @classmethod
    def of(cls, cells: Cells) -> Blocks:
        """Sum the cells; clusters come in an order that does not depend on their names."""
        places = tuple(column for column in cells.strata if column != cells.cluster)
        _require_values(cells, [cells.cluster, *places])
        frame = cells.frame.loc[cells.frame["n"] > 0].assign(exposed_n=lambda f: f["n"] * f["exposed"])
        if frame.empty:
            nothing = np.zeros((0, 0))
            return cls(nothing, nothing, nothing, cells.cluster, places, mixed=0)
        groups = frame.groupby([cells.cluster, *places], observed=True, sort=True)
        sums = groups[["n", "events", "exposed_n"]].sum()
        wide = sums.unstack(list(places), fill_value=0) if places else sums
        n, events, exposed = (_numbers(wide[column]) for column in ("n", "events", "exposed_n"))
        share = np.divide(exposed, n, out=np.full(n.shape, np.nan), where=n > 0)
        mixed = (share > 0) & (share < 1)
        share[mixed] = np.nan
        exposure = pd.DataFrame(share).ffill(axis=1).bfill(axis=1).to_numpy()
        order = np.lexsort(np.hstack([n, events, np.nan_to_num(exposure, nan=2)]).T)
        return cls(n[order], events[order], exposure[order], cells.cluster, places, int(mixed.sum()))

    def silence(self) -> str:
        """Why no exchange can be judged; empty if one can."""
        within = f" within one {' × '.join(self.places)}" if self.places else ""
        if self.mixed:
            return (
                f"exposure varies inside {self.mixed} of {int((self.deployments > 0).sum())} blocks of one "
                f"{self.cluster}{within}, so it was not assigned by {self.cluster}: see stratified.randomisation"
            )
        if not self.events.sum():
            return "there is no event, so nothing can be compared"
        exposed, everything, events = self.exposed_deployments(), self.deployments.sum(0), self.events.sum(0)
        if not (exposed * (everything - exposed) * events).any():
            return f"exposed and unexposed {self.cluster}s never meet{within} with an event, so nothing can be compared"
        return ""

    def one_sided(self) -> str:
        """Why there is a test but no ratio; empty if there is one."""
        both = (self.exposed_deployments() > 0) & (((1 - self.exposure) * self.deployments).sum(0) > 0)
        exposed = float((self.events * self.exposure)[:, both].sum())
        if not exposed:
            return "no exposed deployment that can be compared had an event: the ratio is zero, without an interval"
        if exposed == self.events[:, both].sum():
            return "no unexposed deployment that can be compared had an event: the ratio is infinite"
        return ""

    def exposed_deployments(self) -> Floats:
        """(P,) exposed deployments of each stratum."""
        total: Floats = (self.deployments * self.exposure).sum(0)
        return total

    def ratio(self) -> float:
        """The ratio θ at which exposed events equal Σ mₚ θn₁ₚ/(θn₁ₚ+n₀ₚ): conditional Poisson maximum likelihood."""
        n1, events = self.exposed_deployments(), self.events.sum(0)
        n0 = self.deployments.sum(0) - n1
        seen = n1 + n0 > 0
        n1, n0, events = n1[seen], n0[seen], events[seen]
        exposed = float((self.events * self.exposure).sum())
        return positive_crossing(lambda ratio: exposed - float((events * ratio * n1 / (ratio * n1 + n0)).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class _ExchangeTest:
    """Called with a log ratio, the two-sided p-value of the exchanges; the first one is what happened.

    Attributes
    ----------
    exposed : (B, P) exposed deployments of each stratum.
    events_of_unexposed, events_of_exposed : (B, P) events of clusters that the exchange exposes, by what they were.
    deployments : (P,); unexposed_total, exposed_total : (P,) events by what clusters were.
    ways : how many distinct exchanges there are.
    enumerated : whether they are all here.
    """

    exposed: Floats
    events_of_unexposed: Floats
    events_of_exposed: Floats
    deployments: Floats
    unexposed_total: Floats
    exposed_total: Floats
    ways: int
    enumerated: bool

    @classmethod
    def of(cls, blocks: Blocks, draws: int, seed: int) -> _ExchangeTest:
        histories = Histories.of(blocks.exposure)
        enumerated = histories.ways <= draws
        exchanged = histories.every_exchange() if enumerated else histories.random_exchanges(draws, seed)
        by_exposed = blocks.events * blocks.exposure
        values = np.stack([blocks.deployments, blocks.events - by_exposed, by_exposed], axis=2)
        sums = histories.exposed_sums(np.vstack([histories.observed, exchanged]), values)
        deployments, unexposed_total, exposed_total = values.sum(axis=0).T
        return cls(
            exposed=sums[0],
            events_of_unexposed=sums[1],
            events_of_exposed=sums[2],
            deployments=deployments,
            unexposed_total=unexposed_total,
            exposed_total=exposed_total,
            ways=histories.ways,
            enumerated=enumerated,
        )

    def __call__(self, log_ratio: float) -> float:
        statistics = np.abs(self._standardised(exp(-log_ratio)))
        observed, exchanged = statistics[0], statistics[1:]
        as_far = int((exchanged >= observed * (1 - _TIE) - _TIE).sum())
        return as_far / len(exchanged) if self.enumerated else (1 + as_far) / (1 + len(exchanged))

    def _standardised(self, shrunk: float) -> Floats:
        """(1+B,) the score over its standard deviation, exposed clusters' events multiplied by ``shrunk``."""
        share = np.divide(self.exposed, self.deployments, out=np.zeros_like(self.exposed), where=self.deployments > 0)
        events = self.unexposed_total + shrunk * self.exposed_total
        score = (self.events_of_unexposed + shrunk * self.events_of_exposed - events * share).sum(axis=1)
        variance = (events * share * (1 - share)).sum(axis=1)
        found: Floats = np.divide(score, np.sqrt(variance), out=np.zeros_like(score), where=variance > 0)
        return found

    def words(self) -> str:
        if self.enumerated:
            return f"all {self.ways} distinct exchanges"
        return f"{len(self.exposed) - 1} random exchanges, p = (1+b)/(1+B)"


def _limit(test: _ExchangeTest, estimate: float, side: float, alpha: float) -> float:
    stretch = bracket(test, estimate, side, alpha)
    return side * inf if stretch is None else narrowed(test, *stretch, alpha)


def _numbers(wide: pd.DataFrame | pd.Series) -> Floats:
    numbers: Floats = wide.to_numpy(np.float64).reshape(len(wide), -1)
    return numbers


def _require_values(cells: Cells, columns: list[str]) -> None:
    missing = cells.frame[columns].isna().any()
    if missing.any():
        raise ValueError(
            f"Cells have empty values in {', '.join(missing[missing].index)}; a value nobody knows is a level of its "
            "own, called 'missing'."
        )
