"""Choices made while looking: a plan with some keys changed and the view narrowed, refused in the plan's own words."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.contracts import DEPLOYMENTS, Kind, nearest
from counterfault.counting.covariates import MISSING
from counterfault.freezing import Difference, Freeze, decisions_of, differences
from counterfault.plan import GROUPS, Plan, PlanError

Scope = tuple[str, str] | None  # a group column and its one value; everything where None

EVERYTHING = "everything"
# Not offered to be held fixed: what the label itself decides, and repairs, which leave the contrast anyway.
OUT_OF_PLACE = ("validated", "is_rollback", "is_hotfix")


def changed(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """The plan with some keys otherwise, as valid as any plan read from a file.

    Parameters
    ----------
    plan : what was chosen to begin with.
    changes : dotted key → value.

    Raises
    ------
    PlanError : a value or a combination that the plan refuses, in its words.
    """
    plain = plan.model_dump(exclude_unset=True)
    for key, value in changes.items():
        *sections, name = key.split(".")
        inner = plain
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return Plan.checked(plain, name="this choice")


def narrowed(plan: Plan, scope: Scope) -> Plan:
    """The plan with its deployments filtered to a scope, so that a run on it looks at what was looked at.

    Raises
    ------
    PlanError : the plan makes the column itself, so that no filter of the source's values can say it.
    """
    if scope is None:
        return plan
    column, value = scope
    mapping = plan.mapping.deployments
    if column in {*mapping.fill, *mapping.values, *mapping.join}:
        raise PlanError(
            f"scope {column}={value}: the plan makes {column} from other values, and its filters read those of the "
            f"source; look at everything, write that, and add the filter under [mapping.deployments] by hand"
        )
    source = next((old for old, new in mapping.rename.items() if new == column), column)
    return changed(plan, {"mapping.deployments.keep": {**mapping.keep, source: (value,)}})


def from_text(text: str) -> dict[str, Any]:
    """Changes written as a plan writes them, one a line: ``outcome.window_hours = 24``.

    Raises
    ------
    PlanError : the text is no TOML.
    """
    try:
        return dict(_leaves(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise PlanError(
            f"{text!r} is not how a plan writes a change ({error}); e.g. outcome.window_hours = 24"
        ) from None


def _leaves(plain: Mapping[str, Any], at: str = "") -> Any:
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


def scope_of(text: str, checked: Checked) -> Scope:
    """A scope written as ``service=checkout``; everything where the text is empty.

    Raises
    ------
    PlanError : another column than a group these tables have, or a value it does not hold.
    """
    if not text.strip() or text.strip() == EVERYTHING:
        return None
    column, _, value = (part.strip() for part in text.partition("="))
    known = scopes(checked)
    if column not in known:
        raise PlanError(f"scope {text!r}: name {' or '.join(known)}, then = and its value, e.g. service=checkout")
    if value not in known[column]:
        guess = nearest(value, known[column])
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise PlanError(f"scope {text!r}: no deployment of these tables has the {column} {value!r}{hint}")
    return column, value


def scopes(checked: Checked) -> dict[str, tuple[str, ...]]:
    """Group column → the values one may look at alone. A missing value is nothing a plan could keep."""
    table = checked.tables["deployments"]
    table = table.filter(table[LEFT_OUT].isnull())
    there = [name for name in GROUPS if name in table.columns]
    return {
        name: tuple(sorted(set(table.select(name).distinct().execute()[name].dropna()) - {MISSING})) for name in there
    }


def may_be_held_fixed(checked: Checked, plan: Plan) -> tuple[str, ...]:
    """Columns a form may offer as confounders: those of the plan, and all with few levels that these tables have."""
    has = checked.tables["deployments"].columns
    few = [
        column.name
        for column in DEPLOYMENTS.columns
        if column.kind is Kind.YES_NO and column.name in has and column.name not in OUT_OF_PLACE
    ]
    named = (*plan.design.confounders, *plan.design.mediators, *few)
    return tuple(dict.fromkeys(named))


def departures(plan: Plan, explored: Plan) -> tuple[Difference, ...]:
    """Key by key, what the explored plan decides otherwise."""
    return differences(Freeze(plan.digest, datetime.fromtimestamp(0, UTC), "", decisions_of(plan)), explored)
