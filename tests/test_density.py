"""Kernel densities against loops over the definition, scipy's density, and closed forms of Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import gaussian_kde, multivariate_normal

from mibench.estimators.density.kernels import mean_log_kernel
from mibench.interface import Array, Context, Estimate, InputError
from mibench.registry import make_distribution, make_estimator


def estimate(spec: str, x: Array, y: Array, threads: int = 1) -> Estimate:
    return make_estimator(spec).estimate(x, y, Context(threads=threads))


def pair(n: int, dim_x: int, dim_y: int, seed: int = 0) -> tuple[Array, Array]:
    """Correlated, curved and of unequal units, so that nothing is white by chance."""
    rng = np.random.default_rng([seed, n, dim_x, dim_y])
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    y[:, 0] += x[:, 0] ** 2
    x[:, -1] += 0.5 * x[:, 0]
    return x * 3 + 5, y * np.arange(1, dim_y + 1)


def gaussian(rho: float, dim: int, n: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n, dim])
    x = rng.standard_normal((n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((n, dim))


def left_out_densities(x: Array, y: Array, h: float) -> Array:
    """Columns log p(x, y), log p(x), log p(y) at each point from normal densities around all the others."""
    joint = np.hstack([x, y])
    covariance, dim_x = h**2 * np.cov(joint.T), x.shape[1]
    parts = ((joint, covariance), (x, covariance[:dim_x, :dim_x]), (y, covariance[dim_x:, dim_x:]))
    logs = np.empty((len(x), 3))
    for i in range(len(x)):
        for j, (points, cov) in enumerate(parts):
            logs[i, j] = math.log(multivariate_normal(points[i], cov).pdf(np.delete(points, i, axis=0)).mean())
    return logs


@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("rule", ["scott", "silverman", "cross-validation"])
def test_kde_is_its_definition(rule: str, dim_x: int, dim_y: int) -> None:
    x, y = pair(60, dim_x, dim_y)
    found, d = estimate(f"kde[bandwidth={rule}]", x, y), dim_x + dim_y
    h = found.diagnostics["bandwidth"]
    if rule == "scott":
        assert h == pytest.approx(60 ** (-1 / (d + 4)), rel=1e-12)
    if rule == "silverman":
        assert h == pytest.approx((60 * (d + 2) / 4) ** (-1 / (d + 4)), rel=1e-12)
    joint, in_x, in_y = left_out_densities(x, y, h).T
    assert found.value == pytest.approx((joint - in_x - in_y).mean(), rel=1e-9)
    assert not found.warnings


def test_kde_leaves_one_out_of_the_density_of_scipy() -> None:
    """With the point itself and n in place of n - 1, the parts are scipy's gaussian_kde, its margins included."""
    x, y = pair(80, 2, 1)
    z, n = np.hstack([x, y]), 80
    density = gaussian_kde(z.T, "scott")
    parts = [density, density.marginal([0, 1]), density.marginal([2])]
    logs = []
    for part, points in zip(parts, (z, x, y), strict=True):
        own = 1 / math.sqrt(np.linalg.det(2 * math.pi * part.covariance))
        logs.append(np.log((n * part(points.T) - own) / (n - 1)))
    assert estimate("kde", x, y).value == pytest.approx((logs[0] - logs[1] - logs[2]).mean(), rel=1e-9)


def test_cross_validated_bandwidth_is_the_most_likely() -> None:
    x, y = pair(150, 1, 1)
    h = estimate("kde[bandwidth=cross-validation]", x, y).diagnostics["bandwidth"]
    grid = h * np.exp(np.arange(-20, 21) / 20)
    likelihoods = [left_out_densities(x, y, each)[:, 0].mean() for each in grid]
    assert abs(int(np.argmax(likelihoods)) - 20) <= 1


def test_cross_validation_warns_of_repeated_points() -> None:
    x, y = pair(50, 1, 1)
    found = estimate("kde[bandwidth=cross-validation]", np.repeat(x, 3, axis=0), np.repeat(y, 3, axis=0))
    assert "repeated points?" in found.warnings[0]


@pytest.mark.parametrize("rule", ["scott", "cross-validation"])
def test_kde_of_gaussians(rule: str) -> None:
    """The kernel keeps the correlation: near the truth in 1 x 1; 0.02 for the bias of the densities' noise."""
    values = [estimate(f"kde[bandwidth={rule}]", *gaussian(0.8, 1, 2000, seed)).value for seed in range(10)]
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=4 * error + 0.02)


