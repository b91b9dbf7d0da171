"""Group-time effects of a staggered adoption, their averages, and what each unit contributes to the error.

Callaway & Sant'Anna (2021), Journal of Econometrics 225:200, without covariates. For the units that adopt in
period g and for any period t,

    ATT(g, t) = mean over them of Y(t) − Y(g−1)  minus  the same mean over controls,

so each comparison is one of two groups and two periods, and no unit that has already adopted ever serves as a
control. That is what two-way fixed effects get wrong when effects grow or differ (Goodman-Bacon 2021, Journal of
Econometrics 225:254).

The base g−1 is the same for all t ("universal"), before adoption too, so that effects by time since adoption can be
read as one line through zero at −1 (Roth 2024, arXiv 2401.12309). An average of ATT(g, t) that weights by the number
of adopters is an average of every adopter's own difference from its controls, which keeps the algebra short:

    θ = Σ_i u_i / Σ_i v_i,   u_i = Σ_t a_it (Y_i(t) − Y_i(g_i−1) − control mean),   v_i = Σ_t a_it.

Its influence function has a part from adopters, (u_i − θ v_i) / Σ v, which holds the estimation of the cohorts'
shares too, and a part from controls, their deviation from the control mean times the weight of the comparison. A unit
that serves in several comparisons has one entry, the sum: errors are clustered by unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from counterfault.estimators.around_adoption.unit_table import NEVER
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.conditional_poisson import Mask


class Controls(Enum):
    """Which units stand for what adopters would have gone through without adopting."""

    NEVER = "never-adopting"
    NOT_YET = "not-yet-adopting"  # in the base period and in the period compared; never-adopting ones included


Weights = Callable[[Codes, Mask], Floats]
"""From the time since adoption (N, T) and where an adopter is comparable (N, T) to the weights a_it (N, T)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cohort against its controls, in every period.

    Attributes
    ----------
    position : g, the period of adoption.
    members : (m) rows of the units that adopted in it.
    effects : (m, T) each member's change since g−1 less the controls' mean change; NaN where either is missing, where
        controls are too few, and in the base period itself, where the difference is 0 by definition.
    control_changes : (N, T) each control's deviation from the controls' mean, divided by their number; 0 for others.
    control_counts : (T) controls.
    """

    position: int
    members: Codes
    effects: Floats
    control_changes: Floats
    control_counts: Codes

    def against_controls(self, position: int, small_sample: bool) -> tuple[float, float, int, int]:
        """ATT(g, t), its standard error (NaN for one adopter), adopters and controls."""
        effects = self.effects[np.isfinite(self.effects[:, position]), position]
        m = len(effects)
        spread = float(effects.var(ddof=int(small_sample))) / m if m > 1 else np.nan
        error = np.sqrt(spread + float((self.control_changes[:, position] ** 2).sum()))
        return float(effects.mean()), float(error), m, int(self.control_counts[position])


@dataclass(frozen=True, slots=True)
class Averages:
    """Several averages of group-time effects with what each unit contributes to their errors.

    Attributes
    ----------
    values : (S) the averages.
    of_adopters, of_controls : (N, S) influence on each, so that the variance is the sum of squares of their sum.
    adopter, control : (N, S) whether the unit takes part as the one, and as the other.
    """

    values: Floats
    of_adopters: Floats
    of_controls: Floats
    adopter: Mask
    control: Mask

    @property
    def influence(self) -> Floats:
        """(N, S) what each unit contributes, in both roles."""
        return self.of_adopters + self.of_controls

    @property
    def covariance(self) -> Floats:
        """(S, S) clustered by unit."""
        found: Floats = self.influence.T @ self.influence
        return found

    @property
    def standard_errors(self) -> Floats:
        """(S) square roots of the variances."""
        found: Floats = np.sqrt((self.influence**2).sum(axis=0))
        return found

    @property
    def degrees_of_freedom(self) -> Floats:
        """(S) Welch–Satterthwaite, of the mean over adopters against that over controls."""
        variances = np.stack([(self.of_adopters**2).sum(axis=0), (self.of_controls**2).sum(axis=0)])
        units = np.stack([self.adopter.sum(axis=0), self.control.sum(axis=0)])
        lost = (variances**2 / np.maximum(units - 1, 1)).sum(axis=0)
        whole = variances.sum(axis=0) ** 2
        found: Floats = np.divide(whole, lost, out=np.full(len(self.values), np.inf), where=lost > 0)
        return found

    def only(self, kept: Sequence[int] | Mask) -> Averages:
        """Some of the averages."""
        chosen = np.asarray(kept)
        names = ("of_adopters", "of_controls", "adopter", "control")
        return Averages(self.values[chosen], *(getattr(self, name)[:, chosen] for name in names))

    def combined(self, weights: Floats) -> Averages:
        """One average of them, with (S) fixed weights."""
        column = np.asarray(weights, dtype=float)[:, None]
        taking = (column != 0).astype(float)
        return Averages(
            self.values @ column,
            self.of_adopters @ column,
            self.of_controls @ column,
            self.adopter @ taking > 0,
            self.control @ taking > 0,
        )


@dataclass(frozen=True, slots=True)
class Staggered:
    """An outcome of units that adopt one after another.

    Attributes
    ----------
    outcome : (N, T); NaN where a unit has none. Such a unit takes no part in comparisons that need that period.
    adopted : (N) position of the period of adoption, ``NEVER``, or 0 for units that had adopted when the data begin;
        these have no base period and are compared with nothing.
    controls : which units the adopters are compared with.
    fewest : controls that a comparison must have; at least 2, since one has no deviation from its mean.
    small_sample : whether influences are scaled by √(m/(m−1)) for the m adopters, and for the m controls of each
        comparison, which makes one cohort in one period Welch's t test; else as in R's ``did``.
    """

    outcome: Floats
    adopted: Codes
    controls: Controls
    fewest: int = 2
    small_sample: bool = True

    def comparisons(self) -> Iterator[Comparison]:
        """Each cohort with its controls, from the first to adopt on."""
        for position in np.unique(self.adopted[(self.adopted > 0) & (self.adopted < NEVER)]).tolist():
            yield self._comparison(position)

    def averages(self, slices: Sequence[Weights]) -> Averages:
        """One average per weighting; the value is NaN where no adopter has any weight."""
        effects = self.effects()
        since, comparable = self.time_since_adoption(), np.isfinite(effects)
        weights = [weigh(since, comparable) for weigh in slices]
        v = np.stack([a.sum(axis=1) for a in weights], axis=1)
        u = np.stack([(a * np.where(comparable, effects, 0)).sum(axis=1) for a in weights], axis=1)
        total = v.sum(axis=0)
        values = np.divide(u.sum(axis=0), total, out=np.full(len(weights), np.nan), where=total > 0)
        adopter = v > 0
        of_adopters = (u - np.nan_to_num(values) * v) / np.maximum(total, 1e-300) * self._factor(adopter.sum(axis=0))
        of_controls, control = self._of_controls(weights, total)
        return Averages(values, of_adopters, of_controls, adopter, control)

    def effects(self) -> Floats:
        """(N, T) each adopter's own difference from its controls; NaN where there is none."""
        effects = np.full(self.outcome.shape, np.nan)
        for comparison in self.comparisons():
            effects[comparison.members] = comparison.effects
        return effects

    def time_since_adoption(self) -> Codes:
        """(N, T) periods since adoption, below 0 before it; for units that never adopted, far below."""
        found: Codes = np.arange(self.outcome.shape[1])[None, :] - np.minimum(self.adopted, NEVER // 2)[:, None]
        return found

    def _comparison(self, position: int) -> Comparison:
        change = self.outcome - self.outcome[:, [position - 1]]
        control = np.isfinite(change) & self._may_control(position)
        counts = control.sum(axis=0)
        mean = np.where(control, change, 0).sum(axis=0) / np.maximum(counts, 1)
        enough = counts >= self.fewest
        members = np.flatnonzero(self.adopted == position)
        effects = np.where(enough, change[members] - mean, np.nan)
        effects[:, position - 1] = np.nan
        scale = np.where(enough, self._factor(counts) / np.maximum(counts, 1), 0)
        return Comparison(position, members, effects, np.where(control, change - mean, 0) * scale, counts)

    def _may_control(self, position: int) -> Mask:
        """(N, T) units that could be controls of the cohort, were their outcome known."""
        never: Mask = (self.adopted == NEVER)[:, None]
        if self.controls is Controls.NEVER:
            return never
        # Before the base period a control must still be untreated in the base: the change runs between the two.
        latest = np.maximum(np.arange(self.outcome.shape[1]), position - 1)[None, :]
        later: Mask = (self.adopted[:, None] > latest) & (self.adopted != position)[:, None]
        return np.logical_or(later, never)

    def _of_controls(self, weights: Sequence[Floats], total: Floats) -> tuple[Floats, Mask]:
        influence = np.zeros((len(self.adopted), len(weights)))
        control = np.zeros(influence.shape, dtype=bool)
        for comparison in self.comparisons():
            of_period = np.stack([a[comparison.members].sum(axis=0) for a in weights], axis=1)
            influence -= comparison.control_changes @ (of_period / np.maximum(total, 1e-300))
            used = self._may_control(comparison.position) & np.isfinite(self.outcome)
            control |= (used & np.isfinite(self.outcome[:, [comparison.position - 1]])).astype(float) @ of_period > 0
        return influence, control

    def _factor(self, count: Codes) -> Floats:
        if not self.small_sample:
            return np.ones(count.shape)
        found: Floats = np.sqrt(count / np.maximum(count - 1, 1))
        return found


def since_adoption(at: int) -> Weights:
    """Every adopter counts once, in the period ``at`` periods after its adoption."""
    return lambda since, comparable: ((since == at) & comparable).astype(float)


def of_cohort(position: int) -> Weights:
    """Adopters of one period, averaged over theirs from adoption on."""

    def weigh(since: Codes, comparable: Mask) -> Floats:
        return each_adopter_once(since, comparable & (since[:, [0]] == -position))

    return weigh


def in_period(position: int) -> Weights:
    """Every unit that has adopted by a period counts once, in that period."""

    def weigh(since: Codes, comparable: Mask) -> Floats:
        weights = ((since >= 0) & comparable).astype(float)
        weights[:, np.arange(weights.shape[1]) != position] = 0
        return weights

    return weigh


def each_adopter_once(since: Codes, comparable: Mask) -> Floats:
    """Every adopter counts once, with the mean over its periods from adoption on."""
    after = ((since >= 0) & comparable).astype(float)
    found: Floats = after / np.maximum(after.sum(axis=1, keepdims=True), 1)
    return found


def each_period_once(since: Codes, comparable: Mask) -> Floats:
    """Every adopter counts in each of its periods from adoption on, so early adopters count more."""
    return ((since >= 0) & comparable).astype(float)
