"""Scores of a million rows: 25 estimators on 4,000 tasks with 10 seeds each.

python -m pytest benchmarks/bench_scoring.py --benchmark-enable

`extra_info` holds the CPU seconds, of which the goal is less than 5.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mibench.rows.row import COLUMNS
from mibench.scoring import cells

TASKS, SEEDS = 4000, 10


def rows(tasks: int) -> list[dict[str, Any]]:
    """Rows as the store gives them."""
    noise = iter(np.random.default_rng(0).normal(size=2 * 25 * tasks * SEEDS).tolist())
    common = {"estimator_version": "1", "distribution_version": "1", "dim_x": 5, "dim_y": 5, "n": 10_000,
              "status": "ok", "device": "cpu", "quantity": "mi", "truth": 0.5, "truth_se": 0.0, "wall_s": 0.1,
              "cpu_s": 0.1}  # fmt: skip
    return [
        {**dict.fromkeys(COLUMNS), **common, "estimator": f"estimator-{k}", "params": {"k": k}, "seed": seed}
        | {"distribution": f"task-{task}", "estimate": next(noise), "oracle": 0.5 + 0.1 * next(noise)}
        for task, k, seed in itertools.product(range(tasks), range(25), range(SEEDS))
    ]


@pytest.mark.parametrize("kind", [list, pd.DataFrame])
def bench_scoring(benchmark: BenchmarkFixture, kind: Any) -> None:
    tasks = TASKS if benchmark.enabled else 2
    given = kind(rows(tasks))
    took: list[float] = []

    def score() -> None:
        start = time.process_time()
        assert len(cells(given)) == 25 * tasks
        took.append(time.process_time() - start)

    benchmark(score)
    benchmark.extra_info["cpu_s"] = float(np.median(took))
