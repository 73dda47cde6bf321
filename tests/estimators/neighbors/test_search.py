"""Every way of searching neighbours against float64 differences of all pairs: equal to the last bit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import numba
import numpy as np
import pytest
from test_ksg import draw as draw_common

from mibench.estimators.neighbors import compiled, search_torch
from mibench.estimators.neighbors.search import (
    Counts,
    Indices,
    Norm,
    count_within,
    neighbor_radii,
    reduce_neighborhoods,
    search_pairs,
    search_trees,
    strict_neighbors,
)
from mibench.interface import Array

NORMS: tuple[Norm, ...] = ("maximum", "euclidean")
KINDS = ["normal", "integers", "tenths", "duplicates", "offset", "float32", "heavy", "tiny"]
Found = tuple[Array, Counts, Counts]


def draw(kind: str, n: int, dim_x: int, dim_y: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x, y = draw_common(kind, n, dim_x, dim_y, rng)
    if kind == "float32":  # values that float32 holds, but not their differences
        return x.astype(np.float32).astype(float), y.astype(np.float32).astype(float)
    if kind == "heavy":  # a few points so far out that float32, at their scale, cannot tell the others apart
        return x / rng.standard_normal((n, 1)) ** 3, 1e3 * y / rng.standard_normal((n, 1))
    if kind == "tiny":  # below the smallest float32
        return x * 1e-60, y * 1e-60
    return x, y


def distances(block: Array, norm: Norm) -> Array:
    """All distances of a block; infinite to the point itself."""
    found = np.zeros((len(block), len(block)))
    for column in block.T:
        away = np.abs(column[:, None] - column)
        found = np.maximum(found, away) if norm == "maximum" else found + away * away
    found = found if norm == "maximum" else np.sqrt(found)
    np.fill_diagonal(found, np.inf)
    return found


def by_definition(x: Array, y: Array, ks: list[int], norm: Norm) -> Found:
    in_x, in_y = distances(x, norm), distances(y, norm)
    radii = np.sort(np.maximum(in_x, in_y), axis=1)[:, [k - 1 for k in ks]]
    counts_x, counts_y = ((near[:, :, None] < radii[:, None]).sum(axis=1) for near in (in_x, in_y))
    return radii, counts_x, counts_y


def on_torch(x: Array, y: Array, ks: list[int], *, norm: Norm, threads: int) -> Found:
    del threads  # torch has its own
    return search_torch.strict_neighbors(x, y, ks, euclidean=norm == "euclidean", device="cpu")


def assert_same(found: Found, expected: Found) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


SEARCHES = [search_trees, search_pairs, on_torch, strict_neighbors]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (1, 2), (3, 1), (2, 4), (5, 5), (12, 12), (30, 7)])
def test_radii_and_counts_are_those_of_all_pairs(
    search: Callable[..., Found], kind: str, dim_x: int, dim_y: int
) -> None:
    rng = np.random.default_rng([dim_x, dim_y, *kind.encode()])
    for (n, ks), norm in itertools.product(((5, [4]), (40, [3, 1]), (257, [1, 3, 10]), (400, [5])), NORMS):
        x, y = draw(kind, n, dim_x, dim_y, rng)
        expected = by_definition(x, y, ks, norm)
        assert (expected[1] >= 0).all()
        for threads in (1, 2):
            assert_same(search(x, y, ks, norm=norm, threads=threads), expected)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
@pytest.mark.parametrize("norm", NORMS)
def test_extremes(search: Callable[..., Found], norm: Norm) -> None:
    """Two points; all others as neighbours; nothing but copies of two points; one point far beyond all float32."""
    x, y = draw("normal", 300, 3, 2, np.random.default_rng(1))
    far_x = np.vstack([x, np.full((1, 3), 1e200)])
    copies = np.repeat(x[:2], 100, axis=0), np.repeat(y[:2], 100, axis=0)
    cases = [(x[:2], y[:2], [1]), (x, y, [299, 7, 299]), (*copies, [99, 100]), (far_x, np.vstack([y, [[0, 0]]]), [2])]
    with np.errstate(over="ignore"):  # the square of 1e200
        for one, other, ks in cases:
            assert_same(search(one, other, ks, norm=norm, threads=1), by_definition(one, other, ks, norm))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [1, 3, 20])
@pytest.mark.parametrize("norm", NORMS)
def test_one_block_and_a_joint_space(kind: str, dim: int, norm: Norm) -> None:
    block, y = draw(kind, 300, dim, 2, np.random.default_rng([dim, *kind.encode()]))
    own = distances(block, norm)
    for other, away in ((None, own), (y, np.maximum(own, distances(y, norm)))):
        np.testing.assert_array_equal(
            neighbor_radii(block, [4, 1], y=other, norm=norm, threads=2), np.sort(away, axis=1)[:, [3, 0]]
        )
        # A neighbour on every border; nobody but copies; half of all points.
        for radii in (np.sort(away, axis=1)[:, 5], np.zeros(300), np.median(away, axis=1)):
            inside = away <= radii[:, None]
            counts = count_within(block, radii, y=other, norm=norm, threads=2)
            np.testing.assert_array_equal(counts, inside.sum(axis=1))

            def members(centers: Indices, members: Indices, starts: Indices) -> Array:
                sizes = np.diff(starts, append=len(members))
                assert np.array_equal(centers, np.repeat(centers[starts], sizes))
                found = np.zeros((len(starts), 300))
                found[np.repeat(np.arange(len(starts)), sizes), members] += 1
                return found

            expected = inside + np.eye(300)
            for threads in (1, 2):
                found = reduce_neighborhoods(block, radii, members, y=other, norm=norm, threads=threads)
                np.testing.assert_array_equal(found, expected)


def test_neighborhoods_are_handed_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mibench.estimators.neighbors.search.MEMBERS_AT_ONCE", 50)
    block, _ = draw("tenths", 200, 2, 1, np.random.default_rng(4))
    calls = []

    def size(centers: Indices, members: Indices, starts: Indices) -> Array:
        assert len(centers) == len(members)
        calls.append(len(members))
        return np.diff(starts, append=len(members)).astype(float)

    radii = np.where(np.arange(200) == 7, 9.0, 0.3)  # one neighbourhood is larger than a part
    found = reduce_neighborhoods(block, radii, size)
    np.testing.assert_array_equal(found, 1 + (distances(block, "maximum") <= radii[:, None]).sum(axis=1))
    assert len(calls) > 20


def test_inputs_may_be_read_only_and_in_any_layout() -> None:
    x, y = draw("normal", 200, 6, 6, np.random.default_rng(9))
    expected = by_definition(x, y, [3], "maximum")
    fortran, strided = np.asfortranarray(x), np.repeat(y, 2, axis=0)[::2]
    for one, other in ((x, y), (fortran, strided)):
        one.flags.writeable = other.flags.writeable = False
        for search in (search_trees, search_pairs):
            assert_same(search(one, other, [3]), expected)


@pytest.mark.parametrize("search", [search_trees, search_pairs])
def test_many_rows_agree(search: Callable[..., Found]) -> None:
    """Some rows of a larger sample: trees of many levels, many tiles."""
    x, y = draw("tenths", 6000, 2, 3, np.random.default_rng(12))
    radii, counts_x, counts_y = search(x, y, [3], threads=2)
    for i in range(0, 6000, 97):
        in_x, in_y = np.abs(x - x[i]).max(axis=1), np.abs(y - y[i]).max(axis=1)
        in_x[i] = in_y[i] = np.inf
        radius = np.sort(np.maximum(in_x, in_y))[2]
        assert radii[i, 0] == radius
        assert (counts_x[i, 0], counts_y[i, 0]) == ((in_x < radius).sum(), (in_y < radius).sum())


def test_memory_grows_with_n_not_its_square() -> None:
    """20,000 points in 10 x 10 columns: all distances would take 3.2 GB, the search some MB."""
    code = """
