"""From a world and a seed to an organisation: the order in which things come about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.random import Generator

from counterfault.simulate.broken_rows import with_broken_deployments, with_broken_incidents
from counterfault.simulate.changes import ship
from counterfault.simulate.incidents import NO_CAUSE, happen
from counterfault.simulate.organisation import World
from counterfault.simulate.people import hire
from counterfault.simulate.reactions import NO_INCIDENT, planned, react
from counterfault.simulate.register import deployments_table, incidents_table
from counterfault.simulate.services import Services, found
from counterfault.simulate.truth import Truth, counts, effects, interactions


@dataclass(frozen=True)
class Simulated:
    """One invented organisation.

    Attributes
    ----------
    deployments, incidents, dependencies : the tables of the data contract; times are UTC, whole seconds.
    truth : what is behind them.
    potential : the oracle's table, one row per deployment (broken rows apart): ``deployment_id``,
        ``service``, ``reaction``, ``assisted``, ``failed``, and the risks ``p_human``, ``p_ai``,
        ``p_human_held``, ``p_ai_held`` (mediators following the arm, or held as they came about), missing
        for reactions. It is never written to a file.
    """

    deployments: pd.DataFrame
    incidents: pd.DataFrame
    dependencies: pd.DataFrame
    truth: Truth
    potential: pd.DataFrame


def simulate(world: World, seed: int) -> Simulated:
    """Draw one organisation in which `world` is true.

    Parameters
    ----------
    world : the settings; ``WORLDS`` holds the named ones.
    seed : of numpy's default generator, 0 or above.

    Returns
    -------
    The tables, the truth, and the potential outcomes. There are exactly `world.scale.deployments` good
    deployments, unless fewer incidents were resolved than reactions planned; broken rows come on top.

    Notes
    -----
    Each stage draws from a generator of its own, so a world that changes one stage keeps the dice of the
    others: under one seed, two worlds differ only where their settings make them.
    """
    dice = np.random.default_rng(seed).spawn(8)
    services = found(world, dice[0])
    authors = hire(world, dice[1])
    routine = ship(world, services, authors, world.scale.deployments - planned(world), dice[2])
    incidents = happen(world, services, routine, dice[3])
    reactions = react(world, services, authors, incidents, dice[4])
    changes, incidents = _identified(routine, reactions, incidents)
    by_time = np.argsort(changes["second"].to_numpy(), kind="stable")
    simulated = Simulated(
        deployments=deployments_table(world, services, authors, changes, dice[5]).take(by_time).reset_index(drop=True),
        incidents=incidents_table(world, services, incidents, dice[6]),
        dependencies=services.dependencies(),
        truth=_truth(world, seed, changes, incidents),
        potential=_oracle(services, changes).take(by_time).reset_index(drop=True),
    )
    simulated = replace(simulated, truth=_with_labels(simulated))
    return _with_broken_rows(simulated, dice[7]) if world.register.broken_rows else simulated


def _identified(
    routine: pd.DataFrame, reactions: pd.DataFrame, incidents: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All changes, numbered by time but in the order drawn, and incidents that know their causes by number.

    The order drawn is kept as long as dice are thrown, so that moving one reaction does not hand every
    later change the label dice of its neighbour.
    """
    changes = pd.concat(
        [routine.assign(rollback=False, hotfix=False, reaction_to=NO_INCIDENT), reactions], ignore_index=True
    )
    order = np.argsort(changes["second"].to_numpy(), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(1, len(order) + 1)
    changes["deployment_id"] = _identifiers("dep", place, digits=6)
    caused = incidents["cause"].to_numpy() != NO_CAUSE
    incidents = incidents.assign(
        incident_id=_identifiers("inc", np.arange(1, len(incidents) + 1), digits=4),
        true_caused_by=changes["deployment_id"].reindex(incidents["cause"]).reset_index(drop=True),
    )
    changes["incident_start"] = incidents[caused].set_index("cause")["start"]
    return changes, incidents


def _identifiers(prefix: str, numbers: np.ndarray, *, digits: int) -> pd.Series[str]:
    return pd.Series([f"{prefix}-{number:0{digits}d}" for number in numbers.tolist()], dtype="str")


def _truth(world: World, seed: int, changes: pd.DataFrame, incidents: pd.DataFrame) -> Truth:
    caused = incidents[incidents["cause"] != NO_CAUSE]
    reactions = changes[changes["reaction_to"] != NO_INCIDENT].sort_values("deployment_id")
    answered = incidents["incident_id"].take(reactions["reaction_to"].to_numpy())
    return Truth(
        world=world.name,
        seed=seed,
        **effects(world, changes),
        planted_interactions=interactions(world),
        counts=counts(changes, incidents),
        true_caused_by=dict(zip(caused["incident_id"], caused["true_caused_by"], strict=True)),
        reaction_to=dict(zip(reactions["deployment_id"], answered, strict=True)),
        assisted_among_unknown=(),
        broken_rows={},
        parameters=world.parameters(),
    )


def _with_labels(simulated: Simulated) -> Truth:
    """The truth, with what the register made of it."""
    labels = simulated.deployments["assistance"]
    hidden = (labels == "unknown") & simulated.potential["assisted"]
    known = {f"labelled_{label}": int((labels == label).sum()) for label in ("ai", "human", "unknown")}
    recorded = {"incidents_with_recorded_cause": int(simulated.incidents["caused_by"].notna().sum())}
    return replace(
        simulated.truth,
        counts={**simulated.truth.counts, **known, **recorded},
        assisted_among_unknown=tuple(simulated.deployments.loc[hidden, "deployment_id"]),
    )


def _with_broken_rows(simulated: Simulated, rng: Generator) -> Simulated:
    deployments, bad_deployments = with_broken_deployments(simulated.deployments, rng)
    incidents, bad_incidents = with_broken_incidents(simulated.incidents, simulated.deployments, rng)
    reasons = {"deployments": bad_deployments, "incidents": bad_incidents}
    return replace(
        simulated,
        deployments=deployments,
        incidents=incidents,
        truth=replace(simulated.truth, broken_rows=reasons),
    )


def _oracle(services: Services, changes: pd.DataFrame) -> pd.DataFrame:
    risks = ["p_human", "p_ai", "p_human_held", "p_ai_held"]
    return pd.DataFrame(
        {
            "deployment_id": changes["deployment_id"],
            "service": pd.array(list(services.names), dtype="str").take(changes["service"].to_numpy()),
            "reaction": changes["reaction_to"] != NO_INCIDENT,
            "assisted": changes["assisted"],
            "failed": changes["failed"],
            **{risk: changes[risk] for risk in risks},
        }
    )
