"""Nearest neighbours for mixtures of discrete and continuous variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    r"""I = log n + mean_i [psi(k_i) - psi(c_x(i)) - psi(c_y(i))], in nats.

    r_i is the distance to the k-th neighbour in (X, Y), in the maximum norm; c_x(i) counts the points closer than r_i
    to point i in X, itself included, c_y(i) likewise, and k_i = k. Where k others coincide with point i (r_i = 0), k_i,
    c_x(i) and c_y(i) count the points equal to it: the term compares frequencies. So a variable may be discrete,
    continuous, or both at once. This is the authors' program. Their article has log(n_x(i) + 1) for psi(c_x(i)), with
    n_x(i) the others at most r_i away: `counts=article`. Where a label meets a continuous variable, that has a bias of
    about -1/k, which goes away only as k grows with n.

    Labels count as numbers: while r_i exceeds their spacing, different labels are neighbours (see `ross`).
    """

    k: int = parameter(5, "which neighbour sets the radius; more: less variance, more bias", low=1)
    counts: Literal["program", "article"] = parameter(
        "program", "psi of strict counts, or log of counts with the border"
    )
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        n, threads = len(x), context.threads
        x, y = transformed(x, self.margins), transformed(y, self.margins)
        joint = np.hstack([x, y])
        radii = neighbor_radii(joint, [self.k], threads=threads)[:, 0]
        repeated = radii == 0
        as_article = self.counts == "article"
        reach = radii if as_article else np.nextafter(radii, 0)  # which leaves 0 as it is
        counts_x, counts_y = (1 + count_within(block, reach, threads=threads) for block in (x, y))
        neighbors = np.full(n, self.k)
        if repeated.any():
            neighbors[repeated] = 1 + count_within(joint, radii, threads=threads)[repeated]
        logarithm = np.log if as_article else digamma
        terms = digamma(neighbors) + np.log(n) - logarithm(counts_x) - logarithm(counts_y)
        diagnostics = {"median_radius": float(np.median(radii)), "repeated_points": int(np.count_nonzero(repeated))}
        return Estimate(float(terms.mean()), diagnostics=diagnostics, warnings=tuple(geometry_doubts(x, y)))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.k)
