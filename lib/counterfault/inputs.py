"""What a study reads: the plan, and where its tables are, from a command line, a parameters cell or the plan itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from counterfault.display import card
from counterfault.places import default_plan, demo_plan, from_here, repository_plan
from counterfault.plan import Plan, Sources
from counterfault.sources.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfault.sources import RawTables

TABLE_NAMES = ("deployments", "incidents", "dependencies", "load")


@dataclass(frozen=True)
class Inputs:
    """A plan and the sources it will be run on.

    Attributes
    ----------
    plan : the promise.
    plan_path : the file it was read from; the demo organisation's where none was named.
    sources : what was named explicitly, else what the plan names.
    """

    plan: Plan
    plan_path: Path
    sources: Sources

    def __repr__(self) -> str:
        return f"<Inputs: plan {from_here(str(self.plan_path))} ({self.plan.digest}), {', '.join(self.shown())}>"

    def _repr_html_(self) -> str:
        return card(
            "Inputs",
            "A plan and the tables it will be read against; nothing has been read yet.",
            facts={
                "plan": str(self.plan),
                "from": from_here(str(self.plan_path)),
                **self.shown(),
            },
            then=("checked = cf.check(inputs.read(), inputs.plan)",),
        )

    def read(self, progress: Callable[[int, int | None], None] | None = None) -> RawTables:
        """The raw tables; a git repository is imported first."""
        from counterfault.sources import read

        if self.sources.repo is not None:
            from counterfault.sources.repository import read_repository

            return read_repository(self.sources.repo, self.plan, progress)
        return read(
            self.sources.deployments,
            self.sources.incidents,
            dependencies=self.sources.dependencies,
            load=self.sources.load,
            plan=self.plan,
        )

    def shown(self) -> dict[str, str]:
        """Every source without its secrets, for reports and logs."""
        return {name: from_here(redact(place)) for name, place in self.sources.model_dump(exclude_none=True).items()}

    def addresses(self) -> tuple[str, ...]:
        """Every source with its secrets, for scrubbing and for child processes; never to be written."""
        return tuple(self.sources.model_dump(exclude_none=True).values())


def open_inputs(
    plan: str | Path = "",
    *,
    deployments: str = "",
    incidents: str = "",
    dependencies: str = "",
    load: str = "",
    repo: str = "",
) -> Inputs:
    """The plan and sources a notebook or a command was given; empty means "as the plan says".

    Parameters
    ----------
    plan : a TOML file; where empty, the default plan for tables, the one for git histories with ``repo``, and the
        bundled demo organisation's where nothing is named.
    deployments, incidents, dependencies, load : paths or addresses that replace the plan's.
    repo : a git repository to read changes and reverts from, instead of tables.

    Raises
    ------
    PlanError : the plan cannot be read or followed.

    Examples
    --------
    >>> inputs = cf.open_inputs()  # the bundled demo organisation
    >>> checked = cf.check(inputs.read(), inputs.plan)
    """
    named = {"deployments": deployments, "incidents": incidents, "dependencies": dependencies, "load": load}
    given = {name: place for name, place in named.items() if place}
    path = Path(plan) if str(plan) else _plan_for(tables=bool(given), repo=bool(repo))
    promise = Plan.read(path)
    if repo:
        return Inputs(promise, path, Sources(repo=repo))
    if {"deployments", "incidents"} <= set(given) or (given and not str(plan)):
        # Tables named one by one belong together; those of a plan are another organisation's.
        return Inputs(promise, path, Sources(**given))
    return Inputs(promise, path, promise.sources.model_copy(update=given))


def _plan_for(*, tables: bool, repo: bool) -> Path:
    """The plan where none is named: whoever brings tables gets the default one, never the demo organisation's."""
    if repo:
        return repository_plan()
    return default_plan() if tables else demo_plan()
