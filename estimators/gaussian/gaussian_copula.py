"""The Gaussian copula: ranks become normal scores, then the dependence is taken to be Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

from mibench.estimators.gaussian.canonical import gaussian_estimate, too_few_points
from mibench.estimators.margins import normal_scores
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="gaussian-copula",
    family="gaussian",
    summary="Gaussian MI of the normal scores of each column's ranks",
    citation="""@article{ince2017statistical,
      author = {Robin A. A. Ince and Bruno L. Giordano and Christoph Kayser and Guillaume A. Rousselet and
                Joachim Gross and Philippe G. Schyns},
      title = {A statistical framework for neuroimaging data analysis based on mutual information estimated via a
               Gaussian copula},
      journal = {Human Brain Mapping},
      volume = {38},
      number = {3},
      pages = {1541--1573},
      year = {2017}
    }""",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "monotone", "rows"),
)
@dataclass(frozen=True)
class GaussianCopula(Estimator):
    r"""I = -1/2 sum_i log(1 - r_i^2) - bias, in nats, with r_i the canonical correlations of the normal scores.

    Each value becomes the normal quantile of rank / (n + 1) within its column; tied values share their average rank.
    `bias` is what a Gaussian sample of this size and these dimensions adds on average. Exact in the limit where the
    copula of (X, Y) is Gaussian, whatever the margins; blind to dependence that the scores' correlations do not show.

    No bound in general. If X or Y has one column, the limit is a lower bound of MI: a normal Y has the entropy
    assumed, and no Y given X has more entropy than its linear residual. With several columns on both sides the limit
    can lie on either side, because normal columns need not be jointly normal.
    """

    bias_correction: bool = parameter(True, "subtract the expected bias of a Gaussian sample")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        return gaussian_estimate(normal_scores(x), normal_scores(y), bias_correction=self.bias_correction)

    def unsupported(self, shape: Shape) -> str | None:
        """Too few points make every canonical correlation 1."""
        return super().unsupported(shape) or too_few_points(shape)
