"""The plan as it stood at one moment, kept beside it, so that a later change can be named key by key.

A freeze is a file among files: whoever can edit the plan can edit its freeze. Committed to a repository that others
keep too, it shows what was promised when.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from counterfault.plan import Plan, PlanError

NEVER_FROZEN = "This plan was never frozen, so nothing shows that it was fixed before the data were seen."
WITHOUT_FILE = "The plan came without its file, so whether it was frozen before the data were seen cannot be told."
NOT_SET = "not set"


class Happened(NamedTuple):
    """Of the rows of one table that an analysis uses, how many had happened by some moment."""

    what: str
    before: int
    used: int


@dataclass(frozen=True)
class Freeze:
    """Every decision of a plan at one moment.

    Attributes
    ----------
    digest : the plan's.
    when : UTC, whole seconds.
    version : of Counterfault, whose defaults filled in what the plan left out.
    decisions : the plan as plain values; where the data are is no decision.
    former : the freezes this one replaced, oldest first, each without a history of its own.
    """

    digest: str
    when: datetime
    version: str
    decisions: Mapping[str, Any]
    former: tuple[Freeze, ...] = field(default=())

    def to_json(self) -> str:
        """The freeze as its file holds it."""
        plain = {**self._plain(), "former": [each._plain() for each in self.former]}
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"

    def _plain(self) -> dict[str, Any]:
        when = self.when.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"digest": self.digest, "frozen": when, "counterfault": self.version, "decisions": self.decisions}


def freeze_path(plan_path: Path) -> Path:
    """Where the freeze of a plan lies: beside it, ``demo.frozen.json`` for ``demo.toml``."""
    return plan_path.with_suffix(".frozen.json")


def read_freeze(plan_path: Path) -> Freeze | None:
    """The freeze of a plan, or None where it never was frozen.

    Raises
    ------
    PlanError : there is a file of that name, and it is no freeze.
    """
    path = freeze_path(plan_path)
    try:
        plain = json.loads(path.read_bytes())
        return _freeze(plain, tuple(_freeze(each) for each in plain["former"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlanError(f"{path}: cannot read the freeze ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PlanError(
            f"{path}: not a freeze as `counterfault plan freeze` writes it; restore it from version control, or move "
            f"it away and freeze the plan again"
        ) from None


def _freeze(plain: Mapping[str, Any], former: tuple[Freeze, ...] = ()) -> Freeze:
    when = datetime.fromisoformat(plain["frozen"])
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    strings = {"digest": plain["digest"], "version": plain["counterfault"]}
    if not all(isinstance(value, str) for value in strings.values()):
        raise TypeError("a digest or a version that is no text")
    return Freeze(**strings, when=when.astimezone(UTC), decisions=dict(plain["decisions"]), former=former)


def freeze(plan: Plan, plan_path: Path, now: datetime, *, again: bool = False) -> Freeze | None:
    """The plan as it is now, to be written to :func:`freeze_path`; None where it equals its freeze.

    Parameters
    ----------
    plan, plan_path : the promise, and the file it was read from.
    now : the moment; a fraction of a second is dropped.
    again : whether a freeze that says something else may be replaced; it stays in the file as history.

    Raises
    ------
    PlanError : there is a freeze that differs from the plan, and ``again`` is not set; or there is a file of that
        name, and it is no freeze.
    """
    earlier = read_freeze(plan_path)
    if earlier is not None and not differences(earlier, plan):
        return None
    if earlier is not None and not again:
        raise PlanError(
            f"{plan_path}: frozen on {_day(earlier.when)} and changed since, which `counterfault plan check` tells key "
            f"by key; change it back, or freeze it anew with --again, which keeps the earlier freeze in the file"
        )
    history = (*earlier.former, _without_history(earlier)) if earlier is not None else ()
    when = now.astimezone(UTC).replace(microsecond=0)
    return Freeze(plan.digest, when, version("counterfault"), decisions_of(plan), history)


def _without_history(frozen: Freeze) -> Freeze:
    return Freeze(frozen.digest, frozen.when, frozen.version, frozen.decisions)


def decisions_of(plan: Plan) -> dict[str, Any]:
    """Everything a plan decides, defaults too, as JSON holds it; where the data are is left out."""
    # What the digest leaves out is no difference either: a freeze from before that section existed still holds.
    decided: dict[str, Any] = plan.model_dump(mode="json", exclude=plan.undecided)
    return decided


# --- differences -----------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """A decision that was frozen as one value and is another, both as the plan's file would show them."""

    key: str
    frozen: str
    present: str

    def __str__(self) -> str:
        return f"{self.key}: {self.frozen} → {self.present}"


