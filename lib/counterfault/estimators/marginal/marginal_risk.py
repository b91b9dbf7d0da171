"""The mean risk a fitted model gives a population under one exposure, and how each cluster moves it.

Standardisation, also called g-computation: predict every deployment's risk as if it had been exposed, and as if
it had not, and average (Robins 1986, Mathematical Modelling 7:1393; Snowden et al. 2011, American Journal of
Epidemiology 173:731). Bare functions on arrays, for any generalised linear model with canonical link, with one effect
per stratum that may have been concentrated out.

The average ρ = Σ n·m / Σ n moves with the fit, so cluster c adds to its error

    J A⁻¹ Σ_{i in c} x_i (y_i − n_i μ_i),

A being the information of the model and J the derivative of ρ by its coefficients: the delta method with a clustered
sandwich, which R's marginaleffects and Stata's margins print by default. Two things are added to it.

* A stratum inside one cluster has an effect of its own, whose score, summed over the cluster, is zero at the maximum.
  The sandwich then knows how failures fell between the groups and nothing of the chance in how many there were, and a
  difference of risks would look surer than it is. Under a Poisson model the number in a stratum is independent of how
  it falls (the multinomial given the total), so its variance, that of the model, is added.
* Where the question is about clusters like these and not about these, each also adds Σ_{i in c} n_i (m_i − ρ) / N,
  the chance by which it is among them (Stefanski & Boos 2002, The American Statistician 56:29). That holds the
  variation of the totals already.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import sqrt

import numpy as np

from counterfault.estimators.marginal.influence import Uncertainty, small_sample_factor, sums_by_cluster
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within
from counterfault.estimators.poisson.conditional_poisson import Mask


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A generalised linear model with canonical link at its solution, one entry per cell.

    Attributes
    ----------
    design : (m, k) columns, independent within strata, no intercept.
    copies : (m,) deployments.
    variances : (m,) variance of one deployment's outcome under the model: μ for Poisson, μ(1−μ) for logit. Zero for
        entries that took no part in the fit.
    residuals : (m,) events less fitted events; zero for entries that took no part in the fit.
    strata : (m,) codes 0 … S−1; each stratum has an effect of its own (all zero for a plain intercept).
    clusters : (m,) codes 0 … G−1.
    """

    design: Floats
    copies: Floats
    variances: Floats
    residuals: Floats
    strata: Codes
    clusters: Codes


@dataclass(frozen=True, slots=True)
class Arm:
    """What the model predicts for every entry under one exposure.

    Attributes
    ----------
    risk : (m,) predicted risk.
    slope : (m,) derivative of the risk by the linear predictor: the risk itself with a log link, p(1−p) with a logit.
    design : (m, k) the columns of the model as this exposure makes them.
    """

    risk: Floats
    slope: Floats
    design: Floats


class Population(Enum):
    """Who the answer is about."""

    THESE = "these deployments"  # as they are: chance lies in which of them failed
    LIKE_THESE = "services like these"  # another draw of clusters would have other deployments too


@dataclass(frozen=True, slots=True)
class Influence:
    """How chance moves a figure, to first order; figures add up and so do these.

    Attributes
    ----------
    by_cluster : (G,) what each cluster adds to the error.
    by_total : (S,) the same for the chance in the number of events of each stratum, in standard deviations.
    by_model : (S + k,) a vector whose length is the standard error if deployments were independent and the model's
        variances right.
    """

    by_cluster: Floats
    by_total: Floats
    by_model: Floats

    def __mul__(self, times: float) -> Influence:
        return Influence(self.by_cluster * times, self.by_total * times, self.by_model * times)

    def __sub__(self, other: Influence) -> Influence:
        return Influence(
            self.by_cluster - other.by_cluster, self.by_total - other.by_total, self.by_model - other.by_model
        )

    def clustered_error(self, factor: float = 1.0) -> float:
        """Robust standard error; ``factor`` multiplies the variance between clusters, as G/(G−1) does."""
        return sqrt(factor * float((self.by_cluster**2).sum()) + float((self.by_total**2).sum()))

    @property
    def model_error(self) -> float:
        """Standard error of independent deployments."""
        return sqrt(float((self.by_model**2).sum()))

    def uncertainty(self, clusters: int) -> Uncertainty:
        """The larger of the two errors, with t on G−1 degrees of freedom, G being ``clusters``.

        With few failures or clusters, or where a ratio is a cluster's own, the clustered error can come out far too
        small by chance (Angrist & Pischke 2009, Mostly Harmless Econometrics, section 8.2.3, advise the larger one).
        """
        clustered = self.clustered_error(small_sample_factor(clusters))
        return Uncertainty(max(clustered, self.model_error), clusters, of_model=self.model_error > clustered)


