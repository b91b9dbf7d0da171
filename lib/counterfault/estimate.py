"""The one result type: what was compared, how large, how sure, on what it rests.

Every estimator returns an :class:`Estimate`; strata and slices are estimates too, carried in
``parts``. So forest plots, tables, the verdict and the reports are each written once. This module
imports nothing of ours but how things are shown, and everything else may import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from counterfault.display import card, rows_table
from counterfault.display.words import limits, number, percent

if TYPE_CHECKING:
    import pandas as pd

ESTIMATES_MIME = "application/vnd.counterfault.estimates+json"  # under which a notebook keeps what it has shown


class _ShownEstimand:
    # An Enum takes no method of this name in its own body, and inherits one all the same.
    __slots__ = ()

    label: str
    null: float
    lowest: float
    highest: float

    def _repr_html_(self) -> str:
        null = "none: it describes one group" if self.null != self.null else number(self.null)
        return card("Estimand", self.label, facts={"no difference": null, "range": limits(self.lowest, self.highest)})


class Estimand(_ShownEstimand, Enum):
    """What is being compared, the value that means "no difference", and the range it can take.

    A description of one group (a risk, a mean, a spread) compares nothing: its null is NaN.

    Examples
    --------
    >>> cf.Estimand.RISK_RATIO.null, cf.Estimand.RISK_DIFFERENCE.null
    (1.0, 0.0)
    """

    RISK_RATIO = ("risk ratio", 1.0, 0.0, inf)
    RISK_DIFFERENCE = ("risk difference", 0.0, -1.0, 1.0)
    ODDS_RATIO = ("odds ratio", 1.0, 0.0, inf)
    RATE_RATIO = ("rate ratio", 1.0, 0.0, inf)
    HAZARD_RATIO = ("hazard ratio", 1.0, 0.0, inf)
    MEAN_RATIO = ("ratio of means", 1.0, 0.0, inf)
    MEDIAN_RATIO = ("ratio of medians", 1.0, 0.0, inf)
    RATIO_OF_RATIOS = ("ratio of ratios", 1.0, 0.0, inf)
    RATE_DIFFERENCE = ("rate difference", 0.0, -inf, inf)
    MEAN_DIFFERENCE = ("difference of means", 0.0, -inf, inf)
    RISK_DIFFERENCE_CONTRAST = ("difference of risk differences", 0.0, -2.0, 2.0)
    RERI = ("relative excess risk due to interaction", 0.0, -inf, inf)
    ATTRIBUTABLE_INCIDENTS = ("attributable incidents", 0.0, -inf, inf)
    ATTRIBUTABLE_FRACTION = ("attributable fraction", 0.0, -inf, 1.0)
    RISK = ("risk", nan, 0.0, 1.0)
    MEAN = ("mean", nan, -inf, inf)
    SPREAD = ("standard deviation between groups", nan, 0.0, inf)
    E_VALUE = ("E-value", nan, 1.0, inf)
    ROBUSTNESS_VALUE = ("robustness value", nan, 0.0, 1.0)
    STRENGTH = ("times as strong as a measured confounder", nan, 0.0, inf)

    def __init__(self, label: str, null: float, lowest: float, highest: float) -> None:
        self.label = label
        self.null = null
        self.lowest = lowest
        self.highest = highest

    @property
    def is_ratio(self) -> bool:
        return self.null == 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Confidence limits at a stated level, on the estimand's own scale.

    Examples
    --------
    >>> 1.0 in cf.Interval(low=1.2, high=2.1, level=0.95)
    False
    """

    low: float
    high: float
    level: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def _repr_html_(self) -> str:
        return card("Interval", f"{limits(self.low, self.high)} at {percent(self.level)} confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One comparison, its uncertainty, and what it rests on.

    Attributes
    ----------
    estimand : what is compared; carries the null value.
    value : point estimate on the estimand's own scale (a ratio is not logged); NaN where the
        data cannot give one, and then the first caveat says why.
    interval : confidence limits on the same scale, with their level; the whole range of the
        estimand where the data exclude nothing.
    method : the formula, named as its paper names it.
    support : the counts used, e.g. ``{"n": 203, "events": 18, "exposed_events": 10}``.
    id : the stable name in ``results.json``, e.g. ``"stratified.risk_ratio"``.
    design : where the comparison is made, e.g. ``"within service × quarter"``.
    adjustment : names of what was held fixed besides the design.
    outcome : what counted as an event.
    label : which slice this is: "all", "service=checkout", "day +2".
    p_value : two-sided p of "no difference" where the method has one.
    standard_error : on the log scale for ratios, on the plain scale for differences; NaN where
        the method has none.
    parts : the slices this estimate was built from (strata, event times).
    caveats : sentences a reader needs before believing ``value``.

    Examples
    --------
    >>> figure = cf.figures.forest([primary])
    >>> frame = primary.tidy()  # itself and its parts, one row each
    """

    estimand: Estimand
    value: float
    interval: Interval
    method: str
    support: Mapping[str, int] = field(default_factory=dict)
    id: str = ""
    design: str = ""
    adjustment: tuple[str, ...] = ()
    outcome: str = ""
    label: str = "all"
    p_value: float | None = None
    standard_error: float = nan
    parts: tuple[Estimate, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def estimable(self) -> bool:
        return isfinite(self.value)

    def named(self, id: str, **changes: Any) -> Estimate:
        """The same estimate under its stable name in the results, with other fields filled in."""
        return replace(self, id=id, **changes)

    def row(self) -> dict[str, Any]:
        """One mapping with the fields everyone expects in a table."""
        return {
            "id": self.id,
            "label": self.label,
            "estimand": self.estimand.label,
            "value": self.value,
            "low": self.interval.low,
            "high": self.interval.high,
            "level": self.interval.level,
            "p_value": self.p_value,
            "method": self.method,
            **self.support,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """This estimate, then its parts, one mapping each."""
        yield self.row()
        for part in self.parts:
            yield from part.rows()

    def tidy(self) -> pd.DataFrame:
        """This estimate and its parts as a data frame, one row each."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def __str__(self) -> str:
        if not self.estimable:
            return f"{self.label}: {self.estimand.label} not estimable ({'; '.join(self.caveats)})"
        low, high, level = self.interval.low, self.interval.high, self.interval.level
        return (
            f"{self.label}: {self.estimand.label} {figures(self.value)} "
            f"({level:.0%} interval {figures(low)} to {figures(high)}; {self.method})"
        )

    def __repr__(self) -> str:
        more = f", {len(self.parts)} parts" if self.parts else ""
        return f"<Estimate {self.id or 'without id'}: {self}{more}>"

    def _repr_html_(self) -> str:
        parts = [(part.label, part.value, part.interval.low, part.interval.high) for part in self.parts]
        return card(
            f"Estimate {self.id}" if self.id else "Estimate",
            str(self),
            facts={
                "outcome": self.outcome,
                "compared": self.design,
                "held fixed besides": ", ".join(self.adjustment) or "nothing",
                **{name.replace("_", " "): value for name, value in self.support.items()},
            },
            table=rows_table("Its parts", ("part", "value", "low", "high"), parts) if parts else "",
            notes=self.caveats,
            then=("showing.estimates_table([estimate], 'caption')", "figures.forest([estimate])", "estimate.tidy()"),
        )


def not_estimable(
    estimand: Estimand,
    reason: str,
    *,
    method: str,
    level: float,
    support: Mapping[str, int] | None = None,
    label: str = "all",
) -> Estimate:
    """The answer "these data cannot give a value", with the reason as its first caveat.

    A stratum without incidents must not stop a report, so this is a value and never an exception;
    its interval is everything the estimand can be, so no reader can mistake it for evidence.
    """
    return Estimate(
        estimand=estimand,
        value=nan,
        interval=Interval(estimand.lowest, estimand.highest, level),
        method=method,
        support=dict(support or {}),
        label=label,
        caveats=(reason,),
    )


def figures(value: float) -> str:
    """Two decimals for ratios near 1, three significant figures for small differences."""
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
