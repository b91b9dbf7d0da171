"""What a published report leaves out, so that nobody in the data can be recognised from a small number."""

from __future__ import annotations

from pydantic import Field

from counterfault.plan.section import Section


class Disclosure(Section):
    """Small counts suppressed, and counts rounded, in what is published; an analyst's own run shows everything.

    Attributes
    ----------
    threshold : counts from 1 to one less are suppressed; 0 or 1 suppresses nothing.
    round_to : counts are rounded to its multiples; 1 leaves them as they are.
    """

    threshold: int = Field(default=5, ge=0)
    round_to: int = Field(default=1, ge=1)
