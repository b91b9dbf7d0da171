"""Rows the plan leaves out: accepted, marked and counted, never dropped unseen."""

from __future__ import annotations

from typing import Any

import ibis

from counterfault.checking.casting import text_of
from counterfault.checking.naming import require_source
from counterfault.plan import Mapping
from counterfault.sources.raw import Raw

LEFT_OUT = "left_out_by"


def left_out(raw: Raw, mapping: Mapping) -> Any:
    """The first of the plan's filters that leaves the row out, in words, or null."""
    branches = []
    for column, values in mapping.keep.items():
        require_source(raw, column, f"mapping.{raw.name}.keep")
        kept = text_of(raw.table[column]).lower().isin([str(value).lower() for value in values]).fill_null(False)
        branches.append((~kept, f"{column} is not {' or '.join(map(str, values))}"))
    for column, values in mapping.drop.items():
        require_source(raw, column, f"mapping.{raw.name}.drop")
        dropped = text_of(raw.table[column]).lower().isin([str(value).lower() for value in values]).fill_null(False)
        branches.append((dropped, f"{column} is {' or '.join(map(str, values)).lower()}"))
    return ibis.cases(*branches, else_=ibis.null("string")) if branches else ibis.null("string")
