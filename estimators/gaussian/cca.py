"""Canonical correlation analysis: the mutual information of a Gaussian with the sample's covariance."""

from __future__ import annotations

from dataclasses import dataclass

from mibench.estimators.gaussian.canonical import gaussian_estimate, too_few_points
from mibench.interface import Array, Context, Estimate, Estimator, Shape
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
        return gaussian_estimate(x, y, bias_correction=False)

    def unsupported(self, shape: Shape) -> str | None:
        """Too few points make every canonical correlation 1."""
        return super().unsupported(shape) or too_few_points(shape)
