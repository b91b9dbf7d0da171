"""Many simulated organisations through the pipeline at once.

One organisation of 10,000 deployments costs a second, nearly all of it spent on writing queries and hardly any on
answering them. Organisations do not touch one another: incidents are tied within a service, strata lie within one. So
many of them, their services and ids told apart by a number in front, are checked, linked and counted as one, and
their cells are told apart again. What comes back is what each alone would have given (a test holds it), but for what is
read off all of them at once: where the data begin and end, which moved incidents are wrapped round; how long labels
usually take; and whether anybody labels in a quarter. They move a count by next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from counterfault.cells import Cells
from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.contracts import TABLES, Kind
from counterfault.counting import Counted, count
from counterfault.counting.population import population_by
from counterfault.linking import Linked, link
from counterfault.plan import Plan
from counterfault.simulate import Simulated
from counterfault.sources.local import local_engine

# What a call is made from; the other columns serve further designs, and reading them would take most of the time.
DEPLOYMENT_COLUMNS = (
    "deployment_id", "deployed_at", "service", "assistance", "label_recorded_at", "team", "is_rollback", "is_hotfix",
)  # fmt: skip
INCIDENT_COLUMNS = ("incident_id", "started_at", "service", "resolved_at", "severity", "cause", "caused_by")
KINDS = {
    Kind.TEXT: "string",
    Kind.TIME: "timestamp('UTC')",
    Kind.NUMBER: "float64",
    Kind.WHOLE: "int64",
    Kind.YES_NO: "boolean",
}
NOTHING = ibis.null("string")  # what the plan's filters leave out of invented tables
NAMED = ("deployment_id", "incident_id", "service", "team", "caused_by")
BETWEEN = "|"  # an organisation's number, this, and the name it had


def counted_together(drawn: Sequence[Simulated], plan: Plan) -> tuple[Linked, list[Counted]]:
    """What each organisation alone would have been counted as, and the links of all.

    Parameters
    ----------
    drawn : organisations; the plan's rule must tie nothing across services (no links along dependencies).
    plan : as for one of them. Its ``period.end`` must leave every organisation time to follow up, so that none is cut
        off by the end of another's data.
    """
    if plan.outcome.link == "dependency":
        raise ValueError("outcome.link 'dependency' ties incidents across services; validate a plan with another rule")
    size = ("lines_added", "lines_deleted") if "size" in plan.design.confounders else ()
    asked = (*plan.design.strata, *plan.design.confounders, *size)
    columns = {"deployments": (*DEPLOYMENT_COLUMNS, *asked), "incidents": INCIDENT_COLUMNS}
    tables = {
        name: pd.concat([_numbered(getattr(one, name), some, k) for k, one in enumerate(drawn)], ignore_index=True)
        for name, some in columns.items()
    }
    linked = link(_accepted(tables), plan)
    counted = count(linked, plan)
    return linked, list(_apart(counted, len(drawn)))


def _accepted(tables: dict[str, pd.DataFrame]) -> Checked:
    """The tables as the contract's checks would hand them on.

    Judging every value takes longer than counting it, and a simulator's rows break no rule (a test holds that, too).
    """
    engine = local_engine()
    accepted = {}
    for name, frame in tables.items():
        rows = engine.create_table(name, pa.Table.from_pandas(frame, preserve_index=False), temp=True)
        kinds = {column: rows[column].cast(KINDS[TABLES[name][column].kind]) for column in frame.columns}
        accepted[name] = engine.create_table(
            f"{name}_accepted", rows.select(**kinds).mutate(**{LEFT_OUT: NOTHING}), temp=True
        )
    return Checked(accepted, (), pd.DataFrame(), engine)


def _numbered(table: pd.DataFrame, columns: Sequence[str], number: int) -> pd.DataFrame:
    named = {name: f"{number}{BETWEEN}" + table[name] for name in NAMED if name in table}
    return table.assign(**named)[[name for name in dict.fromkeys(columns) if name in table]]


def _apart(counted: Counted, organisations: int) -> Iterator[Counted]:
    keys = list(dict.fromkeys((*counted.cells.strata, counted.cells.cluster, "service", *counted.covariates)))
    frame = counted.cells.frame
    owner = _owner(frame["service"])
    # Numbers instead of names: the estimators only ask which rows are alike, and numbers are compared sooner.
    codes = frame.assign(**{name: frame[name].factorize()[0] for name in keys})
    people = _population_of(counted)
    for number in range(organisations):
        cells = Cells(codes[owner == number].reset_index(drop=True), counted.cells.strata, counted.cells.cluster)
        yield replace(counted, cells=cells, population=people[number])


def _owner(services: pd.Series[str]) -> np.ndarray[Any, Any]:
    """Which organisation each service belongs to."""
    codes, names = services.factorize()
    owners: np.ndarray[Any, Any] = np.array([int(name.partition(BETWEEN)[0]) for name in names], dtype=np.int64)[codes]
    return owners


def _population_of(counted: Counted) -> dict[int, pd.DataFrame]:
    by_service = population_by(counted.rows, "service")
    owner = _owner(by_service["service"])
    summed = by_service.assign(owner=owner).groupby(["owner", "step"], sort=False)[["ai", "human", "unknown"]].sum()
    return {number: summed.loc[number].reset_index() for number in summed.index.unique(level=0)}
