"""The signals of AI assistance, loaded from ``ruleset.toml`` and checked before anyone relies on them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

SIGNALS = ("author", "committer", "coauthor", "trailer", "marker", "prose", "branch", "note")
IDENTITIES = frozenset({"author", "committer", "coauthor"})
TIERS = ("exact", "declared", "heuristic")
NAMED = "named"  # the tool the text names; without one the rule does not apply
ANY = "any"  # the tool the text names, else OTHER
OTHER = "other"

# GitHub's no-reply addresses: <numeric id>+<login>@users.noreply.github.com
_GITHUB_ID = re.compile(r"(\d+)\+[^@]*@users\.noreply\.github\.com$", re.IGNORECASE)


class RulesetError(ValueError):
    """A ruleset that cannot be used; the message names the rule, the fault and the way out."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One sign of AI assistance; the fields are explained at the head of ``ruleset.toml``."""

    id: str
    tool: str
    signals: frozenset[str]
    tier: str
    authorship: bool = True
    github_ids: frozenset[int] = frozenset()
    emails: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    contains: tuple[str, ...] = ()
    first_seen: date | None = None
    note: str = ""
    matches: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()

    def fits_identity(self, name: str, email: str) -> bool:
        """Whether a display name and address are this rule's; any one of its three tests suffices."""
        address = email.lower()
        return (
            address in self.emails
            or (bool(self.github_ids) and github_id(address) in self.github_ids)
            or (self.pattern is not None and self.pattern.match(name.strip()) is not None)
        )


@dataclass(frozen=True, slots=True)
class Automation:
    """Identities of automation without AI: dependency, release and synchronisation bots."""

    github_ids: frozenset[int]
    emails: frozenset[str]
    spare_ids: frozenset[int]
    pattern: re.Pattern[str]

    def fits(self, name: str, email: str) -> bool:
        address = email.lower()
        number = github_id(address)
        if number in self.spare_ids:
            return False
        if address in self.emails or number in self.github_ids:
            return True
        return any(self.pattern.match(text) for text in (name.strip(), address.split("@")[0]))


@dataclass(frozen=True, slots=True, eq=False)  # one ruleset is one object: it keys the classifier's memory
class Ruleset:
    """All rules of one version.

    Attributes
    ----------
    version : printed beside every label; a change of a rule changes it.
    rules : in the order of the file, which settles ties.
    tools : tool name to the pattern of the words that name it.
    automation : bots that are no AI.
    by_signal : the rules that look at each signal, in order.
    words : lower-case words one of which every text any message rule fits must hold.
    """

    version: str
    rules: tuple[Rule, ...]
    tools: Mapping[str, re.Pattern[str]]
    automation: Automation
    by_signal: Mapping[str, tuple[Rule, ...]]
    words: tuple[str, ...]

    def __getitem__(self, id: str) -> Rule:
        return next(rule for rule in self.rules if rule.id == id)

    def tool_named(self, text: str) -> str | None:
        """The first tool of the list whose words stand in a text."""
        return next((tool for tool, words in self.tools.items() if words.search(text)), None)

    def is_agent_address(self, email: str) -> bool:
        """Whether an address belongs to an assistant, by rule or because it is plainly nobody's own."""
        if re.match(r"(?:no-?reply|agent|bot|ai|assistant)@", email, re.IGNORECASE):
            return True
        return any(rule.signals & IDENTITIES and rule.fits_identity("", email) for rule in self.rules)


def github_id(address: str) -> int | None:
    """The numeric account id in one of GitHub's no-reply addresses, or None.

    Bots get renamed, and then the part behind the plus sign changes; the number never does.
    """
    found = _GITHUB_ID.match(address)
    return int(found[1]) if found else None


@lru_cache(maxsize=1)
def shipped_ruleset() -> Ruleset:
    """The ruleset this version of the package ships."""
    text = files("counterfault.labels").joinpath("ruleset.toml").read_text(encoding="utf-8")
    return parse_ruleset(text, "ruleset.toml")


def read_ruleset(path: Path) -> Ruleset:
    """A ruleset of one's own, in the form of the shipped one.

    Raises
    ------
    RulesetError : the file does not say what a ruleset must.
    """
    return parse_ruleset(path.read_text(encoding="utf-8"), str(path))


