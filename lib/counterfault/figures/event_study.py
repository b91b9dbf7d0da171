"""What changed around adoption, period by period: before it nothing should, after it the effect shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimand, Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.paragraphs import lines_of, paragraph
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import INK, QUIET, ZONE
from counterfault.figures.upright import Mark, difference_axis, difference_limits, upright_effect
from counterfault.figures.wording import clip, count, finding, limits, number, percent, reason

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# An estimate says in a caveat that begins like this from which share of AI-assisted deployments to which it goes.
SHARES = "AI-assisted deployments were "
SINCE = re.compile(r"period ([+-]?\d+)")
BASE = -1  # the last period before adoption, to which every other is compared
BEFORE, AFTER = Mark(QUIET, "s", filled=False), Mark(INK, "o", filled=True)
WORD = 40


@dataclass(frozen=True)
class _Study:
    """The estimates by time since adoption, and the words of their design."""

    overall: Estimate
    drift: Estimate | None
    times: tuple[tuple[int, Estimate], ...]
    unit: str
    period: str

    @property
    def scale(self) -> float:
        """Shares are told in percentage points."""
        return 100.0 if self.overall.estimand is Estimand.RISK_DIFFERENCE else 1.0

    @property
    def in_words(self) -> str:
        return " percentage points" if self.scale == 100 else ""

    def span(self, item: Estimate) -> str:
        """``−0.17 percentage points (95% interval −2.07 to 1.73: includes 0)``."""
        low, high = (self.scale * end for end in (item.interval.low, item.interval.high))
        where = finding(item).rpartition("): ")[2]
        return (
            f"{number(self.scale * item.value)}{self.in_words} ({percent(item.interval.level)} interval "
            f"{limits(low, high)}: {where})"
        )


@redrawable
def event_study(overall: Estimate, drift: Estimate | None = None) -> Figure:
    """The change since just before adoption, by time since adoption.

    Parameters
    ----------
    overall : the estimate ``adoption.did.not_yet`` or ``adoption.did.never``, whose parts are labelled ``period -2``,
        ``period 0``, ``period +3``.
    drift : the estimate ``adoption.pre_trend``; told in the caption.

    Raises
    ------
    ValueError
        Where the estimate is a ratio, or a part says no time since adoption.
    """
    if overall.estimand.is_ratio:
        raise ValueError(f"event_study draws differences; {overall.id!r} is a {overall.estimand.label}")
    study = _study(overall, drift)
    caption = " ".join(filter(None, (_change(study), _shares(study), _drift(study))))
    return drawn(
        lambda width: _draw(width, study),
        title=f"Around a {study.unit}'s adoption of AI: all its changes together",
        caption=caption,
        alt=f"Points with intervals by time since adoption: open squares before it, filled dots from then on, "
        f"and a firm line at no change. Shaded: the interval of the mean over {study.unit}s. An arrow: the interval "
        f"goes on beyond the axis. {caption} {_by_side(study)}".strip(),
        data=_numbers(study),
    )


def _study(overall: Estimate, drift: Estimate | None) -> _Study:
    times = tuple(sorted(((_since(part), part) for part in overall.parts), key=lambda pair: pair[0]))
    unit, _, period = overall.design.removeprefix("by ").rpartition(" and ")
    return _Study(overall, drift, times, clip(unit or "unit", WORD), clip(period or "period", WORD))


def _since(part: Estimate) -> int:
    found = SINCE.fullmatch(part.label)
    if found is None:
        raise ValueError(f"event_study: label {clip(part.label)!r} names no time since adoption, such as 'period +3'")
    return int(found[1])


def _change(study: _Study) -> str:
    overall = study.overall
    if not overall.estimable:
        return f"The change with adoption is not estimable: {reason(overall)}."
    outcome = clip(overall.outcome or "outcome", 80)
    changed = f"From adoption on, the {outcome} changed by {study.span(overall)}"
    either = " A rise and a fall are both possible." if 0 in overall.interval else ""
    return f"{changed}, relative to {study.unit}s that had not adopted.{either}"


def _shares(study: _Study) -> str:
    """How much AI there was before and after, which says how much a change of all changes together can show."""
    found = next((each for each in study.overall.caveats if each.startswith(SHARES)), "")
    return f"{clip(found.partition(':')[0], 160)}." if found and study.overall.estimable else ""


def _drift(study: _Study) -> str:
    """The trend before adoption, and whether the periods before it are all like the base."""
    drift = study.drift
    if drift is None:
        return ""
    if not drift.estimable:
        return f"The trend before adoption is not estimable: {reason(drift)}."
    told = f"Trend before adoption, per {study.period}: {study.span(drift)}"
    if drift.p_value is None:
        return f"{told}."
    number_of = f"{count(len(drift.parts))} " if drift.parts else ""
    earlier, last = f"the {number_of}earlier {study.period}s tested", "the last one before adoption"
    if drift.p_value <= 1 - drift.interval.level:
        return f"{told}; {earlier} differ from {last} (p {_p(drift.p_value)}): trends may not have been parallel."
    return f"{told}; {earlier} may be like {last} (p {_p(drift.p_value)}), in a test that misses many drifts."


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def _by_side(study: _Study) -> str:
    sides = (("before adoption", [e for t, e in study.times if t < 0]), ("from adoption on", _from_adoption(study)))
    told = [
        f"{count(sum(0 in item.interval for item in items if item.estimable))} of {count(len(items))} intervals "
        f"{when} include no change"
        for when, items in sides
        if items
    ]
    return f"{'; '.join(told)}." if told else ""


def _from_adoption(study: _Study) -> list[Estimate]:
    return [item for time, item in study.times if time >= 0]


def _numbers(study: _Study) -> pd.DataFrame:
    import pandas as pd

    rows = [_row(time, item, study.period) for time, item in study.times]
    rows.append({**_row(0, study.overall, study.period), f"{study.period}s since adoption": "all from adoption on"})
    frame = pd.DataFrame(rows)
    return frame if frame["note"].any() else frame.drop(columns="note")


def _row(time: int, item: Estimate, period: str) -> dict[str, Any]:
    return {
        f"{period}s since adoption": f"{time:+d}" if time else "0",
        "compared": item.estimand.label,
        "value": item.value,
        "low": item.interval.low,
        "high": item.interval.high,
        "level": item.interval.level,
        "note": "" if item.estimable else f"not estimable: {reason(item)}",
    }


def _draw(width: int, study: _Study) -> Drawing:
    sheet = Sheet(width, 290)
    if not any(item.estimable for _, item in study.times):
        return _silence(sheet, study.overall)
    left, right, top, bottom = 46, width - 8, 52, 238
    sheet.text(0, 10, f"Change in {_outcome(study)}", color=QUIET)
    axes = sheet.axes(left, top, right, bottom)
    difference_axis(axes, *difference_limits([item for _, item in study.times if item.estimable]), study.scale)
    _time_axis(axes, study, right - left)
    _sides(sheet, axes, study, (left, right))
    for time, item in study.times:
        if item.estimable:
            upright_effect(axes, time, item, BEFORE if time < 0 else AFTER)
        else:
            axes.text(time, 0, "?", ha="center", va="bottom", color=QUIET)
    axes.plot([BASE], [0], marker="D", markersize=6, color=QUIET, markerfacecolor="none", linestyle="none", zorder=4)
    return sheet.drawing


def _outcome(study: _Study) -> str:
    if study.scale == 100:
        return "the failed share, percentage points"
    return clip(study.overall.outcome or "the outcome", 36)


def _time_axis(axes: Axes, study: _Study, width: float) -> None:
    times = [BASE, *(time for time, _ in study.times)]
    low, high = min(times) - 0.6, max(times) + 0.6
    axes.set_xlim(low, high)
    # Counted from adoption, so that 0 always has its name.
    step = next(n for n in (1, 2, 3, 6, 12, 24, 60, 10**6) if n * width / (high - low) >= 24)
    ticks = [time for time in range(min(times), max(times) + 1) if time % step == 0]
    axes.set_xticks(ticks, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in ticks])
    axes.set_xlabel(f"{study.period}s since adoption", color=QUIET, labelpad=6)
    axes.spines["bottom"].set_visible(True)


def _sides(sheet: Sheet, axes: Axes, study: _Study, edges: tuple[float, float]) -> None:
    """Before and after in words over a line between them, and the mean of what came after."""
    low, high = axes.get_xlim()
    axes.axvline(-0.5, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    line = edges[0] + (edges[1] - edges[0]) * (-0.5 - low) / (high - low)
    if line - edges[0] > 70:
        sheet.text(line - 6, 36, "□ before" if sheet.narrow else "□ before adoption", ha="right", color=QUIET)
    shade = "" if sheet.narrow else f" (shaded: mean over {clip(study.unit, 16)}s)"
    sheet.text(line + 6, 36, f"● from adoption on{shade}")
    overall = study.overall
    if overall.estimable and _from_adoption(study):
        ends = [max(overall.interval.low, axes.get_ylim()[0]), min(overall.interval.high, axes.get_ylim()[1])]
        axes.fill_between([-0.5, high], [ends[0]] * 2, [ends[1]] * 2, color=ZONE, alpha=0.16, linewidth=0, zorder=0)
        axes.plot([-0.5, high], [overall.value] * 2, color=INK, linewidth=1, linestyle=(0, (2, 2)), zorder=2)


def _silence(sheet: Sheet, overall: Estimate) -> Drawing:
    why = reason(overall) if not overall.estimable else "no period rests on enough adopters to be drawn"
    sheet.text(0, 60, "not estimable", fontsize=19, fontweight="bold")
    paragraph(sheet, 0, 92, lines_of(why, sheet.width - 10), color=QUIET)
    return sheet.drawing
