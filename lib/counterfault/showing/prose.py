"""Sentences whose every number is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from counterfault.cells import Cells
from counterfault.checking import Checked
from counterfault.counting import Counted
from counterfault.counting.population import ANALYSED
from counterfault.estimate import Estimate, figures
from counterfault.estimating import Estimates
from counterfault.estimators.multiplicity import adjusted_p
from counterfault.estimators.poisson.coincidence import CAUSED, background
from counterfault.estimators.tables.homogeneity import Homogeneity
from counterfault.linking import Linked
from counterfault.plan import Plan
from counterfault.verdict import Verdict


@dataclass(frozen=True)
class Prose:
    """A computed paragraph, shown as text by a notebook and a page."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text


def tell_accounts(checked: Checked, counted: Counted) -> Prose:
    """How many rows came, how many are usable, how many the contrast rests on."""
    read = sum(account.read for account in checked.accounts)
    broken = sum(account.quarantined for account in checked.accounts)
    steps = counted.population.set_index("step")
    analysed = sum(steps[arm].get(ANALYSED, 0) for arm in ("ai", "human"))
    deployments = next(account for account in checked.accounts if account.table == "deployments")
    return Prose(
        f"Of {read:,} rows read, {broken:,} broke a rule of the contract and were set aside. "
        f"Of {deployments.accepted:,} deployments accepted, {analysed:,} stand in the contrast."
    )


def tell_links(linked: Linked, plan: Plan) -> Prose:
    """How many links the plan's rule made, and how many coincidence would have made."""
    row = linked.by_rule.set_index("rule").loc[plan.outcome.link]
    made = (
        f"The plan's rule ({plan.outcome.link.replace('_', ' ')}) made {row['links']:,.0f} links "
        f"between {row['incidents']:,.0f} incidents and {row['deployments']:,.0f} deployments."
    )
    chance = row["expected_by_chance"]
    if chance != chance or chance is None:  # NaN: time plays no part in this rule
        return Prose(f"{made} It goes by record, so none of them is a coincidence of time.")
    share = chance / row["links"] if row["links"] else 0
    return Prose(
        f"{made} With the deployments moved by whole weeks it would have made {chance:,.0f}: about {share:.0%} of the "
        f"links may be coincidence. Coincidence strikes both kinds of change alike and pulls every ratio towards 1."
    )


def tell_growth(share: Estimate, number: Estimate) -> Prose:
    """The growth of AI-assisted changes as a percentage, with its interval and its base."""
    if not number.estimable:
        return Prose(f"No growth can be stated: {number.caveats[0]}.")
    support = number.support
    text = (
        f"AI-assisted changes: **{_growth(number)}** ({number.label}), from {support['ai_base']:,} of "
        f"{support['n_base']:,} deployments to {support['ai_last']:,} of {support['n_last']:,}."
    )
    if share.estimable:
        labelled = share.support
        before, after = (labelled[f"ai_{when}"] / labelled[f"n_{when}"] for when in ("base", "last"))
        text += (
            f" Their share among labelled changes: **{_growth(share)}**, from {before:.1%} to {after:.1%}. "
            f"A growth in number also counts the growth of all deployments; a growth in share does not."
        )
    return Prose(text)


def _growth(item: Estimate) -> str:
    low, high, level = item.interval.low, item.interval.high, item.interval.level
    return f"{_percent(item.value)} ({level:.0%} interval {_percent(low)} to {_percent(high)})"


def _percent(ratio: float) -> str:
    return "without limit" if ratio == float("inf") else f"{100 * (ratio - 1):+.0f} %"


def tell_reversal(estimates: Estimates) -> Prose:
    """Does the comparison change sides when like is compared with like?"""
    crude, within = estimates["crude.risk_ratio"], estimates["stratified.risk_ratio"]
    if not (crude.estimable and within.estimable and crude.value > 0 and within.value > 0):
        return Prose("The two ratios cannot be compared: one of them is not estimable, or zero.")
    numbers = (
        f"All services together the ratio is {figures(crude.value)}; {within.design} it is {figures(within.value)}."
    )
    if log(crude.value) * log(within.value) < 0:
        return Prose(
            f"**The direction turns.** {numbers} Services and quarters with more AI-assisted changes also fail at "
            f"another rate for other reasons, and the first number mixes the two (Simpson's paradox)."
        )
    moved = "nearer to" if abs(log(within.value)) < abs(log(crude.value)) else "further from"
    return Prose(
        f"{numbers} The comparison within strata lies {moved} 1. The two differ by where and when AI is used, and "
        f"by how the strata are weighed."
    )


def tell_total_and_direct(estimates: Estimates) -> Prose:
    """What part travels through what AI changes on the way."""
    total, direct = estimates["total.risk_ratio"], estimates["direct.risk_ratio"]
    if not (total.estimable and direct.estimable):
        return Prose("Total and direct effect cannot be compared: one of them is not estimable, or zero.")
    through = sorted(set(direct.adjustment) - set(total.adjustment))
    if not through:
        return Prose("The tables hold none of the plan's mediators, so total and direct effect are the same.")
    names = ", ".join(name.replace("_", " ") for name in through)
    return Prose(
        f"Total: {figures(total.value)}. At equal {names}: {figures(direct.value)}. The first compares "
        f"changes as they come, bigger or smaller with AI; the second compares changes that are alike in those. "
        f"Holding them fixed would hide whatever travels through them, so the verdict reads a total."
    )


