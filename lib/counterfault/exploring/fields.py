"""What a form may offer, read off the plan's own model: its kinds of value, their limits, their names, their meaning.

The model that refuses a plan file is the one the form is made from, so that form, file and refusal cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from counterfault.places import default_plan
from counterfault.plan import Plan, PlanError

OFFERED = (
    "outcome.link",
    "outcome.window_hours",
    "design.primary",
    "design.strata",
    "design.confounders",
    "decision.level",
    "decision.worth_acting_on",
)


class Kind(Enum):
    """How a value is chosen."""

    ONE_OF = "one of several"
    SOME_OF = "some of several"
    NUMBER = "a number"
    WHOLE = "a whole number"
    YES_NO = "yes or no"
    DAY = "a day"
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """One key of a plan, as a form offers it.

    Attributes
    ----------
    key : as a plan names it, e.g. ``"outcome.window_hours"``.
    kind : how its value is chosen.
    label : its name in words.
    help : what it means, as the explained default plan says it.
    choices : the values to choose from, for the kinds that have any.
    low, high : the model's limits, None where it has none.
    optional : whether it may be left unset.
    """

    key: str
    kind: Kind
    label: str
    help: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False

    def of(self, plan: Plan) -> Any:
        """The value a plan has here."""
        value: Any = plan
        for part in self.key.split("."):
            value = getattr(value, part)
        return value


def fields_of(
    model: type[BaseModel] = Plan,
    keys: tuple[str, ...] = OFFERED,
    names: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Field, ...]:
    """The fields a form offers, in order.

    Parameters
    ----------
    model : the plan, or any model of sections.
    keys : dotted names of its fields.
    names : key → the names that a list of names may hold; such a list cannot be offered without them.

    Raises
    ------
    PlanError : a key the model does not have, or one whose values no form can offer.
    """
    meanings = explained()
    return tuple(_field(model, key, (names or {}).get(key, ()), meanings.get(key, "")) for key in keys)


def _field(model: type[BaseModel], key: str, names: tuple[str, ...], meaning: str) -> Field:
    info = _info(model, key)
    annotation, optional = _without_none(info.annotation)
    kind, choices = _kind(annotation, names)
    if kind is None:
        raise PlanError(f"{key}: a form cannot offer values of this kind; change it in the plan file")
    limits = {name: value for name in ("low", "high") if (value := _limit(info, name)) is not None}
    label = key.rpartition(".")[2].replace("_", " ")
    return Field(key, kind, label, meaning, choices, optional=optional, **limits)


def _info(model: type[BaseModel], key: str) -> FieldInfo:
    *sections, name = key.split(".")
    for section in sections:
        found = model.model_fields.get(section)
        inner = found.annotation if found else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise PlanError(f"{key}: the plan has no section {section!r}")
        model = inner
    if name not in model.model_fields:
        raise PlanError(f"{key}: the plan has no such key; this section has {', '.join(model.model_fields)}")
    return model.model_fields[name]


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        rest = [each for each in get_args(annotation) if each is not NoneType]
        return (rest[0] if len(rest) == 1 else annotation), NoneType in get_args(annotation)
    return annotation, False


def _kind(annotation: Any, names: tuple[str, ...]) -> tuple[Kind | None, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return Kind.ONE_OF, get_args(annotation)
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        known = get_args(inner) if get_origin(inner) is Literal else names
        return (Kind.SOME_OF if known else None), known
    plain = {float: Kind.NUMBER, int: Kind.WHOLE, bool: Kind.YES_NO, date: Kind.DAY, str: Kind.TEXT}
    return plain.get(annotation), ()


def _limit(info: FieldInfo, side: str) -> float | None:
    """The model's lower or upper limit, itself allowed or not: the plan says so where it is not."""
    for name in ("ge", "gt") if side == "low" else ("le", "lt"):
        for rule in info.metadata:
            if (value := getattr(rule, name, None)) is not None:
                return float(value)
    return None


# --- meanings --------------------------------------------------------------------------------------------------------

_SECTION = re.compile(r"^(?:# )?\[([\w.]+)\]")
_KEY = re.compile(r"^(?:# )?(\w+) = .*?(?:\s+# (.*))?$")


@lru_cache
def explained() -> Mapping[str, str]:
    """Key → its meaning, from the default plan, which explains itself line by line.

    A comment behind a key is its meaning; where there is none, the comment lines above it are.
    """
    return dict(_explained(default_plan().read_text(encoding="utf-8").splitlines()))


def _explained(lines: list[str]) -> Iterator[tuple[str, str]]:
    section, above = "", list[str]()
    for line in lines:
        if found := _SECTION.match(line):
            section, above = f"{found[1]}.", []
        elif found := _KEY.match(line):
            yield f"{section}{found[1]}", found[2] or _joined(above)
            above = []
        elif line.startswith("#"):
            above.append(line.removeprefix("#"))
        else:
            above = []


def _joined(lines: list[str]) -> str:
    """Indented lines are a list of choices and stay lines of their own."""
    return "\n".join(line.rstrip() if line.startswith("   ") else line.strip() for line in lines)
