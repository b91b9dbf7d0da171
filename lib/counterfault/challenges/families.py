"""Every attempt to break the answer, under the names by which notebooks ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from counterfault.challenges.audited_labels import AuditedLabels
from counterfault.challenges.label_bounds import UnknownAsEither
from counterfault.challenges.label_error import LabelError
from counterfault.challenges.late_labels import WithoutLateLabels
from counterfault.challenges.leave_one_out import LeaveOneOutOf
from counterfault.challenges.link_rules import LinkGrid
from counterfault.challenges.multiverse import Multiverse
from counterfault.challenges.negative_controls import Controls
from counterfault.challenges.placebo import Placebos
from counterfault.challenges.plasmode import Plasmode
from counterfault.challenges.unmeasured_confounding import UnmeasuredConfounding
from counterfault.estimate import Estimate
from counterfault.estimating import EstimatesById, Study
from counterfault.estimators.one_thread import on_one_thread

Progress = Callable[[int, int], None]


class Attempt(NamedTuple):
    """What a challenge looks at.

    Attributes
    ----------
    study, primary : the study, and the estimate that is to be broken.
    plan_folder : where the plan lies, and with it the file of judged labels it may name; None where nobody knows.
    progress : told how much of a long challenge is done, of how much.
    """

    study: Study
    primary: Estimate
    plan_folder: Path | None = None
    progress: Progress | None = None


def _negative_controls(attempt: Attempt) -> Iterable[Estimate]:
    return Controls()(attempt.study, attempt.primary)


def _placebo(attempt: Attempt) -> Iterable[Estimate]:
    return Placebos()(attempt.study, attempt.primary)


def _link_rules(attempt: Attempt) -> Iterable[Estimate]:
    return LinkGrid.of(attempt.study.plan)(attempt.study, attempt.primary)


def _label_error(attempt: Attempt) -> Iterator[Estimate]:
    study, primary, folder = attempt.study, attempt.primary, attempt.plan_folder
    yield from UnknownAsEither()(study, primary)
    if (without := WithoutLateLabels()(study, primary)) is not None:
        yield without
    yield from LabelError.of(study.plan)(study, primary)
    if folder is not None and (audited := AuditedLabels.of(study.plan, folder)) is not None:
        yield audited(study, primary)


def _unmeasured_confounding(attempt: Attempt) -> Iterable[Estimate]:
    return UnmeasuredConfounding.of(attempt.study.plan)(attempt.study, attempt.primary)


def _leave_one_out(attempt: Attempt) -> Iterable[Estimate]:
    return LeaveOneOutOf.of(attempt.study.plan)(attempt.study, attempt.primary, attempt.progress)


def _multiverse(attempt: Attempt) -> Iterable[Estimate]:
    return Multiverse.of(attempt.study.plan)(attempt.study, attempt.primary, attempt.progress)


def _plasmode(attempt: Attempt) -> Iterable[Estimate]:
    return Plasmode.of(attempt.study.plan)(attempt.study, attempt.primary, attempt.progress)


CHALLENGES: Mapping[str, Callable[[Attempt], Iterable[Estimate]]] = MappingProxyType(
    {
        "negative_controls": _negative_controls,
        "placebo": _placebo,
        "link_rules": _link_rules,
        "label_error": _label_error,
        "unmeasured_confounding": _unmeasured_confounding,
        "leave_one_out": _leave_one_out,
        "multiverse": _multiverse,
        "plasmode": _plasmode,
    }
)


@on_one_thread
def try_to_break(
    study: Study,
    primary: Estimate,
    only: Sequence[str] = (),
    *,
    plan_folder: Path | None = None,
    say: Callable[[str, int, int], None] | None = None,
) -> EstimatesById:
    """The estimates of all challenges, or of some, id → estimate.

    Parameters
    ----------
    study : one organisation under one plan.
    primary : the estimate that is to be broken.
    only : some of :data:`CHALLENGES`; all where empty.
    plan_folder : where the plan lies, for the file of judged labels it may name.
    say : told the name of a challenge, how much of it is done and of how much.

    Raises
    ------
    ValueError : there is no such challenge.

    Examples
    --------
    >>> tried = cf.try_to_break(study, primary, only=["link_rules"])
    >>> told = cf.showing.tell_link_readings(tried)
    >>> challenged = cf.challenge(linked, counted, estimates, plan, tried)
    """
    if unknown := [name for name in only if name not in CHALLENGES]:
        raise ValueError(f"no challenge {unknown[0]!r}; there are {', '.join(CHALLENGES)}")
    found: dict[str, Estimate] = {}
    for name in only or CHALLENGES:
        progress = None if say is None else _named(name, say)
        if progress:
            progress(0, 1)
        found |= {item.id: item for item in CHALLENGES[name](Attempt(study, primary, plan_folder, progress))}
    return EstimatesById(found)


def _named(name: str, say: Callable[[str, int, int], None]) -> Progress:
    return lambda done, total: say(name.replace("_", " "), done, total)
