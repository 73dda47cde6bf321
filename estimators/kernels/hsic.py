"""The Hilbert-Schmidt independence criterion."""

from __future__ import annotations

from dataclasses import dataclass

from mibench.estimators.kernels.gram import (
    SMALLEST_BANDWIDTH,
    Bandwidth,
    Statistic,
    bandwidth_of,
    kernel_means,
    too_few_points,
)
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="hsic",
    family="kernels",
    summary="squared kernel distance (MMD) of p(x,y) from p(x)p(y)",
    citation="""@inproceedings{gretton2005measuring,
      author = {Arthur Gretton and Olivier Bousquet and Alex Smola and Bernhard Sch{\\"o}lkopf},
      title = {Measuring statistical dependence with Hilbert-Schmidt norms},
      booktitle = {Algorithmic Learning Theory},
      pages = {63--77},
      year = {2005}
    }""",
    quantity="hsic",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
)
@dataclass(frozen=True)
class HSIC(Estimator):
    r"""HSIC = mean K_ij Q_ij + mean K_ij Q_kl - 2 mean K_ij Q_ik, a number between 0 and 1 without unit.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)) and Q_ij of y and sigma_y alike. Over distinct indices (statistic u) it
    is unbiased and may be negative; over all (v) it is tr(K H Q H) / n^2 with H = I - 1/n, never negative and too large
    by a term of order 1/n. Zero in the limit if and only if X and Y are independent. Its scale depends on the
    bandwidths, and invariance under changes of units holds for bandwidth median only.
    """

    bandwidth_x: Bandwidth = parameter(
        "median", "sigma_x of the kernel of X, or median: the median distance", low=SMALLEST_BANDWIDTH
    )
    bandwidth_y: Bandwidth = parameter(
        "median", "sigma_y of the kernel of Y, or median: the median distance", low=SMALLEST_BANDWIDTH
    )
    statistic: Statistic = parameter("u", "means over distinct indices (u) or over all (v)")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = bandwidth_of(x, self.bandwidth_x), bandwidth_of(y, self.bandwidth_y)
        means = kernel_means(x, y, sigma_x, sigma_y, self.statistic)
        value = means.joint + means.margins - 2 * means.crossed
        return Estimate(value, quantity="hsic", diagnostics={"bandwidth_x": sigma_x, "bandwidth_y": sigma_y})

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """The mean over distinct indices needs four points."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.statistic)
