"""Local non-uniformity correction: Kraskov's rectangle, turned to where the neighbours lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mibench.estimators.neighbors.base import FromContinuousNeighbors
from mibench.estimators.neighbors.boxes import chance_share, log_box_sizes
from mibench.estimators.neighbors.data_warnings import geometry_warnings, repetition_warnings
from mibench.estimators.neighbors.rectangles import Rectangles, rectangle_information, rectangles
from mibench.interface import Array, Context, Estimate, Shape, parameter
from mibench.registry import register_estimator

# A rectangle narrower than this share of the volume is a line or plane whose width is made of rounding.
ROUNDING = 1e-12


@register_estimator(
    name="lnc",
    family="neighbors",
    summary="KSG-2 with the neighbours' own narrow rectangle where they lie along a line or a surface",
    citation="""@inproceedings{gao2015efficient,
      author = {Shuyang Gao and Greg Ver Steeg and Aram Galstyan},
      title = {Efficient Estimation of Mutual Information for Strongly Dependent Variables},
      booktitle = {International Conference on Artificial Intelligence and Statistics},
      volume = {38},
      pages = {277--286},
      year = {2015}
    }""",
    version="2",
    max_dim=10,
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
)
@dataclass(frozen=True)
class LNC(FromContinuousNeighbors):
    r"""I = I_2 + C(X, Y) - C(X) - C(Y), C(Z) = -mean_i [log(W_i / V_i) where W_i < alpha V_i], I_2 that of `ksg-2`.

    In nats. For Z = (X, Y), V_i = (2 e_x)^dim_x (2 e_y)^dim_y is the volume of the rectangle about point i that holds
    its k nearest neighbours, W_i that of the box along their principal axes: the eigenvectors of the second moments of
    the neighbours' offsets from point i, out to the largest |projections|. A density that is no constant on V_i, but
    concentrated along a line or a surface, makes W_i / V_i small; KSG saturates there. C(X) and C(Y) do the same, at
    points that C(X, Y) corrects, for the points within e_x in X and e_y in Y: columns of X that depend on each other
    make the joint box narrow too, yet tell nothing of Y. One column has W_i = V_i, so that 1 x 1 is the publication's
    estimator; for more, the publication has C(X, Y) alone, as each of its variables is one column.

    Chance makes boxes small too: alpha is the share that 1 in 200 sets of k uniform points fall short of (0.3 for
    k = 5 in 1 + 1 dimensions). Where all neighbours lie on a line through their point, W_i = 0 and I is infinite.
    """

    width = "cells"

    k: int = parameter(5, "neighbours in the rectangle: more than there are dimensions, better twice as many", low=3)
    alpha: float | None = parameter(
        None, "share of the volume below which a box replaces the rectangle; 0: never; none: by k", low=0, high=1
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data = self.prepared(x, y, context)
        x, y = data.x, data.y
        sides = rectangles(x, y, (self.k,), context.threads)
        shares = self._log_shares(x, y, sides, context.threads)
        narrow = shares < self._log_alpha(x.shape[1], y.shape[1])
        correction = -shares[narrow].sum() / len(x)
        for block, reach in ((x, sides.in_x[:, 0]), (y, sides.in_y[:, 0])):
            dim = block.shape[1]
            if dim > 1 and narrow.any():
                inside = log_box_sizes(block, np.where(narrow, reach, 0), context.threads)[narrow]
                inside -= dim * np.log(reach[narrow])
                with np.errstate(invalid="ignore"):  # infinity less infinity
                    correction += inside[inside < self._log_alpha(dim, 0)].sum() / len(x)
        value = float(rectangle_information(x, y, sides, context.threads).mean() + correction)
        warnings = geometry_warnings(x, y) + repetition_warnings(sides.radii, self.ks)
        flat = int(np.count_nonzero(shares[narrow] < math.log(ROUNDING)))
        if flat:
            warnings.append(
                f"the neighbours of {flat} of {len(x)} points lie on a line or a surface, up to rounding: the "
                "estimate is infinite, no number, or finite by rounding only"
            )
        diagnostics = {"corrected_share": float(narrow.mean()), "correction": float(correction)}
        warnings += data.warnings
        return Estimate(value, diagnostics=diagnostics | data.diagnostics, warnings=tuple(warnings))

    def _log_shares(self, x: Array, y: Array, sides: Rectangles, threads: int) -> Array:
        """log(W_i / V_i) of each point (n,); 0 where the rectangle has no volume that could be smaller."""
        in_x, in_y = sides.in_x[:, 0], sides.in_y[:, 0]
        solid = (in_x > 0) & (in_y > 0)
        shares = np.zeros(len(x))
        boxes = log_box_sizes(np.hstack([x, y]), sides.radii[:, 0], threads)
        shares[solid] = boxes[solid] - x.shape[1] * np.log(in_x[solid]) - y.shape[1] * np.log(in_y[solid])
        return shares

    def _log_alpha(self, dim_x: int, dim_y: int) -> float:
        alpha = chance_share(self.k, dim_x, dim_y) if self.alpha is None else self.alpha
        return math.log(alpha) if alpha > 0 else -math.inf

    def unsupported(self, shape: Shape) -> str | None:
        """Fewer neighbours than dimensions lie on a surface always."""
        reason = super().unsupported(shape)
        if reason is None and self.k <= shape.dim_x + shape.dim_y:
            reason = f"needs k > {shape.dim_x} + {shape.dim_y} dimensions, got k = {self.k}"
        return reason
