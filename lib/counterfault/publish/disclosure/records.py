"""``results.json`` as it may be published.

What is decided here:

* Rows read, accepted, quarantined and used of every table, the labels, and where every change ended are one system of
  sums, in which small counts and what would give them away are null. Steps with small counts are taken together first;
  where that is not enough, the account by step is left out.
* An estimate that rests on few deployments or failures, or on few that did not fail, has no value, no limits and no p.
  So have the crude ones where the failures of one group follow from them, and risks that are those of a few. An
  estimate that leaves a few out loses its counts, because beside those of the whole they would tell how many.
* The call, its words and its grade stay: they are read from an interval and from gates, and give no count away. The
  sentence is masked like any other, and replaced where the primary estimate is suppressed. Failures beyond the expected
  are left out where they would read as a small count, or where with the ratio they give the failures of one group.
* Where counts are rounded, estimates of models stay as they are, because their counts cannot be computed from them; the
  crude ones, which are nothing but counts, are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

from counterfault.publish.disclosure.accounts import ANALYSED, ARMS, Record, accounts_of, mask_accounts, mask_links
from counterfault.publish.disclosure.audit import Key
from counterfault.publish.disclosure.people import without_people
from counterfault.publish.disclosure.pictures import too_few
from counterfault.publish.disclosure.policy import Policy, is_active, statement
from counterfault.publish.disclosure.prose import masked_prose
from counterfault.publish.disclosure.tables import rests_on_few

SUPPRESSED_SENTENCE = (
    "The estimate the answer was read from is suppressed, because it rests on few deployments or failures."
)
VALUES = ("value", "low", "high", "n", "events", "p_value", "p_adjusted")
# Of the failures of the primary estimate, without a count of their own.
MADE_OF_PRIMARY = ("primary.", "multiverse.", "plasmode.", "leave_one_out.", "placebo.", "label_error.", "link_rules.")
ROUNDED = "Left out: it is made of single counts, which are published rounded."


def published_record(record: Record) -> dict[str, Any]:
    """The record of a run as readers may have it, with ``disclosure`` saying what it does not show.

    Parameters
    ----------
    record : ``results.json`` as the run wrote it; it stays as it is.
    """
    shown: dict[str, Any] = deepcopy(dict(record))
    policy = Policy.bare(record)
    suppressed = 0
    if is_active(policy):
        policy, cells, gone = secrets(record, policy)
        suppressed += mask_accounts(shown, policy, cells, gone)
        suppressed += mask_links(shown["data"], policy)
        suppressed += _mask_estimates(shown, record, policy)
        suppressed += _mask_words(shown, record, policy)
    for part in ("data", "estimates", "checks", "verdict"):
        shown[part] = _nobody(shown[part])
    return {**shown, "disclosure": {"statement": statement(policy), "suppressed": suppressed}}


def _nobody(value: Any) -> Any:
    """The same without authors in any of its texts, whatever the policy."""
    if isinstance(value, str):
        return without_people(value)
    if isinstance(value, dict):
        return {key: _nobody(each) for key, each in value.items()}
    return [_nobody(each) for each in value] if isinstance(value, list) else value


class Secrets(NamedTuple):
    """The policy of a run with what it must not give away, the counts of its accounts, and those not shown."""

    policy: Policy
    cells: Mapping[Key, int]
    gone: Collection[Key]


def secrets(record: Record, policy: Policy) -> Secrets:
    """What a run may not tell under a policy of threshold and rounding alone."""
    cells, gone = accounts_of(record, policy)
    withheld = frozenset(cells[key] for key in gone if cells[key] >= max(policy.threshold, 1))
    told = {value for key, value in cells.items() if key not in gone}
    told |= {entry[key] for entry in record["estimates"] for key in ("n", "events") if entry.get(key) is not None}
    silent = frozenset(str(entry["id"]) for entry in record["estimates"] if _is_silent(entry, record, policy))
    figures = frozenset(_figures(record, silent)) | {f"{share:.1%}" for share in _telling_shares(record, policy)}
    shown = (entry for entry in record["estimates"] if entry["id"] not in silent)
    values = (entry.get(key) for entry in shown for key in VALUES[:3])
    ratios = {form for each in values if each is not None for form in _written(each) if not form.endswith("%")}
    whole = replace(policy, withheld=withheld, told=frozenset(told) - withheld, silenced=silent, figures=figures)
    return Secrets(replace(whole, open=frozenset(ratios) - figures), cells, gone)


def _figures(record: Record, silent: Collection[str]) -> Iterator[str]:
    """Values and limits of estimates that are not shown, as sentences write them; numbers of the plan stay."""
    planned = {form for number in _numbers_in(record["plan"]) for form in _written(number)}
    for entry in record["estimates"]:
        if entry["id"] == "primary" and "primary" not in silent:  # is told in every sentence, and may be
            planned |= {form for key in VALUES[:3] if entry.get(key) is not None for form in _written(entry[key])}
    for entry in record["estimates"]:
        if entry["id"] in silent:
            told = (entry.get(key) for key in ("value", "low", "high"))
            yield from (form for each in told if each is not None for form in _written(each) if form not in planned)


def _written(number: float) -> tuple[str, ...]:
    """The spellings of a number that is neither 0 nor 1."""
    plain = (f"{number:.2f}", f"{number:.3g}", f"{number:.1%}")
    return tuple(each for each in plain if each.rstrip("%") not in ("0.00", "1.00", "0", "1", "0.0", "100.0", "-0.00"))


def _numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers_in(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (float(value), 1 / value) if value else ()


def _telling_shares(record: Record, policy: Policy) -> Iterator[float]:
    """Values of checks that, with a total told elsewhere, say of few that they are or are not among it."""
    wholes = _wholes(record)
    for check in record["checks"]:
        share = check["value"]
        if share is None or not 0 < share < 1 or "%" not in check["sentence"]:
            continue
        parts = [part for all in wholes for part in (all * share, all * (1 - share), all / share - all)]
        if any(policy.is_small(round(part)) and abs(part - round(part)) < 1e-6 for part in parts):
            yield share


def _wholes(record: Record) -> list[int]:
    """The deployments compared, those of each kind, and those that failed."""
    population = record["data"].get("population") or ()
    analysed: Mapping[str, Any] = next((row for row in population if row["step"] == ANALYSED), {})
    arms = [int(analysed.get(arm) or 0) for arm in ARMS]
    events = [
        int(entry.get("events") or 0) for entry in record["estimates"] if entry["id"] in ("primary", "crude.risk_ratio")
    ]
    used = int(record["data"]["tables"]["deployments"]["used"])
    return [each for each in (used, *arms, *events) if each]


# --- estimates -------------------------------------------------------------------------------------------------------


def _is_silent(entry: Mapping[str, Any], record: Record, policy: Policy) -> bool:
    """Whether the value of an estimate tells of few."""
    if rests_on_few(entry, policy):
        return True
    if entry["estimand"] == "risk" and entry.get("value") is not None and entry.get("n"):
        parts = [share * entry["n"] for share in (entry["value"], 1 - entry["value"])]
        if any(0.5 <= part < policy.threshold - 0.5 for part in parts):
            return True
    if not entry.get("n") and not entry.get("events") and str(entry["id"]).startswith(MADE_OF_PRIMARY):
        primary = next((each for each in record["estimates"] if each["id"] == "primary"), None)
        return primary is not None and entry.get("value") is not None and rests_on_few(primary, policy)
    return str(entry["id"]).startswith("crude.") and _arm_is_small(record, policy)


def _arm_is_small(record: Record, policy: Policy) -> bool:
    """Whether the failures of one group are few; they follow from the crude ratio, the groups and all failures."""
    return any(map(policy.is_small, _failures_by_arm(record)))


def _failures_by_arm(record: Record) -> tuple[int, ...]:
    crude = next((entry for entry in record["estimates"] if entry["id"] == "crude.risk_ratio"), None)
    analysed = next((row for row in record["data"].get("population") or () if row["step"] == ANALYSED), None)
    if crude is None or analysed is None or crude.get("value") is None or not crude.get("events"):
        return ()
    exposed, others = (analysed[arm] for arm in ARMS)
    if not exposed or not others:
        return ()
    events = crude["events"] * crude["value"] * exposed / (crude["value"] * exposed + others)
    return round(events), crude["events"] - round(events)


def _mask_estimates(shown: dict[str, Any], record: Record, policy: Policy) -> int:
    lost = 0
    known = {str(entry["id"]): entry for entry in record["estimates"]}
    for entry in shown["estimates"]:
        if _is_silent(known[entry["id"]], record, policy):
            gone = [key for key in VALUES if entry.get(key) is not None]
            entry |= dict.fromkeys(gone)
            entry["caveats"] = [too_few(policy)]
            lost += len(gone)
            continue
        for key in ("n", "events"):
            if entry.get(key) is not None and _leaves_few_out(entry, known, key, policy):
                entry[key] = None
                lost += 1
        lost += _round_estimate(entry, policy)
        masked = [masked_prose(caveat, policy) for caveat in entry["caveats"]]
        entry["caveats"] = [each.text for each in masked]
        lost += sum(each.suppressed for each in masked)
    return lost + _mask_siblings(shown, policy)


def _round_estimate(entry: dict[str, Any], policy: Policy) -> int:
    if policy.round_to <= 1:
        return 0
    entry |= {key: policy.rounded(entry[key]) for key in ("n", "events") if entry.get(key) is not None}
    if not str(entry["id"]).startswith("crude."):
        return 0
    entry |= dict.fromkeys(("value", "low", "high", "p_value", "p_adjusted"))
    entry["caveats"] = [ROUNDED]
    return 1


def _leaves_few_out(entry: Mapping[str, Any], known: Mapping[str, Any], key: str, policy: Policy) -> bool:
    """A count with all but a few, beside the count with all: what is left out, or read otherwise, follows from both."""
    if not str(entry["id"]).startswith(("leave_one_out.", "label_error.", "confounding.without.")):
        return entry[key] in policy.withheld
    wholes = (known.get(name, {}).get(key) for name in ("primary", "crude.risk_ratio", "stratified.risk_ratio"))
    return entry[key] in policy.withheld or any(policy.is_small(abs(whole - entry[key])) for whole in wholes if whole)


def _mask_siblings(shown: dict[str, Any], policy: Policy) -> int:
    """Of slices that add up to a count told elsewhere, a second one where the first is suppressed."""
    lost = 0
    told = {entry[key] for entry in shown["estimates"] for key in ("n", "events") if entry.get(key)}
    families: dict[str, list[dict[str, Any]]] = {}
    for entry in shown["estimates"]:
        families.setdefault(str(entry["id"]).split(".")[0], []).append(entry)
    for members in families.values():
        for key in ("n", "events"):
            gone = [each for each in members if each[key] is None and each["caveats"][:1] == [too_few(policy)]]
            rest = [each for each in members if each[key]]
            so_far = sum(each[key] for each in rest)
            if len(gone) == 1 and len(rest) > 1 and any(policy.is_small(whole - so_far) for whole in told):
                min(rest, key=lambda each: int(each[key]))[key] = None
                lost += 1
    return lost


# --- words -----------------------------------------------------------------------------------------------------------


def _mask_words(shown: dict[str, Any], record: Record, policy: Policy) -> int:
    lost = _mask_verdict(shown, record, policy)
    for check in shown["checks"]:
        masked = masked_prose(check["sentence"], policy)
        value = check["value"]
        if value is not None and f"{value:.1%}" in policy.figures:
            check["value"] = None
        elif value is not None and policy.round_to > 1 and "%" in check["sentence"]:
            check["value"] = round(value, 2)  # 0.6538461538461539 is 34 of 52 and nothing else
        elif value is not None and masked.text != check["sentence"] and float(value).is_integer():
            check["value"] = float(policy.rounded(int(value)))
        # A whole number beside a sentence that lost one may be their sum.
        if masked.suppressed and value is not None and float(value).is_integer():
            check["value"] = None
        check["sentence"] = masked.text
        lost += masked.suppressed
    data = shown["data"]
    for place, note in enumerate(data["notes"]):
        data["notes"][place], gone = masked_prose(note, policy)
        lost += gone
    for each in data["not_assessed"]:
        each["reason"], gone = masked_prose(each["reason"], policy)
        lost += gone
    return lost


def _mask_verdict(shown: dict[str, Any], record: Record, policy: Policy) -> int:
    verdict = shown["verdict"]
    lost = 0
    if "primary" in policy.silenced:
        verdict["sentence"] = verdict["excluded"] = SUPPRESSED_SENTENCE
        verdict |= {"minimum_detectable_effect": None, "needed": None}
        lost += 1
    for key in ("sentence", "excluded", "needed"):
        if verdict.get(key):
            verdict[key], gone = masked_prose(verdict[key], policy)
            lost += gone
    for place, deviation in enumerate(verdict.get("deviations") or ()):
        verdict["deviations"][place], gone = masked_prose(deviation, policy)
        lost += gone
    if verdict.get("attributable_incidents") and _attributable_tells(verdict["attributable_incidents"], record, policy):
        verdict["attributable_incidents"] = None
        lost += 1
    return lost


def _attributable_tells(found: Mapping[str, Any], record: Record, policy: Policy) -> bool:
    """Whether it reads as a small count, or gives the failures of one group: with the ratio they follow from it."""
    numbers: Iterator[float] = (abs(found[key]) for key in ("value", "low", "high") if found[key] is not None)
    reads_small = any(policy.is_small(round(number)) for number in numbers)
    return "primary" in policy.silenced or reads_small or _arm_is_small(record, policy) or policy.round_to > 1
