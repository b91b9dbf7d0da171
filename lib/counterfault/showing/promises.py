"""Whether the promise was kept: what departs from the frozen plan, as a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

from counterfault.counting import Counted
from counterfault.counting.happened import happened_before
from counterfault.freezing import deviations
from counterfault.linking import Linked
from counterfault.plan import Plan

KEPT = "None: the plan is as it was frozen, before any of the data it uses."


@dataclass(frozen=True)
class Deviations:
    """What keeps an analysis from being one that was promised beforehand."""

    sentences: tuple[str, ...]

    def _repr_html_(self) -> str:
        if not self.sentences:
            return f"<p>{KEPT}</p>"
        return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in self.sentences)}</ul>"

    def __str__(self) -> str:
        return "\n".join(self.sentences) or KEPT


def tell_deviations(plan: Plan, plan_path: Path, linked: Linked, counted: Counted) -> Deviations:
    """What departs from the plan as it was frozen, or that nothing does.

    Parameters
    ----------
    plan, plan_path : the promise, and the file it was read from.
    linked, counted : what the earlier steps returned; they say what had happened when the plan was frozen.
    """
    return Deviations(deviations(plan, plan_path, partial(happened_before, linked, counted)))
