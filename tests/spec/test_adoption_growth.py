"""How fast AI-assisted changes grew: from which base, in number and in share, and how sure."""

from __future__ import annotations

from math import inf, isnan, log, sqrt

import pandas as pd
import pytest
from drawing import draw
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault import growth_in_count, growth_in_share
from counterfault.estimate import Estimand


def labels(drawing: str) -> pd.DataFrame:
    return draw(drawing).astype({"n": "int64"})


THREE = labels("""
    service | period | assistance | n
    a       | 2024Q4 | ai         | 2
    a       | 2024Q4 | human      | 18
    a       | 2026Q2 | ai         | 8
    a       | 2026Q2 | human      | 32
    b       | 2024Q4 | ai         | 4
    b       | 2024Q4 | human      | 16
    b       | 2026Q2 | ai         | 8
    b       | 2026Q2 | human      | 12
    c       | 2024Q4 | ai         | 4
    c       | 2024Q4 | human      | 6
    c       | 2026Q2 | ai         | 24
    c       | 2026Q2 | human      | 16
    c       | 2025Q4 | ai         | 999
""")


def test_growth_in_number_and_its_interval_agree_with_a_jackknife_written_out():
    # > base <- c(2, 4, 4); last <- c(8, 8, 24); n0 <- c(20, 20, 10); n1 <- c(40, 20, 40)
    # > jack <- function(f) { t <- sapply(1:3, function(i) f(-i)); sqrt(2/3 * sum((t - mean(t))^2)) }
    # > count <- function(i) log(sum(last[i]) / sum(base[i]))
    # > print(c(exp(count(1:3)), jack(count), exp(count(1:3) + c(-1, 1) * qt(.975, 2) * jack(count))), digits = 7)
    # [1]  4.0000000  0.4021100  0.7090387 22.5657651
    # R 4.2.2
    found = growth_in_count(THREE, "2024Q4", "2026Q2")
    limits = (found.interval.low, found.interval.high)
    assert (found.value, found.standard_error, *limits) == approx((4, 0.4021100, 0.7090387, 22.5657651), rel=5e-7)
    assert found.label == "2026Q2 against 2024Q4"
    assert found.estimand is Estimand.RATE_RATIO


def test_growth_in_share_and_its_interval_agree_with_a_jackknife_written_out():
    # > share <- function(i) log(sum(last[i]) / sum(n1[i]) / (sum(base[i]) / sum(n0[i])))
    # > print(c(exp(share(1:3)), jack(share), exp(share(1:3) + c(-1, 1) * qt(.975, 2) * jack(share))), digits = 7)
    # [1] 2.00000000 0.07852202 1.42660027 2.80386881
    # R 4.2.2
    found = growth_in_share(THREE, "2024Q4", "2026Q2")
    limits = (found.interval.low, found.interval.high)
    assert (found.value, found.standard_error, *limits) == approx((2, 0.07852202, 1.42660027, 2.80386881), rel=5e-7)


def test_the_base_and_what_it_grew_to_are_told():
    assert growth_in_count(THREE, "2024Q4", "2026Q2").support == {
        "n": 150,
        "ai_base": 10,
        "n_base": 50,
        "ai_last": 40,
        "n_last": 100,
    }


def test_a_wider_level_gives_a_wider_interval_round_the_same_value():
    at95, at99 = (growth_in_count(THREE, "2024Q4", "2026Q2", level) for level in (0.95, 0.99))
    assert at99.value == at95.value
    assert at99.interval.low < at95.interval.low < at95.interval.high < at99.interval.high
    assert at99.interval.level == 0.99


def test_unknown_labels_are_no_part_of_a_share_and_no_growth_in_number():
    unknown = labels("service | period | assistance | n \n a | 2024Q4 | unknown | 500 \n c | 2026Q2 | unknown | 70")
    more = pd.concat([THREE, unknown])
    share, number = growth_in_share(more, "2024Q4", "2026Q2"), growth_in_count(more, "2024Q4", "2026Q2")
    assert share == growth_in_share(THREE, "2024Q4", "2026Q2")
    assert number.value == 4
    assert number.support["n_base"] == 550  # of all deployments, so that a reader sees how much is unknown


def test_a_period_without_ai_gives_no_base_to_grow_from():
    found = growth_in_share(THREE, "2023Q1", "2026Q2")
    assert not found.estimable
    assert found.caveats == ("no AI-assisted deployment in 2023Q1, so there is no base to grow from",)
    assert (found.interval.low, found.interval.high) == (0, inf)


