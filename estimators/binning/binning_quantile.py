"""Mutual information of the cells of a grid whose bins hold equally many points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.binning.cells import Correction, bin_block, default_bins, estimate_from_cells, hopeless_grid
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="binning-quantile",
    family="binning",
    summary="Plug-in MI of the cells of a grid, bins of equally many points",
    citation="""@article{palus1995testing,
      author = {Milan Palu{\\v s}},
      title = {Testing for nonlinearity using redundancies: quantitative and qualitative aspects},
      journal = {Physica D},
      volume = {80},
      number = {1--2},
      pages = {186--205},
      year = {1995}
    }""",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "column-scale", "monotone", "rows"),
)
@dataclass(frozen=True)
class BinningQuantile(Estimator):
    r"""I = H(cell of X) + H(cell of Y) - H(cell of both) of the relative frequencies, in nats.

    As `binning`, with its corrections, but a point with a share s of its column's values below its own falls into bin
    floor(s bins): equally many points per bin, tied ones together. Only ranks count, so that increasing maps of a
    column change nothing. In 1 x 1 both margins are uniform up to rounding and I is about 2 log(bins) - H(both).
    """

    bins: int | None = parameter(
        None,
        "bins of each continuous column; none: n^(2/3) joint cells, so that points per cell grow as n^(1/3)",
        low=2,
    )
    correction: Correction = parameter(
        "none", "subtract the first-order bias, shrink towards the uniform table, or not"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        bins = self._bins(len(x), x.shape[1] + y.shape[1])

        def bin_column(column: Array) -> Array:
            _, place, repeats = np.unique(column, return_inverse=True, return_counts=True)
            below = (np.cumsum(repeats) - repeats)[place]
            return np.asarray(below * bins // len(column), dtype=float)

        shape = context.shape_of(x, y)
        x_binned, y_binned = bin_block(x, shape.x, bin_column), bin_block(y, shape.y, bin_column)
        return estimate_from_cells(x_binned, y_binned, bins, self.correction)

    def unsupported(self, shape: Shape) -> str | None:
        """See `hopeless_grid`."""
        reason = super().unsupported(shape)
        return reason or hopeless_grid(shape, self._bins(shape.n, shape.dim_x + shape.dim_y))

    def _bins(self, n: int, dims: int) -> int:
        return self.bins or default_bins(n, dims)
