"""Would the whole curve of specifications look like this if labels made no difference?

Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4:1208, step 3. The specifications share one data set, so
their p-values cannot be combined as if they were independent. Labels are therefore shuffled, *once for all
specifications*, and the curve of each shuffle is summed up in the three statistics of the paper: the median effect, the
share of specifications that are significant on the dominant side, and Stouffer's average Z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from counterfault.challenges.null_scores import FinestCells, NullScore, null_score
from counterfault.challenges.specifications import Specification
from counterfault.counting.specification_cells import SpecificationRows
from counterfault.estimators.poisson.cluster_robust import Codes, Floats

Progress = Callable[[int, int], None]

TIE = 1e-9  # two shuffles that differ by less are equal, however their sums were added up
AT_ONCE = 4_000_000  # numbers held together: shuffles are judged in portions


@dataclass(frozen=True, slots=True, eq=False)
class JointTest:
    """The three statistics of the observed labels and of every shuffle.

    Attributes
    ----------
    medians : (1 + B,) median log ratio over specifications, the observed labels first.
    shares : (1 + B,) share of specifications that are significant on the side of that median.
    average_z : (1 + B,) mean z.
    movable : share of the deployments that share everything held fixed with one of the other label.
    """

    medians: Floats
    shares: Floats
    average_z: Floats
    movable: float

    @property
    def permutations(self) -> int:
        """B."""
        return len(self.medians) - 1

    @property
    def above_shuffles(self) -> bool:
        """Whether the observed median lies above that of the average allocation, which need not be a ratio of 1."""
        return bool(self.medians[0] > self.medians.mean())

    @property
    def p_median(self) -> float:
        """Of the median effect, on either side."""
        return share_as_far(_from_centre(self.medians))

    @property
    def p_share(self) -> float:
        """Of the share of significant specifications; the dominant side is each shuffle's own, so both sides count."""
        return share_as_far(self.shares)

    @property
    def p_average_z(self) -> float:
        """Of the average z, on either side."""
        return share_as_far(_from_centre(self.average_z))


