"""The conditional likelihood of strata: which deployments failed, given how many of each stratum did.

A stratum's own level of risk cancels from this probability, so there is nothing about it to estimate and nothing to be
biased by (Breslow & Day 1980, Statistical Methods in Cancer Research I, section 7.2). Its denominator sums
exp(Σ xβ) over all choices of m deployments among N: the coefficient of z^m in Π (1 + zθ_c)^{n_c}, θ = exp(xβ),
found by multiplying the cells' factors one after the other (Gail, Lubin & Rubinstein 1981, Biometrika 68:703).

Why not these polynomials as they stand? Their coefficients overflow or vanish for strata of a few hundred. The answer
stays the same when every θ of a stratum is multiplied by one number. Choosing it so that m events are
expected, and dividing each factor by its value at z = 1, turns coefficients into binomial probabilities and the
one wanted into P(Σ Y = m), a little below 1/√(variance), whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, gammaln

from counterfault.estimators.poisson.cluster_robust import Codes, Floats

_BISECTIONS = 40


class Moments(NamedTuple):
    """What the likelihood says at one place, by stratum.

    ``log_likelihood`` (S,), ``score`` (S, k) its gradient, ``information`` (S, k, k) minus its second derivative,
    which is also the conditional variance of Σ x over the events.
    """

    log_likelihood: Floats
    score: Floats
    information: Floats


@dataclass(frozen=True, slots=True)
class _Batch:
    """Strata of like size, brought to one shape; places without a cell hold no deployment.

    ``which`` (B,) the strata; ``design`` (B, C, k) centred within the stratum; ``copies``, ``events`` (B, C);
    ``total`` (B,) events of the stratum, never more than half its deployments; ``log_choose`` (B, C, J+1);
    ``powers`` (C,) how many values of Y are possible in any cell of that place.
    """

    which: Codes
    design: Floats
    copies: Floats
    events: Floats
    total: Codes
    log_choose: Floats
    powers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConditionalLikelihood:
    """Called with coefficients, gives the likelihood and its derivatives by stratum: :class:`Moments`."""

    batches: tuple[_Batch, ...]
    strata: int
    columns: int

    def __call__(self, beta: Floats) -> Moments:
        found = Moments(
            np.zeros(self.strata),
            np.zeros((self.strata, self.columns)),
            np.zeros((self.strata, self.columns, self.columns)),
        )
        for batch in self.batches:
            for whole, part in zip(found, _moments(batch, beta), strict=True):
                whole[batch.which] = part
        return found


def conditional_likelihood(design: Floats, copies: Floats, events: Floats, strata: Codes) -> ConditionalLikelihood:
    """Lay cells out by stratum, strata of like size together.

    Parameters
    ----------
    design : (m, k) columns.
    copies, events : (m,) deployments of each cell, above 0, and those followed by an incident.
    strata : (m,) codes 0 … S−1.
    """
    # Choosing the m that failed is choosing the N − m that did not, with θ inverted; the smaller choice is cheaper.
    total, size = np.bincount(strata, events), np.bincount(strata, copies)
    flipped = (2 * total > size)[strata]
    x = np.where(flipped[:, None], -design, design)
    y = np.where(flipped, copies - events, events)
    order = np.lexsort([-copies, strata])  # large cells first, so that later ones need few powers of z
    batches = tuple(_batches(x[order], copies[order], y[order], strata[order]))
    return ConditionalLikelihood(batches, int(strata.max()) + 1, design.shape[1])


def work(copies: Floats, events: Floats, strata: Codes, columns: int) -> float:
    """Multiplications, about, that the likelihood and its derivatives take once."""
    total, size = np.bincount(strata, events), np.bincount(strata, copies)
    fewer = np.minimum(total, size - total)[strata]
    return float(((fewer + 1) * (np.minimum(copies, fewer) + 1)).sum() * (columns + 1))


def _batches(x: Floats, copies: Floats, events: Floats, strata: Codes) -> Iterator[_Batch]:
    """Cells in the order of their strata, in batches whose shapes differ by less than a factor four."""
    width = np.bincount(strata)
    total = np.bincount(strata, events).astype(np.intp)
    first = np.concatenate([[0], np.cumsum(width)[:-1]])
    shape = np.ceil(np.column_stack([np.log2(np.maximum(total, 1)), np.log2(width)]) / 2)
    discordant = total > 0  # and the other outcome is no rarer: see the caller. Elsewhere the likelihood is 1
    for alike in np.unique(shape[discordant], axis=0):
        which = np.flatnonzero(discordant & (shape == alike).all(axis=1))
        place = np.arange(width[which].max())
        present = place < width[which][:, None]
        cell = np.where(present, first[which][:, None] + place, 0)
        n, y = np.where(present, copies[cell], 0.0), np.where(present, events[cell], 0.0)
        mean = np.einsum("bc,bck->bk", n, x[cell]) / n.sum(1)[:, None]
        design = np.where(present[:, :, None], x[cell] - mean[:, None], 0.0)
        most = np.minimum(n, total[which][:, None]).max(axis=0).astype(int)
        powers = tuple((most + 1).tolist())
        yield _Batch(which, design, n, y, total[which], _log_choose(n, max(powers) - 1), powers)


def _log_choose(n: Floats, most: int) -> Floats:
    """log C(n, j) for j = 0 … most; −∞ where j > n."""
    j = np.arange(most + 1.0)
    rest = n[..., None] - j
    found = gammaln(n + 1)[..., None] - gammaln(j + 1) - gammaln(np.maximum(rest, 0) + 1)
    return np.where(rest >= 0, found, -np.inf)


def _moments(batch: _Batch, beta: Floats) -> Moments:
    index = batch.design @ beta
    tilt = _tilt(index, batch.copies, batch.total)
    tilted = index + tilt[:, None]
    mean = batch.copies * expit(tilted)
    # P(Y_c = j), (B, C, J+1), and how far each j lies from its mean
    j = np.arange(batch.log_choose.shape[2])
    spent = batch.copies * np.logaddexp(0, tilted)
    chance = np.exp(batch.log_choose + j * tilted[..., None] - spent[..., None])
    away = j - mean[..., None]
    reach, first, second, cross = _sweep(batch, chance, away)
    # log of the denominator is log P(Σ Y = m) once tilt and normalisation are taken back
    denominator = np.log(reach) - batch.total * tilt + spent.sum(1)
    log_likelihood = (batch.events * index).sum(1) - denominator
    expected_away = np.einsum("bc,bck->bk", first, batch.design)
    score = np.einsum("bc,bck->bk", batch.events - mean, batch.design) - expected_away
    crossed = np.einsum("bck,bcl->bkl", batch.design, cross)
    squares = np.einsum("bck,bc,bcl->bkl", batch.design, second, batch.design, optimize=True)
    information = squares + crossed + crossed.transpose(0, 2, 1) - expected_away[:, :, None] * expected_away[:, None]
    return Moments(log_likelihood, score, information)


def _sweep(batch: _Batch, chance: Floats, away: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """P(Σ Y = m), and given Σ Y = m the means of d_c, of d_c² and of d_c · (Σ of x d over the cells before c).

    ``d`` is ``away``. One sweep from the last cell holds the probability of getting from i events to m; one from the
    first holds that of i events so far, and along with it the mean of Σ x d. Where they meet, both are complete.
    """
    count, cells, k = batch.design.shape
    most = int(batch.total.max())
    onward = _onward(batch, chance, most)
    reach = onward[0][:, 0]
    first, second = np.zeros((count, cells)), np.zeros((count, cells))
    cross = np.zeros((count, cells, k))
    so_far = np.zeros((count, most + 1, 1 + k))  # probability of i events so far; mean of Σ x d with it
    so_far[:, 0, 0] = 1
    for cell in range(cells):
        after = np.zeros_like(so_far)
        step, x = away[:, cell], batch.design[:, cell]
        for j in range(batch.powers[cell]):
            weight, d = chance[:, cell, j], step[:, j]
            stay = so_far[:, : most + 1 - j]
            met = np.einsum("bi,bik->bk", onward[cell + 1][:, j:], stay) * (weight / reach)[:, None]
            first[:, cell] += d * met[:, 0]
            second[:, cell] += d**2 * met[:, 0]
            cross[:, cell] += d[:, None] * met[:, 1:]
            after[:, j:] += weight[:, None, None] * stay
            after[:, j:, 1:] += (weight * d)[:, None, None] * stay[:, :, :1] * x[:, None]
        so_far = after
    return reach, first, second, cross


def _onward(batch: _Batch, chance: Floats, most: int) -> list[Floats]:
    """For each cell, (B, m+1): the probability that it and those after it bring i events up to the total."""
    last = (np.arange(most + 1) == batch.total[:, None]).astype(np.float64)
    onward = [last]
    for cell in reversed(range(chance.shape[1])):
        before = np.zeros_like(last)
        for j in range(batch.powers[cell]):
            before[:, : most + 1 - j] += chance[:, cell, j, None] * onward[-1][:, j:]
        onward.append(before)
    return onward[::-1]


def _tilt(index: Floats, copies: Floats, total: Codes) -> Floats:
    """(B,) the intercept under which ``total`` events are expected, to within rounding of what that is needed for."""
    size = copies.sum(1)
    middle = np.log(total) - np.log(size - total)
    bounded = np.where(copies > 0, index, np.nan)
    low, high = middle - np.nanmax(bounded, axis=1), middle - np.nanmin(bounded, axis=1)
    for _ in range(_BISECTIONS):
        tilt = (low + high) / 2
        short = (copies * expit(index + tilt[:, None])).sum(1) < total
        low, high = np.where(short, tilt, low), np.where(short, high, tilt)
    found: Floats = (low + high) / 2
    return found
