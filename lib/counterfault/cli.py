"""The command line: one thin command per verb. Heavy libraries are imported where they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from counterfault.inputs import Inputs

USAGE, REFUSED, NOTEBOOK_FAILED, VERDICT_CHANGED = 2, 3, 4, 5


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
        _stop("stopped", 130)
    except Exception as error:
        _stop_for(error)


def _stop_for(error: Exception) -> NoReturn:
    """Maps the kind of fault to the exit code a scheduler reads."""
    from counterfault.contracts import ContractError
    from counterfault.plan import PlanError
    from counterfault.sources.errors import SourceError

    if isinstance(error, PlanError):
        _stop(str(error), USAGE)
    if isinstance(error, ContractError | SourceError):
        _stop(str(error), REFUSED)
    if isinstance(error, OSError) or type(error) is ValueError:
        _stop(str(error), USAGE)
    raise error


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"counterfault: {message}", err=True)
    sys.exit(code)


def _say(line: str) -> None:
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


def _inputs(plan: Path | None, options: dict[str, str | None]) -> Inputs:
    from counterfault.inputs import open_inputs

    return open_inputs(plan or "", **{name: place or "" for name, place in options.items()})


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="counterfault")
def cli() -> None:
    """Would it have failed anyway?

    Takes deployments and incidents and answers whether AI-assisted changes fail more often than other changes, by how
    much and how sure, or that the data cannot tell. Without PLAN, commands use the bundled demo organisation.

    A URI is a CSV, Parquet or JSON-lines path or glob, or an Ibis address with #table (duckdb://file.db#deployments).

    \b
    Exit codes: 0 done; 2 usage or plan error; 3 data refused; 4 a notebook failed;
    5 done, and the verdict differs from the last published run (only with --alert-on-change).
    """


@cli.command()
@source_options
@click.option("--out", type=click.Path(path_type=Path), help="The run directory. [default: reports/NAME]")
@click.option("--only", default="", help="Only the notebooks whose names begin so, e.g. 30,90.")
@click.option("--jobs", default=0, show_default="one per processor", help="Notebooks at the same time.")
@click.option("--alert-on-change", is_flag=True, help="Exit with 5 when the verdict differs from the last run's.")
def run(
    plan: Path | None, out: Path | None, only: str, jobs: int, alert_on_change: bool, **sources: str | None
) -> None:
    """Run the notebooks on a study and publish its report."""
    inputs = _inputs(plan, sources)
    _say(f"{inputs.plan.title}: reading {', '.join(inputs.shown().values())}")  # before the heavy libraries load

    from counterfault.running.runner import published_call
    from counterfault.running.runner import run as run_suite

    out = out or Path("reports") / _study_name(inputs)
    before = published_call(out)
    result = run_suite(inputs, out, only=tuple(filter(None, only.split(","))), jobs=jobs, say=_say)
    if not result.complete:
        _stop(f"a notebook failed; what finished is kept, and the error is told in {result.page}", NOTEBOOK_FAILED)
    _say("")
    click.echo(str(result.analysis.verdict))
    _print_deviations(result.analysis.verdict)
    click.echo(f"Report: {result.page}")
    if alert_on_change and before is not None and before != result.analysis.verdict.call.code:
        _say(f"the verdict changed: it was {before}, it is {result.analysis.verdict.call.code}")
        sys.exit(VERDICT_CHANGED)


@cli.command()
@source_options
def check(plan: Path | None, **sources: str | None) -> None:
    """Check the tables against the contract and account for every row; write nothing."""
    from datetime import UTC, datetime

    from counterfault.checking import check as check_tables
    from counterfault.figures.wording import plain

    inputs = _inputs(plan, sources)
    checked = check_tables(inputs.read(_commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
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


@cli.command()
@source_options
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results.json here instead.")
def analyse(plan: Path | None, json_file: Path | None, **sources: str | None) -> None:
    """Analyse a study without notebooks: print the verdict, or write results.json."""
    from datetime import UTC, datetime

    from counterfault.analysis import conclude
    from counterfault.checking import check as check_tables
    from counterfault.provenance import provenance
    from counterfault.record import record, to_json, validate
    from counterfault.showing.progress import now_and_then

    inputs = _inputs(plan, sources)
    checked = check_tables(inputs.read(_commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
    _say("estimating, then trying to break the answer")
    analysis = conclude(checked, inputs.plan, plan_path=inputs.plan_path, say=now_and_then(_say))
    if json_file is None:
        _print_analysis(analysis)
        return
    from counterfault.publish.write import write_whole

    plain = record(analysis, provenance(inputs.plan, checked))
    validate(plain)
    write_whole(json_file, to_json(plain))
    click.echo(str(analysis.verdict))
    _print_deviations(analysis.verdict)
    click.echo(f"Results: {json_file}")


def _study_name(inputs: Inputs) -> str:
    """A repository's folder names its study; otherwise the plan does."""
    repo = inputs.sources.repo
    return (Path(repo).resolve().name.removesuffix(".git") or "repository") if repo else inputs.plan_path.stem


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
    _print_deviations(verdict)


def _print_deviations(verdict: Any) -> None:
    from counterfault.figures.wording import plain

    if verdict.deviations:
        click.echo("\nDeviations")
    for sentence in verdict.deviations:
        click.echo(f"  {plain(sentence)}")  # a value of the plan may hold terminal escapes


