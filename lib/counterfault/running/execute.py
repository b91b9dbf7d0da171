"""One notebook, run with parameters it declares, in a kernel of its own."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

CELL_TIMEOUT_SECONDS = 1800  # a cell that has not ended after half an hour is stuck, and a cron job must know


class UnknownParameterError(ValueError):
    """A parameter that the notebook's parameters cell does not declare; papermill alone would only log it."""


@dataclass(frozen=True)
class Executed:
    """How one notebook ended.

    Attributes
    ----------
    name : its file name without the ending.
    path : where the executed notebook lies.
    seconds : how long it took.
    error : what stopped it, None where it finished.
    failed_cell : the source of the cell that failed.
    """

    name: str
    path: Path
    seconds: float
    error: str | None = None
    failed_cell: str = ""

    @property
    def finished(self) -> bool:
        return self.error is None


def run_notebook(source: Path, into: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Executed:
    """Runs a notebook from top to bottom and keeps what it showed, whether or not it got to its end.

    Parameters
    ----------
    source, into : the notebook, and where its executed copy goes.
    parameters : values for names its parameters cell declares.
    environment : variables its kernel finds besides those of this process.

    Raises
    ------
    UnknownParameterError : a name the notebook does not declare.
    """
    import papermill

    refuse_unknown(source, parameters)
    os.environ.update(environment)
    _quiet(logging.getLogger("papermill"))
    began = time.monotonic()
    sockets = Path(tempfile.mkdtemp(prefix="cf-"))
    try:
        papermill.execute_notebook(
            source,
            into,
            dict(parameters),
            engine_name="counterfault",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=CELL_TIMEOUT_SECONDS,
            kernel_log=str(kernel_log(into)),
            **_private_sockets(sockets),
        )
    except Exception as error:
        return Executed(source.stem, into, time.monotonic() - began, _told(error, into), _failed_cell(into))
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    kernel_log(into).unlink(missing_ok=True)
    return Executed(source.stem, into, time.monotonic() - began)


def kernel_log(into: Path) -> Path:
    """What the kernel process printed; kept only where the notebook failed."""
    return into.with_suffix(".log")


def declared_parameters(source: Path) -> set[str]:
    """The names that the notebook's parameters cell sets."""
    import papermill

    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    # A notebook made by a program may name no kernel, and papermill then refuses to look into it.
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return set(papermill.inspect_notebook(notebook))


def refuse_unknown(source: Path, parameters: Mapping[str, Any]) -> None:
    """Raises :class:`UnknownParameterError` for a name that the notebook does not declare."""
    declared = declared_parameters(source)
    if unknown := sorted(set(parameters) - declared):
        raise UnknownParameterError(
            f"{source.name} has no parameter {', '.join(map(repr, unknown))}; its parameters cell declares "
            f"{', '.join(sorted(declared))}"
        )


def _private_sockets(folder: Path) -> dict[str, Any]:
    """Kernel channels over sockets in a folder of this run's own.

    TCP ports race when several kernels start at once, and the default socket names are relative to the working
    directory, so that parallel runs would share them. Windows has no such sockets and keeps TCP.
    """
    if sys.platform == "win32":
        return {}
    from traitlets.config import Config

    return {"config": Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "k")}})}


def _told(error: Exception, into: Path) -> str:
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return f"{error.ename}: {error.evalue}"
    return f"{type(error).__name__}: {error}".strip()


def _failed_cell(into: Path) -> str:
    if not into.exists():
        return ""
    notebook = nbformat.read(into, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        if cell.cell_type == "code" and any(output.output_type == "error" for output in cell.outputs):
            return str(cell.source)
    return ""


def _quiet(log: logging.Logger) -> None:
    """The kernel's output belongs into the notebook; the run's own lines tell its progress."""
    log.setLevel(logging.ERROR)
