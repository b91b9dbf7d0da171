"""The worlds that have names: organisations in which a known thing is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from counterfault.simulate.organisation import Adoption, Effect, Outages, Register, Risk, World
from counterfault.simulate.validation_worlds import VALIDATION_WORLDS

DEMO_SEED = 20260630  # of the bundled organisation: its last day

DEMO = World(
    name="demo",
    reason="The bundled organisation: AI raises the risk, more where no human approved and at peak load, and a "
    "little by way of bigger, less reviewed changes; fragile services adopted it first, so that the crude "
    "comparison shows far more than there is.",
    risk=Risk(spread=0.75),
    adoption=Adoption(riskier_adopters=0.8),
    effect=Effect(
        risk=1.3,
        without_approval=1.6,
        at_peak=1.35,
        validated=0.8,
        lines=1.35,
        review_hours=0.8,
        approval=0.45,
        tests=0.85,
        severe=1.2,
    ),
    outages=Outages(elsewhere=313),  # with the bundled seed, 900 incidents in all
    register=Register(broken_rows=True),
)
NULL = World(name="null", reason="AI does nothing, and the services that use it are like the others.")
NULL_CONFOUNDED = replace(
    NULL,
    name="null_confounded",
    reason="AI does nothing; fragile services use it more, and comparing across services finds a harm that is not "
    "there.",
    adoption=Adoption(riskier_adopters=0.8),
)
HARM = replace(
    NULL_CONFOUNDED,
    name="harm",
    reason="One plain ratio of 1.8 on the risk and nothing on the way, confounded as `null_confounded`: "
    "what an estimator should return, and the crude ratio exceeds.",
    effect=Effect(risk=1.8),
)
BENEFIT = replace(
    NULL_CONFOUNDED,
    name="benefit",
    reason="One plain ratio of 0.6, confounded as `null_confounded`, so that the crude ratio hides a part of it.",
    effect=Effect(risk=0.6),
)

WORLDS: Mapping[str, World] = MappingProxyType(
    {world.name: world for world in (DEMO, NULL, NULL_CONFOUNDED, HARM, BENEFIT, *VALIDATION_WORLDS.values())}
)
