"""The estimator `gmm`: its integral against quadrature, its correction against derivatives, its fits against truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mibench.estimators.gaussian.canonical import gaussian_bias
from mibench.estimators.gaussian.mixture import Mixture, best_fit, parameters
from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
from mibench.registry import make_distribution, make_estimator

THREE = Mixture(
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.0, 0.0], [2.0, 1.0], [-1.0, 2.0]]),
    np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.5, -0.3], [-0.3, 0.4]], [[0.2, 0.0], [0.0, 1.5]]]),
    1,
)

CONTAMINATED = "contaminated[base=gaussian-sparse[dim_x=2,dim_y=2]]"


def estimate(x: Array, y: Array, seed: int = 0, **parameters: object) -> Estimate:
    return make_estimator("gmm", **parameters).estimate(x, y, Context(np.random.default_rng(seed)))


def gaussian_pair(n: int, dim: int, rho: float, seed: int) -> tuple[Array, Array]:
    x, noise = np.random.default_rng([seed, n, dim]).standard_normal((2, n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def density(mixture: Mixture, points: Array, columns: list[int]) -> Array:
    """Density of some columns, by scipy."""
    parts = zip(mixture.weights, mixture.means[:, columns], mixture.covariances[:, columns][:, :, columns], strict=True)
    total = sum(weight * multivariate_normal(mean, cov).pdf(points[:, columns]) for weight, mean, cov in parts)
    return np.atleast_1d(np.asarray(total))


def mi_by_quadrature(mixture: Mixture) -> float:
    """Trapezoids on a square of 1 x 1: exact to many digits, as the integrand is smooth and vanishes at the edge."""
    axis = np.linspace(-9, 9, 901)
    points = np.stack([grid.ravel() for grid in np.meshgrid(axis, axis, indexing="ij")], axis=1)
    joint = density(mixture, points, [0, 1])
    ends = np.stack([axis, axis], axis=1)
    margins = np.outer(density(mixture, ends, [0]), density(mixture, ends, [1])).ravel()
    inside = joint > 1e-200
    return float((joint * np.log(joint / margins, where=inside, out=np.zeros_like(joint))).sum() * 0.02**2)


def test_log_ratio_is_the_ratio_of_densities() -> None:
    points = np.random.default_rng(0).normal(size=(50, 2), scale=2)
    ratio = density(THREE, points, [0, 1]) / density(THREE, points, [0]) / density(THREE, points, [1])
    np.testing.assert_allclose(THREE.log_ratio(points), np.log(ratio), rtol=1e-9)
    assert THREE.log_likelihood(points) == pytest.approx(np.log(density(THREE, points, [0, 1])).sum(), rel=1e-12)


def test_information_is_the_integral_and_its_error_is_the_spread() -> None:
    truth = mi_by_quadrature(THREE)
    found = [THREE.mutual_information(5e-3, np.random.default_rng(seed)) for seed in range(40)]
    values, errors = np.array(found).T
    assert errors.max() <= 5e-3
    assert abs(values.mean() - truth) < 4 * values.std(ddof=1) / math.sqrt(40)
    assert 0.6 < values.std(ddof=1) / errors.mean() < 1.5  # 40 draws know a standard deviation to 11%


def test_one_component_needs_no_monte_carlo() -> None:
    """The control variate is then the integrand itself; I = 1/2 log det S_x det S_y / det S."""
    root = np.random.default_rng(1).standard_normal((5, 5))
    covariance = root @ root.T
    one = Mixture(np.ones(1), np.zeros((1, 5)), covariance[None], 2)
    logs = [np.linalg.slogdet(block)[1] for block in (covariance[:2, :2], covariance[2:, 2:], covariance)]
    value, error = one.mutual_information(1.0, np.random.default_rng(0))
    assert value == pytest.approx((logs[0] + logs[1] - logs[2]) / 2, rel=1e-9)
    assert error < 1e-9


def test_scores_are_derivatives() -> None:
    """Gradients of log p(x, y), log p(x) and log p(y) against central differences of the densities."""
    points = np.random.default_rng(2).normal(size=(4, 2))
    step = 1e-6
    for part, columns in enumerate(([0, 1], [0], [1])):
        scores = THREE._scores(points, THREE._blocks[part], THREE.log_densities(points)[part])
        position = 0
        for name, k, entry in _coordinates():
            moved = [np.log(density(_moved(name, k, entry, way * step), points, columns)) for way in (1, -1)]
            np.testing.assert_allclose(scores[:, position], (moved[0] - moved[1]) / (2 * step), atol=1e-7, rtol=1e-6)
            position += 1
        assert position == scores.shape[1] == THREE.parameters == parameters(3, 2)


def _coordinates() -> list[tuple[str, int, tuple[int, ...]]]:
    """Parameters of `THREE` in the order of the scores."""
    weights: list[tuple[str, int, tuple[int, ...]]] = [("weight", k, ()) for k in (1, 2)]
    for k in range(3):
        weights += [("mean", k, (0,)), ("mean", k, (1,))]
        weights += [("covariance", k, entry) for entry in ((0, 0), (0, 1), (1, 1))]
    return weights


def _moved(name: str, k: int, entry: tuple[int, ...], step: float) -> Mixture:
    weights, means, covariances = THREE.weights.copy(), THREE.means.copy(), THREE.covariances.copy()
    if name == "weight":
        weights[k] *= math.exp(step)
        weights /= weights.sum()
    elif name == "mean":
        means[k][entry] += step
    else:
        covariances[k][entry] += step
        covariances[k][entry[::-1]] = covariances[k][entry]
    return Mixture(weights, means, covariances, 1)


def test_bias_of_one_component_is_that_of_a_gaussian() -> None:
    x, y = gaussian_pair(20_000, 3, 0.6, 0)
    points = np.hstack([x, y])
    one = best_fit(points, 3, 1, 1, np.random.default_rng(0)).mixture
    assert one.fitting_bias(points) == pytest.approx(gaussian_bias(20_000, 3, 3), rel=0.05)


def test_fitting_adds_the_bias_to_the_mean_log_ratio() -> None:
    """Of two components around one centre, fitted 20 times: against the mean log-ratio of the law itself."""
    law = make_distribution(CONTAMINATED)
    excess, expected = [], []
    for seed in range(20):
        sample = law.sample(1000, np.random.default_rng([seed, 5]))
        assert sample.pmi is not None
        points = np.hstack([sample.x, sample.y])
        fit = best_fit(points, 2, 2, 2, np.random.default_rng(seed)).mixture
        excess.append(fit.log_ratio(points).mean() - sample.pmi.mean())
        expected.append(fit.fitting_bias(points))
    error = np.std(excess, ddof=1) / math.sqrt(20)
    assert abs(np.mean(excess) - np.mean(expected)) < 4 * error
    assert np.mean(excess) > 8 * error  # the test could see its absence


@pytest.mark.parametrize(("dim", "rho"), [(1, 0.0), (1, 0.9), (3, 0.5)])
def test_gaussian_data_take_one_component_and_give_the_closed_form(dim: int, rho: float) -> None:
    truth, values = -0.5 * dim * math.log(1 - rho**2), []
    for seed in range(8):
        x, y = gaussian_pair(500, dim, rho, seed)
        found = estimate(x, y)
        assert found.diagnostics["components"] == 1
        plain = make_estimator("cca").estimate(x, y, Context()).value - gaussian_bias(500, dim, dim)
        assert found.value == pytest.approx(plain, abs=1e-6)
        values.append(found.value)
    assert abs(np.mean(values) - truth) < 4 * np.std(values, ddof=1) / math.sqrt(8)


@pytest.mark.parametrize(("name", "components"), [("cross", 2), ("letters-ai", 6), ("twin-clusters", 2)])
def test_mixtures_are_found(name: str, components: int) -> None:
    law = make_distribution(name)
    truth = law.ground_truth()
    assert truth is not None
    values = []
    for seed in range(5):
        sample = law.sample(1000, np.random.default_rng([seed, 6]))
        found = estimate(sample.x, sample.y, seed)
        assert found.diagnostics["components"] == components
        assert not found.warnings
        values.append(found.value)
    assert abs(np.mean(values) - truth.value) < 4 * np.std(values, ddof=1) / math.sqrt(5)


def test_swap_and_linear_maps_change_nothing_but_the_draws() -> None:
    sample = make_distribution(CONTAMINATED).sample(1000, np.random.default_rng(7))
    plain = estimate(sample.x, sample.y)
    mixed = np.ascontiguousarray(sample.x @ np.array([[1.0, 5.0], [-2.0, 3.0]]))
    for x, y in ((sample.y, sample.x), (mixed, sample.y)):
        other = estimate(x, y)
        error = math.hypot(plain.diagnostics["monte_carlo_error"], other.diagnostics["monte_carlo_error"])
        assert plain.diagnostics["components"] == other.diagnostics["components"] == 2
        assert abs(plain.value - other.value) < 4 * error + 1e-3  # EM may end a little earlier


def test_normal_scores_take_skewed_margins_away() -> None:
    x, y = gaussian_pair(500, 2, 0.7, 8)
    scored = estimate(x, y, margins="normal")
    assert estimate(np.exp(x), y**3, margins="normal").value == pytest.approx(scored.value, abs=1e-9)
    assert scored.diagnostics["components"] == 1
    assert estimate(np.exp(x), y**3).diagnostics["components"] > 1


def test_warnings_are_said() -> None:
    x, y = gaussian_pair(300, 1, 0.5, 9)

    def said(text: str, found: Estimate) -> bool:
        return any(text in warning for warning in found.warnings)

    assert not estimate(x, y).warnings
    assert said("collapsed", estimate(x, x))
    repeated = np.repeat(np.arange(5.0), 60)[:, None]
    assert said("collapsed", estimate(repeated, y, components=5, ties="keep"))
    ring = np.random.default_rng(0).uniform(0, 2 * math.pi, size=(300, 1))
    assert said("most_components", estimate(np.cos(ring), np.sin(ring), most_components=2))
    assert said("few for", estimate(*gaussian_pair(100, 8, 0.5, 0)))
    heavy = make_distribution("student[dim_x=2,dim_y=2]").sample(1000, np.random.default_rng(0))
    assert said("no such mixture", estimate(heavy.x, heavy.y, components=2))
    assert said("above log n", estimate(*gaussian_pair(100, 3, 0.99, 0)))
    assert said("not corrected", estimate(*gaussian_pair(100, 3, 0.5, 0), components=2))


def test_too_few_points_are_declined() -> None:
    gmm = make_estimator("gmm[components=4]")
    continuous = kinds_of(2)
    assert gmm.unsupported(Shape(19, continuous, continuous)) == "needs at least 20 points for 4 components, got 19"
    assert gmm.unsupported(Shape(20, continuous, continuous)) is None
    assert make_estimator("gmm").unsupported(Shape(4, continuous, continuous)) is not None
    with pytest.raises(InputError, match="components = 0 is out of range; give whole number >= 1, or bic"):
        make_estimator("gmm[components=0]")
