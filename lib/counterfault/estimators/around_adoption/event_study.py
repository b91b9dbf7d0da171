"""Time since adoption: the figure with a band for all of it at once, and whether adopters were already drifting before.

Both rest on the group-time effects of :mod:`~counterfault.estimators.around_adoption.group_time`, averaged by time
since adoption.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc, ndtr, stdtrit

from counterfault.estimate import Estimate
from counterfault.estimators.around_adoption import group_time
from counterfault.estimators.around_adoption.adoption_evidence import Evidence, event_label, takers
from counterfault.estimators.around_adoption.group_time import Averages
from counterfault.estimators.around_adoption.staggered import StaggeredAdoption
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.panels import UnitPeriods

_SINGULAR = 1e-10
_COLUMNS = ["since", "value", "low", "high", "band_low", "band_high", "adopters", "controls", "is_base"]


def event_study(
    panel: UnitPeriods,
    design: StaggeredAdoption,
    level: float = 0.95,
    *,
    draws: int = 1999,
    seed: int = 0,
) -> pd.DataFrame:
    """The effect by time since adoption, as a frame to draw.

    Parameters
    ----------
    panel, design, level : as for :class:`~counterfault.estimators.around_adoption.staggered.StaggeredAdoption`.
    draws : multiplier bootstrap draws behind the band.
    seed : of their generator.

    Returns
    -------
    One row per time since adoption that rests on enough adopters, and one for the base (−1, zero by definition).
    ``low`` and ``high`` hold one time at a time; ``band_low`` and ``band_high`` hold all times at once: the sup-t band
    of Callaway & Sant'Anna (2021, section 4; Montiel Olea & Plagborg-Møller 2019), with Rademacher multipliers by
    unit, its critical value carried over to the t distribution of each time by equal tail probability. Empty where the
    design gives no answer; the band is NaN where units do not differ at all.

    Raises
    ------
    ValueError
        As the design, or ``draws`` is below 100.
    """
    if draws < 100:
        raise ValueError(f"draws is {draws}; a quantile of the largest deviation needs 100 or more, such as 1999.")
    found = design(panel, level)
    if not found.estimable or not (path := event_path(design, design.evidence(panel))):
        return pd.DataFrame(columns=_COLUMNS)
    parts = [design.part(path.averages.only([i]), level, event_label(time)) for i, time in enumerate(path.times)]
    halves = _band_halves(path.averages, design.small_sample, level, draws, np.random.default_rng(seed))
    lowest, highest = design.outcome.estimand.lowest, design.outcome.estimand.highest
    rows = [
        {
            "since": time,
            "value": part.value,
            "low": part.interval.low,
            "high": part.interval.high,
            "band_low": max(part.value - half, lowest),
            "band_high": min(part.value + half, highest),
            **part.support,
            "is_base": False,
        }
        for time, part, half in zip(path.times, parts, halves.tolist(), strict=True)
    ]
    base = dict.fromkeys(["value", "low", "high", "band_low", "band_high"], 0.0)
    rows.append({"since": -1, **base, "adopters": found.support["adopters"], "controls": 0, "is_base": True})
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values("since", ignore_index=True)


@dataclass(frozen=True)
class PreTrend:
    """Were adopters already drifting from their controls before they adopted?

    Parameters
    ----------
    design : the comparison whose leads are looked at.
    leads : how many periods before the base are tested together, the latest first.

    Notes
    -----
    Calling it with a panel and a level returns an :class:`~counterfault.estimate.Estimate` with id
    ``adoption.pre_trend``. Its value is the drift per period: the slope of the least-squares line through the leads
    and through zero at the base. Its ``p_value`` belongs to another, wider question, whether all leads are zero
    (Wald test; leads of opposite sign do not cancel in it), with Hotelling's T² as reference where the design corrects
    for few units: k leads on d degrees of freedom give W (d − k + 1) / (d k) ~ F(k, d − k + 1), d being the smallest
    of the leads'.

    A p-value that is not small does not show that trends were parallel. Roth (2022, American Economic Review:
    Insights 4:305) finds that such tests often miss drifts as large as the effect, and that going on only when
    they pass makes the bias worse.

    Raises
    ------
    ValueError
        As the design, or ``leads`` is below 1.
    """

    design: StaggeredAdoption
    leads: int = 3

    def __post_init__(self) -> None:
        if self.leads < 1:
            raise ValueError(f"leads is {self.leads}; at least one period before the base is needed.")

    def __call__(self, panel: UnitPeriods, level: float = 0.95) -> Estimate:
        found, evidence = self.design(panel, level), self.design.evidence(panel)
        path = self._leads(evidence) if found.estimable else None
        if not path:
            reason = (
                f"no period before the base, itself the last before adoption, has {self.design.fewest} adopters"
                if found.estimable
                else found.caveats[0]
            )
            return self.design.refused(evidence, reason, level).named("adoption.pre_trend")
        leads = path.averages
        distance = np.array(path.times, dtype=float) + 1
        slope = leads.combined(distance / (distance @ distance))
        p_value, test = self._joint_test(leads)
        label = f"drift per {panel.calendar} before adoption"
        drift = self.design.estimate(slope, level, support=takers(slope), label=label, what="slope through the leads")
        return drift.named(
            "adoption.pre_trend",
            method=f"{drift.method}; p: {test}",
            p_value=p_value,
            design=found.design,
            outcome=found.outcome,
            parts=tuple(
                self.design.part(leads.only([i]), level, event_label(time)) for i, time in enumerate(path.times)
            ),
            caveats=(*drift.caveats, *self._caveats(p_value)),
        )

    def _leads(self, evidence: Evidence) -> EventPath | None:
        path = event_path(self.design, evidence)
        kept = [i for i, time in enumerate(path.times) if time < -1][-self.leads :] if path else []
        return EventPath([path.times[i] for i in kept], path.averages.only(kept)) if path and kept else None

    def _joint_test(self, leads: Averages) -> tuple[float | None, str]:
        k, name = len(leads.values), f"Wald test that all {len(leads.values)} leads are zero"
        spread = leads.standard_errors
        if not (spread > _SINGULAR).all():
            return None, f"none, as units do not differ in some lead ({name})"
        correlation = leads.covariance / np.outer(spread, spread)
        if np.linalg.eigvalsh(correlation)[0] < _SINGULAR:
            return None, f"none, as there are too few units ({name})"
        scaled = leads.values / spread
        wald = float(scaled @ np.linalg.solve(correlation, scaled))
        if not self.design.small_sample:
            return float(chdtrc(k, wald)), f"{name}, chi-square with {k} degrees of freedom"
        d = float(leads.degrees_of_freedom.min())
        if d - k + 1 < 1:
            return None, f"none, as {d:.1f} degrees of freedom cannot test {k} leads ({name})"
        p_value = float(fdtrc(k, d - k + 1, wald * (d - k + 1) / (d * k)))
        return p_value, f"{name}, Hotelling's T² as F with {k} and {d - k + 1:.1f} degrees of freedom"

    def _caveats(self, p_value: float | None) -> tuple[str, ...]:
        if p_value is None:
            return ("the leads cannot be tested together; look at each",)
        return ("a test of the leads has little power: passing it does not show that trends were parallel (Roth 2022)",)


@dataclass(frozen=True, slots=True)
class EventPath:
    """Averages by time since adoption: ``times`` in rising order, without the base, and the averages themselves."""

    times: list[int]
    averages: Averages


def event_path(design: StaggeredAdoption, evidence: Evidence) -> EventPath | None:
    """The times since adoption in the design's window that rest on enough adopters; None if there is none."""
    first, last = design.window
    times = [time for time in range(first, last + 1) if time != -1]
    averages = evidence.staggered.averages([group_time.since_adoption(time) for time in times])
    kept = design.enough(averages)
    return EventPath([times[i] for i in kept], averages.only(kept)) if kept else None


def _band_halves(averages: Averages, small_sample: bool, level: float, draws: int, rng: np.random.Generator) -> Floats:
    """(S) half-widths that hold all averages at once; NaN where units do not differ."""
    influence, errors = averages.influence, averages.standard_errors
    if not (errors > _SINGULAR**1.2).all():
        return np.full(len(errors), nan)
    signs = rng.integers(0, 2, size=(draws, len(influence))) * 2.0 - 1.0
    largest = np.abs(signs @ influence / errors).max(axis=1)
    # With one time since adoption the band is the interval; multipliers of few units are too coarse to say so.
    tail = min(float(ndtr(-np.quantile(largest, level))), (1 - level) / 2)
    degrees = averages.degrees_of_freedom if small_sample else np.full(len(errors), np.inf)
    halves: Floats = -stdtrit(degrees, tail) * errors
    return halves
