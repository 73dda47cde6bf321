"""Mutual information of the cells of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.binning.cells import cell_codes, combine, entropy
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
    `miller-madow` subtracts. No estimate without correction exceeds log n. Quantile edges also make the estimate
    invariant under increasing maps of each column.
    """

    bins: int | None = parameter(
        None,
        "bins of each continuous column; none: n^(2/3) joint cells, so that points per cell grow as n^(1/3)",
        low=2,
    )
    edges: Literal["width", "quantile"] = parameter("width", "bins of equal width or of equally many points")
    correction: Literal["none", "miller-madow"] = parameter("none", "subtract the first-order bias or not")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        n, bins = len(x), self._bins(len(x), x.shape[1] + y.shape[1])
        x_cells, x_counts = cell_codes(x, context.x_discrete or (False,) * x.shape[1], bins, self.edges)
        y_cells, y_counts = cell_codes(y, context.y_discrete or (False,) * y.shape[1], bins, self.edges)
        counts = np.bincount(combine(x_cells, y_cells))
        value = entropy(x_counts) + entropy(y_counts) - entropy(counts)
        if self.correction == "miller-madow":
            value -= (len(counts) - len(x_counts) - len(y_counts) + 1) / (2 * n)
        warnings = []
        if n < FEW_POINTS * len(counts):
            warnings.append(
                f"{n / len(counts):.2g} points per occupied cell ({len(counts)} cells): the estimate is biased upward "
                f"and saturates at log n = {math.log(n):.3g}"
            )
        cells = {"cells_x": len(x_counts), "cells_y": len(y_counts), "cells_joint": len(counts)}
        return Estimate(value, diagnostics={"bins": bins, **cells}, warnings=tuple(warnings))

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
        return self.bins or max(2, math.floor(n ** (2 / (3 * dims)) + 1e-9))


# Fewer than 5 expected points per cell: the usual limit for statistics of contingency tables.
FEW_POINTS = 5
