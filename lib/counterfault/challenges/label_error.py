"""What would the answer be if assistance labels were right as often as the plan, or a judged sample, says?

Probabilistic bias analysis of a misclassified exposure (Fox, MacLehose & Lash 2021, Applying Quantitative Bias Analysis
to Epidemiologic Data, 2nd ed., ch. 7 and 8; Fox, Lash & Greenland 2005, International Journal of Epidemiology 34:1370).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite, log

import numpy as np

from counterfault.challenges.corrected_tables import Corrected, ErrorRates, Floats, LabelledTables
from counterfault.challenges.error_rates import Corners, PriorRates
from counterfault.display import settings_html
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.tables.score import critical_value
from counterfault.plan import Plan

METHOD = (
    "labels corrected by the matrix method within {strata}, Mantel–Haenszel sums (Fox, MacLehose & Lash 2021); the "
    "change it makes is carried over to the primary estimate"
)
ASSUMED = (
    "Assumed: labels are right equally often in all strata and at all covariates, given whether a change failed, and "
    "they err independently of one another."
)
FEWEST_DRAWS = 200
MANY_DISCARDED = 0.1  # Fox, Lash & Greenland (2005): above this the error rates do not fit the data
STEP = 0.01
NEGATIVE = "these error rates leave a group with fewer than no changes"


@dataclass(frozen=True)
class LabelError:
    """The primary estimate with labels that are wrong as often as the plan thinks possible.

    Every draw takes a sensitivity and a specificity for failed and for other changes, corrects the tables and compares
    the corrected with the uncorrected Mantel–Haenszel ratio. The primary estimate is multiplied by that factor, and its
    standard error by how much less certain corrected labels are than labels taken at their word. With right labels it
    is the primary estimate and its interval.

    Parameters
    ----------
    sensitivity, specificity, correlation : as in the plan, see
        :class:`~counterfault.challenges.error_rates.PriorRates`.
    draws : how many imagined sets of labels.
    seed : of the draws.

    Examples
    --------
    >>> adjusted, at = cf.LabelError(draws=200)(study, primary)
    """

    sensitivity: Corners = (0.75, 0.85, 0.97, 1.0)
    specificity: Corners = (0.95, 0.98, 1.0, 1.0)
    correlation: float = 0.8
    draws: int = 2000
    seed: int = 20_260_101

    _repr_html_ = settings_html

    @classmethod
    def of(cls, plan: Plan) -> LabelError:
        """With the plan's settings."""
        chosen = plan.challenges.label_error
        return cls(chosen.sensitivity, chosen.specificity, chosen.correlation, chosen.draws, plan.challenges.seed)

    @property
    def prior(self) -> PriorRates:
        """Where the error rates are drawn from."""
        return PriorRates(self.sensitivity, self.specificity, self.correlation)

    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, Estimate]:
        """Estimates ``label_error.bias_adjusted`` and ``label_error.at``.

        The first has the parts "systematic error only" and "systematic and random error" and repeats the second of
        them; its value is the median of the draws. The second has a part for each pair of the plan's corners, the same
        for all changes, and the tipping points.
        """
        rng = np.random.default_rng(self.seed)
        return self._adjusted(study, primary, rng), self.at(study, primary)

    def _adjusted(self, study: Study, primary: Estimate, rng: np.random.Generator) -> Estimate:
        found = bias_adjusted(study, primary, self.prior.draw(rng, self.draws), rng)
        return found.named("label_error.bias_adjusted", caveats=(*found.caveats, ASSUMED))

    def at(self, study: Study, primary: Estimate) -> Estimate:
        """Fixed error rates, the same for failed and other changes: ``label_error.at``."""
        planned = self.prior.planned
        whole = fixed(study, primary, *planned)
        if not whole.estimable:
            return whole.named("label_error.at")
        pairs = [(se, sp) for se in sorted(set(self.sensitivity)) for sp in sorted(set(self.specificity))]
        grid = tuple(fixed(study, primary, *pair) for pair in pairs)
        return whole.named(
            "label_error.at", parts=grid, caveats=(*whole.caveats, *self._tipping_told(study, primary), ASSUMED)
        )

    def _tipping_told(self, study: Study, primary: Estimate) -> Iterator[str]:
        specificity = f"at specificity {self.prior.planned[1]:.3g}"
        if 1.0 in primary.interval:
            yield "The interval holds 1, so there is no side to lose."
            return
        for whose, lowest in zip(WHOSE, self.tipping(study, primary), strict=True):
            if lowest is None:
                yield f"The interval leaves its side even with a sensitivity of 1 {whose}, {specificity}."
            else:
                yield f"The interval keeps its side down to a sensitivity of {lowest:.2f} {whose}, {specificity}."

    def tipping(self, study: Study, primary: Estimate) -> tuple[float | None, float | None]:
        """The lowest sensitivity, in steps of 0.01 from 1 to 0.5, down to which the interval keeps its side of 1.

        Returns
        -------
        First with the same sensitivity for all changes. That hardly ever turns an answer, because misclassification
        that does not depend on the outcome pulls towards 1. Second with the planned sensitivity for one group and less
        for the other, whichever pulls the ratio towards 1: if more AI fails, the changes that did not fail (nobody
        looked for AI in them); if less, the failed ones. None: not even at the start of the scan, or no side to keep.
        """
        se, sp = (np.asarray(value) for value in self.prior.planned)
        tables = LabelledTables.of(study.cells)
        scan: Floats = np.arange(100, 49, -1, dtype=np.float64) * STEP
        alike = _lowest(scan, primary, tables, ErrorRates.alike(scan, np.full_like(scan, sp)))
        below: Floats = scan[scan <= se + 1e-9]
        failed, other = np.full_like(below, se), below
        if primary.value < 1:
            failed, other = other, failed
        return alike, _lowest(below, primary, tables, ErrorRates(failed, other, *(np.full_like(below, sp),) * 2))


