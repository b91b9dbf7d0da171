"""A JupyterLab of its own for one test: a free port on the loopback, folders nobody else uses, opened in Chromium."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_MS, RUN_MS = 90_000, 600_000  # of a busy machine: enough for the slowest notebook, and an end for a hung one

# What the notebook in front holds, read from its model: cells out of sight are not in the page.
CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"
IDLE = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
SETTLED = f"""() => {{
  const code = ({CELLS})().filter((cell) => cell.cell_type === 'code' && [cell.source].flat().join('').trim());
  const failed = code.some((cell) => cell.outputs.some((output) => output.output_type === 'error'));
  return ({IDLE})() && (failed || code.every((cell) => cell.execution_count !== null));
}}"""


class Lab:
    """A running JupyterLab and a page that shows it.

    Attributes
    ----------
    folder : what it shows: notebooks put here can be opened.
    page : the browser's page.
    """

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder

    def open(self, name: str) -> None:
        """Opens a notebook of the folder in front, and waits for its kernel."""
        self.command("docmanager:open", path=name)
        self.page.wait_for_function(
            "(name) => { const shown = window.jupyterapp.shell.currentWidget;"
            " return shown?.context?.path === name && shown.sessionContext.session?.kernel?.status === 'idle' }",
            arg=name,
            timeout=START_MS,
        )

    def run_all(self) -> None:
        """Chooses Run → Run All Cells, and waits until every cell has run or one has failed."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(SETTLED, timeout=RUN_MS)

    def wait_until_idle(self) -> None:
        """Waits until the kernel in front has done what it was asked."""
        self.page.wait_for_function(IDLE, timeout=RUN_MS)

    def cells(self) -> list[dict[str, Any]]:
        """The cells of the notebook in front, as they would be saved."""
        cells: list[dict[str, Any]] = self.page.evaluate(CELLS)
        return cells

    def complaints(self) -> list[str]:
        """Errors, and what was written to stderr, by the notebook in front."""
        outputs = [output for cell in self.cells() for output in cell.get("outputs", ())]
        return [_told(output) for output in outputs if _is_complaint(output)]

    def command(self, name: str, **arguments: Any) -> None:
        """Runs a command of JupyterLab and waits for what it promises."""
        run = "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given) }"
        self.page.evaluate(run, [name, arguments])

    def close(self) -> None:
        """Ends the kernel of the notebook in front, then saves and closes the copy."""
        self.page.evaluate(
            "async () => { const shown = window.jupyterapp.shell.currentWidget;"
            " await shown.sessionContext.shutdown(); await shown.context.save(); shown.close() }"
        )


def _is_complaint(output: dict[str, Any]) -> bool:
    return output["output_type"] == "error" or output.get("name") == "stderr"


def _told(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return "".join(output["text"])


@contextmanager
def running_lab(browser: Browser, private: Path, notebooks: list[Path]) -> Iterator[Lab]:
    """JupyterLab on copies of some notebooks.

    Parameters
    ----------
    private : a folder for its settings, its kernels' files, and the copies.
    notebooks : what to copy; JupyterLab saves as it goes, and must not touch the originals.
    """
    folder = private / "notebooks"
    folder.mkdir(parents=True)
    for path in notebooks:
        shutil.copy(path, folder)
    with _server(private, folder) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
        context.set_default_timeout(START_MS)
        page = context.new_page()
        page.goto(f"{address}lab")
        page.wait_for_function("() => window.jupyterapp?.restored")
        page.evaluate("async () => { await window.jupyterapp.restored }")
        yield Lab(page, folder)
        context.close()


@contextmanager
def _server(private: Path, folder: Path) -> Iterator[str]:
    """The address of a JupyterLab server that ends with the block, its kernels too."""
    # fmt: off
    command = [
        sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--ServerApp.root_dir={folder}",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={_free_port()}", "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
    ]
    # fmt: on
    with subprocess.Popen(command, env=_private(private), stderr=subprocess.PIPE, text=True) as server:
        told: SimpleQueue[str | None] = SimpleQueue()
        listener = Thread(target=_listen, args=(server.stderr, told))
        listener.start()
        try:
            yield _address(told)
        finally:
            server.terminate()
            server.wait(timeout=60)
            listener.join(timeout=60)  # the last kernel that could still speak has ended


def _listen(log: IO[str], told: SimpleQueue[str | None]) -> None:
    """Passes on what a server says, and None when nobody is left to speak; a full pipe would stop the server."""
    for line in log:
        told.put(line)
    told.put(None)


def _private(folder: Path) -> dict[str, str]:
    """The environment in which Jupyter reads and writes in one folder only, and asks nobody for news."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    labs = ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    places = {name: str(folder / name.lower()) for name in (*names, *labs)}
    news = Path(places["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab/apputils-extension/notification.jupyterlab-settings")
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    return {**os.environ, **places, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _free_port() -> int:
    """A port that is free now; where somebody else takes it first, JupyterLab takes another and says so."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def _address(told: SimpleQueue[str | None]) -> str:
    """Where the server answers, from what it says once it does."""
    lines = []
    while (line := told.get(timeout=START_MS / 1000)) is not None:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
            return found[0]
    raise AssertionError("JupyterLab did not start:\n" + "".join(lines[-20:]))
