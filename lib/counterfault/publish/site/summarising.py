"""From a run and its published record to what the site says about it, and from there to words and estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from math import isfinite, nan
from typing import Any, NamedTuple

from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.figures.wording import count, day_words, plain, sentence_start
from counterfault.publish.record import SIGNS, Record
from counterfault.publish.site.entries import COMPLETE, FAILED, Entry
from counterfault.publish.site.reading import Run

ESTIMANDS = {estimand.label: estimand for estimand in Estimand}


class Answer(NamedTuple):
    """A call as the site shows it."""

    words: str
    sign: str
    tone: str


def entry_of(run: Run, record: Record | None, *, files: Mapping[str, int], masked: bool) -> Entry:
    """What the site keeps about a run.

    Parameters
    ----------
    run : as it was read.
    record : its published record; None for a failed run that wrote none.
    files : name below the run's folder → bytes.
    masked : whether a disclosure policy made the pages.
    """
    told = {} if record is None else _plan(record)
    if record is not None and run.complete:
        told |= _verdict(record) | _primary(record) | _scope(record)
    return Entry(
        run=run.run,
        digest=run.digest,
        status=COMPLETE if run.complete else FAILED,
        began=run.began.isoformat(),
        ended=run.ended.isoformat(),
        files=dict(sorted(files.items())),
        failed_notebooks=() if run.complete else run.failed_notebooks,
        masked=masked,
        **told,
    )


def _plan(record: Record) -> dict[str, Any]:
    plan = record["plan"]
    return {
        "title": plan["title"],
        "question": plan["question"],
        "plan_digest": plan["digest"],
        "worth_acting_on": finite(plan["worth_acting_on"]),
    }


def _verdict(record: Record) -> dict[str, Any]:
    verdict = record["verdict"]
    kept = {name: verdict[name] for name in ("call", "words", "grade")}
    return {**kept, "deviations": tuple(verdict["deviations"])}


def _primary(record: Record) -> dict[str, Any]:
    found = next((entry for entry in record["estimates"] if entry["id"] == "primary"), None)
    if found is None or found["estimand"] not in ESTIMANDS:
        return {}
    return {"estimand": found["estimand"], **{name: finite(found[name]) for name in ("value", "low", "high", "level")}}


def _scope(record: Record) -> dict[str, Any]:
    window = record["data"]["window"]
    compared = next((entry["n"] for entry in record["estimates"] if entry["id"] == "primary"), None)
    parts = ["within " + " × ".join(record["plan"]["strata"]) if record["plan"]["strata"] else "all together"]
    if isinstance(compared, int) and not isinstance(compared, bool):
        parts.append(f"{count(compared)} deployments")
    return {"scope": ", ".join(parts), "window_start": window["start"], "window_end": window["end"]}


def finite(value: Any) -> float | None:
    """A number that JSON can hold; None for anything else."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


# --- back into words -------------------------------------------------------------------------------------------------


def estimate_of_entry(entry: Entry) -> Estimate | None:
    """The primary estimate of a run, as far as the site keeps it."""
    if entry.estimand is None:
        return None
    estimand = ESTIMANDS[entry.estimand]
    low = estimand.lowest if entry.low is None else entry.low
    high = estimand.highest if entry.high is None else entry.high
    return Estimate(
        estimand=estimand,
        value=nan if entry.value is None else entry.value,
        interval=Interval(low, high, entry.level or nan),
        method="",
        id="primary",
    )


def answer_of(entry: Entry) -> Answer:
    """The call in words with its sign and tone; of a failed run, that it failed."""
    if not entry.complete:
        return Answer("Failed", "✕", "bad")
    words = entry.words or str(entry.call).replace("_", " ")
    return Answer(sentence_start(plain(words)), *SIGNS.get(str(entry.call), ("?", "open")))


def window_words(entry: Entry) -> str:
    """The days the data cover."""
    days = [_day(text) for text in (entry.window_start, entry.window_end) if text]
    return " to ".join(days)


def _day(text: str) -> str:
    try:
        return day_words(date.fromisoformat(text[:10]))
    except ValueError:
        return plain(text)


def moment_words(moment: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{day_words(moment.date())}, {moment:%H:%M} UTC"


def failures_after(runs: Sequence[Entry], answer: Entry | None) -> list[Entry]:
    """The failed runs that came after the last good answer."""
    places = [place for place, entry in enumerate(runs) if entry is answer]
    return [entry for entry in runs[places[0] + 1 if places else 0 :] if not entry.complete]