WHOSE = ("of all changes", "of the changes whose hidden AI would explain the ratio, the others as planned")


def _lowest(scan: Floats, primary: Estimate, tables: LabelledTables, rates: ErrorRates) -> float | None:
    if not _bounded(primary) or 1.0 in primary.interval:
        return None
    centre, spread = _carried(primary, tables, rates)
    width = critical_value(primary.interval.level) * spread
    keeps = (centre - width > 0) if primary.value > 1 else (centre + width < 0)
    steps = int(np.argmin(keeps)) if not keeps.all() else len(keeps)
    return float(scan[steps - 1]) if steps else None


def fixed(study: Study, primary: Estimate, sensitivity: float, specificity: float) -> Estimate:
    """The primary estimate if labels had exactly this sensitivity and specificity, whether a change failed or not.

    Raises
    ------
    ValueError : a share outside 0 to 1, or labels no better than a coin.
    """
    if not (0 <= sensitivity <= 1 and 0 <= specificity <= 1 and sensitivity + specificity > 1):
        raise ValueError(
            f"sensitivity {sensitivity:g} and specificity {specificity:g} must lie between 0 and 1 and sum to more "
            "than 1; labels no better than a coin cannot be corrected"
        )
    label = f"sensitivity {sensitivity:.3g}, specificity {specificity:.3g}"
    if not _bounded(primary):
        return replace(_silent(study, primary, _why_not(primary)), label=label)
    rates = ErrorRates.alike(np.array([sensitivity]), np.array([specificity]))
    centre, spread = (float(part[0]) for part in _carried(primary, LabelledTables.of(study.cells), rates))
    if not isfinite(centre):
        return replace(
            _silent(study, primary, "these error rates leave a group with fewer than no changes"), label=label
        )
    width = critical_value(study.level) * spread
    limits = exp_or_infinity(centre - width), exp_or_infinity(centre + width)
    return replace(_dressed(study, exp_or_infinity(centre), limits), label=label, standard_error=spread)


