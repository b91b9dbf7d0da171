"""Names that come from data as addresses that are safe everywhere, and moments as words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256

LONGEST_SLUG = 60
# Folders that cannot be made on Windows, where somebody may copy the site to.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


def slug(name: str) -> str:
    """A name as one part of an address: ``a`` to ``z``, digits and ``-``, never empty, at most 60 characters.

    Where the name had to be cut, or nothing of it was left, a short hash of it keeps it apart from others.
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")
    if words and len(words) <= LONGEST_SLUG and words not in RESERVED:
        return words
    return hashed(words or "study", name)


def hashed(words: str, name: str) -> str:
    """The slug with eight digits of the name's hash behind it."""
    digits = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{words[: LONGEST_SLUG - 9].rstrip('-')}-{digits}"


def slugs(names: Iterable[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Name → slug for all names, no two alike.

    Parameters
    ----------
    names : of studies.
    taken : name → slug of studies the site already has; an address that was given out stays.
    """
    given = dict(taken)
    # Who is called exactly so comes first: "a-b" gets its own name, and "a/b" the one with a hash.
    for name in sorted(set(names) - set(given), key=lambda name: (slug(name) != name, name)):
        wanted = slug(name)
        given[name] = hashed(wanted, name) if wanted in given.values() else wanted
    return given


def run_id(began: datetime, plan_digest: str) -> str:
    """What a run is called whose manifest does not say: its start and its plan."""
    return f"{began.astimezone(UTC):%Y%m%dT%H%M%SZ}-{plan_digest[:8]}"


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in the words of a reader: today, 3 days ago, 5 months ago."""
    days = (now.astimezone(UTC).date() - moment.astimezone(UTC).date()).days
    if days < 0:
        return "dated after this page"
    if days < 2:
        return ("today", "yesterday")[days]
    for name, length, enough in (("year", 365.25, 730), ("month", 30.4375, 61), ("week", 7, 14)):
        if days >= enough:
            return f"{int(days / length)} {name}s ago"
    return f"{days} days ago"
