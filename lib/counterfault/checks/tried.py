"""What the challenges found, each held against the primary estimate by one rule.

An answer that claims a side of 1 must keep it: no other reading may come out on the other side. An answer that claims
none must keep that, too: no other reading may claim one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isnan

from counterfault.checks.check import Check, in_words, not_assessed, passed
from counterfault.checks.facts import Facts
from counterfault.estimate import Estimate

NOT_TRIED = "this challenge was not made"
SYSTEMATIC_ERROR = 0.15  # expected absolute systematic error, on the log scale: answers of this kind are 16 % off
LEAST_CONTROLS, HOLDING_1 = 5, 0.8
JOINT_P = 0.05
MOST_DISCARDED = 0.1  # share of draws of label error that no table could have given
LEFT_OUT = ("service", "team", "tool", "author_cluster", "month")


def side(found: Estimate) -> int:
    """Which side of 1 the whole interval lies on; 0 where it holds 1."""
    return int(found.interval.low > 1) - int(found.interval.high < 1)


def turned(primary: Estimate, others: Iterable[Estimate]) -> list[Estimate]:
    """The readings that do not keep what the primary estimate claims."""
    claimed = side(primary)
    if claimed == 0:
        return [other for other in others if other.estimable and side(other) != 0]
    return [other for other in others if other.estimable and (other.value - 1) * claimed <= 0]


def _kept(id: str, question: str, facts: Facts, others: Sequence[Estimate], told: str) -> Check:
    """One check by the rule above; the value is that of the reading that comes nearest to turning the answer."""
    primary = facts.estimates["primary"]
    usable = [other for other in others if other.estimable]
    if not primary.estimable or not usable:
        reason = NOT_TRIED if not others else "there is no primary estimate" if usable else "no reading is estimable"
        return not_assessed(id, question, reason, gate=False)
    against = turned(primary, usable)
    worst = _nearest(primary, usable)
    turns = "" if not against else f"; turned by {', '.join(_name(other) for other in against[:3])}"
    turns += f" and {len(against) - 3} more" if len(against) > 3 else ""
    return Check(
        id=id,
        question=question,
        status=passed(not against),
        value=worst.value,
        threshold="keeps the side that is claimed" if side(primary) else "claims no side either",
        sentence=f"{told}: the furthest is {_name(worst)} {in_words(worst)}{turns}",
    )


def _nearest(primary: Estimate, others: Sequence[Estimate]) -> Estimate:
    """The reading closest to turning the answer."""
    if claimed := side(primary):
        return min(others, key=lambda other: other.value * claimed)
    return max(others, key=lambda other: max(other.interval.low, 1 / other.interval.high if other.interval.high else 0))


def _name(found: Estimate) -> str:
    return found.label if found.label not in ("", "all") else found.id.rpartition(".")[2].replace("_", " ")


def link_rules_agree(facts: Facts) -> Check:
    """The headline under every link rule and window; the last-deployment rule is shown for comparison and left out."""
    question = "Does every link rule and window keep the answer?"
    grid = facts.found.get("link_rules.grid")
    readings = [part for part in grid.parts if not part.label.startswith("last")] if grid else list(facts.by_rule)
    return _kept("link_rules", question, facts, readings, f"{len(readings)} readings of the links")


def nobody_carries_it(facts: Facts) -> Check:
    """Without any one service, team, tool, group of authors or month."""
    question = "Does the answer survive leaving out any one service, team, tool, author group or month?"
    found = [facts.found[f"leave_one_out.{by}"] for by in LEFT_OUT if f"leave_one_out.{by}" in facts.found]
    tried = [estimate for estimate in found if estimate.estimable]
    told = f"left out in turn, by {', '.join(each.id.rpartition('.')[2].replace('_', ' ') for each in tried)}"
    if not found:
        return _kept("leave_one_out", question, facts, facts.without_one, "services left out in turn")
    if side(facts.estimates["primary"]) == 0:
        # Where no side is claimed, any omission may be the one that hid it, not only the one nearest to 1.
        found = [part for estimate in tried for part in estimate.parts]
    return _kept("leave_one_out", question, facts, found, told)


def designs_agree(facts: Facts) -> Check:
    """Designs in which a service is its own control, and which need no links."""
    question = "Do the self-controlled designs contradict the answer?"
    ids = ("self_controlled.excess_ratio", "case_crossover.excess_ratio")
    found = [facts.found[id] for id in ids if id in facts.found]
    usable = [item for item in found if item.estimable]
    primary = facts.estimates["primary"]
    if not usable or not primary.estimable:
        reason = "neither is estimable" if found else NOT_TRIED
        return not_assessed("designs_agree", question, reason, gate=False)
    against = [item for item in usable if primary.value not in item.interval and side(item) != side(primary)]
    supported = side(primary) == 0 or any((item.value - 1) * side(primary) > 0 for item in usable)
    return Check(
        id="designs_agree",
        question=question,
        status=passed(not against and supported),
        value=usable[0].value,
        threshold="one on the side claimed, none that excludes the primary estimate",
        sentence="; ".join(f"{item.id.partition('.')[0].replace('_', ' ')} {in_words(item)}" for item in usable),
    )


def unknown_as_either(facts: Facts) -> Check:
    """Every unlabelled change counted as AI-assisted, and every one as not."""
    question = "Does the answer stay when all unlabelled changes are counted as AI-assisted, or all as not?"
    ids = ("label_error.unknown_as_ai", "label_error.unknown_as_human")
    found = [replace(facts.found[id], label=id.rpartition(".")[2].replace("_", " ")) for id in ids if id in facts.found]
    return _kept("label_bounds", question, facts, found, "read as AI-assisted and as not")


def label_error_keeps_it(facts: Facts) -> Check:
    """Labels may be wrong: by a judged sample where there is one, else by the plan's priors."""
    question = "Does the answer stand if labels are as often wrong as the plan allows?"
    found = facts.found.get("label_error.audited") or facts.found.get("label_error.bias_adjusted")
    primary = facts.estimates["primary"]
    if found is None or not found.estimable or not primary.estimable:
        reason = NOT_TRIED if found is None else (found.caveats or ("there is no primary estimate",))[0].rstrip(".")
        return not_assessed("label_error", question, reason, gate=False)
    draws, discarded = found.support.get("draws", 0), found.support.get("discarded", 0)
    if discarded > MOST_DISCARDED * draws:
        reason = f"{discarded / draws:.0%} of the draws contradict the data; narrower priors or an audit would help"
        return not_assessed("label_error", question, reason, gate=False)
    return Check(
        id="label_error",
        question=question,
        status=passed(side(found) == side(primary)),
        value=found.value,
        threshold="keeps the side that is claimed" if side(primary) else "claims no side either",
        sentence=f"allowing for wrong labels the ratio is {in_words(found)}",
    )


