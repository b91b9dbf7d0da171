"""Gates: is there enough to speak about, and something to compare it with?"""

from __future__ import annotations

from counterfault.checks.check import Check, Facts, passed, strata_name
from counterfault.counting.population import ANALYSED, UNKNOWN


def enough_events(facts: Facts) -> Check:
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
