"""Commands on a plan: write it, freeze it, check it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from counterfault.cli.common import USAGE, moment


@click.group()
def plan() -> None:
    """Write, freeze or check a plan: everything decided before the data are read."""


@plan.command("new")
@click.argument("path", type=click.Path(path_type=Path))
def plan_new(path: Path) -> None:
    """Write the default plan, explained line by line, to PATH."""
    from counterfault.places import default_plan
    from counterfault.publish.write import write_whole

    if path.exists():
        raise FileExistsError(f"{path} exists; a plan is never overwritten")
    write_whole(path, default_plan().read_text(encoding="utf-8"))
    click.echo(f"{path} written; edit it, then `counterfault plan freeze {path}`, before looking at the data")


@plan.command("freeze")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--again", is_flag=True, help="Freeze a changed plan anew; the earlier freeze stays in the file.")
def plan_freeze(path: Path, again: bool) -> None:
    """Write down what a plan decides, and when, beside it.

    From then on every report names what was changed since, key by key, and how much of its data is older than the
    promise. Commit the file: a date that only one person keeps shows little.
    """
    from datetime import UTC, datetime

    from counterfault.freezing import freeze, freeze_path
    from counterfault.plan import Plan
    from counterfault.publish.write import write_whole

    frozen = freeze(Plan.read(path), path, datetime.now(UTC), again=again)
    if frozen is None:
        click.echo(f"{path} is as it was frozen; nothing written")
        return
    write_whole(freeze_path(path), frozen.to_json())
    click.echo(f"{freeze_path(path)} written: digest {frozen.digest}, frozen {moment(frozen.when)}; commit it")


@plan.command("check")
@click.argument("path", type=click.Path(path_type=Path))
def plan_check(path: Path) -> None:
    """Say whether a plan can be followed, its digest, and whether it is as it was frozen (exit code 2 where not)."""
    from counterfault.figures.wording import plain
    from counterfault.freezing import differences, read_freeze
    from counterfault.plan import Plan

    promise = Plan.read(path)
    click.echo(f"{path}: {promise.title}; digest {promise.digest}")
    frozen = read_freeze(path)
    if frozen is None:
        click.echo(f"never frozen; `counterfault plan freeze {path}` does that")
        return
    made = f"frozen {moment(frozen.when)} by counterfault {frozen.version}"
    made += f" (freeze number {len(frozen.former) + 1})" if frozen.former else ""
    if found := differences(frozen, promise):
        click.echo(f"{made}; changed since:")
        for difference in found:
            click.echo(f"  {plain(str(difference))}")
        sys.exit(USAGE)
    click.echo(f"{made}; unchanged")
