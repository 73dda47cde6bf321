"""Speed of sampling: 1e5 points with their pointwise MI, of every task of the suites up to 64 x 64, on one thread.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_sampling.py --benchmark-enable
"""

import time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mibench import suites
from mibench.interface import JointDistribution
from mibench.tasks import make_task

LARGEST = 64
# The core suite has the dimension asked for; the others have their own.
SPECS = {(task.name, LARGEST) for task in suites.load("core").tasks}
SPECS |= {(task.name, 0) for name in suites.names() if name != "core" for task in suites.load(name).tasks}


def small() -> list[JointDistribution]:
    found = [make_task(name, *(dim or None, dim or None)).distribution for name, dim in sorted(SPECS)]
    return [law for law in found if max(law.dim_x, law.dim_y) <= LARGEST]


@pytest.mark.parametrize("law", small(), ids=str)
def bench_sample(benchmark: BenchmarkFixture, law: JointDistribution) -> None:
    """A whole `sample`; the CPU seconds of one stand in `extra_info`."""
    start = time.process_time()
    law.sample(100_000, np.random.default_rng(0))
    benchmark.extra_info["cpu_s"] = time.process_time() - start
    sample = benchmark(lambda: law.sample(100_000, np.random.default_rng(0)))
    assert len(sample.x) == 100_000
