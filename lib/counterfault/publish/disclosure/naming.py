"""What a column, or a number in a sentence, counts: units that could be somebody's work, or hours, seeds and checks.

Deployments, incidents and people are protected. Services, strata, checks and draws are not: how many there are tells of
no one. Whatever is not known to be harmless is treated as a count of what is protected.
"""

from __future__ import annotations

import re

# Nouns of which a small number may be shown.
HARMLESS = (
    "analyses|analysis|arms?|attempts?|bins?|blocks?|calls?|causes?|checks?|choices?|clusters?|coefficients?|columns?|"
    "contrasts?|controls?|covariates?|curves?|cuts?|days?|decimals?|degrees? of freedom|designs?|df|digits?|draws?|"
    "estimates?|families|family|figures?|files?|folds?|gates?|groups?|h|hops?|hours?|intervals?|iterations?|layers?|"
    "leads?|levels?|limits?|lines?|links? rules?|mediators?|methods?|min|minutes?|months?|names?|notebooks?|nodes?|"
    "omissions?|parameters?|parts?|percent|percentage points?|periods?|permutations?|places?|points?|promises?|"
    "quarters?|ratios?|readings?|rules?|runs?|scenarios?|seconds?|seeds?|services?|severities|severity|shuffles?|"
    "sides?|specifications?|stages?|standard (?:errors?|deviations?)|steps?|strata|stratum|studies|study|tables?|"
    "teams?|tests?|thresholds?|tiers?|times?|tools?|versions?|weeks?|weights?|windows?|words?|worlds?|years?"
)
# Nouns of which a small number is never shown, in words of any sentence.
PROTECTED = (
    "accounts?|alerts?|authors?|cases?|changes?|commits?|committers?|customers?|deployments?|deploys?|developers?|"
    "engineers?|events?|failures?|faults?|incidents?|links?|members?|merges?|observations?|outages?|people|persons?|"
    "records?|releases?|repairs?|reports?|requests?|reverts?|reviewers?|roll-?backs?|rows?|ties|users?"
)
_DERIVED = re.compile(
    r"\b(share|shares|rate|rates|risk|risks|ratio|ratios|percent|percentage|pct|proportion|fraction|chance|odds|hazard|"
    r"low|high|lower|upper|limit|limits|error|se|sd|std|variance|p)\b|%"
)
_SHARE = re.compile(r"\b(share|shares|rate|rates|risk|risks|percent|percentage|pct|proportion|fraction)\b|%")
_BASE = re.compile(r"^(n|total|totals|all|of|changes|deployments|rows|population|number|size|count|base)$")
_ACCOUNT = re.compile(r"\b(read|accepted|quarantined|used|rows|records|total|ai|human|unknown|deployments|incidents)\b")
_FLAG = re.compile(
    r"^(exposed|treated|treatment|post|cluster id|is .*|has .*|at peak|index|rank|order|place|position|line|year|month|"
    r"quarter|week|day|date|time|x|seed|hour|severity|hop|level|df|threshold|version|code|port|id|"
    r"confidence level)$"
)
_NOUN = re.compile(rf"\b(?:{PROTECTED})\b")
_UNIT = re.compile(rf"(?:^|\b)(?:{HARMLESS})$")


def words_of(heading: object) -> str:
    """A heading as lower-case words: ``ai_share (%)`` becomes ``ai share %``."""
    return " ".join(re.sub(r"[^a-z0-9%]+", " ", str(heading).lower()).split())


def is_derived(heading: object) -> bool:
    """Whether the name of a column says that its numbers are no counts but made from some, even where they are whole.

    "value" and "mean" say no such thing: a table of names and values holds counts under that heading.
    """
    return _DERIVED.search(words_of(heading)) is not None


def is_share(heading: object) -> bool:
    """Whether a column holds shares of some total."""
    return _SHARE.search(words_of(heading)) is not None


def is_base(heading: object) -> bool:
    """Whether a column holds the totals that shares are shares of."""
    return _BASE.match(words_of(heading)) is not None


def is_account(heading: object) -> bool:
    """Whether a column counts the rows of tables, as the account of what was read does."""
    return _ACCOUNT.search(words_of(heading)) is not None


def is_harmless(heading: object) -> bool:
    """Whether whole numbers of a column count nothing that is protected: hours, seeds, services, flags."""
    words = words_of(heading)
    if _NOUN.search(words):
        return False
    unit = re.search(r"\(([^)]*)\)\s*$", str(heading))
    if unit and _UNIT.search(words_of(unit[1])):
        return True
    return _FLAG.match(words) is not None or _UNIT.search(words) is not None
