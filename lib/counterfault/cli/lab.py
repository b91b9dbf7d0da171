"""The command that opens JupyterLab."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("options", nargs=-1)
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks; nothing is registered outside this environment."""
    import os

    from counterfault.places import notebooks_folder

    folder = str(notebooks_folder())
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--notebook-dir", folder, *options])
