"""Which estimates a plan may name beside its primary one: comparisons that are made of any data, under fixed names.

A name that hangs on the data, such as that of one AI tool, may be gone in the next run, and then the family that was
promised could not be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from counterfault.contracts import TABLES, nearest

COMPARISONS = (
    "stratified.risk_ratio",
    "stratified.risk_difference",
    "stratified.odds_ratio",
    "total.risk_ratio",
    "direct.risk_ratio",
    "corrected.risk_ratio",
    "standardised.risk_ratio",
    "standardised.risk_difference",
    "standardised.attributable_incidents",
    "standardised.attributable_fraction",
    "overlap.risk_ratio",
    "overlap.risk_difference",
    "pooled.risk_ratio",
    "pooled.risk_ratio.rare_event",
    "self_controlled.ratio",
    "case_crossover.ratio",
    "adoption.did.not_yet",
    "adoption.did.never",
    "timing.cumulative_incidence_difference",
    "timing.restricted_mean_difference",
    "timing.hazard_ratio",
    "timing.detection.ratio",
    "timing.restoration.hazard_ratio",
    "timing.peak_failure.risk_ratio",
    "severity.severe.risk_ratio",
    "severity.ordinal.odds_ratio",
    "severity.ordinal.odds_ratio.given_failure",
    "blast_radius.services.mean_ratio",
    "blast_radius.users.mean_ratio",
    "dose.trend",
)


def known(amplifiers: Iterable[str], hops: int) -> tuple[str, ...]:
    """Every id that may be secondary under a plan with these amplifiers, looking so many services far."""
    modes = TABLES["incidents"]["failure_mode"].allowed or ()
    return (
        *COMPARISONS,
        *(f"failure_mode.{mode}.risk_ratio" for mode in modes),
        *(f"spill_over.hop_{hop}.risk_ratio" for hop in range(1, hops + 1)),
        *(f"amplifier.{name}.ratio" for name in amplifiers),
    )


def faults(named: tuple[str, ...], primary: str, choices: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the secondary estimates a plan names, each with the way out."""
    for id in dict.fromkeys(named):
        if id in ("primary", primary):
            yield f"decision.secondary: {id!r} is the primary estimate, which is in the family anyway; leave it out"
        elif id not in choices:
            guess = nearest(id, choices)
            hint = f"did you mean {guess!r}?" if guess else "docs/methods.md explains those there are"
            yield f"decision.secondary: no estimate {id!r}; {hint}"
        elif named.count(id) > 1:
            yield f"decision.secondary: {id!r} is named {named.count(id)} times; name it once"
