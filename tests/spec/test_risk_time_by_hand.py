"""The slow counts that judge the fast ones, against pictures one can check by eye."""

from datetime import UTC, datetime, timedelta

import pytest
from risk_time_by_hand import after, before, referent_sets_by_hand, risk_time_by_hand

from counterfault.estimators.self_control.self_controlled import CaseSeries

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
KEYS = ["after_ai", "after_other", "before_ai", "before_other"]


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def one_block(_: datetime) -> str:
    return "all"


def counts(
    deployments, incidents, *, end: float, start: float = 0, **others
) -> dict[tuple[int, ...], tuple[float, int]]:
    """State → hours and incidents, of one service, one block and one band."""
    found = risk_time_by_hand(
        deployments,
        incidents,
        at(start),
        at(end),
        (0, 2, 5),
        1.0,
        one_block,
        one_block,
        timedelta(minutes=30),
        **others,
    ).frame
    return {tuple(row[:4]): (row[4], row[5]) for row in found[[*KEYS, "hours", "incidents"]].to_numpy().tolist()}


def test_time_is_split_at_cuts_and_before_deployments():
    # hour    0   1   2   3   4   5   6   7   8   9
    # ships           ai                  other
    # fails       x   x       x                       one hour before, at it, at the first cut
    incidents = [("api", at(hour)) for hour in (1, 2, 4)]
    assert counts([("api", at(2), "ai"), ("api", at(7), "human")], incidents, end=10) == {
        (0, 0, 0, 0): (1.0, 0),
        (0, 0, 1, 0): (1.0, 1),  # from exactly one hour before, up to the deployment
        (1, 0, 0, 0): (2.0, 1),  # the deployment's own moment is 0 hours after it
        (2, 0, 0, 0): (2.0, 1),  # the moment of the cut belongs to what follows
        (2, 0, 0, 1): (1.0, 0),  # after one deployment and before another
        (0, 1, 0, 0): (2.0, 0),  # AI's last cut falls on the other deployment's moment
        (0, 2, 0, 0): (1.0, 0),
    }


def test_the_newest_deployment_of_a_kind_decides():
    found = counts([("api", at(0), "ai"), ("api", at(1), "ai")], [], end=4)
    assert found == {(1, 0, 1, 0): (1.0, 0), (1, 0, 0, 0): (2.0, 0), (2, 0, 0, 0): (1.0, 0)}


def test_deployments_outside_the_study_count_for_states_and_incidents_outside_do_not():
    found = counts([("api", at(-1), "ai"), ("api", at(4), "human")], [("api", at(-1)), ("api", at(4))], end=4)
    assert found == {(1, 0, 0, 0): (1.0, 0), (2, 0, 0, 0): (2.0, 0), (2, 0, 0, 1): (1.0, 0)}


def test_services_bands_and_blocks_are_kept_apart():
    found = risk_time_by_hand(
        [("api", at(0), "ai")],
        [("web", at(25))],
        at(0),
        at(48),
        (0, 6),
        0.0,
        lambda moment: "day" if 6 <= moment.hour < 18 else "night",
        lambda moment: str(moment.date()),
        timedelta(hours=1),
    ).frame
    assert found["hours"].sum() == 96
    assert found.groupby(["service", "block", "band"])["hours"].sum().to_dict() == {
        (service, day, band): 12.0
        for service in ("api", "web")
        for day in ("2026-03-02", "2026-03-03")
        for band in ("day", "night")
    }
    failed = found[found["incidents"] > 0]
    assert failed[["service", "block", "band"]].to_numpy().tolist() == [["web", "2026-03-03", "night"]]


def test_a_finer_step_changes_nothing_and_a_moved_calendar_neither():
    deployments = [("api", at(2), "ai"), ("api", at(7.5), "human"), ("web", at(3), "ai"), ("web", at(9), "human")]
    incidents = [("api", at(hour)) for hour in (0.5, 3, 20)] + [("web", at(hour)) for hour in (1, 4.5, 15, 16)]

    def panel(days: int, minutes: int):
        moved = timedelta(days=days)
        return risk_time_by_hand(
            [(service, when + moved, kind) for service, when, kind in deployments],
            [(service, when + moved) for service, when in incidents],
            at(0) + moved,
            at(24) + moved,
            (0, 2, 5),
            1.0,
            lambda moment: str(moment.hour // 12),
            one_block,
            timedelta(minutes=minutes),
        )

    first = panel(0, 30)
    for other in (panel(0, 10), panel(9, 30)):
        assert other.frame.drop(columns="hours").equals(first.frame.drop(columns="hours"))
        assert other.frame["hours"].tolist() == pytest.approx(first.frame["hours"].tolist())
    moved, stayed = CaseSeries()(panel(9, 30)).rate_ratio_ai, CaseSeries()(first).rate_ratio_ai
    assert stayed.estimable and (moved.value, moved.interval) == (stayed.value, stayed.interval)


def test_periods_are_open_at_their_end():
    assert [after([at(0)], at(hour), (0, 2, 5)) for hour in (0, 1.9, 2, 4.9, 5)] == [1, 1, 2, 2, 0]
    assert after([at(1)], at(0), (0, 2)) == 0
    assert [before([at(5)], at(hour), 2.0) for hour in (2.9, 3, 4.9, 5)] == [0, 1, 1, 0]


def test_moments_off_the_grid_and_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="not a whole number of steps"):
        counts([("api", at(0.25), "ai")], [], end=4)
    with pytest.raises(ValueError, match=r"not by \['unknown'\]"):
        counts([("api", at(0), "unknown")], [], end=4)


def test_referents_are_the_same_hour_of_the_other_weeks_of_the_month():
    # Mondays of March 2026: 2, 9, 16, 23, 30. The incident of the 16th follows AI by five hours; so does the 23rd; the
    # 9th follows another deployment by six hours, which is one moment too many.
    week = 7 * 24
    deployments = [
        ("api", at(2 * week + 5), "ai"),
        ("api", at(3 * week + 5), "ai"),
        ("api", at(week + 4), "human"),
        ("api", at(10), "human"),  # at the very moment
        ("web", at(2 * week + 9), "human"),
    ]
    found = referent_sets_by_hand(deployments, [("api", at(2 * week + 10))], at(0), at(6 * week), 6.0)
    (row,) = found.frame.to_dict("records")
    assert row == {
        "service": "api", "case_ai": 1, "case_other": 0, "n00": 2, "n10": 2, "n01": 1, "n11": 0, "sets": 1,
    }  # fmt: skip
    shorter = referent_sets_by_hand(deployments, [("api", at(2 * week + 10))], at(24), at(4 * week), 6.0)
    (row,) = shorter.frame.to_dict("records")
    assert (row["n00"], row["n10"], row["n01"]) == (1, 2, 0)  # the 2nd and the 30th lie outside the study


def test_like_sets_are_counted_together_and_outside_incidents_not_at_all():
    incidents = [("api", at(10)), ("api", at(10)), ("api", at(-100))]
    found = referent_sets_by_hand([], incidents, at(0), at(24), 6.0).frame
    assert found[["n00", "sets"]].to_numpy().tolist() == [[1, 2]]
