"""What the harness adds to a trial: 200 trials of an estimator that does nothing, less a run of one.

python -m pytest benchmarks/bench_overhead.py --benchmark-enable

`extra_info` holds the milliseconds for each trial; the goal is less than 5.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from mibench.execution.local import Limits
from mibench.interface import Array, Context, Estimate, Estimator
from mibench.rows.store import Store
from mibench.runner import Request, plan, run_trials

TRIALS = 200


@dataclass(frozen=True)
class Nothing(Estimator):
    """Returns 0."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(0.0)


def run_seeds(count: int, path: Path) -> float:
    """Seconds to plan, run and store `count` trials."""
    start = time.perf_counter()
    trials, _, _ = plan(Request([Nothing], ["gaussian-sparse"], n=[100], seeds=count))
    store = Store(path)
    rows = run_trials(trials, store, limits=Limits(jobs=1))
    store.close()
    assert [row["status"] for row in rows] == ["ok"] * count
    return time.perf_counter() - start


def bench_overhead(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    paths = (tmp_path / f"{number}.sqlite" for number in itertools.count())
    count = TRIALS if benchmark.enabled else 2
    took: list[float] = []
    benchmark(lambda: took.append(run_seeds(count, next(paths)) - run_seeds(1, next(paths))))
    benchmark.extra_info["ms_per_trial"] = 1000 * float(np.median(took)) / (count - 1)
