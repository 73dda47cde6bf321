"""Sums of Gaussian kernels over all pairs of points."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from mibench.interface import Array

# Rows and columns of the kernels held at once: they stay in the processor's cache.
TILE = 512
# Points within this squared distance of their mean lose less than (dim + 2) 1e-8 in an exponent made by a product.
NEAR = 1e7
# Sums below this lose digits, as their terms come near the smallest number there is.
SMALLEST_SUM = 1e-280
# From this share of log n on, hardly any point has another within the kernel's width.
SATURATED = 0.9


def mean_log_kernel(points: Array, *, leave_one_out: bool, threads: int = 1) -> float:
    """Mean over i of log mean_j exp(-|z_i - z_j|^2 / 2), over j != i or over all j; points (n, dim).

    Each pair is computed once. A point so far from all others that their kernels vanish is done again with the largest
    of them taken out of its sum, so that no distance is too large. Time n^2 dim, memory n.
    """
    n = len(points)
    with np.errstate(over="ignore"):
        centered = points - points.mean(axis=0)
        halves = -0.5 * (centered**2).sum(axis=1, keepdims=True)
    left, right = np.hstack([centered, halves, np.ones((n, 1))]), np.hstack([centered, np.ones((n, 1)), halves])
    is_near = -2 * halves.min() < NEAR

    def exponents(rows: slice, columns: slice) -> Array:
        """-|z_i - z_j|^2 / 2 = z_i z_j - |z_i|^2 / 2 - |z_j|^2 / 2, two to four times faster as one product."""
        if is_near:
            return np.asarray(left[rows] @ right[columns].T)
        return np.asarray(-0.5 * cdist(points[rows], points[columns], "sqeuclidean"))

    def sums_of_strip(start: int) -> Array:
        """Sums over the tiles right of the diagonal, which are also those below it; of the points from start on."""
        sums, size = np.zeros(n - start), min(TILE, n - start)
        for other in range(start, n, TILE):
            kernels = exponents(slice(start, start + TILE), slice(other, other + TILE))
            np.exp(kernels, out=kernels)
            if other == start:
                np.fill_diagonal(kernels, 0.0 if leave_one_out else 1.0)
            else:
                sums[other - start : other - start + TILE] += kernels.sum(axis=0)
            sums[:size] += kernels.sum(axis=1)
        return sums

    sums, starts = np.zeros(n), range(0, n, TILE)
    with ThreadPoolExecutor(threads) as pool:
        for start, part in zip(starts, pool.map(sums_of_strip, starts), strict=True):
            sums[start:] += part
    is_far = sums < SMALLEST_SUM
    logs = np.log(sums, out=np.empty(n), where=~is_far)
    far = np.flatnonzero(is_far)
    for rows in np.array_split(far, math.ceil(len(far) * n / TILE**2) or 1):
        to_all = -0.5 * cdist(points[rows], points, "sqeuclidean")
        to_all[np.arange(len(rows)), rows] = -np.inf
        logs[rows] = logsumexp(to_all, axis=1)
    return float(logs.mean() - math.log(n - leave_one_out))


def saturation(joint: float, n: int) -> tuple[str, ...]:
    """Warn where the joint kernels tell nearly all points apart; `joint` is -`mean_log_kernel`, at most log n."""
    if joint <= SATURATED * math.log(n):
        return ()
    return (
        f"the joint kernels are saturated: {joint:.3g} of at most log n = {math.log(n):.3g}; hardly any point has "
        "another within the kernel's width",
    )
