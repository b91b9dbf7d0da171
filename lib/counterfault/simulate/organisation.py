"""The settings of an invented organisation: every number that shapes it, each with its reason.

A :class:`World` says what is true; :func:`counterfault.simulate.simulate` draws one organisation in which
it is. All ratios act multiplicatively on the risk of a change, so that a planted ratio means the same in a
quiet service and in a fragile one. A new world is ``replace(DEMO, name=…, effect=Effect(…))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass, replace
from datetime import date
from typing import Any

from counterfault.simulate.limits import require_possible

DAYS_OF_A_QUARTER = 91.0


def _mechanism(neutral: float) -> Any:
    """A setting most worlds leave alone: at its neutral value it throws no dice and is no parameter of the world."""
    return field(default=neutral, metadata={"mechanism": True})


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the organisation is and how long it is watched."""

    first_day: date = date(2025, 1, 1)
    last_day: date = date(2026, 6, 30)  # 18 months: six quarters, enough to separate adoption from drift
    deployments: int = 30_000  # routine changes and reactions together; 1.4 a day and service
    services: int = 40
    teams: int = 12
    platform_share: float = 0.35  # of services and of teams; applications depend on these
    authors_per_team: int = 10
    size_spread: float = 0.35  # SD of the log of changes per service: some services ship twice as often
    volume_growth: float = 1.6  # changes a day at the end over changes a day at the start

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def weeks(self) -> int:
        """Weeks begun during the record, counted from its first day."""
        return -(-self.days // 7)

    @property
    def seconds(self) -> int:
        """Length of the record; times run from 0 to just below this."""
        return self.days * 86_400


@dataclass(frozen=True, kw_only=True)
class Risk:
    """How often changes fail, and why some fail more often, whoever wrote them."""

    base: float = 0.017  # mean risk of a change had nobody used AI
    spread: float = 0.6  # SD over services of the log risk
    drift: float = 1.35  # risk at the end over risk at the start: the calendar is a confounder
    tenure: float = 0.92  # per e-fold of the author's time in the company: newcomers fail a little more
    at_peak: float = 1.2  # shipping into full load is riskier for everyone
    lines: float = 1.15  # per e-fold of changed lines
    without_approval: float = 1.2
    review_hours: float = 0.93  # per e-fold of 1 + hours of review
    tests: float = 0.85
    ceiling: float = 0.5  # a multiplicative risk must stop somewhere below 1
    team_spread: float = _mechanism(0.0)  # SD over teams of a further log risk all their services share
    bursts: float = _mechanism(0.0)  # SD over services and weeks of a log risk the week's changes share


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """Who uses AI, and when."""

    first_quarter: float = 0.11  # share of changes in the first quarter
    last_quarter: float = 0.44  # four times as much: the growth that public rows quote
    spread: float = 1.0  # SD over services of the log odds: early adopters and late ones
    team_part: float = 0.4  # of that variance: tools are bought by teams
    riskier_adopters: float = 0.0  # correlation of a service's log odds of use with its log risk
    tenure: float = 0.88  # odds ratio per e-fold of tenure: newcomers use it more
    at_peak: float = 1.1  # odds ratio
    bursts: float = _mechanism(0.0)  # SD over services and weeks of a log odds of use the week's changes share
    assigned_teams: float = _mechanism(0.0)  # share of teams that write everything with AI from a date on;
    # above 0 it replaces all the rest of this section: before the date, and in other teams, nobody uses AI


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What AI assistance does: on the risk itself, and on what lies between change and risk.

    Every default is 1, "nothing", so a world states only what it plants.
    """

    risk: float = 1.0  # ratio for an approved change off peak with nothing else changed
    without_approval: float = 1.0  # further ratio where no human approved: interaction
    at_peak: float = 1.0  # further ratio at peak load: interaction
    validated: float = 1.0  # further ratio where the automated gate passed: interaction
    lines: float = 1.0  # ratio of changed lines: mediation by size
    review_hours: float = 1.0  # ratio: mediation by review
    approval: float = 1.0  # odds ratio of a human approval: mediation by review
    tests: float = 1.0  # odds ratio of touching tests: mediation by tests
    severe: float = 1.0  # odds ratio of severity 1 or 2, given that the change failed
    spread: float = _mechanism(0.0)  # SD over services of the log of `risk`
    cascades: float = _mechanism(1.0)  # further ratio on failures that cascade, and on no others


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What changes look like when no AI is involved."""

    lines: float = 60.0  # median of changed lines
    lines_spread: float = 1.1  # SD of the log
    approval: float = 0.92
    review_hours: float = 2.5  # median where somebody reviewed
    tests: float = 0.55
    ai_review_at_end: float = 0.6  # share of changes read by an AI reviewer: no effect, grows from a third of it
    gate_at_end: float = 0.5  # share of AI-assisted changes through the automated gate: grows from none


@dataclass(frozen=True, kw_only=True)
class Outages:
    """How failures become incidents, and what else goes wrong."""

    elsewhere: int = 325  # incidents no change caused: vendors, capacity, certificates
    prompt_hours: float = 2.2  # median lag of the failures that show at once
    prompt_spread: float = 1.2  # SD of the log
    late_share: float = 0.15  # failures that stay hidden for days …
    late_hours: float = 72.0  # … with this median; together about 9 in 10 show within 72 h
    late_spread: float = 0.7
    downstream: float = 0.08  # failures of a service with dependants that surface in one of those
    severe: float = 0.20  # share of severity 1 or 2 among incidents without AI
    rest_at_peak: float = 2.5  # rate of unrelated incidents at peak over the rate off peak


@dataclass(frozen=True, kw_only=True)
class Register:
    """What the organisation wrote down, which is less than what happened."""

    recorded: float = 0.65  # change-caused incidents whose deployment people recorded
    cause_known: float = 0.4  # of the others caused by a change: at least `change` was noted
    other_known: float = 0.85  # of the unrelated ones: `other` was noted, else `unknown`
    unknown_at_start: float = 0.34  # unlabelled share on the first day; labelling came late …
    unknown_half_life: float = 60.0  # … and spread, in days; it never depends on the outcome
    unknown_floor: float = 0.012
    labelled_in_review: float = 0.03  # of failed changes: label written after the incident began
    reactions: float = 0.012  # hot-fixes and roll-backs as a share of all deployments
    reaction_odds: float = 1.5  # odds ratio of AI use in a hurry
    rolled_back: float = _mechanism(0.6)  # of the reactions to a failed change; the rest fix forward
    unflagged: float = _mechanism(0.0)  # of the reactions: look like routine changes
    missed: float = _mechanism(0.0)  # of AI-assisted changes: use not noticed …
    missed_unknown: float = _mechanism(0.0)  # … and of those the label left open, the others called human
    looked_up: float = _mechanism(0.0)  # of those with an incident: noticed then, the label corrected afterwards
    mistaken: float = _mechanism(0.0)  # of changes without AI: labelled AI
    misnamed: float = _mechanism(0.0)  # of recorded causes: another deployment of the service named
    broken_rows: bool = False  # add rows that break the data contract, for quarantine to catch


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that is true of an invented organisation before the dice are thrown.

    Attributes
    ----------
    name : how commands and reports call it.
    reason : one sentence: what the world is for, and what a careless analysis would find in it.
    scale, risk, adoption, effect, habits, outages, register : the settings, by subject.

    Raises
    ------
    ValueError
        When a setting is impossible; the sentence names it and its value.
    """

    name: str
    reason: str = ""
    scale: Scale = field(default_factory=Scale)
    risk: Risk = field(default_factory=Risk)
    adoption: Adoption = field(default_factory=Adoption)
    effect: Effect = field(default_factory=Effect)
    habits: Habits = field(default_factory=Habits)
    outages: Outages = field(default_factory=Outages)
    register: Register = field(default_factory=Register)

    def __post_init__(self) -> None:
        self._require_room_and_time()
        for setting, value in self._settings():
            require_possible(self.name, setting, value)
        self._require_no_contradiction()

    def _require_room_and_time(self) -> None:
        scale = self.scale
        if not 1 <= scale.teams <= scale.services:
            raise ValueError(
                f"world {self.name!r}: {scale.teams} teams cannot share {scale.services} services; "
                f"give every team at least one service."
            )
        if scale.days < 2 * DAYS_OF_A_QUARTER:
            raise ValueError(
                f"world {self.name!r} lasts {scale.days} days; it needs a first and a last quarter, "
                f"at least {2 * DAYS_OF_A_QUARTER:.0f} days."
            )

    def _require_no_contradiction(self) -> None:
        """Two settings of which one would silently undo the other."""
        adoption, register = self.adoption, self.register
        for found_out in ("looked_up", "missed_unknown"):
            if (share := getattr(register, found_out)) and not register.missed:
                raise ValueError(
                    f"world {self.name!r}: register.{found_out} is {share}, but register.missed is 0; "
                    f"only what was missed can be {'looked up' if found_out == 'looked_up' else 'left open'}."
                )
        if adoption.assigned_teams and adoption.bursts:
            raise ValueError(
                f"world {self.name!r}: adoption.bursts is {adoption.bursts}, but AI is assigned to teams, "
                f"who then use it always; set one to 0."
            )

    def _settings(self) -> Iterator[tuple[str, Any]]:
        """Every number of the world under the name a reader would type."""
        for subject in fields(self):
            part = getattr(self, subject.name)
            if is_dataclass(part):
                yield from ((f"{subject.name}.{one.name}", getattr(part, one.name)) for one in fields(part))

    def of_size(self, deployments: int) -> World:
        """The same world with another number of deployments; unrelated incidents keep their proportion.

        The number of services stays, so a larger world has busier services, as a longer record would not.
        """
        factor = deployments / self.scale.deployments
        return replace(
            self,
            scale=replace(self.scale, deployments=deployments),
            outages=replace(self.outages, elsewhere=round(self.outages.elsewhere * factor)),
        )

    def parameters(self) -> dict[str, Any]:
        """Every setting as plain JSON values, for the truth file; mechanisms only where they are at work."""
        settings = asdict(self)
        del settings["reason"]
        for subject in fields(self):
            part = getattr(self, subject.name)
            if is_dataclass(part):
                for idle in (one.name for one in fields(part) if _idle(one, getattr(part, one.name))):
                    del settings[subject.name][idle]
        settings["scale"]["first_day"] = self.scale.first_day.isoformat()
        settings["scale"]["last_day"] = self.scale.last_day.isoformat()
        return settings


def _idle(setting: Field[Any], value: Any) -> bool:
    return "mechanism" in setting.metadata and value == setting.default
