"""Compression into cells loses nothing: what plain pandas finds on the rows, the estimators find on the cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault import Plan, check, count, link, read
from counterfault.cells import Cells
from counterfault.counting import Counted
from counterfault.estimators.tables import stratified, two_by_two

# No deadline: a busy machine is no counterexample. Few examples, because each asks the engine; each draws many rows.
unhurried = settings(deadline=None, max_examples=6)

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=180)
NOW = END + timedelta(days=1)
WINDOW = 12  # hours
PLAN = Plan.checked(
    {
        "outcome": {"link": "window", "window_hours": WINDOW},
        "design": {"confounders": ["change_type", "reviewers"], "mediators": [], "strata": ["service", "quarter"]},
    }
)

times = st.integers(0, 180 * 48).map(lambda half_hours: START + timedelta(minutes=30 * half_hours))
services = st.sampled_from(["a", "b", "c"])
deployments = st.lists(
    st.tuples(
        times,
        services,
        st.sampled_from(["ai", "human", "human", "unknown"]),
        st.sampled_from([None, "docs", "feature"]),
        st.sampled_from([None, 0, 1, 2, 5]),
        st.booleans(),
    ),
    min_size=1,
    max_size=120,
)
incidents = st.lists(st.tuples(times, services), max_size=60)


def frames(deployments: list[tuple], incidents: list[tuple]) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = ["deployed_at", "service", "assistance", "change_type", "reviewers", "is_hotfix"]
    changes = pd.DataFrame(deployments, columns=columns).astype({"change_type": "str", "reviewers": "Int64"})
    failures = pd.DataFrame(incidents, columns=["started_at", "service"]).astype({"service": "str"})
    failures["started_at"] = pd.to_datetime(failures["started_at"], utc=True)
    return (
        changes.assign(deployment_id=[f"d{number}" for number in range(len(changes))]),
        failures.assign(incident_id=[f"i{number}" for number in range(len(failures))]),
    )


def counted(changes: pd.DataFrame, failures: pd.DataFrame) -> Counted:
    return count(link(check(read(changes, failures), PLAN, now=NOW), PLAN), PLAN)


def contrast(changes: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """The analysed rows with ``failed``, in plain pandas: every deployment beside every incident of its service."""
    window, presumed = pd.Timedelta(hours=WINDOW), pd.Timedelta(hours=PLAN.outcome.incident_open_hours)
    pairs = changes[["deployment_id", "service", "deployed_at"]].merge(failures, on="service")
    lag = pairs["started_at"] - pairs["deployed_at"]
    failed = pairs.loc[(lag >= pd.Timedelta(0)) & (lag <= window), "deployment_id"]
    during = pairs.loc[(lag <= pd.Timedelta(0)) & (lag >= -presumed), "deployment_id"]
    end = max([changes["deployed_at"].max(), *failures["started_at"]])
    rows = changes[changes["deployed_at"] + window <= end]
    rows = rows[~(rows["is_hotfix"] & rows["deployment_id"].isin(during)) & (rows["assistance"] != "unknown")]
    return rows.assign(
        failed=rows["deployment_id"].isin(failed).astype(int),
        exposed=(rows["assistance"] == "ai").astype(int),
        quarter=rows["deployed_at"].dt.year.astype(str) + "Q" + rows["deployed_at"].dt.quarter.astype(str),
        n=1,
    )


@unhurried
@given(deployments=deployments, incidents=incidents)
def test_cells_count_everyone_once_and_give_the_ratios_of_the_rows(deployments, incidents):
    changes, failures = frames(deployments, incidents)
    found, rows = counted(changes, failures), contrast(changes, failures)
    everyone_is_counted_once(found, changes, rows)
    the_ratios_agree(found.cells, rows)


def the_ratios_agree(found: Cells, rows: pd.DataFrame) -> None:
    in_rows = rows.groupby("exposed")[["failed", "n"]].sum().reindex([1, 0], fill_value=0)
    assert found.two_by_two() == tuple(in_rows.to_numpy().ravel())

    by_row = Cells(rows.assign(events=rows["failed"]), strata=("service", "quarter"))  # a cell for each row
    for pooled in (stratified.risk_ratio, stratified.risk_difference, stratified.odds_ratio):
        ours, theirs = pooled(found), pooled(by_row)
        limits = (theirs.value, theirs.interval.low, theirs.interval.high)
        assert (ours.value, ours.interval.low, ours.interval.high) == approx(limits, nan_ok=True)
    by_hand = mantel_haenszel(rows)
    if by_hand is not None:
        assert stratified.risk_ratio(found).value == approx(by_hand)
        crude = in_rows["failed"] / in_rows["n"]
        assert two_by_two.risk_ratio(**found.two_by_two()._asdict()).value == approx(crude[1] / crude[0])


def mantel_haenszel(rows: pd.DataFrame) -> float | None:
    """Σ a·n₀/N over Σ c·n₁/N on the rows (Mantel and Haenszel 1959), None where the denominator is zero."""
    above = below = 0.0
    for _, stratum in rows.groupby(["service", "quarter"]):
        exposed, other = stratum[stratum["exposed"] == 1], stratum[stratum["exposed"] == 0]
        above += exposed["failed"].sum() * len(other) / len(stratum)
        below += other["failed"].sum() * len(exposed) / len(stratum)
    return above / below if below else None


def everyone_is_counted_once(found: Counted, changes: pd.DataFrame, rows: pd.DataFrame) -> None:
    frame = found.cells.frame
    places = found.population[["ai", "human", "unknown"]]
    labels = changes["assistance"].value_counts().reindex(places.columns, fill_value=0)
    assert places.sum().to_dict() == labels.to_dict()
    assert found.by_label["n"].sum() == len(changes)
    analysed = found.population.set_index("step").reindex(["analysed"]).fillna(0)
    assert frame["n"].sum() == analysed[["ai", "human"]].to_numpy().sum()
    assert analysed["unknown"].item() == 0
    for outcome in found.outcomes:
        assert frame[outcome].between(0, frame["n"]).all()
    assert (frame["exposure_hours"] == WINDOW * frame["n"]).all()
    keys = ["service", "quarter", "change_type", "reviewers", "exposed"]
    assert not frame.duplicated(keys).any()
    for column, level in (("change_type", "missing"), ("reviewers", "missing")):
        assert frame.loc[frame[column] == level, "n"].sum() == rows[column].isna().sum()
