"""What the plan promises of the attempts to break its answer: one section for each challenge."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from counterfault.contracts import TABLES, nearest
from counterfault.plan.section import Section

Link = Literal["recorded_then_window", "recorded", "window", "dependency", "last"]
Stratum = Literal["service", "team", "layer", "year", "quarter", "month", "week"]
Choice = dict[str, tuple[str, ...]]  # column → values


LONGEST_WINDOW = 24.0 * 365


def _windows(key: str, values: tuple[float, ...]) -> None:
    _rising(key, values)
    if values and values[-1] > LONGEST_WINDOW:
        raise ValueError(f"{key}: {values[-1]:g} hours is more than a year; no incident is looked for so long after")


def _rising(key: str, values: tuple[float, ...], lowest: float = 0.0) -> None:
    if list(values) != sorted({value for value in values if value > lowest}):
        raise ValueError(f"{key}: {list(values)} must be above {lowest:g} and rise without repeats")


def _columns_of(table: str, key: str, chosen: Choice) -> None:
    for column in chosen:
        if column not in (known := TABLES[table].names):
            guess = nearest(column, known)
            hint = f"; did you mean {guess!r}?" if guess else f"; it has {', '.join(known)}"
            raise ValueError(f"{key}: {table} has no column {column!r}{hint}")


def _other_causes() -> Choice:
    return {"cause": ("other",)}


def _documentation() -> Choice:
    return {"change_type": ("docs", "documentation")}


class LinkRules(Section):
    """Windows under which every link rule is tried, beside the planned one."""

    windows_hours: tuple[float, ...] = (6.0, 24.0, 72.0)

    @model_validator(mode="after")
    def _windows_rise(self) -> Self:
        _windows("challenges.link_rules.windows_hours", self.windows_hours)
        return self


class NegativeControls(Section):
    """Incidents no change caused, incidents before the deployment, deployments that cannot matter."""

    incidents: Choice = Field(default_factory=_other_causes)
    split_by: Literal["failure_mode", "layer", "severity"] | None = "failure_mode"
    windows_before: int = Field(default=21, ge=1, le=52)
    deployments: Choice = Field(default_factory=_documentation)
    enough: int = Field(default=20, ge=2)

    @model_validator(mode="after")
    def _apart_from_the_outcome(self) -> Self:
        key = "challenges.negative_controls"
        _columns_of("incidents", f"{key}.incidents", self.incidents)
        _columns_of("deployments", f"{key}.deployments", self.deployments)
        overlapping = [value for value in self.incidents.get("cause", ()) if value != "other"]
        if overlapping:
            raise ValueError(
                f"{key}.incidents: cause {overlapping[0]!r} overlaps the outcome, so it controls nothing; "
                f"only incidents of cause 'other' are outside it"
            )
        return self


class Placebo(Section):
    """Label dates moved, and labels shuffled, so that nothing can be found but bias."""

    shift_days: tuple[float, ...] = (-28.0, 28.0)
    shuffles: int = Field(default=200, ge=99)

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if 0 in self.shift_days:
            raise ValueError("challenges.placebo.shift_days: a shift of 0 days moves nothing; leave it out")
        return self


class LabelError(Section):
    """How often an assistance label may be wrong: a judged sample where there is one, else priors.

    Each prior is a trapezoid: lowest, first and last of the most plausible values, highest.
    """

    audit: str | None = None
    sensitivity: tuple[float, float, float, float] = (0.75, 0.85, 0.97, 1.0)
    specificity: tuple[float, float, float, float] = (0.95, 0.98, 1.0, 1.0)
    correlation: float = Field(default=0.8, ge=0, lt=1)  # between failed and other changes; below 1 is differential
    draws: int = Field(default=2000, ge=200)

    @model_validator(mode="after")
    def _trapezoids_rise(self) -> Self:
        for name in ("sensitivity", "specificity"):
            corners = getattr(self, name)
            if list(corners) != sorted(corners) or not 0.5 < corners[0] <= corners[-1] <= 1:
                raise ValueError(
                    f"challenges.label_error.{name}: {list(corners)} must rise and lie above 0.5 and at most at 1; "
                    f"a label worse than a coin says nothing"
                )
        return self


class Unmeasured(Section):
    """How strong an unmeasured confounder is supposed to be, in multiples of the strongest measured one."""

    multiples: tuple[float, ...] = (1.0, 2.0, 3.0)

    @model_validator(mode="after")
    def _multiples_rise(self) -> Self:
        _rising("challenges.unmeasured.multiples", self.multiples)
        return self


class LeaveOneOutOf(Section):
    """Whose members are left out one at a time."""

    by: tuple[Literal["service", "team", "tool", "author_cluster", "month"], ...] = (
        "service", "team", "tool", "author_cluster", "month",
    )  # fmt: skip
    author_clusters: int = Field(default=10, ge=2)  # authors are pooled into so many groups by hash; none is ever named


class Multiverse(Section):
    """Every defensible specification: one of each list, crossed."""

    links: tuple[Link, ...] = ("recorded_then_window", "recorded", "window")
    windows_hours: tuple[float, ...] = (6.0, 24.0, 72.0)
    strata: tuple[tuple[Stratum, ...], ...] = (("service", "quarter"), ("service", "month"))
    covariates: tuple[Literal["none", "confounders"], ...] = ("none", "confounders")
    estimators: tuple[Literal["stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio"], ...] = (
        "stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio",
    )  # fmt: skip
    permutations: int = Field(default=199, ge=99)
    shuffle: Literal["rotated", "singly"] = "rotated"

    @model_validator(mode="after")
    def _something_to_cross(self) -> Self:
        _windows("challenges.multiverse.windows_hours", self.windows_hours)
        for name in ("links", "windows_hours", "strata", "covariates", "estimators"):
            if not getattr(self, name):
                raise ValueError(f"challenges.multiverse.{name}: name at least one, or leave the key out")
        if () in self.strata:
            raise ValueError("challenges.multiverse.strata: [] compares everything with everything; name a stratum")
        return self


class Plasmode(Section):
    """How this procedure behaves on these very data with labels shuffled and with known ratios planted."""

    runs: int = Field(default=400, ge=100)
    ratios: tuple[float, ...] = (1.25, 1.5, 2.0)

    @model_validator(mode="after")
    def _ratios_rise(self) -> Self:
        _rising("challenges.plasmode.ratios", self.ratios, lowest=1.0)
        return self


class Challenges(Section):
    """The attempts to break the answer, and the seed of everything they draw."""

    seed: int = Field(default=20_260_101, ge=0)
    link_rules: LinkRules = LinkRules()
    negative_controls: NegativeControls = NegativeControls()
    placebo: Placebo = Placebo()
    label_error: LabelError = LabelError()
    unmeasured: Unmeasured = Unmeasured()
    leave_one_out: LeaveOneOutOf = LeaveOneOutOf()
    multiverse: Multiverse = Multiverse()
    plasmode: Plasmode = Plasmode()
