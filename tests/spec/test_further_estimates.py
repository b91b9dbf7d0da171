"""Every further design answers, or says why it cannot, on whatever an organisation may bring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isnan

import numpy as np
import pandas as pd
import pytest

from counterfault import Plan, analyse
from counterfault.analysis import Analysis
from counterfault.estimating import FAMILIES, estimate_family, notebook_of

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
Tables = tuple[pd.DataFrame, pd.DataFrame]


def organisation(
    services: int = 6, each: int = 60, *, ai: float = 0.4, risk: float = 0.1, hours: float = 24.0, seed: int = 1
) -> Tables:
    """Deployments of some services at a steady pace, a share of them followed by an incident an hour later."""
    rng = np.random.default_rng(seed)
    n = services * each
    deployed = [START + timedelta(hours=hours * (number % each), minutes=number // each) for number in range(n)]
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(n)],
            "deployed_at": pd.to_datetime(deployed, utc=True),
            "service": [f"s{number // each}" for number in range(n)],
            "assistance": np.where(rng.random(n) < ai, "ai", "human"),
        }
    )
    failed = deployments[rng.random(n) < risk]
    incidents = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(len(failed))],
            "started_at": failed["deployed_at"] + timedelta(hours=1),
            "service": failed["service"].astype("str"),
        }
    )
    return deployments, incidents


def rich(seed: int = 2) -> Tables:
    """The same with every optional column, half of their values missing."""
    deployments, incidents = organisation(seed=seed)
    rng = np.random.default_rng(seed)
    n, failures = len(deployments), len(incidents)

    def holes(values: list[object], length: int) -> list[object]:
        return [values[place] if place < len(values) else None for place in rng.integers(0, 2 * len(values), length)]

    columns: dict[str, list[object]] = {
        "ai_share": [0.1, 0.5, 0.9],
        "ai_tool": ["copper", "tin"],
        "label_tier": ["exact", "heuristic"],
        "team": ["red", "blue"],
        "layer": ["platform", "application"],
        "author_tenure_days": [10.0, 100.0, 1000.0],
        "lines_added": [1, 50, 900],
        "lines_deleted": [0, 20],
        "reviewers": [0, 1, 2],
        "approved_by_human": [True, False],
        "validated": [True, False],
        "touches_tests": [True, False],
        "is_rollback": [True, False, False],
        "at_peak": [True, False],
    }
    later = {
        "severity": [1, 2, 3, 4, 5],
        "services_affected": [1, 2, 9],
        "users_affected": [0, 10, 1000],
        "failure_mode": ["race", "cascade"],
        "surfaced_at_peak": [True, False],
    }
    deployments = deployments.assign(**{name: holes(values, n) for name, values in columns.items()})
    deployments.loc[deployments["assistance"] == "human", ["ai_share", "ai_tool"]] = None
    incidents = incidents.assign(**{name: holes(values, failures) for name, values in later.items()})
    return deployments, incidents.assign(
        detected_at=incidents["started_at"] + timedelta(minutes=5),
        resolved_at=incidents["started_at"] + timedelta(hours=2),
    )


def without_incidents() -> Tables:
    deployments, incidents = organisation()
    return deployments, incidents.iloc[:0]


def unlabelled() -> Tables:
    deployments, incidents = organisation()
    return deployments.assign(assistance="unknown"), incidents


def incidents_come_first() -> Tables:
    deployments, incidents = organisation()
    return deployments, incidents.assign(started_at=incidents["started_at"] - timedelta(days=400))


def separated() -> Tables:
    """Every AI-assisted deployment fails, and no other."""
    deployments, incidents = organisation(risk=1.0)
    kept = (deployments["assistance"] == "ai").to_numpy()
    return deployments, incidents[kept]


def at_one_moment() -> Tables:
    deployments, incidents = organisation(services=3, each=20)
    return deployments.assign(deployed_at=pd.Timestamp(START)), incidents.assign(started_at=pd.Timestamp(START))


ORGANISATIONS: dict[str, Callable[[], Tables]] = {
    "required columns only": organisation,
    "every column, half empty": rich,
    "no incidents": without_incidents,
    "incidents before the first deployment": incidents_come_first,
    "one service": lambda: organisation(services=1, each=200),
    "two services": lambda: organisation(services=2),
    "one deployment": lambda: organisation(services=1, each=1, risk=1.0),
    "all AI-assisted": lambda: organisation(ai=1.0),
    "none AI-assisted": lambda: organisation(ai=0.0),
    "nobody labels": unlabelled,
    "nobody labels and nothing fails": lambda: (unlabelled()[0], without_incidents()[1]),
    "everything fails": lambda: organisation(risk=1.0),
    "perfect separation": separated,
    "everything at one moment": at_one_moment,
    "many services with one deployment each": lambda: organisation(services=400, each=1),
}


@pytest.fixture(scope="module", params=ORGANISATIONS, ids=lambda name: name.replace(" ", "-"))
def analysis(request) -> Analysis:
    return analyse(*ORGANISATIONS[request.param](), plan=Plan(), now=NOW, challenges=False)


def test_what_cannot_be_estimated_says_why_and_excludes_nothing(analysis):
    for item in analysis.all_estimates():
        if isnan(item.value):
            assert item.caveats, item.id
            assert item.caveats[0].strip(), item.id
            everything = (item.interval.low, item.interval.high) == (item.estimand.lowest, item.estimand.highest)
            assert item.p_value is None or not everything, item.id


def test_every_value_lies_in_its_interval_and_every_interval_on_its_scale(analysis):
    for item in analysis.all_estimates():
        assert item.interval.low <= item.interval.high, item.id
        assert item.interval.low >= item.estimand.lowest, item.id
        assert item.interval.high <= item.estimand.highest, item.id
        if not isnan(item.value) and not item.id.endswith("median_ratio"):
            assert item.interval.low - 1e-9 <= item.value <= item.interval.high + 1e-9, item.id


def test_every_estimate_has_a_name_a_method_an_outcome_and_a_notebook(analysis):
    for id, item in analysis.estimates.items():
        assert id == item.id
        assert item.method
        assert item.outcome
        assert notebook_of(id)


def test_p_values_are_probabilities(analysis):
    for item in analysis.all_estimates():
        assert item.p_value is None or 0 <= item.p_value <= 1, item.id


def test_a_short_study_with_many_empty_levels_is_answered():
    """Here HiGHS gives up in its presolve."""
    period = {"start": "2026-01-10", "end": "2026-02-15", "incidents_from": "2026-01-20"}
    found = analyse(*rich(), plan=Plan.checked({"period": period}), now=NOW, challenges=False)
    assert any(id.startswith("mediation.") for id in found.estimates)


def test_a_family_that_is_none_is_named():
    with pytest.raises(ValueError, match="no family of estimates 'timings'; there are"):
        estimate_family(None, "timings")


def test_each_family_is_known_by_one_name():
    assert len(set(FAMILIES)) == len(FAMILIES) >= 14
