"""The causal diagram a plan asserts, as nodes with roles and arrows between them; drawing it is left to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from counterfault.display import card

EXPOSURE = "AI assistance"
OUTCOME = "incident"
UNMEASURED = "unmeasured"


class Role(Enum):
    """What a node is to the question."""

    EXPOSURE = "exposure"
    OUTCOME = "outcome"
    CONFOUNDER = "confounder"
    MEDIATOR = "mediator"
    STRATUM = "stratum"
    UNMEASURED = "unmeasured"


class Arrow(NamedTuple):
    """One node acts on another. ``assumed_absent`` marks what the estimates are wrong without."""

    cause: str
    effect: str
    assumed_absent: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """A directed acyclic graph.

    Attributes
    ----------
    roles : of each node, in the order in which time runs: strata, confounders, exposure, mediators, outcome.
    arrows : each from an earlier node to a later one.
    """

    roles: dict[str, Role]
    arrows: tuple[Arrow, ...]

    def _repr_html_(self) -> str:
        facts = {role.value: ", ".join(name for name, own in self.roles.items() if own is role) for role in Role}
        told = f"{len(self.arrows)} arrows that the plan's roles imply."
        return card("Causal diagram", told, facts=facts, then=("figures.causal_diagram(diagram)",))


def causal_diagram(confounders: tuple[str, ...], mediators: tuple[str, ...], strata: tuple[str, ...]) -> Diagram:
    """What acts on what, if the roles a plan gives its columns are right.

    Strata and confounders act on exposure, mediators and outcome; exposure on mediators and outcome; mediators on the
    outcome. Arrows among strata and confounders, and among mediators, are left out: the first are all held fixed, the
    second are taken together, so none of them changes an estimate. From something unmeasured to each of exposure,
    mediators and outcome there are arrows that are assumed absent.

    Parameters
    ----------
    confounders, mediators, strata : column names, as in the plan's design.

    Raises
    ------
    ValueError
        When a column has two roles, or the name of a node of its own.

    Examples
    --------
    >>> diagram = cf.causal_diagram(study.confounders, study.mediators, plan.design.strata)
    >>> figure = cf.figures.causal_diagram(diagram)
    """
    nodes = [
        *((name, Role.STRATUM) for name in strata),
        *((name, Role.CONFOUNDER) for name in confounders),
        (UNMEASURED, Role.UNMEASURED),
        (EXPOSURE, Role.EXPOSURE),
        *((name, Role.MEDIATOR) for name in mediators),
        (OUTCOME, Role.OUTCOME),
    ]
    names = [name for name, _ in nodes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(map(repr, twice))} has two roles in the causal diagram; name it once.")
    return Diagram(dict(nodes), tuple(_arrows(confounders, mediators, strata)))


def _arrows(confounders: tuple[str, ...], mediators: tuple[str, ...], strata: tuple[str, ...]) -> Iterator[Arrow]:
    for cause in (*strata, *confounders):
        yield from (Arrow(cause, effect) for effect in (EXPOSURE, *mediators, OUTCOME))
    yield from (Arrow(EXPOSURE, effect) for effect in (*mediators, OUTCOME))
    yield from (Arrow(mediator, OUTCOME) for mediator in mediators)
    yield from (Arrow(UNMEASURED, effect, assumed_absent=True) for effect in (EXPOSURE, *mediators, OUTCOME))
