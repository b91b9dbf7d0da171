"""From a world and a seed to an organisation: the order in which things come about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.random import Generator

from counterfault.simulate.broken_rows import with_broken_deployments, with_broken_incidents
from counterfault.simulate.changes import NO_INCIDENT, Changes, ship
from counterfault.simulate.incidents import NO_CAUSE, Incidents, happen
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Whole, hire
from counterfault.simulate.reactions import planned, react
from counterfault.simulate.register import (
    UNKNOWN,
    Findings,
    Labels,
    deployments_table,
    find_causes,
    incidents_table,
    write_flags,
    write_labels,
)
from counterfault.simulate.services import Services, found
from counterfault.simulate.texts import Texts, deployment_ids, incident_ids, texts
from counterfault.simulate.truth import (
    Truth,
    cascade_risk_ratio,
    counts,
    effects,
    interactions,
    log_ratio_spread,
    mistakes,
    recorded_counts,
)


@dataclass(frozen=True)
class Simulated:
    """One invented organisation.

    Attributes
    ----------
    deployments, incidents, dependencies : the tables of the data contract; times are UTC, whole seconds.
    truth : what is behind them.
    potential : the oracle's table, one row per deployment (broken rows apart): ``deployment_id``, ``second``
        (since the first day's midnight), ``service``, ``reaction``, ``assisted``, ``failed``, and the risks
        ``p_human``, ``p_ai``, ``p_human_held``, ``p_ai_held`` (mediators following the arm, or held as they
        came about), missing for reactions. It is never written to a file.
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
    dice = np.random.default_rng(seed).spawn(11)
    services = found(world, dice[0], dice[8])
    authors = hire(world, dice[1])
    routine = ship(world, services, authors, world.scale.deployments - planned(world), dice[2])
    incidents = happen(world, services, routine, dice[3])
    changes = routine.followed_by(react(world, services, authors, incidents, dice[4]))
    labels = write_labels(world, changes, incidents, dice[5], dice[9])
    flags = write_flags(world, changes, dice[9])
    findings = find_causes(world, changes, incidents, dice[6], dice[10])
    # The order drawn is kept as long as dice are thrown, so that moving one reaction does not hand every
    # later change the label dice of its neighbour.
    order = np.argsort(changes.background.second, kind="stable")
    place = np.argsort(order)
    simulated = Simulated(
        deployments=deployments_table(world, services, authors, changes, labels, flags, order, dice[5]),
        incidents=incidents_table(world, services, incidents, findings, place, dice[6]),
        dependencies=services.dependencies(),
        truth=_truth(world, seed, changes, incidents, labels, findings, place),
        potential=_oracle(services, changes, order),
    )
    return _with_broken_rows(simulated, dice[7]) if world.register.broken_rows else simulated


def _truth(
    world: World,
    seed: int,
    changes: Changes,
    incidents: Incidents,
    labels: Labels,
    findings: Findings,
    place: Whole,
) -> Truth:
    caused = np.nonzero(incidents.onset.cause != NO_CAUSE)[0]
    reactions = np.nonzero(changes.reaction_to != NO_INCIDENT)[0]
    reactions = reactions[np.argsort(place[reactions])]
    hidden = place[(labels.assistance == UNKNOWN) & changes.assisted]
    return Truth(
        world=world.name,
        seed=seed,
        **effects(world, changes),
        cascade_risk_ratio=cascade_risk_ratio(world, changes),
        log_ratio_spread=log_ratio_spread(world, changes),
        planted_interactions=interactions(world),
        counts=counts(changes, incidents) | recorded_counts(labels, findings),
        true_caused_by=_pairs(incident_ids(caused), deployment_ids(place[incidents.onset.cause[caused]])),
        reaction_to=_pairs(deployment_ids(place[reactions]), incident_ids(changes.reaction_to[reactions])),
        assisted_among_unknown=tuple(deployment_ids(np.sort(hidden)).tolist()),
        broken_rows={},
        parameters=world.parameters(),
        **mistakes(changes, incidents, labels, findings),
    )


def _pairs(keys: Texts, values: Texts) -> dict[str, str]:
    return dict(zip(keys.tolist(), values.tolist(), strict=True))


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


def _oracle(services: Services, changes: Changes, order: Whole) -> pd.DataFrame:
    background, risks = changes.background, changes.risks
    columns = {
        "second": background.second,
        "service": texts(services.names, background.service),
        "reaction": changes.reaction_to != NO_INCIDENT,
        "assisted": changes.assisted,
        "failed": changes.failed,
        **vars(risks),
    }
    return pd.DataFrame(
        {"deployment_id": deployment_ids(np.arange(len(order)))}
        | {name: column.take(order) for name, column in columns.items()}
    )
