"""Run directories drawn from the sample record, for tests of what is published of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from counterfault.publish import error_html

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
WORDS = {"more": "AI-assisted changes fail more often", "cannot_tell": "the data cannot tell"}
FIRST = datetime(2026, 3, 1, 6, tzinfo=UTC)
PUBLISHED = datetime(2026, 6, 30, 12, tzinfo=UTC)


def record(
    *, value: float = 1.6, low: float = 1.3, high: float = 2.0, call: str = "more", grade: str = "B", **plan: Any
) -> dict[str, Any]:
    """The sample record with another answer, and with disclosure control off unless the plan says otherwise."""
    drawn: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    drawn["plan"] |= {"disclosure": {"threshold": 0, "round_to": 1}, **plan}
    drawn["verdict"] |= {"call": call, "words": WORDS[call], "grade": grade}
    for entry in drawn["estimates"]:
        if entry["id"] == "primary":
            entry |= {"value": value, "low": low, "high": high}
    return drawn


def draw_run(
    folder: Path,
    *,
    study: str | None = "checkout",
    week: int = 0,
    failed: bool = False,
    results: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """A run directory of that week; ``changes`` replace keys of its manifest, and None takes one away."""
    drawn = dict(results or record())
    began = FIRST + timedelta(weeks=week)
    digest = drawn["plan"]["digest"]
    manifest = {
        "run": f"{began:%Y%m%dT%H%M%SZ}-{digest[:8]}",
        "study": study,
        "status": "partial" if failed else "complete",
        "began": began.isoformat(),
        "ended": (began + timedelta(minutes=90)).isoformat(),
        "plan_digest": digest,
        "plan": {"path": "/somewhere/secret/plan.toml", "digest": digest},
        "notebooks": [{"name": "30_association", "status": "failed" if failed else "finished", "error": None}],
    }
    manifest = {key: value for key, value in (manifest | changes).items() if value is not None}
    page = error_html("t", "30_association", "1 / 0", "boom", []) if failed else "<!DOCTYPE html><title>report</title>"
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    (folder / "index.html").write_text(page)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "results.json").write_text(json.dumps(drawn))
    (folder / "estimates.csv").write_text("id,value\nprimary,1.6\n")
    (folder / "quarantine.parquet").write_bytes(b"rows of people")
    (folder / "tables").mkdir()
    (folder / "tables" / "deployments.parquet").write_bytes(b"rows of people")
    (notebooks / "30_association.ipynb").write_text("everything")
    if not failed:
        (notebooks / "30_association.html").write_text("<!DOCTYPE html><title>notebook</title>")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too: address → bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
