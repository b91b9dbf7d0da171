"""The services of an invented organisation: names, teams, layers, dependencies, temperament."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.names import APPLICATIONS, PLATFORMS, TEAMS
from counterfault.simulate.organisation import Scale, World
from counterfault.simulate.texts import texts

FEWEST_CALLS, MOST_CALLS = 2, 4  # platform services an application calls
MANY = 1_000  # applications, beyond which their calls are drawn at once


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
    log_ratio : log of what AI multiplies its risk by, beyond the ratio the world plants everywhere.
    calls : services × platform services; ``calls[i, j]`` says that i calls the j-th of the platform. Nobody
        calls an application, and without those columns 5,000 services stay small. Acyclic by construction.
    risk_by_week, adoption_by_week : services × weeks, what a week adds to log risk and log odds of use; None
        where weeks are alike.
    assigned_from : the second from which its team writes everything with AI, infinity for never; None where
        teams decide for themselves.
    """

    names: tuple[str, ...]
    teams: tuple[str, ...]
    team: NDArray[np.int64]
    platform: NDArray[np.bool_]
    weight: NDArray[np.float64]
    adoption: NDArray[np.float64]
    log_risk: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    calls: NDArray[np.bool_]
    risk_by_week: NDArray[np.float64] | None
    adoption_by_week: NDArray[np.float64] | None
    assigned_from: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.names)

    def callers(self, service: NDArray[np.int64]) -> NDArray[np.bool_]:
        """One row for each service asked about: which services call it directly."""
        callers = np.zeros((len(service), len(self)), dtype=bool)
        below = self.platform[service]
        callers[below] = self.calls.T[self._column()[service[below]]]
        return callers

    def dependants(self) -> NDArray[np.int64]:
        """How many services call each one, directly or through others."""
        count = np.zeros(len(self), dtype=np.int64)
        reach = self.calls[self.platform]
        # Paths double in length at each step; no acyclic path is longer than the number of platform services.
        for _ in range(len(reach).bit_length()):
            reach = reach | _product(reach, reach)
        count[self.platform] = (self.calls | _product(self.calls, reach)).sum(axis=0)
        return count

    def dependencies(self) -> pd.DataFrame:
        """The dependency table of the data contract."""
        caller, column = np.nonzero(self.calls)
        called = np.nonzero(self.platform)[0][column]
        return pd.DataFrame({"service": texts(self.names, caller), "depends_on": texts(self.names, called)})

    def _column(self) -> NDArray[np.int64]:
        """Where in `calls` a platform service has its column."""
        return np.cumsum(self.platform) - 1


def _product(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a path leads over one step of each; numpy multiplies numbers far faster than booleans."""
    return (left.astype(np.float32) @ right.astype(np.float32)) > 0


def found(world: World, rng: Generator, of_mechanisms: Generator) -> Services:
    """Draw the organisation's services; mechanisms have dice of their own, which most worlds leave untouched."""
    scale = world.scale
    platforms = round(scale.services * scale.platform_share)
    platform = np.arange(scale.services) >= scale.services - platforms
    team = _owners(scale.teams, platform, scale.platform_share)
    size = np.exp(scale.size_spread * rng.standard_normal(scale.services))
    adoption, log_risk = _temperament(world, team, rng)
    log_risk = log_risk + _shared_by_teams(world, team, of_mechanisms)
    return Services(
        names=_named(APPLICATIONS, "application", scale.services - platforms)
        + _named(PLATFORMS, "platform", platforms),
        teams=_named(TEAMS, "team", scale.teams),
        team=team,
        platform=platform,
        weight=size / size.sum(),
        adoption=adoption,
        log_risk=log_risk,
        log_ratio=_own_ratios(world, of_mechanisms),
        calls=_calls(platform, rng),
        risk_by_week=_shocks(scale, world.risk.bursts, of_mechanisms),
        adoption_by_week=_shocks(scale, world.adoption.bursts, of_mechanisms),
        assigned_from=_assignment(world, team, of_mechanisms),
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


def _calls(platform: NDArray[np.bool_], rng: Generator) -> NDArray[np.bool_]:
    """Applications call two to four platform services; a platform service may call earlier ones."""
    below = np.nonzero(platform)[0]
    applications = np.nonzero(~platform)[0]
    calls = np.zeros((len(platform), len(below)), dtype=bool)
    if len(applications) > MANY and len(below) >= MOST_CALLS:
        calls[applications] = _calls_of_many(len(applications), len(below), rng)
        applications = applications[:0]
    for application in applications:
        chosen = min(int(rng.integers(FEWEST_CALLS, MOST_CALLS + 1)), len(below))
        calls[application, rng.choice(len(below), chosen, replace=False)] = True
    for position, service in enumerate(below):
        calls[service, :position] = rng.random(position) < 0.15
    return calls


def _calls_of_many(applications: int, below: int, rng: Generator) -> NDArray[np.bool_]:
    """The same draw for all applications at once: those platform services whose dice are lowest.

    Why not always? With one choice per application thousands take longer than everything else together; with
    this one the bundled organisation would be another.
    """
    dice = rng.random((applications, below))
    lowest = np.partition(dice, range(FEWEST_CALLS - 1, MOST_CALLS), axis=1)
    last = lowest[np.arange(applications), rng.integers(FEWEST_CALLS - 1, MOST_CALLS, applications)]
    called: NDArray[np.bool_] = dice <= last[:, None]
    return called


def _shared_by_teams(world: World, team: NDArray[np.int64], rng: Generator) -> NDArray[np.float64]:
    """What every service of a team adds to its log risk."""
    spread = world.risk.team_spread
    shared = spread * rng.standard_normal(world.scale.teams) if spread else np.zeros(world.scale.teams)
    return shared[team]


def _own_ratios(world: World, rng: Generator) -> NDArray[np.float64]:
    spread, count = world.effect.spread, world.scale.services
    return spread * rng.standard_normal(count) if spread else np.zeros(count)


def _shocks(scale: Scale, spread: float, rng: Generator) -> NDArray[np.float64] | None:
    """Log-normal shocks, one for each service and week: all changes of that week share theirs."""
    return spread * rng.standard_normal((scale.services, scale.weeks)) if spread else None


def _assignment(world: World, team: NDArray[np.int64], rng: Generator) -> NDArray[np.float64] | None:
    """When AI is given to a team: in the middle half of the record, so that there is a before and an after."""
    scale, share = world.scale, world.adoption.assigned_teams
    if not share:
        return None
    given = rng.permutation(scale.teams) < round(share * scale.teams)
    dates = rng.uniform(0.25, 0.75, scale.teams) * scale.seconds
    return np.where(given, dates, np.inf)[team]
