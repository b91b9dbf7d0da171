"""From rows to those that inform a hazard ratio, and to the estimate of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

import numpy as np
import pandas as pd

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import identified_columns
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError
from counterfault.estimators.tables.strata import FEW_EVENTS
from counterfault.estimators.timing.cox_likelihood import CoxFit, Ties, Watched, fit_cox, score_residuals
from counterfault.estimators.timing.event_times import UNSTRATIFIED, any_in, recoded
from counterfault.estimators.timing.proportional_hazards import Proportionality, proportionality
from counterfault.estimators.timing.risk_sets import Mask
from counterfault.estimators.timing.wider_error import WiderError

FEWEST_CLUSTERS = 4
_FARTHEST = 15.0  # a log hazard ratio beyond this is one that has no finite maximum


@dataclass(frozen=True)
class HazardProblem:
    """Rows of a Cox regression, and what the things in it are called.

    Attributes
    ----------
    watched : the rows; column ``EXPOSED`` of the design is the arm, the others the levels of covariates.
    level_of : (k,) the level each column stands for; "" for the arm.
    event : what ends a watch, "incident" or "restoration".
    hazard : what the ratio is of, in words for the method.
    place, cluster : what a stratum and a cluster are called.
    ties : how tied events are treated.
    notes : what a reader must know about rows or columns set aside.
    """

    watched: Watched
    level_of: tuple[str, ...]
    event: str
    hazard: str
    place: str
    cluster: str
    ties: Ties
    notes: tuple[str, ...] = ()

    @property
    def exposed(self) -> Mask:
        arm: Mask = self.watched.design[:, EXPOSED] == 1
        return arm

    def only(self, kept: Mask) -> HazardProblem:
        """The rows of this mask, with strata and clusters counted anew."""
        w = self.watched
        rows = Watched(
            w.design[kept],
            w.entry[kept],
            w.exit[kept],
            w.event[kept],
            w.copies[kept],
            recoded(w.strata[kept]),
            recoded(w.clusters[kept]),
        )
        return replace(self, watched=rows)

    def between(self, start: float, end: float) -> HazardProblem:
        """The same watch from one age to another: who ends later is censored there, who ended before is left out."""
        w = self.watched
        piece = replace(
            w,
            entry=np.maximum(w.entry, start),
            exit=np.minimum(w.exit, end),
            event=w.event & (w.exit <= end),
        )
        return replace(self, watched=piece).only((w.exit > start) & (w.entry < end))

    def mixed_moments(self) -> Mask:
        """(E,) the moments at which deployments of both arms were at risk."""
        sets, copies = self.watched.risk_sets, self.watched.copies
        mixed: Mask = (sets.at_risk(copies * self.exposed) > 0.5) & (sets.at_risk(copies * ~self.exposed) > 0.5)
        return mixed

    def events_compared(self) -> tuple[int, int]:
        """Exposed and unexposed events at which somebody of the other arm was at risk."""
        sets, w, mixed = self.watched.risk_sets, self.watched, self.mixed_moments()
        ending = [sets.ending(w.copies * w.event * arm)[mixed].sum() for arm in (self.exposed, ~self.exposed)]
        return int(ending[0]), int(ending[1])

    def clusters_compared(self) -> tuple[int, int]:
        """How many clusters have exposed, and how many unexposed, deployments in this problem."""
        exposed, unexposed = (len(np.unique(self.watched.clusters[arm])) for arm in (self.exposed, ~self.exposed))
        return exposed, unexposed


def with_levels(exposed: Mask, levels: pd.DataFrame, events: Floats) -> tuple[Floats, tuple[str, ...]]:
    """(m, k) 0/1: the arm, then a column per level of each covariate but the one with most events; and their names."""
    columns, names = [exposed.astype(np.float64)], [""]
    for name in levels.columns:
        order = pd.Series(events).groupby(levels[name].to_numpy()).sum().sort_values(ascending=False, kind="stable")
        for level in order.index[1:]:
            columns.append((levels[name] == level).to_numpy(np.float64))
            names.append(f"{name}={level}")
    return np.column_stack(columns), tuple(names)


def comparable(whole: HazardProblem) -> HazardProblem:
    """The rows that inform the ratio, and the columns it can be told apart from.

    Raises
    ------
    NotComparableError
        With the reason, when none do.
    """
    w = whole.watched
    if not w.copies.sum():
        raise NotComparableError("No deployment is left to compare.")
    if not w.event.any():
        raise NotComparableError(f"None of the {w.copies.sum():.0f} deployments came to {_a(whole.event)}.")
    used = whole.only(any_in(w.strata, w.event))
    used, gone = _without_levels_free_of_events(used)
    _require_both_arms(used)
    if len(used.level_of) == 1:
        there = np.isin(used.watched.strata, used.watched.risk_sets.groups[used.mixed_moments()])
        used = used.only(there)
    columns = identified_columns(used.watched.design, used.watched.strata, [*range(1, len(used.level_of)), EXPOSED])
    if EXPOSED not in columns:
        raise NotComparableError(
            f"Within {whole.place}, exposure cannot be told apart from what is adjusted for: no two deployments differ "
            "in exposure alone."
        )
    kept = sorted(columns)
    design = used.watched.design[:, kept]
    names = tuple(used.level_of[column] for column in kept)
    return replace(used, watched=replace(used.watched, design=design), level_of=names, notes=gone)


def hazard_ratio(whole: HazardProblem, level: float) -> tuple[Estimate, Proportionality | None]:
    """The estimate, exposed over unexposed, and the test that it does not change with age; none where there is none.

    The interval is the wider of the cluster-robust one (Lin & Wei 1989) and that of independent deployments.
    """
    support = _support(whole)
    try:
        used = comparable(whole)
        fit = _fit(used)
    except NotComparableError as reason:
        silent = not_estimable(Estimand.HAZARD_RATIO, str(reason), method=_method(whole), level=level, support=support)
        return silent, None
    error = _error(used, fit)
    log_ratio, reach = float(fit.coefficients[EXPOSED]), error.reach(level)
    tested = proportionality(used.watched, fit, EXPOSED)
    exposed_events, unexposed_events = used.events_compared()
    estimate = Estimate(
        estimand=Estimand.HAZARD_RATIO,
        value=exp(log_ratio),
        interval=Interval(exp_or_infinity(log_ratio - reach), exp_or_infinity(log_ratio + reach), level),
        method=f"{_method(whole)}; {error.words(whole.cluster, level)}; {_tested(tested)}",
        support={**support, "events_compared": exposed_events + unexposed_events},
        p_value=error.p_value(log_ratio, level),
        standard_error=error.error(level),
        caveats=(*_few(used), *used.notes),
    )
    return estimate, tested


def _fit(used: HazardProblem) -> CoxFit:
    try:
        fit = fit_cox(used.watched, used.ties)
    except np.linalg.LinAlgError:
        raise NotComparableError(
            "At the moments of the events, exposure cannot be told apart from what is adjusted for."
        ) from None
    if not fit.converged or np.abs(fit.coefficients).max() > _FARTHEST:
        raise NotComparableError("The fit did not settle: some ratio has no finite estimate, of exposure or another.")
    return fit


def _error(used: HazardProblem, fit: CoxFit) -> WiderError:
    influence = score_residuals(used.watched, fit) @ fit.covariance[:, EXPOSED]
    return WiderError.of(float(fit.covariance[EXPOSED, EXPOSED]), influence, used.watched.clusters)


def _without_levels_free_of_events(used: HazardProblem) -> tuple[HazardProblem, tuple[str, ...]]:
    """Leave out rows at levels on which no event fell: their fitted hazard is zero, whatever the exposure."""
    w = used.watched
    events = (w.copies * w.event) @ w.design
    empty = [column for column in range(1, len(used.level_of)) if events[column] == 0]
    if not empty:
        return used, ()
    there = w.design[:, empty].sum(axis=1) > 0
    names = ", ".join(used.level_of[column] for column in empty)
    note = (
        f"Deployments at {names} left the fit ({w.copies[there].sum():.0f}): they came to no {used.event}, so their "
        "fitted hazard is zero and the ratio does not depend on them."
    )
    return used.only(~there), (note,)


def _require_both_arms(used: HazardProblem) -> None:
    if not used.mixed_moments().any():
        raise NotComparableError(
            f"In no {used.place} were exposed and unexposed deployments at risk at the moment of {_a(used.event)}."
        )
    for name, other, events, value in zip(
        ("exposed", "unexposed"), ("unexposed", "exposed"), used.events_compared(), ("zero", "infinite"), strict=True
    ):
        if not events:
            raise NotComparableError(
                f"No {name} deployment came to {_a(used.event)} while {other} ones of its {used.place} were at risk: "
                f"the ratio would be {value}, without an interval."
            )


def _few(used: HazardProblem) -> Iterator[str]:
    exposed, unexposed = used.clusters_compared()
    if min(exposed, unexposed) < FEWEST_CLUSTERS:
        yield (
            f"Exposed deployments of {exposed} and unexposed ones of {unexposed} {used.cluster}s can be compared; with "
            f"fewer than {FEWEST_CLUSTERS} on either side the interval is not to be trusted."
        )
    exposed, unexposed = used.events_compared()
    if min(exposed, unexposed) < FEW_EVENTS:
        yield (
            f"The ratio rests on {exposed} exposed and {unexposed} unexposed {used.event}s; with fewer than "
            f"{FEW_EVENTS} on either side its interval is rough."
        )


def _support(whole: HazardProblem) -> dict[str, int]:
    w, exposed = whole.watched, whole.exposed
    ended = w.copies * w.event
    return {
        "n": int(w.copies.sum()),
        "events": int(ended.sum()),
        "exposed_events": int(ended[exposed].sum()),
        "exposed_total": int(w.copies[exposed].sum()),
        "unexposed_events": int(ended[~exposed].sum()),
        "unexposed_total": int(w.copies[~exposed].sum()),
        "strata": len(np.unique(w.strata)),
        "clusters": len(np.unique(w.clusters)),
    }


def _method(whole: HazardProblem) -> str:
    strata = "" if whole.place == UNSTRATIFIED else f", stratified by {whole.place}"
    return f"Cox regression (1972) of {whole.hazard}{strata}, ties after {whole.ties.value}"


def _tested(tested: Proportionality) -> str:
    if np.isnan(tested.p_value):
        return "whether the ratio changes with age cannot be tested"
    return f"score test that the ratio does not change with age (Grambsch & Therneau 1994): p = {tested.p_value:.3g}"


def _a(event: str) -> str:
    return f"an {event}" if event[0] in "aeiou" else f"a {event}"
