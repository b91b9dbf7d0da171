"""Several estimates under one another, with their intervals in pictures and in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, backdrop, effect, effect_axis, even_range, ratio_range
from counterfault.figures.svg import NARROW, QUIET
from counterfault.figures.wording import clip, count, finding, limits, reason, sentence_start, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# One estimate per design, from the number everybody computes first to those that share least with it.
RATIOS = (
    "primary",
    "crude.risk_ratio",
    "stratified.risk_ratio",
    "total.risk_ratio",
    "corrected.risk_ratio",
    "direct.risk_ratio",
    "regression.odds_ratio.conditional",
    "standardised.risk_ratio",
    "overlap.risk_ratio",
    "pooled.risk_ratio.rare_event",
    "self_controlled.excess_ratio",
    "case_crossover.excess_ratio",
    "timing.hazard_ratio",
    "severity.severe.risk_ratio",
    "placebo.risk_ratio",
    "negative_control.risk_ratio",
)
DIFFERENCES = (
    "crude.risk_difference",
    "stratified.risk_difference",
    "standardised.risk_difference",
    "overlap.risk_difference",
    "adoption.did.not_yet",
)
# Ids of what ought to show nothing.
CONTROLS = ("placebo.", "negative_control.")
# Most findings told one by one; the table behind the figure has them all.
MOST_TOLD = 6
# Pixels below the rows, for the axis.
FOOT = 56


@redrawable
def forest(
    estimates: Sequence[Estimate],
    *,
    worth_acting_on: float | None = None,
    title: str = "Estimates side by side",
    adjusted_p: Sequence[float | None] = (),
    adjustment: str = "Holm",
) -> Figure:
    """Estimates of one kind under one another on one axis.

    Parameters
    ----------
    estimates : at least one; all ratios (drawn on a logarithmic axis) or all differences. One that is
        not estimable keeps its row and gives its reason.
    worth_acting_on : for ratios, the plan's threshold; shades what is too small to act on.
    title : what the estimates have in common.
    adjusted_p : where the estimates are one family, p of each after correction for having asked them all; None for one
        without. The caption tells how many stand out.
    adjustment : the name of that correction.

    Raises
    ------
    ValueError
        Where there is nothing to draw, ratios and differences would share one axis, or there is not one p for each.
    """
    _require_one_kind(estimates)
    threshold = worth_acting_on if estimates[0].estimand.is_ratio else None
    caption = _summary(estimates) + _corrected(estimates, adjusted_p, adjustment)
    d = threshold
    shaded = f" Shaded: too small to act on ({limits(1 / d, d)})." if d else ""
    return drawn(
        lambda width: _draw(width, estimates, threshold),
        title=title,
        caption=caption,
        alt=f"Points with intervals on one axis.{shaded} {caption} {_findings(estimates, threshold)}",
        data=_numbers(estimates),
    )


def _require_one_kind(estimates: Sequence[Estimate]) -> None:
    if not estimates:
        raise ValueError("forest: there is no estimate to draw")
    if len({estimate.estimand.is_ratio for estimate in estimates}) > 1:
        kinds = ", ".join(sorted({estimate.estimand.label for estimate in estimates}))
        raise ValueError(f"forest: ratios and differences cannot share an axis (got {kinds}); draw two figures")


def headlines(found: Mapping[str, Estimate], ids: Sequence[str] = RATIOS) -> list[Estimate]:
    """One estimate per design, of those that were found, each under its own name."""
    return [replace(found[id], label="all") for id in ids if id in found]


def name_of(estimate: Estimate, longest: int = 60) -> str:
    """The name a reader knows an estimate by: its slice, or what it is where the slice is everything."""
    if estimate.label and estimate.label != "all":
        return clip(estimate.label, longest)
    return clip(estimate.id.replace(".", ": ").replace("_", " ") or estimate.estimand.label, longest)


def _summary(estimates: Sequence[Estimate]) -> str:
    """How many intervals lie on which side, in a sentence."""
    if len(estimates) == 1:
        return f"{sentence_start(name_of(estimates[0]))}: {finding(estimates[0])}."
    controls = [estimate for estimate in estimates if estimate.id.startswith(CONTROLS)]
    others = [estimate for estimate in estimates if not estimate.id.startswith(CONTROLS)]
    return sentence_start(f"{'; '.join(filter(None, (_sides(others), _holding(controls))))}.")


def _sides(estimates: Sequence[Estimate]) -> str:
    if not estimates:
        return ""
    null = estimates[0].estimand.null
    known = [estimate.interval for estimate in estimates if estimate.estimable]
    above, below = sum(i.low > null for i in known), sum(i.high < null for i in known)
    parts = [
        (above, f"above {null:g}"),
        (below, f"below {null:g}"),
        (len(known) - above - below, f"with {null:g} inside"),
        (len(estimates) - len(known), "not estimable"),
    ]
    told = ", ".join(f"{count(n)} {words}" for n, words in parts if n)
    return f"Of {count(len(estimates))} intervals: {told}"


def _holding(controls: Sequence[Estimate]) -> str:
    """How many of the ratios or differences that ought to be nothing could be; one more result they are not."""
    if not controls:
        return ""
    null = f"{controls[0].estimand.null:g}"
    known = [control for control in controls if control.estimable]
    holding = sum(control.estimand.null in control.interval for control in known)
    silent = f", {count(len(controls) - len(known))} of them not estimable" if len(known) < len(controls) else ""
    if len(known) == holding == 2 and not silent:
        return f"both controls, which should hold {null}, do"
    return f"{count(holding)} of {count(len(controls))} controls, which should hold {null}, do{silent}"


def _corrected(estimates: Sequence[Estimate], adjusted_p: Sequence[float | None], adjustment: str) -> str:
    """How many of a family stand out after correction; intervals hold for one estimate at a time."""
    if not adjusted_p:
        return ""
    if len(adjusted_p) != len(estimates):
        raise ValueError(f"forest: {len(adjusted_p)} adjusted p for {len(estimates)} estimates; give one for each")
    pairs = [(p, each) for p, each in zip(adjusted_p, estimates, strict=True) if p is not None and each.estimable]
    clear = sum(p <= 1 - each.interval.level for p, each in pairs)
    asked = f"{count(clear)} of {count(len(pairs))} contrasts"
    return f" After correction for having asked them all ({adjustment}) {asked} stand out."


def _findings(estimates: Sequence[Estimate], worth_acting_on: float | None) -> str:
    told = ". ".join(
        f"{sentence_start(name_of(estimate))}: {clip(finding(estimate, worth_acting_on), 160)}"
        for estimate in estimates[:MOST_TOLD]
    )
    more = len(estimates) - MOST_TOLD
    return f"{told}." + (f" {count(more)} more in the table." if more > 0 else "")


def _numbers(estimates: Sequence[Estimate]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "estimate": name_of(estimate),
            "compared": estimate.estimand.label,
            "value": estimate.value,
            "low": estimate.interval.low,
            "high": estimate.interval.high,
            "level": estimate.interval.level,
            "note": "" if estimate.estimable else f"not estimable: {reason(estimate)}",
        }
        for estimate in estimates
    ]
    frame = pd.DataFrame(rows)
    return frame if frame["note"].any() else frame.drop(columns="note")


def _draw(width: int, estimates: Sequence[Estimate], worth_acting_on: float | None) -> Drawing:
    # On a telephone the name stands above its interval instead of beside it.
    narrow = width <= NARROW
    row, left, right = (48, 8, 138) if narrow else (32, 236, 160)
    sheet = Sheet(width, row * len(estimates) + FOOT)
    bottom = row * len(estimates) + 6
    axes = sheet.axes(left, 0, width - right, bottom)
    axes.set_ylim(bottom, 0)
    _effect_axis(axes, estimates, worth_acting_on, narrow)
    for place, estimate in enumerate(estimates):
        top = row * place
        y = top + (33 if narrow else 17)
        sheet.text(0, top + (12 if narrow else 17), name_of(estimate, 46 if narrow else 34))
        # Lines down the whole picture would cross the names that stand above the intervals.
        backdrop(axes, y - 11 if narrow else top, y + (11 if narrow else 15), _null(estimates), worth_acting_on)
        _row(sheet, axes, estimate, y)
    return sheet.drawing


def _null(estimates: Sequence[Estimate]) -> float:
    return estimates[0].estimand.null


def _effect_axis(axes: Axes, estimates: Sequence[Estimate], worth_acting_on: float | None, narrow: bool) -> None:
    ratio = estimates[0].estimand.is_ratio
    ends = [end for estimate in estimates for end in (estimate.interval.low, estimate.interval.high)]
    values = [estimate.value for estimate in estimates if estimate.estimable]
    d = worth_acting_on or 1.25
    low, high = ratio_range([1 / d, d, *values], ends) if ratio else even_range([*values, *ends])
    effect_axis(axes, low, high, ratio=ratio, most_ticks=5 if narrow else 8)
    axes.set_xlabel("ratio (logarithmic axis)" if ratio else "difference", color=QUIET, labelpad=6)


def _row(sheet: Sheet, axes: Axes, estimate: Estimate, y: float) -> None:
    if estimate.estimable:
        effect(axes, estimate, y)
        sheet.text(sheet.width, y, value_and_limits(estimate), ha="right")
    else:
        sheet.text(sheet.width, y, "not estimable", ha="right", style="italic")
