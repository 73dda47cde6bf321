"""Canonical correlation analysis: the mutual information of a Gaussian with the sample's covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.interface import Array, Context, Estimate, Estimator
from mibench.registry import register_estimator


@register_estimator(
    name="cca",
    family="gaussian",
    summary="Gaussian MI from the canonical correlations of the sample",
    citation="""@article{kay1992cca,
      author = {Jim Kay},
      title = {Feature discovery under contextual supervision using mutual information},
      journal = {International Joint Conference on Neural Networks},
      year = {1992},
      pages = {79--84}
    }""",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "linear", "rows"),
)
@dataclass(frozen=True)
class CCA(Estimator):
    r"""I = -1/2 sum_i log(1 - r_i^2) with r_i the sample's canonical correlations, in nats.

    The maximum-likelihood estimate for jointly Gaussian data, where it attains the efficiency bound; elsewhere it sees
    linear dependence only. Its bias is about dim_x dim_y / (2n).
    """

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        correlations = canonical_correlations(x, y)
        return Estimate(float(-0.5 * np.log1p(-(correlations**2)).sum()))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Too few points make every canonical correlation 1."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        if reason is None and n <= dim_x + dim_y:
            reason = f"needs more points than dim_x + dim_y = {dim_x + dim_y}, got {n}"
        return reason


def canonical_correlations(x: Array, y: Array) -> Array:
    """Canonical correlations of two blocks, largest first."""
    bases = []
    for block in (x, y):
        basis, strength, _ = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)
        bases.append(basis[:, strength > strength[0] * max(block.shape) * np.finfo(float).eps])
    return np.clip(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False), 0.0, 1.0)
