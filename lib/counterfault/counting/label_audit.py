"""A sample of changes for a person to judge: drawn by label and outcome, shown without either, read back with both.

Why by label and outcome? Failures are few, and wrong labels among them weigh most. Why without? Whoever knows that a
change failed, or what its label says, judges it otherwise (Lash, Fox & Fink 2009, ch. 2, on validation studies).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from counterfault.contracts import ContractError
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked

KEY, JUDGED, CALLED = "deployment_id", "judged", ("ai", "human")
# What helps to find and to read a change. Nothing that tells its label (tool, tier, share, the gate for AI code), its
# fate, or who wrote it.
SHOWN = (
    "deployed_at", "service", "team", "layer", "change_type", "lines_added", "lines_deleted", "files_changed",
    "touches_tests",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t")  # a spreadsheet would compute cells that begin so
Stratum = tuple[str, int]  # label, failed


@dataclass(frozen=True)
class JudgedSample:
    """How a person's judgement compares with the labels.

    Attributes
    ----------
    judged, found_ai : (label, failed) → how many were judged, and how many of them were called AI-assisted.
    labelled : (label, failed) → how many deployments of the contrast carry that label.
    elsewhere : judged deployments that are no longer in the contrast, and say nothing about it.
    """

    judged: Mapping[Stratum, int]
    found_ai: Mapping[Stratum, int]
    labelled: Mapping[Stratum, int]
    elsewhere: int


def audit_sample(rows: Any, linked: Linked, size: int, seed: int) -> pd.DataFrame:
    """Deployments of the contrast to judge, oldest first, with an empty column ``judged``.

    Each of the four groups of label and outcome gives the same number as far as it goes; what one lacks the others
    give. Order and columns tell neither label nor outcome.

    Parameters
    ----------
    rows, linked : as ``Counted.rows`` and ``Linked`` hold them.
    size : how many in all.
    seed : same seed and same tables, same sample.

    Raises
    ------
    ValueError : less than one, or the contrast is empty.
    """
    if size < 1:
        raise ValueError(f"--audit {size}: judge at least one change; 25 to 50 per label and outcome tell something")
    known = _known(rows, linked)
    known = known[known["step"] == ANALYSED].sort_values(KEY, ignore_index=True)
    if known.empty:
        raise ValueError("no deployment is in the contrast, so there is no label to judge")
    rng = np.random.default_rng(seed)
    groups = [group for _, group in known.groupby(["assistance", "events"])]
    shares = equal_shares([len(group) for group in groups], size)
    chosen = [group[KEY].iloc[rng.permutation(len(group))[:share]] for group, share in zip(groups, shares, strict=True)]
    return _shown(linked, pd.concat(chosen).tolist()).assign(**{JUDGED: ""})


def equal_shares(available: Sequence[int], size: int) -> list[int]:
    """So many from each group that all give alike as far as they go, and together ``size`` or all there are."""
    shares, left = [0] * len(available), min(size, sum(available))
    smallest_first = sorted(range(len(available)), key=available.__getitem__)
    for done, place in enumerate(smallest_first):
        shares[place] = min(available[place], left // (len(available) - done))
        left -= shares[place]
    return shares


def audit_csv(sample: pd.DataFrame) -> str:
    """The sample as CSV text; a cell a spreadsheet would compute is marked as text by a leading apostrophe."""
    text = sample.map(lambda value: f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value)
    return text.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")


def read_audit(path: Path) -> dict[str, str]:
    """What a person wrote into the column ``judged``: deployment → "ai" or "human". Empty cells are left out.

    Raises
    ------
    ContractError : the file cannot be read, lacks a column, judges a deployment twice or in other words, or none.
    """
    lines = _lines(path)
    judged: dict[str, tuple[int, str]] = {}
    for number, line in lines:
        key, called = (line[KEY] or "").strip(), (line[JUDGED] or "").strip().lower()
        key = key[1:] if key.startswith("'") and key[1:].startswith(FORMULA) else key
        if key in judged:
            raise ContractError(
                f"{path}: line {number}: {key!r} was judged in line {judged[key][0]} already; keep one of the two lines"
            )
        if called not in ("", *CALLED):
            raise ContractError(
                f"{path}: line {number}: judged is {line[JUDGED]!r}; write ai or human, or leave it empty where nobody "
                "can tell"
            )
        judged[key] = (number, called)
    found = {key: called for key, (_, called) in judged.items() if called}
    if not found:
        raise ContractError(
            f"{path}: none of its {len(judged)} changes is judged; write ai or human into the column {JUDGED!r}"
        )
    return found


def _lines(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: not UTF-8 text (byte {error.start}); save the audit as CSV in UTF-8") from None
    except OSError as error:
        raise ContractError(
            f"{path}: cannot read the audit ({error.strerror}); `counterfault label --audit 100 --out {path.name}` "
            "draws a sample to judge"
        ) from None
    heading = text.partition("\n")[0]
    reader = csv.DictReader(StringIO(text), delimiter=";" if ";" in heading and "," not in heading else ",")
    for column in (KEY, JUDGED):
        if column not in (reader.fieldnames or ()):
            raise ContractError(
                f"{path}: no column {column!r}; it has {', '.join(reader.fieldnames or ()) or 'none'}. Keep the "
                "columns that `counterfault label --audit` wrote"
            )
    return [(reader.line_num, line) for line in reader]


def compare_audit(judged: Mapping[str, str], rows: Any, linked: Linked, name: str = "audit") -> JudgedSample:
    """The judgements beside the labels and outcomes these tables hold now; labels and outcomes were never in the file.

    Parameters
    ----------
    judged : as :func:`read_audit` returns it.
    rows, linked : as ``Counted.rows`` and ``Linked`` hold them.
    name : what messages call the file.

    Raises
    ------
    ContractError : a judged deployment is in no table.
    """
    known = _known(rows, linked)
    if strangers := sorted(set(judged) - set(known[KEY])):
        shown = ", ".join(map(repr, strangers[:3])) + (", …" if len(strangers) > 3 else "")
        raise ContractError(
            f"{name}: {len(strangers)} of {len(judged)} judged deployments are not in the deployments ({shown}); judge "
            "a sample drawn from these tables, or remove the lines"
        )
    here = known[known["step"] == ANALYSED]
    labelled = Counter(zip(here["assistance"], here["events"].astype(int), strict=True))
    sampled = here[here[KEY].isin(list(judged))]
    strata = list(zip(sampled["assistance"], sampled["events"].astype(int), strict=True))
    ai = [judged[key] == "ai" for key in sampled[KEY]]
    found = Counter(stratum for stratum, called_ai in zip(strata, ai, strict=True) if called_ai)
    return JudgedSample(
        judged=_all_four(Counter(strata)),
        found_ai=_all_four(found),
        labelled=_all_four(labelled),
        elsewhere=len(judged) - len(sampled),
    )


def _all_four(counts: Counter[Stratum]) -> dict[Stratum, int]:
    return {(label, failed): counts[label, failed] for label in CALLED for failed in (1, 0)}


def _known(rows: Any, linked: Linked) -> pd.DataFrame:
    """Label, outcome and place in the flow of every accepted deployment."""
    frame: pd.DataFrame = rows.select(KEY, "assistance", "events", "step").execute()
    return frame


def _shown(linked: Linked, chosen: list[str]) -> pd.DataFrame:
    deployments = linked.checked.tables["deployments"]
    columns = [KEY, *(name for name in SHOWN if name in deployments.columns)]
    found = deployments.filter(deployments[KEY].isin(chosen)).select(*columns)
    frame: pd.DataFrame = found.order_by("deployed_at", KEY).execute()
    return frame
