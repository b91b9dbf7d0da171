"""What the two ways of pooling share: choices of interval, names of answers, and each group's own ratio."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from math import isnan

import numpy as np

from counterfault.estimators.pooling.between_groups import Floats, Heterogeneity
from counterfault.estimators.pooling.grouped_strata import GroupedStrata


class MeanInterval(Enum):
    """How the interval of the mean ratio is made."""

    PLAIN = "normal limits as if τ were known"
    HARTUNG_KNAPP = "Hartung–Knapp–Sidik–Jonkman limits, t(k−1)"
    # Jackson, Law, Rücker & Schwarzer (2017), Statistics in Medicine 36:3923, hybrid method 2. Where groups happen to
    # agree closely, Hartung and Knapp's interval can be narrower than that of a single common ratio.
    AT_LEAST_PLAIN = "the wider of Hartung–Knapp–Sidik–Jonkman, t(k−1), and plain limits (Jackson et al. 2017)"

    def __repr__(self) -> str:
        return self.name


class Prediction(Enum):
    """How the interval for a new group is made."""

    HIGGINS_THOMPSON_SPIEGELHALTER = "Higgins–Thompson–Spiegelhalter (2009): mean ± t(k−2) √(τ² + plain variance)"
    HARTUNG_KNAPP = "mean ± t(k−1) √(τ² + Hartung–Knapp variance)"

    def __repr__(self) -> str:
        return self.name


def pooled_id(what: str, by: str) -> str:
    """``pooled.<what>``, told apart by what was pooled unless that is services."""
    return f"pooled.{what}" if by == "service" or what.startswith("new_") else f"pooled.{what}.by_{by}"


def log_ratios(grouped: GroupedStrata) -> tuple[Floats, Floats]:
    """Per group the log Mantel–Haenszel risk ratio and Greenland & Robins' variance; NaN where an arm has no event."""
    s = grouped.strata
    over, under = grouped.total(s.a * s.n0 / s.size), grouped.total(s.c * s.n1 / s.size)
    spread = grouped.total((s.n1 * s.n0 * s.events - s.a * s.c * s.size) / s.size**2)
    both = (over > 0) & (under > 0)
    values, variances = np.full(len(both), np.nan), np.full(len(both), np.nan)
    values[both] = np.log(over[both] / under[both])
    variances[both] = spread[both] / (over[both] * under[both])
    return values, variances


def heterogeneity_in_words(found: Heterogeneity, by: str) -> str:
    """Q and I² in a sentence."""
    return (
        f"Cochran's Q is {found.q:.1f} on {found.degrees} degrees of freedom; I² = {found.i_squared:.0%} of the "
        f"variance seen lies between {by}s. With few incidents per {by}, Q sees little."
    )


def too_alike(low: float) -> Iterator[str]:
    """The caveat of a Q-profile interval that is empty."""
    if isnan(low):
        yield (
            "The ratios agree more closely than chance should allow, so no τ fits them and the interval is everything."
        )