def unmeasured_confounder(facts: Facts) -> Check:
    """Would one as strong as the strongest measured confounder be enough to explain the answer?"""
    question = "Would a confounder as strong as the strongest measured covariate leave the answer standing?"
    primary = facts.estimates["primary"]
    factors = {
        item.id.rpartition(".without.")[2]: part.value
        for item in facts.found.values()
        if item.id.startswith("confounding.without.")
        for part in item.parts
        if part.id.endswith(".bounding_factor") and not isnan(part.value)
    }
    if not factors or not primary.estimable:
        reason = "no measured confounder to compare with" if facts.found else NOT_TRIED
        return not_assessed("unmeasured_confounder", question, reason, gate=False)
    if not (claimed := side(primary)):
        reason = "the interval holds 1, so there is nothing to explain"
        return not_assessed("unmeasured_confounder", question, reason, gate=False)
    limit = primary.interval.low if claimed > 0 else 1 / primary.interval.high
    name, factor = max(factors.items(), key=lambda pair: pair[1])
    e_value = facts.found.get("confounding.e_value.limit")
    told = f" (E-value of the limit {e_value.value:.2f})" if e_value and e_value.estimable else ""
    like = name.replace("_", " ")
    return Check(
        id="unmeasured_confounder",
        question=question,
        status=passed(limit > factor),
        value=limit / factor,
        threshold="above 1",
        sentence=f"one like {like} could move a ratio by at most {factor:.2f} times; the limit is {limit:.2f} times "
        f"from 1{told}",
    )


