"""The command that publishes runs as a site."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from counterfault.cli.common import NOTEBOOK_FAILED, say


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="SITE", type=click.Path(path_type=Path), help="Where the site lies.")
def publish(directories: tuple[Path, ...], out: Path) -> None:
    """Publish runs as a site of static pages: an index, the history of each study, a feed.

    DIR is a run directory, or a folder that holds some one or two levels down. Runs that SITE already holds stay there,
    also when their run directory is gone. Only what each plan's disclosure section allows is published.
    """
    from datetime import UTC, datetime

    from counterfault.publish.site import publish_site

    done = publish_site(directories, out, now=datetime.now(UTC), say=say)
    for page in done.gone:
        say(f"counterfault: {page} was deleted from {out} and its run was not given, so it is no longer listed")
    for each in done.unreadable:
        say(f"counterfault: {each.folder} was not published: {each.reason}")
    new, old = len(done.added), done.kept
    runs, were = "run" if new == 1 else "runs", "was" if old == 1 else "were"
    click.echo(f"{new:,} {runs} published, {old:,} {were} there: {out / 'index.html'}")
    if done.unreadable:
        sys.exit(NOTEBOOK_FAILED)
