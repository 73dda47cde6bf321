"""The difference of uniformities that contrastive learning minimises, as an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mibench.estimators.density.kernels import mean_log_kernel, saturation
from mibench.estimators.margins import standardized
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="kernel-resubstitution",
    family="density",
    summary="MI of kernel densities of fixed width, evaluated at their own points",
    citation="""@inproceedings{louiset2024sepclr,
      author = {Robin Louiset and Edouard Duchesnay and Antoine Grigis and Pietro Gori},
      title = {Separating common from salient patterns with contrastive representation learning},
      booktitle = {International Conference on Learning Representations},
      year = {2024}
    }""",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "rows"),
)
@dataclass(frozen=True)
class KernelResubstitution(Estimator):
    r"""I = mean_i log mean_j k_ij l_ij - mean_i log mean_j k_ij - mean_i log mean_j l_ij, in nats, over all j.

    k_ij = exp(-|x_i - x_j|^2 / (2 tau)) and l_ij of y likewise. Not consistent: as n grows it tends to
    E log q(x, y) / (q(x) q(y)) with q the density smoothed by a normal of variance tau in each column, which for a
    strong dependence is far below the mutual information; the point itself, j = i, adds a bias upward that grows
    with the dimension. No estimate exceeds log n.
    """

    tau: float = parameter(0.5, "variance of the kernel in each column", low=1e-6)
    standardize: bool = parameter(True, "give each column mean 0 and variance 1 first; false: tau has the data's units")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        width = math.sqrt(self.tau)
        x, y = ((standardized(block) if self.standardize else block) / width for block in (x, y))
        joint, in_x, in_y = (
            mean_log_kernel(points, leave_one_out=False, threads=context.threads)
            for points in (np.hstack([x, y]), x, y)
        )
        return Estimate(joint - in_x - in_y, warnings=saturation(-joint, len(x)))
