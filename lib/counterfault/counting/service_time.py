"""Service time split by how long ago the service last shipped: the panel of the self-controlled designs.

Everything happens in whole seconds on one line of moments per service: deployments, the ends of the periods after and
before them, the edges of the week's bands, incidents. Between two neighbouring moments nothing changes, so each
stretch has one state, and an incident belongs to the stretch that begins with it. No moment is joined with another.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

import ibis
import pandas as pd

from counterfault.counting.covariates import calendar_label
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import possibly_changed
from counterfault.panels import RiskTime
from counterfault.plan import Plan

HOUR, DAY = 3600, 86_400
BAND_HOURS = 4  # six bands a day, working days and weekends apart: finer than the day, coarse enough to estimate
BLOCK = "month"

# A deployment of unknown assistance, or made to repair an open incident, is neither AI-assisted nor other; the hours
# after it say nothing about either and are left out rather than taken for quiet time.
AI, OTHER, VEILED = "ai", "other", "veiled"


def risk_time(linked: Linked, plan: Plan) -> RiskTime:
    """The hours and incidents of each service, by what it had shipped shortly before and would ship shortly after.

    Parameters
    ----------
    linked : tables; no link is used. Incidents known to have another cause than a change are left out.
    plan : ``designs.risk_hours`` and ``before_hours``; ``outcome.window_hours`` stands in for both.

    Notes
    -----
    Only months of a service in which an incident began are counted: the others carry no information in a design that
    compares each service with itself. Periods are half-open: a moment belongs to the period that begins with it.

    Hours that lie in the first risk period of more than one deployment are left out. Each deployment brings incidents
    of its own, so their rates add up, while a model of rate ratios multiplies them: kept in, such hours would make the
    kind look worse that is seldom seen alone, which is the rarer one.
    """
    cuts, before = cuts_of(plan), before_hours_of(plan)
    incidents = _incidents(linked, plan)
    eventful = incidents.group_by("service", "block").agg(found=incidents.count())
    shipped = shipments(linked, plan).semi_join(eventful, "service")
    line = _line(shipped, incidents, eventful, linked, plan, cuts, before)
    return RiskTime(_states(line, eventful, Span.of(linked, plan), cuts, before), (0.0, *cuts), before)


def cuts_of(plan: Plan) -> tuple[float, ...]:
    """Hours after a deployment at which its risk periods end.

    One period, unless the plan asks for more: a second one overlaps with the first of later deployments most of the
    time, and there too the model would multiply what adds up.
    """
    return plan.designs.risk_hours or (plan.outcome.window_hours,)


def before_hours_of(plan: Plan) -> float:
    """Hours before a deployment that are told apart from quiet time."""
    return plan.designs.before_hours or plan.outcome.window_hours


@dataclass(frozen=True)
class Span:
    """The seconds under study, from ``start`` to before ``end``."""

    start: int
    end: int

    @classmethod
    def of(cls, linked: Linked, plan: Plan) -> Span:
        """From the first deployment, or what the plan says, to the end of the data."""
        starts = [int(linked.start.timestamp()), *(_midnight(day) for day in _firsts(plan))]
        ends = [int(linked.end.timestamp()), *([_midnight(plan.period.end)] if plan.period.end else [])]
        return cls(max(starts), min(ends))

    def holds(self, second: Any) -> Any:
        """Whether a moment lies in the span, as a condition on a column."""
        return (second >= self.start) & (second < self.end)


def _firsts(plan: Plan) -> list[Any]:
    return [day for day in (plan.period.start, plan.period.incidents_from) if day]


def _midnight(day: Any) -> int:
    return int(datetime.combine(day, time.min, tzinfo=UTC).timestamp())


def shipments(linked: Linked, plan: Plan) -> Any:
    """``service``, ``second`` and ``kind`` (AI, other or veiled) of every deployment the plan does not leave out."""
    from counterfault.counting.outcomes import repairing_deployments

    tables = study_tables(linked.checked, plan)
    repairs = repairing_deployments(linked, plan).mutate(repair=ibis.literal(True))
    rows = tables.deployments.left_join(repairs, "deployment_id").drop("deployment_id_right")
    veiled = rows.repair.fill_null(False) | (rows.assistance == "unknown")
    kind = ibis.cases((veiled, VEILED), (rows.assistance == "ai", AI), else_=OTHER)
    return rows.select("service", second=rows.deployed_at.epoch_seconds().cast("int64"), kind=kind)


def _incidents(linked: Linked, plan: Plan) -> Any:
    suspects = possibly_changed(study_tables(linked.checked, plan).incidents)
    rows = suspects.select(
        "service",
        second=suspects.started_at.epoch_seconds().cast("int64"),
        block=calendar_label(suspects.started_at, BLOCK),
    )
    return rows.filter(Span.of(linked, plan).holds(rows.second))


def _line(
    shipped: Any,
    incidents: Any,
    eventful: Any,
    linked: Linked,
    plan: Plan,
    cuts: Sequence[float],
    before: float,
) -> Any:
    """Every moment of a service at which anything changes, once, with what happens at it."""
    moments = [
        _moments(
            shipped,
            ai_at=_at(shipped, AI),
            other_at=_at(shipped, OTHER),
            veiled_at=_at(shipped, VEILED),
            fresh=ibis.literal(1, "int64"),
        ),
        _moments(incidents, incidents=ibis.literal(1, "int64")),
        _moments(_later(shipped, cuts[0]), fresh=ibis.literal(-1, "int64")),
        *(_moments(_later(shipped, hours)) for hours in cuts[1:]),
        _moments(_later(shipped, -before)),
        _edges(eventful, Span.of(linked, plan)),
    ]
    every = ibis.union(*moments)
    names = ("ai_at", "other_at", "veiled_at", "block")
    return every.group_by("service", "second").agg(
        incidents=every.incidents.sum(), fresh=every.fresh.sum(), **{name: every[name].max() for name in names}
    )


def _later(shipped: Any, hours: float) -> Any:
    return shipped.mutate(second=shipped.second + round(hours * HOUR))


def _at(shipped: Any, kind: str) -> Any:
    return ibis.ifelse(shipped.kind == kind, shipped.second, ibis.null("int64"))


def _moments(rows: Any, **found: Any) -> Any:
    """The rows as moments: what is not given is nothing."""
    empty = {
        "ai_at": ibis.null("int64"),
        "other_at": ibis.null("int64"),
        "veiled_at": ibis.null("int64"),
        "incidents": ibis.literal(0, "int64"),
        "fresh": ibis.literal(0, "int64"),
        "block": ibis.null("string"),
    }
    return rows.select("service", "second", **{**empty, **found})


def _edges(eventful: Any, span: Span) -> Any:
    """The band edges of each eventful month of a service, and the first moment after it, named after their month."""
    edges = ibis.memtable(band_edges(span))
    rows = eventful.join(edges, eventful.block == edges.of_block).select("service", "second", block=edges.label)
    return _moments(rows, block=rows.block)


def band_edges(span: Span) -> pd.DataFrame:
    """Moments at which a band of the week begins: ``of_block`` (month it bounds), ``second``, ``label`` (own month).

    The first moment after a month bounds that month too, and is labelled as the next one, so that the last stretch of
    a month ends there. The ends of the study are edges as well.
    """
    step = BAND_HOURS * HOUR
    inside = range(-(-span.start // step) * step, span.end, step)
    seconds = pd.Series(sorted({span.start, span.end, *inside}), dtype="int64")
    label = pd.to_datetime(seconds, unit="s", utc=True).dt.strftime("%Y-%m")
    edges = pd.DataFrame({"of_block": label, "second": seconds, "label": label})
    turns = edges[label.ne(label.shift()) | (seconds == span.end)].iloc[1:]
    closing = turns.assign(of_block=label.shift()[turns.index])
    return pd.concat([edges, closing], ignore_index=True)


def _states(line: Any, eventful: Any, span: Span, cuts: Sequence[float], before: float) -> pd.DataFrame:
    """Stretches between neighbouring moments, summed by stratum, band and state."""
    here = {"group_by": "service", "order_by": "second"}
    past = ibis.window(**here, rows=(None, 0))
    future = ibis.window(**here, rows=(1, None))
    rows = line.mutate(
        until=line.second.lead().over(ibis.window(**here)),
        block=line.block.max().over(past),
        alone=line.fresh.sum().over(past) <= 1,
        **{f"{name}_last": line[f"{name}_at"].max().over(past) for name in (AI, OTHER, VEILED)},
        **{f"{name}_next": line[f"{name}_at"].min().over(future) for name in (AI, OTHER)},
    )
    # Risk periods reach beyond the study; what lies there was not watched.
    rows = rows.filter(span.holds(rows.second) & rows.alone)
    states = rows.select(
        "service",
        "block",
        "incidents",
        band=_band(rows.second),
        after_ai=_period_after(rows.second - rows.ai_last, cuts),
        after_other=_period_after(rows.second - rows.other_last, cuts),
        veiled=_period_after(rows.second - rows.veiled_last, cuts),
        before_ai=_soon(rows.ai_next - rows.second, before),
        before_other=_soon(rows.other_next - rows.second, before),
        seconds=rows.until - rows.second,
    )
    states = states.filter((states.veiled == 0) & states.seconds.notnull()).semi_join(eventful, ["service", "block"])
    keys = ["service", "block", "band", "after_ai", "after_other", "before_ai", "before_other"]
    grouped = states.group_by(keys).agg(hours=states.seconds.sum() / HOUR, incidents=states.incidents.sum())
    frame: pd.DataFrame = grouped.order_by(keys).execute()
    whole = dict.fromkeys((*keys[3:], "incidents"), "int64")
    return frame.astype({**whole, "hours": "float64"})


def _band(second: Any) -> Any:
    """Part of the week (UTC) a moment lies in."""
    weekday = (second // DAY + 3) % 7  # 1970-01-01 was a Thursday, and Monday is 0
    start = second % DAY // (BAND_HOURS * HOUR)
    names = [f"{part} {hour:02d}-{hour + BAND_HOURS:02d}" for part in WEEK for hour in range(0, 24, BAND_HOURS)]
    place = start + ibis.ifelse(weekday >= calendar.SATURDAY, 24 // BAND_HOURS, 0)
    return ibis.cases(*((place == number, name) for number, name in enumerate(names[:-1])), else_=names[-1])


WEEK = ("weekday", "weekend")


def _period_after(age: Any, cuts: Sequence[float]) -> Any:
    """Which risk period a deployment of this age is in; 0 where there is none, or it is older than the last cut."""
    return ibis.cases(
        (age.isnull(), 0), *((age < round(cut * HOUR), number) for number, cut in enumerate(cuts, start=1)), else_=0
    )


def _soon(wait: Any, before: float) -> Any:
    return (wait <= round(before * HOUR)).fill_null(False).cast("int64")
