"""A choice written down as a plan, with what makes it exploratory said in its first lines."""

from __future__ import annotations

import os
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfault.exploring.choices import narrowed
from counterfault.exploring.seen import Seen
from counterfault.exploring.toml_text import toml_text
from counterfault.figures.wording import plain
from counterfault.places import from_here
from counterfault.plan import Plan, PlanError
from counterfault.publish.write import write_whole
from counterfault.sources.secrets import redact

WIDTH = 120


@dataclass(frozen=True)
class WrittenPlan:
    """A plan file that was written, and what to know of it.

    Attributes
    ----------
    path : the file.
    plan : what reading it gives.
    told : why it is exploratory, and what would make it a promise.
    """

    path: Path
    plan: Plan
    told: str

    def __str__(self) -> str:
        return f"{from_here(str(self.path))} written: digest {self.plan.digest}. {self.told}"

    def _repr_markdown_(self) -> str:
        return str(self)


def write_plan(seen: Seen, path: Path | str, *, plan_path: Path, others: int, seen_until: datetime) -> WrittenPlan:
    """Writes a choice as a plan that reads back as exactly this choice.

    Parameters
    ----------
    seen : the choice.
    path : where to; never a file that exists.
    plan_path : the plan chosen to begin with.
    others : how many other choices this session has looked at.
    seen_until : the last moment of the data.

    Raises
    ------
    PlanError : the file exists or is no TOML file, or the choice cannot be said in one.
    """
    path = Path(path).expanduser()
    _require_free(path)
    plan = narrowed(seen.plan, seen.scope)
    _require_audit_stays(plan, path, plan_path)
    told = _told(others, seen_until)
    text = f"{_head(seen, plan_path, told, path)}\n{toml_text(_values(plan, path))}"
    if Plan.checked(tomllib.loads(text), name=str(path)).digest != plan.digest:
        raise PlanError(f"{path}: not written; a plan file cannot say that a key is unset where its default is not")
    write_whole(path, text)
    return WrittenPlan(path, Plan.read(path), told)


def _require_free(path: Path) -> None:
    if path.suffix != ".toml":
        raise PlanError(f"{path}: name a file that ends in .toml")
    if path.exists():
        raise PlanError(f"{path} exists; a plan is never overwritten, so name another file")
    if not path.parent.is_dir():
        raise PlanError(f"{path}: there is no folder {path.parent}")


def _require_audit_stays(plan: Plan, path: Path, plan_path: Path) -> None:
    """An audit is named from the plan's folder; a plan in another folder would look for it in vain."""
    audit = plan.challenges.label_error.audit
    if audit and not Path(audit).is_absolute() and path.parent.resolve() != plan_path.parent.resolve():
        raise PlanError(
            f"{path}: the plan names its audit {audit!r} as seen from {plan_path.parent}; save the new plan there too"
        )


def _told(others: int, seen_until: datetime) -> str:
    looked = "No other choice was" if others == 0 else f"{others:,} other choice{'s were' if others > 1 else ' was'}"
    return (
        f"Exploratory: it was chosen after its data were seen. {looked} looked at in this session; earlier sessions "
        f"are not counted. What these data say under it is no test of it. To make it a promise, freeze it "
        f"(counterfault plan freeze) and try it on data from after {seen_until:%Y-%m-%d}."
    )


def _head(seen: Seen, plan_path: Path, told: str, path: Path) -> str:
    differs = [plain(str(each)) for each in seen.departures]
    if seen.scope is not None:
        differs.append(f"only deployments whose {seen.scope[0]} is {plain(seen.scope[1])}")
    origin = f"{plain(plan_path.name)}, digest {seen.promised.digest}"
    lines = [*textwrap.wrap(told, WIDTH - 2), f"It differs from the plan it was explored from ({origin}) in:"]
    lines += [f"  {each}" for each in differs] or ["  nothing"]
    hidden = [name for name, place in _places(seen.plan) if redact(place) != place]
    lines += [f"The address of {name} holds a password and is left out: name it when you run this." for name in hidden]
    return "".join(f"# {line}\n" for line in lines)


def _values(plan: Plan, path: Path) -> dict[str, Any]:
    """Every decision, defaults too: a later version with other defaults must not change what was explored."""
    values = plan.model_dump(exclude_none=True)
    values["sources"] = {
        name: _seen_from(path.parent, place) for name, place in _places(plan) if redact(place) == place
    }
    # A mapping maps nothing where it is empty: two dozen empty tables would bury the decisions.
    values["mapping"] = {
        table: {name: value for name, value in mapping.items() if value != {}}
        for table, mapping in values["mapping"].items()
    }
    return {key: value for key, value in values.items() if value != {}}


def _places(plan: Plan) -> Iterator[tuple[str, str]]:
    yield from plan.sources.model_dump(exclude_none=True).items()


def _seen_from(folder: Path, place: str) -> str:
    """A path as the plan's folder sees it where it is near, and in full where it is not."""
    if "://" in place:
        return place
    near = os.path.relpath(Path(place).resolve(), folder.resolve())
    return near if Path(near).parts[:2] != (os.pardir, os.pardir) else str(Path(place).resolve())
