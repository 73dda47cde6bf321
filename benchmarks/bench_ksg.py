"""CPU seconds of `ksg` beside other ways to the same number, in one run.

python -m pytest benchmarks/bench_ksg.py --benchmark-enable

benchmark-mi needs an old jax, hence an environment of its own; its interpreter is named by a variable:

python3 -m venv bmi-venv && bmi-venv/bin/pip install jax==0.4.33 jaxlib==0.4.33 benchmark-mi
BENCHMARK_MI_PYTHON=bmi-venv/bin/python python -m pytest benchmarks/bench_ksg.py --benchmark-enable

Look at `cpu_seconds`: the time of benchmark-mi includes the start of its interpreter, its CPU seconds do not.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial import cKDTree
from scipy.special import digamma
from sklearn.neighbors import KDTree, NearestNeighbors

from mibench.interface import Array, Context
from mibench.registry import make_estimator

N, K = 10_000, 3
ROUNDS = {1: 5, 5: 3, 50: 1}  # by the number of columns
BENCHMARK_MI = """
import sys, time
import numpy as np
from bmi.estimators import KSGEnsembleFirstEstimator
with np.load(sys.argv[1]) as data:
    x, y = data["x"], data["y"]
chosen = KSGEnsembleFirstEstimator(neighborhoods=(int(sys.argv[2]),), standardize=False, metric_x="chebyshev")
start = time.process_time()
value = chosen.estimate(x, y)
print(float(value), time.process_time() - start)
"""

Method = Callable[[Array, Array], tuple[float, float]]


def timed(estimate: Callable[[Array, Array], float]) -> Method:
    """Value and CPU seconds of an estimate in this process."""

    def method(x: Array, y: Array) -> tuple[float, float]:
        start = time.process_time()
        value = estimate(x, y)
        return value, time.process_time() - start

    return method


def information(counts_x: Array, counts_y: Array) -> float:
    """Kraskov's first estimate from counts that include the point itself, not clipped at 0."""
    return float(digamma(K) + digamma(len(counts_x)) - np.mean(digamma(counts_x) + digamma(counts_y)))


def ksg(x: Array, y: Array) -> float:
    return make_estimator("ksg", k=K).estimate(x, y, Context()).value


def scikit_learn(x: Array, y: Array) -> float:
    """`mutual_info_regression` of scikit-learn, which takes one column each, for any number of columns."""
    finder = NearestNeighbors(metric="chebyshev", n_neighbors=K).fit(np.hstack([x, y]))
    radii = np.nextafter(finder.kneighbors()[0][:, -1], 0)
    counts = [KDTree(block, metric="chebyshev").query_radius(block, radii, count_only=True) for block in (x, y)]
    return information(*counts)


def scipy_trees(x: Array, y: Array) -> float:
    """k-d trees of scipy; a margin of one column is sorted and bisected."""
    joint = np.hstack([x, y])
    radii = np.asarray(cKDTree(joint).query(joint, K + 1, p=np.inf)[0])[:, K]

    def count(block: Array) -> Array:
        if block.shape[1] == 1:
            ascending = np.sort(block[:, 0])
            beyond = np.searchsorted(ascending, block[:, 0] + radii, side="left")
            return np.asarray(beyond - np.searchsorted(ascending, block[:, 0] - radii, side="right"))
        inside = np.nextafter(radii, 0)
        return np.asarray(cKDTree(block).query_ball_point(block, inside, p=np.inf, return_length=True))

    return information(count(x), count(y))


def radius_queries(x: Array, y: Array) -> float:
    """k-d trees, margins by radius queries: the way of NPEET, which is not to be had from the package index."""
    joint = np.hstack([x, y])
    distances: Array = KDTree(joint, metric="chebyshev").query(joint, k=K + 1)[0]
    radii = distances[:, K] - 1e-15
    counts = [KDTree(block, metric="chebyshev").query_radius(block, radii, count_only=True) for block in (x, y)]
    return information(*counts)


def benchmark_mi(x: Array, y: Array) -> tuple[float, float]:
    """The package of that name, in its environment: all pairs, in blocks of rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.npz"
        np.savez(file, x=x, y=y)
        command = [os.environ["BENCHMARK_MI_PYTHON"], "-c", BENCHMARK_MI, str(file), str(K)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    value, seconds = map(float, done.stdout.split())
    return value, seconds


METHODS: dict[str, Method] = {
    "mibench": timed(ksg),
    "scikit-learn": timed(scikit_learn),
    "scipy": timed(scipy_trees),
    "radius-queries": timed(radius_queries),
}
if "BENCHMARK_MI_PYTHON" in os.environ:
    METHODS["benchmark-mi"] = benchmark_mi


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dim", ROUNDS)
def bench_ksg(benchmark: BenchmarkFixture, method: str, dim: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N if benchmark.enabled else 500, dim))
    y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
    benchmark.group = f"{dim} x {dim}, n = {N}"
    cpu: list[float] = []

    def run() -> float:
        value, seconds = METHODS[method](x, y)
        cpu.append(seconds)
        return value

    pedantic: Callable[..., float] = benchmark.pedantic
    assert pedantic(run, rounds=ROUNDS[dim]) == pytest.approx(ksg(x, y), abs=1e-3)
    benchmark.extra_info["cpu_seconds"] = float(np.median(cpu))
