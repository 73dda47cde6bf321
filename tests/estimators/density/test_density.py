"""Kernel densities against loops over the definition, scipy's density, and closed forms of Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, multivariate_normal
from sklearn.metrics import mutual_info_score

from mibench.estimators.density.kernels import mean_log_kernel
from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
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
    assert estimate("kde[bandwidth=scott]", x, y).value == pytest.approx((logs[0] - logs[1] - logs[2]).mean(), rel=1e-9)


def test_cross_validated_bandwidth_is_the_most_likely() -> None:
    x, y = pair(80, 1, 1)
    h = estimate("kde[bandwidth=cross-validation]", x, y).diagnostics["bandwidth"]
    grid = h * np.exp(np.arange(-10, 11) / 20)
    likelihoods = [left_out_densities(x, y, each)[:, 0].mean() for each in grid]
    assert abs(int(np.argmax(likelihoods)) - 10) <= 1


def test_cross_validation_of_repeated_points() -> None:
    """The likelihood has no maximum: Scott's rule and a warning."""
    x, y = (np.repeat(block, 3, axis=0) for block in pair(50, 1, 1))
    found = estimate("kde[ties=keep]", x, y)
    assert found.value == estimate("kde[bandwidth=scott,ties=keep]", x, y).value
    assert "h is Scott's instead" in found.warnings[0]


def test_cross_validation_of_outliers() -> None:
    """A point far out wants the widest kernels: below sqrt(2n / (n - 1)) standard deviations, and found."""
    x, y = pair(50, 1, 1)
    x[0], y[1] = 1e4, 1e4
    found = estimate("kde", x, y)
    h = found.diagnostics["bandwidth"]
    assert 50 ** (-1 / 6) < h < math.sqrt(100 / 49)
    grid = h * np.exp(np.arange(-10, 11) / 20)
    likelihoods = [left_out_densities(x, y, each)[:, 0].mean() for each in grid]
    assert abs(int(np.argmax(likelihoods)) - 10) <= 1
    assert not found.warnings


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
    for n, repeats in ((1000, 30), (8000, 5)):
        samples = [distribution.sample(n, np.random.default_rng([seed, n])) for seed in range(repeats)]
        values = [estimate("kde[bandwidth=scott]", sample.x, sample.y).value for sample in samples]
        biases.append(float(np.mean(values)) - truth.value)
        errors.append(float(np.std(values, ddof=1)) / math.sqrt(repeats))
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
    assert "more points than dim_x + dim_y = 4" in str(make_estimator("kde").unsupported(Shape.continuous(4, 2, 2)))


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


# ---------------------------------------------------------------------------------------------------------------------
# kde-adaptive


def log_mixture(at: Array, centres: Array, sd: float) -> Array:
    """Log density of the mixture of N(centre, sd^2) at points (m, dim)."""
    squares = ((at[:, None] - centres) ** 2).sum(axis=2)
    normal = -squares / (2 * sd**2) - 0.5 * centres.shape[1] * math.log(2 * math.pi * sd**2)
    return np.asarray(logsumexp(normal, axis=1) - math.log(len(centres)))


def smoothed_information(x: Array, y: Array, sd: float, draws: int) -> tuple[float, float]:
    """I(X_J + noise; Y_J + noise) by Monte Carlo, and its standard error."""
    rng = np.random.default_rng(9)
    place = rng.integers(0, len(x), draws)
    u, v = (block[place] + sd * rng.standard_normal((draws, block.shape[1])) for block in (x, y))
    joint = log_mixture(np.hstack([u, v]), np.hstack([x, y]), sd)
    pmi = joint - log_mixture(u, x, sd) - log_mixture(v, y, sd)
    return float(pmi.mean()), float(pmi.std() / math.sqrt(draws))


def bounds(x: Array, y: Array, variance: float, x_discrete: bool = False, options: str = "") -> tuple[float, float]:
    context = Context(shape=Shape(len(x), kinds_of(x.shape[1], discrete=x_discrete), kinds_of(y.shape[1])))
    spec = f"kde-adaptive[adaptive=false,variance={variance!r}{options},bounds={{}}]"
    lower, upper = (make_estimator(spec.format(side)).estimate(x, y, context).value for side in ("lower", "upper"))
    return lower, upper


