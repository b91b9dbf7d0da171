"""What the challenges found, in sentences whose every number is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from counterfault.checks import Check, Status
from counterfault.checks.check import in_words
from counterfault.checks.tried import side, turned
from counterfault.estimate import Estimate, figures
from counterfault.estimating import Estimates
from counterfault.figures.tables import Table
from counterfault.showing.prose import Prose
from counterfault.showing.tables import checks_table

# The rows of the check table that read a challenge; the others ask whether there are data enough.
READ_A_CHALLENGE = (
    "link_rules", "placebo_in_time", "negative_control", "next_deployment", "controls_hold_1", "systematic_error",
    "label_bounds", "late_labels", "label_error", "unmeasured_confounder", "leave_one_out", "multiverse", "plasmode",
)  # fmt: skip


def tell_link_readings(tried: Estimates) -> Prose:
    """How many readings of the links keep the ratio on one side of 1, as counted and without coincidences."""
    counted, corrected = (_defensible(tried[f"link_rules.{name}"]) for name in ("grid", "corrected"))
    return Prose(
        f"As counted: {_spread(counted)}. Less coincidences: {_spread(corrected)}. The last deployment however old is "
        f"a rule shown for comparison and not counted here."
    )


def _defensible(found: Estimate) -> list[Estimate]:
    return [part for part in found.parts if part.estimable and not part.label.startswith("last")]


def _spread(readings: Sequence[Estimate]) -> str:
    if not readings:
        return "no reading can be estimated"
    ordered = sorted(readings, key=lambda part: part.value)
    above, clear = sum(part.value > 1 for part in ordered), sum(side(part) != 0 for part in ordered)
    return (
        f"{above} of {len(ordered)} readings put the ratio above 1, and the intervals of {clear} leave 1 out; they run "
        f"from {_with_name(ordered[0])} to {_with_name(ordered[-1])}"
    )


def _with_name(found: Estimate) -> str:
    return f"{figures(found.value)} ({found.label})"


def tell_controls(tried: Estimates) -> Prose:
    """How many ratios that ought to be 1 could be, and what labels say that were not there yet."""
    pooled = tried["negative_control.pooled"]
    known, silent = (pooled.support.get(name, 0) for name in ("controls", "not_estimable"))
    told = [f"Of {known + silent} controls {known} can be estimated."]
    if known:
        together = f"; together they give {in_words(pooled)}" if pooled.estimable else ""
        told.append(f"The intervals of {pooled.support['holding_1']} hold 1{together}.")
    told += [
        f"{words} gives {in_words(tried[id])}."
        for id, words in (
            ("placebo.next_deployment", "The label of the next deployment"),
            ("placebo.labels_shifted", "The label of weeks before or after"),
        )
        if id in tried and tried[id].estimable
    ]
    return Prose(" ".join([*told, *_shuffled(tried)]))


def _shuffled(tried: Estimates) -> Iterable[str]:
    found = tried.get("placebo.labels_shuffled")
    if found is not None and found.estimable and found.p_value is not None:
        low, high = figures(found.interval.low), figures(found.interval.high)
        yield (
            f"With the labels of each stratum shuffled {found.support['shuffles']:,} times, {found.interval.level:.0%} "
            f"of the ratios lie from {low} to {high}; one as far from 1 as that of the data comes up with a "
            f"probability of {found.p_value:.2g}."
        )


def tell_label_error(tried: Estimates, primary: Estimate) -> Prose:
    """What wrong, late and missing labels make of the ratio."""
    named = {
        "label_error.audited": "With labels as often wrong as a person found in a sample",
        "label_error.bias_adjusted": "With labels as often wrong as the plan allows",
        "label_error.without_late_labels": "Without failures whose label was written after the incident had begun",
        "label_error.unknown_as_ai": "With every unlabelled change read as AI-assisted",
        "label_error.unknown_as_human": "With every unlabelled change read as not AI-assisted",
    }
    told = [f"{words}: {in_words(tried[id])}." for id, words in named.items() if id in tried and tried[id].estimable]
    if not told:
        return Prose("None of these readings can be estimated on these data.")
    at = tried.get("label_error.at")
    started = f"As labelled: {in_words(primary)}." if primary.estimable else ""
    return Prose(" ".join([started, *told, *(at.caveats if at is not None and at.estimable else ())]).strip())


def tell_confounding(tried: Estimates) -> Prose:
    """How strong something unmeasured would have to be, beside the strongest thing that was measured."""
    whole, limit = tried["confounding.e_value"], tried["confounding.e_value.limit"]
    if not whole.caveats or not limit.estimable:
        return Prose("There is no ratio that a confounder would have to explain.")
    told = [whole.caveats[0]]
    told += [f"For its limit, {figures(limit.value)} times is enough."] if limit.value > 1 else limit.caveats[:1]
    return Prose(" ".join([*told, *_strongest_measured(tried)]))


def _strongest_measured(tried: Estimates) -> Iterable[str]:
    factors = {
        part.label.replace("_", " "): part.value
        for id, item in tried.items()
        if id.startswith("confounding.without.")
        for part in item.parts
        if part.id.endswith(".bounding_factor") and isfinite(part.value)
    }
    if factors:
        name, factor = max(factors.items(), key=lambda pair: pair[1])
        yield f"One as strong as {name}, the strongest measured, could move a ratio by at most {figures(factor)} times."


def tell_omissions(tried: Estimates, primary: Estimate) -> Prose:
    """Which single omission costs the answer most."""
    found = [item for id, item in tried.items() if id.startswith("leave_one_out.") and item.estimable]
    if not found or not primary.estimable:
        return Prose("Nothing can be left out in turn: there is no primary estimate, or only one of everything.")
    toward = 1 if primary.value > 1 else -1
    worst = min(found, key=lambda item: item.value * toward)
    tried_out = sum(item.support.get("omissions", 0) for item in found)
    against = turned(primary, found)
    reaching = [item for item in found if side(primary) != 0 and side(item) == 0]
    ends = (
        f"The answer is turned {_listed(against)}."
        if against
        else f"The interval reaches 1 {_listed(reaching)}."
        if reaching
        else "No single omission changes what the interval says of 1."
    )
    return Prose(
        f"Of {tried_out:,} omissions the one that costs most is **{worst.label}**: {in_words(worst)} instead of "
        f"{in_words(primary)}. {ends}"
    )


def _listed(items: Iterable[Estimate]) -> str:
    return ", ".join(item.label for item in items)


def tell_multiverse(tried: Estimates) -> Prose:
    """How many specifications say the same, and whether all of them together could be chance."""
    median = tried["multiverse.median"]
    if not median.estimable:
        return Prose(f"The specifications give no median: {_reason(median)}.")
    support = median.support
    values = sorted(part.value for part in median.parts if part.estimable)
    told = (
        f"{support['estimable']:,} of {support['specifications']:,} specifications can be estimated, from "
        f"{figures(values[0])} to {figures(values[-1])} with a median of **{figures(median.value)}**. "
        f"{support['on_primary_side']:,} lie on the side of the primary estimate, {support['beyond_one']:,} of them "
        f"with an interval that leaves 1 out."
    )
    if median.p_value is None:
        return Prose(f"{told} Whether all of them together could be chance cannot be tested here.")
    return Prose(
        f"{told} They share their failures, so they are judged together: with labels permuted "
        f"{support['permutations']:,} times for all at once, a median as far from 1 comes up with a probability of "
        f"{median.p_value:.2g}."
    )


def tell_behaviour(tried: Estimates) -> Prose:
    """How often this procedure errs on these data with nothing there, and what it would have seen."""
    harm, benefit = tried["plasmode.false_harm"], tried["plasmode.false_benefit"]
    if not (harm.estimable and benefit.estimable):
        return Prose(f"How the procedure behaves on these data cannot be tried: {_reason(harm)}.")
    shares = [
        f"{words} in {alike.value:.1%} (above 1) and {opposite.value:.1%} (below 1) of {alike.support['runs']:,} runs"
        for words, alike, opposite in (
            ("with labels shuffled", harm, benefit),
            *((part.label, part, other) for part, other in zip(harm.parts, benefit.parts, strict=False)),
        )
        if alike.estimable and opposite.estimable
    ]
    promised = (1 - _level(tried)) / 2
    told = f"With nothing there, intervals leave 1 out: {'; '.join(shares)}. {promised:.1%} on a side is promised."
    return Prose(" ".join([told, *_seen(tried)]))


def _level(tried: Estimates) -> float:
    """The level the runs were judged at; the shares have limits at the same one."""
    return tried["plasmode.false_harm"].interval.level


def _seen(tried: Estimates) -> Iterable[str]:
    power, coverage, seen = (tried.get(f"plasmode.{name}") for name in ("power", "coverage", DETECTABLE))
    if power is not None and power.estimable:
        yield f"A {power.label.replace('ratio', 'ratio of')} would have been seen in {power.value:.0%} of the runs."
    if seen is not None:
        yield f"Seen in four runs of five: a ratio of {in_words(seen)}." if seen.estimable else f"{_reason(seen)}."
    if coverage is not None and (known := [part.value for part in coverage.parts if part.estimable]):
        yield f"The interval held the planted ratio in {min(known):.0%} to {max(known):.0%} of the runs."


DETECTABLE = "minimum_detectable_effect"


def withstood_table(checks: Iterable[Check]) -> Table:
    """The checks that read a challenge, under a sentence of how many held."""
    known = {check.id: check for check in checks}
    read = [known[id] for id in READ_A_CHALLENGE if id in known]
    held, broken = (sum(check.status is status for check in read) for status in (Status.PASS, Status.FAIL))
    silent = len(read) - held - broken
    told = f"Of {len(read)} attempts to break the answer {held} left it standing and {broken} did not"
    return checks_table(read, told + (f"; {silent} cannot be made with these data" if silent else ""))


def _reason(found: Estimate) -> str:
    return found.caveats[0].rstrip(".") if found.caveats else "the method gave no reason"
