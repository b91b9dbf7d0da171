"""Asking for help teaches: every public name is typed, says what to do with it, and its example runs as written."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import counterfault as cf
from counterfault.analysis import conclude
from counterfault.estimating import FAMILIES
from counterfault.places import demo_plan
from counterfault.simulate import WORLDS, simulate, write

NAMES = [name for name in cf.__all__ if not inspect.ismodule(getattr(cf, name))]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(inspect.unwrap(getattr(cf, name)))]
WITH_EVERY_FAMILY = ("estimate_further",)  # seconds of work that other tests do; its example is only compiled
QUICK = {"multiverse": {"permutations": 99}, "plasmode": {"runs": 100, "ratios": [1.5]}}


def examples(name: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(getattr(cf, name)) or "")


@cache
def steps(folder: Path) -> dict[str, Any]:
    """What the examples take for granted: each step of one small study, under the name the documentation gives it."""
    write(simulate(WORLDS["harm"].of_size(400), 5), folder)
    plan = cf.Plan.checked({"challenges": QUICK})
    raw = cf.read(folder / "deployments.parquet", folder / "incidents.csv", plan=plan)
    found = conclude(cf.check(raw, plan), plan, further=False)
    return {
        "cf": cf,
        "path": demo_plan(),
        "plan": plan,
        "raw": raw,
        "checked": found.checked,
        "linked": found.linked,
        "counted": found.counted,
        "analysis": found,
        "study": cf.Study(found.linked, found.counted, plan),
        "estimates": found.estimates,
        "primary": found.estimates["primary"],
        "challenged": found.challenged,
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The steps, with the working directory where the examples find their files."""
    folder = tmp_path_factory.mktemp("documented")
    with pytest.MonkeyPatch.context() as patch:
        found = steps(folder)
        patch.chdir(folder)
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name: str, study: dict[str, Any]) -> None:
    given = examples(name)
    assert given, f"{name} shows no example"
    if name in WITH_EVERY_FAMILY:
        compile("".join(each.source for each in given), name, "exec")
        return
    test = doctest.DocTest(given, dict(study), name, None, None, None)
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert told == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_has_a_type_and_a_word(name: str) -> None:
    function = getattr(cf, name)
    signature, told = inspect.signature(function), inspect.getdoc(function) or ""
    assert signature.return_annotation is not inspect.Signature.empty
    for each in signature.parameters.values():
        assert each.annotation is not inspect.Parameter.empty, each.name
        assert each.name in told or "Parameters and notes as for" in told, each.name


@pytest.mark.parametrize("name", NAMES)
def test_help_begins_with_one_whole_sentence(name: str) -> None:
    first = (inspect.getdoc(getattr(cf, name)) or "").split("\n\n")[0]
    assert first[0].isupper()
    assert first.endswith((".", "?"))
    assert len(first.split()) >= 4


def test_the_families_are_named_where_one_is_asked_for() -> None:
    told = inspect.getdoc(cf.estimate_family) or ""
    assert [name for name in FAMILIES if f"``{name}``" not in told] == []


def test_the_tab_key_offers_the_public_names_alone() -> None:
    assert dir(cf) == sorted(cf.__all__)
    assert not [name for name in dir(cf) if name.startswith("_")]
