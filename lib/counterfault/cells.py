"""Cells: deployments compressed into counts, the only form of data an estimator sees.

A cell is one stratum × exposure × covariate pattern × cluster. For binomial and Poisson models with
discrete covariates the compression loses nothing (Wong et al. 2021, "You only compress once"): the same
coefficients and the same cluster-robust errors as on the rows, at a cost that does not grow with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from counterfault.display import card

COUNTS = ("n", "events", "exposure_hours")


class TwoByTwo(NamedTuple):
    """Counts of one comparison, always asked for by name: swapping the groups inverts the answer."""

    exposed_events: int
    exposed_total: int
    unexposed_events: int
    unexposed_total: int

    def support(self) -> dict[str, int]:
        return {
            "n": self.exposed_total + self.unexposed_total,
            "events": self.exposed_events + self.unexposed_events,
            **self._asdict(),
        }


@dataclass(frozen=True)
class Cells:
    """Counts of deployments and of those followed by an incident.

    Attributes
    ----------
    frame : one row per cell. Columns: ``strata`` and ``cluster`` (strings), ``exposed`` (0 or 1), any
        covariates (strings, already binned, missing values as the level "missing"), ``n`` (deployments),
        ``events`` (deployments followed by at least one incident, never more than ``n``) and
        ``exposure_hours`` (time at risk, summed).
    strata : columns within which exposed and unexposed deployments are compared.
    cluster : column whose members are not independent of one another.
    """

    frame: pd.DataFrame
    strata: tuple[str, ...] = ("service", "period")
    cluster: str = "service"

    def __repr__(self) -> str:
        return f"<Cells: {len(self.frame):,} cells by {' × '.join(self.strata)}, clusters: {self.cluster}>"

    def _repr_html_(self) -> str:
        four = self.two_by_two()
        return card(
            "Cells",
            f"{four.exposed_total + four.unexposed_total:,} deployments in {len(self.frame):,} cells, nothing lost.",
            facts={
                "compared within": " × ".join(self.strata),
                "not independent within": self.cluster,
                "AI-assisted": f"{four.exposed_total:,}, of which {four.exposed_events:,} failed",
                "others": f"{four.unexposed_total:,}, of which {four.unexposed_events:,} failed",
            },
            then=("cells.tables()", "cf.homogeneity(cells)", "cf.overlap(cells)"),
        )

    def two_by_two(self) -> TwoByTwo:
        """The four counts over everything, strata ignored."""
        exposed = self.frame["exposed"].to_numpy() == 1
        n, events = self.frame["n"].to_numpy(), self.frame["events"].to_numpy()
        return TwoByTwo(
            exposed_events=int(events[exposed].sum()),
            exposed_total=int(n[exposed].sum()),
            unexposed_events=int(events[~exposed].sum()),
            unexposed_total=int(n[~exposed].sum()),
        )

    def tables(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """One row per stratum, with the columns of :class:`TwoByTwo`; index is the stratum."""
        keys = list(self.strata if by is None else by)
        wide = self.frame.groupby([*keys, "exposed"], observed=True)[["n", "events"]].sum().unstack("exposed")
        return pd.DataFrame(
            {
                f"{arm}_{column}": wide[source, code].reindex(wide.index).fillna(0).astype("int64")
                if (source, code) in wide
                else pd.Series(0, index=wide.index)
                for arm, code in (("exposed", 1), ("unexposed", 0))
                for column, source in (("events", "events"), ("total", "n"))
            }
        )
