"""From a panel of risk time to arrays a regression can use, with the questions asked of them as contrasts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from counterfault.estimate import Estimand
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.self_control.conditional_contrasts import Entries
from counterfault.panels import RiskTime

_FLAGS = ("after_ai", "after_other", "before_ai", "before_other")
_STRATUM = ("service", "block")
_KINDS = {"ai": "an AI-assisted deployment", "other": "another deployment"}

# AI against the background, other against the background, AI against other.
COMPARISONS = ("ai", "other", "between")


@dataclass(frozen=True, slots=True)
class State:
    """Service time in one relation to deployments of one kind: ``column`` of the frame has the value ``piece``."""

    column: str
    piece: int
    words: str


@dataclass(frozen=True, slots=True)
class RiskProblem:
    """One entry per service × block × band × state.

    Attributes
    ----------
    frame : the panel, alike rows added up.
    states : the columns of the design that stand for states, in order; dummies of bands follow.
    entries : the arrays.
    """

    frame: pd.DataFrame
    states: tuple[State, ...]
    entries: Entries

    def contrast(self, above: State, below: State | None = None) -> Floats:
        """(k,) the log rate in one state minus that in no state, or in another."""
        weights = np.zeros(self.entries.design.shape[1])
        for state, weight in ((above, 1.0), (below, -1.0)):
            if state in self.states:
                weights[self.states.index(state)] = weight
        return weights

    def in_state(self, state: State) -> Mask:
        """The entries in this state."""
        if state not in self.states:
            return np.zeros(len(self.frame), dtype=bool)
        return np.asarray(self.entries.design[:, self.states.index(state)] == 1)

    def in_no_state(self) -> Mask:
        """The entries whose rate is the background's: no state of the design."""
        columns = self.entries.design[:, : len(self.states)]
        found: Mask = columns.max(axis=1, initial=0) == 0
        return found

    def events_in(self, state: State) -> int:
        """Incidents that began in this state."""
        return int(self.entries.events[self.in_state(state)].sum())

    def held_fixed(self) -> tuple[str, ...]:
        """What the design adjusts for besides the states after deployments."""
        bands = self.entries.design.shape[1] > len(self.states)
        before = any(state.column.startswith("before") for state in self.states)
        return (*(("band",) if bands else ()), *(("time before deployments",) if before else ()))


def after(kind: str, piece: int, cuts: tuple[float, ...]) -> State:
    """The time between two cuts after the newest deployment of a kind ("ai" or "other"); pieces count from 1."""
    words = f"the hours {cuts[piece - 1]:g} to {cuts[piece]:g} after {_KINDS[kind]}"
    return State(f"after_{kind}", piece, words)


def before(kind: str, hours: float) -> State:
    """The time before a deployment of a kind follows."""
    return State(f"before_{kind}", 1, f"the {hours:g} hours before {_KINDS[kind]}")


@dataclass(frozen=True, slots=True)
class Question:
    """A log rate in one state against that in no state, or in another.

    Attributes
    ----------
    comparison : one of ``COMPARISONS``.
    label : the piece, "0 to 6 h after" or "before".
    above, below : the states; ``below`` is None for the background.
    """

    comparison: str
    label: str
    above: State
    below: State | None = None

    @property
    def estimand(self) -> Estimand:
        """A ratio of ratios where both are measured against the background first."""
        return Estimand.RATIO_OF_RATIOS if self.below else Estimand.RATE_RATIO

    @property
    def states(self) -> tuple[State, ...]:
        """The one or two states compared."""
        return (self.above, self.below) if self.below else (self.above,)


def questions_of(panel: RiskTime) -> tuple[Question, ...]:
    """Every comparison for every piece, and last for the time before."""
    pieces = range(1, len(panel.cuts))
    labels = [*(f"{panel.cuts[piece - 1]:g} to {panel.cuts[piece]:g} h after" for piece in pieces), "before"]

    def states(kind: str) -> list[State]:
        return [*(after(kind, piece, panel.cuts) for piece in pieces), before(kind, panel.before_hours)]

    ai, other = states("ai"), states("other")
    return (
        *(Question("ai", label, state) for label, state in zip(labels, ai, strict=True)),
        *(Question("other", label, state) for label, state in zip(labels, other, strict=True)),
        *(Question("between", label, one, two) for label, one, two in zip(labels, ai, other, strict=True)),
    )


