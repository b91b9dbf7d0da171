"""The long steps as notebooks ask for them: the further designs, and every attempt to break the answer."""

from __future__ import annotations

from pathlib import Path

from counterfault.challenges.families import try_to_break
from counterfault.checking import Checked
from counterfault.estimate import Estimate
from counterfault.estimating import FAMILIES, Estimates, EstimatesById, Study, estimate_family
from counterfault.showing.kept import kept
from counterfault.showing.progress import PassingLine


def attempts(study: Study, primary: Estimate, checked: Checked, plan_path: Path) -> EstimatesById:
    """The estimates of all challenges, id → estimate: those of the run this notebook belongs to, else made here.

    Parameters
    ----------
    study, primary : what is to be broken.
    checked : what the study was read from.
    plan_path : the plan's file; a sample of judged labels may lie beside it.
    """
    if (found := kept(study.plan, checked, primary)) is not None:
        return found.tried
    with PassingLine() as line:
        return try_to_break(study, primary, plan_folder=plan_path.parent, say=line)


def further(study: Study, estimates: Estimates, checked: Checked) -> EstimatesById:
    """The estimates of all further designs, id → estimate: those of the run this notebook belongs to, else made here.

    Parameters
    ----------
    study, checked : as for :func:`attempts`.
    estimates : the first set, which is left out.
    """
    if (found := kept(study.plan, checked, estimates["primary"])) is not None:
        return EstimatesById({id: item for id, item in found.estimates.items() if id not in estimates})
    made: dict[str, Estimate] = {}
    with PassingLine() as line:
        for done, name in enumerate(FAMILIES):
            line("further designs", done, len(FAMILIES))
            made |= estimate_family(study, name)
    return EstimatesById(made)
