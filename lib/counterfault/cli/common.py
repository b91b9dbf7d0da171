"""What every command shares: exit codes, the places of the tables, and how faults and progress are told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from counterfault.inputs import Inputs

USAGE, REFUSED, NOTEBOOK_FAILED, VERDICT_CHANGED = 2, 3, 4, 5


def stop(message: str, code: int) -> NoReturn:
    """Ends the command with one sentence and the exit code a scheduler reads."""
    click.echo(f"counterfault: {message}", err=True)
    sys.exit(code)


def say(line: str) -> None:
    """A line of progress, on stderr: stdout is for answers."""
    click.echo(line, err=True)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """PLAN and the places of the tables, alike for every command that reads data."""
    return table_options(click.argument("plan", required=False, type=click.Path(path_type=Path))(command))


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The places of the tables, for a command that finds its plan another way."""
    for option in (
        click.option("--repo", metavar="GIT_DIR", help="Read changes and reverts from a git repository instead."),
        click.option("--load", metavar="URI", help="Requests per service and hour (optional)."),
        click.option("--dependencies", metavar="URI", help="Which service needs which (optional)."),
        click.option("--incidents", metavar="URI", help="One row per incident."),
        click.option("--deployments", metavar="URI", help="One row per change reaching production."),
    ):
        command = option(command)
    return command


def open_study(plan: Path | None, options: dict[str, str | None]) -> Inputs:
    """The plan and the sources that a command line names."""
    from counterfault.inputs import open_inputs

    return open_inputs(plan or "", **{name: place or "" for name, place in options.items()})


def commits_on_stderr() -> Callable[[int, int | None], None]:
    """Progress of reading a repository, every two seconds."""
    told = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > 2:
            told = time.monotonic()
            say(f"  {done:,} of {total:,} commits" if total else f"  {done:,} commits")

    return tell


def print_deviations(verdict: Any) -> None:
    """What departs from the plan as it was frozen, where anything does."""
    from counterfault.figures.wording import plain

    if verdict.deviations:
        click.echo("\nDeviations")
    for sentence in verdict.deviations:
        click.echo(f"  {plain(sentence)}")  # a value of the plan may hold terminal escapes


def moment(when: Any) -> str:
    """A time as the commands print it."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