def problem_of(panel: RiskTime, *, pre_exposure: bool) -> RiskProblem:
    """Check a panel, add alike rows up, and code the rest.

    Parameters
    ----------
    panel : the service time.
    pre_exposure : whether the time before deployments has rates of its own, or belongs to the background.

    Raises
    ------
    ValueError
        When the panel is not what :class:`~counterfault.panels.RiskTime` says.
    """
    _require_usable(panel)
    flags = _FLAGS if pre_exposure else _FLAGS[:2]
    keys = [*_STRATUM, "band", *flags]
    frame = panel.frame.loc[panel.frame["hours"] > 0, [*keys, "hours", "incidents"]]
    frame = frame.groupby(keys, as_index=False, observed=True, sort=True)[["hours", "incidents"]].sum()
    states = _states(panel, pre_exposure)
    entries = Entries(
        design=np.column_stack([*(frame[s.column].to_numpy() == s.piece for s in states), *_bands(frame)]).astype(
            float
        ),
        size=frame["hours"].to_numpy(np.float64),
        events=frame["incidents"].to_numpy(np.float64),
        strata=_codes(frame, _STRATUM),
        clusters=_codes(frame, _STRATUM[:1]),
    )
    return RiskProblem(frame, states, entries)


def _states(panel: RiskTime, pre_exposure: bool) -> tuple[State, ...]:
    pieces = range(1, len(panel.cuts))
    states = [after(kind, piece, panel.cuts) for kind in _KINDS for piece in pieces]
    if pre_exposure and panel.before_hours > 0:
        states += [before(kind, panel.before_hours) for kind in _KINDS]
    return tuple(states)


def _bands(frame: pd.DataFrame) -> Iterable[Floats]:
    """Dummies of every band but the one with most incidents; names break ties, so that order of rows does not."""
    incidents = frame.groupby("band", observed=True)["incidents"].sum().sort_index()
    for band in incidents.sort_values(ascending=False, kind="stable").index[1:]:
        yield (frame["band"] == band).to_numpy(np.float64)


def _codes(frame: pd.DataFrame, columns: tuple[str, ...]) -> Codes:
    codes: Codes = frame.groupby(list(columns), observed=True, sort=True).ngroup().to_numpy().astype(np.intp)
    return codes


def _require_usable(panel: RiskTime) -> None:
    frame, cuts = panel.frame, panel.cuts
    needed = [*_STRATUM, "band", *_FLAGS, "hours", "incidents"]
    if absent := [name for name in needed if name not in frame.columns]:
        raise ValueError(f"A panel of risk time needs the columns {', '.join(absent)}, which this one lacks.")
    if len(cuts) < 2 or cuts[0] != 0 or any(low >= high for low, high in pairwise(cuts)):
        raise ValueError(f"cuts are {cuts}; they start at 0 and rise, such as (0, 6, 24).")
    if empty := [name for name in needed if frame[name].isna().any()]:
        raise ValueError(
            f"The panel has empty values in {', '.join(empty)}; a band nobody knows is a level of its own, 'missing'."
        )
    _require_whole(frame, "incidents", None)
    for name, highest in zip(_FLAGS, (len(cuts) - 1, len(cuts) - 1, 1, 1), strict=True):
        _require_whole(frame, name, highest)
    if (frame["hours"] < 0).any() or ((frame["hours"] == 0) & (frame["incidents"] > 0)).any():
        raise ValueError(
            f"hours go down to {frame['hours'].min():g} where there are incidents or below 0; an incident begins in "
            "time that was watched, so hours of its row are above 0."
        )


def _require_whole(frame: pd.DataFrame, name: str, highest: int | None) -> None:
    values = frame[name].to_numpy(np.float64)
    wrong = (values < 0) | (values != np.floor(values)) | (values > (np.inf if highest is None else highest))
    if wrong.any():
        upper = "up" if highest is None else f"to {highest}"
        raise ValueError(f"{name} holds {values[wrong][0]:g}; it is a whole number from 0 {upper}.")
