"""The estimator of Kraskov, Stögbauer and Grassberger from nearest-neighbour distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.neighbors.base import FromContinuousNeighbors
from mibench.estimators.neighbors.data_warnings import ceiling_warnings, geometry_warnings, repetition_warnings
from mibench.estimators.neighbors.search import Norm, strict_neighbors
from mibench.interface import Array, Context, Estimate, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="ksg",
    family="neighbors",
    summary="Kraskov's first estimator: neighbour counts within the k-th joint distance",
    citation="kraskov2004estimating",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class KSG(FromContinuousNeighbors):
    r"""I = psi(k) + psi(n) - mean_i [psi(n_x(i) + 1) + psi(n_y(i) + 1)], in nats.

    n_x(i) counts the other points strictly closer to point i in X than its k-th neighbour in (X, Y); n_y likewise. The
    distance in (X, Y) is the larger of those in X and in Y, whose norm is free. Of several k, all found in one search,
    the value is the mean and `by_k` has each.

    The estimate takes the density to be constant out to that neighbour: nearly unbiased in few dimensions and at
    independence, biased toward 0 where neighbours are far (many dimensions, strong dependence, heavy tails). X and Y
    share one distance, so at finite n the estimate depends on their relative scale (see `margins`).
    """

    norm: Norm = parameter("maximum", "of differences within X and within Y")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data = self.prepared(x, y, context)
        x, y = data.x, data.y
        radii, counts_x, counts_y = strict_neighbors(
            x, y, self.ks, norm=self.norm, threads=context.threads, device=context.device
        )
        by_k = digamma(self.ks) + digamma(len(x)) - (digamma(counts_x + 1) + digamma(counts_y + 1)).mean(axis=0)
        diagnostics = {
            "by_k": by_k.tolist(),
            "median_radius": float(np.median(radii)),
            "mean_count_x": float(counts_x.mean()),
            "mean_count_y": float(counts_y.mean()),
        }
        warnings = geometry_warnings(x, y) + repetition_warnings(radii, self.ks)
        warnings += ceiling_warnings(float(by_k.mean()), len(x), self.ks)
        warnings += data.warnings
        return Estimate(float(by_k.mean()), diagnostics=diagnostics | data.diagnostics, warnings=tuple(warnings))
