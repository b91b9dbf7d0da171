"""The record of an analysis: plain values in the shape of ``results.json``, checked against the shipped schema."""

from __future__ import annotations

import json
from importlib import resources
from math import isfinite
from typing import TYPE_CHECKING, Any

from counterfault.checks.check import Check
from counterfault.estimate import Estimate
from counterfault.estimating import notebook_of
from counterfault.estimating.multiplicity import APART, among_others
from counterfault.plan import Plan
from counterfault.verdict import Attributable, Verdict

if TYPE_CHECKING:
    from counterfault.analysis import Analysis

SCHEMA_VERSION = 1
SCHEMA_FILE = "results.schema.json"


def record(analysis: Analysis, provenance: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything a reader, a dashboard or a later run needs of an analysis.

    Parameters
    ----------
    analysis : what `analyse` returned.
    provenance : where code and inputs came from; a run fills it in.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": plan_record(analysis.plan),
        "data": data_record(analysis),
        "estimates": _estimate_records(analysis),
        "checks": [check_record(check) for check in analysis.checks],
        "verdict": verdict_record(analysis.verdict, analysis.plan),
        "provenance": provenance or {},
    }


def plan_record(plan: Plan) -> dict[str, Any]:
    """What was promised, as far as a reader needs it beside the answer; the digest stands for the rest."""
    return {
        "title": plan.title,
        "question": plan.question,
        "digest": plan.digest,
        "level": plan.decision.level,
        "worth_acting_on": plan.decision.worth_acting_on,
        "outcome": plan.outcome.model_dump(mode="json"),
        "strata": list(plan.design.strata),
        "confounders": list(plan.design.confounders),
        "mediators": list(plan.design.mediators),
        "primary": plan.design.primary,
        "period": plan.period.model_dump(mode="json"),
        "disclosure": plan.disclosure.model_dump(mode="json"),
    }


def data_record(analysis: Analysis) -> dict[str, Any]:
    """From rows read to rows used, the links of every rule, and what these tables cannot show."""
    counted, linked = analysis.counted, analysis.linked
    used = {"deployments": int(counted.cells.frame["n"].sum()), "incidents": linked.incidents}
    return {
        "tables": {
            account.table: {
                "source": account.source,
                "read": account.read,
                "accepted": account.accepted,
                "quarantined": account.quarantined,
                "used": used.get(account.table, account.accepted - account.left_out),
                "sha256": account.digest,
            }
            for account in analysis.checked.accounts
        },
        "labels": _labels(counted.population),
        "population": counted.population.to_dict("records"),
        "links": [
            {
                "rule": row["rule"],
                "links": int(row["links"]),
                "incidents_linked": int(row["incidents"]),
                "deployments_linked": int(row["deployments"]),
                "expected_by_chance": _number(row["expected_by_chance"]),
            }
            for row in linked.by_rule.to_dict("records")
        ],
        "window": {
            "start": linked.start.isoformat(),
            "end": linked.end.isoformat(),
            "follow_up_hours": analysis.plan.outcome.follow_up,
        },
        "not_assessed": [{"analysis": what, "reason": why} for what, why in counted.not_assessed],
        "notes": list(analysis.checked.notes),
    }


def _labels(population: Any) -> dict[str, int]:
    return {name: int(population[name].sum()) for name in ("ai", "human", "unknown")}


def _estimate_records(analysis: Analysis) -> list[dict[str, Any]]:
    """Every estimate, with what its p-value is worth beside the others; those of checks stand in no family."""
    families = among_others(analysis.estimates, analysis.plan)
    found = []
    for item in analysis.all_estimates():
        family, p_adjusted = families.get(item.id, APART) if item.id in analysis.estimates else APART
        found.append({**estimate_record(item), "family": family, "p_adjusted": _number(p_adjusted)})
    return found


def estimate_record(item: Estimate) -> dict[str, Any]:
    """One estimate in plain values; an unbounded limit and a missing value are null, as JSON knows no infinity."""
    return {
        "id": item.id,
        "label": item.label,
        "notebook": notebook_of(item.id),
        "design": item.design,
        "outcome": item.outcome,
        "estimand": item.estimand.label,
        "adjustment": list(item.adjustment),
        "value": _number(item.value),
        "low": _number(item.interval.low),
        "high": _number(item.interval.high),
        "level": item.interval.level,
        "p_value": _number(item.p_value),
        "n": item.support.get("n"),
        "events": item.support.get("events"),
        "method": item.method,
        "caveats": list(item.caveats),
    }


def check_record(check: Check) -> dict[str, Any]:
    """One check in plain values."""
    row = check.row()
    return {**row, "value": _number(check.value)}


def verdict_record(verdict: Verdict, plan: Plan) -> dict[str, Any]:
    """The answer and what belongs beside it."""
    return {
        "question": plan.question,
        "call": verdict.call.code,
        "words": verdict.call.words,
        "grade": verdict.grade,
        "sentence": verdict.sentence,
        "attributable_incidents": _attributable(verdict.attributable_incidents),
        "minimum_detectable_effect": _number(verdict.minimum_detectable_effect),
        "excluded": verdict.excluded,
        "needed": verdict.needed,
        "deviations": list(verdict.deviations),
    }


def _attributable(found: Attributable | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {"value": _number(found.value), "low": _number(found.low), "high": _number(found.high)}


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def to_json(plain: dict[str, Any]) -> str:
    """The record as text: same record, same bytes.

    Raises
    ------
    ValueError : a number is not finite; JSON has no word for it, and readers differ in what they make of one.
    """
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    """numpy's scalars, which JSON does not know."""
    return value.item()


def schema() -> dict[str, Any]:
    """The JSON schema that ``results.json`` keeps."""
    text = resources.files("counterfault").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    shipped: dict[str, Any] = json.loads(text)
    return shipped


def validate(plain: dict[str, Any]) -> None:
    """Raises ``jsonschema.ValidationError`` where a record departs from the schema."""
    import jsonschema

    jsonschema.validate(plain, schema())
