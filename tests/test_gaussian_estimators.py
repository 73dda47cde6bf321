"""CCA and the Gaussian copula against determinants, closed forms and Wishart theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from mibench.estimators.gaussian.canonical import canonical_correlations, gaussian_bias, orthonormal_basis
from mibench.interface import Array, Context, Shape
from mibench.registry import make_estimator

NAMES = ("cca", "gaussian-copula")


def estimate(name: str, x: Array, y: Array, **parameters: bool) -> float:
    return make_estimator(name, **parameters).estimate(x, y, Context()).value


def linear_pair(n: int, dim_x: int, dim_y: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n, dim_x, dim_y])
    x = rng.standard_normal((n, dim_x)) @ rng.standard_normal((dim_x, dim_x))
    return x, x @ rng.standard_normal((dim_x, dim_y)) + rng.standard_normal((n, dim_y))


def mi_by_determinants(x: Array, y: Array) -> float:
    """1/2 log det S_x det S_y / det S of the sample's covariance S."""
    covariance = np.cov(np.hstack([x, y]).T)
    dim_x = x.shape[1]
    blocks = covariance[:dim_x, :dim_x], covariance[dim_x:, dim_x:], covariance
    logs = [np.linalg.slogdet(np.atleast_2d(block))[1] for block in blocks]
    return float(logs[0] + logs[1] - logs[2]) / 2


def scores_by_scipy(block: Array) -> Array:
    return np.asarray(norm.ppf(rankdata(block, axis=0) / (len(block) + 1)))


@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (3, 2), (10, 20)])
def test_canonical_correlations_are_the_ratio_of_determinants(dim_x: int, dim_y: int) -> None:
    x, y = linear_pair(300, dim_x, dim_y, 0)
    assert estimate("cca", x, y) == pytest.approx(mi_by_determinants(x, y), rel=1e-9)
    by_ranks = mi_by_determinants(scores_by_scipy(x), scores_by_scipy(y))
    assert estimate("gaussian-copula", x, y, bias_correction=False) == pytest.approx(by_ranks, rel=1e-9)


def test_ties_share_their_average_rank() -> None:
    x, y = (np.round(block, 1) for block in linear_pair(200, 2, 2, 1))
    by_ranks = mi_by_determinants(scores_by_scipy(x), scores_by_scipy(y))
    assert estimate("gaussian-copula", x, y, bias_correction=False) == pytest.approx(by_ranks, rel=1e-9)


@pytest.mark.parametrize(("n", "dim_x", "dim_y"), [(12, 3, 4), (50, 1, 2), (60, 6, 6)])
def test_bias_is_that_of_gaussian_samples(n: int, dim_x: int, dim_y: int) -> None:
    """The mean of CCA over 3000 Gaussian samples exceeds the truth by `gaussian_bias`, dependence or none."""
    rng, values = np.random.default_rng([n, dim_x]), []
    for _ in range(3000):
        x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
        y[:, 0] = 0.8 * x[:, 0] + 0.6 * y[:, 0]
        values.append(estimate("cca", x, y))
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    bias = gaussian_bias(n, dim_x, dim_y)
    assert abs(np.mean(values) + math.log(0.6) - bias) < 4 * error
    assert bias > 8 * error  # the test could see its absence
    assert bias == pytest.approx(gaussian_bias(n, dim_y, dim_x), rel=1e-12)


def test_bias_at_many_points() -> None:
    assert gaussian_bias(10**6, 3, 4) == pytest.approx(12 / (2 * 10**6), rel=1e-4)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_copula_finds_the_closed_form_behind_any_margins(rho: float) -> None:
    """Scores of ranks shrink strong correlations by a term of order log(n) / n: below 0.01 at n = 1000."""
    values = []
    for seed in range(100):
        x, noise = np.random.default_rng([seed, 4]).standard_normal((2, 1000, 2))
        y = rho * x + math.sqrt(1 - rho**2) * noise
        values.append(estimate("gaussian-copula", x**3, np.exp(y)))
    error = np.std(values, ddof=1) / 10
    slack = 0.0 if rho == 0 else 0.01
    assert abs(np.mean(values) + math.log1p(-(rho**2))) < 4 * error + slack
    if rho == 0:
        assert min(values) < 0  # corrected, and never clipped


