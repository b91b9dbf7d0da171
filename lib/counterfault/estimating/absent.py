"""What a study asks and its tables cannot give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.study import Study


def absent(
    ids: Iterable[str], reason: str, study: Study, estimand: Estimand = Estimand.RISK_RATIO
) -> Iterator[Estimate]:
    """Estimates that cannot be made, one for each id, with the column or table it would take.

    Parameters
    ----------
    ids : their stable names.
    reason : what is missing, as in "no column severity".
    study : for the level.
    estimand : of all of them.
    """
    for id in ids:
        yield not_estimable(estimand, f"not assessed: {reason}", method="none", level=study.level).named(id)
