"""The front page of a site: every study with its last good answer, and whether a later run failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from counterfault.estimate import Estimate
from counterfault.figures.wording import ABSENT, count, day_words, percent, value_and_limits
from counterfault.publish.site.entries import Entry, State, Study
from counterfault.publish.site.mark import common_axis, interval_svg
from counterfault.publish.site.naming import age
from counterfault.publish.site.state import page_of
from counterfault.publish.site.summarising import (
    answer_of,
    estimate_of_entry,
    failures_after,
    moment_words,
    window_words,
)
from counterfault.publish.templating import render


def index_page(state: State, now: datetime) -> str:
    """``index.html`` of a site.

    Parameters
    ----------
    state : what the site holds.
    now : the moment of publishing in UTC, from which ages are counted.
    """
    studies = sorted(state.studies, key=lambda study: study.name)
    studies.sort(key=lambda study: study.latest.when, reverse=True)
    found = [estimate_of_entry(study.answer) if study.answer else None for study in studies]
    axis = common_axis([each for each in found if each is not None and each.estimand.is_ratio])
    return render(
        "site_index.html.j2",
        lead=_lead(studies),
        studies=[_row(study, each, axis, now) for study, each in zip(studies, found, strict=True)],
        unreadable=state.unreadable,
        published=now.isoformat(timespec="seconds"),
        published_words=moment_words(now),
    )


def _lead(studies: Sequence[Study]) -> str:
    runs = [entry for study in studies for entry in study.runs]
    failed = sum(not entry.complete for entry in runs)
    told = f"{counted(len(studies), 'study', 'studies')}, {counted(len(runs), 'run', 'runs')}"
    return told + (f", {count(failed)} of them failed." if failed else ".")


def counted(number: int, one: str, many: str) -> str:
    """``1 run``, ``12 runs``."""
    return f"{count(number)} {one if number == 1 else many}"


def _row(study: Study, estimate: Estimate | None, axis: tuple[float, float], now: datetime) -> dict[str, Any]:
    shown = study.answer or study.latest
    return {
        "name": study.name,
        "slug": study.slug,
        "answer": answer_of(shown),
        "scope": shown.scope,
        "window": window_words(shown),
        "picture": interval_svg(estimate, axis, shown.worth_acting_on) if estimate else "",
        "estimate": value_and_limits(estimate) if estimate else "",
        "estimand": _kind(estimate),
        "grade": shown.grade,
        "deviations": counted(len(shown.deviations), "deviation", "deviations") if shown.deviations else "",
        "page": page_of(study.slug, shown.run),
        "ended": shown.ended,
        "day": day_words(shown.when.date()),
        "age": age(shown.when, now),
        "runs": counted(len(study.runs), "run", "runs"),
        **_trouble(study, failures_after(study.runs, study.answer)),
    }


def _kind(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    level = estimate.interval.level
    return estimate.estimand.label + (f", {percent(level)} interval" if percent(level) != ABSENT else "")


def _trouble(study: Study, failures: Sequence[Entry]) -> dict[str, str]:
    if not failures:
        return {"trouble": ""}
    last = failures[-1]
    return {
        "trouble": trouble_words(failures, answered=study.answer is not None),
        "trouble_page": page_of(study.slug, last.run),
        "trouble_ended": last.ended,
        "trouble_day": day_words(last.when.date()),
    }


def trouble_words(failures: Sequence[Entry], *, answered: bool) -> str:
    """That later runs failed, or that no run ever gave an answer."""
    if not answered:
        return "No run has given an answer yet"
    return "A later run failed" if len(failures) == 1 else f"{count(len(failures))} later runs failed"
