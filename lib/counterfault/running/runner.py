"""A whole run: tables checked, notebooks executed, results and report written, published only when all went well."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import nbformat

from counterfault.analysis import Analysis, conclude
from counterfault.checking import check
from counterfault.inputs import TABLE_NAMES, Inputs
from counterfault.places import from_here, notebooks_folder
from counterfault.provenance import provenance
from counterfault.record import record, to_json, validate
from counterfault.running.execute import Executed, kernel_log, run_notebook
from counterfault.running.run_folder import RunFolder
from counterfault.showing.kept import keep
from counterfault.showing.progress import now_and_then
from counterfault.sources.secrets import environment_for, redact, scrub

Say = Callable[[str], None]

AFTER_THE_ANALYSIS = ("60_", "90_")  # notebooks that show all that was found and need not find it again


class NotebookDisagreesError(RuntimeError):
    """A notebook showed another number than the analysis found under the same id."""


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    Attributes
    ----------
    folder : the run directory, or the failed one beside it.
    page : the report, or the error page.
    complete : whether every notebook finished.
    analysis : None where the run ended before there was one.
    """

    folder: Path
    page: Path
    complete: bool
    analysis: Analysis
    executed: tuple[Executed, ...]


def chosen_notebooks(only: Sequence[str] = ()) -> list[Path]:
    """The suite's scheduled notebooks in order, or those whose names begin with one of ``only``.

    Raises
    ------
    ValueError : nothing begins with one of the names given.
    """
    known = sorted(path for path in notebooks_folder().glob("[0-9][0-9]_*.ipynb") if path.stem != "00_explore")
    for prefix in only:
        if not any(path.stem.startswith(prefix) for path in known):
            raise ValueError(
                f"--only {prefix}: no notebook begins so; there are {', '.join(path.stem for path in known)}"
            )
    return [path for path in known if not only or any(path.stem.startswith(prefix) for prefix in only)]


def run(inputs: Inputs, out: Path, *, only: Sequence[str] = (), jobs: int = 0, say: Say) -> RunResult:
    """Runs the suite on one study and publishes its report into ``out``.

    Parameters
    ----------
    inputs : plan and sources.
    out : the run directory; replaced whole when the run is good, untouched when it is not.
    only : beginnings of the notebooks to run; all where empty.
    jobs : notebooks at the same time; as many as there are processors where 0.
    say : is told one line per step.

    Raises
    ------
    SourceError, ContractError, PlanError : the data were refused; nothing is written.
    """
    notebooks = chosen_notebooks(only)
    folder = RunFolder.open(out)
    try:
        return _run(inputs, folder, notebooks, jobs, say)
    finally:
        folder.discard()


