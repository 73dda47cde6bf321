"""The rectangles of Kraskov's second estimator, which the local non-uniformity correction builds on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.neighbors.search import Counts, Indices, count_within, neighbor_radii, reduce_neighborhoods
from mibench.interface import Array


@dataclass(frozen=True, eq=False)
class Rectangles:
    """For each of n points: the k-th distance, how many neighbours are as near, how far they reach in X and in Y."""

    radii: Array
    members: Counts
    in_x: Array
    in_y: Array


def rectangles(x: Array, y: Array, k: int, threads: int = 1) -> Rectangles:
    """Find the smallest rectangle about each point that holds its k nearest neighbours and all tied with the last."""
    joint = np.hstack([x, y])
    radii = neighbor_radii(joint, [k], threads=threads)[:, 0]

    def reach(centers: Indices, members: Indices, starts: Indices) -> Array:
        in_x, in_y = (np.abs(block[centers] - block[members]).max(axis=1) for block in (x, y))
        sizes = np.diff(starts, append=len(members)) - 1  # the point itself is one of its neighbourhood
        return np.column_stack([sizes, np.maximum.reduceat(in_x, starts), np.maximum.reduceat(in_y, starts)])

    sizes, in_x, in_y = reduce_neighborhoods(joint, radii, reach, threads=threads).T
    return Rectangles(radii, sizes.astype(np.int64), in_x, in_y)


def rectangle_information(x: Array, y: Array, sides: Rectangles, threads: int = 1) -> Array:
    """One term psi(n) + psi(k_i) - 1/k_i - psi(n_x(i)) - psi(n_y(i)) for each point: their mean is the estimate."""
    counts_x, counts_y = (
        count_within(block, inside, threads=threads) for block, inside in ((x, sides.in_x), (y, sides.in_y))
    )
    own = digamma(len(x)) + digamma(sides.members) - 1 / sides.members
    return np.asarray(own - digamma(counts_x) - digamma(counts_y))