@pytest.mark.parametrize("variance", [1e-3, 0.03, 0.3, 3.0, 100.0])
def test_bounds_hold_the_information_of_the_noisy_sample(variance: float) -> None:
    x, y = gaussian(0.8, 1, 12, 0)
    x = np.hstack([x, np.random.default_rng(1).standard_normal((12, 1))])
    lower, upper = bounds(x, y, variance)
    value, error = smoothed_information(x, y, math.sqrt(variance), 100_000)
    assert lower - 4 * error - 1e-9 <= value <= upper + 4 * error + 1e-9
    assert lower < upper


@pytest.mark.parametrize("sd", [0.05, 0.3, 1.0, 4.0])
def test_entropy_bounds_by_quadrature(sd: float) -> None:
    """Where each point has its own label, I(T; L) is the entropy of the mixture less that of the noise."""
    points = np.random.default_rng(3).standard_normal((15, 1))
    low, high = points.min() - 12 * sd, points.max() + 12 * sd
    grid = np.linspace(low, high, 40_001)
    logs = log_mixture(grid[:, None], points, sd)
    entropy = -np.trapezoid(np.exp(logs) * logs, grid)
    value = entropy - 0.5 * math.log(2 * math.pi * math.e * sd**2)
    lower, upper = bounds(np.arange(15.0)[:, None], points, sd**2, x_discrete=True)
    assert lower - 1e-9 <= value <= upper + 1e-9
    divisors = {"lower": 8, "upper": 2}
    for bound, name in ((lower, "lower"), (upper, "upper")):
        squares = (points - points.T) ** 2
        assert bound == pytest.approx(
            -np.log(np.exp(-squares / (divisors[name] * sd**2)).mean(axis=1)).mean(), rel=1e-9
        )


def test_bounds_take_the_other_divisor_for_the_joint_entropy() -> None:
    x, y = gaussian(0.8, 2, 40, 0)

    def entropy(points: Array, divisor: float) -> float:
        squares = ((points[:, None] - points) ** 2).sum(axis=2)
        return float(-np.log(np.exp(-squares / (divisor * 0.3)).mean(axis=1)).mean())

    both = np.hstack([x, y])
    expected = [entropy(x, own) + entropy(y, own) - entropy(both, joint) for own, joint in ((8, 2), (2, 8))]
    assert bounds(x, y, 0.3) == pytest.approx(expected, rel=1e-10)
    assert estimate("kde-adaptive[adaptive=false,variance=3]", x, y).warnings == ()


def test_bounds_of_distinct_labels_fall_from_log_n_to_0_with_the_noise() -> None:
    points, rows = np.random.default_rng(4).standard_normal((30, 2)), np.arange(30.0)[:, None]
    found = np.array([bounds(rows, points, 10.0**power, x_discrete=True) for power in range(-6, 7)])
    assert (np.diff(found, axis=0) <= 1e-12).all()
    assert found[0] == pytest.approx([math.log(30)] * 2, abs=1e-4)
    assert found[-1] == pytest.approx([0, 0], abs=1e-4)


