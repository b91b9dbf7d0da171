"""Commands that read a study: run it, check its tables, analyse it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from counterfault.cli.common import (
    NOTEBOOK_FAILED,
    VERDICT_CHANGED,
    commits_on_stderr,
    open_study,
    print_deviations,
    say,
    source_options,
    stop,
)

if TYPE_CHECKING:
    from counterfault.plan import Plan


@click.command()
@source_options
@click.option("--out", type=click.Path(path_type=Path), help="The run directory. [default: reports/NAME]")
@click.option("--only", default="", help="Only the notebooks whose names begin so, e.g. 30,90.")
@click.option("--jobs", default=0, show_default="one per processor", help="Notebooks at the same time.")
@click.option(
    "--notebooks", "own", type=click.Path(path_type=Path), metavar="DIR", help="Run the notebooks in DIR beside ours."
)
@click.option("--pdf", is_flag=True, help="Print the report to index.pdf too (needs Chromium).")
@click.option("--alert-on-change", is_flag=True, help="Exit with 5 when the verdict differs from the last run's.")
def run(
    plan: Path | None,
    out: Path | None,
    only: str,
    jobs: int,
    own: Path | None,
    pdf: bool,
    alert_on_change: bool,
    **sources: str | None,
) -> None:
    """Run the notebooks on a study and write its report."""
    inputs = open_study(plan, sources)
    say(f"{inputs.plan.title}: reading {', '.join(inputs.shown().values())}")  # before the heavy libraries load

    from counterfault.running.runner import run as run_suite
    from counterfault.running.writing import NotebookDisagreesError, published_call, study_name

    out = out or Path("reports") / study_name(inputs)
    before = published_call(out)
    chosen = tuple(filter(None, only.split(",")))
    try:
        result = run_suite(inputs, out, only=chosen, own=own, jobs=jobs, pdf=pdf, say=say)
    except NotebookDisagreesError as error:
        stop(str(error), NOTEBOOK_FAILED)
    if not result.complete:
        stop(f"a notebook failed; what finished is kept, and the error is told in {result.page}", NOTEBOOK_FAILED)
    say("")
    click.echo(str(result.analysis.verdict))
    print_deviations(result.analysis.verdict)
    click.echo(f"Report: {result.page}")
    if alert_on_change and before is not None and before != result.analysis.verdict.call.code:
        say(f"the verdict changed: it was {before}, it is {result.analysis.verdict.call.code}")
        sys.exit(VERDICT_CHANGED)


@click.command()
@source_options
def check(plan: Path | None, **sources: str | None) -> None:
    """Check the tables against the contract and account for every row; write nothing."""
    from datetime import UTC, datetime

    from counterfault.checking import check as check_tables
    from counterfault.figures.wording import plain

    inputs = open_study(plan, sources)
    checked = check_tables(inputs.read(commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
    for account in checked.accounts:
        click.echo(str(account))
    if len(checked.quarantine):
        click.echo("\nquarantined, by rule:")
        for (table, rule), rows in checked.quarantine.groupby(["table", "rule"]):
            first = rows.iloc[0]
            example = plain(f"{first['key'] or first['line']}: {first['value']}")  # data may hold terminal escapes
            click.echo(f"  {table}: {rule}: {len(rows)} (e.g. {example})")
    for note in checked.notes:
        click.echo(note)


@click.command()
@source_options
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results.json here instead.")
@click.option(
    "--with",
    "choices",
    multiple=True,
    metavar="KEY=VALUE",
    help="Look at another choice of the plan, e.g. outcome.window_hours=24; may be repeated.",
)
def analyse(plan: Path | None, json_file: Path | None, choices: tuple[str, ...], **sources: str | None) -> None:
    """Analyse a study without notebooks: print the verdict, or write results.json."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from counterfault.analysis import conclude
    from counterfault.checking import check as check_tables
    from counterfault.provenance import provenance
    from counterfault.record import record, to_json, validate
    from counterfault.showing.progress import now_and_then

    inputs = open_study(plan, sources)
    if json_file is not None and json_file.is_dir():
        raise IsADirectoryError(f"{json_file} is a directory, so no file of that name can be written")
    if choices:
        inputs = replace(inputs, plan=_otherwise(inputs.plan, choices))
    checked = check_tables(inputs.read(commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
    say("estimating, then trying to break the answer")
    analysis = conclude(checked, inputs.plan, plan_path=inputs.plan_path, say=now_and_then(say))
    if choices:
        departs = (*analysis.verdict.deviations, _told_as_exploratory(choices))
        analysis = replace(analysis, verdict=replace(analysis.verdict, deviations=departs))
    if json_file is None:
        _print_analysis(analysis)
        return
    from counterfault.publish.write import write_whole

    plain = record(analysis, provenance(inputs.plan, checked))
    validate(plain)
    write_whole(json_file, to_json(plain))
    click.echo(str(analysis.verdict))
    print_deviations(analysis.verdict)
    click.echo(f"Results: {json_file}")


def _otherwise(plan: Plan, choices: tuple[str, ...]) -> Plan:
    """The plan with the choices of a command line, read and refused as the plan's own file is."""
    from counterfault.exploring.choices import changed

    return changed(plan, {key: value for choice in choices for key, value in _choice(choice).items()})


def _choice(text: str) -> dict[str, Any]:
    """A choice as a plan writes it; a word may go without its quotes, which a shell would take away."""
    from counterfault.exploring.choices import from_text

    key, _, value = text.partition("=")
    bare = re.fullmatch(r"\s*[A-Za-z_][\w.-]*\s*", value) and value.strip() not in ("true", "false", "inf", "nan")
    return from_text(f'{key}="{value.strip()}"' if bare else text)


def _told_as_exploratory(choices: tuple[str, ...]) -> str:
    return f"Exploratory: {', '.join(choices)} was chosen on the command line, in place of what the plan says."


def _print_analysis(analysis: Any) -> None:
    for account in analysis.checked.accounts:
        click.echo(str(account))
    click.echo("")
    for item in analysis.all_estimates():
        click.echo(f"{item.id:32} {_estimate_line(item)}")
    click.echo("")
    for item in analysis.checks:
        click.echo(f"{item.status.value:12} {item.sentence.removeprefix('not assessed: ')}")
    verdict = analysis.verdict
    click.echo(f"\n{verdict}\n{verdict.excluded}" + (f"\n{verdict.needed}" if verdict.needed else ""))
    print_deviations(verdict)


def _estimate_line(item: Any) -> str:
    if not item.estimable:
        return f"not estimable: {item.caveats[0]}"
    from counterfault.estimate import figures

    low, high, level = item.interval.low, item.interval.high, item.interval.level
    return f"{figures(item.value):>8}  ({level:.0%} {figures(low)} to {figures(high)})"
