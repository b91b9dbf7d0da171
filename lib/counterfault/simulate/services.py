"""The services of an invented organisation: names, teams, layers, dependencies, temperament."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.names import APPLICATIONS, PLATFORMS, TEAMS
from counterfault.simulate.organisation import World


@dataclass(frozen=True)
class Services:
    """One entry per service in each array.

    Attributes
    ----------
    names : the services' names.
    teams : the teams' names, indexed by ``team``.
    team : index of the owning team.
    platform : whether it belongs to the layer the applications stand on.
    weight : share of the organisation's routine changes, summing to 1.
    adoption : log odds of AI use relative to the organisation's trend.
    log_risk : log of its risk relative to a middling service.
    depends : square matrix; ``depends[i, j]`` says that i calls j. Acyclic by construction.
    """

    names: tuple[str, ...]
    teams: tuple[str, ...]
    team: NDArray[np.int64]
    platform: NDArray[np.bool_]
    weight: NDArray[np.float64]
    adoption: NDArray[np.float64]
    log_risk: NDArray[np.float64]
    depends: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.names)

    def reach(self) -> NDArray[np.bool_]:
        """``reach[i, j]``: i calls j, directly or through others."""
        reach = self.depends
        # Paths double in length at each step; no acyclic path is longer than the number of services.
        for _ in range(len(self).bit_length()):
            reach = reach | (reach @ reach)
        return reach

    def dependencies(self) -> pd.DataFrame:
        """The dependency table of the data contract."""
        caller, called = np.nonzero(self.depends)
        names = pd.array(list(self.names), dtype="str")
        return pd.DataFrame({"service": names.take(caller), "depends_on": names.take(called)})


def found(world: World, rng: Generator) -> Services:
    """Draw the organisation's services."""
    scale = world.scale
    platforms = round(scale.services * scale.platform_share)
    platform = np.arange(scale.services) >= scale.services - platforms
    team = _owners(scale.teams, platform, scale.platform_share)
    size = np.exp(scale.size_spread * rng.standard_normal(scale.services))
    adoption, log_risk = _temperament(world, team, rng)
    return Services(
        names=_named(APPLICATIONS, "application", scale.services - platforms)
        + _named(PLATFORMS, "platform", platforms),
        teams=_named(TEAMS, "team", scale.teams),
        team=team,
        platform=platform,
        weight=size / size.sum(),
        adoption=adoption,
        log_risk=log_risk,
        depends=_dependencies(platform, rng),
    )


def _named(names: Sequence[str], kind: str, count: int) -> tuple[str, ...]:
    """The invented names as far as they reach, then numbers."""
    return tuple(names[i] if i < len(names) else f"{kind}-{i + 1}" for i in range(count))


def _owners(teams: int, platform: NDArray[np.bool_], platform_share: float) -> NDArray[np.int64]:
    """Teams own services of one layer, in turn; a lone team owns everything."""
    within_layer = np.where(platform, np.cumsum(platform), np.cumsum(~platform)) - 1
    if teams == 1 or platform.all() or not platform.any():
        return within_layer % teams
    platform_teams = min(max(1, round(teams * platform_share)), teams - 1)
    application_teams = teams - platform_teams
    return np.where(platform, application_teams + within_layer % platform_teams, within_layer % application_teams)


def _temperament(
    world: World, team: NDArray[np.int64], rng: Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How keen each service is on AI, and how fragile it is: correlated, if the world says so."""
    adoption, risk = world.adoption, world.risk
    by_team = rng.standard_normal(world.scale.teams)[team]
    keen = np.sqrt(adoption.team_part) * by_team
    keen += np.sqrt(1 - adoption.team_part) * rng.standard_normal(len(team))
    shared = adoption.riskier_adopters
    fragile = shared * keen + np.sqrt(1 - shared**2) * rng.standard_normal(len(team))
    return adoption.spread * keen, risk.spread * fragile


def _dependencies(platform: NDArray[np.bool_], rng: Generator) -> NDArray[np.bool_]:
    """Applications call two to four platform services; a platform service may call earlier ones."""
    depends = np.zeros((len(platform), len(platform)), dtype=bool)
    below = np.nonzero(platform)[0]
    for application in np.nonzero(~platform)[0]:
        calls = min(int(rng.integers(2, 5)), len(below))
        depends[application, rng.choice(below, calls, replace=False)] = True
    for position, service in enumerate(below):
        depends[service, below[:position]] = rng.random(position) < 0.15
    return depends
