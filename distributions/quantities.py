r"""Truths of dependence quantities that are not mutual information: each has a scale of its own.

- `cs-qmi`: Cauchy-Schwarz quadratic mutual information, in nats. D_CS(p(x,y); p(x) p(y)) with

  D_CS(p; q) = -log[(integral of p q)^2 / (integral of p^2 * integral of q^2)]
  (Principe, Information Theoretic Learning, 2010).

  Invertible linear maps of X and of Y leave it as it is; nonlinear ones do not.
- `sliced-mi`: mutual information of the projections of X and Y on a random direction each, averaged over both
  directions, in nats (Goldfeld and Greenewald, Sliced mutual information, 2021).
  Rotations of X and of Y leave it as it is; other maps do not.
- `wasserstein-2`: Euclidean 2-Wasserstein distance between p(x,y) and p(x) p(y), in the units of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, log_expit, logsumexp, polygamma

from mibench.interface import Array

# ---------------------------------------------------------------------------------------------------------------------
# Cauchy-Schwarz quadratic mutual information


def normal_cs_qmi(pair_information: Array) -> float:
    r"""CS-QMI of jointly normal X and Y whose canonical pairs have the mutual information I_j = -1/2 log(1 - r_j^2).

    With the covariance A of (X, Y), its block diagonal B and d = dim_x + dim_y the three integrals are normal densities
    at 0, and D_CS = log det(A + B) - d log 2 - 1/2 log det A - 1/2 log det B. In canonical coordinates this is

    sum_j [I_j + log(1 - r_j^2 / 4)] = sum_j [I_j - log(4 / (3 + exp(-2 I_j)))].
    """
    return float((pair_information + np.log1p(np.expm1(-2 * pair_information) / 4)).sum())


def mixture_cs_qmi(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, dim_x: int) -> float:
    r"""CS-QMI of a Gaussian mixture sum_k w_k N(mu_k, S_k) of (X, Y): closed form, of cost K^3 for K components.

    Takes weights (K,), means (K, dim_x + dim_y) and covariances (K, dim_x + dim_y, dim_x + dim_y). The integral of a
    product of two normal densities is N(mu_i - mu_j; 0, S_i + S_j). With D_lm the block diagonal of the X block of S_l
    and the Y block of S_m, and nu_lm the X part of mu_l beside the Y part of mu_m, the integrals of p^2, q^2, p q are

    sum_kl w_k w_l N(mu_k - mu_l; 0, S_k + S_l),   the product of the same sum over the X parts and over the Y parts,
    sum_klm w_k w_l w_m N(mu_k - nu_lm; 0, S_k + D_lm).
    """
    w, mu, s = (np.asarray(part, dtype=float) for part in (weights, means, covariances))
    of_x, of_y = slice(None, dim_x), slice(dim_x, None)
    k, dim = mu.shape
    with np.errstate(divide="ignore"):  # log 0: a component without weight
        log_w = np.log(w)
    log_ww = log_w[:, None] + log_w

    def log_square(part: slice) -> float:
        """Log of the integral of the squared density of some coordinates."""
        shift, block = mu[:, part], s[:, part, part]
        return float(logsumexp(log_ww + _log_normal(shift[:, None] - shift, block[:, None] + block)))

    crossed, apart = np.zeros((k, k, dim)), np.zeros((k, k, dim, dim))
    crossed[..., of_x], crossed[..., of_y] = mu[:, None, of_x], mu[:, of_y]
    apart[..., of_x, of_x], apart[..., of_y, of_y] = s[:, None, of_x, of_x], s[:, of_y, of_y]
    log_cross = logsumexp([log_w[i] + logsumexp(log_ww + _log_normal(mu[i] - crossed, s[i] + apart)) for i in range(k)])
    return log_square(slice(None)) + log_square(of_x) + log_square(of_y) - 2 * float(log_cross)


def _log_normal(shift: Array, covariance: Array) -> Array:
    """Log density of N(0, covariance) at shift, over the leading axes."""
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, shift[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.asarray(-0.5 * (shift.shape[-1] * math.log(2 * math.pi) + log_det + (white**2).sum(axis=-1)))


# ---------------------------------------------------------------------------------------------------------------------
# 2-Wasserstein distance


def normal_wasserstein_2(joint: Array, margins: Array) -> float:
    r"""2-Wasserstein (Bures) distance of N(0, A) and N(0, B) from any factors A = F F' (`joint`), B = G G' (`margins`).

    W^2 = tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2 = min ||F - G U||^2 over orthogonal U: the polar factor of G'F attains
    the minimum. Taken as a norm, a small distance is no difference of large numbers.
    """
    left, _, right = np.linalg.svd(margins.T @ joint)
    return float(np.linalg.norm(joint - margins @ left @ right))


# ---------------------------------------------------------------------------------------------------------------------
# Sliced mutual information. The first coordinate of a uniformly random direction in R^m has a square that is
# Beta(1/2, (m-1)/2), and that is all of the direction that the correlation of two projections depends on here.


def sparse_sliced_mi(dim_x: int, dim_y: int, pairs: int, rho: float, residual: float) -> float:
    r"""Sliced MI of unit-variance normal X, Y with `pairs` correlations rho, residual = 1 - rho^2: E -1/2 log(1 - T^2).

    The projections on directions s and t have the correlation T = rho sum_{i <= pairs} s_i t_i. T^2 has the law of
    rho^2 B C with independent B ~ Beta(1/2, (m-1)/2) and C ~ Beta(pairs/2, (n-pairs)/2) at dim_x = m, dim_y = n, hence

    SMI = 1/2 sum_{k >= 1} rho^{2k} / k * (1/2)_k (pairs/2)_k / ((m/2)_k (n/2)_k)    with Pochhammer symbols (a)_k.

    Near rho = 1 the series converges too slowly; the mean over B and C is a quadrature of error below 1e-12.
    """

    def information(b: Share, c: Share) -> Array:
        return np.asarray(-0.5 * np.log(residual + rho**2 * (b.rest + b.value * c.rest)))

    return _mean_over(information, Beta(0.5, (dim_x - 1) / 2), Beta(pairs / 2, (dim_y - pairs) / 2))


def dense_sliced_mi(dim_x: int, dim_y: int, rho: float, rest: float) -> float:
    r"""Sliced MI of unit-variance normal X, Y with all correlations rho, rest = 1 - rho.

    The projection on s has the variance rest + rho a with a = (sum_i s_i)^2 = m B, B ~ Beta(1/2, (m-1)/2) at dim_x = m;
    that on t has rest + rho c likewise, and their covariance is rho sqrt(a c). The information of such a pair is
    1/2 log[(rest + rho a)(rest + rho c) / (rest (rest + rho (a + c)))]; its mean is a quadrature of error below 1e-12.
    """

    def information(b: Share, c: Share) -> Array:
        of_x, of_y = rho * dim_x * b.value, rho * dim_y * c.value
        joint = math.log(rest) + np.log(rest + of_x + of_y)
        return np.asarray(0.5 * (np.log(rest + of_x) + np.log(rest + of_y) - joint))

    return _mean_over(information, Beta(0.5, (dim_x - 1) / 2), Beta(0.5, (dim_y - 1) / 2))


def scalar_sliced_mi(covariance: Array) -> float:
    r"""Sliced MI of a normal scalar X, which comes first in the covariance, and the normal vector Y after it.

    A random direction is a standard normal vector g but for its length, which cancels. With the covariance S of Y and
    C of Y given X, the mean of 1/2 log(g'S g / g'C g) follows from E exp(-t g'S g) = det(I + 2 t S)^(-1/2) and
    Frullani's integral:

    SMI = 1/2 * integral over t > 0 of [det(I + 2 t C)^(-1/2) - det(I + 2 t S)^(-1/2)] / t dt.

    The trapezoidal rule in log t converges geometrically: the error is below 1e-12.
    """
    alone = np.linalg.cholesky(covariance[1:, 1:])
    given = np.linalg.cholesky(covariance)[1:, 1:]
    spectra = [np.linalg.svd(factor, compute_uv=False) ** 2 for factor in (given, alone)]
    step = 0.25
    t = np.exp(np.arange(-40 - math.log(spectra[1].max()), 80 / len(alone) - math.log(spectra[0].min()), step))
    decay_given, decay_alone = (np.exp(-0.5 * np.log1p(2 * np.multiply.outer(t, s)).sum(axis=1)) for s in spectra)
    return float(0.5 * step * (decay_given - decay_alone).sum())


class Share(NamedTuple):
    """Numbers between 0 and 1, and what is left of 1, both to full precision."""

    value: Array
    rest: Array


@dataclass(frozen=True)
class Beta:
    """A Beta(a, b) variable; at b = 0 it is 1."""

    a: float
    b: float

    def nodes(self) -> tuple[Share, Array]:
        """Nodes and weights of a mean over the variable.

        The nodes are equidistant in its logit s, where the density expit(s)^a expit(-s)^b / Beta(a, b) is analytic and
        falls exponentially on both sides: singularities at the ends 0 and 1 do no harm.
        """
        if self.b == 0:
            return Share(np.ones(1), np.zeros(1)), np.ones(1)
        width = math.sqrt(polygamma(1, self.a) + polygamma(1, self.b))  # standard deviation of the logit
        step, centre = min(0.25, 0.7 * width), math.log(self.a / self.b)
        s = np.arange(centre - 45 / self.a - 10 * width, centre + 45 / self.b + 10 * width, step)
        log_density = self.a * log_expit(s) + self.b * log_expit(-s) - betaln(self.a, self.b)
        return Share(np.exp(log_expit(s)), np.exp(log_expit(-s))), step * np.exp(log_density)


def _mean_over(function: Callable[[Share, Share], Array], first: Beta, second: Beta) -> float:
    """Mean of a function of two independent variables."""
    b, weights_b = first.nodes()
    c, weights_c = second.nodes()
    column = Share(b.value[:, None], b.rest[:, None])
    return float(weights_b @ function(column, c) @ weights_c)
