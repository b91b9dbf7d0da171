"""The command that compares two runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the whole comparison here as JSON.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write it here as one page.")
def diff(before: Path, after: Path, json_file: Path | None, html_file: Path | None) -> None:
    """Tell what changed between two runs: data, plan, code, estimates, checks, call, and why.

    BEFORE and AFTER are run directories or results.json files. The page and the JSON hold what the runs hold: nothing
    in them is suppressed.
    """
    from counterfault.publish.comparing import compare, comparison_html, comparison_text, read_run
    from counterfault.publish.write import write_whole

    _require_elsewhere((before, after), {"--json": json_file, "--html": html_file})
    old, new = read_run(before), read_run(after)
    comparison = compare(old.record, new.record, manifests=(old.manifest, new.manifest))
    for remark in (*old.remarks, *new.remarks):
        click.echo(f"Note: {remark}")
    click.echo(comparison_text(comparison), nl=False)
    if json_file is not None:
        write_whole(json_file, comparison.to_json())
        click.echo(f"JSON: {json_file}")
    if html_file is not None:
        write_whole(html_file, comparison_html(comparison))
        click.echo(f"Page: {html_file}")


def _require_elsewhere(runs: tuple[Path, Path], written: dict[str, Path | None]) -> None:
    """A mistyped place must not cost a run its results."""
    from counterfault.publish.comparing.reading import MANIFEST, RESULTS

    read = {(folder / name).resolve() for run in runs for folder in (run, run.parent) for name in (MANIFEST, RESULTS)}
    read |= {run.resolve() for run in runs if not run.is_dir()}
    for option, place in written.items():
        if place is not None and place.resolve() in read:
            raise ValueError(f"{option} {place} is read for this comparison; name another file")
