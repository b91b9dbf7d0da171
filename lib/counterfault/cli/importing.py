"""Commands that turn an outside source into tables of the contract."""

from __future__ import annotations

from pathlib import Path

import click

from counterfault.cli.common import commits_on_stderr


@click.group("import")
def import_() -> None:
    """Turn an outside source into contract tables."""


@import_.command("git")
@click.argument("repository", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the two tables go.")
def import_git(repository: Path, out: Path) -> None:
    """Changes, AI labels and reverts of a git REPOSITORY as deployments and incidents."""
    from counterfault.sources.repository import import_repository

    located = import_repository(str(repository), out, commits_on_stderr())
    click.echo(f"{located.deployments}\n{located.incidents}")
