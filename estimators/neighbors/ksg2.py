"""The second estimator of Kraskov, Stögbauer and Grassberger: a rectangle about the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.estimators.margins import Margins, transformed
from mibench.estimators.neighbors.doubts import geometry_doubts, repetition_doubts, too_few_points
from mibench.estimators.neighbors.rectangles import rectangle_information, rectangles
from mibench.interface import Array, Context, Estimate, Estimator, parameter
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
class KSG2(Estimator):
    r"""I = psi(n) + mean_i [psi(k_i) - 1/k_i - psi(n_x(i)) - psi(n_y(i))], in nats.

    The k nearest neighbours of point i in (X, Y), in the maximum norm, reach to the distance e_x(i) in X and e_y(i) in
    Y; n_x(i) counts the other points at most e_x(i) away in X, n_y(i) likewise. Neighbours tied at the k-th distance
    all belong: k_i >= k is their number, k itself for continuous data, so that the order of rows breaks no tie.
    As with KSG-1, the estimate depends on the relative scale of X and Y (see `margins`).
    """

    k: int = parameter(3, "neighbours in the rectangle; more: less variance, more bias", low=1)
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        x, y = transformed(x, self.margins), transformed(y, self.margins)
        sides = rectangles(x, y, self.k, context.threads)
        value = float(rectangle_information(x, y, sides, context.threads).mean())
        diagnostics = {
            "median_radius": float(np.median(sides.radii)),
            "tied_points": int(np.count_nonzero(sides.members > self.k)),
        }
        doubts = geometry_doubts(x, y) + repetition_doubts(sides.radii, self.k)
        return Estimate(value, diagnostics=diagnostics, warnings=tuple(doubts))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.k)
