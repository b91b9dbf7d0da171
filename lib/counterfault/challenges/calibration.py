"""What negative controls say together: their mean, how far such answers err, and the primary ratio after that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, isfinite

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.challenges.contrast import log_with_error
from counterfault.challenges.empirical_null import EmpiricalNull, UncertainNull
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimators.pooling.between_groups import Between, Fit, Groups, standard_error
from counterfault.estimators.tables.score import critical_value

POOLED, ERROR, CALIBRATED = "negative_control.pooled", "negative_control.systematic_error", "primary.calibrated"
POOLING = "random effects over controls, τ² by REML; the wider of Hartung–Knapp and plain limits"
EXPECTED = "expected absolute systematic error; normal empirical null, averaged over its mean and spread"
CALIBRATING = "normal empirical null (Schuemie et al. 2014, 2018), averaged over its mean and spread"
FROM_ONE_SOURCE = "negative_control.before."


def pooled_controls(controls: Sequence[Estimate], enough: int, level: float) -> Estimate:
    """What do the controls average? Far from 1, the comparison is biased; near 1, errors may still cancel.

    Parameters
    ----------
    controls : ratios that ought to be 1, estimable or not.
    enough : controls from which on their spread calibrates; fewer leave a note.
    level : of the interval.

    Returns
    -------
    ``negative_control.pooled``; its ``support`` counts the controls and those whose interval holds 1. Not estimable
    with fewer than two.

    Notes
    -----
    Assumes that controls are independent of one another. Jackson et al. (2017), Statistics in Medicine 36:3923, for the
    wider of two intervals.
    """
    known, support = _known(controls), _support(controls)
    if len(known) < 2:
        reason = f"{_controls(len(known))} can be estimated; it takes 2"
        return _silent(POOLED, Estimand.RISK_RATIO, reason, POOLING, level, support)
    groups = Groups.alike(known[:, 0], known[:, 1] ** 2)
    fit = groups.fit(groups.tau_squared(Between.REML))
    centre, (error, degrees) = float(fit.coefficients[0]), _widest(fit, groups.degrees, level)
    reach = _quantile(degrees, level) * error
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=exp(centre),
        interval=Interval(exp(centre - reach), exp(centre + reach), level),
        method=POOLING,
        support=support,
        id=POOLED,
        label="all controls together",
        p_value=2 * float(stdtr(degrees, -abs(centre) / error)),
        standard_error=error,
        caveats=tuple(each for each in (_too_few(len(known), enough), _one_source(controls)) if each),
    )


def systematic_error(controls: Sequence[Estimate], enough: int, level: float) -> Estimate:
    """How far off, chance apart, is an answer of this kind on average? On the log scale, so 0.1 is about 10 %.

    Parameters as in :func:`pooled_controls`.

    Returns
    -------
    ``negative_control.systematic_error``: the expected absolute systematic error, with parts for the mean and the
    spread of the error, and for the three at their most likely values. Not estimable with fewer controls than
    ``enough``.

    Notes
    -----
    Errors are taken as normal, and the primary ratio's as drawn from the same source as the controls'.
    """
    known, support = _known(controls), _support(controls)
    if len(known) < max(enough, 2):
        return _silent(ERROR, Estimand.MEAN, _not_assessed(len(known), enough), EXPECTED, level, support)
    null, likely = UncertainNull.of(*known.T), EmpiricalNull.most_likely(*known.T)
    parts = (
        _described("mean of the error", Estimand.MEAN, null.mean(level), level),
        _described("spread of the error", Estimand.SPREAD, null.spread(level), level),
        *_most_likely(likely, level),
    )
    found = _described("expected absolute error, log scale", Estimand.MEAN, null.expected_absolute_error(level), level)
    note = _one_source(controls)
    return replace(found, support=support, id=ERROR, parts=parts, caveats=(note,) if note else ())


def calibrated(primary: Estimate, controls: Sequence[Estimate], enough: int, level: float) -> Estimate:
    """The primary ratio, its interval and p, after the error that the controls show.

    Parameters
    ----------
    primary : a ratio.
    controls, enough, level : as in :func:`pooled_controls`.

    Returns
    -------
    ``primary.calibrated``; its one part takes mean and spread of the error as known. Not estimable with fewer controls
    than ``enough``, or where the primary has no interval on the log scale.

    Notes
    -----
    Assumes that the error is the same at every true ratio, which controls at 1 cannot show (Schuemie et al. 2018 plant
    ratios for it), and that the controls share the primary's sources of bias.
    """
    known, support, own = _known(controls), _support(controls), log_with_error(primary)
    if own is None:
        reason = "the primary ratio has no two-sided interval to calibrate"
        return _silent(CALIBRATED, primary.estimand, reason, CALIBRATING, level, support)
    if len(known) < max(enough, 2):
        return _silent(CALIBRATED, primary.estimand, _not_assessed(len(known), enough), CALIBRATING, level, support)
    null, likely = UncertainNull.of(*known.T), EmpiricalNull.most_likely(*known.T)
    plain = _as_ratio(primary, own[0] - likely.mean, likely.limits(*own, level), likely.p_value(*own), level)
    whole = _as_ratio(primary, null.value(*own), null.limits(*own, level), null.p_value(*own), level)
    note = _one_source(controls)
    return replace(
        whole,
        id=CALIBRATED,
        support=support,
        method=CALIBRATING,
        design=primary.design,
        adjustment=primary.adjustment,
        outcome=primary.outcome,
        label="calibrated by negative controls",
        parts=(
            replace(plain, label="mean and spread of the error taken as known", method="as Schuemie et al. (2018)"),
        ),
        caveats=(
            f"before calibration {figures(primary.value)}; the error is supposed to be the same at every true ratio, "
            "which controls at 1 cannot show",
            *((note,) if note else ()),
        ),
    )


def _as_ratio(primary: Estimate, centre: float, limits: tuple[float, float], p_value: float, level: float) -> Estimate:
    low, high = limits
    return Estimate(
        estimand=primary.estimand,
        value=exp(centre),
        interval=Interval(exp(low), exp(high), level),
        method="",
        p_value=p_value,
        standard_error=(high - low) / (2 * critical_value(level)),
    )


def _known(controls: Sequence[Estimate]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(k, 2) log ratio and error of each control that has both."""
    pairs = [pair for pair in map(log_with_error, controls) if pair]
    return np.array(pairs, dtype=np.float64).reshape(len(pairs), 2)