def test_a_period_without_ai_is_nothing_to_have_grown_to():
    found = growth_in_count(THREE, "2024Q4", "2027Q1")
    assert found.caveats == ("no AI-assisted deployment in 2027Q1, so the ratio would be zero, without an interval",)


@pytest.mark.parametrize("growth", [growth_in_count, growth_in_share])
def test_what_one_service_did_alone_has_no_uncertainty_that_could_be_told(growth):
    alone = THREE[THREE["service"] == "a"]
    carried = THREE[(THREE["service"] == "a") | (THREE["assistance"] == "human")]  # the others never used AI
    for table in (alone, carried):
        found = growth(table, "2024Q4", "2026Q2")
        assert found.estimable
        assert (found.interval.low, found.interval.high) == (0, inf)
        assert isnan(found.standard_error)
        assert found.caveats == ("one service alone carries the growth, so its uncertainty cannot be told",)


def test_services_that_all_grew_alike_do_not_make_the_growth_certain():
    alike = labels("""
        service | period | assistance | n
        a       | 2024Q4 | ai         | 1
        a       | 2026Q2 | ai         | 3
        b       | 2024Q4 | ai         | 7
        b       | 2026Q2 | ai         | 21
    """)
    found = growth_in_count(alike, "2024Q4", "2026Q2")
    assert found.value == approx(3)
    assert (found.interval.low, found.interval.high) == (0, inf)
    assert found.caveats == (
        "all services grew alike, so there is no variation between them to tell the uncertainty from",
    )


# Each example makes data frames and leaves every service out in turn: thirty tell as much as a hundred.
unhurried = settings(deadline=None, max_examples=30)
counts = st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(1, 40), st.integers(0, 40))
tables = st.lists(counts, min_size=2, max_size=8)


def of(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """(AI before, others before, AI after, others after) for each service."""
    return pd.DataFrame(
        [
            {"service": f"s{number}", "period": period, "assistance": assistance, "n": n}
            for number, row in enumerate(rows)
            for (period, assistance), n in zip(
                (("then", "ai"), ("then", "human"), ("now", "ai"), ("now", "human")), row, strict=True
            )
        ]
    )


@unhurried
@given(rows=tables)
def test_growth_backwards_is_the_inverse_of_growth_forwards(rows):
    for growth in (growth_in_count, growth_in_share):
        there, back = growth(of(rows), "then", "now"), growth(of(rows), "now", "then")
        assert there.value * back.value == approx(1)
        assume(there.interval.high < inf)
        assert there.interval.low * back.interval.high == approx(1)


@unhurried
@given(rows=tables)
def test_growth_in_number_is_growth_in_share_times_growth_of_all(rows):
    found = growth_in_count(of(rows), "then", "now")
    share = growth_in_share(of(rows), "then", "now")
    before, after = (sum(row[i] + row[i + 1] for row in rows) for i in (0, 2))
    assert found.value == approx(share.value * after / before)


@unhurried
@given(rows=tables, factor=st.integers(2, 5))
def test_more_of_the_same_changes_neither_value_nor_interval(rows, factor):
    """Services are the units: ten times as many deployments in each say nothing more about other services."""
    for growth in (growth_in_count, growth_in_share):
        once = growth(of(rows), "then", "now")
        often = growth(of([tuple(factor * n for n in row) for row in rows]), "then", "now")
        assert (often.value, often.interval.low, often.interval.high) == approx(
            (once.value, once.interval.low, once.interval.high)
        )


@unhurried
@given(rows=tables)
def test_the_error_is_the_jackknifes_definition(rows):
    """Efron and Stein (1981): the variance is (G−1)/G times the squared deviations of the values without each."""
    found = growth_in_count(of(rows), "then", "now")
    without = [log(after / before) for before, after in (left_out(rows, number) for number in range(len(rows)))]
    mean = sum(without) / len(without)
    error = sqrt((len(rows) - 1) / len(rows) * sum((value - mean) ** 2 for value in without))
    assume(error > 1e-9)
    assert found.standard_error == approx(error)


def left_out(rows: list[tuple[int, int, int, int]], number: int) -> tuple[int, int]:
    rest = rows[:number] + rows[number + 1 :]
    return sum(row[0] for row in rest), sum(row[2] for row in rest)
