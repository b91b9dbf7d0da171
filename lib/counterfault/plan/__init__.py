"""The promise: everything decided before the incidents are looked at, as a TOML file with a digest.

The digest covers every decision and none of the data locations, so that a weekly run on new data keeps
the plan it promised, and a changed threshold does not.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from counterfault.contracts import TABLES, nearest
from counterfault.display import card
from counterfault.plan import secondary
from counterfault.plan.challenges import Challenges
from counterfault.plan.disclosure import Disclosure
from counterfault.plan.section import PlanError, Section

__all__ = [
    "CALENDAR",
    "GROUPS",
    "LINK_RULES",
    "PRIMARY",
    "Challenges",
    "Disclosure",
    "Plan",
    "PlanError",
    "Section",
]

CALENDAR = ("year", "quarter", "month", "week")
GROUPS = ("service", "team", "layer")
LINK_RULES = ("recorded_then_window", "recorded", "window", "dependency", "last")
PRIMARY = ("stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio")
DERIVED = ("size",)  # covariates made from contract columns: size = lines added + lines deleted


class Sources(Section):
    """Where the tables are, seen from the plan's folder; the command line may say otherwise."""

    deployments: str | None = None
    incidents: str | None = None
    dependencies: str | None = None
    load: str | None = None
    repo: str | None = None


class Mapping(Section):
    """How one source's columns and values become those of the contract."""

    rename: dict[str, str] = Field(default_factory=dict)
    join: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    fill: dict[str, str | int | float | bool] = Field(default_factory=dict)
    keep: dict[str, tuple[str | int | bool, ...]] = Field(default_factory=dict)
    drop: dict[str, tuple[str | int | bool, ...]] = Field(default_factory=dict)
    timezone: str | None = None
    encoding: str = "utf-8"
    duplicates: Literal["refuse", "earliest"] = "refuse"

    @model_validator(mode="after")
    def _keeps_what_it_does_not_drop(self) -> Self:
        for column in self.keep.keys() & self.drop.keys():
            dropped = {str(value).lower() for value in self.drop[column]}
            if both := [value for value in self.keep[column] if str(value).lower() in dropped]:
                raise ValueError(f"{column} {both[0]!r} is both kept and dropped; take it out of keep or out of drop")
        return self


class Mappings(Section):
    """One :class:`Mapping` for each table of the contract."""

    deployments: Mapping = Mapping()
    incidents: Mapping = Mapping()
    dependencies: Mapping = Mapping()
    load: Mapping = Mapping()

    @model_validator(mode="after")
    def _targets_are_contract_columns(self) -> Self:
        for table in TABLES.values():
            mapping: Mapping = getattr(self, table.name)
            wanted = (*mapping.rename.values(), *mapping.join, *mapping.values, *mapping.fill)
            for column in wanted:
                if column not in table.names:
                    guess = nearest(column, table.names)
                    hint = f"; did you mean {guess!r}?" if guess else f"; it has {', '.join(table.names)}"
                    raise ValueError(f"mapping.{table.name}: {table.name} has no column {column!r}{hint}")
        return self


class Period(Section):
    """Which deployments are studied: from `start` to before `end`, and since when incidents are written down (UTC)."""

    start: date | None = None
    end: date | None = None
    incidents_from: date | None = None

    @model_validator(mode="after")
    def _start_precedes_end(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"period: start {self.start} must come before end {self.end}")
        if self.incidents_from and self.end and self.incidents_from >= self.end:
            raise ValueError(
                f"period: incidents_from {self.incidents_from} must come before end {self.end}; a deployment from "
                f"before incidents were written down cannot count as safe, so none would be left"
            )
        return self