def differences(frozen: Freeze, plan: Plan) -> tuple[Difference, ...]:
    """Every decision that is not as it was frozen, in the order of the plan; keys that went come last."""
    then, now = dict(_leaves(frozen.decisions)), dict(_leaves(decisions_of(plan)))
    found = tuple(
        Difference(_dotted(key), _shown(then.get(key)), _shown(now.get(key)))
        for key in dict.fromkeys((*now, *then))
        if then.get(key) != now.get(key)
    )
    if not found and frozen.digest != plan.digest:
        return (Difference("digest", frozen.digest, plan.digest),)  # its file was edited
    return found


def _leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path → value; a key that is not set is as good as one that is not there, so that a later version may add it."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, (*at, str(key)))
    elif value is not None:
        yield at, value


def _dotted(key: tuple[str, ...]) -> str:
    """The key as TOML writes it: a user's column may hold spaces or dots."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else _shown(part) for part in key)


def _shown(value: Any) -> str:
    return NOT_SET if value is None else json.dumps(value, ensure_ascii=False)


# --- deviations ------------------------------------------------------------------------------------------------------


def deviations(
    plan: Plan, plan_path: Path | None, happened: Callable[[datetime], Sequence[Happened]]
) -> tuple[str, ...]:
    """What keeps an analysis from being one that was promised beforehand, as sentences; empty where nothing does.

    Parameters
    ----------
    plan, plan_path : the promise an analysis followed, and the file it was read from; None where there was none.
    happened : a moment → how many of the rows the analysis uses are older; asked only where there is a freeze.

    Raises
    ------
    PlanError : the freeze cannot be read.
    """
    if plan_path is None:
        return (WITHOUT_FILE,)
    frozen = read_freeze(plan_path)
    if frozen is None:
        return (NEVER_FROZEN,)
    return (*_changed(frozen, plan), *_seen(frozen, happened(frozen.when)), *_refrozen(frozen))


def _changed(frozen: Freeze, plan: Plan) -> Iterator[str]:
    for key, then, now in differences(frozen, plan):
        yield f"{key} was {then} in the plan frozen on {_day(frozen.when)}; this analysis followed {now}."


def _seen(frozen: Freeze, happened: Sequence[Happened]) -> Iterator[str]:
    """Data older than the promise may have shaped it, whether or not anyone looked."""
    told = [_part(*each) for each in happened if each.before]
    if told:
        yield (
            f"The plan was frozen on {_day(frozen.when)}, when {' and '.join(told)} it uses had already happened; "
            f"nothing shows that they were not looked at first."
        )


def _part(what: str, before: int, used: int) -> str:
    noun = what.removesuffix("s") if used == 1 else what
    if before < used:
        return f"{before:,} of the {used:,} {noun}"
    return f"the one {noun}" if used == 1 else f"all {used:,} {noun}"


def _refrozen(frozen: Freeze) -> Iterator[str]:
    if frozen.former:
        moments = [f"{each.when:%Y-%m-%d %H:%M} UTC" for each in (*frozen.former, frozen)]
        times = "twice" if len(moments) == 2 else f"{len(moments)} times"
        yield (
            f"The plan was frozen {times}: {', '.join(moments[:-1])} and {moments[-1]}. This analysis is held against "
            f"the last; what changed between them is in the file of the freeze."
        )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
