"""What a run has found already, kept for the notebooks it starts afterwards.

The further designs and the challenges take most of the time of an analysis. A run makes them once, for its results, and
hands them to the notebooks that show all of them; a notebook opened by hand finds nothing kept and makes them itself.
They are taken only where code, plan, data and the primary estimate are the very same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from counterfault.analysis import Analysis
from counterfault.checking import Checked
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimating import EstimatesById
from counterfault.plan import Plan
from counterfault.provenance import provenance

KEPT_IN = "COUNTERFAULT_FOUND"  # the environment variable that names the file


class Kept(NamedTuple):
    """What a run has found.

    Attributes
    ----------
    estimates : of the plan and of the further designs, id → estimate.
    tried : of the challenges, id → estimate.
    """

    estimates: EstimatesById
    tried: EstimatesById


def keep(analysis: Analysis, folder: Path) -> dict[str, str]:
    """Writes what an analysis has found into a file of ``folder``.

    Returns
    -------
    The environment in which a notebook finds it again.
    """
    file = folder / "found.json"
    plain = {
        "origin": _origin(analysis.plan, analysis.checked),
        "estimates": _plain(analysis.estimates.values()),
        "tried": _plain(analysis.tried.values()),
    }
    file.write_text(_text(plain), encoding="utf-8")
    return {KEPT_IN: str(file)}


def kept(plan: Plan, checked: Checked, primary: Estimate) -> Kept | None:
    """What the run that started this notebook has found; None where there is no run, or it read anything else.

    Parameters
    ----------
    plan, checked, primary : what this notebook was promised, has read, and found itself.
    """
    file = os.environ.get(KEPT_IN)
    origin = _origin(plan, checked)
    if not file or origin is None or not Path(file).is_file():
        return None
    plain = json.loads(Path(file).read_text(encoding="utf-8"))
    if plain["origin"] != origin:
        return None
    found = Kept(_estimates(plain["estimates"]), _estimates(plain["tried"]))
    # As text, because an estimate without a value has NaN in it, which no comparison finds equal to itself.
    return found if _text(_plain([found.estimates["primary"]])) == _text(_plain([primary])) else None


def _origin(plan: Plan, checked: Checked) -> Any:
    """Code, plan and data; None where a table cannot be known again, as in a database others write to."""
    if any(account.digest is None for account in checked.accounts):
        return None
    return [provenance(plan, checked), [str(account) for account in checked.accounts]]


def _text(plain: Any) -> str:
    return json.dumps(plain, default=lambda number: number.item())


def _plain(estimates: Iterable[Estimate]) -> list[dict[str, Any]]:
    """Estimates with their parts as plain values, without loss."""
    return [
        {
            **{field.name: getattr(found, field.name) for field in fields(found)},
            "estimand": found.estimand.name,
            "interval": asdict(found.interval),
            "support": dict(found.support),
            "parts": _plain(found.parts),
        }
        for found in estimates
    ]


def _estimates(plain: Iterable[Mapping[str, Any]]) -> EstimatesById:
    return EstimatesById({each["id"]: _estimate(each) for each in plain})


def _estimate(plain: Mapping[str, Any]) -> Estimate:
    return Estimate(
        **{
            **plain,
            "estimand": Estimand[plain["estimand"]],
            "interval": Interval(**plain["interval"]),
            "adjustment": tuple(plain["adjustment"]),
            "caveats": tuple(plain["caveats"]),
            "parts": tuple(map(_estimate, plain["parts"])),
        }
    )
