"""What a run hands to its notebooks comes back as it was, and only to a notebook that reads the very same."""

from __future__ import annotations

from dataclasses import fields, replace
from math import isnan
from pathlib import Path

import pytest

from counterfault.analysis import Analysis
from counterfault.estimate import Estimate
from counterfault.showing.kept import KEPT_IN, keep, kept


@pytest.fixture
def handed_over(small_analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """The analysis, with its estimates where its notebooks find them."""
    for name, value in keep(small_analysis, tmp_path).items():
        monkeypatch.setenv(name, value)
    return small_analysis


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


def test_a_notebook_opened_by_hand_finds_nothing(small_analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEPT_IN, raising=False)
    assert kept(small_analysis.plan, small_analysis.checked, small_analysis.estimates["primary"]) is None


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
    small_analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database has no digest: it may have changed since the run read it."""
    accounts = tuple(replace(account, digest=None) for account in small_analysis.checked.accounts)
    unknown = replace(small_analysis, checked=replace(small_analysis.checked, accounts=accounts))
    monkeypatch.setenv(KEPT_IN, keep(unknown, tmp_path)[KEPT_IN])
    assert kept(unknown.plan, unknown.checked, unknown.estimates["primary"]) is None


def test_a_run_that_is_over_has_left_nothing(handed_over: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEPT_IN, "no/such/file.json")
    assert kept(handed_over.plan, handed_over.checked, handed_over.estimates["primary"]) is None
