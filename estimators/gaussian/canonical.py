"""The mutual information of a Gaussian from the canonical correlations of a sample."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma

from mibench.interface import Array, Estimate, Shape

# Beyond this squared correlation, 1 - r^2 is made of rounding errors.
LARGEST_SQUARE = 1.0 - 1e-12


def gaussian_estimate(x: Array, y: Array, *, bias_correction: bool) -> Estimate:
    """Estimate -1/2 sum_i log(1 - r_i^2) over the canonical correlations r_i of two blocks, in nats."""
    n = len(x)
    basis_x, basis_y = orthonormal_basis(x), orthonormal_basis(y)
    squares = canonical_correlations(basis_x, basis_y) ** 2
    with np.errstate(divide="ignore"):  # a correlation of exactly 1 is infinite information
        value = float(-0.5 * np.log1p(-squares).sum())
    if bias_correction:
        value -= gaussian_bias(n, basis_x.shape[1], basis_y.shape[1])
    warnings = []
    if squares[0] > LARGEST_SQUARE:
        warnings.append("X and Y share a linear combination without noise: the information is infinite or unresolved")
    elif value > math.log(n):
        warnings.append(
            f"above log n = {math.log(n):.3g}, where no estimate from {n} points is safe without a model: this one "
            "stands on the assumption of a Gaussian dependence"
        )
    diagnostics = {
        "largest_correlation": float(np.sqrt(squares[0])),
        "rank_x": basis_x.shape[1],
        "rank_y": basis_y.shape[1],
    }
    return Estimate(value, diagnostics=diagnostics, warnings=tuple(warnings))


def orthonormal_basis(block: Array) -> Array:
    """Return an orthonormal basis (n, rank) of the centred columns of a block; collinear columns count once."""
    varying = block[:, block.max(axis=0) > block.min(axis=0)]
    if not varying.shape[1]:
        return np.empty((len(block), 0))
    centered = varying - varying.mean(axis=0)
    # Units of a column must not decide what counts as collinear.
    basis, strength, _ = np.linalg.svd(centered / np.linalg.norm(centered, axis=0), full_matrices=False)
    return basis[:, strength > strength[0] * max(block.shape) * np.finfo(float).eps]


def canonical_correlations(basis_x: Array, basis_y: Array) -> Array:
    """Canonical correlations of two blocks from their orthonormal bases, largest first; at least one number."""
    correlations = np.linalg.svd(basis_x.T @ basis_y, compute_uv=False)
    return np.clip(correlations, 0.0, 1.0) if correlations.size else np.zeros(1)


def gaussian_bias(n: int, dim_x: int, dim_y: int) -> float:
    """Bias of the Gaussian maximum-likelihood estimate at n points, whatever the correlations.

    The determinant of the scatter matrix of n Gaussian points in d dimensions is det(Sigma) times a product of
    independent chi-squared variables with n - 1, ..., n - d degrees of freedom, whose expected logarithms are
    log 2 + psi((n - i) / 2). In h(X) + h(Y) - h(X, Y) the terms of X cancel.
    """
    own = digamma((n - np.arange(1, dim_y + 1)) / 2).sum()
    after_x = digamma((n - np.arange(dim_x + 1, dim_x + dim_y + 1)) / 2).sum()
    return float(own - after_x) / 2


def too_few_points(shape: Shape) -> str | None:
    """Say so where the centred blocks fill the sample's space, which makes a canonical correlation 1."""
    dims = shape.dim_x + shape.dim_y
    return f"needs more points than dim_x + dim_y = {dims}, got {shape.n}" if shape.n <= dims else None
