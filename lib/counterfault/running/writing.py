"""What a run writes: results, pages and the manifest when all went well, the error page and what finished when not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from counterfault.analysis import Analysis
from counterfault.inputs import Inputs
from counterfault.places import notebooks_folder
from counterfault.provenance import provenance
from counterfault.publish import UnfitNotebookError, error_html, notebook_html, notebook_page, run_files, write_all
from counterfault.publish.excerpts import estimates_shown
from counterfault.publish.pdf import page_to_pdf
from counterfault.publish.summary import summary
from counterfault.record import record, to_json, validate
from counterfault.running.execute import Executed, kernel_log
from counterfault.running.run_folder import RunFolder
from counterfault.sources.secrets import scrub

Say = Callable[[str], None]


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


class Clock:
    """When a run began, and seconds spent in each part of it."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Ends a part of the run."""
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def write_run(
    inputs: Inputs,
    folder: RunFolder,
    analysis: Analysis,
    executed: Sequence[Executed],
    clock: Clock,
    say: Say,
    *,
    pdf: bool = False,
) -> RunResult:
    """Writes all that a run leaves, and publishes it under its name where every notebook finished.

    Parameters
    ----------
    inputs, analysis, executed : what was asked, what was found, and how the notebooks ended.
    folder : where the run is staged.
    clock : when it began and how long its parts took.
    say : is told where the last good report was left alone.
    pdf : whether the report is printed to ``index.pdf`` too.

    Raises
    ------
    NotebookDisagreesError : a notebook shows another number than the analysis found.
    """
    plain = json.loads(_in_place(to_json(record(analysis, provenance(inputs.plan, analysis.checked))), folder))
    validate(plain)
    _clean_notebooks(folder, executed, inputs.addresses())
    _write_tables(folder.staging, analysis, plain)
    if all(done.finished for done in executed):
        _require_same_numbers(plain, executed)
        executed = _write_pages(folder.staging, plain, executed)
    clock.lap("pages")
    if failures := [done for done in executed if not done.finished]:
        return _keep_failed(inputs, folder, analysis, plain, failures[0], executed, clock, say)
    if pdf:
        page_to_pdf(folder.staging / "index.html", folder.staging / "index.pdf")
        clock.lap("pdf")
    _write_manifest(folder, inputs, plain, executed, clock, status="complete")
    published = folder.publish()
    return RunResult(published, published / "index.html", True, analysis, tuple(executed))


def _keep_failed(
    inputs: Inputs,
    folder: RunFolder,
    analysis: Analysis,
    plain: Mapping[str, Any],
    failure: Executed,
    executed: Sequence[Executed],
    clock: Clock,
    say: Say,
) -> RunResult:
    """What finished is kept beside the last good report, under a page that says what failed."""
    pages = [notebook_page(_notebook(done), name=done.name) for done in executed if done.finished]
    files = {f"notebooks/{page.name}.html": notebook_html(page) for page in pages}
    told = scrub(failure.error or "", inputs.addresses())
    page = error_html(inputs.plan.title, failure.name, failure.failed_cell, told, [page.name for page in pages])
    write_all(folder.staging, {"index.html": page, **files})
    _write_manifest(folder, inputs, plain, executed, clock, status="partial")
    kept = folder.keep_as_failed()
    say(f"{folder.target} was left as it was")
    return RunResult(kept, kept / "index.html", False, analysis, tuple(executed))


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
            if expected is not None and any(shown.get(key) != expected[key] for key in ("value", "low", "high")):
                raise NotebookDisagreesError(
                    f"{done.name} shows {shown['id']} = {shown.get('value')}, the analysis found {expected['value']}; "
                    f"the inputs changed while they were read, or the notebook computes on its own"
                )


def _notebook(done: Executed) -> Any:
    return nbformat.read(done.path, as_version=4)  # type: ignore[no-untyped-call]


def _write_pages(staging: Path, plain: Mapping[str, Any], executed: Sequence[Executed]) -> list[Executed]:
    """The pages and the summary, or none of them where a notebook shows what a page may not.

    Returns
    -------
    The notebooks as they ended; the one that cannot become a page has failed.
    """
    try:
        files = run_files(plain, [(done.name, _notebook(done)) for done in executed])
    except UnfitNotebookError as error:
        return [
            replace(done, error=str(error), failed_cell=error.cell) if done.name == error.notebook else done
            for done in executed
        ]
    write_all(staging, {**files, "summary.md": summary(plain)})
    return list(executed)


def _write_manifest(
    folder: RunFolder,
    inputs: Inputs,
    plain: Mapping[str, Any],
    executed: Sequence[Executed],
    clock: Clock,
    status: str,
) -> None:
    manifest = {
        "study": study_name(inputs),
        "run": f"{clock.began:%Y%m%dT%H%M%SZ}-{inputs.plan.digest[:8]}",
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
                "own": not (notebooks_folder() / f"{done.name}.ipynb").exists(),
                "status": "finished" if done.finished else "failed",
                "seconds": round(done.seconds, 3),
                "error": scrub(done.error, inputs.addresses()) if done.error else None,
            }
            for done in executed
        ],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    (folder.staging / "manifest.json").write_text(text, encoding="utf-8")


def study_name(inputs: Inputs) -> str:
    """What a study is called where it has to be told from others: its repository's folder, or its plan's file."""
    if repo := inputs.sources.repo:
        return Path(repo).resolve().name.removesuffix(".git") or "repository"
    name = inputs.plan_path.stem
    # Two studies whose plans are called alike would become one on a site; their folders tell them apart.
    return (inputs.plan_path.resolve().parent.name or name) if name in ("plan", "study") else name


def published_call(out: Path) -> str | None:
    """The call of the run published in ``out``, None where there is none that can be read."""
    try:
        call = json.loads((out / "results.json").read_text(encoding="utf-8"))["verdict"]["call"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(call)
