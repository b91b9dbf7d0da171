"""Three files say what is installed, and they agree: pyproject.toml, requirements.lock, environment.yml."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]


@lru_cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lock_text() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


PINNED = r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)"


@lru_cache
def locked() -> dict[str, list[Version]]:
    """package → the exact versions in the lock (more than one where they depend on the Python)."""
    found: dict[str, list[Version]] = {}
    for name, version in re.findall(PINNED, lock_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(Version(version))
    return found


def direct() -> list[Requirement]:
    project, build = pyproject()["project"], pyproject()["build-system"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), build["requires"]]
    return [Requirement(text) for texts in lists for text in texts]


@pytest.mark.parametrize("requirement", direct(), ids=str)
def test_every_direct_dependency_is_locked_at_a_version_it_allows(requirement):
    versions = locked()[canonicalize_name(requirement.name)]
    assert all(requirement.specifier.contains(version, prereleases=True) for version in versions)


def test_every_locked_package_is_pinned_to_one_version_and_has_hashes():
    entries = re.split(r"\n(?=\S)", lock_text().strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[^\s;\\]+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_lock_holds_no_address_to_download_from():
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links|\bfile:", lock_text())


def test_the_lock_does_not_hold_this_project_itself():
    assert pyproject()["project"]["name"] not in locked()


def test_pyproject_is_the_only_list_of_direct_dependencies():
    elsewhere = ("requirements*.txt", "requirements*.in", "setup.*", "Pipfile*")
    assert [path for pattern in elsewhere for path in ROOT.glob(pattern)] == []
    assert conda()["dependencies"][2:] == [{"pip": ["--require-hashes", "-r requirements.lock"]}]


def conda() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return parsed


def test_conda_brings_python_and_pip_and_leaves_the_rest_to_the_lock():
    python, pip, _ = conda()["dependencies"]
    assert pip == "pip"
    assert Requirement(python).name == "python"


def test_condas_python_is_one_the_project_takes():
    python = Requirement(conda()["dependencies"][0]).specifier
    project = SpecifierSet(pyproject()["project"]["requires-python"])
    known = [f"3.{minor}" for minor in range(8, 20)]
    assert [version for version in known if version in python] == [version for version in known if version in project]


def test_the_lock_is_made_and_installed_as_the_makefile_says():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes" in makefile
    assert makefile.count("--require-hashes") == 2  # with uv, and with pip where there is no uv


def test_the_library_imports_nothing_that_pyproject_does_not_list():
    listed = names_in(pyproject()["project"]["dependencies"])
    assert unlisted(ROOT / "lib", listed, but="exploring") == set()
    assert "pandas" not in unlisted(ROOT / "lib", listed, but="exploring") and unlisted(ROOT / "lib", set(), but="")


def test_only_the_forms_import_what_comes_with_the_lab():
    project = pyproject()["project"]
    listed = names_in(project["dependencies"])
    assert unlisted(ROOT / "lib", listed | names_in(project["optional-dependencies"]["lab"]), but="") == set()
    assert unlisted(ROOT / "lib", listed, but="") == {"ipywidgets"}


def names_in(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def unlisted(folder: Path, listed: set[str], *, but: str) -> set[str]:
    """Libraries that the modules below a folder import, those of the package ``but`` left out, and no list names."""
    modules = [module for module in folder.rglob("*.py") if not but or but not in module.parts]
    foreign = {name for module in modules for name in top_level_imports(module)}
    foreign -= {*sys.stdlib_module_names, "counterfault"}
    providers = packages_distributions()
    return {name for name in foreign if not listed & {canonicalize_name(one) for one in providers.get(name, [])}}


def top_level_imports(module: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in plain | named}
