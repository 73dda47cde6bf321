"""The three laws of self-consistency: kept by an exact estimator, broken in known ways by others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from mibench.consistency import Consistency, self_consistency
from mibench.interface import Array, Context, Estimate, Estimator, EstimatorFacts, InputError, parameter


def gaussian_pairs(n: int = 4000, rho: float = 0.8) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((n, 1))


@dataclass(frozen=True)
class Shapes(Estimator):
    """A number told by the shapes alone: what each of the six estimates is asked of can be read off."""

    facts = EstimatorFacts(
        name="shapes", family="tests", summary="for tests", citation="", supports=("continuous", "discrete", "mixed")
    )
    fails_at: int = parameter(0, "fails where dim_y is this")
    sign: float = parameter(1.0, "factor")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if y.shape[1] == self.fails_at:
            raise ValueError("two\nlines")
        return Estimate(self.sign * (len(x) * 100 + x.shape[1] * 10 + y.shape[1]))


def test_a_gaussian_estimate_keeps_the_laws() -> None:
    """-1/2 log(1 - r^2) of 4,000 points has sd rho / sqrt(n) = 0.013; the squares add no correlation, so all laws hold.

    Ratios: the bound is 4 standard errors of a half's estimate, over I = 0.511 nats.
    """
    x, y = gaussian_pairs()
    found = self_consistency(x, y, "cca")
    assert found.errors == {}
    assert found.estimate == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.06)
    assert found.independence == pytest.approx(0.0, abs=4 / 4000)
    assert found.data_processing == pytest.approx(1.0, abs=4 / 4000 / 0.5)  # one more column adds about 1 / 2n
    assert found.additivity == pytest.approx(1.0, abs=0.02)


def test_a_gaussian_estimate_of_other_data_breaks_data_processing() -> None:
    """X = Y^2 + 0.3 Y + noise: the squared correlation with Y is 0.09 / 2.1, with [Y, Y^2] it is 2.09 / 2.1."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal((4000, 1))
    x = y**2 + 0.3 * y + 0.1 * rng.standard_normal((4000, 1))
    assert (self_consistency(x, y, "cca").data_processing or 0) > 10


def test_what_is_asked() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 101, 3))
    found = self_consistency(x, y[:, :2], Shapes())
    assert found == Consistency(estimate=10132, permuted=10132, processed=10134, halves=2 * 5032, joined=5064)
    assert found.data_processing == 10134 / 10132
    assert found.additivity == 5064 / (2 * 5032)


def test_the_pairs_of_the_halves_stay_pairs() -> None:
    """Both halves and the joined rows still have I; a shuffle of one side would leave 0."""
    x, y = gaussian_pairs(n=400, rho=0.99)
    found = self_consistency(x, y, "cca")
    assert found.halves is not None
    assert found.joined is not None
    assert found.halves == pytest.approx(2 * found.estimate, rel=0.1)
    assert found.joined == pytest.approx(2 * found.estimate, rel=0.1)


def test_labels_are_processed_to_labels() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=500)
    y = np.where(rng.random(500) < 0.5, x, rng.integers(3, size=500))
    found = self_consistency(x, y, "binning", x_discrete=True, y_discrete=True)
    assert found.data_processing == pytest.approx(1.0, abs=1e-12)  # the parity of a label refines nothing


def test_one_failure_costs_what_needs_it() -> None:
    x, y = gaussian_pairs(n=50)
    found = self_consistency(x, y, Shapes(fails_at=2))
    assert found.errors == {"processed": "two lines", "joined": "two lines"}
    assert found.processed is found.joined is found.data_processing is found.additivity is None
    assert found.independence == 5011
    with pytest.raises(ValueError, match="two"):
        self_consistency(x, y, Shapes(fails_at=1))


def test_a_ratio_over_what_is_not_positive_says_nothing() -> None:
    x, y = gaussian_pairs(n=50)
    found = self_consistency(x, y, Shapes(sign=-1.0))
    assert found.data_processing is found.additivity is None
    assert found.independence == -5011


def test_own_processing_and_seed() -> None:
    x, y = gaussian_pairs(n=300)
    before = y.copy()
    found = self_consistency(x, y, "ksg", processing=np.tanh, seed=3)
    assert found == self_consistency(x, y, "ksg", processing=np.tanh, seed=3)
    assert found.independence != self_consistency(x, y, "ksg", seed=4).independence
    assert (
        found.processed == found.estimate
    )  # tanh is a contraction: the largest difference of [y, tanh y] is that of y
    assert self_consistency(x, y, "ksg", processing=np.exp, seed=3).processed != found.estimate
    np.testing.assert_array_equal(y, before)


def test_the_laws_are_those_of_mutual_information() -> None:
    x, y = gaussian_pairs(n=50)
    with pytest.raises(InputError, match="hsic"):
        self_consistency(x, y, "hsic")
