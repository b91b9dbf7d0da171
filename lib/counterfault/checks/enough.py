"""Is there enough to speak about, something to compare it with, and a design that could see anything?"""

from __future__ import annotations

import pandas as pd
from scipy.special import stdtridf

from counterfault.checks.check import Check, not_assessed, passed, strata_name
from counterfault.checks.facts import Facts
from counterfault.counting.population import ANALYSED, UNKNOWN
from counterfault.estimate import Estimate
from counterfault.estimators.detectable import minimum_detectable_effect, reach

DETECTABLE = 2.0  # a design that would miss a doubling of the risk is no help in deciding anything

# Below four degrees of freedom the t approximation to a cluster-robust statistic is poor (Pustejovsky and Tipton 2018,
# J. Bus. Econ. Stat. 36:672), and fewer than four services cannot show how far services differ.
FEWEST = 4


def enough_events(facts: Facts) -> Check:
    """Failures, not deployments, are what a ratio of risks is made of."""
    events, wanted = facts.counted.cells.two_by_two().support()["events"], facts.plan.gates.min_events
    return Check(
        id="incidents",
        question="Are there enough failed deployments?",
        status=passed(events >= wanted),
        value=events,
        threshold=f"at least {wanted}",
        sentence=f"{events} deployments in the contrast failed; the plan asks for at least {wanted}",
        gate=True,
    )


def enough_strata(facts: Facts) -> Check:
    """Only strata with both kinds of change and a failure say anything about the ratio."""
    tables = facts.counted.cells.tables()
    both = (tables["exposed_total"] > 0) & (tables["unexposed_total"] > 0)
    informative = int((both & (tables["exposed_events"] + tables["unexposed_events"] > 0)).sum())
    wanted = facts.plan.gates.min_informative_strata
    return Check(
        id="discordant_strata",
        question="Do enough strata hold a comparison?",
        status=passed(informative >= wanted),
        value=informative,
        threshold=f"at least {wanted}",
        sentence=f"{informative} of {len(tables)} {strata_name(facts.plan)} strata have both kinds of change and a "
        f"failure; the plan asks for at least {wanted}",
        gate=True,
    )


def enough_clusters(facts: Facts) -> Check:
    """Two services that differ say nothing about services in general."""
    frame, cluster = facts.counted.cells.frame, facts.plan.design.cluster
    exposed = frame.loc[frame["exposed"] == 1, cluster].nunique()
    unexposed = frame.loc[frame["exposed"] == 0, cluster].nunique()
    wanted = facts.plan.gates.min_clusters_per_arm
    return Check(
        id="clusters",
        question=f"Do enough {cluster}s make both kinds of change?",
        status=passed(min(exposed, unexposed) >= wanted),
        value=min(exposed, unexposed),
        threshold=f"at least {wanted} each",
        sentence=f"{exposed} {cluster}s with AI-assisted and {unexposed} with other changes; the plan asks for "
        f"at least {wanted} each",
        gate=True,
    )


def label_coverage(facts: Facts) -> Check:
    """Unknown is not human: with many unlabelled changes the labelled ones may be a chosen few."""
    steps = facts.counted.population.set_index("step")
    known = sum(steps[arm].get(ANALYSED, 0) for arm in ("ai", "human"))
    unknown = steps["unknown"].get(UNKNOWN, 0)
    share = known / (known + unknown) if known + unknown else 0.0
    wanted = facts.plan.gates.min_label_coverage
    return Check(
        id="label_coverage",
        question="Is it known of enough changes whether AI helped?",
        status=passed(share >= wanted),
        value=share,
        threshold=f"at least {wanted:.0%}",
        sentence=f"{share:.1%} of the changes that could be compared carry a label; the plan asks for at least "
        f"{wanted:.0%}",
        gate=True,
    )


def overlap(facts: Facts) -> Check:
    """AI-assisted changes without others beside them are not part of any comparison within strata."""
    tables = facts.counted.cells.tables()
    exposed = tables["exposed_total"]
    total = int(exposed.sum())
    share = float(exposed[tables["unexposed_total"] > 0].sum() / total) if total else 0.0
    wanted = facts.plan.gates.min_overlap
    return Check(
        id="overlap",
        question="Do AI-assisted changes have others to be compared with?",
        status=passed(share >= wanted),
        value=share,
        threshold=f"at least {wanted:.0%}",
        sentence=f"{share:.1%} of the AI-assisted changes lie in a {strata_name(facts.plan)} stratum with other "
        f"changes; the plan asks for at least {wanted:.0%}",
        gate=True,
    )


def precision(facts: Facts) -> Check:
    """Not a gate: a wide interval already says "cannot tell" by itself; this says it was to be expected."""
    question = "Could this design have seen a doubling?"
    detectable = minimum_detectable_effect(facts.estimates["primary"])
    if detectable is None:
        return not_assessed("precision", question, "the primary estimate has no standard error", gate=False)
    return Check(
        id="precision",
        question=question,
        status=passed(detectable <= DETECTABLE),
        value=detectable,
        threshold=f"at most {DETECTABLE:g}",
        sentence=f"the smallest ratio this design tells from 1 in four studies of five is {detectable:.2f}",
    )


def small_sample(facts: Facts) -> Check:
    """Do enough independent units vary for their variation to be known?

    Asked of the cluster-robust regression whichever estimate is primary: an interval that takes deployments as
    independent looks no wider for resting on two services. Not a gate: with few units the t interval grows by itself,
    and honest width is no reason for silence.
    """
    found, cluster, clusters = facts.clustered, facts.plan.design.cluster, _clusters_compared(facts)
    question = f"Does the interval rest on enough {cluster}s?"
    if clusters == 0 or (clusters >= FEWEST and not found.estimable):
        reason = found.caveats[0].rstrip(".") if clusters else "no failure can be compared"
        return not_assessed("small_sample", question, reason, gate=False)
    degrees = _degrees_of_freedom(found) if found.estimable else 0.0
    return Check(
        id="small_sample",
        question=question,
        status=passed(min(degrees, clusters) >= FEWEST),
        value=min(degrees, clusters),
        threshold=f"at least {FEWEST}",
        sentence=f"{clusters} {cluster}s have both kinds of change where a failure can be compared, and the variation "
        f"between {cluster}s has {degrees:.2f} degrees of freedom; below {FEWEST} of either it is hardly known",
    )


def _degrees_of_freedom(found: Estimate) -> float:
    """Those of the t distribution whose quantile the interval used."""
    return float(stdtridf(0.5 + found.interval.level / 2, reach(found)))


def _clusters_compared(facts: Facts) -> int:
    """The smaller of two counts: clusters with exposed, and with unexposed, deployments where a failure is compared."""
    cells, frame = facts.counted.cells, facts.counted.cells.frame
    exposed = frame["exposed"] == 1
    here = pd.DataFrame({"exposed": frame["n"] * exposed, "other": frame["n"] * ~exposed, "events": frame["events"]})
    there = here.groupby([frame[name] for name in cells.strata]).transform("sum")
    compared = (there > 0).all(axis="columns") & (frame["n"] > 0)
    return min(int(frame.loc[compared & arm, cells.cluster].nunique()) for arm in (exposed, ~exposed))
