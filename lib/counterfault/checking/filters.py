"""Rows the plan leaves out: accepted, marked and counted, never dropped unseen."""

from __future__ import annotations

from collections.abc import Sequence
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
        branches.append((~kept, f"{column} is not {_told(mapping, column, values)}"))
    for column, values in mapping.drop.items():
        require_source(raw, column, f"mapping.{raw.name}.drop")
        dropped = text_of(raw.table[column]).lower().isin([str(value).lower() for value in values]).fill_null(False)
        branches.append((dropped, f"{column} is {_told(mapping, column, values).lower()}"))
    return ibis.cases(*branches, else_=ibis.null("string")) if branches else ibis.null("string")


def _told(mapping: Mapping, column: str, values: Sequence[object]) -> str:
    """The values in words; of authors only that the plan names them, for these words reach every report."""
    return "one the plan names" if mapping.rename.get(column, column) == "author" else " or ".join(map(str, values))
