"""How long does a whole analysis take, beside one row-level fit of its primary model by statsmodels?

    python benchmarks/analyse.py

Both run on the demo organisation in one process; imports are not counted. statsmodels gets the deployments as rows,
with a dummy for each service × quarter stratum, and computes no checks, no links and no other estimate.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

import counterfault
from counterfault.analysis import Analysis


def timed(what: str, call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - began
    print(f"{what:58} {seconds:6.2f} s")
    return found, seconds


def rows_of(analysis: Analysis) -> pd.DataFrame:
    """The cells written out as one row per deployment."""
    frame = analysis.counted.cells.frame
    failed = frame.loc[frame.index.repeat(frame["events"])].assign(failed=1)
    fine = frame.loc[frame.index.repeat(frame["n"] - frame["events"])].assign(failed=0)
    return pd.concat([failed, fine], ignore_index=True)


def fit_rows(rows: pd.DataFrame, adjust_for: tuple[str, ...]) -> float:
    """The modified Poisson ratio from rows, by statsmodels."""
    stratum = rows["service"] + " " + rows["quarter"]
    has_event = rows.groupby(stratum)["failed"].transform("sum") > 0
    rows, stratum = rows[has_event], stratum[has_event]
    covariates = pd.get_dummies(rows[list(adjust_for)], drop_first=True, dtype=float)
    design = pd.concat([rows[["exposed"]].astype(float), covariates, pd.get_dummies(stratum, dtype=float)], axis=1)
    model = sm.GLM(rows["failed"].to_numpy(), design.to_numpy(), family=sm.families.Poisson())
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["service"])[0]})
    return float(np.exp(fit.params[0]))


def main() -> None:
    warnings.simplefilter("ignore")
    inputs = counterfault.open_inputs()
    places = inputs.sources.model_dump(exclude_none=True)
    counterfault.analyse(**places, plan=inputs.plan)  # imports and first compilation
    analysis, ours = timed(
        "counterfault: from files to the verdict",
        lambda: counterfault.analyse(**places, plan=inputs.plan, further=False),
    )
    timed("counterfault: and every further design", lambda: counterfault.analyse(**places, plan=inputs.plan))
    rows = rows_of(analysis)
    primary = analysis.estimates["total.risk_ratio"]
    theirs, peer = timed(f"statsmodels: one fit on {len(rows):,} rows", lambda: fit_rows(rows, primary.adjustment))
    print(f"ratio of times {ours / peer:.2f}; the same risk ratio: {primary.value:.9f} and {theirs:.9f}")


if __name__ == "__main__":
    main()
