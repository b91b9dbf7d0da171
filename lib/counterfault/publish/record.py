"""What a page reads out of ``results.json``: estimates, words for the verdict, and the key facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import nan
from typing import Any, NamedTuple

from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.figures.flow import ANALYSED
from counterfault.figures.wording import ABSENT, count, day_words, limits, number, percent, plain, sentence_start

Record = Mapping[str, Any]

WITHOUT_LABEL = ("assistance unknown", "no change is labelled")  # steps of the account of deployments


class Call(NamedTuple):
    """A verdict's call as the page says it: in words, with a sign beside them and a tone behind."""

    words: str
    sign: str
    tone: str


# The words come with the record; a sign keeps the tone from being told by colour alone.
SIGNS = {
    "more": ("▲", "more"),
    "more_size_unsettled": ("△", "more"),
    "no_material_difference": ("≈", "even"),
    "fewer_size_unsettled": ("▽", "fewer"),
    "fewer": ("▼", "fewer"),
    "cannot_tell": ("?", "open"),
}
CHECK_SIGNS = {"pass": ("✓", "pass"), "fail": ("✕", "fail"), "not assessed": ("○", "unassessed")}


def writable(value: Any) -> Any:
    """The record with every text such that it can be written: half of a surrogate pair becomes a question mark.

    A file name or a commit message that was not UTF-8 can carry one, and it would stop the whole page.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {writable(key): writable(each) for key, each in value.items()}
    return [writable(each) for each in value] if isinstance(value, list | tuple) else value


def call_of(record: Record) -> Call:
    """The call in the record's words, with its sign; one this version does not know is shown as open."""
    verdict = record["verdict"]
    words = verdict.get("words") or str(verdict["call"]).replace("_", " ")
    return Call(sentence_start(plain(words)), *SIGNS.get(verdict["call"], ("?", "open")))


def estimate_of(entry: Mapping[str, Any]) -> Estimate:
    """One entry of ``estimates`` as an :class:`Estimate`; a missing limit is the end of the scale.

    Raises
    ------
    ValueError
        Where the estimand is not one of ours.
    """
    estimand = _estimand(entry)
    return Estimate(
        estimand=estimand,
        value=_or(entry["value"], nan),
        interval=Interval(_or(entry["low"], estimand.lowest), _or(entry["high"], estimand.highest), entry["level"]),
        method=str(entry["method"]),
        support={key: entry[key] for key in ("n", "events") if entry.get(key) is not None},
        id=str(entry["id"]),
        design=str(entry.get("design") or ""),
        outcome=str(entry.get("outcome") or ""),
        label=str(entry.get("label") or "all"),
        p_value=entry.get("p_value"),
        caveats=tuple(map(str, entry.get("caveats") or ())),
    )


def _estimand(entry: Mapping[str, Any]) -> Estimand:
    for estimand in Estimand:
        if entry["estimand"] in (estimand.label, estimand.name, estimand.name.lower()):
            return estimand
    known = ", ".join(estimand.label for estimand in Estimand)
    raise ValueError(f"estimate {entry['id']!r}: {entry['estimand']!r} is not an estimand; there are {known}")


def is_suppressed(entry: Mapping[str, Any]) -> bool:
    """Whether an estimate has no value because disclosure control took it, not because the data give none."""
    return entry["value"] is None and _tells_suppressed(entry.get("caveats") or ())


def _tells_suppressed(caveats: Sequence[Any]) -> bool:
    return any(str(caveat).startswith("Suppressed:") for caveat in caveats)


def _or(value: float | None, absent: float) -> float:
    return absent if value is None else float(value)


def primary_of(record: Record) -> Estimate | None:
    """The estimate the verdict read, or nothing where the run got no further."""
    entries = [entry for entry in record["estimates"] if entry["id"] == "primary"]
    return estimate_of(entries[0]) if entries else None


class Fact(NamedTuple):
    """One key number of the first screen.

    Attributes
    ----------
    term, value, detail : what it is, the number, and what belongs to it.
    id : the estimate it is, or the address of the section it comes from, such as ``#data``.
    link : the words of the link to that section.
    """

    term: str
    value: str
    detail: str
    id: str
    link: str = ""