@dataclass(frozen=True, slots=True)
class MarginalRisk:
    """A mean risk, and how chance moves it."""

    value: float
    influence: Influence


def marginal_risk(model: FittedModel, arm: Arm, population: Mask, about: Population = Population.THESE) -> MarginalRisk:
    """What share of this population would have failed under this exposure?

    Parameters
    ----------
    model : the fit.
    arm : its predictions under the exposure asked about.
    population : (m,) the entries averaged over; at least one.
    about : whether these deployments are given, or a draw of clusters.

    Notes
    -----
    Assumes that the model is right, that nothing unmeasured sets exposed and unexposed deployments of one stratum
    apart, and independent clusters.
    """
    share = np.where(population, model.copies, 0.0) / model.copies[population].sum()
    value = float(share @ arm.risk)
    pull, by_effect, by_slope = _pull(model, arm, share)
    moved = pull * model.residuals
    inside = _inside_one_cluster(model)
    if about is Population.LIKE_THESE:
        moved = moved + share * (arm.risk - value)
        inside = np.zeros_like(inside)
    influence = Influence(
        by_cluster=sums_by_cluster(moved, model.clusters),
        by_total=np.where(inside, by_effect, 0.0),
        by_model=np.concatenate([by_effect, by_slope]),
    )
    return MarginalRisk(value, influence)


def _pull(model: FittedModel, arm: Arm, share: Floats) -> tuple[Floats, Floats, Floats]:
    """J A⁻¹ x_i (m,), what a unit of each entry's residual adds to the mean risk; and J A^(-1/2), (S,) and (k,).

    A is an arrow: diagonal in the effects of strata, dense in the few other coefficients. Eliminating the effects
    leaves the covariates' deviations from their weighted means in the stratum (Frisch & Waugh 1933).
    """
    count, mass = int(model.strata.max()) + 1, model.copies * model.variances
    in_fit = mass > 0
    total = np.bincount(model.strata, mass, count)
    by_effect = np.bincount(model.strata, share * arm.slope, count)
    per_effect = np.divide(by_effect, total, out=np.zeros(count), where=total > 0)
    centred = np.zeros_like(model.design)
    centred[in_fit] = centred_within(model.design[in_fit], mass[in_fit], model.strata[in_fit])
    through = (share * arm.slope) @ arm.design - (mass * per_effect[model.strata]) @ model.design
    root = np.linalg.cholesky((centred.T * mass) @ centred)
    whitened = np.linalg.solve(root, through)
    lift = np.linalg.solve(root.T, whitened)
    pull = np.where(in_fit, per_effect[model.strata] + centred @ lift, 0.0)
    return pull, per_effect * np.sqrt(total), whitened


def _inside_one_cluster(model: FittedModel) -> Mask:
    """(S,) strata whose deployments all belong to one cluster."""
    pairs = np.unique(np.column_stack([model.strata, model.clusters]), axis=0)
    inside: Mask = np.bincount(pairs[:, 0], minlength=int(model.strata.max()) + 1) == 1
    return inside
