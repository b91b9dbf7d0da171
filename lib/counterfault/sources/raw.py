"""A table as its source gave it: nothing renamed, cast or dropped yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

LINE = "counterfault_line"
FILE = "counterfault_file"


@dataclass(frozen=True)
class Raw:
    """One table before the contract has looked at it.

    Attributes
    ----------
    name : its name in the contract, e.g. ``"deployments"``.
    source : where it came from, without secrets; printed in messages and reports.
    table : Ibis table with the source's own columns, and ``LINE``/``FILE`` where the source is a file.
    unreadable : lines the reader could not split into columns: ``file``, ``line``, ``rule``, ``value``.
    digest : SHA-256 of the file's bytes, None for a database or a frame.
    """

    name: str
    source: str
    table: Any
    unreadable: pd.DataFrame = field(default_factory=lambda: no_unreadable())
    digest: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.columns if name not in (LINE, FILE))


def no_unreadable() -> pd.DataFrame:
    """Of the right shape, with no row."""
    return pd.DataFrame(
        {
            "file": pd.Series(dtype="str"),
            "line": pd.Series(dtype="int64"),
            "rule": pd.Series(dtype="str"),
            "value": pd.Series(dtype="str"),
        }
    )
