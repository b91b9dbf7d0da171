"""A git repository as the tables of a study: merged changes, and the reverts that say which of them failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from counterfault.labels import Ruleset, shipped_ruleset
from counterfault.sources.errors import SourceError
from counterfault.sources.git_commands import open_repository
from counterfault.sources.git_failures import judge_history
from counterfault.sources.git_log import Commit, read_history
from counterfault.sources.git_notes import read_notes
from counterfault.sources.git_remarks import remarks
from counterfault.sources.git_sizes import read_sizes
from counterfault.sources.git_tables import Findings, deployments_table, incidents_table


@dataclass(frozen=True)
class GitSource:
    """The changes of a branch and what became of them, from git alone.

    Attributes
    ----------
    path : a work tree or any folder in it, its ``.git``, or a bare repository. It is only read.
    salt : keys the pseudonyms of authors, see :func:`counterfault.sources.salt.installation_salt`.
    since : changes before this time (with a zone) stay out of the tables. Labels, reverts and tenure are still
        worked out from the whole history.
    service_depth : how many folders make a service.
    revision : whose first-parent line is read; what is checked out by default.
    rules : the AI signals; the shipped ruleset by default.

    Notes
    -----
    A change is a commit of the first-parent line, deployed when it was committed there (the merge, where a branch is
    merged): git knows no later moment. What counts as a failure is a revert, which misses repairs by a further fix.
    """

    path: Path
    salt: str = field(repr=False)
    since: datetime | None = None
    service_depth: int = 2
    revision: str = "HEAD"
    rules: Ruleset | None = field(default=None, repr=False)

    def read(self, progress: Callable[[int, int | None], None] | None = None) -> GitImport:
        """Read the repository.

        Parameters
        ----------
        progress : told, after every thousand changes or so, how many are done and how many there are.

        Returns
        -------
        GitImport : the tables, and sentences the report repeats.

        Raises
        ------
        SourceError : the repository cannot be read, or not as a whole; the message says what to do.
        """
        self._refuse_bad_settings()
        rules = self.rules or shipped_ruleset()
        repository = open_repository(self.path, self.revision)
        notes = read_notes(repository)
        history = read_history(repository, notes, rules)
        chosen = [sha for sha in history.changes if self._is_chosen(history.commits[sha])]
        if not chosen:
            raise SourceError(f"{self.path}: no commit since {self.since:%Y-%m-%d}; choose an earlier day")
        pairs = [(sha, next(iter(history.commits[sha].parents), None)) for sha in chosen]
        sizes = read_sizes(repository, pairs, self.service_depth, progress)
        findings = Findings(history, rules, notes, sizes, tuple(chosen), judge_history(history), self.salt)
        return GitImport(deployments_table(findings), incidents_table(findings), remarks(findings))

    def _is_chosen(self, commit: Commit) -> bool:
        return self.since is None or commit.committed >= self.since.timestamp()

    def _refuse_bad_settings(self) -> None:
        if self.since is not None and self.since.tzinfo is None:
            raise SourceError(f"since is {self.since.isoformat()}, a time without a zone; add one, such as +00:00")
        if self.service_depth < 1:
            raise SourceError(f"service_depth is {self.service_depth}; a service needs at least one folder")
        if not self.salt:
            raise SourceError("the salt is empty, and pseudonyms without one can be undone; give installation_salt()")


@dataclass(frozen=True)
class GitImport:
    """What a repository gave.

    Attributes
    ----------
    deployments : one row per change, oldest first. Of the contract's columns: deployment_id (the sha),
        deployed_at, service, assistance, ai_share, ai_tool, label_tier, label_recorded_at, author,
        author_tenure_days, lines_added, lines_deleted, files_changed, ai_reviewed (true or not known: an
        accepted suggestion shows, a review without one does not), touches_tests, is_rollback, is_hotfix,
        change_type. Besides: ai_mode (agent-authored or assisted: two exposures under one tool's name), is_bot
        (dependency and release bots, no AI), is_merge, is_revert, is_reapply, for a plan to drop.
    incidents : one row per revert that is a failure, and per hot-fix. started_at is the time of the revert or
        hot-fix, when the trouble was ended, later than it began. caused_by holds the undone changes, joined by
        ';', and is empty where none was found. Besides the contract: kind (revert or hotfix), evidence and
        resolution (how sure, see :mod:`git_claims` and :mod:`git_failures`), mitigated_by (the change that ended it).
    notes : what the reader of a report must know about all this.
    """

    deployments: pd.DataFrame
    incidents: pd.DataFrame
    notes: tuple[str, ...]
