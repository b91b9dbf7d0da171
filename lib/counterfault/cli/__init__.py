"""The command line: one thin command per verb. Heavy libraries are imported where they are used."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from counterfault.cli.common import REFUSED, USAGE, stop
from counterfault.cli.comparing import diff
from counterfault.cli.importing import import_
from counterfault.cli.lab import lab
from counterfault.cli.labels import label
from counterfault.cli.plans import plan
from counterfault.cli.publishing import publish
from counterfault.cli.studies import analyse, check, run
from counterfault.cli.worlds import simulate, validate


def main() -> None:
    """Entry point: errors the library words for users end in one sentence and the right exit code."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        stop("stopped", 130)
    except Exception as error:
        _stop_for(error)


def _stop_for(error: Exception) -> NoReturn:
    """Maps the kind of fault to the exit code a scheduler reads."""
    from counterfault.contracts import ContractError
    from counterfault.display.words import plain
    from counterfault.plan import PlanError
    from counterfault.sources.errors import SourceError

    if isinstance(error, PlanError):
        stop(str(error), USAGE)
    if isinstance(error, ContractError | SourceError):
        stop(str(error), REFUSED)
    if isinstance(error, OSError) and error.filename and error.strerror:
        stop(f"{plain(error.filename)}: {error.strerror}", USAGE)
    if isinstance(error, OSError) or type(error) is ValueError:
        stop(str(error), USAGE)
    raise error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="counterfault")
def cli() -> None:
    """Would it have failed anyway?

    Takes deployments and incidents and answers whether AI-assisted changes fail more often than other changes, by how
    much and how sure, or that the data cannot tell. Without PLAN, commands use the bundled demo organisation.

    A URI is a CSV, Parquet or JSON-lines path or glob, or an Ibis address with #table (duckdb://file.db#deployments).

    \b
    Exit codes: 0 done; 2 usage or plan error; 3 data refused;
    4 a notebook failed, or a run could not be published;
    5 done, and the verdict differs from the last published run (only with --alert-on-change).
    """


for command in (run, check, analyse, diff, import_, label, simulate, validate, plan, publish, lab):
    cli.add_command(command)
