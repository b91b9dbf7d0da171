"""Organisations whose truth we planted.

``simulate(WORLDS["demo"], seed=1)`` returns the tables of the data contract and the truth behind them. The
same world and seed give the same tables, row for row. An estimator is right when it finds the truth here;
a verdict is honest when it is seldom wrong over thousands of seeds.
"""

from counterfault.simulate.organisation import (
    Adoption,
    Effect,
    Habits,
    Outages,
    Register,
    Risk,
    Scale,
    World,
)
from counterfault.simulate.simulation import Simulated, simulate
from counterfault.simulate.truth import Truth
from counterfault.simulate.validation_worlds import VALIDATION_WORLDS
from counterfault.simulate.worlds import DEMO_SEED, WORLDS
from counterfault.simulate.write import write

__all__ = [
    "DEMO_SEED",
    "VALIDATION_WORLDS",
    "WORLDS",
    "Adoption",
    "Effect",
    "Habits",
    "Outages",
    "Register",
    "Risk",
    "Scale",
    "Simulated",
    "Truth",
    "World",
    "simulate",
    "write",
]
