"""Passwords in addresses: used once, written nowhere.

A notebook, a report, a log and a manifest only ever see the redacted address. The processes started by a run
find the full one in their environment, under the redacted one's name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus

VARIABLE = "COUNTERFAULT_FULL_ADDRESSES"
MASK = "***"

# Up to the last @ of all, because passwords hold every sign there is: masking too much only costs a host's name.
_IN_AUTHORITY = re.compile(r"(?<=://)([^/@:]*):(.*)@", re.DOTALL)
_IN_QUERY = re.compile(
    r"(?i)([?&;][^=&;#]*(?:pass|pwd|token|secret|key|credential|signature|\bsig\b)[^=&;#]*=)([^&;#]*)"
)


def redact(address: str) -> str:
    """The address without its password, token or secret."""
    masked = _IN_AUTHORITY.sub(rf"\1:{MASK}@", address)
    return _IN_QUERY.sub(rf"\1{MASK}", masked)


def secrets_in(address: str) -> tuple[str, ...]:
    """The parts of the address that must never be written down."""
    found = [match.group(2) for match in _IN_AUTHORITY.finditer(address)]
    found += [match.group(2) for match in _IN_QUERY.finditer(address)]
    return tuple(part for part in found if part and part != MASK)


def scrub(text: str, addresses: Iterable[str]) -> str:
    """The text with every secret of these addresses masked: drivers quote them in their errors, decoded or not."""
    for address in addresses:
        text = text.replace(address, redact(address))
        for secret in secrets_in(address):
            for form in (secret, unquote(secret), unquote_plus(secret)):
                text = text.replace(form, MASK)
    return text


def environment_for(addresses: Iterable[str]) -> dict[str, str]:
    """What a child process needs in its environment to use the redacted forms of these addresses."""
    full = {redact(address): address for address in addresses if redact(address) != address}
    return {VARIABLE: json.dumps(full)} if full else {}


def reveal(address: str) -> str:
    """The full address behind a redacted one, if this process was given it; else the address itself."""
    known: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))
    return known.get(address, address)
