"""Differential entropies from nearest-neighbour distances, and weights that cancel their bias."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import digamma, gammaln

from mibench.estimators.neighbors.search import Norm, neighbor_radii
from mibench.interface import Array


def neighbor_entropies(block: Array, ks: Sequence[int], norm: Norm, truncated: bool, threads: int) -> tuple[Array, int]:
    """H_k = psi(n) - psi(k) + mean_i log V(r_k(i)) of a block (n, dim), one for each k, and how many points have r = 0.

    V(r) is (2r)^dim in the maximum norm, where `truncated` cuts that cube to the box between the least and the largest
    value of each column, and pi^(dim/2) r^dim / G(dim/2 + 1) in the Euclidean norm.
    """
    n, dim = block.shape
    radii = neighbor_radii(block, ks, norm=norm, threads=threads)
    log_unit = dim * math.log(2) if norm == "maximum" else dim / 2 * math.log(math.pi) - float(gammaln(dim / 2 + 1))
    with np.errstate(divide="ignore"):
        if truncated:
            log_volumes = sum(
                np.log(np.minimum(radii, above[:, None]) + np.minimum(radii, below[:, None]))
                for above, below in zip((block.max(axis=0) - block).T, (block - block.min(axis=0)).T, strict=True)
            )
        else:
            log_volumes = log_unit + dim * np.log(radii)
    return digamma(n) - digamma(ks) + np.mean(log_volumes, axis=0), int(np.count_nonzero((radii == 0).any(axis=1)))


def debiasing_weights(k: int, dim: int) -> Array:
    """Weights of smallest norm with sum_j w_j = 1 and sum_j w_j G(j + 2l/dim) / G(j) = 0, l = 1, ..., floor(dim/4).

    The mass p of the ball out to the j-th neighbour is Beta(j, n - j), and E log p = psi(j) - psi(n). For a smooth
    density the mass is f V(r) (1 + c_1 r^2 + c_2 r^4 + ...): odd powers cancel by the symmetry of the ball. So H_j has
    a bias of terms E p^(2l/dim), which are proportional to G(j + 2l/dim) / G(j). Those with l > dim/4 are smaller than
    n^(-1/2) anyhow (Berrett, Samworth and Yuan, 2019, who leave out small j; here j = 1, ..., k).
    """
    j = np.arange(1, k + 1)
    powers = 2 * np.arange(dim // 4 + 1)[:, None] / dim
    # Divided by the value at j = k, so that all rows are of one size; l = 0 is the row of ones.
    constraints = np.exp(gammaln(j + powers) - gammaln(j) - gammaln(k + powers) + gammaln(k))
    return np.asarray(np.linalg.lstsq(constraints, np.eye(len(powers))[0])[0])
