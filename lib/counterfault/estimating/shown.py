"""In which notebook an estimate is shown first."""

from __future__ import annotations

FIRST_SHOWN_IN = (  # beginnings of ids, the more special first, and the notebook that discusses them
    ("total.risk_ratio.", "90_verdict"),  # those that only checks ask for
    ("negative_control.risk_ratio", "90_verdict"),
    ("placebo.risk_ratio", "90_verdict"),
    ("negative_control.", "60_challenges"),
    ("primary.calibrated", "60_challenges"),
    ("placebo.", "60_challenges"),
    ("link_rules.", "60_challenges"),
    ("label_error.", "60_challenges"),
    ("confounding.", "60_challenges"),
    ("leave_one_out.", "60_challenges"),
    ("multiverse.", "60_challenges"),
    ("plasmode.", "60_challenges"),
    ("crude.", "30_association"),
    ("stratified.", "30_association"),
    ("total.", "30_association"),
    ("direct.", "30_association"),
    ("corrected.", "30_association"),
    ("regression.", "30_association"),
    ("clusters.", "30_association"),
    ("standardised.", "30_association"),
    ("overlap.", "30_association"),
    ("pooled.", "30_association"),
    ("self_controlled.", "40_within_service"),
    ("case_crossover.", "40_within_service"),
    ("adoption.growth", "20_adoption"),
    ("adoption.", "40_within_service"),
    ("timing.", "45_consequences"),
    ("severity.", "45_consequences"),
    ("blast_radius.", "45_consequences"),
    ("failure_mode.", "45_consequences"),
    ("spill_over.", "45_consequences"),
    ("amplifier.", "50_amplifier"),
    ("mediation.", "50_amplifier"),
    ("dose.", "50_amplifier"),
    ("", "90_verdict"),
)


def notebook_of(id: str) -> str:
    """The notebook in which an estimate is shown first."""
    return next(notebook for beginning, notebook in FIRST_SHOWN_IN if id.startswith(beginning))
