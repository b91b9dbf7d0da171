"""Short invented incident reports. They tell what people knew, never the planted truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.texts import Texts

SYMPTOMS = {
    "cascade": ("A failure of {service} took its callers with it.", "Errors spread from {service} to its callers."),
    "latency": ("Response times of {service} rose far above their usual level.", "Callers of {service} timed out."),
    "race": ("Two requests to {service} overwrote each other.", "Equal requests to {service} had unequal answers."),
    "silent": ("Requests to {service} were lost without an error.", "Part of the work of {service} was not done."),
    "capacity": ("Queues in front of {service} filled up.", "No connections to {service} were left under load."),
    "data": ("Records written by {service} were incomplete.", "Records of {service} had the wrong format."),
    "other": ("Some users got errors from {service}.", "A feature of {service} was not available."),
}
FINDINGS = {
    "recorded": "The deployment that triggered it was found and noted.",
    "change": "A recent change is suspected; which one was not noted.",
    "unknown": "The trigger was not established.",
}
OTHER_FINDINGS = {
    "capacity": ("More customers came than the system was sized for.", "A machine failed, and the rest had no room."),
    "elsewhere": ("A supplier had an outage.", "A certificate had expired."),
}


def narratives(services: Texts, modes: Texts, causes: Texts, recorded: NDArray[np.bool_], rng: Generator) -> Texts:
    """One report of two sentences per incident: what was seen, and what was found."""
    wording = rng.integers(0, 2, len(modes))
    reason = rng.integers(0, 2, len(modes))
    columns = (services, modes, causes, recorded, wording, reason)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return pd.array(
        [
            f"{SYMPTOMS[mode][word].format(service=service)} {_finding(mode, cause, known, why)}"
            for service, mode, cause, known, word, why in rows
        ],
        dtype="str",
    )


def _finding(mode: str, cause: str, recorded: bool, reason: int) -> str:
    if recorded:
        return FINDINGS["recorded"]
    if cause == "other":
        return OTHER_FINDINGS["capacity" if mode == "capacity" else "elsewhere"][reason]
    return FINDINGS[cause]
