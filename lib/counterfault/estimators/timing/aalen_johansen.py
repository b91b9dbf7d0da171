"""The risk of an incident by a given age, when a roll-back may come first: bare functions on arrays.

Cumulative incidence after Aalen & Johansen (1978), Scandinavian Journal of Statistics 5:141. With no competing end it
is one minus the Kaplan–Meier estimate. With h₁ₖ, h₂ₖ the shares of those at risk at tₖ that end in an incident or in a
roll-back, and S(tₖ−) = Π_{j<k} (1 − h₁ⱼ − h₂ⱼ),

    F(t) = Σ_{tₖ ≤ t} S(tₖ−) h₁ₖ.

Rows may carry weights besides standing for several deployments; the variance then counts with the effective number at
risk Mₖ = (Σw)²/Σw² in place of the number (Xie & Liu 2005, Statistics in Medicine 24:3089, for Kaplan–Meier curves
weighted by inverse probabilities); with equal weights the two are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.risk_sets import RiskSets


@dataclass(frozen=True, slots=True)
class Incidence:
    """One curve, with a value at each moment at which an incident or a roll-back happened.

    Attributes
    ----------
    sets : the moments.
    at_risk, incidents : (E,) deployments.
    effective : (E,) what the number at risk is worth under the weights.
    incident_hazard, hazard : (E,) weighted shares ending in an incident; in an incident or a roll-back.
    before : (E,) S(tₖ−), the share still running just before.
    risk : (E,) F(tₖ).
    weight_at_risk : (E,) sum of weights at risk.
    """

    sets: RiskSets
    at_risk: Floats
    incidents: Floats
    effective: Floats
    incident_hazard: Floats
    hazard: Floats
    before: Floats
    risk: Floats
    weight_at_risk: Floats

    @property
    def times(self) -> Floats:
        return self.sets.times

    @property
    def final(self) -> float:
        """F at the end of the watch."""
        return float(self.risk[-1]) if len(self.risk) else 0.0

    @property
    def emptied(self) -> bool:
        """Whether everybody at risk ended at once while others were still to come under watch.

        The product is then zero for good, whatever happens to the later ones: a known weakness of left-truncated
        curves (Tsai, Jewell & Wang 1987, Biometrika 74:883).
        """
        return bool((self.hazard[:-1] >= 1).any())


def incidence(rows: EventTimes, weights: Floats) -> Incidence:
    """The curve of these rows together.

    Parameters
    ----------
    rows : of one arm.
    weights : (m,) weight of each single deployment of a row.
    """
    sets = RiskSets.of(np.zeros(len(rows.exit), dtype=np.intp), rows.entry, rows.exit, rows.incident | rows.rolled_back)
    mass = rows.copies * weights
    total = sets.at_risk(mass)
    incident_hazard = np.minimum(sets.ending(mass * rows.incident) / total, 1.0)
    hazard = np.minimum(incident_hazard + sets.ending(mass * rows.rolled_back) / total, 1.0)
    hazard = np.where(1 - hazard < 1e-12, 1.0, hazard)
    running = np.cumprod(1 - hazard)
    before = np.concatenate([[1.0], running[:-1]]) if len(running) else running
    risk = np.cumsum(before * incident_hazard)
    return Incidence(
        sets=sets,
        at_risk=sets.at_risk(rows.copies),
        incidents=sets.ending(rows.copies * rows.incident),
        effective=total**2 / sets.at_risk(mass * weights),
        incident_hazard=incident_hazard,
        hazard=hazard,
        before=before,
        risk=np.where(risk > 1 - 1e-12, 1.0, risk),
        weight_at_risk=total,
    )


def variance(curve: Incidence) -> Floats:
    """(E,) variance of F at each moment, deployments being independent.

    The covariance of Greenwood's type (Andersen, Borgan, Gill & Keiding 1993, Statistical Models Based on Counting
    Processes, section IV.4.1.3), hazards at a moment being multinomial shares. The derivative of F(t) by h₁ₖ is
    S(tₖ−) − Rₖ and by h₂ₖ it is −Rₖ, with Rₖ = (F(t) − F(tₖ))/(1 − hₖ). Multiplied out, F(t) leaves the sums, so that
    running totals give the variance at all moments at once. Without roll-backs it is Greenwood's.
    """
    size, one, risk = curve.effective, curve.incident_hazard, curve.risk
    alone = curve.before**2 * one * (1 - one) / size
    later = _unless_emptied(curve, curve.hazard / size)
    both = np.where(curve.hazard < 1, curve.before * one / size, 0.0)
    constant = np.cumsum(alone + 2 * both * risk + later * risk**2)
    linear = np.cumsum(both + later * risk)
    return np.maximum(constant - 2 * linear * risk + np.cumsum(later) * risk**2, 0.0)


def influence(curve: Incidence, rows: EventTimes, weights: Floats) -> Floats:
    """(m,) what F at the end owes to the deployments of each row: the infinitesimal jackknife, rows summed.

    The derivative of F by a deployment's weight, times its weight (Jaeckel 1972; as in R's ``survfit`` with a
    cluster). Weights are taken as known.
    """
    left = _unless_emptied(curve, curve.final - curve.risk)
    return _influence(curve, rows, weights, by_incident=curve.before - left, by_roll_back=-left)


def restricted_mean(curve: Incidence, until: float) -> float:
    """Area under the share still free of an incident, from age 0 to ``until`` (a curve without competing ends)."""
    steps = np.diff(np.concatenate([[0.0], curve.times, [until]]))
    return float(np.concatenate([[1.0], 1 - curve.risk]) @ steps)


def restricted_mean_variance(curve: Incidence, until: float) -> float:
    """Klein & Moeschberger (2003), Survival Analysis, formula 4.5.2: Σ Aₖ² hₖ/(Yₖ(1−hₖ)), Aₖ the area beyond tₖ."""
    terms = _areas_beyond(curve, until) ** 2 * curve.hazard / curve.effective
    return float(_unless_emptied(curve, terms).sum())


def restricted_mean_influence(curve: Incidence, rows: EventTimes, weights: Floats, until: float) -> Floats:
    """(m,) what the restricted mean owes to the deployments of each row, as :func:`influence`."""
    lost = -_unless_emptied(curve, _areas_beyond(curve, until))
    return _influence(curve, rows, weights, by_incident=lost, by_roll_back=lost)


def _influence(
    curve: Incidence, rows: EventTimes, weights: Floats, *, by_incident: Floats, by_roll_back: Floats
) -> Floats:
    """Of a figure with these derivatives by the two hazards at each moment."""
    expected = by_incident * curve.incident_hazard + by_roll_back * (curve.hazard - curve.incident_hazard)
    owed = -curve.sets.while_watched(expected / curve.weight_at_risk)
    ended = rows.incident | rows.rolled_back
    moment = curve.sets.moment_of[ended]
    derivative = np.where(rows.incident[ended], by_incident[moment], by_roll_back[moment])
    owed[ended] += derivative / curve.weight_at_risk[moment]
    return owed * rows.copies * weights


def _areas_beyond(curve: Incidence, until: float) -> Floats:
    """(E,) area under the curve from each moment to ``until``."""
    pieces = (1 - curve.risk) * np.diff(np.concatenate([curve.times, [until]]))
    beyond: Floats = np.cumsum(pieces[::-1])[::-1]
    return beyond


def _unless_emptied(curve: Incidence, values: Floats) -> Floats:
    """The values over 1 − h; zero where all ended, as nothing lies beyond such a moment."""
    return np.divide(values, 1 - curve.hazard, where=curve.hazard < 1, out=np.zeros_like(values))
