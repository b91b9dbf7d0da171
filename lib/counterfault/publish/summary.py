"""The result as one Markdown paragraph, to be pasted into a postmortem or a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from counterfault.estimate import Estimate
from counterfault.figures.wording import clip, count, limits, number, percent, sentence_start
from counterfault.publish.record import Record, day_of, primary_of

# Longest texts taken over, in words: the paragraph is to be read in one breath.
QUESTION, CAUTION, DESIGN = 28, 34, 8
JOINER = "\u2060"
# Behind a sign of a mention, a reference or an entity; within an address; behind the dot of a domain.
BROKEN = re.compile(r"(?<=[@#&])(?=\S)|(?<=:)(?=//)|(?<=\S\.)(?=[^\W\d_])|(?i:(?<=\bgh-)|(?<=\bmailto:)|(?<=\bxmpp:))")
LINKS = ("", "http", "https", "file")


def summary(record: Record, *, link: str = "index.html") -> str:
    """Question, call, estimate, counts, window, grade and the caution that matters most, in under 120 words.

    Parameters
    ----------
    record : ``results.json`` as a mapping.
    link : where the report lies: a relative path or an address.

    Returns
    -------
    One paragraph of Markdown, ended by a line break. Text from data can format nothing, link nowhere, mention nobody.

    Raises
    ------
    ValueError : the link is of a kind that could run something.
    """
    parts = (
        _question(record),
        _call(record),
        _found(record),
        _window(record),
        _grade(record),
        _caution(record),
        _origin(record, link),
    )
    return " ".join(filter(None, parts)) + "\n"


def _question(record: Record) -> str:
    asked = record["verdict"].get("question") or record["plan"].get("question")
    words = _short(asked or "", QUESTION) or "Do AI-assisted changes fail more often than others?"
    return f"**{words}**"


def _call(record: Record) -> str:
    verdict = record["verdict"]
    words = str(verdict.get("words") or verdict["call"].replace("_", " "))
    return sentence_start(_sentence(words, 20))


def _found(record: Record) -> str:
    """The number with what it rests on; nothing while a gate silences it."""
    primary = primary_of(record)
    if _failed(record, gate=True):
        return "No estimate may speak."
    if primary is None or not primary.estimable:
        return "The primary estimate could not be made."
    # Never "of AI assistance": the words go with the number wherever it is pasted.
    return (
        f"The {primary.estimand.label} associated with AI assistance is {_size(primary)}{_design(primary)}"
        f"{_counts(primary)}."
    )


def _size(primary: Estimate) -> str:
    interval = primary.interval
    return f"{number(primary.value)} ({percent(interval.level)} interval {limits(interval.low, interval.high)})"


def _design(primary: Estimate) -> str:
    return f", {_short(primary.design, DESIGN)}" if primary.design not in ("", "none") else ""


def _counts(primary: Estimate) -> str:
    n, events = (primary.support.get(name) for name in ("n", "events"))
    if not (isinstance(n, int) and isinstance(events, int)):
        return ""
    return f", from {count(events)} failed of {count(n)} deployments compared"


def _window(record: Record) -> str:
    window = record["data"].get("window") or {}
    days = [window.get(end) for end in ("start", "end")]
    return f"Data: {' to '.join(markdown(day_of(day)) for day in days)}." if all(days) else ""


def _grade(record: Record) -> str:
    grade = record["verdict"].get("grade")
    return f"Grade {markdown(clip(grade, 8))} (A to D)." if grade else ""


def _caution(record: Record) -> str:
    """The first that holds: a silenced estimate, what an answer would need, a deviation, a failed check, a warning."""
    verdict, gates, others = record["verdict"], _failed(record, gate=True), _failed(record, gate=False)
    deviations = verdict.get("deviations") or []
    if gates:
        return f"A check that must hold failed{_more(gates)}: {_sentence(gates[0]['sentence'], CAUTION)}"
    if verdict.get("needed"):
        return _sentence(verdict["needed"], CAUTION)
    if deviations:
        return f"Caution{_more(deviations)}: {_sentence(deviations[0], CAUTION)}"
    if others:
        return f"Caution, a check failed{_more(others)}: {_sentence(others[0]['sentence'], CAUTION)}"
    return "This says nothing of causes."


def _more(found: Sequence[Any]) -> str:
    return f" (and {len(found) - 1} more in the report)" if len(found) > 1 else ""


def _failed(record: Record, *, gate: bool) -> list[Mapping[str, Any]]:
    return [check for check in record["checks"] if check["status"] == "fail" and bool(check.get("gate")) is gate]


def _origin(record: Record, link: str) -> str:
    provenance = record.get("provenance") or {}
    named = (("Plan", record["plan"].get("digest")), ("code", provenance.get("code_commit")))
    told = [f"{what} {_code(value)}" for what, value in named if value]
    return f"{sentence_start(', '.join([*told, f'[report]({_address(link)})']))}."


def _short(text: Any, words: int) -> str:
    """The first words, escaped."""
    taken = clip(text, 9 * words).split()
    return markdown(" ".join(taken[:words]) + ("…" if len(taken) > words else ""))


def _sentence(text: Any, words: int) -> str:
    """The same with one mark at its end."""
    short = _short(text, words).rstrip(".")
    return short if short.endswith(("…", "?", "!")) else f"{short}."


def _code(value: Any) -> str:
    """A digest or a commit as code; a backtick in it would end the code early."""
    return "`" + re.sub(r"[^\w .+-]", "", clip(value, 40)) + "`"


def _address(link: str) -> str:
    """The link such that no character in it ends it."""
    if urlsplit(link).scheme.lower() not in LINKS:
        raise ValueError(f"link {clip(link)!r}: a report lies at a relative path, or an http, https or file address")
    return quote(link, safe="/:?&=#%~+,;@-._")


def markdown(text: Any) -> str:
    """Text from data as Markdown that means nothing but itself, in GitHub's dialect and in a chat's.

    A backslash keeps GitHub from formatting, and a chat shows it. Angle brackets, with which a chat writes mentions and
    links, and which no backslash disarms there, become others; where a name, a number or an address would become a
    mention or a link after all the formatting, an invisible joiner breaks it.
    """
    line = clip(text, 2000).replace("<", "‹").replace(">", "›").replace("`", "’")
    # Within a word an underscore formats nothing, and column names stay readable.
    line = re.sub(r"[\\*~\[\]|$]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", line)
    return re.sub(BROKEN, JOINER, line)
