"""Estimates under their stable ids, as every family of them is handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterfault.display import card, rows_table
from counterfault.estimate import Estimate


class EstimatesById(Mapping[str, Estimate]):
    """Estimates by id, in order; fixed once made. It shows them as a table, and its ids complete with the Tab key.

    Parameters
    ----------
    found : id → estimate.
    """

    def __init__(self, found: Mapping[str, Estimate]) -> None:
        self._found = dict(found)

    def __getitem__(self, id: str) -> Estimate:
        try:
            return self._found[id]
        except KeyError:
            raise KeyError(f"no estimate {id!r} among these {len(self)}: {', '.join(self._found)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<{len(self)} estimates: {', '.join(self._found)}>"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._found)

    def _repr_html_(self) -> str:
        heads = ("id", "what", "value", "low", "high")
        return card(
            f"{len(self)} estimates by id",
            table=rows_table("Estimates and their limits", heads, map(_row, self.items()), most=len(self)),
            then=('estimates["primary"]', 'showing.estimates_table(estimates.values(), "caption")'),
        )


def _row(item: tuple[str, Estimate]) -> tuple[Any, ...]:
    id, found = item
    return id, found.estimand.label, found.value, found.interval.low, found.interval.high
