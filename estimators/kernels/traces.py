"""Sums over the eigenvalues of a Gaussian kernel matrix: all of them, those of a low-rank factor, or by probes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mibench.estimators.kernels.gram import TILE, gaussian_kernel
from mibench.interface import Array

Single = NDArray[np.float32]
Function = Callable[[Array], Array]

RANK = 128  # of the factor that is tried first, and that the large eigenvalues are found from
LARGEST_RANK = 400  # of a factor; it pays where the first one leaves out less than 1e-3 of the trace
LEFT = 1e-9  # share of the trace that a factor may leave out to stand for the matrix
SETTLED = 1e-7  # squared residual of an eigenvector, over its eigenvalue, that is split off
PROBES = 16
STEPS = 24  # of Lanczos' iteration: they integrate polynomials of degree 47 exactly


def spectral_sum(points: Array, function: Function, largest_exact: int) -> tuple[float, float]:
    r"""Return sum_i f(lambda_i) over the eigenvalues of A = K / n, and its error; K_ij = exp(-|a_i - a_j|^2 / 2).

    `points` is a, (n, dim); f is elementwise, continuous, with f(0) = 0. Up to `largest_exact` points all eigenvalues
    are computed, in O(n^3). Beyond, in O(n^2), by the first of these that does:

    1. a Cholesky factor with pivoting, of rank 400 at most, which leaves out less than 1e-9 of the trace: kernels of
       smooth data in one or two dimensions. The error is of that size times log n.
    2. A is split in two, A = Q diag(theta) Q' + B, by its settled eigenvectors of largest eigenvalues, which are found
       from that factor. The sum over B is tr p(B) + tr (f - p)(B), where p is the polynomial of degree 2 that fits f
       best on the eigenvalues of B. Its trace is exact, as tr 1, tr B and tr B^2 = |B|_F^2 are known; the rest, small,
       is the mean of z' (f - p)(B) z over 16 random vectors z of signs, by Lanczos quadrature of 24 steps. The error
       that is returned adds the standard error of that mean and what the last 8 steps have changed, which for -l log l
       is more than what further steps would. Single precision and eigenvectors that are not exact change an entropy
       by some 1e-5, which it does not count.

    The random vectors are always the same and the rows are put in the order of their values first: the result depends
    on the set of points alone.

    Sources: Ubaru, Chen and Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, 2017; Meyer et al.,
    Hutch++: optimal stochastic trace estimation, 2021, for splitting off large eigenvalues.
    """
    n = len(points)
    if n <= largest_exact:
        return _sum_positive(function, np.linalg.eigvalsh(gaussian_kernel(points, points, 1.0)) / n), 0.0
    points = points[np.lexsort(points.T[::-1])]
    factor, left = low_rank(points, RANK, LEFT * n)
    if LEFT * n < left < 1e-3 * n:
        factor, left = low_rank(points, LARGEST_RANK, LEFT * n)
    if left <= LEFT * n:
        return _sum_positive(function, np.linalg.eigvalsh(factor @ factor.T) / n), 0.0
    matrix = np.empty((n, n), np.float32)
    for start in range(0, n, TILE):
        matrix[start : start + TILE] = gaussian_kernel(points[start : start + TILE], points, 1.0)
    matrix /= n
    leading = split_off(matrix, factor[:RANK])
    rest, error = trace_of(matrix, function, 1 - leading.sum())
    return _sum_positive(function, leading) + rest, error


def low_rank(points: Array, rank: int, tolerance: float) -> tuple[Array, float]:
    """Factor F, at most (rank, n), of the kernel matrix K of points, and the trace of K - F'F, a kernel as well.

    Cholesky's factorisation, of the point that is left worst at each step, until the trace falls to the tolerance.
    """
    factor = np.zeros((rank, len(points)))
    left = np.ones(len(points))  # diagonal of K - F'F
    for i in range(rank):
        worst = int(left.argmax())
        row = gaussian_kernel(points[worst : worst + 1], points, 1.0)[0] - factor[:i, worst] @ factor[:i]
        factor[i] = row / np.sqrt(left[worst])
        left = np.maximum(left - factor[i] ** 2, 0)
        if left.sum() <= tolerance:
            return factor[: i + 1], float(left.sum())
    return factor, float(left.sum())


def split_off(matrix: Single, factor: Array) -> Array:
    """Take the settled eigenvectors of large eigenvalues out of a matrix, in place, and return their eigenvalues.

    They are sought in the span of A F' and A^2 F' for the factor F, which is where kernels with a few large eigenvalues
    and a flat rest have them as well. With P the projector on the rest, A becomes P A P. What
    the two parts share is of the second order in the residuals.
    """
    first = np.linalg.qr(matrix @ np.linalg.qr(factor.T.astype(np.float32))[0])[0]
    image = matrix @ first
    second = np.linalg.qr(image - first @ (first.T @ image))[0]
    second = np.linalg.qr(second - first @ (first.T @ second))[0]
    basis, image = np.hstack([first, second]), np.hstack([image, matrix @ second])
    values, vectors = np.linalg.eigh((basis.T @ image).astype(np.float64))
    basis, image = basis @ vectors.astype(np.float32), image @ vectors.astype(np.float32)
    residuals = np.square(image - basis * values.astype(np.float32)).sum(axis=0)
    settled = np.flatnonzero(residuals < SETTLED * values)
    settled = settled[-len(factor) :]  # the largest, as more cost more than they give
    values, basis, image = values[settled], basis[:, settled], image[:, settled]
    half = image - basis * (values / 2).astype(np.float32)
    for start in range(0, len(matrix), TILE):
        rows = slice(start, start + TILE)
        matrix[rows] -= half[rows] @ basis.T + basis[rows] @ half.T
    return np.asarray(values)


def trace_of(matrix: Single, function: Function, trace: float) -> tuple[float, float]:
    """Trace of a function of a matrix of known trace, and its error: point 2 of `spectral_sum`."""
    n = len(matrix)
    squares = sum(float(np.vdot(row, row)) for row in matrix)
    traces = np.array([n, trace, squares])
    recurrence = lanczos(matrix)
    early, late = (quadrature(recurrence[:, :steps, :steps], function, traces) for steps in (2 * STEPS // 3, STEPS))
    standard_error = late.std(ddof=1) / np.sqrt(PROBES)
    return float(late.mean()), float(standard_error + abs(late.mean() - early.mean()))


def lanczos(matrix: Single) -> Array:
    """Tridiagonal matrices (probes, steps, steps) of Lanczos' iteration from each of the random vectors of signs."""
    n, rng = len(matrix), np.random.default_rng(0)
    recurrence = np.zeros((PROBES, STEPS, STEPS))
    vectors = (2 * rng.integers(0, 2, (PROBES, n)) - 1).astype(np.float32) / np.float32(np.sqrt(n))
    before, coupling = np.zeros_like(vectors), np.zeros(PROBES, np.float32)
    for step in range(STEPS):
        image = vectors @ matrix - coupling[:, None] * before
        diagonal = np.vecdot(image, vectors)
        recurrence[:, step, step] = diagonal
        if step + 1 < STEPS:
            image -= diagonal[:, None] * vectors
            coupling = np.linalg.norm(image, axis=1)
            recurrence[:, step, step + 1] = recurrence[:, step + 1, step] = coupling
            # a coupling of 0 has found an invariant space: zeros follow it, of weight 0
            before, vectors = vectors, image / np.where(coupling > 0, coupling, 1)[:, None]
    return recurrence


def quadrature(recurrence: Array, function: Function, traces: Array) -> Array:
    """Estimate of the trace from each probe, with the traces of 1, B and B^2 to correct it by."""
    nodes, vectors = np.linalg.eigh(recurrence)
    nodes, weights = np.maximum(nodes, 0), traces[0] * vectors[:, 0] ** 2
    values = function(nodes)
    scale = float(nodes.max()) or 1.0
    powers = (nodes[..., None] / scale) ** np.arange(3)
    root = np.sqrt(weights)
    fit = np.linalg.lstsq((root[..., None] * powers).reshape(-1, 3), (root * values).ravel())[0]
    return np.asarray(fit @ (traces / scale ** np.arange(3)) + (weights * (values - powers @ fit)).sum(axis=1))


def _sum_positive(function: Function, eigenvalues: Array) -> float:
    return float(function(eigenvalues[eigenvalues > 0]).sum())  # none is negative but for rounding
