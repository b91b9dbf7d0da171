"""What was found in a repository, as the tables of the contract."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from counterfault.labels import Label, Ruleset, with_brought
from counterfault.sources.git_areas import Extent, services
from counterfault.sources.git_failures import Judgement
from counterfault.sources.git_log import EARLIEST, Commit, History
from counterfault.sources.git_notes import Notes
from counterfault.sources.git_sizes import Sizes

DAY = 86_400
HOUR = 3_600
_LATEST = 253_402_300_799  # the last second of the year 9999, beyond which no engine has a time

Quarter = tuple[int, int]


@dataclass(frozen=True)
class Findings:
    """All that is known about a repository, before it becomes tables.

    Attributes
    ----------
    chosen : shas of the changes the tables are about, oldest first; the rest of ``history`` explains them.
    judged : what each change undoes, for those that undo something.
    """

    history: History
    rules: Ruleset
    notes: Notes
    sizes: Sizes
    chosen: Sequence[str]
    judged: Mapping[str, Judgement]
    salt: str

    def change(self, sha: str) -> Commit:
        return self.history.commits[sha]

    def extent(self, sha: str) -> Extent:
        return self.sizes.by_change[sha]

    @cached_property
    def labels(self) -> dict[str, Label]:
        """The label of every change of the history, with what the commits it merged say."""
        return {
            sha: with_brought(
                self.change(sha).label,
                (self.history.commits[one].label for one in self.history.brought.get(sha, ())),
            )
            for sha in self.history.changes
        }

    @cached_property
    def services(self) -> dict[str, str]:
        names = services([self.extent(sha).area for sha in self.chosen])
        return dict(zip(self.chosen, names, strict=True))

    @cached_property
    def first_labelled(self) -> Quarter | None:
        """The first calendar quarter (UTC) with a strong label; None where the history has none.

        Before it, nobody labelled, and silence says nothing: those changes are unknown, not human. A label from a time
        when its tool did not exist has a wrong clock, and does not open the period.
        """
        quarters = [
            quarter_of(self.change(sha).committed)
            for sha in self.history.changes
            if self.labels[sha].is_strong and self._could_be_of_its_time(sha)
        ]
        return min(quarters, default=None)

    def _could_be_of_its_time(self, sha: str) -> bool:
        moment = self.change(sha).committed
        if not EARLIEST <= moment <= _LATEST:
            return False
        day = datetime.fromtimestamp(moment, UTC).date()
        rules = [self.rules[evidence.rule.removeprefix("merged:")] for evidence in self.labels[sha].evidence]
        return any(
            rule.authorship and rule.tier != "heuristic" and (rule.first_seen is None or rule.first_seen <= day)
            for rule in rules
        )

    def assistance(self, sha: str) -> str:
        """ai or human where something says so; else human from the first labelled quarter on, and unknown before."""
        label = self.labels[sha].label
        moment = self.change(sha).committed
        if label != "unknown":
            return label
        if self.first_labelled is None or not EARLIEST <= moment <= _LATEST:
            return "unknown"
        return "human" if quarter_of(moment) >= self.first_labelled else "unknown"

    def author(self, sha: str) -> str:
        """E-mail of who wrote a change: of a merge, whoever wrote most of the commits it brought.

        Who pressed the button is one of a few maintainers; tenure and clusters are about the writer.
        """
        writers = Counter(commit.author for commit in self.history.branch_commits(sha))
        return max(sorted(writers), key=writers.__getitem__) if writers else self.change(sha).author

    def is_bot(self, sha: str) -> bool:
        branch = self.history.branch_commits(sha)
        return all(commit.is_bot for commit in branch) if branch else self.change(sha).is_bot

    def tenure_days(self, sha: str) -> float:
        """Days since the author's first commit anywhere in the history; NaN where a clock was wrong."""
        first = self.history.first_seen.get(self.author(sha))
        moment = self.change(sha).committed
        return float("nan") if first is None or moment < EARLIEST else max(0.0, (moment - first) / DAY)

    def ai_share(self, sha: str) -> float | None:
        """The share of the added lines that a note attests to AI; the rest may still be AI's, unattested."""
        note = self.notes.get(sha)
        attests = note is not None and bool(note.ai_lines or note.human_lines)
        return note.ai_share(self.extent(sha).added) if note is not None and attests else None


