"""Speed of sampling: 1e5 points at 64 x 64 with their pointwise MI.

python -m pytest benchmarks/bench_sampling.py --benchmark-enable
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mibench.registry import make_distribution

SPECS = [
    "gaussian-sparse",
    "gaussian-dense",
    "gaussian",
    "student",
    "clayton",
    "gumbel",
    "frank",
    "joe",
    "gaussian-copula",
    "student-copula",
    "independent",
    "additive-uniform",
    "contaminated[base=gaussian-sparse[dim_x=64,dim_y=64]]",
    "half-cube[base=gaussian-sparse[dim_x=64,dim_y=64]]",
    "asinh[base=student[dim_x=64,dim_y=64]]",
    "normal-cdf[base=gaussian-sparse[dim_x=64,dim_y=64]]",
    "wiggly[base=gaussian-sparse[dim_x=64,dim_y=64]]",
    "rotate[base=gaussian-sparse[dim_x=64,dim_y=64]]",
]


@pytest.mark.parametrize("spec", SPECS)
def test_sampling(benchmark: BenchmarkFixture, spec: str) -> None:
    """A whole `sample`; `additive-uniform` is 1 x 1."""
    parameters: dict[str, object] = {}
    if spec == "gaussian":
        parameters = {"covariance": np.eye(128) + 0.5}
    elif "[" not in spec and spec != "additive-uniform":
        parameters = {"dim_x": 64, "dim_y": 64}
    distribution = make_distribution(spec, **parameters)
    sample = benchmark(lambda: distribution.sample(100_000, np.random.default_rng(0)))
    assert len(sample.x) == 100_000
