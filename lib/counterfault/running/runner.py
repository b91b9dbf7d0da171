"""A whole run: tables checked, notebooks executed, the study analysed, and all of it handed on to be written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from counterfault.analysis import conclude
from counterfault.checking import check
from counterfault.inputs import TABLE_NAMES, Inputs
from counterfault.places import from_here
from counterfault.publish.pdf import require_browser
from counterfault.running.choosing import chosen_notebooks
from counterfault.running.execute import Executed, run_notebook
from counterfault.running.run_folder import RunFolder
from counterfault.running.writing import Clock, RunResult, Say, write_run
from counterfault.showing.kept import keep
from counterfault.showing.progress import now_and_then
from counterfault.sources.secrets import environment_for, redact

AFTER_THE_ANALYSIS = ("60_", "90_")  # notebooks of ours that show all that was found and need not find it again


def run(
    inputs: Inputs,
    out: Path,
    *,
    only: Sequence[str] = (),
    own: Path | None = None,
    jobs: int = 0,
    pdf: bool = False,
    say: Say,
) -> RunResult:
    """Runs the suite on one study and writes its report into ``out``.

    Parameters
    ----------
    inputs : plan and sources.
    out : the run directory; replaced whole when the run is good, untouched when it is not.
    only : beginnings of the notebooks to run; all where empty.
    own : a folder with a user's notebooks, to be run beside ours.
    jobs : notebooks at the same time; as many as there are processors where 0.
    pdf : whether the report is printed to ``index.pdf`` too.
    say : is told one line per step.

    Raises
    ------
    SourceError, ContractError, PlanError : the data were refused; nothing is written.
    ValueError : the notebooks asked for cannot be run.
    OSError : a PDF is asked for and there is no browser to print it, or ``out`` cannot be written.
    """
    notebooks = chosen_notebooks(only, own)
    if pdf:
        require_browser()  # nobody waits for minutes to be told that there is none
    folder = RunFolder.open(out)
    try:
        return _run(inputs, folder, notebooks, jobs, pdf, say)
    finally:
        folder.discard()


def _run(inputs: Inputs, folder: RunFolder, notebooks: Sequence[Path], jobs: int, pdf: bool, say: Say) -> RunResult:
    clock = Clock()
    inputs = _with_tables(inputs, folder, say)
    checked = check(inputs.read(), inputs.plan, now=datetime.now(UTC))
    for account in checked.accounts:
        say(str(account))
    jobs = jobs or min(os.cpu_count() or 1, len(notebooks))
    last = [path for path in notebooks if path.stem.startswith(AFTER_THE_ANALYSIS) or not path.stem[:2].isdigit()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, TemporaryDirectory(prefix="cf-") as found:
        running = _start(pool, inputs, folder, [path for path in notebooks if path not in last])
        say("estimating, then trying to break the answer")
        analysis = conclude(checked, inputs.plan, plan_path=inputs.plan_path, say=now_and_then(say))
        clock.lap("analysis")
        running += _start(pool, inputs, folder, last, keep(analysis, Path(found)))
        executed = tuple(_collect(running, say))
    clock.lap("notebooks")
    return write_run(inputs, folder, analysis, _in_order(executed, notebooks), clock, say, pdf=pdf)


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
