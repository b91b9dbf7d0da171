"""A known ratio planted into deployments whose labels were dealt by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from counterfault.challenges.shuffled_labels import Codes, Dealt, Floats


def planted(dealt: Dealt, patterns: pd.DataFrame, strata: Codes, ratio: float, random: np.random.Generator) -> Dealt:
    """The same labels, with the risk of exposed deployments ``ratio`` times that of the others of their stratum.

    In a stratum with risk p, of whose N deployments n₁ are exposed, each failure stays with probability
    κ = N / (ratio·n₁ + n₀), and each exposed deployment that is then without one fails with probability
    (ratio − 1)·κp / (1 − κp). Risks are then κp and ratio·κp, and the failures expected are those there were.

    Why thin them first? Labels are shuffled over failures that AI assistance may itself have added. Planting on top
    would add them twice: the more harm there is, the more failures, and the easier it would look to find. Franklin et
    al. (2014), too, hold the outcome's prevalence where it was seen.

    Parameters
    ----------
    dealt : labels that are independent of everything within strata.
    patterns : columns ``n`` and ``events``.
    strata : (C,) the stratum of each pattern.
    ratio : at least 1; 1 leaves everything as it is.
    random : the source of chance.

    Raises
    ------
    ValueError
        When the ratio is below 1.

    Notes
    -----
    Where the exposed would have to fail more often than always, they always fail: :func:`beyond_always` says how often.
    Added failures fall on the exposed of a stratum alike, whatever their covariates.
    """
    if ratio < 1:
        raise ValueError(f"ratio is {ratio:g}; a planted ratio is at least 1, as failures are added and not prevented")
    kept, added = _chances(patterns, strata, ratio)
    exposed_failures = random.binomial(dealt.exposed_failures, kept)
    unexposed_failures = random.binomial(dealt.unexposed_failures, kept)
    exposed_failures = exposed_failures + random.binomial(dealt.exposed - exposed_failures, np.minimum(added, 1.0))
    return Dealt(dealt.exposed, exposed_failures, unexposed_failures, kept)


def beyond_always(patterns: pd.DataFrame, strata: Codes, ratio: float) -> float:
    """The share of exposed deployments in strata too risky to multiply: their risk would exceed 1.

    Parameters
    ----------
    patterns, strata, ratio : as in :func:`planted`.
    """
    _, added = _chances(patterns, strata, ratio)
    exposed = patterns["exposed"].to_numpy(np.float64)
    return float(exposed[added > 1].sum() / exposed.sum()) if exposed.sum() else 0.0


def _chances(patterns: pd.DataFrame, strata: Codes, ratio: float) -> tuple[Floats, Floats]:
    """(C,) with which probability a failure stays, and with which an exposed deployment without one gets one."""
    n, failed, exposed = (np.bincount(strata, patterns[name]) for name in ("n", "events", "exposed"))
    kept = n / (n + (ratio - 1) * exposed)
    base = kept * failed / n
    # Where all fail and nobody is exposed base is 1, and there is nobody to add a failure to.
    added = np.divide((ratio - 1) * base, 1 - base, out=np.zeros_like(base), where=base < 1)
    return kept[strata], added[strata]