def parse_ruleset(text: str, source: str) -> Ruleset:
    """The ruleset a TOML text declares.

    Parameters
    ----------
    text : the TOML.
    source : what error messages call it.

    Raises
    ------
    RulesetError : invalid TOML, a missing or unknown field, an unknown tier or signal, a pattern that does not
        compile, a repeated id, or a rule that could never fit.
    """
    try:
        entries = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesetError(f"{source}: not valid TOML: {error}") from error
    for name in ("version", "rule", "automation"):
        if name not in entries:
            raise RulesetError(f"{source}: no {name!r}; a ruleset has a version, [[rule]] entries and [automation]")
    rules = tuple(_rule(entry, source) for entry in entries["rule"])
    _refuse_repeated([rule.id for rule in rules], source)
    tools = {entry["name"]: _words(entry, source) for entry in entries.get("tool", [])}
    by_signal = {signal: tuple(rule for rule in rules if signal in rule.signals) for signal in SIGNALS}
    automation = _automation(entries["automation"], source)
    return Ruleset(str(entries["version"]), rules, tools, automation, by_signal, _needed(rules))


def _rule(entry: Mapping[str, Any], source: str) -> Rule:
    name = entry.get("id", "?")
    where = f"{source}: rule {name!r}"
    if missing := sorted({"id", "tool", "signals", "tier"} - entry.keys()):
        raise RulesetError(f"{where} lacks {', '.join(missing)}")
    known = {field.name for field in fields(Rule)}
    if unknown := sorted(entry.keys() - known):
        raise RulesetError(f"{where} has no field {unknown[0]!r}; the fields are {', '.join(sorted(known))}")
    if entry["tier"] not in TIERS:
        raise RulesetError(f"{where}: tier is {entry['tier']!r}; it must be one of {', '.join(TIERS)}")
    for signal in entry["signals"]:
        if signal not in SIGNALS:
            raise RulesetError(f"{where}: signal {signal!r} is not one of {', '.join(SIGNALS)}")
    rule = Rule(
        id=entry["id"],
        tool=entry["tool"],
        signals=frozenset(entry["signals"]),
        tier=entry["tier"],
        authorship=entry.get("authorship", True),
        github_ids=frozenset(entry.get("github_ids", ())),
        emails=frozenset(address.lower() for address in entry.get("emails", ())),
        keys=frozenset(key.lower() for key in entry.get("keys", ())),
        pattern=_compiled(entry["pattern"], where) if "pattern" in entry else None,
        contains=tuple(word.lower() for word in entry.get("contains", ())),
        first_seen=entry.get("first_seen"),
        note=entry.get("note", ""),
        matches=tuple(entry.get("matches", ())),
        spares=tuple(entry.get("spares", ())),
    )
    _refuse_idle(rule, where)
    return rule


def _refuse_idle(rule: Rule, where: str) -> None:
    """A rule that can never fit is a misspelt rule."""
    if rule.signals & IDENTITIES and not (rule.github_ids or rule.emails or rule.pattern):
        raise RulesetError(f"{where} looks at identities and needs github_ids, emails or a pattern")
    if "trailer" in rule.signals and not (rule.keys and rule.pattern):
        raise RulesetError(f"{where} looks at trailers and needs keys and a pattern")
    if rule.signals & {"marker", "prose"} and not (rule.pattern and rule.contains):
        raise RulesetError(f"{where} looks at lines and needs a pattern and contains")


def _refuse_repeated(ids: list[str], source: str) -> None:
    repeated = sorted({id for id in ids if ids.count(id) > 1})
    if repeated:
        raise RulesetError(f"{source}: rule {repeated[0]!r} stands there twice; ids must be unique")


def _automation(entry: Mapping[str, Any], source: str) -> Automation:
    return Automation(
        github_ids=frozenset(entry.get("github_ids", ())),
        emails=frozenset(address.lower() for address in entry.get("emails", ())),
        spare_ids=frozenset(entry.get("spare_ids", ())),
        pattern=_compiled(entry["pattern"], f"{source}: automation"),
    )


def _words(entry: Mapping[str, Any], source: str) -> re.Pattern[str]:
    return _compiled(rf"\b(?:{entry['words']})\b", f"{source}: tool {entry['name']!r}")


def _compiled(pattern: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise RulesetError(f"{where}: the pattern does not compile: {error}") from error


def _needed(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Whatever is not in a message, no line rule can fit: most messages are done with one look.

    A word that holds another of them is found with it and need not be looked for.
    """
    words = {word for rule in rules if rule.signals & {"marker", "prose"} for word in rule.contains}
    words |= {key for rule in rules for key in rule.keys} | {"co-author", "coauthor"}
    return tuple(sorted(word for word in words if not any(other in word for other in words - {word})))
