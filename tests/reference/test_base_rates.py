"""Arithmetic on shares, against R and against its own definition."""

from fractions import Fraction
from math import inf

import pytest

from counterfault.estimators.base_rates import (
    failures_to_tell,
    ratio_behind,
    share_after_growth,
    share_involving,
    share_of_failures,
)

# R 4.2.2:
# > p <- binom.test(1, 10)$conf.int; p/(1-p) * (1-.25)/.25
# [1] 0.00760496538569 2.40556238126362
# > p <- binom.test(7, 12)$conf.int; c(7/5, p/(1-p)) * (1-.4)/.4
# [1] 2.10000000000 0.57374137418 8.39105140027
# > m <- function(s, r) { p <- r*s/(r*s+1-s)
# +   ceiling(((qnorm(.975)*sqrt(s*(1-s)) + qnorm(.8)*sqrt(p*(1-p))) / (p-s))^2) }
# > c(m(.3, 1.5), m(.1, 1.5), m(.44, 1.25), m(.3, 2/3))
# [1] 206 425 631 258


def test_no_effect_leaves_the_share_as_it_is() -> None:
    assert share_of_failures(0.37) == pytest.approx(0.37)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_share_of_failures_is_counted_out_by_hand(share: float, ratio: float) -> None:
    ai, other = Fraction(share) * Fraction(ratio), 1 - Fraction(share)
    assert share_of_failures(share, ratio) == pytest.approx(float(ai / (ai + other)), rel=1e-12)


def test_growth_of_one_kind_acts_as_a_ratio_on_its_share() -> None:
    assert share_after_growth(0.11, 4.0) == pytest.approx(0.44 / (0.44 + 0.89))


def test_with_enough_changes_nearby_every_incident_involves_ai() -> None:
    assert share_involving(0.3, 1) == pytest.approx(0.3)
    assert share_involving(0.3, 2) == pytest.approx(0.3 * 0.3 + 2 * 0.3 * 0.7)
    assert share_involving(0.3, 0) == 0
    assert share_involving(0.3, 200) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("share", "ratio", "needed"), [(0.3, 1.5, 206), (0.1, 1.5, 425), (0.44, 1.25, 631), (0.3, 2 / 3, 258)]
)
def test_the_failures_needed_are_those_of_r(share: float, ratio: float, needed: int) -> None:
    assert failures_to_tell(ratio, share) == needed


def test_the_ratio_behind_a_count_has_the_exact_limits_of_r() -> None:
    found = ratio_behind(7, 12, 0.4)
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx(
        (2.1, 0.57374137418, 8.39105140027), rel=1e-9
    )
    few = ratio_behind(1, 10, 0.25)
    assert (few.interval.low, few.interval.high) == pytest.approx((0.00760496538569, 2.40556238126362), rel=1e-9)


def test_a_count_at_its_end_leaves_one_limit_open() -> None:
    assert ratio_behind(0, 5, 0.3).interval.low == 0
    everything = ratio_behind(5, 5, 0.3)
    assert everything.value == inf
    assert everything.interval.high == inf
    assert everything.interval.low > 0


def test_the_identity_goes_both_ways() -> None:
    assert ratio_behind(30, 100, 0.2).value == pytest.approx(0.3 / 0.7 * 0.8 / 0.2)
    assert share_of_failures(0.2, ratio_behind(30, 100, 0.2).value) == pytest.approx(0.3)


@pytest.mark.parametrize(("failures", "share"), [(0, 0.3), (4, 0.0), (4, 1.0)])
def test_nothing_to_compare_is_said_and_excludes_nothing(failures: int, share: float) -> None:
    found = ratio_behind(0, failures, share)
    assert not found.estimable
    assert found.caveats[0]
    assert (found.interval.low, found.interval.high) == (0.0, inf)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: share_of_failures(1.2), "share_of_changes is 1.2"),
        (lambda: share_of_failures(0.2, 0.0), "ratio is 0"),
        (lambda: share_involving(0.2, -1), "changes_nearby is -1"),
        (lambda: share_after_growth(0.2, -4), "growth is -4"),
        (lambda: failures_to_tell(1.0, 0.3), "must differ from 1"),
        (lambda: failures_to_tell(2.0, 0.0), "lie between 0 and 1"),
        (lambda: ratio_behind(3, 2, 0.3), "3 of 2 failures"),
    ],
)
def test_an_impossible_argument_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
