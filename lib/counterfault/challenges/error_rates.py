"""Draws of how often labels are wrong: from the plan's trapezoids, or from a sample that a person judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from counterfault.challenges.corrected_tables import ErrorRates, Floats
from counterfault.display import settings_html

Corners = tuple[float, float, float, float]
JEFFREYS = 0.5


@dataclass(frozen=True)
class PriorRates:
    """What the plan believes of labels before anybody has looked.

    Parameters
    ----------
    sensitivity, specificity : trapezoids, as lowest value, first and last of the most plausible ones, highest value.
    correlation : of the normal scores of failed and other changes (NORTA; Cario & Nelson 1997); 1 makes both alike.
    """

    sensitivity: Corners
    specificity: Corners
    correlation: float

    _repr_html_ = settings_html

    def draw(self, rng: Generator, draws: int) -> ErrorRates:
        """Error rates of so many imagined sets of labels; sensitivity and specificity vary independently."""
        sensitivity = [trapezoid_quantile(share, self.sensitivity) for share in self._paired(rng, draws)]
        specificity = [trapezoid_quantile(share, self.specificity) for share in self._paired(rng, draws)]
        return ErrorRates(*sensitivity, *specificity)

    @property
    def planned(self) -> tuple[float, float]:
        """Sensitivity and specificity in the middle of what the plan finds most plausible."""
        return sum(self.sensitivity[1:3]) / 2, sum(self.specificity[1:3]) / 2

    def _paired(self, rng: Generator, draws: int) -> tuple[Floats, Floats]:
        failed, own = rng.standard_normal((2, draws))
        other = self.correlation * failed + np.sqrt(1 - self.correlation**2) * own
        return np.asarray(ndtr(failed)), np.asarray(ndtr(other))


def trapezoid_quantile(share: Floats, corners: Corners) -> Floats:
    """The values below which these shares of a trapezoidal distribution lie; corners may fall together."""
    lowest, first, last, highest = corners
    if lowest == highest:
        return np.full_like(share, lowest)
    height = 2 / (highest - lowest + last - first)
    rising, falling = height * (first - lowest) / 2, height * (highest - last) / 2
    up = lowest + np.sqrt(2 * np.minimum(share, rising) * (first - lowest) / height)
    level = np.clip(share - rising, 0, 1 - rising - falling) / height
    down = np.sqrt(2 * np.minimum(1 - share, falling) * (highest - last) / height)
    return np.where(share <= rising, up, np.where(share < 1 - falling, first + level, highest - down))


@dataclass(frozen=True)
class JudgedRates:
    """What a sample, judged by a person and drawn by label and outcome, says of labels.

    A sample drawn by label tells directly how many labelled changes are what they are called (predictive values), and
    not how many of the AI-assisted are found. With π, the share of all changes that are labelled AI, Bayes gives

        Se = P π / (P π + F (1 − π)),   Sp = (1 − F) (1 − π) / ((1 − F) (1 − π) + (1 − P) π),

    P being the share judged AI among those labelled AI and F among those labelled human. Both are done for failed and
    for other changes apart, so that nothing is assumed about whether finding AI depends on the outcome.

    Why not apply the predictive values to every stratum? They depend on how common AI is there: a service that uses
    none would be given some.

    Attributes
    ----------
    judged : (label, failed) → how many a person judged.
    found_ai : (label, failed) → how many of them the person called AI-assisted.
    labelled : (label, failed) → how many deployments of the contrast carry that label.
    """

    judged: Mapping[tuple[str, int], int]
    found_ai: Mapping[tuple[str, int], int]
    labelled: Mapping[tuple[str, int], int]

    def draw(self, rng: Generator, draws: int) -> ErrorRates:
        """Error rates from the posterior of each predictive value, with Jeffreys' prior Beta(½, ½)."""
        sensitivity, specificity = {}, {}
        for failed in (1, 0):
            share = {label: self._posterior(rng, draws, label, failed) for label in ("ai", "human")}
            of_ai, of_human = self.labelled["ai", failed], self.labelled["human", failed]
            found, missed = share["ai"] * of_ai, share["human"] * of_human
            invented, right = (1 - share["ai"]) * of_ai, (1 - share["human"]) * of_human
            sensitivity[failed] = found / (found + missed)
            specificity[failed] = right / (right + invented)
        return ErrorRates(sensitivity[1], sensitivity[0], specificity[1], specificity[0])

    def _posterior(self, rng: Generator, draws: int, label: str, failed: int) -> Floats:
        ai, all_judged = self.found_ai[label, failed], self.judged[label, failed]
        return np.asarray(rng.beta(JEFFREYS + ai, JEFFREYS + all_judged - ai, draws))
