"""The rectangles of Kraskov's second estimator, which the local non-uniformity correction builds on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.neighbors.search import Counts, Indices, count_within, neighbor_radii, reduce_neighborhoods
from mibench.interface import Array


@dataclass(frozen=True, eq=False)
class Rectangles:
    """For n points and each k, (n, len(ks)): the k-th distance, the neighbours as near, their reach in X and in Y."""

    radii: Array
    members: Counts
    in_x: Array
    in_y: Array


def rectangles(x: Array, y: Array, ks: Sequence[int], threads: int = 1) -> Rectangles:
    """Find the smallest rectangle about each point that holds its k nearest neighbours and all tied with the last."""
    joint = np.hstack([x, y])
    radii = neighbor_radii(joint, ks, threads=threads)

    def reach(centers: Indices, members: Indices, starts: Indices) -> Array:
        in_x, in_y = (np.abs(block[centers] - block[members]).max(axis=1) for block in (x, y))
        near = np.maximum(in_x, in_y)[:, None] <= radii[centers]
        sizes = np.add.reduceat(near, starts, dtype=float) - 1  # the point itself is one of its neighbourhood
        reaches = [np.maximum.reduceat(np.where(near, side[:, None], 0), starts) for side in (in_x, in_y)]
        return np.stack([sizes, *reaches], axis=1)

    sizes, in_x, in_y = reduce_neighborhoods(joint, radii.max(axis=1), reach, threads=threads).transpose(1, 0, 2)
    return Rectangles(radii, sizes.astype(np.int64), in_x, in_y)


def rectangle_information(x: Array, y: Array, sides: Rectangles, threads: int = 1) -> Array:
    """Terms psi(n) + psi(k_i) - 1/k_i - psi(n_x(i)) - psi(n_y(i)), (n, len(ks)): their mean is the estimate."""
    counts_x, counts_y = (
        np.stack([count_within(block, one, threads=threads) for one in reach.T], axis=1)
        for block, reach in ((x, sides.in_x), (y, sides.in_y))
    )
    own = digamma(len(x)) + digamma(sides.members) - 1 / sides.members
    return np.asarray(own - digamma(counts_x) - digamma(counts_y))