def _support(controls: Sequence[Estimate]) -> dict[str, int]:
    known = [control for control in controls if log_with_error(control)]
    holding = sum(1.0 in control.interval for control in known)
    return {"controls": len(known), "holding_1": holding, "not_estimable": len(controls) - len(known)}


def _controls(number: int) -> str:
    return f"{number} control{'' if number == 1 else 's'}"


def _not_assessed(number: int, enough: int) -> str:
    return f"not assessed: {_controls(number)} can be estimated, {enough} are needed to tell how far such answers err"


def _too_few(number: int, enough: int) -> str:
    if number >= enough:
        return ""
    return (
        f"with {number} of the {enough} controls needed, their spread does not calibrate the primary interval; this is "
        "their mean only, and errors of opposite sign cancel in it"
    )


def _one_source(controls: Sequence[Estimate]) -> str:
    """Windows before the deployment are many draws of one bias, and look like agreement between several."""
    known = [control for control in controls if log_with_error(control)]
    before = sum(control.id.startswith(FROM_ONE_SOURCE) for control in known)
    if 2 * before <= len(known):
        return ""
    return f"{before} of {_controls(len(known))} are windows before the deployment, which share one source of bias"


def _widest(fit: Fit, degrees: int, level: float) -> tuple[float, float]:
    """Error and degrees of freedom of the wider interval; infinitely many degrees are the normal distribution."""
    pairs = ((standard_error(fit, hartung_knapp=False), inf), (standard_error(fit, hartung_knapp=True), float(degrees)))
    return max(pairs, key=lambda pair: _quantile(pair[1], level) * pair[0])


def _quantile(degrees: float, level: float) -> float:
    return float(stdtrit(degrees, 0.5 + level / 2)) if isfinite(degrees) else critical_value(level)


def _most_likely(null: EmpiricalNull, level: float) -> tuple[Estimate, ...]:
    """The three at maximum likelihood, as published applications print them; they have no interval."""
    return tuple(
        Estimate(
            estimand=estimand,
            value=value,
            interval=Interval(estimand.lowest, estimand.highest, level),
            method="maximum likelihood (Schuemie et al. 2014)",
            label=f"most likely {what}",
            caveats=("a single most likely value, without an interval",),
        )
        for what, estimand, value in (
            ("mean of the error", Estimand.MEAN, null.mean),
            ("spread of the error", Estimand.SPREAD, null.spread),
            ("expected absolute error", Estimand.MEAN, null.expected_absolute_error()),
        )
    )


def _described(label: str, estimand: Estimand, summary: tuple[float, float, float], level: float) -> Estimate:
    value, low, high = summary
    return Estimate(
        estimand=estimand, value=value, interval=Interval(low, high, level), method=EXPECTED, label=label
    )  # fmt: skip


def _silent(id: str, estimand: Estimand, reason: str, method: str, level: float, support: dict[str, int]) -> Estimate:
    return not_estimable(estimand, reason, method=method, level=level, support=support).named(id)
