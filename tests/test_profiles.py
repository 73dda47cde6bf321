"""The pointwise-MI profile: its moments and quantiles where they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

import mibench
from mibench.interface import GroundTruth, InputError, JointDistribution, Sample
from mibench.profiles import PMIProfile, pmi_profile


@dataclass(frozen=True)
class WithoutDensity(JointDistribution):
    """Points whose density nobody knows."""

    dim_x = 1
    dim_y = 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        return Sample(rng.random((n, 1)), rng.random((n, 1)))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        return None


@pytest.mark.parametrize("spec", ["gaussian-sparse", "asinh[base=student]", "contaminated[base=gaussian-sparse]"])
def test_mean_is_the_mutual_information(spec: str) -> None:
    profile = pmi_profile(spec)
    assert profile.truth is not None
    assert 0 < profile.standard_error < 0.02
    assert profile.mean == pytest.approx(profile.truth.value, abs=4 * profile.standard_error)


@pytest.mark.parametrize(("rho", "pairs"), [(0.8, 1), (-0.5, 1), (0.9, 4)])
def test_moments_and_median_of_a_normal_profile(rho: float, pairs: int) -> None:
    """Each pair adds rho/2 times a difference of chi-squares: symmetric, of cumulants rho^2 and 6 rho^4.

    Ten profiles each, whose spread is the standard error.
    """
    profiles = [
        pmi_profile("gaussian-sparse", 20_000, seed, dim_x=4, dim_y=4, pairs=pairs, rho=rho) for seed in range(10)
    ]
    information = -pairs / 2 * math.log(1 - rho**2)
    for found, expected in (
        ([one.sd**2 for one in profiles], pairs * rho**2),
        ([one.excess_kurtosis for one in profiles], 6 / pairs),
        ([one.quantile(0.5) for one in profiles], information),
    ):
        error = float(np.std(found, ddof=1)) / math.sqrt(10)
        assert np.mean(found) == pytest.approx(expected, abs=4 * error)


def test_share_of_negative_pairs() -> None:
    """For one normal pair and S = I + rho (A - B) / 2, by counting chi-squares that were drawn apart."""
    rho, n = 0.8, 400_000
    a, b = np.random.default_rng(1).standard_normal((2, n)) ** 2
    expected = float((-0.5 * math.log(1 - rho**2) + rho * (a - b) / 2 < 0).mean())
    found = pmi_profile("gaussian-sparse", n, dim_x=1, dim_y=1, rho=rho).negative
    assert 0.1 < expected < 0.3
    assert found == pytest.approx(expected, abs=4 * math.sqrt(2 * 0.25 / n))


def test_injective_maps_leave_the_profile_as_it_is() -> None:
    mapped = pmi_profile("half-cube[base=gaussian-sparse]", 1000, 3)
    assert np.array_equal(mapped.sample, pmi_profile("gaussian-sparse", 1000, 3).sample)


def test_same_seed_same_profile_and_distributions_as_objects() -> None:
    law = mibench.make_distribution("gaussian-dense")
    one, again, other = (mibench.pmi_profile(law, 500, seed) for seed in (0, 0, 1))
    assert np.array_equal(one.sample, again.sample)
    assert not np.array_equal(one.sample, other.sample)
    assert len(one.sample) == 500


def test_many_columns_are_drawn_in_blocks() -> None:
    """At 10,000 columns some 400 rows are drawn at once; no row is lost, none is drawn twice."""
    profile = pmi_profile("gaussian-sparse", 1000, dim_x=5000, dim_y=5000)
    assert len(np.unique(profile.sample)) == len(profile.sample) == 1000


def test_quantiles_of_several_levels() -> None:
    profile = PMIProfile(np.arange(101.0))
    assert profile.quantile(np.array([0.0, 0.25, 1.0])).tolist() == [0, 25, 100]
    assert profile.quantile(0.5) == 50
    assert profile.truth is None


def test_independence_has_a_profile_without_spread() -> None:
    profile = pmi_profile("independent", 100)
    assert (profile.mean, profile.sd, profile.negative) == (0, 0, 0)
    assert math.isnan(profile.excess_kurtosis)


def test_what_has_no_profile_is_said() -> None:
    with pytest.raises(InputError, match="density is not known"):
        pmi_profile(WithoutDensity)
    with pytest.raises(InputError, match="n = 1 is too few"):
        pmi_profile("gaussian-sparse", 1)
