"""Commands on invented organisations: make one, and measure verdicts on many."""

from __future__ import annotations

from pathlib import Path

import click

from counterfault.cli.common import say


@click.command()
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


@click.command()
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
    say(f"{len(worlds)} worlds, {runs:,} organisations each, plan {promise.digest}")
    rows = run_worlds(worlds, runs, seed=seed, plan=promise, jobs=jobs or processors(), say=say)
    summary = summarised(rows)
    kept = targets(summary, {world.name: world.scale.services for world in worlds})
    write_validation(out, summary, kept, worlds, plan=promise, runs=runs, seed=seed)
    for target in kept:
        sign = "kept  " if target.kept else "MISSED"
        click.echo(
            f"{sign}  {target.world}: {target.promise} {target.found:.1%} (±{target.error:.1%}), wanted {target.wanted}"
        )
    click.echo(f"Page: {out / 'validation.html'}")
