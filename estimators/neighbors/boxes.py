"""Boxes along the principal axes of neighbours, which the local non-uniformity correction compares with rectangles."""

from __future__ import annotations

import functools

import numpy as np

from mibench.estimators.neighbors.search import Indices, reduce_neighborhoods
from mibench.interface import Array

SETS, SEED = 20_000, 0  # of points drawn at once; 100 of the sets lie below the quantile of 0.005
BATCH = 2**20  # coordinates held at once


def log_box_sizes(block: Array, radii: Array, threads: int = 1) -> Array:
    """Sum of the logarithms of the half-lengths of the box about each point (n,) that holds all others within a radius.

    Its axes are the eigenvectors of the second moments of the others' offsets from the point; -infinity where a
    half-length is 0, as where nobody is within the radius.
    """

    def measure(centers: Indices, members: Indices, starts: Indices) -> Array:
        # In units of the radius the moments neither under- nor overflow.
        unit = np.where(radii > 0, radii, 1)[centers]
        offsets = (block[members] - block[centers]) / unit[:, None]
        moments = np.add.reduceat(offsets[:, :, None] * offsets[:, None, :], starts)
        axes = np.linalg.eigh(moments).eigenvectors
        sizes = np.diff(starts, append=len(members))
        turned = np.einsum("mi,mij->mj", offsets, np.repeat(axes, sizes, axis=0))
        with np.errstate(divide="ignore"):
            half_lengths = np.log(np.maximum.reduceat(np.abs(turned), starts))
        return np.asarray(half_lengths.sum(axis=1) + block.shape[1] * np.log(unit[starts]))

    return reduce_neighborhoods(block, radii, measure, threads=threads)


@functools.lru_cache
def chance_share(k: int, dim_x: int, dim_y: int) -> float:
    """Volume of the box over that of the rectangle, which 0.5% of sets of k points uniform in a cube fall short of.

    The rectangle is a cube in X times a cube in Y. Simulated from a seed of its own: always the same number.
    """
    rng, dim, shares = np.random.default_rng(SEED), dim_x + dim_y, []
    batch = min(SETS, max(1, BATCH // (k * dim)))
    for _ in range(0, SETS, batch):
        points = rng.uniform(-1, 1, (batch, k, dim))
        axes = np.linalg.eigh(np.swapaxes(points, 1, 2) @ points).eigenvectors
        box = np.abs(points @ axes).max(axis=1).prod(axis=1)
        reach = np.abs(points).max(axis=1)
        rectangle = reach[:, :dim_x].max(axis=1) ** dim_x * reach[:, dim_x:].max(axis=1, initial=0) ** dim_y
        shares.append(box / rectangle)
    return float(np.quantile(np.concatenate(shares), 0.005))
