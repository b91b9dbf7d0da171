"""What a notebook shows between its questions: tables, figures' frames, sentences with computed numbers, provenance."""

from counterfault.showing.closing import closing
from counterfault.showing.frames import failures_by_period, labels_by_period, labels_by_service, periods_in
from counterfault.showing.prose import (
    Prose,
    tell_accounts,
    tell_attributable,
    tell_growth,
    tell_homogeneity,
    tell_links,
    tell_reversal,
    tell_total_and_direct,
)
from counterfault.showing.stories import (
    claims_table,
    failures_to_tell_table,
    ratios_behind,
    share_curves,
    share_of_changes,
    tell_both_fit,
    tell_failures_needed,
    tell_involving,
    tell_no_effect,
)
from counterfault.showing.tables import (
    accounts_table,
    checks_table,
    estimates_table,
    links_frame,
    not_assessed_table,
    quarantine_table,
)

__all__ = [
    "Prose",
    "accounts_table",
    "checks_table",
    "claims_table",
    "closing",
    "estimates_table",
    "failures_by_period",
    "failures_to_tell_table",
    "labels_by_period",
    "labels_by_service",
    "links_frame",
    "not_assessed_table",
    "periods_in",
    "quarantine_table",
    "ratios_behind",
    "share_curves",
    "share_of_changes",
    "tell_accounts",
    "tell_attributable",
    "tell_both_fit",
    "tell_failures_needed",
    "tell_growth",
    "tell_homogeneity",
    "tell_involving",
    "tell_links",
    "tell_no_effect",
    "tell_reversal",
    "tell_total_and_direct",
]
