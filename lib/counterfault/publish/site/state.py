"""``site.json``: what a site holds, for machines and for the next publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from counterfault.publish.site.entries import Entry, State, Study, changed
from counterfault.publish.site.schemas import complaint

STATE, SCHEMA_FILE, SCHEMA_VERSION = "site.json", "site.schema.json", 1
LISTS = ("failed_notebooks", "deviations", "changes")
DERIVED = ("page", "changed")  # written for readers, computed again by us


def read_state(site: Path) -> State | None:
    """What the site holds, or None where there is no site yet.

    Raises
    ------
    ValueError
        Where its ``site.json`` is not one that this version writes.
    """
    path = site / STATE
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        # Loading a validator takes longer than all the rest of a publish without news, and what we wrote keeps our
        # schema. What somebody else has touched since is looked at.
        fault = _wrong_version(plain) or ("" if _is_untouched(plain) else complaint(plain, SCHEMA_FILE))
    except (ValueError, RecursionError) as error:
        fault = f"it is not JSON: {error}"
    if fault:
        raise ValueError(f"{path} is not the index of a site ({fault}); restore it, or name a new folder as SITE")
    return _state_of(plain)


def _wrong_version(plain: Any) -> str:
    version = plain.get("schema_version") if isinstance(plain, dict) else None
    right = version == SCHEMA_VERSION and not isinstance(version, bool)
    return "" if right else f"its schema_version is {version!r:.40}, this counterfault writes {SCHEMA_VERSION}"


def _is_untouched(plain: Mapping[str, Any]) -> bool:
    others = {name: value for name, value in plain.items() if name != "checksum"}
    return plain.get("checksum") == _checksum(others)


def _checksum(plain: Mapping[str, Any]) -> str:
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _state_of(plain: Mapping[str, Any]) -> State:
    studies = tuple(
        Study(study["name"], study["slug"], tuple(map(_entry_of, study["runs"])), study["fingerprint"])
        for study in plain["studies"]
    )
    unreadable = tuple((each["folder"], each["reason"]) for each in plain["unreadable"])
    return State(plain["id"], studies, unreadable, plain["published"])


def _entry_of(plain: Mapping[str, Any]) -> Entry:
    lists = {name: tuple(plain[name]) for name in LISTS}
    return Entry(**{name: value for name, value in plain.items() if name not in DERIVED} | lists)


def state_json(state: State) -> str:
    """The state as ``site.json``; addresses and what is new in a run are written out for readers in any language."""
    plain = {
        "schema_version": SCHEMA_VERSION,
        "id": state.id,
        "published": state.published,
        "studies": [_study_record(study) for study in state.studies],
        "unreadable": [{"folder": folder, "reason": reason} for folder, reason in state.unreadable],
    }
    plain["checksum"] = _checksum(plain)
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _study_record(study: Study) -> dict[str, Any]:
    new = changed(study.runs)
    return {
        "name": study.name,
        "slug": study.slug,
        "page": f"{study.slug}/index.html",
        "latest": study.latest.run,
        "answer": study.answer.run if study.answer else None,
        "fingerprint": study.fingerprint,
        "runs": [
            {"page": page_of(study.slug, entry.run), "changed": list(new[entry.run]), **asdict(entry)}
            for entry in study.runs
        ],
    }


def page_of(slug: str, run: str) -> str:
    """The address of a run's page, from the top of the site."""
    return f"{slug}/{run}/index.html"
