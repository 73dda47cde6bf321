"""Compiled loops of the neighbour search. They let go of the interpreter, and keep no threads: a fork is safe.

Distances are differences in float64; in the Euclidean norm all loops compare squares, added up column by column, and
`_border` carries a radius over to squares exactly. Infinity fills up tiles: nothing is closer than that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]  # float32 or float64
Indices = NDArray[np.int64]

# A tile of points, and rows that share one pass over the tiles: their distances to all points stay in the cache.
TILE, ROWS_AT_ONCE, ROW_DISTANCES = 128, 8, 2**16
# The largest relative error of rounding to float32.
ROUNDING = 2.0**-24

FLAGS: dict[str, Any] = {"fastmath": {"nnan", "nsz"}, "error_model": "numpy"}
_INT, _FLOAT, _BOOL = numba.int64, numba.float64, numba.boolean


def _array(kind: Any, ndim: int, *, written: bool = False) -> Any:
    return numba.types.Array(kind, ndim, "C", readonly=not written)


def _inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile into each caller. No value is NaN, and the sign of 0 is of no account."""
    compiled: Callable[..., Any] = numba.njit(forceinline=True, **FLAGS)(function)
    return compiled


def _compiled(*arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Compile when imported, so that no estimate waits for it; later imports load what is on disk."""

    def compile_function(function: Callable[..., Any]) -> Callable[..., None]:
        signature = numba.void(*arguments)
        try:
            compiled: Callable[..., None] = numba.njit(signature, cache=True, nogil=True, **FLAGS)(function)
        except RuntimeError:  # neither the package's folder nor the user's can be written to
            compiled = numba.njit(signature, nogil=True, **FLAGS)(function)
        return compiled

    return compile_function


# ---------------------------------------------------------------------------------------------------------------------
# Distances. Functions take whole arrays and where to look in them: a view of a row would be counted as a reference.


@_inlined
def _measure(
    tiles: Numbers, t: int, queries: Numbers, i: int, first: int, last: int, euclidean: bool, out: Numbers, place: int
) -> None:
    """Distance (its square in the Euclidean norm) of query i to each point of tile t, in some columns."""
    width = tiles.shape[2]
    for j in range(width):
        out[place, j] = 0
    c = first
    while c + 4 <= last:  # four columns at a time: fewer loads and stores of what has been found
        at_0, at_1, at_2, at_3 = queries[i, c], queries[i, c + 1], queries[i, c + 2], queries[i, c + 3]
        for j in range(width):
            in_0, in_1 = tiles[t, c, j] - at_0, tiles[t, c + 1, j] - at_1
            in_2, in_3 = tiles[t, c + 2, j] - at_2, tiles[t, c + 3, j] - at_3
            found = out[place, j]
            if euclidean:
                found = (((found + in_0 * in_0) + in_1 * in_1) + in_2 * in_2) + in_3 * in_3
            else:
                in_0, in_1, in_2, in_3 = abs(in_0), abs(in_1), abs(in_2), abs(in_3)
                found = in_0 if in_0 > found else found  # a choice, not max(): that one is not vectorised
                found = in_1 if in_1 > found else found
                found = in_2 if in_2 > found else found
                found = in_3 if in_3 > found else found
            out[place, j] = found
        c += 4
    while c < last:
        at_0 = queries[i, c]
        for j in range(width):
            in_0, found = tiles[t, c, j] - at_0, out[place, j]
            if euclidean:
                found = found + in_0 * in_0
            else:
                in_0 = abs(in_0)
                found = in_0 if in_0 > found else found
            out[place, j] = found
        c += 1


@_inlined
def _measure_both(tiles: Numbers, t: int, queries: Numbers, i: int, split: int, euclidean: bool, out: Numbers) -> None:
    """The larger of the distances in the columns before and after the split, in out[0]; out[1] is at its disposal."""
    dim = tiles.shape[1]
    if not euclidean or split == dim:
        _measure(tiles, t, queries, i, 0, dim, euclidean, out, 0)
        return
    _measure(tiles, t, queries, i, 0, split, euclidean, out, 0)
    _measure(tiles, t, queries, i, split, dim, euclidean, out, 1)
    for j in range(tiles.shape[2]):
        out[0, j] = out[1, j] if out[1, j] > out[0, j] else out[0, j]


@_inlined
def _measure_pair(points: Numbers, i: int, j: int, euclidean: bool) -> float:
    found = 0.0
    for column in range(points.shape[1]):
        away = points[j, column] - points[i, column]
        if euclidean:
            found += away * away
        else:
            found = max(found, abs(away))
    return found


@_inlined
def _measure_box(
    low: Numbers, high: Numbers, node: int, queries: Numbers, i: int, first: int, last: int, euclidean: bool
) -> tuple[float, float]:
    """Distances of a query to the nearest place of a box and to the farthest: rounding keeps order, so they bound."""
    near, far = 0.0, 0.0
    for c in range(first, last):
        below, above = low[node, c] - queries[i, c], queries[i, c] - high[node, c]
        outside = below if below > above else above
        outside = outside if outside > 0.0 else 0.0
        across = -below if below < above else -above
        if euclidean:
            near += outside * outside
            far += across * across
        else:
            near = outside if outside > near else near
            far = across if across > far else far
    return near, far


@_inlined
def _box_away(low: Numbers, high: Numbers, node: int, queries: Numbers, i: int, split: int, euclidean: bool) -> float:
    dim = queries.shape[1]
    if not euclidean or split == dim:
        return float(_measure_box(low, high, node, queries, i, 0, dim, euclidean)[0])
    in_x = float(_measure_box(low, high, node, queries, i, 0, split, euclidean)[0])
    return max(in_x, float(_measure_box(low, high, node, queries, i, split, dim, euclidean)[0]))


@_inlined
def _border(radius: float, closed: bool, euclidean: bool) -> float:
    """The number that exactly those distances (squares) lie below that are < radius, or <= radius if closed."""
    if closed:
        radius = np.nextafter(radius, np.inf)
    if not euclidean:
        return radius
    square = radius * radius
    while np.sqrt(square) < radius:
        square = np.nextafter(square, np.inf)
    while square > 0 and np.sqrt(np.nextafter(square, -np.inf)) >= radius:
        square = np.nextafter(square, -np.inf)
    return square


# ---------------------------------------------------------------------------------------------------------------------
# The k smallest so far, as heaps whose first is the largest


@_inlined
def _sift(heaps: Numbers, g: int, size: int, value: float) -> None:
    """Put a value in the place of the largest."""
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and heaps[g, child + 1] > heaps[g, child]:
            child += 1
        if heaps[g, child] <= value:
            break
        heaps[g, parent] = heaps[g, child]
        parent = child
    heaps[g, parent] = value


@_inlined
def _sort(heaps: Numbers, g: int) -> None:
    for last in range(heaps.shape[1] - 1, 0, -1):
        largest = heaps[g, 0]
        _sift(heaps, g, last, heaps[g, last])
        heaps[g, last] = largest


# ---------------------------------------------------------------------------------------------------------------------
# k-d trees


@_inlined
def _select(keys: Numbers, order: Indices, start: int, stop: int, middle: int) -> None:
    """Reorder keys[start:stop] so that none before the middle is larger and none after it smaller (Hoare)."""
    left, right = start, stop - 1
    while left < right:
        pivot = keys[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return


@_compiled(
    _array(_FLOAT, 2),
    _array(_INT, 1, written=True),
    _array(_INT, 1, written=True),
    _array(_FLOAT, 2, written=True),
    _array(_FLOAT, 2, written=True),
    _array(_FLOAT, 3, written=True),
    _array(_FLOAT, 2, written=True),
)
def build_tree(
    points: Numbers, order: Indices, starts: Indices, low: Numbers, high: Numbers, tiles: Numbers, rows: Indices
) -> None:
    """Halve the points at the median of the widest side of their box, down to leaves of equal depth.

    Node i has the children 2 i + 1 and 2 i + 2, the box low[i] to high[i] and the points from order[starts[i]] up to
    where the next node on its level starts (`_stop`). tiles (leaves, dim, width) holds the points of each leaf, rows
    (n, dim) all points in the order of the leaves.
    """
    n, dim = points.shape
    nodes, leaves = len(low), len(tiles)
    stops = np.empty(nodes, dtype=np.int64)
    keys = np.empty(n)
    for i in range(n):
        order[i] = i
    starts[0], stops[0] = 0, n
    for node in range(nodes):
        start, stop = starts[node], stops[node]
        for column in range(dim):
            low[node, column] = high[node, column] = points[order[start], column]
        for i in range(start + 1, stop):
            for column in range(dim):
                value = points[order[i], column]
                low[node, column] = min(low[node, column], value)
                high[node, column] = max(high[node, column], value)
        if node < leaves - 1:
            widest = 0
            for column in range(1, dim):
                if high[node, column] - low[node, column] > high[node, widest] - low[node, widest]:
                    widest = column
            for i in range(start, stop):
                keys[i] = points[order[i], widest]
            middle = (start + stop) // 2
            _select(keys, order, start, stop, middle)
            starts[2 * node + 1], stops[2 * node + 1] = start, middle
            starts[2 * node + 2], stops[2 * node + 2] = middle, stop
        else:
            leaf = node - (leaves - 1)
            tiles[leaf] = np.inf
            for i in range(start, stop):
                for column in range(dim):
                    rows[i, column] = tiles[leaf, column, i - start] = points[order[i], column]
    starts[nodes] = n


@_inlined
def _stop(starts: Indices, node: int) -> int:
    """Where the points of a node end: the next node on its level begins there, if it is not the level's last."""
    return int(starts[len(starts) - 1] if ((node + 2) & (node + 1)) == 0 else starts[node + 1])


_TREE = (_array(_INT, 1), _array(_INT, 1), _array(_FLOAT, 2), _array(_FLOAT, 2), _array(_FLOAT, 3), _array(_FLOAT, 2))


@_compiled(*_TREE, _INT, _BOOL, _array(_INT, 1), _INT, _INT, _array(_FLOAT, 2, written=True))
def tree_radii(
    order: Indices,
    starts: Indices,
    low: Numbers,
    high: Numbers,
    tiles: Numbers,
    rows: Indices,
    split: int,
    euclidean: bool,
    ks: Indices,
    first: int,
    last: int,
    radii: Numbers,
) -> None:
    """Distances to the k-th other points, for the points of some leaves; ks ascend."""
    leaves, width = len(tiles), tiles.shape[2]
    heap, k = np.empty((1, ks[-1])), ks[-1]
    waiting, away, found = np.empty(64, np.int64), np.empty(64), np.empty((2, width))
    for own in range(first, last):
        begin = starts[own + leaves - 1]
        for i in range(begin, _stop(starts, own + leaves - 1)):
            for m in range(k):
                heap[0, m] = np.inf
            # From the own leaf up, and down into each sibling on the way that may hold someone nearer.
            done = own + leaves - 1
            depth = 1
            waiting[0], away[0] = done, 0.0
            while True:
                while depth > 0:
                    depth -= 1
                    node, near = waiting[depth], away[depth]
                    while node < leaves - 1 and near < heap[0, 0]:
                        left, right = 2 * node + 1, 2 * node + 2
                        to_left = _box_away(low, high, left, rows, i, split, euclidean)
                        to_right = _box_away(low, high, right, rows, i, split, euclidean)
                        if to_left > to_right:
                            left, right, to_left, to_right = right, left, to_right, to_left
                        if to_right < heap[0, 0]:
                            waiting[depth], away[depth] = right, to_right
                            depth += 1
                        node, near = left, to_left
                    if near >= heap[0, 0]:
                        continue
                    leaf = node - (leaves - 1)
                    _measure_both(tiles, leaf, rows, i, split, euclidean, found)
                    if leaf == own:
                        found[0, i - begin] = np.inf
                    for j in range(width):
                        if found[0, j] < heap[0, 0]:
                            _sift(heap, 0, k, found[0, j])
                if done == 0:
                    break
                sibling = done + 1 if done % 2 == 1 else done - 1
                done = (done - 1) // 2
                near = _box_away(low, high, sibling, rows, i, split, euclidean)
                if near < heap[0, 0]:
                    waiting[0], away[0] = sibling, near
                    depth = 1
            _sort(heap, 0)
            for m in range(len(ks)):
                value = heap[0, ks[m] - 1]
                radii[order[i], m] = np.sqrt(value) if euclidean else value


@_compiled(*_TREE, _INT, _BOOL, _BOOL, _array(_FLOAT, 2), _INT, _INT, _array(_INT, 2, written=True))
def tree_counts(
    order: Indices,
    starts: Indices,
    low: Numbers,
    high: Numbers,
    tiles: Numbers,
    rows: Indices,
    split: int,
    euclidean: bool,
    closed: bool,
    radii: Numbers,
    first: int,
    last: int,
    counts: Indices,
) -> None:
    """How many other points are closer than the radii (or at most so far, if closed), for the points of some leaves."""
    leaves, width, dim = len(tiles), tiles.shape[2], tiles.shape[1]
    waiting, found = np.empty(64, np.int64), np.empty((2, width))
    for i in range(starts[first + leaves - 1], _stop(starts, last - 1 + leaves - 1)):
        for m in range(radii.shape[1]):
            border = _border(radii[order[i], m], closed, euclidean)
            inside = -1 if border > 0 else 0  # the point itself is met once if anybody is
            depth = 1 if border > 0 else 0
            waiting[0] = 0
            while depth > 0:
                depth -= 1
                node = waiting[depth]
                near, far = _measure_box(low, high, node, rows, i, 0, split, euclidean)
                if split < dim:
                    near_y, far_y = _measure_box(low, high, node, rows, i, split, dim, euclidean)
                    near, far = max(near, near_y), max(far, far_y)
                if near >= border:
                    continue
                if far < border:
                    inside += _stop(starts, node) - starts[node]
                elif node < leaves - 1:
                    waiting[depth], waiting[depth + 1] = 2 * node + 1, 2 * node + 2
                    depth += 2
                else:
                    _measure_both(tiles, node - (leaves - 1), rows, i, split, euclidean, found)
                    closer = 0
                    for j in range(width):
                        closer += found[0, j] < border
                    inside += closer
            counts[order[i], m] = inside


@_compiled(*_TREE, _INT, _BOOL, _array(_FLOAT, 1), _INT, _INT, _array(_INT, 1), _array(_INT, 1, written=True))
def tree_members(
    order: Indices,
    starts: Indices,
    low: Numbers,
    high: Numbers,
    tiles: Numbers,
    rows: Indices,
    split: int,
    euclidean: bool,
    radii: Numbers,
    first: int,
    last: int,
    places: Indices,
    members: Indices,
) -> None:
    """Write down who is at most a radius away, the point itself too: from places[i] on for the i-th in tree order."""
    leaves, width = len(tiles), tiles.shape[2]
    waiting, found = np.empty(64, np.int64), np.empty((2, width))
    for i in range(first, last):
        border = _border(radii[order[i]], True, euclidean)
        place = places[i - first]
        depth = 1
        waiting[0] = 0
        while depth > 0:
            depth -= 1
            node = waiting[depth]
            if _box_away(low, high, node, rows, i, split, euclidean) >= border:
                continue
            if node < leaves - 1:
                waiting[depth], waiting[depth + 1] = 2 * node + 2, 2 * node + 1
                depth += 2
                continue
            _measure_both(tiles, node - (leaves - 1), rows, i, split, euclidean, found)
            for j in range(width):
                if found[0, j] < border:
                    members[place] = order[starts[node] + j]
                    place += 1


@_compiled(_array(_FLOAT, 1), _array(_FLOAT, 2), _BOOL, _INT, _INT, _array(_INT, 2, written=True))
def line_counts(values: Numbers, radii: Numbers, closed: bool, first: int, last: int, counts: Indices) -> None:
    """How many other points of a line are closer than the radii; values ascend, and all is in their order.

    Bisecting on the difference itself, not on value + radius: rounding must not move a neighbour across the border.
    """
    n = len(values)
    for i in range(first, last):
        for m in range(radii.shape[1]):
            border = _border(radii[i, m], closed, False)
            counts[i, m] = 0
            if border <= 0:
                continue
            for side in (1, -1):
                most = n - 1 - i if side == 1 else i
                inside, step = 0, 1  # `inside` points further is still inside
                while inside + step <= most and abs(values[i + side * (inside + step)] - values[i]) < border:
                    inside += step
                    step *= 2
                outside = min(inside + step, most + 1)
                while outside - inside > 1:
                    middle = (inside + outside) // 2
                    if abs(values[i + side * middle] - values[i]) < border:
                        inside = middle
                    else:
                        outside = middle
                counts[i, m] += inside


# ---------------------------------------------------------------------------------------------------------------------
# All pairs, in float32 where that decides
#
# Let v be a centred value and u = 2^-24. Its float32 is off by u |v|, hence a difference of two by u (|v_i| + |v_j|),
# and by u |v_i - v_j| more from its own rounding; with |v_j| <= |v_i| + |v_i - v_j| that is 2 u (|v_i| + |v_i - v_j|).
# So a distance d from point i in the maximum norm is off by at most 2 u (a + d), a = max |v_i|. In the Euclidean norm
# the triangle inequality gives the same with a = ||v_i||, and squaring and adding dim terms another u (dim + 1) d / 2.
# The errors of float64, 2^-53 instead of 2^-24, and of rounding the borders themselves fit between that and twice that:
#     e(d) = u (4 a + (8 + dim) d).
# Whoever is nearer than r - e(r) or farther than r + e(r) in float32 is on that side of r in float64 too; the others
# are measured again in float64.


@_inlined
def _error(size: float, radius: float, dim: int) -> float:
    return ROUNDING * (4 * size + (8 + dim) * radius)


@_inlined
def _size(queries: Numbers, i: int, euclidean: bool) -> float:
    size = 0.0
    for c in range(queries.shape[1]):
        value = abs(np.float64(queries[i, c]))
        size = size + value * value if euclidean else max(size, value)
    return np.sqrt(size) if euclidean else size


@_inlined
def _cut(radius: float, euclidean: bool) -> np.float32:
    return np.float32(radius * radius * (1 + 4 * ROUNDING) if euclidean else radius)


@_inlined
def _count_tile(
    points: Numbers,
    i: int,
    start: int,
    found: Numbers,
    place: int,
    border: float,
    low: float,
    high: float,
    euclidean: bool,
) -> np.int64:
    """How many points of a tile are closer to point i than the border: below `low` they are, above `high` not."""
    inside, within = np.int32(0), np.int32(0)
    for j in range(TILE):
        inside = np.int32(inside + np.int32(found[place, j] < low))  # as wide as float32, to be counted in vectors
        within = np.int32(within + np.int32(found[place, j] <= high))
    count = np.int64(inside)
    if within > inside:
        for j in range(TILE):
            if low <= found[place, j] <= high and _measure_pair(points, i, start + j, euclidean) < border:
                count += 1
    return count


@_inlined
def _cuts(size: float, radius: float, dim: int, euclidean: bool) -> tuple[np.float32, np.float32]:
    error = _error(size, radius, dim)
    low = max(radius - error, 0.0)
    return np.float32(low * low * (1 - 4 * ROUNDING) if euclidean else low), _cut(radius + error, euclidean)


_TILES = _array(numba.float32, 3)


@_compiled(
    _array(_FLOAT, 2),
    _array(_FLOAT, 2),
    _TILES,
    _TILES,
    _FLOAT,
    _BOOL,
    _array(_INT, 1),
    _INT,
    _INT,
    _array(_FLOAT, 2, written=True),
    _array(_INT, 2, written=True),
    _array(_INT, 2, written=True),
)
def search_pairs(
    x: Numbers,
    y: Numbers,
    tiles_x: Numbers,
    tiles_y: Numbers,
    unit: float,
    euclidean: bool,
    ks: Indices,
    start: int,
    stop: int,
    radii: Numbers,
    counts_x: Indices,
    counts_y: Indices,
) -> None:
    """Radii of the k-th neighbours of rows start to stop, and counts of those strictly closer in x and in y; ks ascend.

    tiles (tiles, dim, TILE) hold float32 of the centred data times `unit`. y may have no columns: no counts then.
    """
    tiles, (dim_x, dim_y), k = len(tiles_x), (x.shape[1], y.shape[1]), ks[-1]
    dim = max(dim_x, dim_y)
    # With many columns, reading the points once for many rows pays more than keeping the rows' distances in the cache.
    group = min(ROWS_AT_ONCE, max(ROW_DISTANCES // len(x), (dim_x + dim_y) // 2, 1))
    in_x, in_y = np.empty((group * tiles, TILE), np.float32), np.empty((group * tiles, TILE), np.float32)
    bits_x, bits_y = in_x.view(np.int32), in_y.view(np.int32)  # in the same order, and their minimum is vectorised
    nearest = np.empty((group * tiles, 1), np.float32)
    nearest_bits = nearest.view(np.int32)
    queries_x, queries_y = np.empty((group, dim_x), np.float32), np.empty((group, dim_y), np.float32)
    heaps, heap = np.empty((group, k), np.float32), np.empty((1, k))
    for begin in range(start, stop, group):
        together = min(group, stop - begin)
        for g in range(together):
            tile, slot = (begin + g) // TILE, (begin + g) % TILE
            queries_x[g] = tiles_x[tile, :, slot]
            queries_y[g] = tiles_y[tile, :, slot]
            heaps[g] = np.inf
        for t in range(tiles):
            for g in range(together):
                place = g * tiles + t
                _measure(tiles_x, t, queries_x, g, 0, dim_x, euclidean, in_x, place)
                _measure(tiles_y, t, queries_y, g, 0, dim_y, euclidean, in_y, place)
                if (begin + g) // TILE == t:
                    in_x[place, (begin + g) % TILE] = in_y[place, (begin + g) % TILE] = np.inf
                closest = bits_x[place, 0] if bits_x[place, 0] > bits_y[place, 0] else bits_y[place, 0]
                for j in range(TILE):
                    x_bits, y_bits = bits_x[place, j], bits_y[place, j]
                    joint = x_bits if x_bits > y_bits else y_bits
                    closest = joint if joint < closest else closest
                nearest_bits[place, 0] = closest
                if nearest[place, 0] < heaps[g, 0]:
                    for j in range(TILE):
                        number = max(in_x[place, j], in_y[place, j])
                        if number < heaps[g, 0]:
                            _sift(heaps, g, k, number)
        for g in range(together):
            i = begin + g
            size_x, size_y = _size(queries_x, g, euclidean), _size(queries_y, g, euclidean)
            size = max(size_x, size_y)
            radius = np.sqrt(np.float64(heaps[g, 0])) if euclidean else np.float64(heaps[g, 0])
            # The k-th distance in float64 is at most e(radius) larger, and its neighbours here as much again.
            cut = _cut(radius + 2 * _error(size, radius, dim), euclidean)
            for m in range(k):
                heap[0, m] = np.inf
            for t in range(tiles):
                place = g * tiles + t
                if nearest[place, 0] <= cut:
                    for j in range(TILE):
                        if max(in_x[place, j], in_y[place, j]) <= cut:
                            to_x = _measure_pair(x, i, t * TILE + j, euclidean)
                            joint = max(to_x, _measure_pair(y, i, t * TILE + j, euclidean))
                            if joint < heap[0, 0]:
                                _sift(heap, 0, k, joint)
            _sort(heap, 0)
            for m in range(len(ks)):
                radius = np.sqrt(heap[0, ks[m] - 1]) if euclidean else heap[0, ks[m] - 1]
                radii[i, m] = radius
                border = _border(radius, False, euclidean)
                low_x, high_x = _cuts(size_x, radius * unit, dim_x, euclidean)
                low_y, high_y = _cuts(size_y, radius * unit, dim_y, euclidean)
                count_x, count_y = 0, 0
                if border > 0 and dim_y > 0:
                    for t in range(tiles):
                        place = g * tiles + t
                        count_x += _count_tile(x, i, t * TILE, in_x, place, border, low_x, high_x, euclidean)
                        count_y += _count_tile(y, i, t * TILE, in_y, place, border, low_y, high_y, euclidean)
                counts_x[i, m], counts_y[i, m] = count_x, count_y


@_compiled(
    _array(_FLOAT, 2), _TILES, _FLOAT, _BOOL, _BOOL, _array(_FLOAT, 1), _INT, _INT, _array(_INT, 1, written=True)
)
def count_pairs(
    points: Numbers,
    tiles: Numbers,
    unit: float,
    euclidean: bool,
    closed: bool,
    radii: Numbers,
    start: int,
    stop: int,
    counts: Indices,
) -> None:
    """How many other points are closer than the radii (or at most so far, if closed) to rows start to stop."""
    dim = points.shape[1]
    queries = np.empty((ROWS_AT_ONCE, dim), np.float32)
    cuts, borders = np.empty((ROWS_AT_ONCE, 2), np.float32), np.empty(ROWS_AT_ONCE)
    found = np.empty((1, TILE), np.float32)
    for begin in range(start, stop, ROWS_AT_ONCE):
        together = min(ROWS_AT_ONCE, stop - begin)
        for g in range(together):
            i = begin + g
            queries[g] = tiles[i // TILE, :, i % TILE]
            cuts[g, 0], cuts[g, 1] = _cuts(_size(queries, g, euclidean), radii[i] * unit, dim, euclidean)
            borders[g] = _border(radii[i], closed, euclidean)
            counts[i] = 0
        for t in range(len(tiles)):
            for g in range(together):
                i = begin + g
                _measure(tiles, t, queries, g, 0, dim, euclidean, found, 0)
                if i // TILE == t:
                    found[0, i % TILE] = np.inf
                counts[i] += _count_tile(points, i, t * TILE, found, 0, borders[g], cuts[g, 0], cuts[g, 1], euclidean)
