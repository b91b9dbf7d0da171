"""From all cells to those that inform an odds ratio: what no finite coefficient can fit is set aside and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.odds.separation import separated_cells
from counterfault.estimators.poisson.cluster_robust import centred_within
from counterfault.estimators.poisson.conditional_poisson import Mask, identified_columns
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem

FIRTH = "Firth's penalised likelihood (`regression.odds_ratio.firth`) still gives an estimate"


def informative(whole: Problem, *, conditioned: bool = False) -> Problem:
    """The entries a logistic fit within ``strata`` learns from, and the columns it can tell apart.

    Strata, and levels of what is adjusted for, that hold events only or none have an effect without finite value,
    fit exactly, and say nothing about exposure; so do combinations that separate only together. Without them the fit
    is the limit of the full one.

    Parameters
    ----------
    whole : all cells; ``strata`` are what has an effect of its own, absorbed or conditioned on.
    conditioned : whether strata are conditioned on, so that those of one outcome are none of the fit's business and
        no note tells of them.

    Raises
    ------
    NotComparableError
        With the reason, when nothing is left that tells exposed from unexposed.
    """
    require_outcomes(whole)
    discordant, gone = _without_pure_levels(whole)
    _require_both_arms(discordant)
    identified = _identified(discordant)
    if EXPOSED not in identified:
        raise NotComparableError(
            f"Within {whole.place}, exposure cannot be told apart from {_names(whole)}: no two deployments "
            "differ in exposure alone."
        )
    separated = separated_cells(
        discordant.design[:, identified], discordant.events, discordant.copies, discordant.strata
    )
    used = discordant.only(~separated)
    used = used.only(_varying(used)) if len(used.design) else used
    columns = _identified(used) if separated.any() else identified
    if EXPOSED not in columns:
        raise NotComparableError(
            f"Events and their absence fell on different sides wherever exposed and unexposed deployments of one "
            f"{whole.place} can be compared{_at_equal(whole)}: the odds ratio has no finite estimate. {FIRTH}."
        )
    if conditioned:
        del gone[whole.place]
    notes = (*_left(gone), *_set_aside(discordant, separated), *_idle(discordant, identified))
    return replace(used.columns(sorted(columns)), notes=notes)


def require_outcomes(whole: Problem) -> None:
    """Refuse cells in which nothing, or everything, was followed by an incident.

    Raises
    ------
    NotComparableError
        With the count.
    """
    deployments, events = whole.copies.sum(), whole.events.sum()
    if not deployments:
        raise NotComparableError("No deployment is left to compare.")
    if not events:
        raise NotComparableError(f"None of the {deployments:.0f} deployments was followed by an incident.")
    if events == deployments:
        raise NotComparableError(
            f"All {deployments:.0f} deployments were followed by an incident, so there are no odds to compare."
        )


def _require_both_arms(kept: Problem) -> None:
    exposed, both = kept.design[:, EXPOSED] == 1, kept.both_arms()
    if not both.any():
        raise NotComparableError(
            f"No {kept.place} holds exposed deployments, unexposed ones, an incident and a deployment without one."
        )
    for name, arm in (("exposed", exposed), ("unexposed", ~exposed)):
        events, deployments = kept.events[both & arm].sum(), kept.copies[both & arm].sum()
        if events in (0, deployments):
            count = "No" if events == 0 else "Every"
            ratio = "zero" if (events == 0) == (name == "exposed") else "infinite"
            raise NotComparableError(
                f"{count} {name} deployment was followed by an incident where it can be compared with others of its "
                f"{kept.place}: the odds ratio would be {ratio}, without an interval. {FIRTH}."
            )


def _without_pure_levels(whole: Problem) -> tuple[Problem, Counter[str]]:
    """Drop strata and levels with events only or none until there are none; how many of each there were."""
    gone: Counter[str] = Counter()
    kept, before = whole, -1
    while len(kept.design) not in (before, 0):
        before = len(kept.design)
        kept, strata = _without_pure(kept, kept.strata)
        gone[whole.place] += strata
        for name in map(str, whole.levels.columns):
            kept, levels = _without_pure(kept, kept.levels[name].to_numpy())
            gone[name] += levels
    return kept, gone


def _without_pure(kept: Problem, groups: NDArray[Any]) -> tuple[Problem, int]:
    codes = np.unique(groups, return_inverse=True)[1].reshape(-1)
    events, copies = np.bincount(codes, kept.events), np.bincount(codes, kept.copies)
    pure: Mask = (events == 0) | (events == copies)
    return (kept.only(~pure[codes]), int(pure.sum())) if pure.any() else (kept, 0)


def _varying(kept: Problem) -> Mask:
    """Entries of strata whose entries are not all alike in exposure and covariates."""
    differs = np.abs(centred_within(kept.design, np.ones(len(kept.design)), kept.strata)).max(axis=1) > 1e-9
    found: Mask = (np.bincount(kept.strata, differs) > 0)[kept.strata]
    return found


def _identified(kept: Problem) -> list[int]:
    """Identified columns; exposure is asked last, so that it never takes credit for a covariate."""
    if not len(kept.design):
        return []
    return identified_columns(kept.design, kept.strata, [*range(1, kept.design.shape[1]), EXPOSED])


def _left(gone: Counter[str]) -> Iterator[str]:
    for name, count in gone.items():
        if count:
            yield (
                f"{count} {'level' if count == 1 else 'levels'} of {name} left the fit, with incidents after all "
                "deployments or none: an effect of its own fits it exactly, so it says nothing about the ratio."
            )


def _set_aside(kept: Problem, separated: Mask) -> Iterator[str]:
    if separated.any():
        yield (
            f"{kept.copies[separated].sum():.0f} deployments at combinations of {_names(kept)} left the fit: "
            "covariates alone tell their outcome, so the odds ratio does not depend on them."
        )


def _idle(kept: Problem, identified: list[int]) -> Iterator[str]:
    """Name what adjusts for nothing that is not already held fixed."""
    active = {kept.covariate_of[column] for column in identified}
    if idle := [str(name) for name in kept.levels if name not in active]:
        yield f"Within {kept.place}, {', '.join(idle)} adds nothing to what is already held fixed."


def _at_equal(whole: Problem) -> str:
    return f" at equal {_names(whole)}" if len(whole.levels.columns) else ""


def _names(problem: Problem) -> str:
    return ", ".join(map(str, problem.levels.columns))