def facts(record: Record) -> list[Fact]:
    """The numbers a reader needs before the rest: effect, counts, window, grade."""
    verdict = record["verdict"]
    grade = Fact(
        "Grade", plain(verdict["grade"] or ABSENT), f"A to D; {_checks_passed(record['checks'])}", "#checks", "checks"
    )
    found = [_effect(record), grade, _deployments(record), _incidents(record), _attributable(record), _window(record)]
    return [fact for fact in found if fact is not None]


def _effect(record: Record) -> Fact | None:
    primary = primary_of(record)
    if primary is None:
        return None
    name = primary.estimand.label.capitalize()
    if not primary.estimable:
        why = plain("; ".join(caveat.rstrip(".") for caveat in primary.caveats))
        return Fact(name, "suppressed" if _tells_suppressed(primary.caveats) else "not estimable", why, "primary")
    interval = primary.interval
    held = f"{percent(interval.level)} interval {limits(interval.low, interval.high)}"
    return Fact(name, number(primary.value), held + (f"; {plain(primary.design)}" if primary.design else ""), "primary")


def _checks_passed(checks: Sequence[Mapping[str, Any]]) -> str:
    passed, open_ = (sum(check["status"] == status for check in checks) for status in ("pass", "not assessed"))
    return f"{passed} of {len(checks)} checks passed" + (f", {open_} not assessed" if open_ else "")


def _deployments(record: Record) -> Fact | None:
    population = record["data"].get("population")
    if not population:
        return None
    analysed = next((row for row in population if row["step"] == ANALYSED), {"ai": 0, "human": 0})
    total = analysed["ai"] + analysed["human"]
    parts = [f"{count(analysed['ai'])} AI-assisted, {count(analysed['human'])} not", _compared(record, total)]
    if (unlabelled := _unlabelled(population)) != 0:
        parts.append(f"{count(unlabelled)} left out because their assistance is unknown")
    return Fact("Deployments analysed", count(total), "; ".join(filter(None, parts)), "#data", "data")


def _unlabelled(population: Sequence[Mapping[str, Any]]) -> int | None:
    """Deployments that only the missing label keeps out; others without one are left out for an earlier reason."""
    counts = [row.get("unknown") for row in population if str(row["step"]).startswith(WITHOUT_LABEL)]
    known = [int(each) for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def _compared(record: Record, analysed: int) -> str:
    """How many the primary estimate rests on, where some have nothing to be compared with."""
    primary = primary_of(record)
    n = primary.support.get("n") if primary and primary.estimable else None
    return f"{count(n)} of them can be compared" if n is not None and n != analysed else ""


def _incidents(record: Record) -> Fact | None:
    table = record["data"]["tables"].get("incidents")
    if table is None:
        return None
    primary = primary_of(record)
    events = primary.support.get("events") if primary else None
    detail = f"used; {count(events)} of the deployments compared were followed by one" if events is not None else "used"
    return Fact("Incidents", count(table["used"]), detail, "#data", "data")


def _attributable(record: Record) -> Fact | None:
    attributable = record["verdict"].get("attributable_incidents")
    if not attributable or attributable["value"] is None:
        return None
    low, high = (_whole(attributable[end]) for end in ("low", "high"))
    primary = primary_of(record)
    level = f"{percent(primary.interval.level)} interval " if primary else ""
    detail = f"{level}{low} to {high}; among AI-assisted deployments, beyond the others’ risk"
    return Fact("Failures beyond the expected", _whole(attributable["value"]), detail, "#beyond", "method")


def _whole(value: float | None) -> str:
    """Incidents come in whole numbers; a missing limit is one the data do not give."""
    return "no limit" if value is None else count(round(value))


def _window(record: Record) -> Fact | None:
    window = record["data"].get("window")
    if not window or not window.get("start"):
        return None
    hours = window.get("follow_up_hours")
    followed = f"each deployment followed for {hours:g} hours" if hours is not None else ""
    return Fact("Data window", f"{day_of(window['start'])} to {day_of(window['end'])}", followed, "#plan", "plan")


def day_of(moment: Any) -> str:
    """The day of an ISO time, readable and unbroken; a time of another form as it is."""
    text = plain(moment)
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return text
    return day_words(day)