def bias_adjusted(study: Study, primary: Estimate, rates: ErrorRates, rng: np.random.Generator) -> Estimate:
    """Median and simulation interval of the primary estimate over draws of the error rates.

    Parameters
    ----------
    study, primary : the tables, and the estimate to correct.
    rates : the draws.
    rng : of the random error, one normal deviate for each draw.

    Returns
    -------
    Estimate whose parts have systematic error only, and both. ``support`` counts ``draws`` and ``discarded``, those
    that give a count below zero. Not estimable with fewer than 200 draws left, or where the primary has no interval.
    """
    if not _bounded(primary):
        return _silent(study, primary, _why_not(primary))
    centre, spread = _carried(primary, LabelledTables.of(study.cells), rates)
    noise = rng.standard_normal(len(centre))  # before discarding, so that no draw depends on another's fate
    possible = np.isfinite(centre)
    counts = {"draws": len(centre), "discarded": int((~possible).sum())}
    if possible.sum() < FEWEST_DRAWS:
        return _silent(study, primary, _impossible(counts), counts)
    systematic = _simulated(study, centre[possible], "systematic error only", counts)
    total = _simulated(study, (centre + noise * spread)[possible], "systematic and random error", counts)
    return replace(total, label="all", parts=(systematic, total), caveats=tuple(_discarded(counts)))


def _carried(primary: Estimate, tables: LabelledTables, rates: ErrorRates) -> tuple[Floats, Floats]:
    """Logarithm of the primary estimate and its standard error, both as the error rates change them."""
    right = np.ones(1)
    as_labelled: Corrected = tables.corrected(ErrorRates.alike(right, right))
    corrected = tables.corrected(rates)
    low, high = log(primary.interval.low), log(primary.interval.high)
    # The primary's own interval, t or score, as the normal one of equal width.
    own = (high - low) / (2 * critical_value(primary.interval.level))
    moved = log(primary.value) + corrected.log_ratio - as_labelled.log_ratio
    return moved, own * corrected.log_error / as_labelled.log_error


def _bounded(primary: Estimate) -> bool:
    return primary.estimable and primary.value > 0 and primary.interval.low > 0 and primary.interval.high < inf


def _why_not(primary: Estimate) -> str:
    if not primary.estimable:
        return f"there is no primary estimate to correct: {primary.caveats[0]}"
    return "the primary estimate has no interval that is bounded on both sides, so there is no error to carry over"


def _simulated(study: Study, logs: Floats, label: str, counts: dict[str, int]) -> Estimate:
    tail = (1 - study.level) / 2
    low, middle, high = (exp_or_infinity(float(part)) for part in np.quantile(logs, [tail, 0.5, 1 - tail]))
    return replace(_dressed(study, middle, (low, high), counts), label=label)


def _dressed(study: Study, value: float, limits: tuple[float, float], counts: dict[str, int] | None = None) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=value,
        interval=Interval(*limits, study.level),
        method=_method(study),
        support={**study.cells.two_by_two().support(), **(counts or {})},
        design=f"within {_strata(study)}",
        adjustment=study.confounders,
        outcome="at least one incident tied to the deployment",
    )


def _silent(study: Study, primary: Estimate, reason: str, counts: dict[str, int] | None = None) -> Estimate:
    support = {**study.cells.two_by_two().support(), **(counts or {})}
    return not_estimable(primary.estimand, reason, method=_method(study), level=study.level, support=support)


def _strata(study: Study) -> str:
    return " × ".join(study.cells.strata)


def _method(study: Study) -> str:
    return METHOD.format(strata=_strata(study))


def _impossible(counts: dict[str, int]) -> str:
    return (
        f"{counts['discarded']} of {counts['draws']} draws of the error rates leave a group with fewer than no "
        f"changes; at least {FEWEST_DRAWS} must be possible, so the labels err less than was supposed"
    )


def _discarded(counts: dict[str, int]) -> Iterator[str]:
    share = counts["discarded"] / counts["draws"]
    if counts["discarded"]:
        yield (
            f"{share:.1%} of the draws were discarded, because they leave a group with fewer than no changes"
            + ("; so many mean that labels err less than was supposed." if share > MANY_DISCARDED else ".")
        )
