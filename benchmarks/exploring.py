"""How long after a choice does 00_explore show its estimate and its pictures, beside linking and counting anew?

    python benchmarks/exploring.py

Both on the demo organisation in one process; reading and the first count are not in the choices. "Anew" is what a
choice would cost without the finest cells: link, count, and the same four estimates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import counterfault as cf
from counterfault.exploring import Explorer
from counterfault.exploring.choices import changed
from counterfault.exploring.explorer import explored
from counterfault.exploring.seen import estimates_of

CHOICES: dict[str, tuple[dict[str, Any], tuple[str, str] | None]] = {
    "window 24 h": ({"outcome.window_hours": 24.0}, None),
    "link rule": ({"outcome.link": "window"}, None),
    "strata: service and month": ({"design.strata": ("service", "month")}, None),
    "strata: team and week": ({"design.strata": ("team", "week")}, None),
    "confounders": ({"design.confounders": ("at_peak",)}, None),
    "level": ({"decision.level": 0.9}, None),
    "worth acting on": ({"decision.worth_acting_on": 1.5}, None),
    "scope: one layer": ({}, ("layer", "platform")),
    "a window nobody offered (10 h)": ({"outcome.window_hours": 10.0}, None),
}
RUNS = 5


def seconds(call: Callable[[], Any]) -> float:
    """Processor time: what others do on the machine meanwhile lengthens the wait, and not the work."""
    began = time.process_time()
    call()
    return time.process_time() - began


def shown(explorer: Explorer, changes: dict[str, Any], scope: tuple[str, str] | None) -> None:
    """A choice that was never looked at, with its pictures; the counts stay, what was seen does not."""
    explorer._looked_at.clear()
    explorer.look(changes, scope)._repr_html_()


def anew(explorer: Explorer, changes: dict[str, Any]) -> None:
    plan = changed(explorer.plan, changes)
    counted = cf.count(cf.link(explorer.checked, plan), plan)
    held = tuple(name for name in plan.design.confounders if name in counted.covariates)
    estimates_of(counted.cells, plan, held)


def main() -> None:
    began = time.process_time()
    explorer = explored(cf.open_inputs(), lambda line: None)
    ready = time.process_time() - began
    print(f"ready after {ready:.1f} s, which counts every rule and window too\n")
    shown(explorer, {}, None)  # fonts and first compilation
    print("seconds of processor time")
    print(f"{'choice':34} {'first':>9} {'shown':>9} {'anew':>9}")
    for name, (changes, scope) in CHOICES.items():
        first = seconds(lambda: shown(explorer, changes, scope))  # noqa: B023
        again = median(seconds(lambda: shown(explorer, changes, scope)) for _ in range(RUNS))  # noqa: B023
        print(f"{name:34} {first:7.3f} s {again:7.3f} s {seconds(lambda: anew(explorer, changes)):7.3f} s")  # noqa: B023


if __name__ == "__main__":
    main()
