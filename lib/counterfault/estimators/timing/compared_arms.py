"""The two arms as they are compared over time: crude, or with the unexposed spread over strata as the exposed are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.tables.strata import FEW_EVENTS, MOST
from counterfault.estimators.timing.aalen_johansen import Incidence, incidence
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.wider_error import WiderError
from counterfault.panels import Durations

Influence = Callable[[Incidence, EventTimes, Floats], Floats]


class Weighting(Enum):
    """Whose deployments count how much.

    CRUDE: all alike. TO_EXPOSED: the unexposed of a stratum count as many as its exposed ones (inverse probability
    weights for the exposed as target: Xie & Liu 2005, Statistics in Medicine 24:3089; Sato & Matsuyama 2003,
    Epidemiology 14:680).

    Why not a curve per stratum and their average? A stratum with one exposed deployment, replaced after three hours,
    would say "no risk up to the horizon" with its full weight.
    """

    CRUDE = "crude"
    TO_EXPOSED = "standardised to the strata of exposed deployments"

    @property
    def suffix(self) -> str:
        """What is appended to an id."""
        return "" if self is Weighting.CRUDE else ".standardised"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Arms:
    """Deployments with the weights they are compared under.

    Attributes
    ----------
    everything : all deployments of the panel.
    compared : those that enter: all, or those of strata with both arms.
    weight : (m,) of single deployments among the compared.
    weighting : how they came about.
    """

    everything: EventTimes
    compared: EventTimes
    weight: Floats
    weighting: Weighting

    @property
    def design(self) -> str:
        if self.weighting is Weighting.CRUDE:
            return "all services together"
        return f"{self.weighting.value} ({self.compared.place})"

    @property
    def horizon(self) -> float:
        return self.compared.horizon

    @property
    def cluster(self) -> str:
        return self.compared.cluster

    @cached_property
    def support(self) -> dict[str, int]:
        """Counts over everything, then of what is compared; (Σw)²/Σw² is what weights leave of the unexposed."""
        compared, weights = self.compared.counts(), self.compared.copies * self.weight * ~self.compared.exposed
        worth = weights.sum() ** 2 / max(float(weights @ self.weight), 1e-300)
        return {
            **self.everything.counts(),
            "strata_compared": compared["strata"],
            "n_compared": compared["n"],
            "events_compared": compared["events"],
            "exposed_compared": compared["exposed_total"],
            "unexposed_worth": int(worth),
        }

    def has(self, exposed: bool) -> bool:
        """Whether the arm holds any deployment."""
        return bool((self.compared.exposed == exposed).any())

    def rows(self, exposed: bool) -> EventTimes:
        """The deployments of one arm."""
        return self._arms[exposed]

    def weights(self, exposed: bool) -> Floats:
        """Their weights."""
        weights: Floats = self.weight[self.compared.exposed == exposed]
        return weights

    def curve(self, exposed: bool) -> Incidence:
        """Their cumulative incidence."""
        return self._incidence[exposed]

    @cached_property
    def _arms(self) -> dict[bool, EventTimes]:
        return {exposed: self.compared.only(self.compared.exposed == exposed) for exposed in (True, False)}

    @cached_property
    def _incidence(self) -> dict[bool, Incidence]:
        return {exposed: incidence(rows, self.weights(exposed)) for exposed, rows in self._arms.items()}

    def error_in(self, exposed: bool, variance: float, influence: Influence) -> WiderError:
        """Both errors of a figure of one arm, given its variance if deployments were independent."""
        rows = self.rows(exposed)
        return WiderError.of(variance, influence(self.curve(exposed), rows, self.weights(exposed)), rows.clusters)

    def error_of_difference(self, variance: float, influence: Influence) -> WiderError:
        """Both errors of a figure of the exposed minus that of the unexposed; clusters may hold both."""
        owed = np.zeros(len(self.weight))
        for exposed, sign in ((True, 1), (False, -1)):
            there = self.compared.exposed == exposed
            owed[there] = sign * influence(self.curve(exposed), self.rows(exposed), self.weights(exposed))
        return WiderError.of(variance, owed, self.compared.clusters)

    def silence(self) -> str:
        """Why nothing can be compared; empty if something can."""
        for arm in ("exposed", "unexposed"):
            if not self.support[f"{arm}_total"]:
                return f"no {arm} deployments, so there is nothing to compare"
        if not self.support["n_compared"]:
            return (
                f"no stratum (of {self.support['strata']}) holds both exposed and unexposed deployments, so nothing "
                f"can be compared within {self.compared.place}"
            )
        return ""

    def emptied(self, exposed: bool) -> str:
        """Why the curve of an arm means nothing, its risk set having run empty; empty if it did not."""
        curve = self.curve(exposed)
        if not curve.emptied:
            return ""
        return (
            f"all {'exposed' if exposed else 'unexposed'} deployments then watched had ended by "
            f"{curve.times[curve.hazard >= 1][0]:g} hours of age, and others came under watch later: the curve says "
            "nothing of those"
        )

    def caveats(self) -> Iterator[str]:
        """What limits the comparison, whatever the figure."""
        if self.weighting is Weighting.CRUDE:
            yield "nothing is held fixed: this mixes AI assistance with the services and periods in which it is used"
        alone = self.support["exposed_total"] - self.support["exposed_compared"]
        if alone > MOST * self.support["exposed_total"]:
            yield (
                f"{alone} of {self.support['exposed_total']} exposed deployments are in strata without unexposed ones: "
                "the comparison says nothing about them"
            )
        failed = [int((self.rows(exposed).copies * self.rows(exposed).incident).sum()) for exposed in (True, False)]
        if min(failed) < FEW_EVENTS:
            yield (
                f"the curves rest on {failed[0]} exposed and {failed[1]} unexposed incidents: with fewer than "
                f"{FEW_EVENTS} in an arm the limits are rough"
            )

    def watched_to(self, exposed: bool) -> float:
        """The greatest age at which anybody of the arm was still watched."""
        return float(self.rows(exposed).exit.max())


def arms_of(panel: Durations, weighting: Weighting, *, competing: bool = True) -> Arms:
    """The arms of a panel under a weighting.

    Parameters
    ----------
    panel : durations; errors as :meth:`EventTimes.of`.
    weighting : crude, or to the strata of the exposed.
    competing : whether a roll-back rules out an incident, or merely ends the watch.
    """
    everything = EventTimes.of(panel)
    taken = everything if competing else everything.without_roll_backs()
    if weighting is Weighting.CRUDE:
        return Arms(everything, taken, np.ones(len(taken.copies)), weighting)
    compared = taken.in_strata_with_both_arms()
    exposed = np.bincount(compared.strata, compared.copies * compared.exposed)
    unexposed = np.bincount(compared.strata, compared.copies * ~compared.exposed)
    weight = np.where(compared.exposed, 1.0, (exposed / np.maximum(unexposed, 1))[compared.strata])
    return Arms(everything, compared, weight, weighting)
