"""The share of a change that AI wrote, as a dose: does risk rise with it, and evenly?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.amplifying.contrasts import (
    Dressing,
    fit_terms,
    require_level,
    without_columns_of,
)
from counterfault.estimators.amplifying.exposed_groups import Group
from counterfault.estimators.amplifying.kinds import risk_ratios_by_kind
from counterfault.estimators.amplifying.trend import mantel_extension
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of

_EXPOSED = "exposed deployments"


@dataclass(frozen=True)
class Dose:
    """By what factor does the risk change with every ten percentage points that AI wrote?

    Parameters
    ----------
    bins : column of ``cells.frame`` (strings) that says into which bin of the share an exposed deployment falls;
        "missing" where nobody knows. Unexposed deployments have dose 0, whatever it says of them.
    share : numeric column, the mean share (0 to 1) of the bin, or of the cell: a bin's dose is the mean over its
        exposed deployments.
    adjust_for : covariate columns held fixed.
    settings : of the regression, but for what it adjusts for.

    Notes
    -----
    Calling it with cells and a level returns ``dose.trend``, a risk ratio per ten percentage points. Its parts: each
    bin against no AI, and the same trend among exposed deployments alone, which a mere difference between some AI and
    none cannot feign. A caveat gives the p of the score test for trend
    (:func:`~counterfault.estimators.amplifying.trend.mantel_extension`) within strata and levels of the covariates.
    :meth:`nonlinearity` asks whether the slope is the same for low and high shares.

    Assumed: the logarithm of the risk rises in a straight line with the share, covariates multiply risks, clusters are
    independent. Exposed deployments of unknown share are left out, and counted.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values where it must not, a share lies outside 0 to 1, or the
        level is not in (0, 1).
    """

    bins: str = "ai_share_bin"
    share: str = "ai_share"
    adjust_for: tuple[str, ...] = ()
    settings: ModifiedPoisson = HEADLINE

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        dosed = self._dosed(cells)
        dressing = Dressing(dosed.cells, self.settings, f"log-linear {self.share} per 10 percentage points", level)
        tens = 10 * dosed.dose[:, None]
        trend = _slope(dosed.problem, tens, [1.0], dressing, Estimand.RISK_RATIO)
        return trend.named(
            "dose.trend",
            label="per 10 percentage points",
            adjustment=self._others(),
            parts=(*self._each_bin(dosed, level), self._among_exposed(dosed, dressing)),
            caveats=(*trend.caveats, *_score_test(dosed), *dosed.notes),
        )

    def nonlinearity(self, cells: Cells, level: float = 0.95) -> Estimate:
        """Does each further share of AI matter more, or less, beyond the middle dose than below it?

        Parameters
        ----------
        cells, level : as when called.

        Returns
        -------
        Estimate
            ``dose.nonlinearity``: the risk ratio per ten points above the knot over that below it, from a linear spline
            with one knot at the middle of the doses (none included), chosen by the doses alone. Its p is the robust
            Wald test of a straight line with one degree of freedom: with few clusters and a handful of bins more would
            be fitted to noise. Not estimable with fewer than two doses above zero.

        Raises
        ------
        ValueError
            As when called.
        """
        require_level(level)
        dosed = self._dosed(cells)
        doses = np.unique(dosed.dose)
        knot = float(doses[len(doses) // 2]) if len(doses) > 2 else 1.0
        words = f"linear spline in {self.share} per 10 percentage points, knot at {knot:.0%}"
        dressing = Dressing(dosed.cells, self.settings, words, level)
        if len(doses) < 3:
            found = dressing.silent(
                Estimand.RATIO_OF_RATIOS, "A bend needs at least two different shares above zero to show; there are "
                f"{np.count_nonzero(doses)}.",
            )  # fmt: skip
        else:
            terms = 10 * np.column_stack([dosed.dose, np.maximum(dosed.dose - knot, 0)])
            found = _slope(dosed.problem, terms, [0.0, 1.0], dressing, Estimand.RATIO_OF_RATIOS)
        return found.named(
            "dose.nonlinearity",
            label=f"slope above {knot:.0%} over slope below" if len(doses) > 2 else "all",
            adjustment=self._others(),
            caveats=(*found.caveats, *dosed.notes),
        )

    def _others(self) -> tuple[str, ...]:
        return tuple(name for name in self.adjust_for if name not in (self.bins, self.share))

    def _dosed(self, cells: Cells) -> _Dosed:
        return _dosed(cells, self.bins, self.share, self._others())

    def _each_bin(self, dosed: _Dosed, level: float) -> tuple[Estimate, ...]:
        kinds = risk_ratios_by_kind(
            dosed.cells, self.bins, level, id="dose.bin", adjust_for=self._others(), settings=self.settings
        )
        return tuple(sorted(kinds, key=lambda kind: dosed.dose_of[kind.label]))

    def _among_exposed(self, dosed: _Dosed, dressing: Dressing) -> Estimate:
        exposed = dosed.problem.design[:, EXPOSED]
        words = f"exposure and {dressing.looked_at}"
        terms = np.column_stack([exposed, 10 * dosed.dose])
        found = _slope(dosed.problem, terms, [0.0, 1.0], replace(dressing, looked_at=words), Estimand.RISK_RATIO)
        return found.named("dose.among_exposed", label="among exposed alone, per 10 points", adjustment=self._others())


@dataclass(frozen=True, slots=True)
class _Dosed:
    """The problem of deployments of known dose, and each entry's dose from 0 to 1."""

    cells: Cells
    problem: Problem
    dose: Floats
    dose_of: dict[str, float]
    notes: tuple[str, ...]


