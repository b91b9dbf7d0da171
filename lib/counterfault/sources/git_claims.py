"""What a commit message says about itself: its title and number, what it undoes, whether it is a hot-fix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from counterfault.labels.classify import merged_branch

Kind = Literal["revert", "reapply"]
Evidence = Literal["quoted", "conventional", "word", "reference"]

_PREFIX = re.compile(r"(?P<type>[a-z]+)(?:\((?P<scope>[^)]*)\))?!?:\s*(?P<rest>.*)", re.IGNORECASE)
_TYPES = {
    **dict.fromkeys(("feat", "feature"), "feature"),
    **dict.fromkeys(("fix", "bugfix", "bug", "hotfix"), "fix"),
    **dict.fromkeys(("docs", "doc"), "docs"),
    **dict.fromkeys(("test", "tests"), "test"),
    **dict.fromkeys(("chore", "deps"), "chore"),
    **{name: name for name in ("perf", "refactor", "style", "build", "ci", "revert")},
}
# "feat: revert button" is about a button: after these, the bare word is the change's subject, not its deed.
_ABOUT_SOMETHING = frozenset({"feature", "docs", "test", "style"})

_QUOTED = re.compile(r"(?:\[?(?:revert|rollback|back(?:ed)? ?out)\]?:?)\s+[\"“”'‘](?P<title>.+)", re.IGNORECASE)
_WORD = re.compile(r"\[?(?:revert(?:s|ed|ing)?|back(?:ed|ing|s)?[ -]?out)\]?\b(?!-)(?P<rest>.*)", re.IGNORECASE)
_AGAIN = re.compile(r"\[?(?:re-?appl(?:y|ies|ied|ying)|re-?land(?:s|ed|ing)?|un-?revert(?:s|ed|ing)?)\b", re.IGNORECASE)
_TWICE = re.compile(r"\brevert(?:s|ed|ing)?(?:-| (?:of )?(?:the |a )?)revert\b", re.IGNORECASE)
_HOTFIX = re.compile(r"[\[(]?hot[-_ ]?fix(?:es)?\b", re.IGNORECASE)
_INCIDENT = re.compile(r"(?<![\w-])inc-\d+\b", re.IGNORECASE)
_HOTFIX_BRANCH = re.compile(r"(?:.*/)?hot[-_]?fix(?:es)?[/-]", re.IGNORECASE)

_OWN_NUMBER = re.compile(r"\s*\((?:#|!|pull request #)(\d+)\)\s*$")
_MERGE_NUMBER = re.compile(r"Merge pull request #(\d+) ")
_MERGE_REQUEST = re.compile(r"^See merge request \S*!(\d+)", re.MULTILINE)
_REVERT_BRANCH = re.compile(r"revert-(\d+)-")
_NUMBER = re.compile(r"[#!](\d+)\b")

_UNDOING_WORDS = ("revert", "backout", "back-out", "back out", "backed", "backing", "backs", "rollback", "land", "appl")

_SHA = r"(?:https?://\S+/commits?/)?[0-9a-f]{7,64}\b"
# "Reverts to commit X" goes back to X; everything after "reversing changes made to" is a parent, not a target.
_UNDONE_SHAS = re.compile(
    r"\brevert(?:s|ing)?\s+(?:(?:parts?|the changes|changes)\s+(?:of|from|in)\s+)?"
    r"(?:(?:commits?|changesets?)\b)?[\s:]*"
    rf"(?P<shas>{_SHA}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+){_SHA})*)",
    re.IGNORECASE,
)
_UNDONE_NUMBERS = re.compile(
    r"\brevert(?:s|ing)?\s+(?:changes (?:from|in|of)\s+)?(?:pull request\s+|merge request\s+|pr\s+|mr\s+)?"
    r"(?:[\w.-]+/)*[\w.-]*[#!](\d+)\b",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9a-f]{7,64}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Undoing:
    """What a message says it undoes.

    Attributes
    ----------
    kind : "revert", or "reapply" for what brings a reverted change back (a revert of a revert, a reland).
    evidence : "quoted" (Revert "…"), "conventional" (revert: …), "word" (the title begins with the word), or
        "reference": only a sha or number somewhere says so, to be believed if it leads to an earlier change.
    shas, numbers : what it names, abbreviated or not; pull or merge request numbers.
    title : the title it names, or None.
    """

    kind: Kind
    evidence: Evidence
    shas: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What is kept of a message while a history is read; none of it reaches a table but ``change_type``.

    Attributes
    ----------
    titles : by which a later message may name this commit.
    number : of its pull or merge request.
    undoes : what it undoes, or None.
    is_hotfix : its title or merged branch says so.
    change_type : of the conventional prefix, from a fixed list; None without one.
    """

    titles: tuple[str, ...]
    number: int | None
    undoes: Undoing | None
    is_hotfix: bool
    change_type: str | None


def read_claims(message: str) -> Claims:
    """What a commit message says about its own change.

    Parameters
    ----------
    message : the whole message.

    Returns
    -------
    Claims : for a merge commit made by a forge, of the request's title as well.
    """
    subject, _, body = message.strip().partition("\n")
    branch = merged_branch(subject) if subject.startswith("Merge") else None
    title = (_first_line(body) if branch else None) or subject
    return Claims(
        titles=tuple(dict.fromkeys((subject.strip(), title.strip()))),
        number=_request_number(subject, title, body),
        undoes=_undoing(title.strip(), message, branch),
        is_hotfix=_is_hotfix(title.strip(), branch),
        change_type=_change_type(title),
    )


