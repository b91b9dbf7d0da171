"""How much of AI's association with failure travels through bigger changes and shallower review?

Total = direct × indirect, as ratios of the mean risks of :mod:`~counterfault.estimators.amplifying.mediated_means`:
total Q₁₁/Q₀₀, natural direct Q₁₀/Q₀₀ (exposure changes, the mediators stay what they are without it), natural indirect
Q₁₁/Q₁₀ (exposure stays, the mediators change). Exposure and mediators may interact: the indirect effect is the one
under exposure, "total" in the words of Robins & Greenland (1992), Epidemiology 3:143.

References
----------
Pearl (2001), Proceedings UAI 411. VanderWeele (2015), Explanation in Causal Inference, chapter 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.amplifying.mediated_means import MediatedMeans, mediated_means
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.marginal.averaged_risks import jackknife_error
from counterfault.estimators.marginal.outcome_model import outcome_model
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.poisson.within_strata import FEWEST_CLUSTERS, design_of

_NAMES = ("total", "direct", "indirect")
_COMPOUND = "mediators together"


@dataclass(frozen=True)
class Mediation:
    """Total, direct and indirect risk ratio of exposure, in this order.

    Parameters
    ----------
    mediators : covariate columns that exposure may change on the way; taken together, each combination of their levels
        as one level, so that they may act on one another.
    confounders : columns that come before exposure, held fixed.
    interaction : whether the ratio of exposure may differ between levels of the mediators.

    Notes
    -----
    Calling it with cells and a level returns three estimates with ids ``mediation.<mediators joined by _and_>.total``,
    ``.direct`` and ``.indirect``; total = direct × indirect exactly. Intervals are those of the linearised cluster
    jackknife, exp(log ± t·se) with t on G−1 degrees of freedom (CV3L: MacKinnon, Nielsen & Webb 2024, arXiv
    2406.00650). The share mediated, (total − direct)/(total − 1), stands in a caveat of the indirect effect, where the
    interval of the total excludes 1; elsewhere it is the ratio of two numbers that may both be nothing.

    Assumed: at equal strata and confounders nothing unmeasured drives exposure and incident, exposure and mediator, or
    mediator and incident, and nothing that exposure changes drives both mediator and incident (VanderWeele 2015,
    section 2.3); the outcome model; independent clusters. The population is that of groups holding both arms, weighted
    by n₁n₀/n, so the total may differ a little from ``total.risk_ratio``.

    Raises
    ------
    ValueError
        When no mediator is named, a column is mediator and confounder, a column does not exist or holds missing
        values, or the level is not in (0, 1).
    """

    mediators: tuple[str, ...]
    confounders: tuple[str, ...] = ()
    interaction: bool = True

    def __post_init__(self) -> None:
        if not self.mediators:
            raise ValueError("Mediation needs a mediator: name a column that exposure changes on the way.")
        if both := sorted(set(self.mediators) & set(self.confounders)):
            raise ValueError(
                f"{', '.join(map(repr, both))} is named as confounder and as mediator. A column that exposure "
                "changes is a mediator; name it there only."
            )

    def __call__(self, cells: Cells, level: float = 0.95) -> tuple[Estimate, Estimate, Estimate]:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        joint = self._with_compound(cells)
        try:
            found = self._estimates(joint, level)
        except NotComparableError as reason:
            found = [self._silent(str(reason), cells, level)] * len(_NAMES)
        total, direct, indirect = (self._named(one, name, cells) for one, name in zip(found, _NAMES, strict=True))
        return total, direct, indirect

    def _estimates(self, cells: Cells, level: float) -> list[Estimate]:
        ratio_varies = (_COMPOUND,) if self.interaction else ()
        fixed = () if self.interaction else (_COMPOUND,)
        model = outcome_model(cells, (*self.confounders, *fixed), ratio_varies)
        means = mediated_means(model, self.confounders)
        ratios = zip(_ratios(means.logs), _ratios(means.without_each.T), strict=True)
        found = [self._estimate(float(log_ratio), left_out, means, cells, level) for log_ratio, left_out in ratios]
        caveats = (*_left_out(means), *_few(means, cells.cluster), *model.notes)
        mediated = tuple(_share_mediated(found[0], means, level, cells.cluster)) if found[2].estimable else ()
        return [
            replace(one, caveats=(*one.caveats, *mine, *caveats))
            for one, mine in zip(found, ((), (), mediated), strict=True)
        ]

    def _estimate(
        self, log_ratio: float, without: Floats, means: MediatedMeans, cells: Cells, level: float
    ) -> Estimate:
        try:
            error, degrees = jackknife_error(without, log_ratio, cells.cluster), len(without) - 1
        except NotComparableError as reason:
            return self._silent(str(reason), cells, level)
        reach = float(stdtrit(degrees, 0.5 + level / 2)) * error
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(log_ratio),
            interval=Interval(exp_or_infinity(log_ratio - reach), exp_or_infinity(log_ratio + reach), level),
            method=self._method(cells, degrees),
            support=means.support,
            p_value=2 * float(stdtr(degrees, -abs(log_ratio / error))),
            standard_error=error,
        )

    def _silent(self, reason: str, cells: Cells, level: float) -> Estimate:
        support = cells.two_by_two().support()
        return not_estimable(Estimand.RISK_RATIO, reason, method=self._method(cells), level=level, support=support)

    def _with_compound(self, cells: Cells) -> Cells:
        known = [name for name in cells.frame.columns if name not in {"exposed", "n", "events", "exposure_hours"}]
        if unknown := [name for name in self.mediators if name not in known]:
            raise ValueError(f"No column {', '.join(map(repr, unknown))} among the cells: {', '.join(known)}.")
        if (missing := cells.frame[list(self.mediators)].isna().any()).any():
            raise ValueError(
                f"Cells have empty values in {', '.join(missing[missing].index)}; a value nobody knows is a level of "
                "its own, called 'missing'."
            )
        return replace(cells, frame=cells.frame.assign(**{_COMPOUND: _joined(cells.frame, self.mediators)}))

    def _named(self, estimate: Estimate, name: str, cells: Cells) -> Estimate:
        id = f"mediation.{'_and_'.join(self.mediators)}.{name}"
        return estimate.named(id, label=name, design=design_of(cells), adjustment=self.confounders)

    def _method(self, cells: Cells, degrees: int | None = None) -> str:
        ratio = (
            "exposure × mediator interaction" if self.interaction else "one ratio of exposure for all mediator levels"
        )
        reference = "" if degrees is None else f", t with {degrees} degrees of freedom"
        return (
            f"mediation formula (Pearl 2001) on a modified Poisson regression with {ratio}, mediators as observed in "
            f"strata and confounders; linearised cluster jackknife by {cells.cluster} (CV3L, factor (G−1)/G){reference}"
        )


def _ratios(logs: Floats) -> tuple[Floats, Floats, Floats]:
    """Log total, direct and indirect ratio from the logs of Q₁₁, Q₁₀, Q₀₀."""
    both, direct_only, neither = logs
    return both - neither, direct_only - neither, both - direct_only


def _share_mediated(total: Estimate, means: MediatedMeans, level: float, cluster: str) -> Iterator[str]:
    if 1 in total.interval:
        return
    share = float(_shares(means.logs))
    left_out = _shares(means.without_each.T)
    reach = float(stdtrit(len(left_out) - 1, 0.5 + level / 2)) * jackknife_error(left_out, share, cluster)
    yield (
        f"Of the excess risk, {share:.0%} travels through the mediators ({level:.0%} interval {share - reach:.0%} to "
        f"{share + reach:.0%})."
    )


def _shares(logs: Floats) -> Floats:
    """(Q₁₁ − Q₁₀)/(Q₁₁ − Q₀₀), VanderWeele 2015, section 2.13."""
    both, direct_only, neither = np.exp(logs - logs[2])
    share: Floats = (both - direct_only) / (both - neither)
    return share


def _joined(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    """The levels of all columns as one level."""
    joined = frame[columns[0]].astype(str)
    for name in columns[1:]:
        joined = joined.str.cat(frame[name].astype(str), sep=" | ")
    return joined


def _left_out(means: MediatedMeans) -> Iterator[str]:
    if means.weight_left_out > 0:
        yield (
            f"{means.weight_left_out:.1%} of the weight is left out: the data do not say what the risk would be there "
            "with the other exposure."
        )


def _few(means: MediatedMeans, cluster: str) -> Iterator[str]:
    if (count := means.support["informative_clusters"]) < FEWEST_CLUSTERS:
        yield (
            f"Exposed and unexposed deployments can be compared in {count} {cluster}s; with fewer than "
            f"{FEWEST_CLUSTERS} the interval is not to be trusted."
        )
