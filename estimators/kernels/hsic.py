"""The Hilbert-Schmidt independence criterion."""

from __future__ import annotations

from dataclasses import dataclass

from mibench.estimators.kernels.gram import FromKernelMeans, TwoKernels, kernel_means
from mibench.interface import Array, Context, Estimate
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
class HSIC(FromKernelMeans, TwoKernels):
    r"""HSIC = mean K_ij Q_ij + mean K_ij Q_kl - 2 mean K_ij Q_ik, a number without unit, in the limit from 0 to 1.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)) and Q_ij of y and sigma_y alike. Over distinct indices (statistic u) it
    is unbiased and may be negative; over all (v) it is tr(K H Q H) / n^2 with H = I - 1/n, never negative and too large
    by a term of order 1/n. Zero in the limit if and only if X and Y are independent. Its scale depends on the
    bandwidths, and invariance under changes of units holds for bandwidth median only.
    """

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = self.bandwidths(x, y)
        means = kernel_means(x, y, sigma_x, sigma_y, self.statistic)
        value = means.joint + means.margins - 2 * means.crossed
        return Estimate(value, quantity="hsic", diagnostics={"bandwidth_x": sigma_x, "bandwidth_y": sigma_y})
