"""What a table must be before anyone counts it: the four tables of the contract, declared once.

The README's data dictionary, the checks of every row and the error messages are all made from this
declaration, so they cannot disagree. Applying it to a table is :mod:`counterfault.checking`'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum


class Kind(Enum):
    """What the values of a column are."""

    TEXT = "text"
    TIME = "time with a zone"
    NUMBER = "number"
    WHOLE = "whole number"
    YES_NO = "yes or no"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, kind, meaning : as they appear in the data dictionary.
    required : the table is refused without it, and a row without a value is quarantined.
    allowed : the only values of a text column, where there is such a list.
    low, high : inclusive limits of a number.
    switches_on : what the column makes possible, for "not assessed: no column …".
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    switches_on: str = ""


@dataclass(frozen=True)
class Table:
    """One table of the contract: what a row is, what identifies it, which columns it may have."""

    name: str
    row_is: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    optional: bool = False

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)


ASSISTANCE = ("ai", "human", "unknown")

DEPLOYMENTS = Table(
    name="deployments",
    row_is="one change reaching production",
    key=("deployment_id",),
    columns=(
        Column("deployment_id", Kind.TEXT, "identifies the deployment", required=True),
        Column("deployed_at", Kind.TIME, "when it reached production", required=True),
        Column("service", Kind.TEXT, "what was deployed", required=True),
        Column(
            "assistance",
            Kind.TEXT,
            "whether AI helped to write the change; booleans are accepted, an empty value is unknown",
            required=True,
            allowed=ASSISTANCE,
        ),
        Column(
            "ai_share",
            Kind.NUMBER,
            "share of the changed lines written by AI",
            low=0,
            high=1,
            switches_on="dose",
        ),
        Column("ai_tool", Kind.TEXT, "which assistant", switches_on="effect by tool"),
        Column(
            "label_tier",
            Kind.TEXT,
            "how the assistance label was obtained",
            allowed=("exact", "declared", "heuristic"),
            switches_on="effect by label tier",
        ),
        Column(
            "label_recorded_at",
            Kind.TIME,
            "when the label was written",
            switches_on="labels written after incidents",
        ),
        Column("team", Kind.TEXT, "who owns the service", switches_on="clusters by team"),
        Column("layer", Kind.TEXT, "e.g. application or platform", switches_on="effect by layer"),
        Column(
            "author",
            Kind.TEXT,
            "pseudonym (hash) of the author; never printed",
            switches_on="author clusters",
        ),
        Column(
            "author_tenure_days",
            Kind.NUMBER,
            "days since the author's first change",
            low=0,
            switches_on="adjustment for tenure",
        ),
        Column("lines_added", Kind.WHOLE, "lines added", low=0, switches_on="change size"),
        Column("lines_deleted", Kind.WHOLE, "lines deleted", low=0, switches_on="change size"),
        Column("files_changed", Kind.WHOLE, "files changed", low=0, switches_on="change size"),
        Column("reviewers", Kind.WHOLE, "human reviewers", low=0, switches_on="review depth"),
        Column("review_hours", Kind.NUMBER, "hours from request to approval", low=0, switches_on="review depth"),
        Column("approved_by_human", Kind.YES_NO, "a person approved the change", switches_on="effect by approval"),
        Column("ai_reviewed", Kind.YES_NO, "an AI reviewed the change (not authorship)", switches_on="AI review"),
        Column(
            "validated",
            Kind.YES_NO,
            "passed an automated gate for AI code",
            switches_on="effect by validation",
        ),
        Column("touches_tests", Kind.YES_NO, "the change edits tests", switches_on="tests as a mediator"),
        Column(
            "is_rollback",
            Kind.YES_NO,
            "restores an earlier version",
            switches_on="roll-backs leave the contrast",
        ),
        Column("is_hotfix", Kind.YES_NO, "repairs a running incident", switches_on="hot-fixes leave the contrast"),
        Column("at_peak", Kind.YES_NO, "deployed at peak load", switches_on="adjustment for load"),
        Column("change_type", Kind.TEXT, "e.g. feature, fix, docs", switches_on="negative-control exposures"),
    ),
)

INCIDENTS = Table(
    name="incidents",
    row_is="one incident",
    key=("incident_id",),
    columns=(
        Column("incident_id", Kind.TEXT, "identifies the incident", required=True),
        Column("started_at", Kind.TIME, "when it began", required=True),
        Column("service", Kind.TEXT, "where it showed; may be empty where caused_by is recorded", required=True),
        Column("detected_at", Kind.TIME, "when it was noticed", switches_on="time to detect"),
        Column("resolved_at", Kind.TIME, "when it ended", switches_on="time to restore"),
        Column("severity", Kind.WHOLE, "1 worst to 5", low=1, high=5, switches_on="severity"),
        Column("services_affected", Kind.WHOLE, "services hit", low=0, switches_on="blast radius"),
        Column("users_affected", Kind.WHOLE, "users hit", low=0, switches_on="blast radius"),
        Column(
            "cause",
            Kind.TEXT,
            "what people found: a change, something else, not known",
            allowed=("change", "other", "unknown"),
            switches_on="negative-control outcomes",
        ),
        Column(
            "failure_mode",
            Kind.TEXT,
            "how it failed",
            allowed=("cascade", "latency", "race", "silent", "capacity", "data", "other"),
            switches_on="failure modes",
        ),
        Column("surfaced_at_peak", Kind.YES_NO, "showed at peak load", switches_on="surfacing at peak"),
        Column(
            "caused_by",
            Kind.TEXT,
            "deployment_id that people recorded as the cause; several are separated by ';'",
            switches_on="links by record",
        ),
        Column("layer", Kind.TEXT, "e.g. application or platform", switches_on="effect by layer"),
        Column("narrative", Kind.TEXT, "what happened, in words", switches_on="reading along"),
    ),
)

DEPENDENCIES = Table(
    name="dependencies",
    row_is="one service that needs another",
    key=("service", "depends_on"),
    optional=True,
    columns=(
        Column("service", Kind.TEXT, "the service that needs", required=True),
        Column("depends_on", Kind.TEXT, "the service it needs", required=True),
    ),
)

LOAD = Table(
    name="load",
    row_is="one service in one hour",
    key=("service", "hour"),
    optional=True,
    columns=(
        Column("service", Kind.TEXT, "which service", required=True),
        Column("hour", Kind.TIME, "the hour's beginning", required=True),
        Column("requests", Kind.NUMBER, "requests served in it", required=True, low=0),
    ),
)

TABLES: Mapping[str, Table] = {table.name: table for table in (DEPLOYMENTS, INCIDENTS, DEPENDENCIES, LOAD)}


class ContractError(ValueError):
    """A table that cannot be used at all; the message names the table, the fault and the way out."""


def nearest(word: str, known: tuple[str, ...] | list[str]) -> str | None:
    """The known word a misspelt one most probably meant, or None."""
    lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def dictionary_markdown(table: Table) -> str:
    """The data dictionary of one table, as a Markdown table (bold: required)."""
    lines = ["| column | kind | meaning |", "|---|---|---|"]
    lines += [f"| {_bold(column)} | {_kind_text(column)} | {column.meaning} |" for column in table.columns]
    return "\n".join(lines)


def _bold(column: Column) -> str:
    return f"**{column.name}**" if column.required else column.name


def _kind_text(column: Column) -> str:
    if column.allowed:
        return " · ".join(f"`{value}`" for value in column.allowed)
    if column.low is not None and column.high is not None:
        return f"{column.kind.value}, {column.low:g} to {column.high:g}"
    if column.low is not None:
        return f"{column.kind.value}, at least {column.low:g}"
    return column.kind.value
