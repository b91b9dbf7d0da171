"""Which hours are a service's peak, from the load table: load is there before the change, so it is a confounder."""

from __future__ import annotations

from typing import Any

import ibis

from counterfault.checking.filters import LEFT_OUT

# The tenth that matters is each service's own: a quiet service's busiest hour is its peak, however little it serves.
PEAK_SHARE = 0.1


def with_peak(deployments: Any, load: Any) -> Any:
    """The deployments with ``at_peak``: did they fall into one of the busiest hours of their service?

    Parameters
    ----------
    deployments : with ``deployed_at`` and ``service``.
    load : ``service``, ``hour`` (UTC), ``requests``. Rows within one hour are added up.

    Returns
    -------
    The same rows. ``at_peak`` is null where the load of that hour is not known; it is never taken for quiet.
    """
    hours = _peak_hours(load)
    placed = deployments.mutate(load_hour=deployments.deployed_at.truncate("h"))
    found = placed.left_join(hours, [placed.service == hours.load_service, placed.load_hour == hours.hour])
    return found.drop("load_hour", "load_service", "hour")


def _peak_hours(load: Any) -> Any:
    """``load_service``, ``hour``, ``at_peak``: whether at most a tenth of the service's hours served as many requests.

    Why not simply "above the 90th percentile"? Hours with the same load share a fate, and where load never varies that
    would make either every hour a peak or depend on rounding. Here it makes none.
    """
    load = load.filter(load[LEFT_OUT].isnull())
    hourly = load.group_by(load_service=load.service, hour=load.hour.truncate("h")).agg(requests=load.requests.sum())
    busier = ibis.cume_dist().over(group_by="load_service", order_by=ibis.desc("requests"))
    return hourly.mutate(busier_share=busier).select("load_service", "hour", at_peak=ibis._.busier_share <= PEAK_SHARE)
