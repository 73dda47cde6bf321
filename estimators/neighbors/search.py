"""Exact nearest-neighbour radii, neighbour counts and neighbours themselves, in the maximum norm.

All distances are plain float64 differences, and only comparisons follow: both ways of searching agree to the last bit
with a loop over all pairs, ties included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import KDTree  # counts a margin 3-6 times faster than scipy's: its nodes know their sizes

from mibench.interface import Array

Counts = NDArray[np.int64]
Indices = NDArray[np.int64]
Result = TypeVar("Result")
Norm = Literal["maximum", "euclidean"]

METRICS: dict[Norm, Literal["chebyshev", "euclidean"]] = {"maximum": "chebyshev", "euclidean": "euclidean"}

# Trees win up to 7 + 7 dimensions for independent normals, up to about 10 + 10 at correlation 0.9 (n = 10,000).
TREE_DIMENSIONS = 16
LEAF_SIZE, TREE_ROWS = 16, 512
# Distances of one block of rows to all points stay in the processor's cache.
BLOCK_DISTANCES = 2**18


def strict_neighbors(
    x: Array, y: Array, ks: Sequence[int], *, norm: Norm = "maximum", threads: int = 1, device: str = "cpu"
) -> tuple[Array, Counts, Counts]:
    """Radii of the k-th neighbours in (x, y), and how many other points are strictly closer in x and in y.

    x (n, dim_x) and y (n, dim_y) with n > k for each of `ks`. All three answers have shape (n, len(ks)). Where k other
    points coincide with a point, its radius is 0 and so are its counts.
    """
    assert device == "cpu"
    by_tree = x.shape[1] + y.shape[1] <= TREE_DIMENSIONS and norm == "maximum"
    return search_trees(x, y, ks, threads) if by_tree else search_pairs(x, y, ks, threads, norm)


def search_trees(x: Array, y: Array, ks: Sequence[int], threads: int = 1) -> tuple[Array, Counts, Counts]:
    """Search k-d trees: n log n where they prune."""
    radii = _radii_from_tree(np.hstack([x, y]), ks, threads)
    counts = [np.stack([_count_margin(block, one, threads) for one in radii.T], axis=1) for block in (x, y)]
    return radii, counts[0], counts[1]


def search_pairs(
    x: Array, y: Array, ks: Sequence[int], threads: int = 1, norm: Norm = "maximum"
) -> tuple[Array, Counts, Counts]:
    """Compare all pairs in one pass, a block of rows at a time: n^2 (dim_x + dim_y) at any dimension."""

    def search(rows: slice) -> tuple[Array, Counts, Counts]:
        in_x, in_y = (cdist(block[rows], block, METRICS[norm]) for block in (x, y))
        joint = np.maximum(in_x, in_y)
        joint.partition(sorted({*ks}), axis=1)  # 0-based, and the point itself is the first
        radii = joint[:, list(ks)]
        counts = [
            np.stack([np.count_nonzero(near < one[:, None], axis=1) - (one > 0) for one in radii.T], axis=1)
            for near in (in_x, in_y)
        ]
        return radii, counts[0], counts[1]

    found = _by_rows(search, len(x), max(1, BLOCK_DISTANCES // len(x)), threads)
    radii, counts_x, counts_y = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return radii, counts_x, counts_y


def neighbor_radii(block: Array, ks: Sequence[int], *, norm: Norm = "maximum", threads: int = 1) -> Array:
    """Distances (n, len(ks)) of the k-th neighbours of each point of a block (n, dim) with n > k."""
    if block.shape[1] <= TREE_DIMENSIONS and norm == "maximum":
        return _radii_from_tree(block, ks, threads)

    def search(rows: slice) -> Array:
        return np.partition(cdist(block[rows], block, METRICS[norm]), sorted({*ks}), axis=1)[:, list(ks)]

    return np.concatenate(_by_rows(search, len(block), max(1, BLOCK_DISTANCES // len(block)), threads))


def count_within(block: Array, radii: Array, *, norm: Norm = "maximum", threads: int = 1) -> Counts:
    """How many other points of a block (n, dim) lie within the radius of each point, its border included."""
    if block.shape[1] <= TREE_DIMENSIONS and norm == "maximum":
        return _count_margin(block, np.nextafter(radii, np.inf), threads)

    def count(rows: slice) -> Counts:
        return np.asarray(np.count_nonzero(cdist(block[rows], block, METRICS[norm]) <= radii[rows, None], axis=1) - 1)

    return np.concatenate(_by_rows(count, len(block), max(1, BLOCK_DISTANCES // len(block)), threads))


def reduce_neighborhoods(
    block: Array,
    radii: Array,
    reduce: Callable[[Indices, Indices, Indices], Array],
    *,
    norm: Norm = "maximum",
    threads: int = 1,
) -> Array:
    """Reduce the points within the radius of each point, the border and the point itself included, to a row each.

    `reduce(centers, members, starts)` is called for some of the points at a time: members[j] is in the neighbourhood of
    centers[j], and starts are the places where the next center begins, as `ufunc.reduceat` takes them. Its answers are
    stacked in the order of the points.
    """
    by_tree = block.shape[1] <= TREE_DIMENSIONS and norm == "maximum"
    tree = KDTree(block, leaf_size=LEAF_SIZE, metric="chebyshev") if by_tree else None

    def search(rows: slice) -> Array:
        inside = radii[rows]
        if tree is not None:
            found = tree.query_radius(block[rows], inside)
            sizes, members = np.array([len(near) for near in found]), np.concatenate(found)
            local = np.repeat(np.arange(len(inside)), sizes)
        else:
            local, members = np.nonzero(cdist(block[rows], block, METRICS[norm]) <= inside[:, None])
            sizes = np.bincount(local)
        return reduce(local + rows.start, members, np.cumsum(sizes) - sizes)

    size = TREE_ROWS if by_tree else max(1, BLOCK_DISTANCES // len(block))
    return np.concatenate(_by_rows(search, len(block), size, threads))


def _radii_from_tree(block: Array, ks: Sequence[int], threads: int) -> Array:
    tree = KDTree(block, leaf_size=LEAF_SIZE, metric="chebyshev")

    def search(rows: slice) -> Array:
        # A point is the first of its own neighbours, at distance 0.
        return np.asarray(tree.query(block[rows], max(ks) + 1)[0][:, list(ks)])

    return np.concatenate(_by_rows(search, len(block), TREE_ROWS, threads))


def _count_margin(block: Array, radii: Array, threads: int) -> Counts:
    """Count the other points strictly within the radius of each point."""
    if block.shape[1] == 1:
        return _count_on_line(block[:, 0], radii)
    tree = KDTree(block, leaf_size=LEAF_SIZE, metric="chebyshev")
    inside = np.nextafter(radii, -np.inf)  # the tree counts distances <= radius; a negative radius counts nothing

    def count(rows: slice) -> Counts:
        return np.asarray(tree.query_radius(block[rows], inside[rows], count_only=True))

    return np.concatenate(_by_rows(count, len(block), TREE_ROWS, threads)) - (radii > 0)


def _count_on_line(values: Array, radii: Array) -> Counts:
    """Sort once, then bisect on both sides of each point."""
    order = np.argsort(values)
    values, radii = values[order], radii[order]
    counts = np.empty(len(values), dtype=np.int64)
    counts[order] = _count_above(values, radii) + _count_above(-values[::-1], radii[::-1])[::-1]
    return counts


def _count_above(values: Array, radii: Array) -> Counts:
    """Count the points after each one whose difference to it is < radius, in ascending values.

    Bisecting on the difference itself, not on value + radius: rounding must not move a neighbour across the border.
    """
    start = np.arange(len(values))
    last, beyond = start, np.full(len(values), len(values))
    for _ in range(len(values).bit_length()):
        middle = (last + beyond) // 2
        inside = values[middle] - values < radii
        last, beyond = np.where(inside, middle, last), np.where(inside, beyond, middle)
    return last - start


def _by_rows(function: Callable[[slice], Result], n: int, size: int, threads: int) -> list[Result]:
    """Apply a function to slices of n rows, in several threads; the libraries called let go of the interpreter."""
    slices = [slice(start, start + size) for start in range(0, n, size)]
    if threads == 1:
        return [function(rows) for rows in slices]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, slices))
