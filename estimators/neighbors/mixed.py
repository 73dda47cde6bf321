"""Nearest neighbours for mixtures of discrete and continuous variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import digamma

from mibench.estimators.neighbors.base import FromNeighbors
from mibench.estimators.neighbors.data_warnings import geometry_warnings
from mibench.estimators.neighbors.search import Counts, Norm, count_within, strict_neighbors
from mibench.interface import Array, Context, Estimate, are_discrete, parameter
from mibench.registry import register_estimator

# One of 3 labels near a normal Y with MI 0.25: where the neighbours of 3 in 4 points reach the next label the estimate
# is 10% off at most; of 9 in 10, 10 to 40%; of all, nothing is left.
ACROSS_LABELS = 0.75


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
class MixedKSG(FromNeighbors):
    r"""I = log n + mean_i [psi(k_i) - psi(c_x(i)) - psi(c_y(i))], in nats; of several k the mean, with each in `by_k`.

    r_i is the distance to the k-th neighbour in (X, Y), the larger of those in X and in Y; c_x(i) counts the points
    closer than r_i to point i in X, itself included, c_y(i) likewise, and k_i = k. Where k others coincide with point i
    (r_i = 0), k_i, c_x(i) and c_y(i) count the points equal to it: the term compares frequencies. So a variable may be
    discrete, continuous, or both at once. This is the authors' program. Their article has log(n_x(i) + 1) for
    psi(c_x(i)), with n_x(i) the others at most r_i away: `counts=article`. The program is the default because, with
    a label X of probability p near a continuous Y, c_y(i) points are needed to find k of the label, whence
    E[psi(k) - psi(c_y(i))] = log p for any k, whereas the article's logarithm is off by about -3p / (2k).

    Labels count as numbers: while r_i exceeds their spacing, different labels are neighbours (see `ross`).
    """

    k: int | tuple[int, ...] = parameter(
        5, "which neighbour sets the radius; more: less variance, more bias; several: the mean of the estimates", low=1
    )
    norm: Norm = parameter("maximum", "of differences within X and within Y")
    counts: Literal["program", "article"] = parameter(
        "program", "psi of strict counts, or log of counts with the border"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data, recorded = self.prepared(x, y, context), (x, y)
        x, y = data.x, data.y
        radii, *strict = strict_neighbors(x, y, self.ks, norm=self.norm, threads=context.threads)
        repeated = radii == 0
        if data.share_x + data.share_y > 0:  # nobody coincides any more, but who did is counted, not measured
            repeated |= others_alike(np.hstack(recorded))[:, None] >= np.asarray(self.ks)
        neighbors, (counts_x, counts_y) = np.broadcast_to(self.ks, radii.shape), strict
        if self.counts == "article":
            counts_x, counts_y = (
                np.stack([count_within(block, one, norm=self.norm, threads=context.threads) for one in radii.T], axis=1)
                for block in (x, y)
            )
        if repeated.any():
            neighbors, counts_x, counts_y = (
                np.where(repeated, others_alike(block)[:, None] + extra, counts)
                for block, extra, counts in (
                    (np.hstack(recorded), 1, neighbors),
                    (recorded[0], 0, counts_x),
                    (recorded[1], 0, counts_y),
                )
            )
        logarithm = np.log if self.counts == "article" else digamma
        terms = digamma(neighbors) + np.log(len(x)) - logarithm(counts_x + 1) - logarithm(counts_y + 1)
        by_k = terms.mean(axis=0)
        diagnostics = {
            "by_k": by_k.tolist(),
            "median_radius": float(np.median(radii)),
            "repeated_points": int(np.count_nonzero(repeated.any(axis=1))),
        }
        shape = context.shape_of(x, y)
        x_label, y_label = are_discrete(shape.x), are_discrete(shape.y)
        warnings = [] if x_label.all() and y_label.all() else geometry_warnings(x[:, ~x_label], y[:, ~y_label])
        warnings += label_warnings(np.hstack([x[:, x_label], y[:, y_label]]), radii.max(axis=1))
        warnings += data.warnings
        return Estimate(float(by_k.mean()), diagnostics=diagnostics | data.diagnostics, warnings=tuple(warnings))


def others_alike(block: Array) -> Counts:
    """How many other points equal each point of a block (n, dim)."""
    _, groups, sizes = np.unique(block, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(sizes[groups.ravel()] - 1)


def label_warnings(labels: Array, radii: Array) -> list[str]:
    """Warn where the neighbours of most points reach the next label: labels (n, columns of either side), radii (n,)."""
    gaps = np.full(len(radii), np.inf)
    for column in labels.T:
        values, place = np.unique(column, return_inverse=True)
        steps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
        gaps = np.minimum(gaps, np.minimum(steps[:-1], steps[1:])[place])
    across = int(np.count_nonzero(radii >= gaps))
    if across <= ACROSS_LABELS * len(radii):
        return []
    return [
        f"at {across} of {len(radii)} points the neighbours are as far as the next label, whose code counts as a "
        "number there: the estimate can be far too low; margins=normal narrows wide columns of numbers, and `ross` "
        "measures no label where one side is labels alone"
    ]
