"""CPU seconds of `ksg` beside k-d trees alone, as scikit-learn's `mutual_info_regression` uses them, in one run.

python -m pytest benchmarks/bench_ksg.py --benchmark-enable
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.special import digamma
from sklearn.neighbors import KDTree, NearestNeighbors

from mibench.interface import Array, Context
from mibench.registry import make_estimator

N, K = 10_000, 3


def ksg(x: Array, y: Array) -> float:
    return make_estimator("ksg", k=K).estimate(x, y, Context()).value


def trees_alone(x: Array, y: Array) -> float:
    """scikit-learn's formulation (there for one column each, here for any number), without its clipping at 0."""
    finder = NearestNeighbors(metric="chebyshev", n_neighbors=K).fit(np.hstack([x, y]))
    radii = np.nextafter(finder.kneighbors()[0][:, -1], 0)
    counts = [KDTree(block, metric="chebyshev").query_radius(block, radii, count_only=True) for block in (x, y)]
    return float(digamma(K) + digamma(N) - np.mean(digamma(counts[0]) + digamma(counts[1])))


@pytest.mark.benchmark(min_rounds=1, max_time=1)
@pytest.mark.parametrize("method", [ksg, trees_alone], ids=lambda method: method.__name__)
@pytest.mark.parametrize("dim", [1, 5, 50])
def test_ksg(benchmark: BenchmarkFixture, method: Callable[[Array, Array], float], dim: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N if benchmark.enabled else 500, dim))
    y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
    benchmark.group = f"{dim} x {dim}, n = {N}"
    cpu: list[float] = []

    def timed() -> float:
        start = time.process_time()
        value = method(x, y)
        cpu.append(time.process_time() - start)
        return value

    benchmark(timed)
    benchmark.extra_info["cpu_seconds"] = float(np.median(cpu))
