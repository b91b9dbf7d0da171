"""The page of one study: its answer, the history of that answer, every run, and what changed between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from counterfault.figures.figure import Figure
from counterfault.figures.history import PastRun, history
from counterfault.figures.wording import ABSENT, day_words, percent, value_and_limits
from counterfault.publish.site.entries import Entry, Study, changed
from counterfault.publish.site.index_page import counted, trouble_words
from counterfault.publish.site.summarising import (
    answer_of,
    estimate_of_entry,
    failures_after,
    moment_words,
    window_words,
)
from counterfault.publish.templating import render


def study_page(study: Study) -> str:
    """The page of a study. It holds no ages, so it stays the same until a run is added."""
    shown = study.answer or study.latest
    return render(
        "site_study.html.j2",
        name=study.name,
        question=shown.question,
        answer=answer_of(shown),
        run=shown.run if study.answer else "",
        day=day_words(shown.when.date()),
        facts=_facts(study, shown) if study.answer else [],
        figure=_figure(study)._repr_html_(),
        masked=any(entry.masked for entry in study.runs),
        other_estimands=_other_estimands(study),
        rows=_rows(study),
        changes=_changes(study),
        **_trouble(study),
    )


def _trouble(study: Study) -> dict[str, str]:
    failures = failures_after(study.runs, study.answer)
    if not failures:
        return {"trouble": ""}
    last = failures[-1]
    told = "What follows is the last good answer." if study.answer else "There is nothing to show but the failures."
    return {
        "trouble": trouble_words(failures, answered=study.answer is not None),
        "trouble_words": told,
        "trouble_run": last.run,
        "trouble_day": day_words(last.when.date()),
    }


def _facts(study: Study, shown: Entry) -> list[tuple[str, str, str]]:
    estimate = estimate_of_entry(shown)
    found = []
    if estimate is not None:
        level = f"{percent(estimate.interval.level)} interval in brackets"
        found.append((estimate.estimand.label.capitalize(), value_and_limits(estimate), level))
    deviations = counted(len(shown.deviations), "deviation", "deviations") if shown.deviations else "no deviations"
    found += [
        ("Grade", shown.grade or ABSENT, deviations),
        ("Run of", day_words(shown.when.date()), counted(len(study.runs), "run", "runs") + " in all"),
        ("Data window", window_words(shown) or ABSENT, shown.scope or ""),
        ("Plan", shown.plan_digest or ABSENT, shown.title or ""),
    ]
    return found


def _figure(study: Study) -> Figure:
    newest = study.answer.estimand if study.answer else None
    drawn = [entry for entry in study.runs if not entry.complete or entry.estimand == newest]
    threshold = study.answer.worth_acting_on if study.answer else None
    return history([past_run(entry) for entry in drawn], worth_acting_on=threshold)


def past_run(entry: Entry) -> PastRun:
    """A run as the history shows it."""
    answer = answer_of(entry)
    estimate = estimate_of_entry(entry) if entry.complete else None
    return PastRun(entry.when, estimate, answer.words, answer.sign, not entry.complete, entry.plan_digest or "")


def _other_estimands(study: Study) -> str:
    """Runs that cannot stand on the figure's axis are told, not dropped."""
    newest = study.answer.estimand if study.answer else None
    others = [entry for entry in study.runs if entry.complete and entry.estimand != newest]
    if not others:
        return ""
    return f"{counted(len(others), 'run', 'runs')} estimated something else and can be found in the table below only."


def _rows(study: Study) -> list[dict[str, Any]]:
    new = changed(study.runs)
    return [_row(entry, new[entry.run]) for entry in reversed(study.runs)]


def _row(entry: Entry, new: Sequence[str]) -> dict[str, Any]:
    estimate = estimate_of_entry(entry)
    return {
        "run": entry.run,
        "ended": entry.ended,
        "moment": moment_words(entry.when),
        "failed": not entry.complete,
        "answer": answer_of(entry),
        "detail": f"{', '.join(entry.failed_notebooks)} did not finish" if entry.failed_notebooks else "",
        "estimate": value_and_limits(estimate) if estimate else ABSENT,
        "grade": entry.grade or ABSENT,
        "plan": entry.plan_digest,
        "deviations": entry.deviations,
        "new": new,
    }


def _changes(study: Study) -> list[dict[str, Any]]:
    by_run = {entry.run: entry for entry in study.runs}
    return [
        {
            "day": moment_words(entry.when),
            "before": entry.compared_with,
            "before_day": moment_words(by_run[entry.compared_with].when),
            "sentences": entry.changes,
        }
        for entry in reversed(study.runs)
        if entry.changes and entry.compared_with
    ]


def history_csv(study: Study) -> str:
    """Every run of a study as a table, oldest first."""
    import csv
    from io import StringIO

    columns = ("run", "status", "ended", "call", "grade", "estimand", "value", "low", "high", "level", "plan_digest")
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*columns, "deviations", "new"))
    new = changed(study.runs)
    for entry in study.runs:
        told = (len(entry.deviations) if entry.complete else None, "; ".join(new[entry.run]))
        writer.writerow((*(getattr(entry, name) for name in columns), *told))
    return stream.getvalue()
