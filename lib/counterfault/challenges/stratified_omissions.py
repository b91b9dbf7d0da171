"""The stratified ratio without each of thousands of values, from one pass over the strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from counterfault.cells import Cells
from counterfault.estimate import Estimate, Interval
from counterfault.estimators.tables import stratified
from counterfault.estimators.tables.mantel_haenszel import log_ratio_sums
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import Strata

Floats = NDArray[np.float64]


def without_each(cells: Cells, column: str, level: float) -> dict[str, Estimate]:
    """The stratified risk ratio without each value of a column that changes it, value → estimate.

    Every stratum is summed once, and once more without each value found in it; a value's ratio then comes from the
    difference of sums (:func:`~counterfault.estimators.tables.mantel_haenszel.log_ratio_sums`). That is exact, also for
    values that share strata, and costs one pass instead of one for every value. The empty text is never left out.
    """
    whole, z = stratified.risk_ratio(cells, level), critical_value(level)
    values, sums, moved = _sums_without_each(cells, column)
    smallest = 1e-9 * sums.max(initial=0.0)
    found = {}
    for value, (over, under, spread), changes in zip(values, sums.T, moved, strict=True):
        if not changes or value == "":
            continue
        # On the edge (an arm without events) limits are made otherwise; subtraction leaves crumbs there.
        if min(over, under, spread) <= smallest:
            found[value] = anew(cells, column, value, level)
            continue
        ratio, error = float(over / under), sqrt(spread / (over * under))
        limits = Interval(ratio * exp(-z * error), ratio * exp(z * error), level)
        found[value] = replace(
            whole, value=ratio, interval=limits, standard_error=error, label=f"without {value}", parts=(),
            support={}, p_value=None, caveats=(),
        )  # fmt: skip
    return found


def _sums_without_each(cells: Cells, column: str) -> tuple[Sequence[str], Floats, NDArray[np.bool_]]:
    """Values; numerator, denominator and variance without each, shape (3, V); whether leaving it out changes any."""
    frame = cells.frame
    codes, values = frame[column].factorize(sort=True)
    strata = np.zeros(len(frame), np.intp)
    if cells.strata:
        strata += frame.groupby(list(cells.strata)).ngroup().to_numpy(np.intp)
    arms = frame["exposed"].to_numpy() == 1
    counts = np.column_stack([frame[name].to_numpy() * arm for arm in (arms, ~arms) for name in ("events", "n")])
    pairs, place = np.unique(strata * len(values) + codes, return_inverse=True)
    total, own = _sums_by(strata, counts), _sums_by(place, counts)
    of_stratum, of_value = np.divmod(pairs, max(len(values), 1))
    before, after = _terms(total), _terms(total[of_stratum] - own)
    change = after - before[:, of_stratum]
    sums = before.sum(axis=1, keepdims=True) + [np.bincount(of_value, part, len(values)) for part in change]
    moved = np.bincount(of_value, (change != 0).any(axis=0), len(values)) > 0
    return [str(value) for value in values], sums, moved


def _sums_by(groups: NDArray[np.intp], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    summed = np.zeros((int(groups.max(initial=-1)) + 1, counts.shape[1]), np.int64)
    np.add.at(summed, groups, counts)
    return summed


def _terms(counts: NDArray[np.int64]) -> Floats:
    """(3, strata): zero where a stratum compares nothing."""
    strata = Strata((), (), counts)
    terms = np.zeros((3, len(counts)))
    terms[:, strata.compared] = log_ratio_sums(strata)
    return terms


def anew(cells: Cells, column: str, value: str, level: float) -> Estimate:
    """The stratified ratio of all cells but those with this value, estimated from the beginning."""
    rest = replace(cells, frame=cells.frame[cells.frame[column] != value])
    return replace(stratified.risk_ratio(rest, level), label=f"without {value}", parts=())


def unchanged(whole: Estimate, value: str) -> Estimate:
    """The ratio without a value whose deployments are compared with none: that of everything."""
    return replace(whole, label=f"without {value}", parts=(), support={}, p_value=None)
