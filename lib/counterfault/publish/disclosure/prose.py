"""Sentences fit to be published: a small number in them becomes "fewer than 5", unless it is known to count no one.

Unknown means masked. A number is known to be harmless by the noun it counts (hours, checks, services), by what stands
before it ("at least 4", "hour 3"), by being the 1 that ratios are held against, or because its sentence counts harmless
things ("of 13 attempts 2 left it standing"). Numbers that are part of something longer (2025-03, 1.5, dep-0003) are no
counts. "Three deployments" is masked like "3 deployments".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from counterfault.publish.disclosure.naming import HARMLESS, PROTECTED
from counterfault.publish.disclosure.people import without_people
from counterfault.publish.disclosure.policy import Policy

NUMBER_WORDS = ("the one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
SUPPRESSED = "a suppressed number"

# A whole number that stands alone: no part of a decimal, a date, a name, a version or an address.
_WHOLE = re.compile(r"(?<![\w.,:/#@&−-])(\d{1,3}(?:,\d{3})+|\d+)(?!\.?\d|[\w@]|[:/](?!\s|$)|,\d|-\d)")
_ADJECTIVES = r"(?:[a-z][\w’'-]*\s+){0,3}?"
# Words that end what a number counts: "19 broke a rule" counts no rules.
_NO_ADJECTIVE = (
    "a|an|the|its|their|of|in|to|at|by|for|with|without|had|has|have|was|were|is|are|be|been|broke|break|breaks|left|"
    "fell|met|hit|that|which|who|and|or|not|no|on|after|before|from|per|across|within|under|over|between|during"
)
_DESCRIBED = rf"(?:(?!(?:{_NO_ADJECTIVE})\b)[a-z][\w’'-]*\s+){{0,2}}?"
_AFTER_HARMLESS = re.compile(
    rf"\s*(?:%|-fold\b|×|−|\+)|\s+(?:to under\b|in\s+\d+\b|times\b|more in the table\b|{_DESCRIBED}(?:{HARMLESS})\b)",
    re.IGNORECASE,
)
_AFTER_PROTECTED = re.compile(rf"\s+(?:of\s+(?:the\s+)?[\d,]+\s+)?{_ADJECTIVES}(?:{PROTECTED})\b", re.IGNORECASE)
_BEFORE_HARMLESS = re.compile(
    r"(?:\b(?:at least|at most|hours?|severity|seed|grade|level|top|step|hop|cell|version|figure|table|section|page|"
    r"equation|method|group|period|day|week|month|quarter|year|no\.|part|ratios? of|strength of|lag|lead|"
    r"it takes|takes|last|first|next|newest|previous|below|above|under|over|more than|fewer than|less than|exceeds?)|"
    r"\(Holm 1979\):|[≤≥<>×+−]|\bp\s*=)\s*$",
    re.IGNORECASE,
)
_OF_HARMLESS = re.compile(rf"\b(?:of|all|none of)\s+(?:the\s+)?([\d,]+)\s+{_DESCRIBED}(?:{HARMLESS})\b", re.IGNORECASE)
# The 1 that ratios are held against.
_NULL_BEFORE = re.compile(
    r"\b(?:above|below|from|towards?|around|about|against|than|of|out|cross(?:es)?|leaves?|excludes?|includes?|holds?|"
    r"contains?|reach(?:es)?|with|has|have|having|on|at|is|nearer(?: to)?|side of|bring [\d.]+ to|keeps?|where)\s+$",
    re.IGNORECASE,
)
_NULL_AFTER = re.compile(
    r"\s*(?:$|[.,;:)(”]|and (?:also|above|below|that)\b|(?:out|inside|on|would|by|is|in four|or|takes|but|means|there|"
    r"comes|cannot|lies?|gives?|as|at|where)\b)"
)
_NULL_ITSELF = re.compile(r"\s+would mean\b")
_COUNTED_WORD = re.compile(
    rf"\b((?:only |just |exactly )one|{'|'.join(NUMBER_WORDS)})\s+(?:[a-z][\w’'-]*\s+)?(?:{PROTECTED})\b", re.IGNORECASE
)
_SINGULAR = re.compile(
    r" (account|author|case|change|commit|deployment|event|failure|incident|link|observation|person|record|release|row|"
    r"tie)\b"
)
# "3/117", which is no date.
_FRACTION = re.compile(r"(?<![\w.,:/#@&−-])(\d+)\s?/\s?(\d{2,}|[5-9])(?![\w:/@]|\.\d|,\d|-\d)")
# Made from counts: "1.20", "+4.1%", unless it is the level of an interval.
_MADE = re.compile(
    r"(?<![\w.,:/#@&])[+−-]?\d+(?:\.\d+(?:\s?%)?|\s?%)(?!\.?\d|[\w:/@])(?!\s+(?:intervals?|confidence|level)\b)"
)
_MADE_BY_PLAN = re.compile(r"\s+or (?:more|less)\b|\s+(?:is|was) (?:wanted|asked)\b")
_SHARE_OF = re.compile(r"(\d+(?:\.\d+)?)\s?%(?=\s+of\s+(?:the\s+|all\s+)?([\d,]+)\b(?!\.\d|%))")


_AFTER_UNIT = re.compile(rf"\s+{_DESCRIBED}(?:{HARMLESS})\b", re.IGNORECASE)


class Masking(NamedTuple):
    """A text that may be published, and how many numbers it lost."""

    text: str
    suppressed: int


def masked_prose(text: str, policy: Policy) -> Masking:
    """The text without small counts, without authors, with counts rounded.

    Parameters
    ----------
    text : one or more sentences, computed by a cell.
    policy : of the run.

    Notes
    -----
    Of sums, those of two numbers of one paragraph are looked at: in "of 904 rows 4 broke a rule, 900 did not" the
    smaller of the two larger ones goes with the small one.
    """
    found = [*_fractions(text, policy), *_numbers(text, policy), *_words(text, policy), *_shares(text, policy)]
    found += list(_that_give_away(text, found, policy))
    taken = {each.start for each in found}
    made = _made(text, policy) if any(each.gone for each in found) else _secret(text, policy)
    found += [each for each in made if each.start not in taken]
    return _with_changes(text, found)


def without_made(text: str, policy: Policy) -> str:
    """The text without its shares and ratios: what is made from a count that the same paragraph does not show."""
    return _with_changes(text, list(_made(text, policy))).text


def _with_changes(text: str, found: Sequence[_Change]) -> Masking:
    parts: list[str] = []
    at = 0
    for change in sorted(set(found)):
        if change.start >= at:
            parts += [text[at : change.start], _begun(change.words, "".join([*parts, text[at : change.start]]))]
            at = change.end
    return Masking(without_people("".join([*parts, text[at:]])), sum(each.gone for each in set(found)))


class _Change(NamedTuple):
    """From where to where, the words instead, the number that stood there, and whether it is gone or only rounded."""

    start: int
    end: int
    words: str
    value: int = -1
    gone: bool = True


def _begun(words: str, before: str) -> str:
    """With a capital letter where a sentence begins."""
    starts = not before.strip() or re.search(r"[.!?]\s+$", before)
    return words[:1].upper() + words[1:] if starts else words


def _numbers(text: str, policy: Policy) -> Iterator[_Change]:
    for found in _WHOLE.finditer(text):
        value, (start, end) = _as_int(found[1]), found.span(1)
        if _is_harmless(text, found, value):
            continue
        if value in policy.withheld:
            yield _Change(start, end, f"{SUPPRESSED} of" if _AFTER_PROTECTED.match(text, end) else SUPPRESSED, value)
        elif policy.is_small(value):
            yield _few(text, start, end, value, policy)
        elif policy.round_to > 1 and value:
            yield _Change(start, end, f"{policy.rounded(value):,}", value, gone=False)


def _few(text: str, start: int, end: int, value: int, policy: Policy) -> _Change:
    """ "1 deployment" becomes "fewer than 5 deployments"."""
    words, noun = f"fewer than {policy.threshold}", _SINGULAR.match(text, end)
    return _Change(start, noun.end(), f"{words} {noun[1]}s", value) if noun else _Change(start, end, words, value)


def _is_harmless(text: str, found: re.Match[str], value: int) -> bool:
    before, after = text[: found.start(1)], text[found.end(1) :]
    if of := re.match(r"\s+(?:out )?of\s+(?:the\s+|all\s+)?[\d,]+(?!\d|\.\d)", after):
        return _AFTER_HARMLESS.match(after, of.end()) is not None
    if value == 1 and ((_NULL_BEFORE.search(before[-30:]) and _NULL_AFTER.match(after)) or _NULL_ITSELF.match(after)):
        return True
    if _AFTER_PROTECTED.match(after) and not _nearer_harmless(after):
        return False
    if _AFTER_HARMLESS.match(after) or _BEFORE_HARMLESS.search(before[-30:]):
        return True
    return _counts_harmless_things(text, found.start(1), value)


def _nearer_harmless(after: str) -> bool:
    """Whether a harmless noun comes before any other: "3 hours after deployments" counts hours."""
    harmless, protected = _AFTER_HARMLESS.match(after), _AFTER_PROTECTED.match(after)
    return bool(harmless and protected and harmless.end() < protected.end())


def _counts_harmless_things(text: str, at: int, value: int) -> bool:
    """Whether the sentence has said what it counts: "Of 13 attempts to break the answer 12 left it standing"."""
    start = max(text.rfind(mark, 0, at) for mark in (". ", "! ", "? ", "\n")) + 1
    return any(value <= _as_int(each[1]) for each in _OF_HARMLESS.finditer(text, start, at))


def _words(text: str, policy: Policy) -> Iterator[_Change]:
    sizes = {word: size for size, word in enumerate(NUMBER_WORDS, start=1)}
    for found in _COUNTED_WORD.finditer(text):
        size = sizes.get(found[1].lower(), 1)
        if policy.is_small(size) and not _nearer_harmless(text[found.end(1) :]):
            yield _few(text, *found.span(1), size, policy)


def _shares(text: str, policy: Policy) -> Iterator[_Change]:
    """Shares that are one of a few: 2% of 150 is 3."""
    for found in _SHARE_OF.finditer(text):
        part = float(found[1]) / 100 * _as_int(found[2])
        if 0.5 <= part < policy.threshold - 0.5:
            yield _Change(found.start(), found.end(), "a suppressed share")


def _fractions(text: str, policy: Policy) -> Iterator[_Change]:
    """Of "3/117" the 3."""
    for found in _FRACTION.finditer(text):
        value, whole = int(found[1]), int(found[2])
        if policy.is_small(value) or policy.is_small(whole - value):
            yield _Change(*found.span(), f"a suppressed part of {whole}", value)


def _made(text: str, policy: Policy) -> Iterator[_Change]:
    """Shares and ratios beside a count that is gone: with the total they give it back."""
    for found in _MADE.finditer(text):
        before, after = text[: found.start()], text[found.end() :]
        if found[0] in policy.open:
            continue
        if not (_BEFORE_HARMLESS.search(before[-30:]) or _AFTER_UNIT.match(after) or _MADE_BY_PLAN.match(after)):
            yield _Change(*found.span(), SUPPRESSED)


def _secret(text: str, policy: Policy) -> Iterator[_Change]:
    """Shares and ratios of the run that tell of few, wherever they are written."""
    for found in _MADE.finditer(text):
        if found[0].lstrip("+").replace(" ", "") in policy.figures:
            yield _Change(*found.span(), SUPPRESSED)


def _that_give_away(text: str, gone: Sequence[_Change], policy: Policy) -> Iterator[_Change]:
    """Of two shown numbers of a paragraph whose difference is a suppressed one, the smaller."""
    places = {each.start for each in gone}
    small = {each.value for each in gone if policy.is_small(each.value)}
    shown = [
        (each, _as_int(each[1]))
        for each in _WHOLE.finditer(text)
        if small and each.start(1) not in places and not _is_harmless(text, each, _as_int(each[1]))
    ]
    for one, other in combinations(shown, 2):
        (found, less), (_, more) = sorted((one, other), key=lambda each: each[1])
        if more - less in small and less >= policy.threshold:
            yield _Change(*found.span(1), SUPPRESSED, less)


def _as_int(digits: str) -> int:
    return int(digits.replace(",", "") or 0)
