"""A run as it lies on the disk: its record and its manifest, or one sentence on why they cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from counterfault.figures.wording import clip, plain
from counterfault.publish.record import Record, writable

RESULTS, MANIFEST = "results.json", "manifest.json"
KNOWN_VERSIONS = (1,)
# What a comparison reads; records of earlier versions may lack anything else.
SECTIONS: Mapping[str, type] = {"plan": dict, "data": dict, "estimates": list, "checks": list, "verdict": dict}
ENTRY_KEYS = {
    "estimates": ("id", "estimand", "value", "low", "high", "level", "method"),
    "checks": ("id", "status", "sentence"),
}


@dataclass(frozen=True)
class Run:
    """One run to be compared.

    Attributes
    ----------
    record : ``results.json``.
    manifest : ``manifest.json``; empty where there is none.
    remarks : what a reader should know about how they were read, as sentences.
    """

    record: Record
    manifest: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_run(place: Path) -> Run:
    """The run in a directory, or in a ``results.json`` with or without its manifest beside it.

    Raises
    ------
    ValueError : there is no record, it cannot be read, or it is of a shape this version does not know.
    """
    file = place / RESULTS if place.is_dir() else place
    manifest, remarks = _manifest(file.parent) if file.name == RESULTS else ({}, ())
    record = writable(_loaded(file, _why_missing(place, manifest)))
    require_comparable(record, plain(file))
    return Run(record, writable(manifest), remarks)


def require_comparable(record: Any, name: str) -> None:
    """Stops at a record that lacks what a comparison reads.

    Raises
    ------
    ValueError : with the first thing that is missing or unknown.
    """
    version = record.get("schema_version") if isinstance(record, Mapping) else None
    if version is None or not isinstance(record, Mapping):
        raise ValueError(f"{name}: no record of a run (it has no schema_version); name a run directory or results.json")
    if version not in KNOWN_VERSIONS:
        known = ", ".join(map(str, KNOWN_VERSIONS))
        raise ValueError(
            f"{name}: schema_version {clip(version)} is not one this version of Counterfault knows ({known}); compare "
            f"with the version that wrote it"
        )
    for section, kind in SECTIONS.items():
        if not isinstance(record.get(section), kind):
            raise ValueError(f"{name}: `{section}` is missing or damaged; run the study again")
    for section, keys in ENTRY_KEYS.items():
        _require_entries(record[section], section, keys, name)
    for entry in record["estimates"]:
        _require_numbers(entry, name)
    if not isinstance(record["verdict"].get("call"), str):
        raise ValueError(f"{name}: `verdict` holds no call; run the study again")


def _require_entries(entries: list[Any], section: str, keys: tuple[str, ...], name: str) -> None:
    for place, entry in enumerate(entries, start=1):
        missing = [key for key in keys if not isinstance(entry, Mapping) or key not in entry]
        if missing:
            raise ValueError(f"{name}: entry {place} of `{section}` has no `{missing[0]}`; run the study again")


def _require_numbers(entry: Mapping[str, Any], name: str) -> None:
    for key in ("value", "low", "high", "level"):
        if not _is_number(entry[key]) and (entry[key] is not None or key == "level"):
            raise ValueError(
                f"{name}: estimate {clip(entry['id'])} has {clip(entry[key])} as its {key}, which is no number; run "
                f"the study again"
            )
    if not isinstance(entry.get("caveats") or [], list):
        raise ValueError(f"{name}: estimate {clip(entry['id'])} has caveats that are no list; run the study again")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _loaded(file: Path, missing: str) -> Any:
    try:
        return json.loads(file.read_bytes(), parse_constant=_refuse_constant, parse_int=_whole_number)
    except FileNotFoundError:
        raise ValueError(missing) from None
    except OSError as error:
        raise ValueError(f"{plain(file)}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise ValueError(f"{plain(file)}: nested too deeply for a record of a run") from None
    except ValueError as error:
        raise ValueError(
            f"{plain(file)}: not JSON ({clip(error, 100)}); it was cut short or edited, so run the study again"
        ) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which JSON does not know")


def _whole_number(digits: str) -> int:
    if len(digits) > 300:  # larger than any decimal number, and none can be reckoned with
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _why_missing(place: Path, manifest: Mapping[str, Any]) -> str:
    """Why there is no record, and what to do."""
    if not place.is_dir():
        return f"{plain(place)}: there is no such run directory or results.json"
    if manifest.get("status") == "partial" or place.name.endswith(".failed"):
        return (
            f"{plain(place)}: this run failed before it had results ({RESULTS} is missing); its index.html tells what "
            f"failed, and a finished run can be compared"
        )
    return f"{plain(place)}: no run directory ({RESULTS} is missing); `counterfault run --out DIR` leaves one"


def _manifest(folder: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The manifest; a missing one is no fault, and a damaged one costs only what it would have said."""
    file = folder / MANIFEST
    if not file.is_file():
        return {}, ()
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, Mapping):
        return found, ()
    return {}, (f"{plain(file)} cannot be read, so when that run began and whether it finished are not known.",)
