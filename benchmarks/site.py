"""How long does publishing a long history take, beside a plain copy of the same files in the same run?

    python benchmarks/site.py [--runs 500] [--run DIR]

Runs the suite once on a small invented study, or takes the run at DIR, and makes a history of it: as many runs, a day
apart, each with a ratio of its own, with disclosure control switched off, so that pages are copied. Then times copying
the published files and nothing else, publishing them into an empty folder, publishing again when nothing is new, and
when one run is. Only the ratio to the copy says anything on another machine.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any

from counterfault.inputs import open_inputs
from counterfault.publish.site import publish_site
from counterfault.running.runner import run
from counterfault.simulate import WORLDS, simulate, write

FIRST = datetime(2025, 1, 6, 6, tzinfo=UTC)


def a_run(folder: Path) -> Path:
    """One run of the suite on a small invented study."""
    study = folder / "study"
    study.mkdir()
    write(simulate(WORLDS["harm"].of_size(1500), 3), study)
    plan = study / "plan.toml"
    plan.write_text('[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n')
    return run(open_inputs(plan), folder / "run", say=print).folder


def history_of(origin: Path, folder: Path, runs: int) -> None:
    """The same run, many times over, each with an id, a date and a ratio of its own."""
    rng = random.Random(1)
    manifest, results = (json.loads((origin / f"{name}.json").read_text()) for name in ("manifest", "results"))
    for number in range(runs):
        shutil.copytree(origin, into := folder / f"{number:04}")
        write_json(into / "manifest.json", manifest | told_at(number, manifest["plan_digest"]))
        write_json(into / "results.json", with_ratio(results, exp(rng.gauss(0.3, 0.1))))


def told_at(number: int, digest: str) -> dict[str, Any]:
    began = FIRST + timedelta(days=number)
    ended = began + timedelta(minutes=2)
    run_id = f"{began:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    return {"run": run_id, "study": "invented", "began": began.isoformat(), "ended": ended.isoformat()}


def with_ratio(results: dict[str, Any], ratio: float) -> dict[str, Any]:
    limits = {"value": ratio, "low": ratio / 1.2, "high": ratio * 1.2}
    estimates = [item | limits if item["id"] == "primary" else item for item in results["estimates"]]
    plan = results["plan"] | {"disclosure": {"threshold": 0, "round_to": 1}}
    return results | {"estimates": estimates, "plan": plan}


def write_json(path: Path, plain: dict[str, Any]) -> None:
    path.write_text(json.dumps(plain, indent=1))


def timed(what: str, call: Callable[[], Any]) -> float:
    began, busy = time.perf_counter(), time.process_time()
    call()
    seconds = time.perf_counter() - began
    print(f"{what:58} {seconds:6.2f} s, of which the processor {time.process_time() - busy:6.2f} s")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--run", type=Path, help="a finished run directory to make the history of")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), chosen.run or a_run(Path(name)), chosen.runs)


def compare(folder: Path, origin: Path, runs: int) -> None:
    now = FIRST + timedelta(days=runs + 1)
    history_of(origin, folder / "history", runs + 1)
    newest = folder / "history" / f"{runs:04}"
    newest.rename(folder / "newest")

    def publish() -> None:
        publish_site([folder / "history"], folder / "site", now=now)

    publishing = timed(f"publish {runs} runs into an empty folder", publish)
    size = sum(path.stat().st_size for path in (folder / "site").rglob("*") if path.is_file())
    copying = timed("copy the published files", lambda: shutil.copytree(folder / "site", folder / "copy"))
    timed("publish again, nothing new", publish)
    (folder / "newest").rename(newest)
    timed("publish again, one new run", publish)
    print(f"{size / 1e6:,.0f} MB published; publishing takes {publishing / copying:.1f} times as long as copying")


if __name__ == "__main__":
    main()
