"""What a panel can say about a staggered adoption: whether anything, on which units, and with which reservations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from counterfault.estimators.around_adoption.group_time import Averages, Controls, Staggered
from counterfault.estimators.around_adoption.unit_table import NEVER, UnitTable
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask

_FEW = 10


@dataclass(frozen=True, slots=True)
class Evidence:
    """A panel made ready for one set of settings.

    Attributes
    ----------
    table : the panel as arrays.
    staggered : outcome, adoption and controls.
    unit, calendar : what rows and columns are, "service" and "month".
    threshold : share of AI-assisted deployments that makes an adopter.
    """

    table: UnitTable
    staggered: Staggered
    unit: str
    calendar: str
    threshold: float

    def silence(self) -> str:
        """Why nothing can be compared; empty if something can."""
        fewest, unit = self.staggered.fewest, self.unit
        if len(self.table.periods) < 2:
            return f"{self.calendar}s in the panel: {len(self.table.periods)}; a change from before to after needs two"
        if not (self.at_start + self.later):
            return f"no {unit} adopted: none reached a lasting share of {self.threshold:.0%} AI-assisted deployments"
        if not self.later:
            return f"every {unit} that adopted had done so when the data begin, so there is no before"
        if self.later < fewest:
            return (
                f"{unit}s that adopted after the first {self.calendar}: {self.later}; fewer than {fewest} tell nothing"
            )
        if self.staggered.controls is Controls.NEVER and self.never < fewest:
            return f"{unit}s that never adopted: {self.never}; fewer than {fewest} are no control group"
        if not np.nansum(self.staggered.outcome):
            return f"no {unit} had any incident, so there is nothing to compare"
        if not any((found.control_counts >= fewest).any() for found in self.staggered.comparisons()):
            return f"at no adoption were there {fewest} {unit}s with deployments that had not adopted: no controls"
        return ""

    def too_few(self, value: Averages) -> str:
        """Why an average rests on too little; empty if it does not."""
        left, fewest = int(value.adopter.sum()), self.staggered.fewest
        if left >= fewest:
            return ""
        return (
            f"{self.unit}s that adopted, shipped just before, and have {fewest} controls later: {left}; fewer than "
            f"{fewest} tell nothing"
        )

    @property
    def later(self) -> int:
        """Units that adopted after the first period."""
        adopted = self.staggered.adopted
        return int(((adopted > 0) & (adopted < NEVER)).sum())

    @property
    def never(self) -> int:
        """Units that never adopted."""
        return int((self.staggered.adopted == NEVER).sum())

    @property
    def at_start(self) -> int:
        """Units that had adopted when the data begin."""
        return int((self.staggered.adopted == 0).sum())

    def support(self, value: Averages | None = None) -> dict[str, int]:
        """The counts behind an average; every unit is an adopter in it, set aside, or never adopted."""
        used = takers(value) if value is not None else {"adopters": 0, "controls": 0}
        return {
            "n": int(self.table.n.sum()),
            "events": int(self.table.events.sum()),
            "units": len(self.table.units),
            **used,
            "adopters_not_comparable": self.later - used["adopters"],
            "adopted_at_start": self.at_start,
            "never_adopted": self.never,
            "unit_periods": int(self.table.n.size),
            "unit_periods_without_deployments": int((self.table.n == 0).sum()),
        }

    def caveats(self, value: Averages) -> Iterator[str]:
        """What a reader must know before believing an average."""
        support = self.support(value)
        if min(support["adopters"], support["controls"]) < _FEW:
            yield (
                f"{support['adopters']} adopters against {support['controls']} controls: below {_FEW} on either side "
                "the t approximation is rough."
            )
        if set_aside := support["adopters_not_comparable"] + self.at_start:
            yield (
                f"{set_aside} adopting {self.unit}s are left out: {self.at_start} had adopted when the data begin, "
                f"{support['adopters_not_comparable']} shipped nothing just before adoption or had too few controls."
            )
        yield from self._dose()

    def _dose(self) -> Iterator[str]:
        adopted = self.staggered.adopted[:, None]
        at = np.arange(len(self.table.periods))[None, :]
        after = (at >= adopted) & (adopted > 0)
        n, assisted = self.table.n, self.table.assisted
        yield (
            f"AI-assisted deployments were {_share(assisted, n, at < adopted)} before adoption and among controls, and "
            f"{_share(assisted, n, after)} after it: the change goes with that rise, not with one from none to all."
        )
        fallen = (assisted * after).sum(axis=1) < self.threshold * (n * after).sum(axis=1)
        if fallen.any():
            yield (
                f"{int(fallen.sum())} of the adopting {self.unit}s stayed below {self.threshold:.0%} in all later "
                "deployments taken together; they count as adopters all the same."
            )


def event_label(time: int) -> str:
    """``"period -2"``, ``"period 0"``, ``"period +3"``: periods since adoption."""
    return f"period {time:+d}" if time else "period 0"


def takers(average: Averages) -> dict[str, int]:
    """How many adopters and how many different controls one average rests on."""
    return {"adopters": int(average.adopter.sum()), "controls": int(average.control.sum())}


def _share(assisted: Floats, n: Floats, chosen: Mask) -> str:
    return f"{float((assisted * chosen).sum() / max((n * chosen).sum(), 1)):.0%}"
