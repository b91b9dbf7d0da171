"""Would one service alone have given us this answer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimate, Interval
from counterfault.estimators.tables import stratified
from counterfault.estimators.tables.mantel_haenszel import log_ratio_sums
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import Strata


@dataclass(frozen=True)
class LeaveOneOut:
    """The stratified risk ratio without each cluster in turn.

    Clusters, never people: the smallest unit this suite names is a service.
    """

    column: str = "service"

    def __call__(self, cells: Cells, level: float = 0.95) -> tuple[Estimate, ...]:
        names = sorted(cells.frame.loc[cells.frame["events"] > 0, self.column].unique())
        if len(names) < 2:
            return ()
        # Mantel–Haenszel knows no covariates, so their levels are summed once and not once for every name.
        keys = list(dict.fromkeys((*cells.strata, self.column, "exposed")))
        summed = replace(cells, frame=cells.frame.groupby(keys)[["n", "events"]].sum().reset_index())
        if self.column not in cells.strata:
            return tuple(self.without(summed, name, level) for name in names)
        return tuple(self._by_subtraction(summed, names, level))

    def without(self, cells: Cells, name: str, level: float) -> Estimate:
        """The ratio of all other clusters, estimated anew."""
        rest = replace(cells, frame=cells.frame[cells.frame[self.column] != name])
        return replace(stratified.risk_ratio(rest, level), label=f"without {name}", parts=())

    def _by_subtraction(self, cells: Cells, names: list[str], level: float) -> Iterator[Estimate]:
        """Strata that lie in one cluster each leave the sums with it: one pass instead of one for every cluster."""
        strata = Strata.of(cells)
        place = cells.strata.index(self.column)
        owners = [key[place] if isinstance(key, tuple) else key for key in strata.keys]
        number = {name: code for code, name in enumerate(dict.fromkeys(owners))}
        codes = np.array([number[owner] for owner in owners])[strata.compared]
        parts = log_ratio_sums(strata)
        own = np.array([np.bincount(codes, part, len(number)) for part in parts])
        rest = own.sum(axis=1, keepdims=True) - own
        whole, z = stratified.risk_ratio(cells, level), critical_value(level)
        for name in names:
            over, under, spread = rest[:, number[name]]
            # On the edge (an arm without events) limits are made otherwise; subtraction leaves crumbs there.
            if min(over, under, spread) <= 1e-9 * own.sum():
                yield self.without(cells, name, level)
                continue
            value, error = over / under, sqrt(spread / (over * under))
            limits = Interval(value * exp(-z * error), value * exp(z * error), level)
            yield replace(
                whole, value=value, interval=limits, standard_error=error, label=f"without {name}", parts=(),
                support={}, p_value=None, caveats=(),
            )  # fmt: skip
