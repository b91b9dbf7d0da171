"""Two records of runs side by side: what changed, part by part, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from counterfault.estimate import Estimate
from counterfault.figures.wording import clip
from counterfault.publish.comparing.changes import Change, when
from counterfault.publish.comparing.data import DataChanges, data_changes
from counterfault.publish.comparing.estimates import EstimateChange, estimate_changes
from counterfault.publish.comparing.primary import FROM_ANOTHER_INTERVAL, Exchange, exchange
from counterfault.publish.comparing.programs import CodeChanges, code_changes
from counterfault.publish.comparing.promise import PlanChanges, plan_changes
from counterfault.publish.comparing.reading import require_comparable
from counterfault.publish.comparing.verdicts import (
    CheckChange,
    check_changes,
    failed_gates,
    verdict_changes,
)
from counterfault.publish.record import Record, primary_of, writable

TOLD = ("study", "title", "began", "status", "call", "words", "grade", "sentence")
Manifests = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Told:
    """What one run says of itself.

    Attributes
    ----------
    study : as the manifest names it; empty in older ones.
    title : of the plan.
    began : when the run began, as its manifest has it; empty where that is not known.
    status : ``complete``, ``partial``, or empty.
    call, words, grade, sentence : its verdict.
    primary : the estimate the verdict read; None where the run got no further.
    worth_acting_on : the line it was read against.
    silenced : the gates that failed, id → sentence.
    """

    study: str
    title: str
    began: str
    status: str
    call: str
    words: str
    grade: str
    sentence: str
    primary: Estimate | None
    worth_acting_on: float | None
    silenced: Mapping[str, str]

    @property
    def name(self) -> str:
        """What a reader calls the study."""
        return self.title or self.study

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        named = {key: getattr(self, key) for key in TOLD}
        return {**named, "failed_gates": list(self.silenced)}


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs.

    Attributes
    ----------
    before, after : what either run says of itself.
    data, plan, code : what the runs were made from.
    estimates : every estimate of either run, those that moved most first.
    checks : the checks that changed, gates first.
    verdict : call, grade and deviations, where they differ.
    exchange : which half of the primary interval moved the call; None where the records cannot tell.
    warnings : what to know before reading on, as sentences.
    """

    before: Told
    after: Told
    data: DataChanges
    plan: PlanChanges
    code: CodeChanges
    estimates: tuple[EstimateChange, ...]
    checks: tuple[CheckChange, ...]
    verdict: tuple[Change, ...]
    exchange: Exchange | None
    warnings: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The news in five words."""
        if self.before.call != self.after.call:
            return "The call changed"
        return "The call stays, results differ" if self.results_changed else "No result changed"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What happened and why, as far as the records show it."""
        from counterfault.publish.comparing.reasons import reasons

        return reasons(self)

    @property
    def primary(self) -> EstimateChange | None:
        """The estimate the verdict reads."""
        return next((change for change in self.estimates if change.id == "primary"), None)

    @property
    def results_changed(self) -> bool:
        """Whether any number, check or word of the results is another one."""
        moved = any(change.kind != "same" or change.described for change in self.estimates)
        return moved or bool(self.checks or self.verdict)

    def to_json(self) -> str:
        """The comparison as text: same records, same bytes."""
        plain = {
            "before": self.before.plain(),
            "after": self.after.plain(),
            "warnings": list(self.warnings),
            "sentences": list(self.sentences),
            "data": self.data.plain(),
            "plan": self.plan.plain(),
            "code": self.code.plain(),
            "estimates": [change.plain() for change in self.estimates],
            "checks": [change.plain() for change in self.checks],
            "verdict": [change.plain() for change in self.verdict],
            "primary_interval": self.exchange.plain() if self.exchange else None,
        }
        return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _repr_html_(self) -> str:
        told = "".join(f"<li>{escape(each)}</li>" for each in (*self.warnings, *self.sentences))
        return f"<ul>{told}</ul>"


def compare(before: Record, after: Record, *, manifests: Manifests | None = None) -> Comparison:
    """What changed from one run to another, and why, as far as their records show it.

    Parameters
    ----------
    before, after : ``results.json`` of each, as mappings.
    manifests : ``manifest.json`` of each, where there are any: when the runs began, and whether they finished.

    Raises
    ------
    ValueError : a record is of a shape or a version that cannot be compared.
    """
    for record, name in ((before, "the earlier record"), (after, "the later record")):
        require_comparable(record, name)
    before, after = writable(before), writable(after)
    manifests = manifests or ({}, {})
    told = _told(before, manifests[0]), _told(after, manifests[1])
    plan, estimates = plan_changes(before, after), estimate_changes(before, after)
    return Comparison(
        before=told[0],
        after=told[1],
        data=data_changes(before, after),
        plan=plan,
        code=code_changes(before, after, manifests),
        estimates=estimates,
        checks=check_changes(before, after),
        verdict=verdict_changes(before, after),
        exchange=_exchange(*told) if _one_measure(estimates) else None,
        warnings=_warnings(*told, plan),
    )


def _told(record: Record, manifest: Mapping[str, Any]) -> Told:
    verdict, plan = record["verdict"], record["plan"]
    line = plan.get("worth_acting_on")
    return Told(
        study=str(manifest.get("study") or ""),
        title=str(plan.get("title") or ""),
        began=str(manifest.get("began") or ""),
        status=str(manifest.get("status") or ""),
        call=verdict["call"],
        words=str(verdict.get("words") or verdict["call"].replace("_", " ")),
        grade=str(verdict.get("grade") or ""),
        sentence=str(verdict.get("sentence") or ""),
        primary=primary_of(record),
        worth_acting_on=float(line) if isinstance(line, int | float) and line > 1 else None,
        silenced=failed_gates(record),
    )


def _one_measure(estimates: Sequence[EstimateChange]) -> bool:
    """Whether the primary estimate is a number of the same thing in both runs."""
    return not any(change.id == "primary" and change.described for change in estimates)


def _exchange(before: Told, after: Told) -> Exchange | None:
    """Only where both calls were read off the primary interval, against one line."""
    read_elsewhere = FROM_ANOTHER_INTERVAL in (before.call, after.call)
    if before.primary is None or after.primary is None or before.silenced or after.silenced or read_elsewhere:
        return None
    if before.worth_acting_on is None or before.worth_acting_on != after.worth_acting_on:
        return None
    return exchange(before.primary, after.primary, before.worth_acting_on)


def _warnings(before: Told, after: Told, plan: PlanChanges) -> tuple[str, ...]:
    found = [
        f"The {when} run is partial: a notebook failed, so it was not published; its numbers are compared all the same."
        for when, told in (("earlier", before), ("later", after))
        if told.status == "partial"
    ]
    # An older manifest names no study; then the titles of the plans stand for it.
    names = (before.study, after.study) if before.study and after.study else (before.title, after.title)
    if names[0] != names[1]:
        found.append(
            f"These may be two studies: the earlier run is of “{clip(names[0])}”, the later of “{clip(names[1])}”."
        )
    began = when(before.began), when(after.began)
    if began[0] and began[1] and began[0] > began[1]:
        found.append("The first run began after the second: read backwards, or give them the other way round.")
    if plan.at_odds:
        found.append(
            "Both records name one plan digest and hold different decisions, so one of them was changed by hand or "
            "written by another version."
        )
    return tuple(found)
