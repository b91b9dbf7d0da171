"""The command that shows labels and draws audits."""

from __future__ import annotations

from pathlib import Path

import click

from counterfault.cli.common import commits_on_stderr, open_study, table_options


@click.command(options_metavar="[OPTIONS]")
@click.argument("what", nargs=-1, metavar="REPOSITORY [COMMITS]... | [PLAN]")
@click.option("--audit", type=click.IntRange(min=1), metavar="N", help="Draw N changes for a person to judge instead.")
@click.option("--out", type=click.Path(path_type=Path), help="With --audit: the CSV file to judge.")
@click.option("--seed", default=20260101, show_default=True, help="With --audit: same seed, same sample.")
@table_options
def label(what: tuple[str, ...], audit: int | None, out: Path | None, seed: int, **sources: str | None) -> None:
    """Show which rule labelled COMMITS of a git REPOSITORY, and why (the ten newest changes where none is named).

    With --audit N, draw N changes of a study by label and outcome, and write them to the file --out, which tells
    neither, with an empty column to fill with ai or human. Name the filled file in the plan
    (challenges.label_error.audit), and the answer is corrected by it.
    """
    if audit is not None:
        _draw_audit(what, audit, out, seed, sources)
    else:
        _show_labels(what, {"--out": out, **{f"--{name}": place for name, place in sources.items()}})


def _draw_audit(what: tuple[str, ...], size: int, out: Path | None, seed: int, sources: dict[str, str | None]) -> None:
    from datetime import UTC, datetime

    from counterfault.checking import check as check_tables
    from counterfault.counting import count
    from counterfault.counting.label_audit import audit_csv, audit_sample
    from counterfault.linking import link
    from counterfault.publish.write import write_whole

    if out is None:
        raise click.UsageError("--audit needs --out FILE, the CSV file to write the sample to")
    if len(what) > 1:
        raise click.UsageError(f"--audit takes one PLAN, not {len(what)} ({', '.join(what)})")
    if out.exists():
        raise FileExistsError(f"{out} exists; an audit is never overwritten, because it may hold judgements")
    inputs = open_study(Path(what[0]) if what else None, sources)
    checked = check_tables(inputs.read(commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
    linked = link(checked, inputs.plan)
    sample = audit_sample(count(linked, inputs.plan).rows, linked, size, seed)
    write_whole(out, audit_csv(sample))
    click.echo(f"{out} written: {len(sample)} changes; write ai or human into the column 'judged'")


def _show_labels(what: tuple[str, ...], unused: dict[str, object]) -> None:
    from counterfault.sources.repository import labels_of

    if not what:
        raise click.UsageError("Missing argument 'REPOSITORY'.")
    if given := [name for name, place in unused.items() if place is not None]:
        raise click.UsageError(f"{given[0]} goes with --audit N; without it, name a git REPOSITORY and COMMITS")
    repository, *commits = what
    for sha, found in labels_of(repository, commits):
        how = ", ".join(filter(None, (found.tool, found.tier, found.mode)))
        click.echo(f"{sha[:12]}  {found.label}" + (f" ({how})" if how else ""))
        for evidence in found.evidence:
            click.echo(f"    {evidence.rule}: {evidence.line}")
        if not found.evidence:
            click.echo("    no rule fits; tables read it as human from the first labelled quarter on")
