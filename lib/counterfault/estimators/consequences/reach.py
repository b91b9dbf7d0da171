"""The rows of a panel of consequences that say how far a deployment reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd

from counterfault.estimators.consequences.consequence_tables import require, unknown_among_failed
from counterfault.estimators.consequences.mean_ratio import Totals
from counterfault.estimators.consequences.shift_within_strata import Ranked
from counterfault.panels import Consequences

SERVICES, USERS = "services_affected", "users_affected"


@dataclass(frozen=True, eq=False)
class Reach:
    """Deployments with what they affected, none where they did not fail; failures nobody described are left out.

    Attributes
    ----------
    consequences : the panel.
    column : ``SERVICES`` or ``USERS``.
    known : its rows, with ``stratum`` (code) and ``amount`` (per deployment).
    """

    consequences: Consequences
    column: str
    known: pd.DataFrame

    @classmethod
    def of(cls, consequences: Consequences, column: str) -> Reach:
        """Check the panel and take what is known.

        Raises
        ------
        ValueError
            The column is not one of the two, is absent, or holds negative numbers; or a key is empty.
        """
        if column not in (SERVICES, USERS):
            raise ValueError(f"column is {column!r}; it is {SERVICES!r} or {USERS!r}.")
        require(consequences, column)
        frame = consequences.frame[consequences.frame["n"] > 0].reset_index(drop=True)
        amount = frame[column].astype("Float64").where(frame["failed"] == 1, 0.0)
        if (amount < 0).any():
            raise ValueError(f"{column!r} holds {amount.min():g}; nobody can be affected less than not at all.")
        known = frame.assign(stratum=_codes(frame, consequences.strata), amount=amount)[amount.notna()]
        return cls(consequences, column, known.astype({"amount": "float64"}))

    @property
    def what(self) -> str:
        """What is counted, in a word."""
        return "services" if self.column == SERVICES else "users"

    @property
    def cluster(self) -> str:
        """What a cluster is called."""
        return self.consequences.cluster

    @property
    def design(self) -> str:
        """Where the comparison is made."""
        strata = self.consequences.strata
        return f"within {' × '.join(strata)}" if strata else "across all deployments"

    def left_out(self) -> Iterator[str]:
        """How many failures nobody described, if any."""
        unknown, failed = unknown_among_failed(self.consequences, self.column)
        if unknown:
            yield f"{unknown} of {failed} failures do not say how many {self.what} they affected; they are left out."

    def support(self, rows: pd.DataFrame) -> dict[str, int]:
        """Counts of these rows."""
        exposed, failed = rows["exposed"] == 1, rows["failed"] == 1
        return {
            "n": int(rows["n"].sum()),
            "events": int(rows.loc[failed, "n"].sum()),
            "exposed_events": int(rows.loc[failed & exposed, "n"].sum()),
            "exposed_total": int(rows.loc[exposed, "n"].sum()),
            "unexposed_events": int(rows.loc[failed & ~exposed, "n"].sum()),
            "unexposed_total": int(rows.loc[~exposed, "n"].sum()),
            "clusters": int(rows[self.cluster].nunique()),
        }


def in_both_arms(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of strata that hold exposed and unexposed deployments."""
    return rows[rows["exposed"].groupby(rows["stratum"]).transform("nunique") == 2]


def totals_of(compared: pd.DataFrame, cluster: str) -> Totals:
    """Sums per stratum × cluster × arm, for :func:`~counterfault.estimators.consequences.mean_ratio.log_ratio`."""
    sums = compared.assign(
        cluster_=compared[cluster],
        failures=compared["n"] * compared["failed"],
        amount=compared["amount"] * compared["n"],
    )
    # Strata without a failure add nothing, and their clusters no degree of freedom.
    sums = sums[sums["failures"].groupby(sums["stratum"]).transform("sum") > 0]
    sums = sums.groupby(["stratum", "cluster_", "exposed"], observed=True)[["n", "failures", "amount"]].sum()
    return Totals(
        copies=sums["n"].to_numpy(np.float64),
        failures=sums["failures"].to_numpy(np.float64),
        amount=sums["amount"].to_numpy(np.float64),
        exposed=sums.index.get_level_values("exposed").to_numpy(np.float64),
        strata=pd.factorize(sums.index.get_level_values("stratum"))[0],
        clusters=pd.factorize(sums.index.get_level_values("cluster_"))[0],
    )


def ranked(failed: pd.DataFrame, cluster: str, digits: int | None = None) -> Ranked:
    """Logarithms of the amounts, rounded to so many significant digits, for the shift within strata."""
    amount = failed["amount"].to_numpy(np.float64)
    if digits is not None:
        scale = 10.0 ** (np.floor(np.log10(np.maximum(amount, 1))) - digits + 1)
        amount = np.round(amount / scale) * scale
    logs = np.full(len(amount), -inf)
    np.log(amount, out=logs, where=amount > 0)
    rows = failed.assign(cluster_=failed[cluster], logs=logs)
    rows = rows.groupby(["stratum", "cluster_", "exposed", "logs"], observed=True)["n"].sum().reset_index()
    return Ranked(
        values=rows["logs"].to_numpy(np.float64),
        copies=rows["n"].to_numpy(np.float64),
        exposed=rows["exposed"].to_numpy() == 1,
        strata=pd.factorize(rows["stratum"])[0],
        clusters=pd.factorize(rows["cluster_"])[0],
    )


def _codes(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[int]:
    if not columns:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(columns), observed=True).ngroup()
