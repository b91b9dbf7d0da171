"""Was AI at work in this commit? What its identities, its message and its note say, and which rule says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from counterfault.labels.git_ai_notes import AuthorshipNote
from counterfault.labels.ruleset import ANY, NAMED, OTHER, TIERS, Rule, Ruleset, shipped_ruleset

# Four leading spaces begin a quotation in Markdown and in `git log`: there a message shows somebody else's lines.
_TRAILER = re.compile(r" {0,3}([A-Za-z][A-Za-z0-9 -]{1,30}?)[ \t]*:[ \t]*(\S.*)$")
_CO_AUTHOR_KEYS = frozenset({"co-authored-by", "co-author-by", "co-author", "coauthored-by"})
_PERSON = re.compile(r"(?P<name>[^<]*)<(?P<email>[^<>]*)>")
_MERGED_BRANCH = re.compile(
    r"Merge pull request #\d+ from [^/\s]+/(?P<github>\S+)"
    r"|Merge(?: remote-tracking)? branch '(?:origin/)?(?P<plain>[^']+)'"
    r"|Merged in (?P<bitbucket>\S+) \(pull request"
)

Answer = Literal["ai", "human", "unknown"]


class Identity(NamedTuple):
    """Who a commit says wrote or committed it."""

    name: str
    email: str


class Evidence(NamedTuple):
    """One rule that fitted, and the line or identity it fitted (never a person's name or address)."""

    rule: str
    line: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a commit says about AI assistance.

    Attributes
    ----------
    label : "ai" or "human" where something says so; "unknown" where nothing does. A commit that says nothing
        is never "human" here: that takes a view of the whole history, which :mod:`counterfault.sources.git` has.
    tool : which assistant, of the strongest evidence; None unless label is "ai".
    tier : "exact", "declared" or "heuristic" (see ``ruleset.toml``); None where label is "unknown".
    ai_share : share of the added lines that git-ai attests to AI, where note and size are both known.
    ai_reviewed : a review assistant left its mark; that alone never makes a change "ai".
    mode : "agent-authored" where an assistant is the author or committer, else "assisted"; "reviewed-only"
        where nothing but ai_reviewed is known; None otherwise.
    evidence : every rule that fitted, strongest first.
    """

    label: Answer = "unknown"
    tool: str | None = None
    tier: str | None = None
    ai_share: float | None = None
    ai_reviewed: bool = False
    mode: str | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_strong(self) -> bool:
        """AI evidence that no wording alone could produce by accident."""
        return self.label == "ai" and self.tier in ("exact", "declared")


SILENT = Label()


class _Finding(NamedTuple):
    rule: Rule
    tool: str
    line: str
    role: str


def classify(
    message: str,
    *,
    author: Identity,
    committer: Identity | None = None,
    note: AuthorshipNote | None = None,
    lines_added: int | None = None,
    rules: Ruleset | None = None,
) -> Label:
    """The label of one commit, and why.

    Parameters
    ----------
    message : the whole commit message.
    author, committer : the commit's two identities.
    note : its git-ai note, parsed.
    lines_added : for ``ai_share``; None where not known.
    rules : the ruleset; the shipped one where absent.

    Returns
    -------
    Label : ``SILENT`` where no rule fits.

    Notes
    -----
    A tool's name in a message proves nothing ("fix cursor position"). Evidence is an identity that belongs to no
    person, a trailer, a line tools write, or a sentence at the start of a line that says who wrote the change.
    """
    rules = rules or shipped_ruleset()
    findings = [
        *_identity_findings(rules, "author", author),
        *_identity_findings(rules, "committer", committer),
        *_message_findings(rules, message),
        *_note_findings(rules, note),
    ]
    label = _label(findings, note) if findings or note else SILENT
    share = note.ai_share(lines_added) if note else None
    return label if share is None else replace(label, ai_share=share)


def with_brought(own: Label, brought: Iterable[Label]) -> Label:
    """A merge commit's label, when the commits it brings count too.

    One assisted commit makes the merged change assisted: the deployment holds that commit. The share of its lines is
    not known then, as the branch's commits may overwrite each other.
    """
    others = [label for label in brought if label.evidence]
    if not others:
        return own
    candidates = [own, *others]
    assisted = [label for label in candidates if label.label == "ai"]
    best = min(assisted, key=_tier_rank, default=own)
    evidence = tuple(Evidence(f"merged:{rule}", line) for label in others for rule, line in label.evidence)
    return Label(
        label=best.label,
        tool=best.tool,
        tier=best.tier,
        ai_share=own.ai_share,
        ai_reviewed=any(label.ai_reviewed for label in candidates),
        mode=best.mode or next((label.mode for label in others if label.mode), None),
        evidence=own.evidence + tuple(dict.fromkeys(evidence)),
    )


def is_automation(identity: Identity, rules: Ruleset | None = None) -> bool:
    """Whether an identity is a bot that updates, releases or synchronises, and is no AI assistant."""
    return _is_automation(identity, rules or shipped_ruleset())


@lru_cache(maxsize=1 << 16)
def _is_automation(identity: Identity, rules: Ruleset) -> bool:
    if any(rule.fits_identity(*identity) for rule in rules.by_signal["author"]):
        return False
    return rules.automation.fits(*identity)


def merged_branch(subject: str) -> str | None:
    """The branch a merge commit's subject names, without the fork's owner, or None."""
    found = _MERGED_BRANCH.match(subject)
    return next(filter(None, found.groups()), None) if found else None


def _label(findings: list[_Finding], note: AuthorshipNote | None) -> Label:
    order = sorted(findings, key=lambda found: TIERS.index(found.rule.tier))
    authorship = [found for found in order if found.rule.authorship]
    reviewed = len(authorship) < len(order)
    evidence = tuple(dict.fromkeys(Evidence(found.rule.id, found.line) for found in order))
    if authorship:
        by_agent = any(found.role in ("author", "committer") and _is_agent(found.rule) for found in authorship)
        return Label(
            label="ai",
            tool=authorship[0].tool,
            tier=authorship[0].rule.tier,
            ai_reviewed=reviewed,
            mode="agent-authored" if by_agent else "assisted",
            evidence=evidence,
        )
    if note and note.human_lines and not note.ai_lines:
        attested = Evidence("git-ai.note", f"{note.human_lines} lines attested to known humans, none to AI")
        return Label(label="human", tier="exact", ai_reviewed=reviewed, evidence=(*evidence, attested))
    return Label(ai_reviewed=reviewed, mode="reviewed-only" if reviewed else None, evidence=evidence)


def _is_agent(rule: Rule) -> bool:
    """An identity rule by id or address is the assistant's own account; by name, a person's with an addition."""
    return bool(rule.github_ids or rule.emails)


def _tier_rank(label: Label) -> int:
    return TIERS.index(label.tier) if label.tier else len(TIERS)


@lru_cache(maxsize=1 << 16)  # a history has many commits and few people
def _identity_findings(rules: Ruleset, role: str, identity: Identity | None) -> tuple[_Finding, ...]:
    if identity is None:
        return ()
    return tuple(
        finding
        for rule in rules.by_signal[role]
        if rule.fits_identity(*identity)
        for finding in _finding(rule, rules, identity.name, f"{role}: {_public_name(rule, identity)}", role)
    )


def _message_findings(rules: Ruleset, message: str) -> Iterator[_Finding]:
    yield from _branch_findings(rules, message)
    lower = message.lower()
    if not any(word in lower for word in rules.words):
        return
    for line in message.splitlines():
        if (trailer := _TRAILER.match(line)) and len(line) <= 1000:
            yield from _trailer_findings(rules, trailer[1].lower(), trailer[2].strip(), line.strip())
        yield from _line_findings(rules, line)


def _trailer_findings(rules: Ruleset, key: str, value: str, line: str) -> Iterator[_Finding]:
    if key in _CO_AUTHOR_KEYS:
        yield from _co_author_findings(rules, value)
        return
    for rule in rules.by_signal["trailer"]:
        if key in rule.keys and rule.pattern and rule.pattern.match(value) and not _names_a_person(rules, value):
            yield from _finding(rule, rules, value, line, "trailer")


def _co_author_findings(rules: Ruleset, value: str) -> Iterator[_Finding]:
    person = _PERSON.match(value)
    identity = Identity(person["name"].strip(), person["email"].strip()) if person else Identity(value, "")
    # The address says more than the name: whoever has a rule by address is not also looked up by name.
    fitting = [rule for rule in rules.by_signal["coauthor"] if rule.fits_identity(*identity)]
    by_address = [rule for rule in fitting if rule.github_ids or rule.emails]
    for rule in by_address or fitting:
        yield from _finding(rule, rules, identity.name, f"co-author: {_public_name(rule, identity)}", "coauthor")


def _line_findings(rules: Ruleset, line: str) -> Iterator[_Finding]:
    lower, text = line.lower(), line.lstrip(" ")
    if len(line) - len(text) > 3:
        return
    for rule in (*rules.by_signal["marker"], *rules.by_signal["prose"]):
        if not any(word in lower for word in rule.contains) or rule.pattern is None:
            continue
        if found := rule.pattern.match(text):
            named = found[0] if rules.tool_named(found[0]) else text
            yield from _finding(rule, rules, named, text.strip(), "line")


def _branch_findings(rules: Ruleset, message: str) -> Iterator[_Finding]:
    branch = merged_branch(message.partition("\n")[0]) if message.startswith("Merge") else None
    if branch is None:
        return
    for rule in rules.by_signal["branch"]:
        if rule.pattern and (found := rule.pattern.match(branch)):
            yield from _finding(rule, rules, found[0], f"branch {found[0]}…", "branch")


def _note_findings(rules: Ruleset, note: AuthorshipNote | None) -> Iterator[_Finding]:
    if note and note.ai_lines:
        for rule in rules.by_signal["note"]:
            yield from _finding(rule, rules, note.tool or "", f"{note.ai_lines} lines attested to AI", "note")


def _finding(rule: Rule, rules: Ruleset, text: str, line: str, role: str) -> Iterator[_Finding]:
    if rule.tool not in (NAMED, ANY):
        yield _Finding(rule, rule.tool, line, role)
    elif tool := rules.tool_named(text):
        yield _Finding(rule, tool, line, role)
    elif rule.tool == ANY:
        yield _Finding(rule, OTHER, line, role)


def _names_a_person(rules: Ruleset, value: str) -> bool:
    person = _PERSON.search(value)
    return person is not None and not rules.is_agent_address(person["email"].strip())


def _public_name(rule: Rule, identity: Identity) -> str:
    """An assistant's own name; for rules by name nothing, as the name may hold a person's."""
    return identity.name if _is_agent(rule) else f"(a name of the form of {rule.id})"
