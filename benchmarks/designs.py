"""How long does each family of estimates take, beside row-level statsmodels fits of models that have a peer there?

    python benchmarks/designs.py

Everything runs on the demo organisation in one process; reading, linking and imports are not counted, counting of
panels is. The peers get deployments as rows, with a dummy for each level. What resamples (wild score, shuffled
labels) is in the family `few_clusters` and once more by itself.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

import counterfault as cf
from counterfault.estimating import FAMILIES, Study, estimate_family
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.regression import HEADLINE, as_headline
from counterfault.estimators.poisson.wild_score import WildScore

DRAWS = 10_000


def timed(what: str, call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - began
    print(f"{what:62} {seconds:7.2f} s")
    return found, seconds


def study_of_the_demo() -> Study:
    inputs = cf.open_inputs()
    linked = cf.link(cf.check(inputs.read(), inputs.plan), inputs.plan)
    return Study(linked, cf.count(linked, inputs.plan), inputs.plan)


def rows_of(study: Study) -> pd.DataFrame:
    """The cells written out as one row per deployment."""
    frame = study.cells.frame
    failed = frame.loc[frame.index.repeat(frame["events"])].assign(failed=1)
    fine = frame.loc[frame.index.repeat(frame["n"] - frame["events"])].assign(failed=0)
    return pd.concat([failed, fine], ignore_index=True)


def fit_rows(rows: pd.DataFrame, columns: list[str], family: Any) -> float:
    """The ratio of exposure with a dummy for each level of these columns, clustered by service."""
    dummies = pd.get_dummies(rows[columns], drop_first=True, dtype=float)
    design = sm.add_constant(pd.concat([rows[["exposed"]].astype(float), dummies], axis=1))
    model = sm.GLM(rows["failed"].to_numpy(), design.to_numpy(), family=family)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["service"])[0]}, tol=1e-12)
    return float(np.exp(fit.params[1]))


def families(study: Study) -> float:
    seconds = {name: timed(name, lambda name=name: estimate_family(study, name))[1] for name in FAMILIES}
    total = sum(seconds.values())
    print(f"{'all families':62} {total:7.2f} s\n")
    return total


def peers(study: Study) -> None:
    rows, held = rows_of(study), study.confounders
    stratum = rows["service"] + " " + rows["quarter"]
    eventful = rows.groupby(stratum)["failed"].transform("sum") > 0
    poisson, ours = timed("ours: Poisson within strata, CR2", lambda: on_one_thread(as_headline(held))(study.cells))
    theirs, peer = timed(
        f"statsmodels: the same on {eventful.sum():,} rows, CR1",
        lambda: fit_rows(rows[eventful].assign(stratum=stratum), ["stratum", *held], sm.families.Poisson()),
    )
    print(f"  ratio of times {ours / peer:.3f}; the same ratio: {poisson.value:.9f} and {theirs:.9f}")
    logistic = LogisticRegression(adjust_for=held)
    odds, ours = timed("ours: logistic, additive effects, CR2", lambda: on_one_thread(logistic)(study.cells))
    theirs, peer = timed(
        f"statsmodels: the same on {len(rows):,} rows, CR1",
        lambda: fit_rows(rows, ["service", "quarter", *held], sm.families.Binomial()),
    )
    print(f"  ratio of times {ours / peer:.3f}; the same ratio: {odds.value:.9f} and {theirs:.9f}\n")


def resampling(study: Study) -> None:
    wild = WildScore(study.confounders, draws=DRAWS)
    timed(f"wild score, {DRAWS:,} draws, with its interval", lambda: on_one_thread(wild)(study.cells, 0.95))
    everything = WildScore((*study.confounders, *study.mediators), draws=DRAWS)
    timed("the same, mediators held fixed too", lambda: on_one_thread(everything)(study.cells, 0.95))


def main() -> None:
    warnings.simplefilter("ignore")
    study = study_of_the_demo()
    HEADLINE(study.cells)  # first compilation
    families(Study(study.linked, study.counted, study.plan))
    peers(study)
    resampling(study)


if __name__ == "__main__":
    main()
