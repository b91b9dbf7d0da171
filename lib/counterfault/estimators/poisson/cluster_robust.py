"""Cluster-robust covariance with few clusters: CR0, CR1, CR2, and degrees of freedom for CR2.

Bare functions on arrays, for any generalised linear model with canonical link at its solution: the model
enters only through the variance of a row and its residual, so Poisson, logistic and linear models are served alike.

Rows come compressed: one entry stands for ``copies`` identical rows, and every figure equals the one
the rows would give. For CR0 and CR1 that is plain, as scores add up. CR2 multiplies each cluster's residuals
y − μ by

    A_j = D_j (D_j (I − H_jj) Φ_j D_j)^(+1/2) D_j,   D_j = Φ_j^(1/2),   Φ_j = diag(variances),

with H the hat matrix of the linearised mean and ^(+1/2) the symmetric root of the Moore–Penrose inverse
(Pustejovsky & Tipton 2018, as carried over to generalised linear models by R's clubSandwich: residuals are those of
the outcome, not the working residuals, for which the same formula gives slightly other figures).

Rows of one entry share variance v and design row. So on deviations from the entry's mean the bracket is v²
times the identity, and only the mean direction (1, …, 1)/√copies meets other entries. The score is constant
within an entry, so deviations drop out of it. What is left is the same formula with one row per entry, its
design row and residual multiplied by √copies and its variance still that of *one* row. Dividing the variance
by ``copies`` instead, as one may for coefficients, changes D and gives another matrix than the rows do.

References
----------
Bell & McCaffrey (2002), Survey Methodology 28:169 (CR2 and its degrees of freedom).
Pustejovsky & Tipton (2018), Journal of Business & Economic Statistics 36:672; its Theorem 2 on absorbed
effects was withdrawn for weighted models (correction: 2023, doi 10.1080/07350015.2023.2174123).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.poisson.residual_kernel import ResidualKernel

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.intp]

NOT_ABSORBED = -1

# A direction that one cluster alone determines has leverage 1 there; rounding leaves it within this of 1.
_FULL_LEVERAGE = 1 - 1e-9


class SmallSample(Enum):
    """What is done about the sandwich being too small when clusters are few.

    CR0: nothing. CR1: the factor G/(G−1), as in Stata for generalised linear models. CR2: each cluster's
    residuals are enlarged by what the fit has taken from them (Bell & McCaffrey's bias-reduced linearisation).
    """

    CR0 = "CR0"
    CR1 = "CR1 (factor G/(G−1))"
    CR2 = "CR2"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class WorkingModel:
    """The weighted least-squares problem a generalised linear model solves at its last step.

    Attributes
    ----------
    design : (m, k) one row per entry; a full design, or one without the absorbed effects.
    variances : (m,) model variance of *one* row's outcome: μ for Poisson, p(1−p) for logit, 1 for linear.
    residuals : (m,) mean outcome of the entry's rows minus its fitted mean.
    copies : (m,) how many identical rows the entry stands for.
    clusters : (m,) codes 0 … G−1.
    absorbed : (m,) code of the effect (one dummy variable each) that was concentrated out of
        ``design``, or ``NOT_ABSORBED``. Each absorbed effect lies within one cluster. Its score
        equation must hold, as it does at the maximum of the likelihood.
    """

    design: Floats
    variances: Floats
    residuals: Floats
    copies: Floats
    clusters: Codes
    absorbed: Codes


@dataclass(frozen=True, slots=True)
class Sandwich:
    """Covariance of q linear combinations of coefficients.

    Attributes
    ----------
    covariance : (q, q) cluster-robust.
    model_covariance : (q, q) as if the working variances were right and rows independent.
    degrees_of_freedom : (q,) of the t distribution each is compared with: Satterthwaite's for CR2, G−1 for
        CR0 and CR1.
    clusters : G.
    """

    covariance: Floats
    model_covariance: Floats
    degrees_of_freedom: Floats
    clusters: int

    @property
    def standard_errors(self) -> Floats:
        errors: Floats = np.sqrt(np.diag(self.covariance))
        return errors


@dataclass(frozen=True, slots=True)
class _Cluster:
    """One cluster of the problem in whitened coordinates, where every row has variance 1 under the model.

    ``rows`` (m_j, k) design, ``residuals`` (m_j,), ``effects`` (m_j, t) orthonormal columns of its absorbed
    effects, ``variances`` (m_j,) of single rows.
    """

    rows: Floats
    residuals: Floats
    effects: Floats
    variances: Floats


def cluster_robust(
    model: WorkingModel, small_sample: SmallSample = SmallSample.CR2, contrasts: Floats | None = None
) -> Sandwich:
    """How much would these coefficients vary if other clusters had been seen?

    Parameters
    ----------
    model : the problem at its solution, with a design of full column rank.
    small_sample : the correction. Some software multiplies CR1 further by (n−1)/(n−k); this does not.
    contrasts : (k, q) linear combinations wanted; every coefficient by default.

    Raises
    ------
    ValueError
        With fewer than two clusters, which cannot show how clusters differ.

    Notes
    -----
    Assumes independent clusters. CR2 is exactly unbiased if the working variances are right, and its
    degrees of freedom match the first two moments of the variance estimate under that model.
    """
    count = int(model.clusters.max()) + 1
    if count < 2:
        raise ValueError("A cluster-robust covariance needs at least two clusters; there is one.")
    clusters = list(_whitened(model))
    bread: Floats = np.linalg.inv(np.sum([c.rows.T @ c.rows for c in clusters], axis=0)).astype(np.float64)
    wanted: Floats = bread if contrasts is None else bread @ contrasts
    weights = [_influence(cluster, bread, wanted, small_sample) for cluster in clusters]
    contributions = np.array([g.T @ c.residuals for g, c in zip(weights, clusters, strict=True)])
    factor = count / (count - 1) if small_sample is SmallSample.CR1 else 1.0
    if small_sample is SmallSample.CR2:
        freedom = _satterthwaite(clusters, weights, bread)
    else:
        freedom = np.full(wanted.shape[1], count - 1.0)
    return Sandwich(
        covariance=factor * contributions.T @ contributions,
        model_covariance=wanted.T @ np.linalg.solve(bread, wanted),
        degrees_of_freedom=freedom,
        clusters=count,
    )


def centred_within(design: Floats, weights: Floats, groups: Codes) -> Floats:
    """The (m, k) design minus its weighted mean in each group; entries of no group keep their values.

    This is the residual of regressing each column on the groups' dummy variables (Frisch & Waugh 1933).
    """
    inside = groups != NOT_ABSORBED
    centred = np.array(design, dtype=np.float64)
    codes, w = groups[inside], weights[inside]
    if codes.size:
        total = np.bincount(codes, w)
        for column in range(design.shape[1]):
            sums = np.bincount(codes, w * design[inside, column])
            centred[inside, column] -= sums[codes] / total[codes]
    return centred


def _whitened(model: WorkingModel) -> Iterator[_Cluster]:
    mass = model.copies * model.variances
    scale = np.sqrt(mass)
    rows = scale[:, None] * centred_within(model.design, mass, model.absorbed)
    order = np.argsort(model.clusters, kind="stable")
    starts = np.searchsorted(model.clusters[order], np.arange(1, model.clusters.max() + 1))
    for members in np.split(order, starts):
        yield _Cluster(
            rows=rows[members],
            residuals=(model.copies / scale * model.residuals)[members],
            effects=_unit_effects(scale[members], model.absorbed[members]),
            variances=model.variances[members],
        )


def _unit_effects(scale: Floats, absorbed: Codes) -> Floats:
    """The absorbed dummy variables of one cluster, whitened and brought to length 1: (m_j, t)."""
    codes = np.unique(absorbed[absorbed != NOT_ABSORBED])
    columns = scale[:, None] * (absorbed[:, None] == codes)
    unit: Floats = columns / np.linalg.norm(columns, axis=0)
    return unit


def _influence(cluster: _Cluster, bread: Floats, wanted: Floats, small_sample: SmallSample) -> Floats:
    """(m_j, q): what each whitened residual of the cluster is multiplied by in the estimate's error."""
    plain = cluster.rows @ wanted
    if small_sample is not SmallSample.CR2:
        return plain
    # Why not work on the centred design alone, as if absorbed effects had never been there? That shortcut
    # holds for unweighted least squares only; with weights the effects' own share of the hat matrix matters.
    spent, leverage = _leverage(cluster.rows, bread)
    alone = leverage > _FULL_LEVERAGE
    kernel = ResidualKernel(
        variances=cluster.variances / cluster.variances.max(),
        null=np.hstack([cluster.effects, spent[:, alone]]),
        spent=spent[:, ~alone],
        leverage=leverage[~alone],
    )
    adjusted: Floats = kernel.variances[:, None] * kernel.inverse_root_times(plain)
    return adjusted


def _leverage(rows: Floats, bread: Floats) -> tuple[Floats, Floats]:
    """Eigenvectors (m_j, r) and non-zero eigenvalues (r,) of the cluster's hat block rows · bread · rowsᵀ."""
    vectors, singular, _ = np.linalg.svd(rows @ np.linalg.cholesky(bread), full_matrices=False)
    present = singular > 1e-12
    return vectors[:, present], singular[present] ** 2


def _satterthwaite(clusters: list[_Cluster], weights: list[Floats], bread: Floats) -> Floats:
    """(tr P)² / Σ P², with P_jk the model covariance of two clusters' contributions (Bell & McCaffrey 2002).

    With residuals (I−H)ε and unit variances, P_jk = g_jᵀ (I−H)_jk g_k, and H is the absorbed effects'
    projection, which never leaves a cluster, plus rows · bread · rowsᵀ.
    """
    own = np.array([(g**2).sum(0) - ((c.effects.T @ g) ** 2).sum(0) for c, g in zip(clusters, weights, strict=True)])
    shared = np.array([c.rows.T @ g for c, g in zip(clusters, weights, strict=True)])  # (G, k, q)
    freedom = []
    for column in range(own.shape[1]):
        part = shared[:, :, column]
        covariance = np.diag(own[:, column]) - part @ bread @ part.T
        total = (covariance**2).sum()
        freedom.append(np.trace(covariance) ** 2 / total if total > 0 else 0.0)
    return np.array(freedom)
