"""The truth of everything registered, whatever it is: against a million points, exchanged, and beside another."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mibench.interface import JointDistribution
from mibench.registry import distributions, full_spec, make_distribution

NAMES = list(distributions.entries())


def example(name: str) -> JointDistribution:
    facts = distributions.entries()[name].facts
    return make_distribution(facts.example or name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_mean_pmi_of_a_million_points_is_the_truth(name: str) -> None:
    law = example(name)
    truth = law.ground_truth()
    assert truth is not None
    rng = np.random.default_rng(2024)
    total = squares = 0.0
    for _ in range(10):
        pmi = law.sample(100_000, rng).pmi
        assert pmi is not None
        total += float((pmi - truth.value).sum())
        squares += float(((pmi - truth.value) ** 2).sum())
    error = total / 1e6
    spread = math.sqrt(max(squares / 1e6 - error**2, 0.0)) / 1e3
    assert abs(error) <= 4 * math.hypot(spread, truth.standard_error) + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_mi_is_symmetric_and_adds_over_independent_blocks(name: str) -> None:
    law = example(name)
    truth = law.ground_truth()
    assert truth is not None
    swapped = make_distribution("swap", base=law)
    found = swapped.ground_truth()
    assert found is not None
    assert found.value == truth.value
    other = make_distribution("gaussian-sparse[dim_x=2,dim_y=1,rho=0.6]")
    both = make_distribution("blocks", first=law, second=other)
    known, whole = other.ground_truth(), both.ground_truth()
    assert known is not None
    assert whole is not None
    assert whole.value == pytest.approx(truth.value + known.value, abs=1e-12)
    assert (both.dim_x, both.dim_y) == (law.dim_x + 2, law.dim_y + 1)
    # The points and their pointwise MI are those of the parts, on each side.
    sample = swapped.sample(50, np.random.default_rng(3))
    if sample.pmi is not None:
        pmi = law.pmi(sample.y, sample.x)
        assert pmi is not None
        np.testing.assert_allclose(sample.pmi, pmi, rtol=1e-6, atol=1e-6, err_msg=full_spec(law))