def deployments_table(findings: Findings) -> pd.DataFrame:
    """One row per change; the columns are explained at :class:`counterfault.sources.git.GitImport`."""
    rows = pd.DataFrame([_change_row(findings, sha) for sha in findings.chosen])
    times = _times([findings.change(sha).committed for sha in findings.chosen])
    rows.insert(1, "deployed_at", times)
    # A message is written before its commit is deployed; a note may come later, and git does not say when.
    in_message = rows.pop("_in_message")
    rows["label_recorded_at"] = rows["deployed_at"].where(in_message)
    types = {"ai_share": "float64", "lines_added": "Int64", "lines_deleted": "Int64", "ai_reviewed": "boolean"}
    texts = dict.fromkeys(("ai_tool", "label_tier", "author", "change_type", "ai_mode"), "str")
    return rows.astype(types | texts)


def _change_row(findings: Findings, sha: str) -> dict[str, Any]:
    commit, extent, label = findings.change(sha), findings.extent(sha), findings.labels[sha]
    judgement = findings.judged.get(sha)
    kind = judgement.kind if judgement else None
    return {
        "deployment_id": sha,
        "service": findings.services[sha],
        "assistance": findings.assistance(sha),
        "ai_share": findings.ai_share(sha),
        "ai_tool": label.tool,
        "label_tier": label.tier,
        "_in_message": label.label == "ai"
        and any(not evidence.rule.endswith("git-ai.note") for evidence in label.evidence),
        "author": pseudonym(findings.salt, findings.author(sha)),
        "author_tenure_days": findings.tenure_days(sha),
        "lines_added": extent.added,
        "lines_deleted": extent.deleted,
        "files_changed": extent.files,
        "ai_reviewed": True if label.ai_reviewed else None,
        "touches_tests": extent.touches_tests,
        "is_rollback": kind == "revert",
        "is_hotfix": commit.claims.is_hotfix,
        "change_type": commit.claims.change_type,
        "ai_mode": label.mode,
        "is_bot": findings.is_bot(sha),
        "is_merge": commit.is_merge,
        "is_revert": kind in ("revert", "reapply"),
        "is_reapply": kind == "reapply",
    }


def incidents_table(findings: Findings) -> pd.DataFrame:
    """One row per revert that is a failure, and per hot-fix that is no revert."""
    rows = [row for sha in findings.chosen if (row := _incident_row(findings, sha)) is not None]
    table = pd.DataFrame(rows, columns=[*_INCIDENT_TYPES])
    table.insert(1, "started_at", _times([findings.change(sha).committed for sha in table["mitigated_by"]]))
    return table.astype(_INCIDENT_TYPES).sort_values("started_at", kind="stable", ignore_index=True)


_INCIDENT_TYPES: dict[str, Any] = {
    "incident_id": "str",
    "service": "str",
    "cause": "str",
    "caused_by": "str",
    "kind": "str",
    "evidence": "str",
    "resolution": "str",
    "mitigated_by": "str",
    "lag_hours": "float64",
}


def _incident_row(findings: Findings, sha: str) -> dict[str, Any] | None:
    judgement = findings.judged.get(sha)
    if judgement is not None:
        return _revert_row(findings, sha, judgement) if judgement.is_failure else None
    if not findings.change(sha).claims.is_hotfix:
        return None
    # What a hot-fix repairs need not have been a change; people who know can say so in a table of their own.
    return {
        "incident_id": f"hotfix-{sha}",
        "service": findings.services[sha],
        "cause": "unknown",
        "kind": "hotfix",
        "mitigated_by": sha,
    }


def _revert_row(findings: Findings, sha: str, judgement: Judgement) -> dict[str, Any]:
    first = judgement.undone[0] if judgement.undone else None
    lag = findings.change(sha).committed - findings.change(first).committed if first else None
    return {
        "incident_id": f"revert-{sha}",
        "service": findings.services.get(first or sha, findings.services[sha]),
        "cause": "change",
        "caused_by": ";".join(judgement.undone) or None,
        "kind": "revert",
        "evidence": judgement.evidence,
        "resolution": judgement.resolution,
        "mitigated_by": sha,
        "lag_hours": None if lag is None else lag / HOUR,
    }


def pseudonym(salt: str, email: str) -> str | None:
    """Twelve hexadecimal digits that stand for an e-mail address under a salt, or None for no address."""
    return hmac.new(salt.encode(), email.lower().encode(), "sha256").hexdigest()[:12] if email else None


def quarter_of(moment: int) -> Quarter:
    """Calendar quarter (UTC) of a time in seconds since 1970."""
    day = datetime.fromtimestamp(min(max(moment, 0), _LATEST), UTC)
    return day.year, (day.month + 2) // 3


def _times(moments: Sequence[int]) -> pd.DatetimeIndex:
    """Seconds since 1970 as times in UTC, to the microsecond; what no calendar has is missing."""
    seconds = np.array([moment if moment <= _LATEST else np.iinfo("int64").min for moment in moments], dtype="int64")
    return pd.DatetimeIndex(seconds.view("datetime64[s]").astype("datetime64[us]")).tz_localize("UTC")