def without_number(title: str) -> str:
    """A title without the "(#123)" that forges append to it."""
    return _OWN_NUMBER.sub("", title)


def own_number(title: str) -> int | None:
    """The request number that ends a title."""
    found = _OWN_NUMBER.search(title)
    return int(found[1]) if found else None


def title_key(title: str) -> str:
    """The form in which titles are compared: case and spacing are not kept by people who retype them."""
    return " ".join(title.casefold().split())


def _undoing(title: str, message: str, branch: str | None) -> Undoing | None:
    lower = message.lower()
    if not any(word in lower for word in _UNDOING_WORDS):  # nearly every message, and the patterns are slow
        return None
    kind, evidence, named = _title_says(title)
    from_branch = _REVERT_BRANCH.match(branch) if branch else None
    body = message.strip().partition("\n")[2]
    shas = _undone_shas(message)
    if kind is None or evidence is None:
        return _referred(shas, title, body, from_branch)
    numbers = [int(found) for found in _UNDONE_NUMBERS.findall(body)]
    if evidence != "quoted":
        numbers += [int(found) for found in _NUMBER.findall(without_number(title))]
    if from_branch:
        numbers.append(int(from_branch[1]))
    if not shas and evidence != "quoted":
        shas = _HEX.findall(named or "")
    return Undoing(kind, evidence, _unique(shas), tuple(dict.fromkeys(numbers)), named)


def _referred(shas: list[str], title: str, body: str, from_branch: re.Match[str] | None) -> Undoing | None:
    numbers = [int(found) for found in _UNDONE_NUMBERS.findall(title)]
    # In a body only at the start of a line: elsewhere it tells a story ("this was reverted in #12").
    numbers += [int(found[1]) for line in body.splitlines() if (found := _UNDONE_NUMBERS.match(line))]
    if from_branch:
        numbers.append(int(from_branch[1]))
    if not shas and not numbers:
        return None
    return Undoing("revert", "reference", _unique(shas), tuple(dict.fromkeys(numbers)))


def _title_says(title: str) -> tuple[Kind | None, Evidence | None, str | None]:
    """Whether a title undoes something, how it says so, and the title it names."""
    if _TWICE.search(without_number(title)):
        return "reapply", "word", None
    prefix = _PREFIX.match(title)
    kind_of_change = _TYPES.get(prefix["type"].lower()) if prefix else None
    conventional = prefix is not None and "revert" in (prefix["type"].lower(), (prefix["scope"] or "").lower())
    text = prefix["rest"] if prefix and (kind_of_change or conventional) else title
    if _AGAIN.match(text) or (prefix and _AGAIN.match(prefix["type"])):
        return "reapply", "word", None
    if quoted := _QUOTED.match(text):
        return _opposite(_unquoted(quoted["title"])), "quoted", _unquoted(quoted["title"])
    if conventional:
        named = _unquoted(text.lstrip("\"“'"))
        return _opposite(named, only_quoted=True), "conventional", named
    if kind_of_change not in _ABOUT_SOMETHING and (word := _WORD.match(text)):
        return "revert", "word", without_number(word["rest"].strip())
    return None, None, None


def _opposite(named: str, *, only_quoted: bool = False) -> Kind:
    """Reverting a revert brings the change back; reverting that again is a failure of what came back.

    ``only_quoted``: "revert: revert the cache" is one revert with the word said twice.
    """
    kind, evidence, _ = _title_says(named)
    if kind == "revert" and not (only_quoted and evidence == "word"):
        return "reapply"
    return "revert"


def _unquoted(text: str) -> str:
    """What stands between the first quotation mark and the last; a forge may have cut the last one off."""
    whole = text.strip()
    closing = max(whole.rfind(mark) for mark in "\"”'’")
    rest = whole[closing + 1 :].strip() if closing >= 0 else ""
    # Only a request number, or nothing, may follow the closing mark; otherwise the mark is part of the title.
    return whole[:closing].strip() if closing >= 0 and (not rest or _OWN_NUMBER.match(rest)) else without_number(whole)


def _undone_shas(message: str) -> list[str]:
    found = []
    for line in _own_lines(message):
        for match in _UNDONE_SHAS.finditer(line):
            found += [text.rpartition("/")[2] for text in re.findall(_SHA, match["shas"], re.IGNORECASE)]
    return found


def _own_lines(message: str) -> Iterable[str]:
    """Lines the author wrote; quotations ("> …" and four spaces) speak of another commit."""
    return (line for line in message.splitlines() if not line.startswith((">", "    ", "\t")))


def _request_number(subject: str, title: str, body: str) -> int | None:
    if found := _MERGE_NUMBER.match(subject) or _OWN_NUMBER.search(subject) or _OWN_NUMBER.search(title):
        return int(found[1])
    merge_request = _MERGE_REQUEST.search(body)
    return int(merge_request[1]) if merge_request else None


def _is_hotfix(title: str, branch: str | None) -> bool:
    prefix = _PREFIX.match(title)
    text = prefix["rest"] if prefix and _TYPES.get(prefix["type"].lower()) in ("fix", "chore") else title
    named = prefix is not None and prefix["type"].lower() == "hotfix"
    return bool(named or _HOTFIX.match(text) or _INCIDENT.search(title) or (branch and _HOTFIX_BRANCH.match(branch)))


def _change_type(title: str) -> str | None:
    prefix = _PREFIX.match(title)
    return _TYPES.get(prefix["type"].lower()) if prefix else None


def _first_line(body: str) -> str | None:
    return next((line.strip() for line in body.splitlines() if line.strip()), None)


def _unique(shas: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sha.lower() for sha in shas))
