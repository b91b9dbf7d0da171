"""The answer of a study in one sentence, for the page one opens first."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from counterfault.analysis import conclude
from counterfault.checking import Checked
from counterfault.figures import Figure, verdict_strip
from counterfault.figures.wording import plain
from counterfault.inputs import Inputs
from counterfault.places import from_here
from counterfault.verdict import Verdict


@dataclass(frozen=True)
class Answer:
    """A verdict, and which plan it follows.

    Attributes
    ----------
    plan_shown : the plan's file, title and digest, in words.
    verdict : read from the primary interval and the gates. Challenges are not made here, so its grade is not told.
    strip : the interval against what is worth acting on.
    """

    plan_shown: str
    verdict: Verdict
    strip: Figure

    def __str__(self) -> str:
        return f"{self.verdict.sentence}\n{self.plan_shown}"

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>{escape(plain(self.verdict.sentence))}</strong></p>\n{self.strip._repr_html_()}\n"
            f"<p>{escape(self.plan_shown)}</p>"
        )


def answer(inputs: Inputs, checked: Checked) -> Answer:
    """What a study says, without the further designs and the challenges: the call never reads them.

    Parameters
    ----------
    inputs : plan and places.
    checked : the tables read from there.
    """
    plan = inputs.plan
    found = conclude(checked, plan, further=False)
    strip = verdict_strip(found.estimates["primary"], worth_acting_on=plan.decision.worth_acting_on)
    shown = f"Plan: {plain(from_here(str(inputs.plan_path)))} (“{plain(plan.title)}”, digest {plan.digest})."
    return Answer(shown, found.verdict, strip)
