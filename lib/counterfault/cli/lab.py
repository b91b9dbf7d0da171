"""The command that opens JupyterLab."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from counterfault.cli.common import USAGE, say, stop

FIRST = "00_index.ipynb"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB OPTIONS]...")
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks; nothing is registered outside this environment.

    It opens on 00_index, which says what to open for which question. Options are JupyterLab's own, e.g. --no-browser or
    --port 8890.
    """
    import os
    from importlib.util import find_spec

    from counterfault.places import notebooks_folder

    if find_spec("jupyterlab") is None:
        stop("JupyterLab is not installed; `pip install 'counterfault[lab]'` adds it", USAGE)
    folder = notebooks_folder()
    if not os.access(folder, os.W_OK):
        say(_how_to_keep_changes(folder))
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *_first_page(options), *options])


def _first_page(options: tuple[str, ...]) -> list[str]:
    """The folder, and the notebook one opens first; whoever names another place or page gets that alone."""
    from counterfault.places import notebooks_folder

    named = [option for option in options if not option.startswith("-") and Path(option).exists()]
    elsewhere = ("--notebook-dir", "--ServerApp.root_dir", "--ServerApp.preferred_dir")
    if named or any(option.startswith(elsewhere) for option in options):
        return []
    page = [] if any("default_url" in option for option in options) else [f"--LabApp.default_url=/lab/tree/{FIRST}"]
    return [f"--ServerApp.root_dir={notebooks_folder()}", *page]


def _how_to_keep_changes(folder: Path) -> str:
    """An installed package may belong to somebody else; notebooks run there all the same, and cannot be saved."""
    return (
        f"the notebooks in {folder} can be run and not saved; to keep changes, copy them and open the copies:\n"
        f"  cp -r {folder} notebooks && counterfault lab --notebook-dir notebooks"
    )
