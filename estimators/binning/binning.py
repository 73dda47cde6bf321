"""Mutual information of the cells of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.binning.cells import Correction, bin_block, default_bins, estimate_from_cells, hopeless_grid
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="binning",
    family="binning",
    summary="Plug-in MI of the cells of a grid, bins of equal width",
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
    towards 0 under strong dependence. No estimate without correction exceeds log n.

    Rules for the bins of a column: `sturges` log2 n + 1, `rice` 2 n^(1/3); bins of width 3.49 sd n^(-1/3) with `scott`,
    2 IQR n^(-1/3) with `freedman-diaconis`; rounded up. They are made for the density of one column: save
    `sturges`, they give two columns about n^(2/3) cells or more and three about n or more. `freedman-diaconis` takes
    the width of `scott` where the IQR is 0.
    """

    bins: int | Literal["sturges", "rice", "scott", "freedman-diaconis"] | None = parameter(
        None,
        "bins of each continuous column, or a rule; none: n^(2/3) joint cells, so that points per cell grow as n^(1/3)",
        low=2,
    )
    correction: Correction = parameter(
        "none", "subtract the first-order bias, shrink towards the uniform table, or not"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        least = self._fewest_bins(len(x), x.shape[1] + y.shape[1])
        counts: list[int] = []

        def bin_column(column: Array) -> Array:
            bins = max(least, self._bins_of_width(column))
            counts.append(bins)
            position = (column - column.min()) / (column.max() - column.min())
            return np.asarray(np.minimum(np.floor(position * bins), bins - 1))

        shape = context.shape_of(x, y)
        x_binned, y_binned = bin_block(x, shape.x, bin_column), bin_block(y, shape.y, bin_column)
        bins = counts if self.bins in ("scott", "freedman-diaconis") else least
        return estimate_from_cells(x_binned, y_binned, bins, self.correction)

    def unsupported(self, shape: Shape) -> str | None:
        """A rule that needs the data is judged by the fewest bins that it can give."""
        reason = super().unsupported(shape)
        return reason or hopeless_grid(shape, self._fewest_bins(shape.n, shape.dim_x + shape.dim_y))

    def _bins_of_width(self, column: Array) -> int:
        """Bins of the width that the column asks for, or 0 where the rule does not look at it."""
        width, cube_root = 0.0, math.cbrt(len(column))
        if self.bins == "freedman-diaconis":
            width = 2 * float(np.subtract(*np.percentile(column, [75, 25]))) / cube_root
        # Where half of the values are alike the IQR is 0.
        if self.bins == "scott" or (self.bins == "freedman-diaconis" and width == 0):
            width = SCOTT * float(column.std()) / cube_root
        return math.ceil(float(np.ptp(column)) / width) if width else 0

    def _fewest_bins(self, n: int, dims: int) -> int:
        """Bins of a rule that does not need the data, or the fewest of one that does: sd <= range / 2, IQR <= range."""
        if isinstance(self.bins, int):
            return self.bins
        if self.bins is None:
            return default_bins(n, dims)
        cube_root = math.cbrt(n)
        counts = {
            "sturges": math.log2(n) + 1,
            "rice": 2 * cube_root,
            "scott": 2 * cube_root / SCOTT,
            "freedman-diaconis": cube_root / 2,
        }
        return max(2, math.ceil(counts[self.bins]))


# The factor that minimises the integrated squared error of a histogram of normal data.
SCOTT = math.cbrt(24 * math.sqrt(math.pi))