class Outcome(Section):
    """When a deployment counts as failed."""

    link: Literal["recorded_then_window", "recorded", "window", "dependency", "last"] = "recorded_then_window"
    window_hours: float = Field(default=24.0, gt=0, le=24 * 365)
    hops: int = Field(default=1, ge=0, le=5)
    follow_up_hours: float | None = Field(default=None, gt=0)
    incident_open_hours: float = Field(default=24.0, gt=0)
    severity_at_most: int | None = Field(default=None, ge=1, le=5)

    @property
    def follow_up(self) -> float:
        """Hours a deployment must have been observed before it may count as safe."""
        return self.window_hours if self.follow_up_hours is None else self.follow_up_hours

    @model_validator(mode="after")
    def _followed_for_the_whole_window(self) -> Self:
        if self.link != "recorded" and self.follow_up < self.window_hours:
            raise ValueError(
                f"outcome: follow_up_hours {self.follow_up:g} is shorter than window_hours "
                f"{self.window_hours:g}, so late deployments would count as safe before their window ends; "
                f"make follow_up_hours at least {self.window_hours:g} or leave it out"
            )
        return self


def _strata(value: tuple[str, ...]) -> tuple[str, ...]:
    known = GROUPS + CALENDAR
    for name in value:
        if name not in known:
            guess = nearest(name, known)
            raise ValueError(
                f"no stratum {name!r}; " + (f"did you mean {guess!r}?" if guess else f"use {', '.join(known)}")
            )
    if len(set(value)) < len(value):
        raise ValueError(f"each stratum is named once; given: {', '.join(value)}")
    if len(calendar := [name for name in value if name in CALENDAR]) > 1:
        raise ValueError(f"name one calendar unit, not {len(calendar)} ({', '.join(calendar)})")
    return value


def _covariates(value: tuple[str, ...]) -> tuple[str, ...]:
    known = TABLES["deployments"].names + DERIVED
    for name in value:
        # Its levels would be people, and the checks print levels.
        if name == "author":
            raise ValueError(f"{name!r} cannot be held fixed, because its levels are people; use 'author_tenure_days'")
        if name not in known:
            guess = nearest(name, known)
            raise ValueError(f"no column {name!r}" + (f"; did you mean {guess!r}?" if guess else ""))
    return value


Covariates = Annotated[tuple[str, ...], AfterValidator(_covariates)]


class Design(Section):
    """Who is compared with whom, and what is held fixed."""

    primary: Literal["stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio"] = "corrected.risk_ratio"
    strata: Annotated[tuple[str, ...], AfterValidator(_strata)] = ("service", "quarter")
    cluster: Literal["service", "team"] = "service"
    confounders: Covariates = ("author_tenure_days", "at_peak")
    mediators: Covariates = ("size", "reviewers", "touches_tests")
    bins: dict[str, tuple[float, ...]] = Field(
        default_factory=lambda: {
            "author_tenure_days": (90.0, 365.0),
            "size": (20.0, 100.0, 500.0),
            "reviewers": (1.0, 2.0),
        }
    )

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> Self:
        if both := sorted(set(self.confounders) & set(self.mediators)):
            raise ValueError(
                f"design: {', '.join(both)} cannot be confounder and mediator at once; a mediator is what AI "
                f"changes on the way (size, review), a confounder is there before"
            )
        for column, edges in self.bins.items():
            if list(edges) != sorted(set(edges)):
                raise ValueError(f"design.bins.{column}: {list(edges)} must rise without repeats")
            if column not in TABLES["deployments"].names + DERIVED:
                guess = nearest(column, TABLES["deployments"].names + DERIVED)
                raise ValueError(f"design.bins: no column {column!r}" + (f"; did you mean {guess!r}?" if guess else ""))
        return self


class Amplifies(Section):
    """What a column must be for its deployments to count as those where AI may do more."""

    at_least: float | None = None
    below: float | None = None
    equals: str | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of at_least, below, equals")
        return self

    def __str__(self) -> str:
        if self.equals is not None:
            return self.equals
        return f"at least {self.at_least:g}" if self.at_least is not None else f"below {self.below:g}"


AMPLIFIER_COLUMNS = ("dependants",)  # made from the dependencies: services that need this one


def _default_amplifiers() -> dict[str, Amplifies]:
    return {
        "size": Amplifies(at_least=100.0),
        "reviewers": Amplifies(below=1.0),
        "approved_by_human": Amplifies(equals="no"),
        "validated": Amplifies(equals="no"),
        "at_peak": Amplifies(equals="yes"),
        "dependants": Amplifies(at_least=3.0),
        "layer": Amplifies(equals="platform"),
        "author_tenure_days": Amplifies(below=90.0),
    }


