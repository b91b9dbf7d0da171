"""Imports point one way, results know no data, every public name is explained, and asking for help is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

import counterfault

LIB = Path(counterfault.__file__).parent

# Each may import what stands before it, and itself. Reading down the list is reading the study.
ORDER = (
    "display",  # how everything shows itself
    "estimate",  # the one result type
    "cells",  # counts of deployments …
    "panels",  # … and of time and consequences: the only data an estimator sees
    "contracts",  # what a table must be
    "places",  # where the notebooks and plans are
    "labels",  # which changes were AI-assisted
    "simulate",  # organisations whose truth was planted
    "plan",  # the promise
    "freezing",  # what it was when it was made
    "estimators",  # cells → Estimate; early, because they need nothing else
    "sources",  # files, databases and git histories → raw tables
    "checking",  # raw tables → tables that keep the contract
    "linking",  # incidents → deployments
    "counting",  # linked rows → cells
    "estimating",  # the estimates of a plan
    "challenges",  # attempts to break them
    "checks",  # the gates and the grade's checks
    "verdict",  # the answer
    "record",  # the answer in plain values
    "analysis",  # all of it in one function; the record of one is written on request, so `record` comes first
    "validating",  # how often the answer is wrong where the truth was planted
    "provenance",  # which code and inputs it came from
    "figures",  # Estimate → picture
    "showing",  # what a notebook shows
    "publish",  # record → pages
    "inputs",  # which plan and tables a command was given
    "exploring",  # choices with their estimates at once, and what to open for which question
    "running",  # notebooks under one engine
    "cli",  # one thin command per verb
)
HEAVY = ("pandas", "numpy", "ibis", "duckdb", "matplotlib", "scipy", "papermill", "pydantic", "nbformat", "jinja2")

MODULES = sorted(LIB.rglob("*.py"))


def unit_of(module: Path) -> str:
    """The package or module of the list above that a file belongs to."""
    return module.relative_to(LIB).parts[0].removesuffix(".py")


@lru_cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Modules imported when the code runs, inside functions too; not those a type checker alone imports."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        assert node.level == 0, "imports name the whole path, so that they can be checked"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def ours(module: Path) -> set[str]:
    """The units of this package that a file imports, its own left out."""
    found = {name.split(".")[1] for name in imported(tree_of(module)) if name.startswith("counterfault.")}
    return found - {unit_of(module)}


def theirs(unit: str) -> set[str]:
    """Top-level names of everything else that a unit imports."""
    files = [module for module in MODULES if unit_of(module) == unit]
    return {name.split(".")[0] for module in files for name in imported(tree_of(module))} - {"counterfault"}


def test_every_module_has_its_place_in_the_order():
    assert {unit_of(module) for module in MODULES} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(LIB)))
def test_imports_point_one_way(module):
    if unit_of(module) == "__init__":
        return  # the front page names everything, and imports it when asked
    # `analysis` hands its record out and `record` describes an analysis: that import waits inside a method and a
    # type annotation, and the order holds when modules are loaded.
    allowed = set(ORDER[: ORDER.index(unit_of(module))])
    assert ours(module) <= allowed


def test_the_result_type_and_the_cells_import_nothing_of_ours_but_how_they_are_shown():
    assert {unit: ours(LIB / f"{unit}.py") for unit in ("estimate", "cells", "panels", "contracts", "places")} == {
        "estimate": {"display"},
        "cells": {"display"},
        "panels": {"display"},
        "contracts": set(),
        "places": set(),
    }


def units_imported_by(unit: str) -> set[str]:
    return set().union(*(ours(module) for module in MODULES if unit_of(module) == unit))


@pytest.mark.parametrize(
    ("unit", "may_know"),
    [
        ("simulate", {"contracts"}),  # an invented organisation must not know how it will be judged
        ("labels", set()),
        ("display", set()),  # anything may show itself, so this knows nothing
        ("estimators", {"display", "estimate", "cells", "panels"}),  # nothing of rows, plans or engines
        ("figures", {"display", "estimate"}),  # results, never data
        ("publish", {"display", "estimate", "figures"}),
    ],
)
def test_some_parts_know_little(unit, may_know):
    assert units_imported_by(unit) <= may_know


@pytest.mark.parametrize("unit", ["estimate", "cells", "estimators", "figures", "publish", "verdict", "plan"])
def test_only_what_touches_rows_knows_an_engine(unit):
    assert not theirs(unit) & {"ibis", "duckdb", "sqlglot", "pyarrow"}


def test_estimators_do_not_draw_and_figures_do_not_fit():
    assert "matplotlib" not in theirs("estimators") | theirs("checks") | theirs("verdict")
    assert not theirs("figures") & {"scipy", "statsmodels"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(LIB)))
def test_every_public_module_class_and_function_is_explained(module):
    tree = tree_of(module)
    public = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    unexplained = [node.name for node in public if not ast.get_docstring(node)]
    assert ast.get_docstring(tree), "the module says nothing about itself"
    assert unexplained == []


def test_every_name_on_the_front_page_can_be_had_and_is_explained():
    for name in counterfault.__all__:
        assert getattr(counterfault, name).__doc__, name
    assert dir(counterfault) == counterfault.__all__
    with pytest.raises(AttributeError, match="has no attribute 'analyze'"):
        _ = counterfault.analyze


def modules_loaded_after(code: str) -> set[str]:
    """The heavy libraries a fresh interpreter has loaded after running this code."""
    told = f"{code}\nimport sys; print('loaded:', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


def test_help_is_given_without_loading_anything_heavy():
    code = (
        "import sys; sys.argv = ['counterfault', '--help']\n"
        "from counterfault.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert modules_loaded_after(code) == set()


def test_the_front_page_loads_nothing_heavy_before_it_is_used():
    assert modules_loaded_after("import counterfault") == set()
    assert modules_loaded_after("import numpy") == {"numpy"}  # and this test can tell