import resource
import numpy as np
from mibench.estimators.neighbors.search import search_pairs, search_trees
x, y = np.random.default_rng(0).standard_normal((2, 20_000, 10))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
search_pairs(x, y, [3], threads=2)
search_trees(x[:, :2], y[:, :2], [3], threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) / (1 if sys.platform == "darwin" else 1024) < 100 * (
        1024 if sys.platform == "darwin" else 1
    )


def test_compiles_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])  # as if no folder could be written to
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(fill, cache=True)
    kernel = compiled._compiled(numba.types.Array(numba.float64, 1, "C"))(fill)
    values = np.zeros(3)
    kernel(values)
    assert values.tolist() == [1, 1, 1]


def fill(values: Array) -> None:
    for i in range(len(values)):
        values[i] = 1


def test_a_fork_after_threads_searches_too() -> None:
    x, y = draw("normal", 2000, 2, 2, np.random.default_rng(7))
    expected = strict_neighbors(x, y, [3], threads=2)
    child = os.fork()
    if child == 0:
        same = all(
            np.array_equal(one, other)
            for one, other in zip(strict_neighbors(x, y, [3], threads=2), expected, strict=True)
        )
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.cuda
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", NORMS)
def test_cuda_finds_the_same(kind: str, norm: Norm) -> None:
    x, y = draw(kind, 3000, 4, 5, np.random.default_rng(5))
    assert_same(
        strict_neighbors(x, y, [1, 5], norm=norm, device="cuda"), search_pairs(x, y, [1, 5], norm=norm, threads=2)
    )
