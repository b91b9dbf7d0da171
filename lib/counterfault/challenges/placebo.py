"""Placebos: the planned question with the answer taken out. What is still found is bias, or chance.

Incidents *before* the deployment; the label of the next deployment, or of one weeks away, in place of its own; and
labels shuffled among deployments of one service and calendar block.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, nan

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from counterfault.challenges.contrast import (
    FEWEST_EVENTS,
    contrast_on,
    log_with_error,
    planned_contrast,
    ratio_that_should_be_1,
)
from counterfault.counting import Counted
from counterfault.counting.control_cells import Other, cells_by_label_of_another
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.tables.mantel_haenszel import risk_ratio
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import Strata

NEXT, SHIFTED, SHUFFLED = "placebo.next_deployment", "placebo.labels_shifted", "placebo.labels_shuffled"
SHUFFLING = "Mantel–Haenszel ratio with labels shuffled within strata; median and central range, p = (1+b)/(1+B)"
MEAN_OF_SHIFTS = "geometric mean of the shifts, its error as if they were one (they share their incidents)"


@dataclass(frozen=True)
class BeforeTheDeployment:
    """The planned contrast with the window turned round. A ratio away from 1 speaks of bias, not of AI.

    Assumes that an incident does not change how soon AI-assisted rather than other changes follow it; where it does
    (a freeze, a repair), this check fails, and it should.
    """

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> Estimate:
        return contrast_on(counted, "placebo_events", self.adjust_for, level).named(
            "placebo.risk_ratio", outcome="an incident of the service in the window before the deployment"
        )


@dataclass(frozen=True)
class Placebos:
    """The planned outcome by labels that cannot have caused it.

    Parameters
    ----------
    fewest_events : deployments with an event that a placebo needs.

    Notes
    -----
    Calling it with a study and its primary estimate returns three estimates.

    ``placebo.next_deployment`` : does the label of the service's next deployment "explain" this one's failure? The next
    one is the first to come after this one's window has closed, and this one's own label is held fixed.

    ``placebo.labels_shifted`` : the same with the first deployment at least so many days later, or the last at least
    so many days earlier; one part for each of the plan's ``shift_days``, and their mean.

    ``placebo.labels_shuffled`` : what the stratified ratio comes to when labels are dealt out anew within strata. Its
    interval is the range of the shuffles, and its p how often they lie as far from 1 as the labels as they are.

    Assumed of the first two: given its own label, block and confounders, a deployment's failure has nothing to do with
    the label of one yet to come. Windows that overlap break that a little where AI-assisted changes come in runs and
    are tied by time, because a neighbour's incident is then counted for both.
    """

    fewest_events: int = FEWEST_EVENTS

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, ...]:
        return (*self.other_labels(study), shuffled_labels(study, primary))

    def other_labels(self, study: Study) -> tuple[Estimate, Estimate]:
        """``placebo.next_deployment`` and ``placebo.labels_shifted``."""
        after = max(1, round(study.plan.outcome.follow_up * 3600))
        days = study.plan.challenges.placebo.shift_days
        others = (Other("next", after), *(Other(f"{each:+g}", round(each * 86_400)) for each in days))
        cells = cells_by_label_of_another(study.counted.rows, others, study.plan, study.confounders)
        contrast = planned_contrast(study)
        found = {
            name: ratio_that_should_be_1(contrast, each, study.level, self.fewest_events)
            for name, each in cells.items()
        }
        following = found["next"].named(
            NEXT, label="label of the next deployment", design=_own_label_fixed(study), outcome=_by("the next")
        )
        parts = tuple(
            found[f"{each:+g}"].named(
                SHIFTED, label=_shift_in_words(each), design=_own_label_fixed(study), outcome=_by("another")
            )
            for each in days
        )
        return following, _mean_of(parts, study.level)


def _own_label_fixed(study: Study) -> str:
    return f"within {' × '.join(study.plan.design.strata)} × own label"


def _by(which: str) -> str:
    return f"at least one incident tied to the deployment, by the label of {which} deployment of the service"


def _shift_in_words(days: float) -> str:
    return f"label {abs(days):g} days {'later' if days > 0 else 'earlier'}"


def _mean_of(parts: tuple[Estimate, ...], level: float) -> Estimate:
    known = np.array([pair for pair in map(log_with_error, parts) if pair], dtype=np.float64).reshape(-1, 2)
    if not len(known):
        reason = parts[0].caveats[0] if parts and parts[0].caveats else "the plan names no shift"
        none = not_estimable(Estimand.RISK_RATIO, reason, method=MEAN_OF_SHIFTS, level=level)
        return none.named(SHIFTED, label="labels shifted", parts=parts)
    centre, error = known.mean(axis=0).tolist()
    reach = critical_value(level) * error
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=exp(centre),
        interval=Interval(exp(centre - reach), exp(centre + reach), level),
        method=MEAN_OF_SHIFTS,
        support={"shifts": len(known)},
        id=SHIFTED,
        design=parts[0].design,
        outcome=parts[0].outcome,
        label="labels shifted",
        p_value=2 * float(ndtr(-abs(centre) / error)),
        standard_error=error,
        parts=parts,
    )


def shuffled_labels(study: Study, primary: Estimate) -> Estimate:
    """What does the stratified ratio come to when labels mean nothing?

    Parameters
    ----------
    study : its cells, and ``challenges.placebo.shuffles`` and the seed of its plan.
    primary : named in a caveat, since it may hold confounders fixed and the shuffled ratio does not.

    Notes
    -----
    Given a stratum's margins the exposed events are hypergeometric, so no deployment need be shuffled. Assumes that
    within a stratum the label might as well have fallen on any other deployment.
    """
    strata = Strata.of(study.cells)
    telling = strata.events > 0
    design, level = strata.design, study.level
    observed = nan if strata.silence() or not telling.any() else risk_ratio(strata)[0]
    support = {**strata.support, "shuffles": study.plan.challenges.placebo.shuffles}
    if not observed >= 0:
        reason = strata.silence() or "no stratum that holds both kinds of change has an incident"
        return not_estimable(Estimand.RISK_RATIO, reason, method=SHUFFLING, level=level, support=support).named(
            SHUFFLED
        )
    ratios = _shuffled_ratios(strata, study.plan.challenges.placebo.shuffles, study.plan.challenges.seed)
    # Quantiles that exist: between two shuffles one of which is infinite there is nothing to interpolate.
    low, middle, high = np.quantile(ratios, [(1 - level) / 2, 0.5, (1 + level) / 2], method="inverted_cdf").tolist()
    far = int((_distance(ratios) >= _distance(np.array([observed])) - 1e-9).sum())
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=middle,
        interval=Interval(low, high, level),
        method=SHUFFLING,
        support=support,
        id=SHUFFLED,
        design=design,
        label="labels shuffled",
        p_value=(1 + far) / (1 + len(ratios)),
        caveats=(
            f"the interval is where {level:.0%} of shuffles lie, not an interval of an estimate; with the labels as "
            f"they are this ratio is {figures(observed)}, and the primary one {_in_figures(primary)}",
        ),
    )


def _in_figures(primary: Estimate) -> str:
    return figures(primary.value) if primary.estimable else "is not estimable"


def _shuffled_ratios(strata: Strata, shuffles: int, seed: int) -> NDArray[np.float64]:
    """(B,) Mantel–Haenszel ratios; infinite where no unexposed deployment had an event."""
    telling = strata.events > 0
    n1, n0, events = (part[telling].astype(np.int64) for part in (strata.n1, strata.n0, strata.events))
    exposed = np.random.default_rng(seed).hypergeometric(n1, n0, events, size=(shuffles, len(events)))
    over = (exposed * (n0 / (n1 + n0))).sum(axis=1)
    under = ((events - exposed) * (n1 / (n1 + n0))).sum(axis=1)
    ratios: NDArray[np.float64] = np.divide(over, under, out=np.full(shuffles, np.inf), where=under > 0)
    return ratios


def _distance(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """|log ratio|, infinite at 0 and at infinity."""
    inside = (ratios > 0) & np.isfinite(ratios)
    return np.abs(np.log(ratios, out=np.full(len(ratios), np.inf), where=inside))
