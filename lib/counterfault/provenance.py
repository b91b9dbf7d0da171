"""Where a result came from: code, versions, inputs."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from counterfault.checking import Checked
from counterfault.places import checkout
from counterfault.plan import Plan

PACKAGES = ("counterfault", "duckdb", "ibis-framework", "matplotlib", "numpy", "pandas", "scipy", "statsmodels")


def provenance(plan: Plan, checked: Checked) -> dict[str, Any]:
    """What has to be the same for a second run to give the same numbers; no times, so equal inputs give equal bytes."""
    return {
        "code_commit": code_commit(),
        "plan_digest": plan.digest,
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "inputs": {
            account.table: {"source": account.source, "sha256": account.digest, "rows": account.read}
            for account in checked.accounts
        },
        "seeds": {},
    }


def code_commit() -> str:
    """The checkout's commit, with a mark where files differ from it; the package version where there is no checkout."""
    here = checkout()
    if here is not None and (here / ".git").exists():
        commit = _git("rev-parse", "HEAD", cwd=str(here))
        if commit:
            changed = _git("status", "--porcelain", "--untracked-files=no", cwd=str(here))
            return commit[:12] + (" with local changes" if changed else "")
    return f"counterfault {installed('counterfault')}"


def installed(name: str) -> str:
    """The version of a package, or that it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _git(*arguments: str, cwd: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
