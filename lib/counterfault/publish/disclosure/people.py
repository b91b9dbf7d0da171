"""No author reaches a published page: neither names nor addresses nor the hashes that stand for them.

Results hold no authors. What a notebook of a user's own shows may: a column of a table, a sentence, a line of code.
"""

from __future__ import annotations

import re

NOBODY = "(withheld)"
_PEOPLE = "co[- _]?authors?|authors?|committers?|reviewer names?|e-?mails?|logins?|usernames?|assignees?"
# Of groups, spans of time and numbers of authors nothing is told of anyone.
_COLUMN = re.compile(
    rf"^(?:hashed |pseudonymous |commit |change |deployment )*(?:{_PEOPLE})(?: (?:hash|hashes|id|ids|name|names|"
    rf"e-?mails?|login|key|pseudonym|address))*$"
)
_SAID = re.compile(
    rf"\b((?:{_PEOPLE})(?:[ _](?:hash|id|name|email|login))?)(\s*(?:==?|!=|:|≠)\s*|\s+(?:is not|is|was)\s+)"
    r"(?!\(withheld\)|one the plan names)('[^']*'|\"[^\"]*\"|“[^”]*”|[^\s,;|)\]}]+)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# What stands for an author in the tables of this project: 12 digits of a keyed hash. Digests say what they are of.
_PSEUDONYM = re.compile(
    r"(?:(?<![\w%#.-])|(?<=%[0-9A-F]{2}))(?<!SHA-256 )(?<!digest )(?<!sha256:)(?<!commit )[0-9a-f]{12}(?![\w-])"
)
_OF_A_PLAN = re.compile(r"(?<![^()])(?P<title>[^()]*\S \()(?P<digest>[0-9a-f]{12})\)\s*")
_TRAILER = re.compile(r"\b((?:co-authored|signed-off|reviewed)-by:)[^\n<]*(?:<[^>\n]*>)?", re.IGNORECASE)


def names_people(heading: object) -> bool:
    """Whether a column of this name may hold authors."""
    return _COLUMN.match(" ".join(re.sub(r"[^a-z-]+", " ", str(heading).lower()).split())) is not None


def without_people(text: str) -> str:
    """A text without what it says of authors, and without addresses."""
    shorter = _TRAILER.sub(lambda found: f"{found[1]} {NOBODY}", text)
    shorter = _without_pseudonyms(_ADDRESS.sub(NOBODY, shorter))
    return _SAID.sub(lambda found: f"{found[1]}{found[2]}{NOBODY}", shorter)


def _without_pseudonyms(text: str) -> str:
    plan = _OF_A_PLAN.fullmatch(text)  # "Title (04047360a718)", as closings name the plan
    if plan:
        return f"{_PSEUDONYM.sub(NOBODY, plan['title'])}{plan['digest']})"
    return _PSEUDONYM.sub(NOBODY, text)


def code_without_people(source: str) -> str:
    """Code as it is, but for the texts in lines that speak of authors: one may be an author."""
    return "\n".join(_line(line) for line in source.split("\n"))


def _line(line: str) -> str:
    if not re.search(rf"\b(?:{_PEOPLE})\b|author", line, re.IGNORECASE):
        return _PSEUDONYM.sub(NOBODY, _ADDRESS.sub(NOBODY, line))
    line = _PSEUDONYM.sub(NOBODY, _ADDRESS.sub(NOBODY, line))
    return re.sub(
        r"(['\"])(.*?)\1", lambda text: text[0] if _is_name_of_column(text[2]) else f"{text[1]}…{text[1]}", line
    )


def _is_name_of_column(text: str) -> bool:
    return bool(re.fullmatch(r"[a-z_ ]*(?:author|committer)[a-z_ ]*", text)) or text in ("service", "team", "")
