"""Mutual information of the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.binning.cells import Correction, bin_column, default_bins, estimate_from_cells
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="binning",
    family="binning",
    summary="Plug-in MI of the cells of a grid",
    citation="""@article{paninski2003estimation,
      author = {Liam Paninski},
      title = {Estimation of entropy and mutual information},
      journal = {Neural Computation},
      volume = {15},
      number = {6},
      pages = {1191--1253},
      year = {2003}
    }""",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "rows"),
)
@dataclass(frozen=True)
class Binning(Estimator):
    r"""I = H(cell of X) + H(cell of Y) - H(cell of both) of the relative frequencies, in nats.

    Cells are products of bins; a discrete column has one bin per distinct value. Two errors oppose each other: coarse
    cells hide dependence within them, and the K occupied cells add about (K_xy - K_x - K_y + 1) / (2n), which
    `miller-madow` subtracts. `shrinkage` (Hausser and Strimmer, 2009) mixes the table of K = K_x K_y cells with the
    uniform one, (1 - w) f + w / K with w = (1 - sum f^2) / ((n - 1) sum (1/K - f)^2) <= 1: less variance, but a bias
    towards 0 under strong dependence. No estimate without correction exceeds log n. Quantile edges also make the
    estimate invariant under increasing maps of each column.
    """

    bins: int | None = parameter(
        None,
        "bins of each continuous column; none: n^(2/3) joint cells, so that points per cell grow as n^(1/3)",
        low=2,
    )
    edges: Literal["width", "quantile"] = parameter("width", "bins of equal width or of equally many points")
    correction: Correction = parameter(
        "none", "subtract the first-order bias, shrink towards the uniform table, or not"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        bins = self._bins(len(x), x.shape[1] + y.shape[1])
        x_binned, y_binned = (
            np.stack(
                [
                    column if is_discrete else bin_column(column, bins, self.edges)
                    for column, is_discrete in zip(block.T, discrete or (False,) * block.shape[1], strict=True)
                ],
                axis=1,
            )
            for block, discrete in ((x, context.x_discrete), (y, context.y_discrete))
        )
        return estimate_from_cells(x_binned, y_binned, bins, self.correction)

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """With more cells than points, independent data would show about 1/2 nat or more."""
        bins, continuous = self._bins(n, dim_x + dim_y), [*x_discrete, *y_discrete].count(False)
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        if reason is None and bins**continuous > n:
            reason = f"joint grid of {bins}^{continuous} cells for {n} points: needs at least one point per cell"
        return reason

    def _bins(self, n: int, dims: int) -> int:
        return self.bins or default_bins(n, dims)