@pytest.mark.parametrize("name", NAMES)
def test_information_of_independent_blocks_adds(name: str) -> None:
    """Up to the chance correlations between the blocks: dim_x dim_y / (2n) of them are corrected or small here."""
    x, y = linear_pair(20_000, 2, 2, 5)
    other_x, other_y = linear_pair(20_000, 1, 1, 6)
    together = estimate(name, np.hstack([x, other_x]), np.hstack([y, other_y]))
    assert together == pytest.approx(estimate(name, x, y) + estimate(name, other_x, other_y), abs=1e-3)


def test_cca_is_invariant_under_invertible_maps() -> None:
    x, y = linear_pair(100, 3, 2, 7)
    rng, value = np.random.default_rng(1), estimate("cca", x, y)
    assert estimate("cca", x @ rng.standard_normal((3, 3)) + 5, y @ rng.standard_normal((2, 2))) == pytest.approx(value)
    # Units of columns are no collinearity, however far apart.
    assert estimate("cca", x * [1e-14, 1.0, 1e14], y) == pytest.approx(value, rel=1e-9)


def test_copula_is_invariant_under_increasing_maps_but_not_under_linear_ones() -> None:
    x, y = linear_pair(100, 2, 2, 8)
    value = estimate("gaussian-copula", x, y)
    assert estimate("gaussian-copula", np.exp(x), y**3) == value
    assert abs(estimate("gaussian-copula", x**3 @ [[1.0, 0.5], [0.0, 1.0]], y) - value) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_collinear_columns_count_once(name: str) -> None:
    x, y = linear_pair(100, 2, 2, 9)
    assert estimate(name, np.hstack([x, x[:, :1]]), y) == pytest.approx(estimate(name, x, y), rel=1e-9)
    assert estimate("cca", np.hstack([x, x @ [[1.0], [-2.0]]]), y) == pytest.approx(estimate("cca", x, y), rel=1e-9)


def test_constant_columns_say_nothing() -> None:
    x, y = linear_pair(100, 2, 2, 10)
    constant = np.full((100, 1), 0.1)  # its mean is not exactly 0.1
    widened = canonical_correlations(orthonormal_basis(np.hstack([x, constant])), orthonormal_basis(y))
    np.testing.assert_allclose(widened, canonical_correlations(orthonormal_basis(x), orthonormal_basis(y)), rtol=1e-9)
    assert canonical_correlations(orthonormal_basis(constant), orthonormal_basis(y)).tolist() == [0.0]


def test_fewer_points_than_columns_have_correlation_one() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((10, 30)), rng.standard_normal((10, 20))
    np.testing.assert_allclose(canonical_correlations(orthonormal_basis(x), orthonormal_basis(y)), np.ones(9))


@pytest.mark.parametrize("name", NAMES)
def test_limits(name: str) -> None:
    estimator = make_estimator(name)
    assert "more points than dim_x + dim_y = 5, got 5" in str(estimator.unsupported(Shape.continuous(5, 3, 2)))
    assert estimator.unsupported(Shape.continuous(6, 3, 2)) is None
    assert "discrete" in str(estimator.unsupported(Shape(50, ("discrete",), ("discrete",))))
    x, y = linear_pair(6, 3, 2, 11)
    assert math.isfinite(estimate(name, x, y))


@pytest.mark.parametrize("name", NAMES)
def test_warnings(name: str) -> None:
    estimator = make_estimator(name)
    x, y = linear_pair(100, 2, 2, 12)
    assert estimator.estimate(x, y, Context()).warnings == ()
    assert "without noise" in estimator.estimate(x, x[:, :1].copy(), Context()).warnings[0]
    noisy = x + 0.02 * np.random.default_rng(0).standard_normal(x.shape)
    result = estimator.estimate(x, noisy, Context())
    assert result.value > math.log(100)
    assert "above log n = 4.61" in result.warnings[0]


def test_the_copula_is_no_lower_bound_for_blocks_of_columns() -> None:
    """X = (A, SA) with a random sign S has normal columns without correlation, but is not jointly normal.

    Through noise of sd s, I(X; Y) <= H(S) + I(X; Y | S) = log 2 + 1/2 log(1 + 2/s^2), while the covariance says
    log(1 + 1/s^2).
    """
    rng, s = np.random.default_rng(3), 0.1
    a, sign = rng.standard_normal((20_000, 1)), rng.choice([-1.0, 1.0], (20_000, 1))
    x = np.hstack([a, sign * a])
    value = estimate("gaussian-copula", x, x + s * rng.standard_normal(x.shape))
    assert value > math.log(2) + 0.5 * math.log1p(2 / s**2) + 1
    assert value == pytest.approx(math.log1p(1 / s**2), abs=0.05)
