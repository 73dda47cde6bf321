"""Mutual information of leave-one-out kernel densities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from mibench.estimators.density.kernels import mean_log_kernel
from mibench.estimators.ties import BREAKING, Ties, untied
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="kde",
    family="density",
    summary="MI of leave-one-out Gaussian kernel densities",
    citation="""@article{moon1995kernel,
      author = {Young-Il Moon and Balaji Rajagopalan and Upmanu Lall},
      title = {Estimation of mutual information using kernel density estimators},
      journal = {Physical Review E},
      volume = {52},
      number = {3},
      pages = {2318--2321},
      year = {1995}
    }""",
    version="2",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "linear", "rows"),
)
@dataclass(frozen=True)
class KDE(Estimator):
    r"""I = mean_i log p_i(x_i, y_i) / (p_i(x_i) p_i(y_i)) in nats, with p_i the kernel density of all points but i.

    The kernel is normal with covariance h^2 S, S the sample covariance of (x, y), and the densities of X and Y are the
    margins of the joint one. Smoothing then keeps the correlations, which leaves no bias of order h^2 for Gaussian
    data; elsewhere dependence finer than h is lost. Leaving a point out costs the joint density most: the estimate is
    biased downward in many dimensions, and far below 0 with heavy tails. By cross-validation h has the largest
    leave-one-out likelihood of (x, y), which takes some five times as long as a rule and leaves 0.4 to 0.95 of Scott's
    root mean squared error. With d = dim_x + dim_y, h is n^(-1/(d+4)) by Scott's rule, (4/(d+2))^(1/(d+4)) times
    that by Silverman's. Time n^2 d.
    """

    bandwidth: Literal["cross-validation", "scott", "silverman"] = parameter("cross-validation", "how h is found")
    ties: Ties = parameter("spread", BREAKING, later=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data = untied(x, y, self.ties, "cells", context.shape_of(x, y))
        (x, _), (y, _) = whitened(data.x), whitened(data.y)
        joint, log_det = whitened(np.hstack([x, y]))
        if joint.shape[1] < x.shape[1] + y.shape[1]:
            reason = "X and Y share a linear combination without noise: the information is infinite or unresolved"
            return Estimate(math.inf, warnings=(reason,))
        h, warnings = self._bandwidth(joint, context.threads)
        in_joint, in_x, in_y = (
            mean_log_kernel(points / h, leave_one_out=True, threads=context.threads) for points in (joint, x, y)
        )
        # The powers of h in the normalising constants cancel; the determinants of the kernels' covariances do not.
        value = in_joint - in_x - in_y - 0.5 * log_det
        diagnostics = {"bandwidth": h} | data.diagnostics
        return Estimate(value, diagnostics=diagnostics, warnings=warnings + data.density_warnings)

    def unsupported(self, shape: Shape) -> str | None:
        """Too few points make the covariance singular."""
        reason = super().unsupported(shape)
        if reason is None and shape.n <= shape.dim_x + shape.dim_y:
            reason = f"needs more points than dim_x + dim_y = {shape.dim_x + shape.dim_y}, got {shape.n}"
        return reason

    def _bandwidth(self, joint: Array, threads: int) -> tuple[float, tuple[str, ...]]:
        n, dims = joint.shape
        scott = n ** (-1 / (dims + 4))
        if self.bandwidth == "scott":
            return scott, ()
        if self.bandwidth == "silverman":
            return scott * (4 / (dims + 2)) ** (1 / (dims + 4)), ()

        def negative_likelihood(log_h: float) -> float:
            points = joint / math.exp(log_h)
            return float(dims * log_h - mean_log_kernel(points, leave_one_out=True, threads=threads))

        low, high = math.log(SMALLEST * scott), math.log(LARGEST)
        best = minimize_scalar(negative_likelihood, bounds=(low, high), method="bounded", options={"xatol": PRECISION})
        if best.x - low < 4 * PRECISION:
            return scott, ("repeated points: the likelihood grows as h falls to 0; h is Scott's instead",)
        return math.exp(best.x), ()


# Smallest bandwidth searched, in units of Scott's, and the largest: where the likelihood is stationary, d h^2 is the
# mean of kernel-weighted squared distances, which is below that of all, 2 d n / (n - 1) in whitened data.
SMALLEST, LARGEST = 0.02, 2.0
# Precision of log h, far finer than what the data determine.
PRECISION = 0.01


def whitened(block: Array) -> tuple[Array, float]:
    """Points (n, rank) of sample covariance 1 and log det of the correlations of columns; collinear ones count once."""
    centered = block - block.mean(axis=0)
    basis, strength, _ = np.linalg.svd(centered / np.linalg.norm(centered, axis=0), full_matrices=False)
    kept = strength > strength[0] * max(block.shape) * np.finfo(float).eps
    return basis[:, kept] * math.sqrt(len(block) - 1), float(2 * np.log(strength[kept]).sum())
