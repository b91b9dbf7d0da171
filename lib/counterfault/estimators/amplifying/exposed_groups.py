"""Exposed deployments of one kind, where they meet unexposed ones, and why there may be no ratio for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from counterfault.estimators.amplifying.contrasts import TermFit, any_in
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem
from counterfault.estimators.poisson.within_strata import FEWEST_CLUSTERS


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the exposed deployments.

    Attributes
    ----------
    name : in words, "exposed deployments with at_peak=yes".
    exposed : (m,) which entries of a problem they are.
    """

    name: str
    exposed: Mask

    def support(self, problem: Problem) -> dict[str, int]:
        """Counts of the group where its stratum holds unexposed deployments, and of those."""
        group, other = self._met(problem)
        return {
            "n": int(problem.copies[group | other].sum()),
            "events": int(problem.events[group | other].sum()),
            "exposed_events": int(problem.events[group].sum()),
            "exposed_total": int(problem.copies[group].sum()),
            "unexposed_events": int(problem.events[other].sum()),
            "unexposed_total": int(problem.copies[other].sum()),
            "clusters": len(np.unique(problem.clusters[group | other])),
        }

    def _silence(self, whole: Problem, fit: TermFit, weights: Floats) -> str | None:
        """Why there is no ratio of the group to unexposed deployments; None where there is one."""
        group, other = self._met(whole)
        if not whole.copies[self.exposed].sum():
            return f"There are no {self.name}."
        if not whole.copies[group].sum():
            return f"No {whole.place} holds {self.name} and unexposed ones."
        if not whole.events[group].sum():
            return (
                f"No incident followed {self.name} where they can be compared with unexposed ones of their "
                f"{whole.place}: the ratio would be zero, without an interval."
            )
        if not fit.speaks_of(weights):
            return (
                f"Wherever {self.name} can be compared with unexposed ones, incidents fell only on one side, or they "
                "cannot be told apart from the covariates held fixed: the ratio has no finite estimate."
            )
        if len(np.unique(whole.clusters[group])) < 2 or len(np.unique(whole.clusters[other])) < 2:
            return (
                f"All {self.name} that can be compared lie in one {whole.cluster}, which cannot show how far "
                f"{whole.cluster}s differ from one another."
            )
        return None

    def require(self, whole: Problem, fit: TermFit, weights: Floats) -> None:
        """Refuse a group without a ratio to unexposed deployments, the coefficients of which have these weights (q,).

        Raises
        ------
        NotComparableError
            With the reason.
        """
        if silence := self._silence(whole, fit, weights):
            raise NotComparableError(silence)

    @property
    def label(self) -> str:
        """The group without the words all groups share: "at_peak=yes"."""
        return self.name.removeprefix("exposed deployments with ")

    def caveats(self, whole: Problem) -> Iterator[str]:
        """That few clusters hold the group."""
        group, _ = self._met(whole)
        if (count := len(np.unique(whole.clusters[group]))) < FEWEST_CLUSTERS:
            yield (
                f"The {self.name} that can be compared lie in {count} {whole.cluster}s; with fewer than "
                f"{FEWEST_CLUSTERS} the interval is not to be trusted."
            )

    def _met(self, problem: Problem) -> tuple[Mask, Mask]:
        """Entries of the group that meet unexposed ones in an eventful stratum, and those unexposed ones."""
        unexposed = problem.design[:, EXPOSED] == 0
        eventful = any_in(problem.strata, problem.events > 0)
        group = self.exposed & eventful & any_in(problem.strata, unexposed)
        return group, unexposed & eventful & any_in(problem.strata, self.exposed)