def test_kde_bias_shrinks_off_the_gaussian() -> None:
    """Additive uniform noise: sharp edges are smoothed away, less so with more points."""
    distribution = make_distribution("additive-uniform[noise=0.5]")
    truth = distribution.ground_truth()
    assert truth is not None
    biases, errors = [], []
    for n in (1000, 4000):
        samples = [distribution.sample(n, np.random.default_rng([seed, n])) for seed in range(5)]
        values = [estimate("kde", sample.x, sample.y).value for sample in samples]
        biases.append(float(np.mean(values)) - truth.value)
        errors.append(float(np.std(values, ddof=1)) / math.sqrt(5))
    assert biases[0] < 0
    assert biases[1] - biases[0] > 4 * math.hypot(*errors)


def test_kde_collinear_columns() -> None:
    """A column twice changes nothing; a column of X within Y is infinite information."""
    x, y = pair(100, 1, 1)
    twice = estimate("kde", np.hstack([x, 2 * x + 1]), y)
    assert twice.value == pytest.approx(estimate("kde", x, y).value, rel=1e-9)
    shared = estimate("kde", x, 3 - 2 * x)
    assert shared.value == math.inf
    assert "without noise" in shared.warnings[0]
    assert "more points than dim_x + dim_y = 4" in str(
        make_estimator("kde").unsupported(4, 2, 2, (False,) * 2, (False,) * 2)
    )


def loop_resubstitution(x: Array, y: Array, tau: float) -> float:
    total, n = 0.0, len(x)
    for i in range(n):
        in_x = [math.exp(-sum((x[i] - x[j]) ** 2) / (2 * tau)) for j in range(n)]
        in_y = [math.exp(-sum((y[i] - y[j]) ** 2) / (2 * tau)) for j in range(n)]
        joint = sum(k * kernel for k, kernel in zip(in_x, in_y, strict=True)) / n
        total += math.log(joint) - math.log(sum(in_x) / n) - math.log(sum(in_y) / n)
    return total / n


@pytest.mark.parametrize("tau", [0.1, 0.5, 3.0])
def test_resubstitution_is_its_definition(tau: float) -> None:
    x, y = pair(50, 2, 3)
    raw = estimate(f"kernel-resubstitution[standardize=false,tau={tau}]", x, y).value
    assert raw == pytest.approx(loop_resubstitution(x, y, tau), rel=1e-9)
    standard = loop_resubstitution((x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0), tau)
    assert estimate(f"kernel-resubstitution[tau={tau}]", x, y).value == pytest.approx(standard, rel=1e-9)


def test_resubstitution_limit_of_gaussians() -> None:
    """E log q(x, y) / (q(x) q(y)) of the smoothed density q, normal with covariance C + tau: log dets and traces."""
    rho, tau = 0.8, 0.5
    smooth = np.array([[1 + tau, rho], [rho, 1 + tau]])
    trace = np.trace(np.linalg.solve(smooth, [[1, rho], [rho, 1]]))
    limit = 0.5 * (2 * math.log(1 + tau) - np.linalg.slogdet(smooth)[1] - trace + 2 / (1 + tau))
    values = [
        estimate("kernel-resubstitution[standardize=false]", *gaussian(rho, 1, 3000, seed)).value for seed in range(8)
    ]
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(limit, abs=4 * error + 0.005)
    assert limit < 0.7 * -0.5 * math.log(1 - rho**2)


def test_resubstitution_saturates_at_log_n() -> None:
    x, y = pair(40, 2, 2)
    found = estimate("kernel-resubstitution[tau=1e-5]", x, y)
    assert found.value == pytest.approx(math.log(40), abs=1e-6)
    assert "saturated" in found.warnings[0]
    assert not estimate("kernel-resubstitution", *gaussian(0.5, 1, 500, 0)).warnings
    with pytest.raises(InputError, match="tau = 0"):
        make_estimator("kernel-resubstitution[tau=0]")


def test_blocks_threads_and_far_points() -> None:
    """Several blocks in two threads; distances whose kernels underflow; coinciding points."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1200, 2))
    squares = ((points[:, None] - points) ** 2).sum(axis=2)
    kernels = np.exp(-squares / 2)
    whole = np.log(kernels.mean(axis=1)).mean()
    left_out = np.log((kernels.sum(axis=1) - 1) / 1199).mean()
    for threads in (1, 2):
        assert mean_log_kernel(points, leave_one_out=False, threads=threads) == pytest.approx(whole, rel=1e-12)
        assert mean_log_kernel(points, leave_one_out=True, threads=threads) == pytest.approx(left_out, rel=1e-12)
    far = np.array([[0.0], [100.0], [300.0]])
    assert mean_log_kernel(far, leave_one_out=True) == pytest.approx(
        -(5000 + 5000 + 20000) / 3 - math.log(2), rel=1e-12
    )
    assert mean_log_kernel(np.zeros((4, 2)), leave_one_out=True) == pytest.approx(0, abs=1e-12)
