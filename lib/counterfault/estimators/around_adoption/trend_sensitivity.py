"""How far from parallel must trends have been for the effect at adoption to vanish?

After Rambachan & Roth (2023), Review of Economic Studies 90:2555, for the first period after adoption only, where both
of their restrictions can be worked out by hand. Write δ(s) for what would have set adopters apart from controls, s
periods after adoption, had nobody adopted; δ(−1) = 0 by the choice of base, the leads estimate δ before it, and the
estimate at adoption is the effect plus δ(0).

Their robust intervals (conditional and hybrid tests, all post-adoption periods) are not computed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import chndtrix

from counterfault.estimate import Estimate
from counterfault.estimators.around_adoption.adoption_evidence import takers
from counterfault.estimators.around_adoption.event_study import EventPath, event_path
from counterfault.estimators.around_adoption.staggered import StaggeredAdoption
from counterfault.panels import UnitPeriods


@dataclass(frozen=True, slots=True)
class TrendSensitivity:
    """What violations of parallel trends the effect in the period of adoption would survive.

    Attributes
    ----------
    relative_magnitude : largest M̄ at which |δ(0)| ≤ M̄ × (largest change of a lead from one period to the next) leaves
        the pointwise interval at adoption clear of zero; 0 where it is not clear to begin with, infinite where the
        leads did not move. A plug-in: the largest lead change is taken as known, though it is itself an estimate, so
        this is no confidence statement.
    smoothness : largest M at which a trend difference whose slope changes by at most M per period leaves the
        fixed-length interval around the trend-adjusted effect clear of zero, on the scale of the outcome; 0 where it
        holds zero already for a straight line (M = 0).
    adjusted : the effect at adoption less the straight line through the two periods before it, with its interval at
        M = 0: what is left if the drift before adoption had simply gone on.
    """

    relative_magnitude: float
    smoothness: float
    adjusted: Estimate

    def sentences(self) -> Iterator[str]:
        """What it says, for the caveats of the estimate."""
        yield (
            "Relative magnitudes (plug-in breakdown after Rambachan & Roth 2023, not their robust interval): the "
            f"interval in the period of adoption {_relative(self.relative_magnitude)}."
        )
        yield (
            "Smoothness (fixed-length interval): less the straight drift of the two periods before, the effect is "
            f"{self.adjusted.value:.3g}, and its interval {_smooth(self.smoothness)}."
        )


def trend_sensitivity(panel: UnitPeriods, design: StaggeredAdoption, level: float = 0.95) -> TrendSensitivity | None:
    """The breakdown values for the period of adoption; None where it or the period two before it is not estimable.

    Parameters
    ----------
    panel, design, level : as for :class:`~counterfault.estimators.around_adoption.staggered.StaggeredAdoption`.

    Raises
    ------
    ValueError
        As the design.

    Notes
    -----
    With |δ(0) − 2 δ(−1) + δ(−2)| ≤ M, the effect plus a bias of at most M is estimated by the effect at 0 plus that at
    −2. The interval of fixed length is ± se × cv(M / se), cv(b) being the level quantile of |N(b, 1)| (Armstrong &
    Kolesár 2018, Econometrica 86:655). It uses one lead, as the bias is unbounded for other weights on it alone; more
    leads could shorten it. The normal reference makes it too short with few units.
    """
    found = design(panel, level)
    path = event_path(design, design.evidence(panel)) if found.estimable else None
    if path is None or not {-2, 0} <= set(path.times):
        return None
    place = {time: index for index, time in enumerate(path.times)}
    weights = np.zeros(len(path.times))
    weights[[place[0], place[-2]]] = 1
    line = path.averages.combined(weights)
    adjusted = design.estimate(
        line, level, support=takers(line), label="period 0", what="effect at adoption less the line through −2 and −1"
    ).named("adoption.did.trend_adjusted", design=found.design, outcome=found.outcome)
    at_adoption = design.part(path.averages.only([place[0]]), level, "period 0")
    return TrendSensitivity(
        relative_magnitude=_relative_magnitude(at_adoption, path),
        smoothness=smoothness_breakdown(adjusted.value, adjusted.standard_error, level),
        adjusted=adjusted,
    )


def smoothness_breakdown(value: float, error: float, level: float) -> float:
    """The largest bias M at which value ± error × cv(M / error) excludes zero; 0 where none does."""
    if not error > 0:
        return abs(value) if value and error == 0 else 0.0
    z = abs(value) / error

    def reach(bias: float) -> float:
        return z - sqrt(float(chndtrix(level, 1, bias**2)))

    return error * float(brentq(reach, 0.0, z + 10)) if reach(0.0) > 0 else 0.0


def _relative_magnitude(at_adoption: Estimate, path: EventPath) -> float:
    interval = at_adoption.interval
    nearest = max(interval.low, -interval.high, 0.0)
    # Leads run from the earliest to the base, whose effect is zero; changes are taken between neighbours only.
    leads = {time: float(value) for time, value in zip(path.times, path.averages.values, strict=True) if time < -1}
    leads[-1] = 0.0
    changes = [abs(leads[time + 1] - leads[time]) for time in leads if time + 1 in leads]
    if not nearest:
        return 0.0
    return nearest / max(changes) if max(changes) else inf


def _relative(factor: float) -> str:
    if not factor:
        return "holds zero even if trends stayed parallel"
    if factor == inf:
        return "excludes zero, and nothing moved before adoption to measure a violation by"
    return f"reaches zero if trends then come apart by {factor:.2g} times the largest change between two periods before"


def _smooth(bend: float) -> str:
    return f"reaches zero if its slope bends by {bend:.3g} per period" if bend else "holds zero without any bend"
