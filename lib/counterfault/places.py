"""Where the notebooks, the plans and the demo organisation are: in the checkout, or packaged beside this file."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def _shared(folder: str) -> Path:
    inside = _CHECKOUT / folder
    return inside if (_CHECKOUT / "pyproject.toml").is_file() and inside.is_dir() else _PACKAGE / "_shipped" / folder


def notebooks_folder() -> Path:
    """Where the suite's notebooks are."""
    return _shared("notebooks")


def demo_plan() -> Path:
    """The plan of the bundled, invented organisation; what every command takes when it is given none."""
    return _shared("plans") / "demo.toml"


def repository_plan() -> Path:
    """The plan for git histories; what `--repo` takes when it is given no other."""
    return _shared("plans") / "repository.toml"


def default_plan() -> Path:
    """The default plan, explained line by line."""
    return _shared("plans") / "default.toml"


def public_claims() -> Path:
    """What was publicly claimed about AI-assisted changes and outages in March 2026, as a CSV file."""
    return _shared("data") / "public" / "claims.csv"


def from_here(place: str) -> str:
    """A path as seen from the working directory where it lies below it; any other place as it was given.

    Reports name their inputs this way, so that a published page does not tell whose home directory it came from.
    """
    if "://" in place:
        return place
    path, here = Path(place).absolute(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else place


def checkout() -> Path | None:
    """The source checkout this runs from, or None where the package is installed."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None
