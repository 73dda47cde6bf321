"""Sums of Gaussian kernels over all pairs of points."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial.distance import cdist

from mibench.interface import Array

# Kernels of one block of rows with all points stay in the processor's cache.
BLOCK_PAIRS = 2**18


def mean_log_kernel(points: Array, *, leave_one_out: bool, threads: int = 1) -> float:
    """Mean over i of log mean_j exp(-|z_i - z_j|^2 / 2), over j != i or over all j; points (n, dim), n > 1.

    The largest term is taken out of each sum, so that no distance is too large. Memory: one block of rows.
    """
    n, size = len(points), max(1, BLOCK_PAIRS // len(points))

    def log_sums(start: int) -> Array:
        rows = np.arange(start, min(start + size, n))
        exponents = cdist(points[rows], points, "sqeuclidean")
        exponents *= -0.5
        if leave_one_out:
            exponents[rows - start, rows] = -np.inf
        largest = exponents.max(axis=1)
        exponents -= largest[:, None]
        return np.asarray(largest + np.log(np.exp(exponents, out=exponents).sum(axis=1)))

    with ThreadPoolExecutor(threads) as pool:
        sums = np.concatenate(list(pool.map(log_sums, range(0, n, size))))
    return float(sums.mean() - np.log(n - leave_one_out))
