"""git-ai's authorship notes (``refs/notes/ai``): which lines of a commit an AI session wrote.

The format is the Git AI Standard 3.0.0: an attestation section (a path at column 0, then two-space indented
``<key> <line ranges>``), a line ``---``, and JSON. Three forms of keys occur, in one note even: ``s_…::t_…`` (a
session), sixteen or seven hexadecimal digits (a prompt, before 1.4), ``h_…`` (a known human). Lines without a key are
untracked: nobody knows who wrote them, and they are never counted as human here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REF = "refs/notes/ai"

_SESSION = re.compile(r"(s_[0-9a-f]{14})(?:::t_[0-9a-f]{14})?$")
_PROMPT = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{7})$")
_HUMAN = re.compile(r"h_[0-9a-f]{14}$")
_RANGES = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AuthorshipNote:
    """What one note attests.

    Attributes
    ----------
    ai_lines : lines attested to AI sessions, each counted once.
    human_lines : lines attested to known humans.
    tool : the tool of the most AI lines as git-ai names it, or None.
    """

    ai_lines: int
    human_lines: int
    tool: str | None

    def ai_share(self, lines_added: int | None) -> float | None:
        """The AI's share of the lines a commit added, or None where that number is not known.

        At most 1: git-ai attests a line that merely moved, and ``git diff --numstat`` does not count it.
        """
        if not lines_added or lines_added < 0:
            return None
        return min(1.0, self.ai_lines / lines_added)


def parse_note(text: str) -> AuthorshipNote | None:
    """The attestation in a note, or None where the text is not such a note.

    Parameters
    ----------
    text : the whole note.

    Returns
    -------
    AuthorshipNote or None : a note whose JSON is damaged still attests its lines; only the tool is then unknown.
    """
    attestations, divider, metadata = _split(text)
    if not divider:
        return None
    ai: dict[str, list[Span]] = defaultdict(list)
    human: dict[str, list[Span]] = defaultdict(list)
    by_session: dict[str, int] = defaultdict(int)
    for path, key, spans in _entries(attestations):
        if _HUMAN.match(key):
            human[path] += spans
        elif session := _ai_session(key):
            ai[path] += spans
            by_session[session] += _covered(spans)
    return AuthorshipNote(
        ai_lines=sum(map(_covered, ai.values())),
        human_lines=sum(map(_covered, human.values())),
        tool=_main_tool(by_session, _records(metadata)),
    )


def _split(text: str) -> tuple[list[str], bool, str]:
    lines = text.splitlines()
    if "---" not in lines:
        return [], False, ""
    at = lines.index("---")
    return lines[:at], True, "\n".join(lines[at + 1 :])


def _entries(lines: Iterable[str]) -> Iterable[tuple[str, str, list[Span]]]:
    path = ""
    for line in lines:
        if not line.startswith(" "):
            path = line
            continue
        key, _, ranges = line.strip().partition(" ")
        if path and _RANGES.match(ranges):
            yield path, key, [_span(part) for part in ranges.split(",")]


def _span(part: str) -> Span:
    first, _, last = part.partition("-")
    return int(first), int(last or first)


def _ai_session(key: str) -> str | None:
    """The name under which the metadata explain an AI key; None for a key of no known form."""
    if found := _SESSION.match(key):
        return found[1]
    return key if _PROMPT.match(key) else None


def _covered(spans: Iterable[Span]) -> int:
    """Lines in the union of spans: two sessions may attest the same line."""
    covered, reached = 0, 0
    for first, last in sorted(spans):
        covered += max(0, last - max(first - 1, reached))
        reached = max(reached, last)
    return covered


def _records(metadata: str) -> Mapping[str, Any]:
    """Session and prompt records by key."""
    try:
        fields = json.loads(metadata)
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    records: dict[str, Any] = {}
    for name in ("prompts", "sessions"):
        if isinstance(found := fields.get(name), dict):
            records |= found
    return records


def _main_tool(lines: Mapping[str, int], records: Mapping[str, Any]) -> str | None:
    by_tool: dict[str, int] = defaultdict(int)
    for session, count in lines.items():
        record = records.get(session)
        agent = record.get("agent_id") if isinstance(record, dict) else None
        if isinstance(agent, dict) and isinstance(agent.get("tool"), str):
            by_tool[agent["tool"]] += count
    return max(sorted(by_tool), key=by_tool.__getitem__) if by_tool else None
