"""The rows of every table, the labels and where every change ended: one system of sums, and what of it is not shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from counterfault.publish.disclosure.audit import Key, Relation, protected
from counterfault.publish.disclosure.pictures import folded
from counterfault.publish.disclosure.policy import Policy

Record = Mapping[str, Any]
ANALYSED = "analysed"
ARMS = ("ai", "human")


def accounts_of(record: Record, policy: Policy) -> tuple[dict[Key, int], set[Key]]:
    """Every count of rows, how they add up, and which are not shown."""
    data = record["data"]
    steps, _ = folded(data.get("population") or [], ANALYSED, policy)
    cells: dict[Key, int] = {}
    relations: list[Relation] = []
    hidden: set[Key] = set()
    for name, table in data["tables"].items():
        cells |= {(name, key): int(table[key]) for key in ("read", "accepted", "quarantined", "used")}
        cells[name, "unused"] = cells[name, "accepted"] - cells[name, "used"]
        hidden.add((name, "unused"))  # nobody prints it, and everybody can compute it
        relations.append({(name, "read"): 1, (name, "accepted"): -1, (name, "quarantined"): -1})
        relations.append({(name, "accepted"): 1, (name, "used"): -1, (name, "unused"): -1})
    for key in ("read", "quarantined"):  # notebooks tell the sums over all tables
        cells["all", key] = sum(cells[name, key] for name in data["tables"])
        relations.append({("all", key): 1, **{(name, key): -1 for name in data["tables"]}})
    if data.get("population"):
        _add_steps(cells, relations, hidden, record, steps)
    # Rows accepted are the sum of much that is told; rows read, and sums over unlike tables, are told for themselves.
    spare = {key for key in cells if key[0] == "all" or key[1] == "read"}
    compared = {key for key in cells if steps is None and key[0] == "step"} - hidden
    kept = {key for key in compared if not policy.is_small(cells[key])}
    first, second = protected(cells, relations, threshold=policy.threshold, hidden=hidden, kept=kept, spare=spare)
    return cells, first | second


def _add_steps(
    cells: dict[Key, int],
    relations: list[Relation],
    hidden: set[Key],
    record: Record,
    steps: list[dict[str, Any]] | None,
) -> None:
    """Labels and where every change ended; where the account is left out, what is in it is hidden but for the sums."""
    labels = ("ai", "human", "unknown")
    rows = steps if steps is not None else [dict(row) for row in record["data"]["population"]]
    for label in labels:
        cells["labels", label] = int(record["data"]["labels"][label])
        cells |= {("step", at, label): int(row[label]) for at, row in enumerate(rows)}
        relations.append({("labels", label): 1, **{("step", at, label): -1 for at in range(len(rows))}})
    relations.append({("deployments", "accepted"): 1, **{("labels", label): -1 for label in labels}})
    analysed = [at for at, row in enumerate(rows) if row["step"] == ANALYSED]
    if analysed:
        relations.append({("deployments", "used"): 1, **{("step", analysed[0], arm): -1 for arm in ARMS}})
    if steps is None:
        # Notebooks tell how many are compared, so of those left out only is it unknown how many they are.
        hidden |= {("step", at, label) for at in range(len(rows)) for label in labels if at not in analysed}


def mask_accounts(shown: dict[str, Any], policy: Policy, cells: Mapping[Key, int], gone: Collection[Key]) -> int:
    """Takes from a record what :func:`accounts_of` says must go; returns how many counts that were."""
    data = shown["data"]
    steps, lost = folded(data.get("population") or [], ANALYSED, policy)
    data["population"] = [{key: _round(value, policy) for key, value in row.items()} for row in steps or []]
    for name, table in data["tables"].items():
        for key in ("read", "accepted", "quarantined", "used"):
            table[key] = None if (name, key) in gone else policy.rounded(cells[name, key])
    data["labels"] = {
        name: None if ("labels", name) in gone else policy.rounded(int(value)) for name, value in data["labels"].items()
    }
    for row in data["population"]:
        at = data["population"].index(row)
        row |= {label: None for label in ("ai", "human", "unknown") if ("step", at, label) in gone}
    if any(value is None for row in data["population"] for value in row.values()):
        data["population"] = []  # an account with holes is no account
    for name, found in (shown["provenance"].get("inputs") or {}).items():
        if isinstance(found, dict) and "rows" in found:
            found["rows"] = data["tables"].get(name, {}).get("read")
    return lost + len(gone)


def _round(value: Any, policy: Policy) -> Any:
    return policy.rounded(value) if isinstance(value, int) else value


def mask_links(data: dict[str, Any], policy: Policy) -> int:
    """Takes small numbers of links from a record, with what chance would have made; returns how many counts."""
    lost = 0
    for row in data.get("links") or ():
        counts = ("links", "incidents_linked", "deployments_linked")
        small = {key for key in counts if policy.is_small(row[key]) or row[key] in policy.withheld}
        row |= {key: None if key in small else policy.rounded(row[key]) for key in counts}
        if small and row["expected_by_chance"] is not None:
            row["expected_by_chance"] = None
        lost += len(small)
    return lost
