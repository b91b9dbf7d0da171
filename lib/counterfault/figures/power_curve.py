"""How often a ratio would have been seen, had it been there: shares of runs over planted ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import grid, name_at_right
from counterfault.figures.sheet import Sheet, ratio_ticks
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import clip, limits, number, percent, reason

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SEEN, CALLED = "interval above 1", "called “more”"
DASHES = {SEEN: "-", CALLED: (0, (6, 2))}
WANTED = 0.8  # a study is planned to see what matters four times in five
TOP, BOTTOM, HEIGHT = 14, 226, 280


def power_curve(power: Estimate, called: Estimate, seen: Estimate, *, worth_acting_on: float) -> Figure:
    """Power over the planted ratio, with the share of runs in which the verdict calls it.

    Parameters
    ----------
    power : shares of runs with an interval above 1, one part per planted ratio, labelled "ratio 1.5"; 1 is a shuffle.
    called : the same for runs called "more".
    seen : the ratio from which on the interval lies above 1 in four runs of five.
    worth_acting_on : the plan's threshold, marked.

    Raises
    ------
    ValueError
        Where fewer than two ratios were planted, a label does not name its ratio, or the threshold is not above 1.
    """
    if not worth_acting_on > 1:
        raise ValueError(f"worth_acting_on must be above 1; it is {worth_acting_on}")
    frame = _numbers(power, called)
    caption = _caption(frame, seen, worth_acting_on)
    return drawn(
        lambda width: _draw(width, frame, worth_acting_on),
        title="What this procedure would have seen in these data",
        caption=caption,
        alt=f"Two curves of the share of runs over the planted ratio, rising. {caption} {_told(frame)}",
        data=frame,
    )


def _numbers(power: Estimate, called: Estimate) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (name, _ratio(part), part.value, part.interval.low, part.interval.high, part.support.get("runs", 0))
        for name, found in ((SEEN, power), (CALLED, called))
        for part in found.parts
    ]
    frame = pd.DataFrame(rows, columns=["what", "ratio", "share", "low", "high", "runs"])
    if frame.groupby("what")["ratio"].nunique().reindex([SEEN, CALLED], fill_value=0).min() < 2:
        raise ValueError("power_curve: there are fewer than two planted ratios, so there is no curve to draw")
    return frame.sort_values(["what", "ratio"], key=lambda c: c if c.name == "ratio" else c != SEEN, ignore_index=True)


def _ratio(part: Estimate) -> float:
    try:
        return float(part.label.removeprefix("ratio "))
    except ValueError:
        raise ValueError(f"power_curve: label {part.label!r} names no ratio; it should read like 'ratio 1.5'") from None


def _caption(frame: pd.DataFrame, seen: Estimate, worth_acting_on: float) -> str:
    curve = dict(frame.loc[frame["what"] == SEEN, ["ratio", "share"]].to_numpy().tolist())
    told = []
    if 1.0 in curve:
        told.append(
            f"Where AI made no difference, {percent(curve[1.0])} of the runs raised a false alarm: an interval above 1."
        )
    if worth_acting_on in curve:
        told.append(
            f"A ratio of {number(worth_acting_on)} would have been noticed in {percent(curve[worth_acting_on])} of the "
            "runs."
        )
    if seen.estimable:
        told.append(f"A ratio of {number(seen.value)} ({_range(seen)}) would have been noticed in {percent(WANTED)}.")
    else:
        told.append(f"{clip(reason(seen), 200)}.")
    return " ".join(told)


def _range(seen: Estimate) -> str:
    return f"{percent(seen.interval.level)} interval {limits(seen.interval.low, seen.interval.high)}"


def _told(frame: pd.DataFrame) -> str:
    called = frame[frame["what"] == CALLED]
    shares = ", ".join(
        f"{number(ratio)} in {percent(share)}" for ratio, share in zip(called["ratio"], called["share"], strict=True)
    )
    return f"Called “more”: ratio {shares}."


def _draw(width: int, frame: pd.DataFrame, worth_acting_on: float) -> Drawing:
    sheet = Sheet(width, HEIGHT)
    axes = sheet.axes(44, TOP, width - (112 if sheet.narrow else 130), BOTTOM)
    grid(axes, [0, 0.2, 0.4, 0.6, 0.8, 1.0], lambda tick: f"{100 * tick:g}%")
    _name_ratios(axes, frame, 5 if sheet.narrow else 8)
    axes.axhline(WANTED, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(worth_acting_on, color=QUIET, linewidth=1)
    axes.annotate(
        "worth acting on", (worth_acting_on, 1), xycoords=("data", "axes fraction"), xytext=(0, 7),
        textcoords="offset points", ha="center", va="center", color=QUIET, annotation_clip=False,
    )  # fmt: skip
    for name, rows in frame.groupby("what", sort=False):
        _curve(axes, rows, DASHES[str(name)])
    seen, called = (frame[frame["what"] == name] for name in (SEEN, CALLED))
    name_at_right(axes, [(float(seen["share"].iloc[-1]), SEEN)], BOTTOM - TOP)
    # Both curves may end at all runs, so the lower one is named where it is on its way.
    on_its_way = called.iloc[int((called["share"] - 0.4).abs().argmin())]
    axes.annotate(
        CALLED, (on_its_way["ratio"], on_its_way["share"]), xytext=(9, -10), textcoords="offset points",
        va="center", annotation_clip=False,
    )  # fmt: skip
    return sheet.drawing


def _name_ratios(axes: Axes, frame: pd.DataFrame, most: int) -> None:
    low, high = float(frame["ratio"].min()), float(frame["ratio"].max())
    axes.set_xscale("log")
    axes.set_xlim(low / 1.02, high * 1.02)
    axes.minorticks_off()
    planted = sorted(set(frame["ratio"]))
    ticks = planted if len(planted) <= most else ratio_ticks(low / 1.02, high * 1.02, most)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("planted ratio (logarithmic axis)", color=QUIET, labelpad=6)
    axes.spines["bottom"].set_visible(True)


def _curve(axes: Axes, rows: pd.DataFrame, dash: object) -> None:
    x, share = rows["ratio"], rows["share"]
    axes.plot(x, share, color=INK, linestyle=dash, linewidth=2, marker="o", markersize=6, clip_on=False)
    axes.vlines(x, rows["low"], rows["high"], color=INK, linewidth=1.2, clip_on=False)