def _dosed(cells: Cells, bins: str, share: str, adjust_for: tuple[str, ...]) -> _Dosed:
    frame = cells.frame
    if absent := [name for name in (bins, share) if name not in frame]:
        raise ValueError(
            f"The cells have no column {', '.join(map(repr, absent))}; a dose needs its bin and its mean share."
        )
    exposed = (frame["exposed"] == 1) & (frame["n"] > 0)
    outside = exposed & ~frame[share].between(0, 1) & frame[share].notna()
    if outside.any():
        raise ValueError(f"{share} is a share from 0 to 1; got {frame.loc[outside, share].iloc[0]:g}.")
    unknown = exposed & (frame[share].isna() | (frame[bins] == "missing"))
    known = frame[~unknown]
    dose_of = _mean_by_bin(frame[exposed & ~unknown], bins, share)
    left = replace(cells, frame=known.assign(**{bins: known[bins].where(known["exposed"] == 1, "")}))
    problem = problem_of(left, (bins, *adjust_for))
    dose = np.asarray(problem.levels[bins].map({**dose_of, "": 0.0}), dtype=np.float64)
    notes = tuple(_unknown(int(frame.loc[unknown, "n"].sum()), share))
    return _Dosed(left, without_columns_of(problem, bins), dose, dose_of, notes)


def _mean_by_bin(exposed: pd.DataFrame, bins: str, share: str) -> dict[str, float]:
    sums = exposed.assign(part=exposed["n"] * exposed[share]).groupby(bins, observed=True)[["n", "part"]].sum()
    return {str(name): float(row["part"] / row["n"]) for name, row in sums.iterrows()}


def _unknown(count: int, share: str) -> Iterator[str]:
    if count:
        yield f"{count} exposed deployments of unknown {share} are left out."


def _slope(problem: Problem, terms: Floats, weights: list[float], dressing: Dressing, estimand: Estimand) -> Estimate:
    """One combination of terms, all exposed deployments taken together, or why there is none."""
    everyone = Group(_EXPOSED, problem.design[:, EXPOSED] == 1)
    wanted = np.array(weights)
    try:
        fit = fit_terms(problem, terms)
        everyone.require(problem, fit, wanted)
        found = dressing.estimate(fit.log_ratios(wanted[:, None], dressing.settings.small_sample), 0, estimand)
    except NotComparableError as reason:
        return dressing.silent(estimand, str(reason))
    caveats = (*found.caveats, *everyone.caveats(problem), *fit.used.notes)
    return replace(found, support=fit.used.support(), caveats=caveats)


def _score_test(dosed: _Dosed) -> Iterator[str]:
    problem = dosed.problem
    p = mantel_extension(dosed.dose, problem.copies, problem.events, _like(problem))
    if p is not None:
        told = "below 0.001" if p < 0.001 else f"{p:.2g}"
        yield (
            "Score test for trend within strata and covariates, deployments taken as independent (Mantel 1963): "
            f"p {told}."
        )


def _like(problem: Problem) -> Codes:
    """Codes of strata crossed with every covariate."""
    keys = [problem.strata, *(problem.levels[name] for name in problem.levels)]
    codes = pd.DataFrame(dict(enumerate(map(np.asarray, keys)))).groupby(list(range(len(keys)))).ngroup().to_numpy()
    return np.asarray(codes, dtype=np.intp)