def test_bounds_meet_at_the_information_of_tight_clusters() -> None:
    """Four clusters far apart, two of them of each of two labels and a third shared: I is that of the clusters."""
    rng = np.random.default_rng(5)
    cluster = rng.integers(0, 4, 400)
    follower = np.where(rng.random(400) < 0.7, cluster // 2, rng.integers(0, 2, 400))
    x, y = (100.0 * block[:, None] + 1e-4 * rng.standard_normal((400, 1)) for block in (cluster, follower))
    lower, upper = bounds(x, y, 1.0)
    value = mutual_info_score(cluster, follower)
    assert lower == pytest.approx(value, abs=1e-4)
    assert upper == pytest.approx(value, abs=1e-4)


def test_bounds_on_smooth_data_are_log_2_per_dimension_off() -> None:
    """Many points within each other's noise: A_2 exceeds the entropy by 1/2, A_8 falls short of it by log 2 - 1/2."""
    x, y = gaussian(0.5, 1, 4000, 0)
    lower, upper = bounds(x, y, 0.01)
    middle = estimate("kde-adaptive[adaptive=false,bounds=kl]", x, y).value
    smoothed = -0.5 * math.log(1 - (0.5 / 1.01) ** 2)
    assert middle == pytest.approx(smoothed, abs=0.1)
    assert upper - middle == pytest.approx(2 * math.log(2), abs=0.15)
    assert middle - lower == pytest.approx(2 * math.log(2), abs=0.15)


@pytest.mark.parametrize(("kind", "divisor"), [("kl", 2), ("bhattacharyya", 8)])
def test_information_of_labels_as_published(kind: str, divisor: int) -> None:
    """H(T) - sum_l p_l H(T | l), with one kind of bound for all entropies; labels in two columns, one rare."""
    rng = np.random.default_rng(6)
    labels = np.column_stack([rng.integers(0, 3, 70), rng.random(70) < 0.1]).astype(float)
    layer = np.maximum(rng.standard_normal((70, 3)) + labels[:, :1], 0)
    variance = 0.02 * layer.max() ** 2

    def entropy(points: Array) -> float:
        squares = ((points[:, None] - points) ** 2).sum(axis=2)
        return float(-np.log(np.exp(-squares / (divisor * variance)).mean(axis=1)).mean())

    expected = entropy(layer)
    for label in np.unique(labels, axis=0):
        rows = (labels == label).all(axis=1)
        expected -= rows.mean() * entropy(layer[rows])
    estimator = make_estimator(f"kde-adaptive[variance=0.02,bounds={kind}]")
    context = Context(shape=Shape(len(layer), kinds_of(3), kinds_of(2, discrete=True)))
    assert estimator.estimate(layer, labels, context).value == pytest.approx(expected, rel=1e-9)


def test_kl_without_labels_is_kernel_resubstitution() -> None:
    x, y = pair(80, 2, 1)
    resubstitution = estimate("kernel-resubstitution[standardize=false,tau=3]", x, y).value
    assert estimate("kde-adaptive[bounds=kl,adaptive=false,variance=3]", x, y).value == pytest.approx(
        resubstitution, rel=1e-12
    )


def test_noise_of_adaptive_bounds_is_that_of_the_largest_value() -> None:
    x, y = pair(80, 2, 1)
    for side in ("lower", "upper"):
        expected = estimate(
            f"kde-adaptive[bounds={side},adaptive=false]", x / np.abs(x).max(), y / np.abs(y).max()
        ).value
        assert estimate(f"kde-adaptive[bounds={side}]", x, y).value == pytest.approx(expected, rel=1e-12)


def test_bounds_say_what_they_are() -> None:
    x, y = pair(40, 1, 1)
    for kind, bound in (("lower", "lower"), ("upper", "upper"), ("kl", "none"), ("bhattacharyya", "none")):
        found = estimate(f"kde-adaptive[bounds={kind}]", x, y)
        assert (found.quantity, found.bound) == ("smoothed-mi", bound)
    assert "saturated" in estimate("kde-adaptive[variance=1e-9]", x, y).warnings[0]
    first, second = np.random.default_rng(7).integers(0, 3, (2, 50))
    context = Context(shape=Shape(50, ("discrete",), ("discrete",)))
    found = make_estimator("kde-adaptive").estimate(first[:, None] * 1.0, second[:, None] * 1.0, context)
    assert found.value == pytest.approx(mutual_info_score(first, second), abs=1e-12)


def test_kernels_by_products_and_by_differences() -> None:
    """Far from the mean the product formula would lose digits: both ways against pairs one by one."""
    rng = np.random.default_rng(2)
    for spread in (1.0, 2e3, 1e6):
        points = rng.standard_normal((70, 3)) + spread * rng.integers(0, 2, (70, 1))
        squares = np.array([[sum((a - b) ** 2) for b in points] for a in points])
        np.fill_diagonal(squares, np.inf)
        expected = logsumexp(-squares / 2, axis=1).mean() - math.log(69)
        shifted = points + 1e4
        assert mean_log_kernel(shifted, leave_one_out=True) == pytest.approx(expected, abs=1e-7)
        assert mean_log_kernel(points, leave_one_out=True) == pytest.approx(expected, abs=1e-8)
