"""Each incident's own moment and the like moments around it: the panel of the case-crossover design."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd

from counterfault.counting.covariates import calendar_label
from counterfault.counting.service_time import AI, BLOCK, DAY, HOUR, OTHER, VEILED, Span, shipments
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import possibly_changed
from counterfault.panels import ReferentSets
from counterfault.plan import Plan

WEEKS = 4  # no month holds more than four further days with the weekday of a given one


def referent_sets(linked: Linked, plan: Plan) -> ReferentSets:
    """For each incident, whether its service had just shipped, then and at the same hour of other weeks of that month.

    Parameters
    ----------
    linked : tables; no link is used. Incidents known to have another cause than a change are left out.
    plan : ``outcome.window_hours`` says how long before a moment "just" is.

    Notes
    -----
    Referents lie on both sides of the incident, in its own calendar month, so that neither a trend in shipping nor the
    hour of day can look like an effect (Janes, Sheppard & Lumley 2005, Epidemiology 16:717). Moments within the window
    after a deployment of unknown assistance, or after a repair, are left out, and so are those with more than one
    deployment in the window (see :func:`~counterfault.counting.service_time.risk_time`); a set whose incident is such a
    moment is left out whole.
    """
    window = plan.outcome.window_hours
    moments = _moments(linked, plan)
    marked = _just_shipped(moments, shipments(linked, plan), window)
    return ReferentSets(_compressed(marked), window)


def _moments(linked: Linked, plan: Plan) -> Any:
    """``incident_id``, ``service``, ``second``, ``is_case``: the incident and its referents inside the study."""
    span = Span.of(linked, plan)
    suspects = possibly_changed(study_tables(linked.checked, plan).incidents)
    second = suspects.started_at.epoch_seconds().cast("int64")
    cases = suspects.mutate(second=second, block=calendar_label(suspects.started_at, BLOCK)).filter(span.holds(second))
    weeks = ibis.memtable({"week": list(range(-WEEKS, WEEKS + 1))}, schema={"week": "int64"})
    pairs = cases.cross_join(weeks).mutate(second=lambda table: table.second + table.week * 7 * DAY)
    # Months as numbers, not as labels of moments: not every engine can make a time of a number of seconds.
    months = ibis.memtable(month_bounds(span))
    inside = pairs.join(months, pairs.block == months.label)
    inside = inside.filter((inside.second >= inside.first) & (inside.second < inside.until))
    return inside.select("incident_id", "service", "second", is_case=(inside.week == 0).cast("int64"))


def month_bounds(span: Span) -> pd.DataFrame:
    """``label``, ``first`` and ``until`` (seconds) of each calendar month, as far as it lies in the study."""
    start, end = (pd.Timestamp(second, unit="s") for second in (span.start, span.end))
    months = pd.period_range(start, end, freq="M")
    bounds = [(str(each), int(each.start_time.timestamp()), int((each + 1).start_time.timestamp())) for each in months]
    frame = pd.DataFrame(bounds, columns=["label", "first", "until"])
    return frame.assign(first=frame["first"].clip(lower=span.start), until=frame["until"].clip(upper=span.end))


def _just_shipped(moments: Any, shipped: Any, window: float) -> Any:
    """The moments with at most one deployment in the window before them, and which kind it was."""
    limit = round(window * HOUR)
    changes = [
        _changes(shipped, ibis.ifelse(shipped.kind == kind, sign, 0), later=later, kind=kind)
        for kind in KINDS
        for sign, later in ((1, 0), (-1, limit))
    ]
    none = {kind: ibis.literal(0, "int64") for kind in KINDS}
    asked = moments.select("service", "second", "incident_id", "is_case", order=ibis.literal(1, "int64"), **none)
    line = ibis.union(*changes, asked)
    # What happens in the very second of a moment comes before it: a window that begins there counts, one that ends does
    # not.
    past = ibis.window(group_by="service", order_by=["second", "order"], rows=(None, 0))
    marked = line.mutate(**{kind: line[kind].sum().over(past) for kind in KINDS})
    alone = marked[AI] + marked[OTHER] <= 1
    return marked.filter(marked.incident_id.notnull() & (marked[VEILED] == 0) & alone)


def _changes(shipped: Any, step: Any, *, later: int, kind: str) -> Any:
    """Moments at which one more deployment of a kind lies in the window, or one less."""
    none = {name: ibis.literal(0, "int64") for name in KINDS}
    return shipped.select(
        "service",
        second=shipped.second + later,
        incident_id=ibis.null("string"),
        is_case=ibis.null("int64"),
        order=ibis.literal(0, "int64"),
        **{**none, kind: step.cast("int64")},
    )


KINDS = (AI, OTHER, VEILED)
PATTERNS = ("n00", "n10", "n01", "n11")


def _compressed(marked: Any) -> Any:
    """Sets counted by their incident's pattern and those of all their moments."""
    pattern = marked[AI] + 2 * marked[OTHER]
    sets = marked.group_by("service", "incident_id").agg(
        case_ai=(marked[AI] * marked.is_case).sum(),
        case_other=(marked[OTHER] * marked.is_case).sum(),
        cases=marked.is_case.sum(),
        **{name: (pattern == number).cast("int64").sum() for number, name in enumerate(PATTERNS)},
    )
    sets = sets.filter(sets.cases == 1)
    keys = ["service", "case_ai", "case_other", *PATTERNS]
    frame = sets.group_by(keys).agg(sets=sets.count()).order_by(keys).execute()
    return frame.astype(dict.fromkeys((*keys[1:], "sets"), "int64"))
