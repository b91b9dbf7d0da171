"""What a run hands to its notebooks comes back as it was, and only to a notebook that reads the very same."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

import pytest

from counterfault.analysis import Analysis, conclude
from counterfault.checking import check
from counterfault.estimate import Estimate
from counterfault.inputs import Inputs, open_inputs
from counterfault.showing.kept import KEPT_IN, keep, kept
from counterfault.simulate import WORLDS, simulate, write

NOW = datetime(2026, 7, 2, tzinfo=UTC)
QUICK = "[challenges.multiverse]\npermutations = 99\n[challenges.plasmode]\nruns = 100\nratios = [1.5]\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("kept")
    write(simulate(WORLDS["harm"].of_size(300), 5), folder)
    plan = folder / "plan.toml"
    plan.write_text(f'[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n{QUICK}')
    return open_inputs(plan)


@pytest.fixture(scope="module")
def analysis(small: Inputs) -> Analysis:
    return conclude(check(small.read(), small.plan, now=NOW), small.plan, plan_path=small.plan_path)


@pytest.fixture
def handed_over(analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """The analysis, with its estimates where its notebooks find them."""
    for name, value in keep(analysis, tmp_path).items():
        monkeypatch.setenv(name, value)
    return analysis


def same(one: Estimate, other: Estimate) -> bool:
    """Whether two estimates agree in every field; NaN agrees with NaN."""
    if len(one.parts) != len(other.parts) or not all(map(same, one.parts, other.parts)):
        return False
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one) if field.name != "parts"]
    return all(a == b or (isinstance(a, float) and isnan(a) and isnan(b)) for a, b in pairs)


def test_every_estimate_comes_back_with_its_parts_and_to_the_last_digit(handed_over: Analysis) -> None:
    found = kept(handed_over.plan, handed_over.checked, handed_over.estimates["primary"])
    assert found is not None
    assert list(found.tried) == list(handed_over.tried)
    assert list(found.estimates) == list(handed_over.estimates)
    assert all(same(found.tried[id], item) for id, item in handed_over.tried.items())
    assert all(same(found.estimates[id], item) for id, item in handed_over.estimates.items())
    assert any(item.parts for item in found.tried.values())


def test_a_notebook_opened_by_hand_finds_nothing(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEPT_IN, raising=False)
    assert kept(analysis.plan, analysis.checked, analysis.estimates["primary"]) is None


def test_another_plan_finds_nothing(handed_over: Analysis) -> None:
    decision = handed_over.plan.decision.model_copy(update={"worth_acting_on": 1.5})
    other = handed_over.plan.model_copy(update={"decision": decision})
    assert kept(other, handed_over.checked, handed_over.estimates["primary"]) is None


def test_other_data_find_nothing(handed_over: Analysis) -> None:
    first, *rest = handed_over.checked.accounts
    changed = replace(handed_over.checked, accounts=(replace(first, digest="0" * 64), *rest))
    assert kept(handed_over.plan, changed, handed_over.estimates["primary"]) is None


def test_another_primary_estimate_finds_nothing(handed_over: Analysis) -> None:
    primary = handed_over.estimates["primary"]
    assert kept(handed_over.plan, handed_over.checked, replace(primary, value=1.5)) is None


def test_tables_that_cannot_be_known_again_find_nothing(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database has no digest: it may have changed since the run read it."""
    accounts = tuple(replace(account, digest=None) for account in analysis.checked.accounts)
    unknown = replace(analysis, checked=replace(analysis.checked, accounts=accounts))
    monkeypatch.setenv(KEPT_IN, keep(unknown, tmp_path)[KEPT_IN])
    assert kept(unknown.plan, unknown.checked, unknown.estimates["primary"]) is None


def test_a_run_that_is_over_has_left_nothing(handed_over: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEPT_IN, "no/such/file.json")
    assert kept(handed_over.plan, handed_over.checked, handed_over.estimates["primary"]) is None
