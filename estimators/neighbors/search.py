"""Exact nearest-neighbour radii, neighbour counts and neighbours themselves.

All distances are plain float64 differences, in the Euclidean norm the root of the sum of their squares, column after
column, and only comparisons follow: each way of searching agrees to the last bit with a loop over all pairs, ties
included. The norm is that within X and within Y; a joint distance is the larger of the two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mibench.estimators.neighbors import compiled
from mibench.interface import Array

Counts = NDArray[np.int64]
Indices = NDArray[np.int64]
Norm = Literal["maximum", "euclidean"]
Result = TypeVar("Result")

# Most points in a leaf, up to so many columns: long vectors pay off where boxes exclude little. Seconds for the radii
# of 10,000 points: 2 columns .0063 with 16, .0056 with 32; 6 columns .033 with 32, .026 with 64; 10 columns .070 with
# 64, .055 with 128.
LEAVES = ((2, 32), (4, 64), (math.inf, 128))
# Members of neighbourhoods that are handed out at a time.
MEMBERS_AT_ONCE = 2**18


def strict_neighbors(
    x: Array, y: Array, ks: Sequence[int], *, norm: Norm = "maximum", threads: int = 1, device: str = "cpu"
) -> tuple[Array, Counts, Counts]:
    """Radii of the k-th neighbours in (x, y), and how many other points are strictly closer in x and in y.

    x (n, dim_x) and y (n, dim_y) with n > k for each k. All three answers have shape (n, len(ks)). Where k other points
    coincide with a point, its radius is 0 and so are its counts.
    """
    if device != "cpu":
        from mibench.estimators.neighbors import search_torch

        return search_torch.strict_neighbors(x, y, ks, euclidean=norm == "euclidean", device=device)
    search = search_pairs if _pairs_pay(len(x), x.shape[1] + y.shape[1]) else search_trees
    return search(x, y, ks, norm=norm, threads=threads)


def search_trees(
    x: Array, y: Array, ks: Sequence[int], *, norm: Norm = "maximum", threads: int = 1
) -> tuple[Array, Counts, Counts]:
    """Search k-d trees: n log n where they prune."""
    tree = _Tree.build(x, y, norm)
    radii = tree.radii(ks, threads)
    counts_x, counts_y = (_count(block, radii, norm, closed=False, threads=threads) for block in (x, y))
    return radii, counts_x, counts_y


def search_pairs(
    x: Array, y: Array, ks: Sequence[int], *, norm: Norm = "maximum", threads: int = 1
) -> tuple[Array, Counts, Counts]:
    """Compare all pairs in one pass: n^2 (dim_x + dim_y) at any dimension."""
    x, y, n = np.ascontiguousarray(x), np.ascontiguousarray(y), len(x)
    unit = _unit(x, y)
    if unit is None:
        return search_trees(x, y, ks, norm=norm, threads=threads)
    tiles = _tiles(x, unit), _tiles(y, unit)
    ranks, places = np.unique(np.asarray(ks, dtype=np.int64), return_inverse=True)
    radii, counts_x, counts_y = np.empty((n, len(ranks))), *np.empty((2, n, len(ranks)), dtype=np.int64)
    euclidean = norm == "euclidean"

    def search(rows: slice) -> None:
        compiled.search_pairs(x, y, *tiles, unit, euclidean, ranks, rows.start, rows.stop, radii, counts_x, counts_y)

    _in_slices(search, n, threads)
    return radii[:, places], counts_x[:, places], counts_y[:, places]


def neighbor_radii(
    block: Array, ks: Sequence[int], *, y: Array | None = None, norm: Norm = "maximum", threads: int = 1
) -> Array:
    """Distances (n, len(ks)) of the k-th neighbours of each point of a block (n, dim), or of (block, y) if given."""
    other = np.empty((len(block), 0)) if y is None else y
    if _pairs_pay(len(block), block.shape[1] + other.shape[1]):
        return search_pairs(block, other, ks, norm=norm, threads=threads)[0]
    return _Tree.build(block, other, norm).radii(ks, threads)


def count_within(
    block: Array, radii: Array, *, y: Array | None = None, norm: Norm = "maximum", threads: int = 1
) -> Counts:
    """How many other points lie within the radius of each point of a block, or of (block, y), the border included."""
    if y is not None:
        return _Tree.build(block, y, norm).counts(radii[:, None], closed=True, threads=threads)[:, 0]
    return _count(block, radii[:, None], norm, closed=True, threads=threads)[:, 0]


def reduce_neighborhoods(
    block: Array,
    radii: Array,
    reduce: Callable[[Indices, Indices, Indices], Array],
    *,
    y: Array | None = None,
    norm: Norm = "maximum",
    threads: int = 1,
) -> Array:
    """Reduce the points within the radius of each point, the border and the point itself included, to a row each.

    `reduce(centers, members, starts)` is called for some of the points at a time: members[j] is in the neighbourhood of
    centers[j], and starts are the places where the next center begins, as `ufunc.reduceat` takes them. Its answers are
    stacked in the order of the points. The space is that of the block, or of (block, y) if given.
    """
    tree = _Tree.build(block, np.empty((len(block), 0)) if y is None else y, norm)
    sizes = 1 + tree.counts(radii[:, None], closed=True, threads=threads)[tree.order, 0]
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, np.arange(MEMBERS_AT_ONCE, ends[-1], MEMBERS_AT_ONCE), side="right")
    bounds = np.unique(np.concatenate([[0], cuts, [len(block)]]))

    def search(rows: slice) -> Array:
        starts = ends[rows] - sizes[rows]
        starts, total = starts - starts[0], int(sizes[rows].sum())
        members = np.empty(total, dtype=np.int64)
        compiled.tree_members(
            *tree.arrays,
            tree.split,
            tree.euclidean,
            np.ascontiguousarray(radii),
            rows.start,
            rows.stop,
            starts,
            members,
        )
        return reduce(np.repeat(tree.order[rows], sizes[rows]), members, starts)

    found = np.concatenate(_in_threads(search, [slice(*pair) for pair in itertools.pairwise(bounds)], threads))
    reduced = np.empty_like(found)
    reduced[tree.order] = found
    return reduced


class _Tree(NamedTuple):
    """A k-d tree of (x, y), in the order of arguments that the compiled loops take, see `compiled.build_tree`."""

    arrays: tuple[NDArray[np.int64], NDArray[np.int64], Array, Array, Array, Array]
    split: int
    euclidean: bool

    @property
    def order(self) -> Indices:
        return self.arrays[0]

    @classmethod
    def build(cls, x: Array, y: Array, norm: Norm) -> _Tree:
        points = np.ascontiguousarray(np.hstack([x, y]))
        n, dim = points.shape
        size = next(size for most, size in LEAVES if dim <= most)
        leaves = 1
        while n > size * leaves:
            leaves *= 2
        nodes = 2 * leaves - 1
        order, starts = np.empty(n, dtype=np.int64), np.empty(nodes + 1, dtype=np.int64)
        low, high = np.empty((nodes, dim)), np.empty((nodes, dim))
        tiles, rows = np.empty((leaves, dim, -(-n // (8 * leaves)) * 8)), np.empty((n, dim))
        compiled.build_tree(points, order, starts, low, high, tiles, rows)
        # One column has one norm, and comparing its differences themselves is quicker.
        euclidean = norm == "euclidean" and max(x.shape[1], y.shape[1]) > 1
        return cls((order, starts, low, high, tiles, rows), x.shape[1], euclidean)

    def radii(self, ks: Sequence[int], threads: int) -> Array:
        ranks, places = np.unique(np.asarray(ks, dtype=np.int64), return_inverse=True)
        radii = np.empty((len(self.order), len(ranks)))

        def search(leaves: slice) -> None:
            compiled.tree_radii(*self.arrays, self.split, self.euclidean, ranks, leaves.start, leaves.stop, radii)

        _in_slices(search, len(self.arrays[4]), threads)
        return radii[:, places]

    def counts(self, radii: Array, *, closed: bool, threads: int) -> Counts:
        radii = np.ascontiguousarray(radii)
        counts = np.empty(radii.shape, dtype=np.int64)

        def count(leaves: slice) -> None:
            compiled.tree_counts(
                *self.arrays, self.split, self.euclidean, closed, radii, leaves.start, leaves.stop, counts
            )

        _in_slices(count, len(self.arrays[4]), threads)
        return counts


def _count(block: Array, radii: Array, norm: Norm, *, closed: bool, threads: int) -> Counts:
    """Count the other points of one block closer than each of the radii (n, m), or at most as far if closed."""
    n, dim = block.shape
    if dim == 1:
        return _count_on_line(block[:, 0], radii, closed, threads)
    unit = _unit(block) if _pairs_pay(n, 2 * dim) else None
    if unit is None:
        return _Tree.build(block, np.empty((n, 0)), norm).counts(radii, closed=closed, threads=threads)
    block, tiles = np.ascontiguousarray(block), _tiles(block, unit)
    counts, columns = np.empty(radii.shape[::-1], dtype=np.int64), np.ascontiguousarray(radii.T)
    for inside, found in zip(columns, counts, strict=True):

        def count(rows: slice, inside: Array = inside, found: Counts = found) -> None:
            compiled.count_pairs(block, tiles, unit, norm == "euclidean", closed, inside, rows.start, rows.stop, found)

        _in_slices(count, n, threads)
    return counts.T


def _count_on_line(values: Array, radii: Array, closed: bool, threads: int) -> Counts:
    order = np.argsort(values)
    values, radii = values[order], np.ascontiguousarray(radii[order])
    found = np.empty(radii.shape, dtype=np.int64)
    _in_slices(
        lambda rows: compiled.line_counts(values, radii, closed, rows.start, rows.stop, found), len(values), threads
    )
    counts = np.empty_like(found)
    counts[order] = found
    return counts


def _pairs_pay(n: int, dim: int) -> bool:
    """Whether comparing all pairs of n points in dim columns takes less time than trees, which prune more as n grows.

    CPU seconds of trees and of pairs for normals with correlation 0.6: n = 1000, 8 columns .0020 and .0020; n = 10,000,
    8 columns .074 and .080, 10 columns .12 and .10; n = 40,000, 12 columns 1.7 and 1.9, 16 columns 2.4 and 2.2.
    """
    return dim > (8 if n < 15_000 else 14)


def _unit(*blocks: Array) -> float | None:
    """A power of two that brings the blocks' widths below 1, so that float32 holds them; None if it cannot."""
    width = max(float(np.ptp(block, axis=0).max(initial=0)) for block in blocks)
    if not 2.0**-500 < width < 2.0**500:
        return None
    return 2.0 ** -math.frexp(width)[1]


def _tiles(block: Array, unit: float) -> NDArray[np.float32]:
    """Tile the points (tiles, dim, TILE), centred where most of them are: there float32 is finest."""
    n, dim = block.shape
    tiles = -(-n // compiled.TILE)
    padded = np.full((tiles * compiled.TILE, dim), np.inf, dtype=np.float32)
    center = np.median(block[:: max(1, n // 1000)], axis=0)
    padded[:n] = (block - center) * unit
    return np.ascontiguousarray(padded.reshape(tiles, compiled.TILE, dim).transpose(0, 2, 1))


def _in_slices(function: Callable[[slice], None], n: int, threads: int) -> None:
    """Apply a function to slices of n rows: some for each thread, lest one waits for another."""
    size = n if threads == 1 else max(1, -(-n // (8 * threads)))
    _in_threads(function, [slice(start, min(start + size, n)) for start in range(0, n, size)], threads)


def _in_threads(function: Callable[[slice], Result], slices: list[slice], threads: int) -> list[Result]:
    """The compiled loops let go of the interpreter."""
    if threads == 1 or len(slices) == 1:
        return [function(rows) for rows in slices]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, slices))
