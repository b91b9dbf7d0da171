"""Public change histories: the published counts come out, and so does the honest answer.

The data are not part of this repository; where they are absent these tests skip. Their numbers are facts from the
descriptions that lie beside them, computed there without this library.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from pytest import approx

from counterfault import Analysis, Estimate, Plan, analyse
from counterfault.plan import Period
from counterfault.verdict import Call

ROOT = Path(__file__).parents[2]
HISTORIES = ROOT.parent / "shared" / "data" / "real"


class Facts(NamedTuple):
    """One line "AI era" of a description's table: counts, ratio and limits as printed, with two decimals."""

    start: date
    exposed: tuple[int, int]
    others: tuple[int, int]
    crude: tuple[float, float, float]
    within: tuple[float, float, float]
    strata: tuple[int, int]  # with both kinds of change; of those, with a revert


PUBLISHED = {
    "langfuse-langfuse": Facts(
        date(2025, 7, 1), (8, 853), (20, 3063), (1.44, 0.63, 3.25), (2.57, 1.00, 6.57), (34, 12)
    ),
    "microsoft-aspire": Facts(
        date(2025, 4, 1), (7, 1549), (16, 1787), (0.50, 0.21, 1.22), (1.37, 0.46, 4.14), (114, 15)
    ),
}


@pytest.fixture(scope="module", params=PUBLISHED)
def history(request) -> tuple[Analysis, Facts]:
    folder = HISTORIES / request.param
    if not (folder / "deployments.parquet").is_file():
        pytest.skip(f"the public change history {request.param} is not here: ../shared/data/real is absent")
    facts = PUBLISHED[request.param]
    plan = Plan.read(ROOT / "plans" / "reverts.toml").model_copy(update={"period": Period(start=facts.start)})
    return analyse(str(folder / "deployments.parquet"), str(folder / "incidents.parquet"), plan=plan), facts


def printed(found: Estimate) -> tuple[float, float, float]:
    return found.value, found.interval.low, found.interval.high


def test_the_population_is_that_of_the_description(history):
    analysis, facts = history
    counts = analysis.counted.cells.two_by_two()
    assert (counts.exposed_events, counts.exposed_total) == facts.exposed
    assert (counts.unexposed_events, counts.unexposed_total) == facts.others


def test_the_crude_ratio_and_its_log_interval_are_the_published_ones(history):
    analysis, facts = history
    assert printed(analysis.estimates["crude.risk_ratio_log"]) == approx(facts.crude, abs=0.005)
    assert analysis.estimates["crude.risk_ratio"].value == approx(facts.crude[0], abs=0.005)


def test_the_odds_ratio_within_area_and_quarter_is_the_published_one(history):
    analysis, facts = history
    found = analysis.estimates["stratified.odds_ratio"]
    assert printed(found) == approx(facts.within, abs=0.005)
    assert (found.support["strata_both_arms"], found.support["informative_strata"]) == facts.strata


def test_every_row_read_is_accepted_or_quarantined(history):
    analysis, _ = history
    for account in analysis.checked.accounts:
        assert account.accepted + account.quarantined == account.read
    deployments = analysis.checked.accounts[0]
    assert analysis.counted.population[["ai", "human", "unknown"]].to_numpy().sum() == deployments.accepted


def test_the_verdict_is_that_the_data_cannot_tell_and_what_it_would_take(history):
    analysis, _ = history
    primary, verdict = analysis.estimates["primary"], analysis.verdict
    assert verdict.call is Call.CANNOT_TELL
    assert 1.0 in primary.interval and primary.interval.high > 2
    assert verdict.minimum_detectable_effect > 2
    assert f"With the {primary.support['events']} failures there are, this design tells a ratio" in verdict.needed
    assert verdict.needed.startswith("Needed: about ") and verdict.needed.endswith("and has to tell 1.25.")
    assert verdict.grade in "CD"  # too few reverts to have tried much


def test_the_comparison_turns_where_the_description_says_it_turns(history):
    """In one history AI-assisted changes are reverted less often overall and not less often within areas."""
    analysis, facts = history
    ids = ("stratified.risk_ratio", "total.risk_ratio", "stratified.odds_ratio")
    crude, within = analysis.estimates["crude.risk_ratio"].value, [analysis.estimates[id].value for id in ids]
    assert (crude > 1) is (facts.crude[0] > 1)
    assert all((value > 1) is (facts.within[0] > 1) for value in within)
