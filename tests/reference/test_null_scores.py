"""The score of labels under a fit without exposure, beside R's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.challenges.null_scores import FinestCells, null_score
from counterfault.challenges.specifications import Specification
from counterfault.counting.specification_cells import SpecificationRows
from counterfault.estimators.tables import stratified

TABLE = pd.DataFrame(
    [
        ("a", "no", 1, 6, 3),
        ("a", "no", 0, 9, 2),
        ("a", "yes", 1, 5, 2),
        ("a", "yes", 0, 4, 1),
        ("b", "no", 1, 3, 1),
        ("b", "no", 0, 12, 2),
        ("b", "yes", 1, 7, 4),
        ("b", "yes", 0, 6, 2),
        ("c", "no", 1, 8, 1),
        ("c", "no", 0, 5, 2),
        ("c", "yes", 1, 4, 3),
        ("c", "yes", 0, 9, 3),
    ],
    columns=["service", "peak", "exposed", "n", "failed"],
)


def rows_of(table: pd.DataFrame) -> SpecificationRows:
    """One row per deployment; of each line of the table the first ones failed."""
    rows = table.loc[table.index.repeat(table["n"])]
    rows = rows.assign(failed=(rows.groupby(level=0).cumcount() < rows["failed"]).astype(int)).reset_index(drop=True)
    frame = rows.drop(columns="n").astype({"service": "category", "peak": "category"})
    return SpecificationRows(frame, ("service", "peak"), {("recorded", None): "failed"}, {}, "service", 24.0)


def score_of(table: pd.DataFrame, held: tuple[str, ...], estimator: str) -> tuple[float, float]:
    rows = rows_of(table)
    finest = FinestCells.of(rows)
    score = null_score(finest, rows, Specification("recorded", None, ("service",), held, estimator))
    b, z = score(*finest.exposed_of(rows.frame["exposed"].to_numpy()[None]))
    return float(b[0]), float(z[0])


# > # the table above, one line per deployment, as r
# > exact <- glm.control(epsilon = 1e-12, maxit = 100)  # by default R stops at five figures
# > a <- function(f0, f1)
# +   anova(glm(f0, poisson, r, control = exact), glm(f1, poisson, r, control = exact), test = "Rao")$Rao[2]
# > c(a(y ~ s, y ~ s + x), a(y ~ s + peak, y ~ s + peak + x), a(y ~ interaction(s, peak), y ~ interaction(s, peak) + x))
# [1] 1.398035673 1.209448997 1.338559320
# R version 4.2.2 Patched (2022-11-10 r83330)
@pytest.mark.parametrize(
    ("held", "estimator", "rao"),
    [
        ((), "total.risk_ratio", 1.398035673),
        ((), "stratified.risk_ratio", 1.398035673),
        (("peak",), "total.risk_ratio", 1.209448997),
        (("peak",), "stratified.risk_ratio", 1.338559320),
    ],
)
def test_z_squared_is_raos_score_statistic_of_the_poisson_regression(held, estimator, rao):
    assert score_of(TABLE, held, estimator)[1] ** 2 == approx(rao, rel=1e-8)  # where R's iterations stop


def test_with_strata_alone_the_score_is_numerator_minus_denominator_of_mantel_and_haenszel():
    b, z = score_of(TABLE, (), "stratified.risk_ratio")
    by_hand = rows_of(TABLE).cells(("recorded", None), ("service",)).tables().to_numpy(float)
    a, n1, c, n0 = by_hand.T
    over, under = (a * n0 / (n1 + n0)).sum(), (c * n1 / (n1 + n0)).sum()
    assert stratified.risk_ratio(rows_of(TABLE).cells(("recorded", None), ("service",))).value == approx(over / under)
    assert z**2 / b == approx(over - under)  # U = z² / b


def test_a_level_on_which_nobody_failed_expects_no_failure_and_changes_nothing():
    silent = TABLE.assign(peak="late", failed=0)
    with_silent = pd.concat([TABLE, silent], ignore_index=True)
    assert score_of(with_silent, ("peak",), "total.risk_ratio") == approx(
        score_of(TABLE, ("peak",), "total.risk_ratio")
    )


def test_a_stratum_without_failures_or_without_both_labels_changes_nothing():
    quiet = TABLE[TABLE["service"] == "a"].assign(service="quiet", failed=0)
    alone = TABLE[(TABLE["service"] == "b") & (TABLE["exposed"] == 1)].assign(service="alone")
    more = pd.concat([TABLE, quiet, alone], ignore_index=True)
    assert score_of(more, (), "total.risk_ratio") == approx(score_of(TABLE, (), "total.risk_ratio"))


def test_labels_that_leave_nothing_to_compare_have_no_score():
    b, z = score_of(TABLE.assign(exposed=1), (), "total.risk_ratio")
    assert np.isnan(b) and np.isnan(z)


def test_without_a_failure_there_is_no_fit():
    rows = rows_of(TABLE.assign(failed=0))
    assert null_score(FinestCells.of(rows), rows, Specification("recorded", None, ("service",), (), "x")) is None