def _estimate_line(item: Any) -> str:
    if not item.estimable:
        return f"not estimable: {item.caveats[0]}"
    from counterfault.estimate import figures

    low, high, level = item.interval.low, item.interval.high, item.interval.level
    return f"{figures(item.value):>8}  ({level:.0%} {figures(low)} to {figures(high)})"


def _commits_on_stderr() -> Callable[[int, int | None], None]:
    import time

    told = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > 2:
            told = time.monotonic()
            _say(f"  {done:,} of {total:,} commits" if total else f"  {done:,} commits")

    return tell


@cli.command()
@click.option("--world", default="demo", show_default=True, help="Which invented organisation.")
@click.option("--seed", default=20260630, show_default=True, help="Same seed, same organisation.")
@click.option("--size", type=click.IntRange(min=100), help="Deployments. [default: the world's own]")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the tables and the truth go.")
def simulate(world: str, seed: int, size: int | None, out: Path) -> None:
    """Invent an organisation whose truth is known, and write the truth beside its tables."""
    from counterfault.simulate import WORLDS, write
    from counterfault.simulate import simulate as invent

    if world not in WORLDS:
        raise ValueError(f"--world {world}: there is no such world; there are {', '.join(WORLDS)}")
    chosen = WORLDS[world] if size is None else WORLDS[world].of_size(size)
    write(invent(chosen, seed), out)
    click.echo(f"{world} (seed {seed}) written to {out}")


@cli.command()
@click.option("--world", "names", multiple=True, help="Only this world; may be repeated. [default: all of them]")
@click.option("--runs", default=200, show_default=True, type=click.IntRange(min=2), help="Organisations per world.")
@click.option("--seed", default=100_000, show_default=True, type=click.IntRange(min=0), help="Same seed, same bytes.")
@click.option(
    "--jobs",
    default=0,
    show_default="one per processor",
    type=click.IntRange(min=0),
    help="Processes at the same time.",
)
@click.option(
    "--plan", "plan_path", type=click.Path(path_type=Path), help="What they promise. [default: the default plan]"
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where table and page go.")
def validate(names: tuple[str, ...], runs: int, seed: int, jobs: int, plan_path: Path | None, out: Path) -> None:
    """Measure how often the verdict is wrong, in invented organisations whose truth is known."""
    from counterfault.plan import Plan
    from counterfault.publish.validation import write_validation
    from counterfault.simulate import VALIDATION_WORLDS, WORLDS
    from counterfault.validating.summary import summarised, targets
    from counterfault.validating.workers import processors, run_worlds

    if unknown := [name for name in names if name not in WORLDS]:
        raise ValueError(f"--world {unknown[0]}: there is no such world; there are {', '.join(WORLDS)}")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: there is a file of that name; name a folder")
    worlds = [WORLDS[name] for name in dict.fromkeys(names or VALIDATION_WORLDS)]
    promise = Plan() if plan_path is None else Plan.read(plan_path)
    _say(f"{len(worlds)} worlds, {runs:,} organisations each, plan {promise.digest}")
    rows = run_worlds(worlds, runs, seed=seed, plan=promise, jobs=jobs or processors(), say=_say)
    summary = summarised(rows)
    kept = targets(summary, {world.name: world.scale.services for world in worlds})
    write_validation(out, summary, kept, worlds, plan=promise, runs=runs, seed=seed)
    for target in kept:
        sign = "kept  " if target.kept else "MISSED"
        click.echo(
            f"{sign}  {target.world}: {target.promise} {target.found:.1%} (±{target.error:.1%}), wanted {target.wanted}"
        )
    click.echo(f"Page: {out / 'validation.html'}")


@cli.command()
@click.argument("options", nargs=-1)
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks; nothing is registered outside this environment."""
    import os

    from counterfault.places import notebooks_folder

    folder = str(notebooks_folder())
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--notebook-dir", folder, *options])


@cli.group()
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
    click.echo(f"{freeze_path(path)} written: digest {frozen.digest}, frozen {_moment(frozen.when)}; commit it")


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
    made = f"frozen {_moment(frozen.when)} by counterfault {frozen.version}"
    made += f" (freeze number {len(frozen.former) + 1})" if frozen.former else ""
    if found := differences(frozen, promise):
        click.echo(f"{made}; changed since:")
        for difference in found:
            click.echo(f"  {plain(str(difference))}")
        sys.exit(USAGE)
    click.echo(f"{made}; unchanged")


def _moment(when: Any) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


@cli.command(options_metavar="[OPTIONS]")
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
    inputs = _inputs(Path(what[0]) if what else None, sources)
    checked = check_tables(inputs.read(_commits_on_stderr()), inputs.plan, now=datetime.now(UTC))
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


@cli.group("import")
def import_() -> None:
    """Turn an outside source into contract tables."""


@import_.command("git")
@click.argument("repository", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the two tables go.")
def import_git(repository: Path, out: Path) -> None:
    """Changes, AI labels and reverts of a git REPOSITORY as deployments and incidents."""
    from counterfault.sources.repository import import_repository

    located = import_repository(str(repository), out, _commits_on_stderr())
    click.echo(f"{located.deployments}\n{located.incidents}")


if __name__ == "__main__":
    main()