def tell_coincidence(estimates: Estimates, cells: Cells) -> Prose:
    """How many failures of other changes are coincidence, and what the ratio is without them."""
    total, corrected = estimates["total.risk_ratio"], estimates["corrected.risk_ratio"]
    known = background(cells)
    if not known.share:
        return Prose("No link of this plan can be a coincidence of time, so there is nothing to take off.")
    failed = cells.two_by_two().unexposed_events
    told = (
        f"Of the {failed:,} failed deployments that are not AI-assisted, **{known.share:.0%}** are coincidence, strata "
        f"weighed as they are compared: with the deployments moved by whole weeks, so many would have had an incident."
    )
    if not total.estimable:
        return Prose(f"{told} There is no ratio to correct.")
    if not corrected.estimable:
        return Prose(f"{told} {corrected.caveats[0]}")
    return Prose(
        f"{told} As counted the ratio is {_times(total, word='')}; among failures that are not coincidence it is "
        f"**{_times(corrected, word='')}**. The correction stretches the distance from 1 by "
        f"{1 / (1 - known.share):.2f} and never crosses 1: whether there is a difference is asked of the counts as "
        f"they are, how large it is of what remains."
    )


def tell_homogeneity(found: Homogeneity) -> Prose:
    """Do the strata tell one story?"""
    if found.p_value is None or found.p_value != found.p_value:
        return Prose("Whether the strata differ cannot be tested: too few of them hold a comparison.")
    reading = "differ more than chance explains" if found.p_value < 0.05 else "differ no more than chance explains"
    return Prose(
        f"Breslow–Day with Tarone's correction: {found.statistic:.1f} on {found.df} degrees of freedom, "
        f"p = {found.p_value:.2g}; the odds ratios of the strata {reading}. With few failures per stratum this test "
        f"sees little, so silence is no proof of sameness."
    )


def tell_attributable(verdict: Verdict, primary: Estimate) -> Prose:
    """How many failures would not have happened at the others' risk."""
    found = verdict.attributable_incidents
    if found is None:
        return Prose("No number is given: a check that must hold failed, or there is no ratio to reckon with.")
    failed, caused = primary.support["exposed_events"], primary.support.get(CAUSED)
    apart = f", about {_whole(caused)} of which are no coincidence" if caused is not None else ""
    return Prose(
        f"{failed:,} AI-assisted deployments failed{apart}. If the ratio is not due to something unmeasured, "
        f"**{_whole(found.value)}** of them ({primary.interval.level:.0%} interval {_whole(found.low)} to "
        f"{_whole(found.high)}) are beyond what the others' risk would have given; a negative number means prevented."
    )


def tell_excluded(verdict: Verdict) -> Prose:
    """Which ratios the data exclude, and which this design could have told from 1."""
    if verdict.minimum_detectable_effect is None:
        return Prose(verdict.excluded)
    return Prose(
        f"{verdict.excluded} With this standard error the design tells a ratio of "
        f"{figures(verdict.minimum_detectable_effect)} from 1 in four studies of five."
    )


def tell_needed(verdict: Verdict) -> Prose:
    """What it would take for an answer, where the data cannot tell."""
    return Prose(verdict.needed or "Nothing more for this call. More failures would narrow the interval.")


def _whole(value: float) -> str:
    return "minus infinity" if value == float("-inf") else f"{value:,.0f}"


def tell_self_controlled(series: Estimates) -> Prose:
    """How many more incidents begin after each kind of deployment, and whether more after AI-assisted ones."""
    ai, other, ratio = (series[f"self_controlled.{name}"] for name in ("rate_ratio_ai", "rate_ratio_other", "ratio"))
    if not (ai.estimable and other.estimable):
        silent = next(item for item in (ai, other) if not item.estimable)
        return Prose(f"No rate ratio can be given: {silent.caveats[0].rstrip('.')}.")
    text = (
        f"{ai.label.capitalize()} an AI-assisted deployment, incidents begin {_times(ai)} as often as in the same "
        f"service's quiet hours of that month and part of the week; after other deployments, {_times(other)} as often "
        f"(in brackets {ai.interval.level:.0%} intervals)."
    )
    if ratio.estimable:
        text += f" The one over the other: **{_times(ratio, word='')}**; 1 would mean that shipping is shipping."
    return Prose(text)


def tell_amplifiers(ratios: Sequence[Estimate]) -> Prose:
    """Which of the planned contrasts stand out after correction, and how many were asked."""
    told = [item for item in ratios if item.p_value is not None]
    if not told:
        return Prose("None of the planned contrasts can be estimated on these data.")
    adjusted = adjusted_p([item.p_value for item in told if item.p_value is not None])
    clear = [item.label for item, p in zip(told, adjusted, strict=True) if p <= 1 - item.interval.level]
    asked = f"Of {len(ratios)} planned contrasts, {len(told)} can be estimated."
    if not clear:
        return Prose(
            f"{asked} After correction for having asked them all (Holm) none stands out from 1, which does not show "
            f"that AI does the same everywhere."
        )
    return Prose(f"{asked} After correction for having asked them all (Holm) these stand out: **{', '.join(clear)}**.")


def _times(item: Estimate, word: str = " times") -> str:
    low, high = figures(item.interval.low), figures(item.interval.high)
    return f"{figures(item.value)}{word} ({low} to {high})"
