"""Nearest neighbours for mixtures of discrete and continuous variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.margins import Margins, transformed
from mibench.estimators.neighbors.doubts import geometry_doubts, too_few_points
from mibench.estimators.neighbors.search import count_within, neighbor_radii
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="mixed-ksg",
    family="neighbors",
    summary="KSG that falls back to counting where points coincide: discrete, continuous, and mixtures",
    citation="gao2017estimating",
    supports=("continuous", "discrete", "mixed"),
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
)
@dataclass(frozen=True)
class MixedKSG(Estimator):
    r"""I = mean_i [psi(k_i) + log n - log(n_x(i) + 1) - log(n_y(i) + 1)], in nats.

    r_i is the distance to the k-th neighbour in (X, Y), in the maximum norm; n_x(i) counts the other points at most r_i
    away in X, n_y(i) likewise. k_i = k, but where k others coincide with point i (r_i = 0) it is the number of points
    there, the point itself included as in n_x(i) + 1: then the term compares frequencies. So one variable may be
    discrete, continuous, or both at once. Labels count as numbers: their spacing is a distance like any other, and
    while r_i exceeds it different labels are neighbours. Biased toward 0 at small n.
    """

    k: int = parameter(5, "which neighbour sets the radius; more: less variance, more bias", low=1)
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        n, threads = len(x), context.threads
        x, y = transformed(x, self.margins), transformed(y, self.margins)
        joint = np.hstack([x, y])
        radii = neighbor_radii(joint, self.k, threads)
        counts_x, counts_y = count_within(x, radii, threads), count_within(y, radii, threads)
        repeated = radii == 0
        neighbors = np.full(n, self.k)
        if repeated.any():
            _, place, sizes = np.unique(joint, axis=0, return_inverse=True, return_counts=True)
            neighbors[repeated] = sizes[place.ravel()][repeated]
        terms = digamma(neighbors) + np.log(n) - np.log(counts_x + 1) - np.log(counts_y + 1)
        diagnostics = {"median_radius": float(np.median(radii)), "repeated_points": int(np.count_nonzero(repeated))}
        return Estimate(float(terms.mean()), diagnostics=diagnostics, warnings=tuple(geometry_doubts(x, y)))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.k)
