"""Gaussian kernels of a sample: bandwidths, and the sums over pairs that CS-QMI and HSIC are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist

from mibench.interface import Array, Estimator, Shape, parameter

Bandwidth = float | Literal["median"]
Statistic = Literal["u", "v"]

SMALLEST_BANDWIDTH = 1e-100  # its square can still be divided by
MOST_ROWS = 2000  # for the median distance
TILE = 512  # rows and columns of a kernel matrix held at once: three such matrices stay in the cache
MANY_COLUMNS = 16  # from here on distances are faster by a matrix product
LARGEST_NORM = 1e4  # squared, in bandwidths: beyond it that product loses more than 1e-11 of a kernel


@dataclass(frozen=True)
class TwoKernels(Estimator):
    """An estimator from a Gaussian kernel of X and one of Y, of widths of their own."""

    bandwidth_x: Bandwidth = parameter(
        "median", "sigma_x of the kernel of X, or median: the median distance", low=SMALLEST_BANDWIDTH
    )
    bandwidth_y: Bandwidth = parameter(
        "median", "sigma_y of the kernel of Y, or median: the median distance", low=SMALLEST_BANDWIDTH
    )

    def bandwidths(self, x: Array, y: Array) -> tuple[float, float]:
        """Return sigma_x and sigma_y for a sample."""
        return bandwidth_of(x, self.bandwidth_x), bandwidth_of(y, self.bandwidth_y)


@dataclass(frozen=True)
class FromKernelMeans(Estimator):
    """An estimator that is a function of `KernelMeans`."""

    statistic: Statistic = parameter("u", "means over distinct indices (u) or over all (v)")

    def unsupported(self, shape: Shape) -> str | None:
        """The mean over four distinct indices needs four points."""
        reason = super().unsupported(shape)
        if reason is None and self.statistic == "u" and shape.n < 4:
            reason = f"needs at least 4 points, got {shape.n}"
        return reason


def bandwidth_of(block: Array, bandwidth: Bandwidth) -> float:
    """Return the kernel width sigma of a block (n, dim): the number given, or the median distance of distinct points.

    Beyond 2000 rows the median is that of 2000 of them, evenly spaced in the order of the first column: neither the
    rows' order nor a random number decides, and the smallest and largest value are among them.
    """
    if bandwidth != "median":
        return bandwidth
    if len(block) > MOST_ROWS:
        order = np.lexsort(block.T[::-1])
        block = block[order[np.linspace(0, len(block) - 1, MOST_ROWS).astype(int)]]
    distances = pdist(block)
    return float(np.median(distances[distances > 0]))


def gaussian_kernel(a: Array, b: Array, sigma: float) -> Array:
    """exp(-|a_i - b_j|^2 / (2 sigma^2)) of all pairs of rows."""
    kernel = _product_exponents(a, b, sigma) if a.shape[1] >= MANY_COLUMNS else None
    if kernel is None:
        kernel = cdist(a, b, "sqeuclidean")
        kernel *= -0.5 / sigma**2
    return np.asarray(np.exp(kernel, out=kernel))


def _product_exponents(a: Array, b: Array, sigma: float) -> Array | None:
    """-|a_i - b_j|^2 / (2 sigma^2) from a_i . b_j about the centre of a, or None where cancellation would show."""
    centre = a.mean(axis=0)
    a, b = (a - centre) / sigma, (b - centre) / sigma
    norms_a, norms_b = np.vecdot(a, a), np.vecdot(b, b)
    if not max(norms_a.max(), norms_b.max()) < LARGEST_NORM:
        return None
    exponents = a @ b.T
    exponents -= 0.5 * norms_a[:, None]
    exponents -= 0.5 * norms_b
    return np.asarray(np.minimum(exponents, 0, out=exponents))


class KernelMeans(NamedTuple):
    r"""Means of products of two kernel matrices K (of X) and Q (of Y).

    `joint` is the mean of K_ij Q_ij, `crossed` that of K_ij Q_ik, `margins` that of K_ij Q_kl, over all indices
    ("v") or over distinct ones ("u"). They estimate the integrals of p(x,y)^2, of p(x,y) p(x) p(y) and of
    (p(x) p(y))^2, but for a common factor and smoothing by the kernel; over distinct indices without any bias.
    """

    joint: float
    crossed: float
    margins: float


def kernel_means(x: Array, y: Array, sigma_x: float, sigma_y: float, statistic: Statistic) -> KernelMeans:
    """Compute `KernelMeans` in one pass over the pairs of rows, tile by tile: O(n^2) time and O(n) memory."""
    n = len(x)
    joint, of_x, of_y = 0.0, np.zeros(n), np.zeros(n)  # sums over i != j, and those of each row
    for start in range(0, n, TILE):
        rows = slice(start, start + TILE)
        for other in range(start, n, TILE):
            columns = slice(other, other + TILE)
            k, q = gaussian_kernel(x[rows], x[columns], sigma_x), gaussian_kernel(y[rows], y[columns], sigma_y)
            if other == start:
                np.fill_diagonal(k, 0.0)
                np.fill_diagonal(q, 0.0)
            else:  # the tile below the diagonal is this one transposed
                of_x[columns] += k.sum(axis=0)
                of_y[columns] += q.sum(axis=0)
            of_x[rows] += k.sum(axis=1)
            of_y[rows] += q.sum(axis=1)
            joint += (1 if other == start else 2) * float(np.vdot(k, q))
    if statistic == "v":  # K_ii = Q_ii = 1
        rows_x, rows_y = of_x + 1, of_y + 1
        return KernelMeans((joint + n) / n**2, float(rows_x @ rows_y) / n**3, rows_x.sum() * rows_y.sum() / n**4)
    crossed = float(of_x @ of_y)  # sum over j != i != k of K_ij Q_ik, where j = k gives the joint sum
    margins = of_x.sum() * of_y.sum() - 4 * crossed + 2 * joint  # less the terms whose two pairs share a point or both
    pairs, triples = n * (n - 1), n * (n - 1) * (n - 2)
    return KernelMeans(joint / pairs, (crossed - joint) / triples, float(margins) / (triples * (n - 3)))