class Designs(Section):
    """What the further designs look at, beside the primary comparison."""

    risk_hours: tuple[float, ...] = ()
    before_hours: float | None = Field(default=None, gt=0)
    horizon_hours: float | None = Field(default=None, gt=0)
    severe_at_most: int = Field(default=2, ge=1, le=4)
    spill_over_hops: int = Field(default=2, ge=1, le=5)
    adopter: Literal["service", "team"] = "service"
    adopted_share: float = Field(default=0.3, gt=0, lt=1)
    calendar: Literal["week", "month", "quarter"] = "month"
    amplifiers: dict[str, Amplifies] = Field(default_factory=_default_amplifiers)

    @model_validator(mode="after")
    def _hours_rise(self) -> Self:
        if list(self.risk_hours) != sorted({hours for hours in self.risk_hours if hours > 0}):
            raise ValueError(f"designs.risk_hours: {list(self.risk_hours)} must be above 0 and rise without repeats")
        return self

    @model_validator(mode="after")
    def _amplifiers_are_columns(self) -> Self:
        known = (*TABLES["deployments"].names, *DERIVED, *AMPLIFIER_COLUMNS)
        if "author" in self.amplifiers:
            raise ValueError("designs.amplifiers: 'author' would single people out; use 'author_tenure_days'")
        for name in self.amplifiers:
            if name not in known:
                guess = nearest(name, known)
                raise ValueError(
                    f"designs.amplifiers: no column {name!r}" + (f"; did you mean {guess!r}?" if guess else "")
                )
        return self


class Decision(Section):
    """How the primary interval is read."""

    level: float = Field(default=0.95, gt=0.5, lt=1)
    equivalence_level: float = Field(default=0.90, ge=0.8, lt=1)
    worth_acting_on: float = 1.25
    secondary: tuple[str, ...] = ("severity.severe.risk_ratio", "timing.hazard_ratio")

    @model_validator(mode="after")
    def _margin_is_above_one(self) -> Self:
        if self.worth_acting_on <= 1:
            raise ValueError(
                f"decision.worth_acting_on: {self.worth_acting_on:g} must be above 1; it is the "
                f"smallest ratio worth acting on, and its mirror image 1/{self.worth_acting_on:g} is used for benefits"
            )
        return self


class Gates(Section):
    """What must hold before an estimate may speak."""

    min_events: int = Field(default=20, ge=0)
    min_informative_strata: int = Field(default=10, ge=0)
    min_clusters_per_arm: int = Field(default=4, ge=2)
    min_label_coverage: float = Field(default=0.8, ge=0, le=1)
    min_overlap: float = Field(default=0.5, ge=0, le=1)
    max_imbalance: float = Field(default=0.25, gt=0)


class Data(Section):
    """What is asked of the tables."""

    max_quarantined: float = Field(default=0.1, ge=0, le=1)