def multiverse_agrees(facts: Facts) -> Check:
    """All specifications the plan calls defensible, judged together."""
    question = "Do the defensible specifications, taken together, say the same?"
    median = facts.found.get("multiverse.median")
    primary = facts.estimates["primary"]
    if median is None or not median.estimable or median.p_value is None or not primary.estimable:
        reason = NOT_TRIED if median is None else "the specifications cannot be estimated"
        return not_assessed("multiverse", question, reason, gate=False)
    claimed, p = side(primary), median.p_value
    # The p is two-sided round the mean of the shuffles, which confounding may have moved off 1.
    same = (median.value > 1) == (claimed > 0) == bool(median.support["above_shuffles"])
    agrees = same and p <= JOINT_P if claimed else p > JOINT_P
    wanted = f"median on the side claimed, joint p at most {JOINT_P:g}" if claimed else f"joint p above {JOINT_P:g}"
    return Check(
        id="multiverse",
        question=question,
        status=passed(agrees),
        value=p,
        threshold=wanted,
        sentence=f"{median.support['estimable']} specifications, median {median.value:.2f}, joint p {p:.2g}",
    )


def keeps_its_error_rates(facts: Facts) -> Check:
    """On these very data, with labels shuffled, false alarms must not be more frequent than promised."""
    question = "Does the procedure keep to its error rate on these data?"
    rates = [facts.found[id] for id in ("plasmode.false_harm", "plasmode.false_benefit") if id in facts.found]
    slices = [one for rate in rates for one in (rate, *rate.parts) if one.estimable]
    promised = (1 - facts.level) / 2
    if not slices:
        reason = rates[0].caveats[0].rstrip(".") if rates else NOT_TRIED
        return not_assessed("plasmode", question, reason, gate=False)
    worst = max(slices, key=lambda one: one.value)
    return Check(
        id="plasmode",
        question=question,
        status=passed(all(one.interval.low <= promised for one in slices)),
        value=worst.value,
        threshold=f"not above {promised:.1%} beyond chance",
        sentence=f"with labels shuffled it cries harm or benefit in at most {worst.value:.1%} of the runs on a side",
    )


def systematic_error(facts: Facts) -> Check:
    """The empirical null of many controls."""
    question = "How far do answers of this kind err where the truth is known to be 1?"
    found = facts.found.get("negative_control.systematic_error")
    if found is None or not found.estimable:
        reason = NOT_TRIED if found is None else found.caveats[0].removeprefix("not assessed: ").rstrip(".")
        return not_assessed("systematic_error", question, reason, gate=False)
    return Check(
        id="systematic_error",
        question=question,
        status=passed(abs(found.value) <= SYSTEMATIC_ERROR),
        value=found.value,
        threshold=f"at most {SYSTEMATIC_ERROR:g} on the log scale",
        sentence=f"the expected absolute systematic error of the controls is {found.value:.2f}",
    )


def controls_hold_1(facts: Facts) -> Check:
    """Of the controls that can be estimated, how many intervals hold the truth."""
    question = "Do the intervals of negative controls hold 1?"
    pooled = facts.found.get("negative_control.pooled")
    controls = pooled.support.get("controls", 0) if pooled else 0
    if pooled is None or controls < LEAST_CONTROLS:
        reason = f"{controls} controls can be estimated, {LEAST_CONTROLS} are needed" if pooled else NOT_TRIED
        return not_assessed("controls_hold_1", question, reason, gate=False)
    share = pooled.support["holding_1"] / controls
    told = f"{pooled.support['holding_1']} of {controls} do"
    return Check(
        id="controls_hold_1",
        question=question,
        status=passed(share >= HOLDING_1),
        value=share,
        threshold=f"at least {HOLDING_1:.0%}",
        sentence=f"{told}; together they give {in_words(pooled)}" if pooled.estimable else told,
    )
