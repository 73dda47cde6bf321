"""The second estimator of Kraskov, Stögbauer and Grassberger: a rectangle about the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.neighbors.base import FromContinuousNeighbors
from mibench.estimators.neighbors.data_warnings import ceiling_warnings, geometry_warnings, repetition_warnings
from mibench.estimators.neighbors.rectangles import rectangle_information, rectangles
from mibench.interface import Array, Context, Estimate
from mibench.registry import register_estimator


@register_estimator(
    name="ksg-2",
    family="neighbors",
    summary="Kraskov's second estimator: neighbour counts within the rectangle about the k nearest",
    citation="kraskov2004estimating",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
)
@dataclass(frozen=True)
class KSG2(FromContinuousNeighbors):
    r"""I = psi(n) + mean_i [psi(k_i) - 1/k_i - psi(n_x(i)) - psi(n_y(i))], in nats.

    The k nearest neighbours of point i in (X, Y), in the maximum norm, reach to the distance e_x(i) in X and e_y(i) in
    Y; n_x(i) counts the other points at most e_x(i) away in X, n_y(i) likewise. Neighbours tied at the k-th distance
    all belong: k_i >= k is their number, k itself for continuous data, so that the order of rows breaks no tie.
    Of several k, all found in one search, the value is the mean and `by_k` has each. The term 1/k belongs to
    rectangles whose sides neighbours touch, so there is no choice of norm. As with KSG-1, the estimate depends on the
    relative scale of X and Y (see `margins`).
    """

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data = self.prepared(x, y, context)
        x, y = data.x, data.y
        sides = rectangles(x, y, self.ks, context.threads)
        by_k = rectangle_information(x, y, sides, context.threads).mean(axis=0)
        diagnostics = {
            "by_k": by_k.tolist(),
            "median_radius": float(np.median(sides.radii)),
            "tied_points": int(np.count_nonzero((sides.members > self.ks).any(axis=1))),
        }
        warnings = geometry_warnings(x, y) + repetition_warnings(sides.radii, self.ks)
        warnings += ceiling_warnings(float(by_k.mean()), len(x), self.ks)
        warnings += data.warnings
        return Estimate(float(by_k.mean()), diagnostics=diagnostics | data.diagnostics, warnings=tuple(warnings))