class Plan(Section):
    """Everything decided before the data are read. `Plan()` is the default plan.

    Examples
    --------
    >>> plan = cf.Plan.read(path)  # `counterfault plan new` writes one with every key explained
    >>> checked = cf.check(cf.read("deployments.parquet", "incidents.csv", plan=plan), plan)
    """

    title: str = "AI-assisted changes and incidents"
    question: str = "Do AI-assisted changes fail more often than other changes of the same service at the same time?"
    sources: Sources = Sources()
    mapping: Mappings = Mappings()
    period: Period = Period()
    outcome: Outcome = Outcome()
    design: Design = Design()
    designs: Designs = Designs()
    decision: Decision = Decision()
    challenges: Challenges = Challenges()
    gates: Gates = Gates()
    data: Data = Data()
    disclosure: Disclosure = Disclosure()

    @model_validator(mode="after")
    def _secondary_estimates_are_others(self) -> Self:
        choices = secondary.known(self.designs.amplifiers, self.designs.spill_over_hops)
        for fault in secondary.faults(self.decision.secondary, self.design.primary, choices):
            raise ValueError(fault)
        return self

    def __repr__(self) -> str:
        return f"<Plan {self.title!r} ({self.digest})>"

    def __str__(self) -> str:
        return f"{self.title} ({self.digest})"

    def _repr_html_(self) -> str:
        period, design, margin = self.period, self.design, self.decision.worth_acting_on
        return card(
            "Plan",
            f"{self.title}: {self.question}",
            facts={
                "digest": self.digest,
                "primary estimate": design.primary,
                "compared within": " × ".join(design.strata),
                "confounders": ", ".join(design.confounders) or "none",
                "mediators": ", ".join(design.mediators) or "none",
                "links": f"{self.outcome.link.replace('_', ' ')}, {self.outcome.window_hours:g} hours",
                "period": f"{period.start or 'the first deployment'} to {period.end or 'the last moment of the data'}",
                "worth acting on": f"a ratio of {margin:g}, at {self.decision.level:.0%} confidence",
            },
            then=("checked = cf.check(cf.read(deployments, incidents, plan=plan), plan)", "plan.design"),
        )

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any decision, and not with where the data are."""
        return sha256(self.model_dump_json(exclude=self.undecided).encode()).hexdigest()[:12]

    @property
    def undecided(self) -> dict[str, Any]:
        """What promises nothing: where the data are, and the keys of disclosure control that are as they come.

        Disclosure control came after plans had been frozen. Were its defaults part of the digest, every plan promised
        before would look changed, although nobody changed it and no estimate reads it. A threshold that somebody sets
        otherwise decides what readers get to see, so it counts from then on.
        """
        changed = self.disclosure.model_dump(exclude_defaults=True)
        as_it_comes = set(Disclosure.model_fields) - changed.keys()
        return {"sources": True, "disclosure": as_it_comes if changed else True}

    @classmethod
    def read(cls, path: Path | str) -> Plan:
        """The plan in a TOML file.

        Raises
        ------
        PlanError : the file is missing, is not TOML, or holds a key or value the plan does not know.
        """
        path = Path(path)
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise PlanError(f"{path}: not UTF-8 text (byte {error.start}); save the plan as UTF-8") from None
        except OSError as error:
            raise PlanError(
                f"{path}: cannot read the plan ({error.strerror}); `counterfault plan new` writes one"
            ) from None
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"{path}: not valid TOML: {error}") from None
        return cls.checked(fields, name=str(path))._resolved_from(path.parent)

    @classmethod
    def checked(cls, fields: dict[str, Any], name: str = "plan") -> Plan:
        """A plan from plain values, with every fault told in a sentence of its own."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise PlanError("\n".join(f"{name}: {_sentence(item)}" for item in error.errors())) from None

    def _resolved_from(self, folder: Path) -> Plan:
        """Relative paths in `sources` are meant from the plan's own folder."""

        def resolve(location: str | None) -> str | None:
            if location is None or "://" in location or Path(location).is_absolute():
                return location
            return str((folder / location).resolve())

        located = {name: resolve(value) for name, value in self.sources.model_dump().items()}
        return self.model_copy(update={"sources": Sources(**located)})


def _sentence(item: Any) -> str:
    """One pydantic error in words: the key, what is wrong with its value, the nearest valid key."""
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        *parents, key = item["loc"]
        known = _keys_at(tuple(parents))
        guess = nearest(str(key), known)
        hint = f"did you mean {guess!r}?" if guess else f"this section has {', '.join(known)}"
        return f"unknown key {where!r}; {hint}"
    message: str = item["msg"].removeprefix("Value error, ")
    if item["type"] == "literal_error" and (guess := nearest(str(item["input"]), _choices(item))):
        message += f"; did you mean {guess!r}?"
    if item["type"] == "value_error" and (not where or message.startswith(where)):
        return message
    given = f" (given: {item['input']!r})" if not isinstance(item["input"], dict) else ""
    return f"{where}: {message[0].lower()}{message[1:]}{given}" if where else message


def _choices(item: Any) -> list[str]:
    return re.findall(r"'([^']*)'", item["ctx"]["expected"])


def _keys_at(parents: tuple[Any, ...]) -> list[str]:
    section: Any = Plan
    for part in parents:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
