"""What would the answer be if labels were right as often as a person who judged a sample of changes found?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counterfault.challenges.error_rates import JudgedRates
from counterfault.challenges.label_error import ASSUMED, bias_adjusted
from counterfault.counting.label_audit import CALLED, JudgedSample, compare_audit, read_audit
from counterfault.estimate import Estimate, not_estimable
from counterfault.estimating.study import Study
from counterfault.plan import Plan, PlanError

ENOUGH = 5  # judged changes of every label and outcome, unless there are fewer


@dataclass(frozen=True)
class AuditedLabels:
    """The primary estimate with labels that err as a judged sample of them does.

    Parameters
    ----------
    judged : deployment → "ai" or "human", as :func:`~counterfault.counting.label_audit.read_audit` returns it.
    draws, seed : of the posterior, see :class:`~counterfault.challenges.error_rates.JudgedRates`.
    name : what messages call the file.
    """

    judged: Mapping[str, str]
    draws: int = 2000
    seed: int = 20_260_101
    name: str = "audit"

    @classmethod
    def of(cls, plan: Plan, folder: Path) -> AuditedLabels | None:
        """The judged sample a plan names, or None where it names none.

        Parameters
        ----------
        plan : ``challenges.label_error.audit`` is a path as seen from ``folder``.
        folder : where the plan lies.

        Raises
        ------
        PlanError : there is no such file.
        ContractError : it cannot be used, see :func:`~counterfault.counting.label_audit.read_audit`.
        """
        chosen = plan.challenges.label_error
        if chosen.audit is None:
            return None
        path = folder / chosen.audit
        if not path.is_file():
            raise PlanError(
                f"challenges.label_error.audit: there is no file {chosen.audit!r} beside the plan; `counterfault label "
                f"--audit 100 --out {path.name}` draws a sample to judge"
            )
        return cls(read_audit(path), chosen.draws, plan.challenges.seed, chosen.audit)

    def __call__(self, study: Study, primary: Estimate) -> Estimate:
        """Estimate ``label_error.audited``, with the parts of ``label_error.bias_adjusted``.

        Not estimable with fewer than five judged changes of any label and outcome, unless all there are were judged.

        Raises
        ------
        ContractError : a judged deployment is in no table.
        """
        sample = compare_audit(self.judged, study.counted.rows, study.linked, self.name)
        counts = _support(sample)
        if (lacking := _lacking(sample)) or not primary.estimable:
            reason = lacking or f"there is no primary estimate to correct: {primary.caveats[0]}"
            method = "labels corrected by a judged sample"
            silent = not_estimable(primary.estimand, reason, method=method, level=study.level, support=counts)
            return silent.named("label_error.audited")
        rng = np.random.default_rng(self.seed)
        rates = JudgedRates(sample.judged, sample.found_ai, sample.labelled).draw(rng, self.draws)
        found = bias_adjusted(study, primary, rates, rng)
        return found.named(
            "label_error.audited",
            support={**found.support, **counts},
            caveats=(*found.caveats, _told(sample), ASSUMED, *_elsewhere(sample)),
        )


def _lacking(sample: JudgedSample) -> str:
    for (label, failed), number in sample.judged.items():
        needed = min(ENOUGH, sample.labelled[label, failed])
        if number < needed:
            whose = "failed changes" if failed else "changes that did not fail and are"
            were = "was" if number == 1 else "were"
            return (
                f"of the {whose} labelled {label}, {number} {were} judged; at least {needed} are needed, so judge "
                "more of the sample or draw a larger one"
            )
    return ""


def _told(sample: JudgedSample) -> str:
    wrong = {
        "ai": "labelled AI and judged human",
        "human": "labelled human and judged AI",
    }
    told = []
    for label in CALLED:
        for failed, name in ((1, "failures"), (0, "other changes")):
            judged, ai = sample.judged[label, failed], sample.found_ai[label, failed]
            told.append(f"{judged - ai if label == 'ai' else ai} of {judged} {name} {wrong[label]}")
    return f"Judged: {'; '.join(told)}."


def _elsewhere(sample: JudgedSample) -> tuple[str, ...]:
    if not sample.elsewhere:
        return ()
    return (f"{sample.elsewhere} judged changes are outside the contrast and were not used.",)


def _support(sample: JudgedSample) -> dict[str, int]:
    named = {(label, failed): f"{label}_{'failed' if failed else 'other'}" for label, failed in sample.judged}
    return {
        **{f"judged_{name}": sample.judged[key] for key, name in named.items()},
        **{f"judged_ai_of_{name}": sample.found_ai[key] for key, name in named.items()},
    }