@dataclass(frozen=True)
class JointPermutation:
    """Labels moved among deployments that are alike in all that is held fixed, for all specifications at once.

    Parameters
    ----------
    within : columns that deployments must share to exchange labels.
    permutations : B.
    seed : same seed, same numbers.
    level : a specification is significant where \\|z\\| exceeds the normal quantile of this level.
    rotated : whether the labels of a group are turned round in order of time; else each draws its own.

    Notes
    -----
    Assumes that, given what ``within`` holds fixed, labels might as well have fallen on any other deployments, and
    that one deployment's label does not change another's failure. A specification that holds less fixed (teams instead
    of services) keeps its confounding in every shuffle: the observed curve is compared with shuffled curves of the same
    bias, not with a ratio of 1.

    Deployments that come in bursts, all with one label and all hit by one incident, are not exchangeable one by one:
    dealt out singly, labels make shuffled curves too narrow and p too small. So by default the labels of a group are
    turned round a circle in order of time, all by the same random number of places: every allocation is still as
    likely as the observed one if deployments are exchangeable, and runs of labels stay together if they are not. What
    is then assumed is only that the group is as it is at all times (a toroidal shift: Besag & Diggle 1977, Applied
    Statistics 26:327).
    """

    within: tuple[str, ...]
    permutations: int = 199
    seed: int = 20_260_101
    level: float = 0.95
    rotated: bool = True

    def __call__(
        self, rows: SpecificationRows, specifications: Sequence[Specification], progress: Progress | None = None
    ) -> JointTest | None:
        """None where no specification has a failure.

        Parameters
        ----------
        rows : the deployments, in an order that names nobody.
        specifications : at least one.
        progress : called with shuffles judged, and all of them.
        """
        finest = FinestCells.of(rows)
        scores = [null_score(finest, rows, each) for each in specifications]
        usable = [score for score in scores if score is not None]
        if not usable:
            return None
        exposed = rows.frame["exposed"].to_numpy().astype(np.intp)
        groups = exchange_groups(rows.frame, self.within)
        portion = max(1, AT_ONCE // max(len(finest.frame), len(exposed)))
        draws = shuffles(exposed, groups, self.permutations, self.seed, rotated=self.rotated)
        judged = list(self._judged(finest, usable, draws, portion, progress))
        medians, shares, average_z = (np.concatenate(parts) for parts in zip(*judged, strict=True))
        return JointTest(medians, shares, average_z, float(_movable(exposed, groups).mean()))

    def _judged(
        self,
        finest: FinestCells,
        scores: Sequence[NullScore],
        draws: Iterator[Codes],
        portion: int,
        progress: Progress | None,
    ) -> Iterator[tuple[Floats, Floats, Floats]]:
        critical = NormalDist().inv_cdf(0.5 + self.level / 2)
        for first in range(0, self.permutations + 1, portion):
            labels = np.array([next(draws) for _ in range(min(portion, self.permutations + 1 - first))])
            counts = finest.exposed_of(labels)
            effects, zs = (np.array(found) for found in zip(*(score(*counts) for score in scores), strict=True))
            yield statistics_of_curves(effects, zs, critical)
            if progress:
                progress(first + len(labels), self.permutations + 1)


def statistics_of_curves(effects: Floats, zs: Floats, critical: float) -> tuple[Floats, Floats, Floats]:
    """Median effect, share significant on its side, and mean z, for each column of specifications.

    Parameters
    ----------
    effects, zs : (K, B) log ratios and z; NaN in both where a specification has none. A column of nothing but NaN says
        nothing of a difference, so its statistics are 0.
    critical : \\|z\\| from which on a specification is significant.
    """
    known = np.isfinite(zs)
    number = np.maximum(known.sum(axis=0), 1)
    silent = ~known.any(axis=0)
    medians = np.zeros(zs.shape[1])
    medians[~silent] = np.nanmedian(effects[:, ~silent], axis=0)
    z = np.where(known, zs, 0.0)
    side = np.where(medians < 0, -1.0, 1.0)
    return medians, (z * side > critical).sum(axis=0) / number, z.sum(axis=0) / number


def shuffles(exposed: Codes, groups: Codes, permutations: int, seed: int, *, rotated: bool = True) -> Iterator[Codes]:
    """The labels as they are, then ``permutations`` times moved within their groups.

    Parameters
    ----------
    exposed : (N,) 0 or 1, oldest deployment first.
    groups : (N,) codes; labels never leave their group.
    seed : of the random numbers.
    rotated : as in :class:`JointPermutation`.
    """
    yield exposed
    random = np.random.default_rng(seed)
    movable = np.flatnonzero(_movable(exposed, groups))
    movable = movable[np.argsort(groups[movable], kind="stable")]
    _, group, sizes = np.unique(groups[movable], return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    labels, place = exposed[movable], np.arange(len(movable)) - starts[group]
    for _ in range(permutations):
        if rotated:
            turned = np.floor(random.random(len(sizes)) * sizes).astype(np.intp)
            source = starts[group] + (place + turned[group]) % sizes[group]
        else:  # sorted by group and, within it, by lot
            source = np.argsort(group + random.random(len(group)))
        moved = exposed.copy()
        moved[movable] = labels[source]
        yield moved


def exchange_groups(frame: pd.DataFrame, within: Sequence[str]) -> Codes:
    """(N,) codes of the combinations of these columns, in the order in which they first occur.

    Not in the order of their names: a service under another name would otherwise draw other random numbers.
    """
    if not within:
        return np.zeros(len(frame), dtype=np.intp)
    groups = frame.groupby(list(within), observed=True, sort=False).ngroup()
    return np.asarray(pd.factorize(groups)[0], dtype=np.intp)


def share_as_far(distances: Floats) -> float:
    """(1 + b) / (1 + B): the share of all allocations, the observed one (first) included, that lie as far out.

    Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39: never 0.
    """
    return float((distances >= distances[0] - TIE).mean())


def _from_centre(statistic: Floats) -> Floats:
    """Distance from the mean of all allocations, the observed one included.

    Why not from 0? Where a specification's confounding stays in every shuffle, shuffled curves are not centred
    there. The centre treats all allocations alike, so the p-value stays exact.
    """
    return np.asarray(np.abs(statistic - statistic.mean()))


def _movable(exposed: Codes, groups: Codes) -> np.ndarray:
    """Which deployments share their group with one of the other label."""
    count = int(groups.max()) + 1 if len(groups) else 0
    labelled = np.bincount(groups, exposed, count)
    return np.asarray(((labelled > 0) & (labelled < np.bincount(groups, minlength=count)))[groups])
