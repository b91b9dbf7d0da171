"""Whatever an organisation brings, the notebook on the challenges shows something and says it in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from counterfault import Plan, analyse, showing
from counterfault.analysis import Analysis
from counterfault.showing.challenged import READ_A_CHALLENGE

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def organisation(services: int, each: int, ai: float, risk: float, harm: float = 1.0) -> Analysis:
    """Deployments at a steady pace, a share of them followed by an incident an hour later."""
    rng = np.random.default_rng(7)
    n = services * each
    assisted = rng.random(n) < ai
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(n)],
            "deployed_at": [START + timedelta(days=number % each, minutes=number // each) for number in range(n)],
            "service": [f"s{number // each}" for number in range(n)],
            "assistance": np.where(assisted, "ai", "human"),
        }
    )
    failed = deployments[rng.random(n) < np.where(assisted, risk * harm, risk)]
    incidents = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(len(failed))],
            "started_at": pd.to_datetime(failed["deployed_at"], utc=True) + timedelta(hours=1),
            "service": failed["service"].astype("str"),
        }
    )
    return analyse(deployments, incidents, plan=PLAN, now=NOW)


PLAN = Plan.model_validate(
    {"challenges": {"multiverse": {"permutations": 99}, "plasmode": {"runs": 100, "ratios": [1.5]}}}
)
ORGANISATIONS: dict[str, Callable[[], Analysis]] = {
    "that has hardly anything": lambda: organisation(2, 5, 0.5, 0.2),
    "in which nothing fails": lambda: organisation(4, 40, 0.5, 0.0),
    "without AI": lambda: organisation(4, 40, 0.0, 0.2),
    "in which no AI-assisted change fails": lambda: organisation(6, 60, 0.5, 0.2, harm=0.0),
    "with harm": lambda: organisation(8, 90, 0.4, 0.1, harm=3.0),
}


@pytest.fixture(scope="module", params=ORGANISATIONS, ids=lambda name: name.replace(" ", "_"))
def found(request: pytest.FixtureRequest) -> Analysis:
    return ORGANISATIONS[request.param]()


def test_every_section_has_a_picture_or_a_table(found: Analysis) -> None:
    tried, primary = found.tried, found.estimates["primary"]
    for shown in (
        showing.link_readings(tried, PLAN),
        showing.controls(tried, primary),
        showing.confounding(tried, primary, PLAN),
        showing.specifications(tried, PLAN),
        showing.power(tried, PLAN),
        showing.estimates_table(showing.label_readings(tried), "Other readings of the labels"),
        showing.estimates_table(showing.starting(tried, "leave_one_out."), "Without the most influential one"),
        showing.withstood_table(found.checks),
    ):
        assert "<table>" in shown._repr_html_()


def test_every_section_says_its_finding_in_words(found: Analysis) -> None:
    tried, primary = found.tried, found.estimates["primary"]
    for told in (
        showing.tell_link_readings(tried),
        showing.tell_controls(tried),
        showing.tell_label_error(tried, primary),
        showing.tell_confounding(tried),
        showing.tell_omissions(tried, primary),
        showing.tell_multiverse(tried),
        showing.tell_behaviour(tried),
        showing.tell_coincidence(found.estimates, found.counted.cells),
        showing.tell_attributable(found.verdict, primary),
        showing.tell_excluded(found.verdict),
        showing.tell_needed(found.verdict),
    ):
        text = str(told)
        assert text.endswith((".", "?”"))
        assert "nan" not in text.split()
        assert ".." not in text


def test_the_closing_table_has_a_row_for_every_check_that_reads_a_challenge(found: Analysis) -> None:
    made = {check.id for check in found.checks}
    assert made >= set(READ_A_CHALLENGE)
    rows = len(showing.withstood_table(found.checks).frame)
    assert rows == len(READ_A_CHALLENGE)


def test_what_survives_is_counted_from_the_rows(found: Analysis) -> None:
    table = showing.withstood_table(found.checks)
    answers = list(table.frame["answer"])
    assert f"{answers.count('pass')} left it standing and {answers.count('fail')} did not" in table.caption
