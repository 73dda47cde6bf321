"""Cauchy-Schwarz quadratic mutual information from Gaussian kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mibench.estimators.kernels.gram import FromKernelMeans, kernel_means
from mibench.interface import Array, Context, Estimate
from mibench.registry import register_estimator


@register_estimator(
    name="cs-qmi",
    family="kernels",
    summary="Cauchy-Schwarz divergence of p(x,y) from p(x)p(y), by Gaussian kernels",
    citation="""@book{principe2010information,
      author = {Jose C. Principe},
      title = {Information Theoretic Learning: Renyi's Entropy and Kernel Perspectives},
      publisher = {Springer},
      year = {2010}
    }""",
    quantity="cs-qmi",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
    aliases=("cs-divergence",),
)
@dataclass(frozen=True)
class CSQMI(FromKernelMeans):
    r"""I_CS = log mean K_ij Q_ij + log mean K_ij Q_kl - 2 log mean K_ij Q_ik, in nats.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)) and Q_ij of y and sigma_y alike. The means run over distinct indices
    (statistic u), or over all of them, i = j included (v: never negative, but the n diagonal terms of the first mean
    dominate it in high dimension or at small bandwidths, even under independence).

    The kernel smooths: the estimate converges to the CS-QMI of p(x,y) convolved with N(0, sigma_x^2 / 2) in X and
    N(0, sigma_y^2 / 2) in Y, not to that of p. For jointly normal X, Y with unit variances a correlation r becomes
    r / sqrt((1 + sigma_x^2 / 2) (1 + sigma_y^2 / 2)). Small bandwidths smooth less and vary more. Invariance under
    changes of units holds for bandwidth median only.
    """

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = self.bandwidths(x, y)
        means = kernel_means(x, y, sigma_x, sigma_y, self.statistic)
        diagnostics = {"bandwidth_x": sigma_x, "bandwidth_y": sigma_y}
        if min(means) <= 0:
            reason = "no points are within reach of each other's kernels: the bandwidths are too small"
            return Estimate(math.nan, quantity="cs-qmi", diagnostics=diagnostics, warnings=(reason,))
        value = math.log(means.joint) + math.log(means.margins) - 2 * math.log(means.crossed)
        return Estimate(value, quantity="cs-qmi", diagnostics=diagnostics)