def _run(inputs: Inputs, folder: RunFolder, notebooks: Sequence[Path], jobs: int, say: Say) -> RunResult:
    clock = _Clock()
    inputs = _with_tables(inputs, folder, say)
    checked = check(inputs.read(), inputs.plan, now=datetime.now(UTC))
    for account in checked.accounts:
        say(str(account))
    jobs = jobs or min(os.cpu_count() or 1, len(notebooks))
    last = [path for path in notebooks if path.stem.startswith(AFTER_THE_ANALYSIS)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, TemporaryDirectory(prefix="cf-") as found:
        running = _start(pool, inputs, folder, [path for path in notebooks if path not in last])
        say("estimating, then trying to break the answer")
        analysis = conclude(checked, inputs.plan, plan_path=inputs.plan_path, say=now_and_then(say))
        clock.lap("analysis")
        running += _start(pool, inputs, folder, last, keep(analysis, Path(found)))
        executed = tuple(_collect(running, say))
    clock.lap("notebooks")
    return _write(inputs, folder, analysis, _in_order(executed, notebooks), clock, say)


class _Clock:
    """Seconds spent in each part, for the manifest."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def _with_tables(inputs: Inputs, folder: RunFolder, say: Say) -> Inputs:
    """A repository is imported once, into the run directory, where the notebooks and a reader find its tables."""
    if inputs.sources.repo is None:
        return inputs
    from counterfault.sources.repository import import_repository

    say(f"importing {inputs.sources.repo}")
    located = import_repository(inputs.sources.repo, folder.staging / "tables", _progress_lines(say))
    return Inputs(inputs.plan, inputs.plan_path, located)


def _progress_lines(say: Say) -> Callable[[int, int | None], None]:
    told = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > 2:
            told = time.monotonic()
            say(f"  {done:,} of {total:,} commits" if total else f"  {done:,} commits")

    return tell


# --- notebooks -------------------------------------------------------------------------------------------------------


def notebook_parameters(inputs: Inputs) -> dict[str, str]:
    """The values of a notebook's parameters cell: addresses without secrets."""
    places = inputs.sources.model_dump()
    tables = {name: from_here(redact(places[name])) for name in TABLE_NAMES if places[name]}
    return {"plan": from_here(str(inputs.plan_path)), **tables}


def _start(
    pool: ProcessPoolExecutor,
    inputs: Inputs,
    folder: RunFolder,
    notebooks: Sequence[Path],
    found: Mapping[str, str] = MappingProxyType({}),
) -> list[Future[Executed]]:
    parameters, environment = notebook_parameters(inputs), {**environment_for(inputs.addresses()), **found}
    return [
        pool.submit(run_notebook, path, folder.staging / "notebooks" / path.name, parameters, environment)
        for path in notebooks
    ]


def _collect(running: Sequence[Future[Executed]], say: Say) -> Iterator[Executed]:
    for number, future in enumerate(as_completed(running), start=1):
        done = future.result()
        ended = "finished" if done.finished else f"FAILED ({done.error})"
        say(f"[{number}/{len(running)}] {done.name} {ended} after {done.seconds:.1f} s")
        yield done


def _in_order(executed: Sequence[Executed], notebooks: Sequence[Path]) -> tuple[Executed, ...]:
    order = [path.stem for path in notebooks]
    return tuple(sorted(executed, key=lambda done: order.index(done.name)))


# --- results ---------------------------------------------------------------------------------------------------------


def _write(
    inputs: Inputs, folder: RunFolder, analysis: Analysis, executed: Sequence[Executed], clock: _Clock, say: Say
) -> RunResult:
    plain = json.loads(_in_place(to_json(record(analysis, provenance(inputs.plan, analysis.checked))), folder))
    validate(plain)
    _clean_notebooks(folder, executed, inputs.addresses())
    _write_tables(folder.staging, analysis, plain)
    failures = [done for done in executed if not done.finished]
    if failures:
        _write_error_page(folder.staging, inputs, failures[0], executed)
        _write_manifest(folder.staging, inputs, plain, executed, clock, status="partial")
        kept = folder.keep_as_failed()
        say(f"{folder.target} was left as it was")
        return RunResult(kept, kept / "index.html", False, analysis, tuple(executed))
    _require_same_numbers(plain, executed)
    _write_pages(folder.staging, plain, executed)
    clock.lap("pages")
    _write_manifest(folder.staging, inputs, plain, executed, clock, status="complete")
    published = folder.publish()
    return RunResult(published, published / "index.html", True, analysis, tuple(executed))


def _clean_notebooks(folder: RunFolder, executed: Sequence[Executed], addresses: Sequence[str]) -> None:
    """A driver may quote its address in an error; no secret stays in an executed notebook, and no staging path."""
    for path in (place for done in executed for place in (done.path, kernel_log(done.path))):
        if path.exists():
            text = scrub(path.read_text(encoding="utf-8", errors="replace"), addresses)
            path.write_text(_in_place(text, folder), encoding="utf-8")


def _in_place(text: str, folder: RunFolder) -> str:
    """Paths of files that are still being staged, as they will be called when the run is published."""
    for staged, final in ((str(folder.staging), str(folder.target)), (folder.staging.name, folder.target.name)):
        text = text.replace(staged, final)
    return text


def _write_tables(staging: Path, analysis: Analysis, plain: Mapping[str, Any]) -> None:
    import pandas as pd

    (staging / "results.json").write_text(to_json(dict(plain)), encoding="utf-8")
    estimates = pd.DataFrame(plain["estimates"])
    for column in ("adjustment", "caveats"):
        estimates[column] = estimates[column].map("; ".join)
    estimates.to_csv(staging / "estimates.csv", index=False)
    analysis.checked.quarantine.to_parquet(staging / "quarantine.parquet", index=False)


def _require_same_numbers(plain: Mapping[str, Any], executed: Sequence[Executed]) -> None:
    """Whatever a notebook shows under an id is what the results say under that id."""
    known = {item["id"]: item for item in plain["estimates"]}
    for done in executed:
        for shown in estimates_shown(_notebook(done)):
            expected = known.get(shown["id"])
            if expected is not None and any(shown[key] != expected[key] for key in ("value", "low", "high")):
                raise NotebookDisagreesError(
                    f"{done.name} shows {shown['id']} = {shown['value']}, the analysis found {expected['value']}; the "
                    f"inputs changed while they were read, or the notebook computes on its own"
                )


def _notebook(done: Executed) -> Any:
    return nbformat.read(done.path, as_version=4)  # type: ignore[no-untyped-call]


def estimates_shown(notebook: Any) -> list[dict[str, Any]]:
    """The estimates an executed notebook recorded in its outputs."""
    from counterfault.showing.closing import ESTIMATES_MIME

    shown: list[dict[str, Any]] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown += output.get("data", {}).get(ESTIMATES_MIME, [])
    return shown


def _write_pages(staging: Path, plain: Mapping[str, Any], executed: Sequence[Executed]) -> None:
    from counterfault.publish import index_html, notebook_html, notebook_page, write_all

    pages = [notebook_page(_notebook(done), name=done.name) for done in executed]
    files = {f"notebooks/{page.name}.html": notebook_html(page) for page in pages}
    write_all(staging, {"index.html": index_html(plain, pages), **files})


def _write_error_page(staging: Path, inputs: Inputs, failed: Executed, executed: Sequence[Executed]) -> None:
    from counterfault.publish import error_html, write_whole

    told = scrub(failed.error or "", inputs.addresses())
    finished = [done.name for done in executed if done.finished]
    write_whole(staging / "index.html", error_html(inputs.plan.title, failed.name, failed.failed_cell, told, finished))


def _write_manifest(
    staging: Path,
    inputs: Inputs,
    plain: Mapping[str, Any],
    executed: Sequence[Executed],
    clock: _Clock,
    status: str,
) -> None:
    manifest = {
        "status": status,
        "began": clock.began.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": {"path": str(inputs.plan_path), "digest": inputs.plan.digest},
        "sources": inputs.shown(),
        **plain["provenance"],
        "rows": plain["data"]["tables"],
        "seconds": clock.laps,
        "notebooks": [
            {
                "name": done.name,
                "status": "finished" if done.finished else "failed",
                "seconds": round(done.seconds, 3),
                "error": scrub(done.error, inputs.addresses()) if done.error else None,
            }
            for done in executed
        ],
    }
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def published_call(out: Path) -> str | None:
    """The call of the run published in ``out``, None where there is none that can be read."""
    try:
        call = json.loads((out / "results.json").read_text(encoding="utf-8"))["verdict"]["call"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(call)
