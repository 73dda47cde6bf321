"""Kernel measures against explicit loops, closed forms of smoothed densities, and published values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import logm
from scipy.special import entr
from scipy.stats import chi2, norm
from sklearn.cluster import SpectralClustering

from mibench.distributions.quantities import mixture_cs_qmi
from mibench.estimators.kernels import diffusion
from mibench.estimators.kernels.conditional import conditional_cs_divergence
from mibench.estimators.kernels.cs_qmi import shrinking_bandwidth
from mibench.estimators.kernels.diffusion import categories, dse
from mibench.estimators.kernels.gram import MANY_COLUMNS, MOST_ROWS, TILE, bandwidth_of, gaussian_kernel, kernel_means
from mibench.estimators.kernels.spectra import FromSpectra
from mibench.estimators.kernels.traces import low_rank, spectral_sum, split_off
from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
from mibench.registry import make_distribution, make_estimator


def estimate(spec: str, x: Array, y: Array, seed: int = 0, discrete: bool = False) -> Estimate:
    shape = Shape(len(x), kinds_of(x.shape[1]), kinds_of(y.shape[1], discrete=discrete))
    context = Context(np.random.default_rng(seed), shape=shape)
    return make_estimator(spec).estimate(x, y, context)


def pairs(n: int, dim_x: int, dim_y: int, seed: int, rho: float = 0.7) -> tuple[Array, Array]:
    """Each column of Y has correlation rho with one of X."""
    rng = np.random.default_rng([seed, n, dim_x, dim_y])
    x, noise = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    return x, rho * x[:, np.arange(dim_y) % dim_x] + math.sqrt(1 - rho**2) * noise


def gram(points: Array, sigma: float) -> Array:
    """Kernel matrix, entry by entry."""
    return np.array([[math.exp(-((a - b) ** 2).sum() / (2 * sigma**2)) for b in points] for a in points])


# ---------------------------------------------------------------------------------------------------------------------
# CS-QMI and HSIC


@pytest.mark.parametrize("statistic", ["u", "v"])
def test_means_are_those_of_explicit_loops(statistic: str) -> None:
    x, y = pairs(7, 2, 3, 0)
    k, q, every = gram(x, 0.8), gram(y, 1.3), range(7)

    def tuples(size: int) -> list[tuple[int, ...]]:
        return list(itertools.permutations(every, size) if statistic == "u" else itertools.product(every, repeat=size))

    joint = np.mean([k[i, j] * q[i, j] for i, j in tuples(2)])
    crossed = np.mean([k[i, j] * q[i, m] for i, j, m in tuples(3)])
    margins = np.mean([k[i, j] * q[m, o] for i, j, m, o in tuples(4)])
    written = f"[bandwidth_x=0.8,bandwidth_y=1.3,statistic={statistic}]"
    assert estimate(f"hsic{written}", x, y).value == pytest.approx(joint + margins - 2 * crossed, rel=1e-12)
    cs_qmi = math.log(joint * margins / crossed**2)
    assert estimate(f"cs-qmi{written}", x, y).value == pytest.approx(cs_qmi, rel=1e-12)
    assert estimate(f"cs-divergence{written}", x, y).value == pytest.approx(cs_qmi, rel=1e-12)


def test_tiles_add_up_to_whole_matrices() -> None:
    """Traces of centred matrices (v), and the unbiased form of Song et al. 2012 (u), over three tiles."""
    n = 2 * TILE + 77
    x, y = pairs(n, 2, 1, 1)
    k, q = (np.exp(-0.5 * ((block[:, None] - block) ** 2).sum(axis=2)) for block in (x, y))
    centred = np.eye(n) - 1 / n
    biased = np.trace(k @ centred @ q @ centred) / n**2
    for matrix in (k, q):
        np.fill_diagonal(matrix, 0)
    one = np.ones(n)
    unbiased = (k * q).sum() + k.sum() * q.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ q @ one
    for statistic, expected in (("v", biased), ("u", unbiased / (n * (n - 3)))):
        spec = f"hsic[bandwidth_x=1,bandwidth_y=1,statistic={statistic}]"
        assert estimate(spec, x, y).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("sigma", [3.0, 0.5, 1e-4])
def test_kernel_of_many_columns_is_exact(sigma: float) -> None:
    """Rows far from the origin, some of them alike and some near: products of rows would cancel."""
    a, b = pairs(30, MANY_COLUMNS + 5, MANY_COLUMNS + 5, 2)
    a, b = a + 1e6, b + 1e6
    b[:5], b[5:9] = a[:5], a[5:9] + sigma * 1e-2
    expected = np.exp([[-0.5 * math.dist(p, q) ** 2 / sigma**2 for q in b.tolist()] for p in a.tolist()])
    np.testing.assert_allclose(gaussian_kernel(a, b, sigma), expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize(
    ("dim_x", "dim_y", "sigma_x", "sigma_y", "rho"),
    [(1, 1, 0.3, 0.3, 0.8), (1, 1, 1.5, 0.5, 0.95), (2, 3, 1.0, 0.7, 0.5), (1, 1, 0.5, 0.5, 0.0)],
)
def test_cs_qmi_is_that_of_the_smoothed_gaussian(
    dim_x: int, dim_y: int, sigma_x: float, sigma_y: float, rho: float
) -> None:
    """Convolution with N(0, sigma^2 / 2) adds sigma^2 / 2 to the variances."""
    covariance = np.eye(dim_x + dim_y)
    covariance[0, dim_x] = covariance[dim_x, 0] = rho
    added = np.diag([sigma_x**2 / 2] * dim_x + [sigma_y**2 / 2] * dim_y)
    smoothed, plain = (gaussian_cs_qmi(matrix, dim_x) for matrix in (covariance + added, covariance))
    values = []
    for seed in range(40):
        sample = np.random.default_rng([seed, 9]).multivariate_normal(np.zeros(dim_x + dim_y), covariance, size=1500)
        spec = f"cs-qmi[bandwidth_x={sigma_x},bandwidth_y={sigma_y}]"
        values.append(estimate(spec, sample[:, :dim_x], sample[:, dim_x:]).value)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert abs(np.mean(values) - smoothed) < 4 * error
    assert rho == 0 or abs(smoothed - plain) > 8 * error  # the test could see its absence


def gaussian_cs_qmi(covariance: Array, dim_x: int) -> float:
    rows = tuple(map(tuple, covariance.tolist()))
    truth = make_distribution("gaussian", covariance=rows, dim_x=dim_x).ground_truth("cs-qmi")
    assert truth is not None
    return truth.value


def test_cs_qmi_is_that_of_the_smoothed_mixture() -> None:
    """Two components on the diagonal: dependence that is not linear alone."""
    means, weights, sigma = np.array([[-2.0, -1.0], [2.0, 1.0], [0.0, 2.0]]), np.array([0.5, 0.3, 0.2]), 0.6
    covariances = np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.8], [-0.8, 1.0]], [[0.3, 0.0], [0.0, 0.5]]])
    truth = mixture_cs_qmi(weights, means, covariances + sigma**2 / 2 * np.eye(2), 1)
    values = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 10])
        of = rng.choice(3, size=1500, p=weights)
        noise = np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[of], rng.standard_normal((1500, 2)))
        sample = means[of] + noise
        values.append(estimate(f"cs-qmi[bandwidth_x={sigma},bandwidth_y={sigma}]", sample[:, :1], sample[:, 1:]).value)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert abs(np.mean(values) - truth) < 4 * error
    assert truth > 20 * error


MIXTURE = "gmm[means=((-2,-1),(2,1),(0,2)),covariances=(((1,0.5),(0.5,1)),((1,-0.8),(-0.8,1)),((0.3,0),(0,0.5)))]"


@pytest.mark.parametrize("spec", ["gaussian-sparse[dim_x=1,dim_y=1,rho=0.8]", MIXTURE])
def test_cs_qmi_is_that_of_the_data_where_bandwidths_shrink(spec: str) -> None:
    """Its bias is below the scatter of one estimate; at the median distance it is most of the truth."""
    distribution = make_distribution(spec)
    truth = distribution.ground_truth("cs-qmi")
    assert truth is not None
    samples = [distribution.sample(1000, np.random.default_rng([seed, 11])) for seed in range(12)]
    narrow, wide = (
        np.array([estimate(name, sample.x, sample.y).value for sample in samples])
        for name in ("cs-qmi", "cs-qmi[bandwidth_x=median,bandwidth_y=median]")
    )
    assert abs(narrow.mean() - truth.value) < narrow.std(ddof=1)
    assert wide.mean() < 0.6 * truth.value


def test_cs_qmi_converges() -> None:
    """In 3 + 2 dimensions, where smoothing matters longer: twenty times the points leave less than half the error."""
    errors = []
    for n, seeds in ((200, 24), (4000, 4)):
        values = [estimate("cs-qmi", *pairs(n, 3, 2, seed, rho=0.8)).value for seed in range(seeds)]
        errors.append(abs(np.mean(values) - 2 * 0.336472))  # per pair -log(1 - 0.64) / 2 + log(1 - 0.16)
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(
    ("n", "dim_x", "dim_y"), [(60, 1, 1), (1000, 1, 1), (1000, 2, 3), (1000, 10, 10), (100, 40, 9)]
)
def test_shrinking_bandwidth_balances_bias_and_variance(n: int, dim_x: int, dim_y: int) -> None:
    """The variance ratio is that of kernels of the normal N(0, 2) differences, here by quadrature in each dimension."""
    grid, dim = np.geomspace(0.1, 10, 400), dim_x + dim_y
    nodes = np.linspace(-8, 8, 2001)
    kernels = np.exp(-(nodes**2) / grid[:, None] ** 2)  # of sqrt(2) times a standard normal
    first, second = (np.trapezoid(powers * norm.pdf(nodes), nodes) for powers in (kernels, kernels**2))
    kept = 1 / (1 + grid**2 / 2) ** 2  # of r^2
    error = (1 - kept) ** 2 / 4 + 2 / n**2 * (second / first**2) ** dim
    x = np.random.default_rng(n).standard_normal((n, dim_x))
    distance = math.sqrt(2 * chi2.median(dim_x))
    best = min(grid[error.argmin()], distance)
    found = shrinking_bandwidth(x, dim) / bandwidth_of(x, "median") * distance
    assert found == pytest.approx(best, rel=0.012)  # half a step of the grid


def test_only_distinct_indices_are_unbiased_under_independence() -> None:
    samples = [pairs(60, 3, 3, seed, rho=0.0) for seed in range(200)]
    unbiased = np.array([estimate("hsic", x, y).value for x, y in samples])
    error = unbiased.std(ddof=1) / math.sqrt(len(unbiased))
    assert abs(unbiased.mean()) < 4 * error
    biased = np.array([estimate("hsic[statistic=v]", x, y).value for x, y in samples])
    assert (biased > 0).all()
    assert biased.mean() > 8 * error
    # In the logarithm the diagonal terms dominate at small bandwidths.
    small = "bandwidth_x=0.5,bandwidth_y=0.5"
    assert all(estimate(f"cs-qmi[{small},statistic=v]", x, y).value > 1 for x, y in samples[:20])


def test_bandwidth_too_small_for_any_pair_is_said() -> None:
    x, y = pairs(50, 1, 1, 0)
    result = estimate("cs-qmi[bandwidth_x=1e-9,bandwidth_y=1e-9]", x, y)
    assert math.isnan(result.value)
    assert "too small" in result.warnings[0]


# ---------------------------------------------------------------------------------------------------------------------
# Bandwidths


def test_median_distance() -> None:
    points = np.repeat(np.random.default_rng(0).standard_normal((30, 2)), 2, axis=0)
    distances = [math.dist(a, b) for a, b in itertools.combinations(points.tolist(), 2)]
    assert bandwidth_of(points, "median") == pytest.approx(np.median([d for d in distances if d > 0]), rel=1e-12)
    assert bandwidth_of(points, 3.5) == 3.5


def test_median_distance_of_many_points_ignores_their_order() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((3 * MOST_ROWS, 1))
    found = bandwidth_of(points, "median")
    assert found == bandwidth_of(rng.permutation(points), "median")
    # |a - b| of normals has the median sqrt(2) * 0.6745; a sample median of 6000 points' pairs varies by about 1%.
    assert found == pytest.approx(math.sqrt(2) * 0.67449, rel=0.04)
    ties = np.zeros((3 * MOST_ROWS, 1))
    ties[17] = 1.0
    assert bandwidth_of(ties, "median") == 1.0


def test_a_bandwidth_is_a_positive_number_or_median() -> None:
    for wrong in ("0", "-1", "widest"):
        with pytest.raises(InputError, match="give number >= 1e-100, or median"):
            make_estimator(f"hsic[bandwidth_x={wrong}]")


def test_few_points_are_declined() -> None:
    one = kinds_of(1)
    assert "4 points" in str(make_estimator("cs-qmi").unsupported(Shape(3, one, one)))
    assert make_estimator("cs-qmi[statistic=v]").unsupported(Shape(3, one, one)) is None
    x, y = pairs(4, 1, 1, 0)
    assert kernel_means(x, y, 1.0, 1.0, "u").margins == pytest.approx(
        np.mean([gram(x, 1.0)[i, j] * gram(y, 1.0)[k, m] for i, j, k, m in itertools.permutations(range(4))])
    )


# ---------------------------------------------------------------------------------------------------------------------
# Matrix-based Renyi and von Neumann


def test_matrix_renyi_at_order_2_needs_no_eigenvalues() -> None:
    """The sum of squared eigenvalues is that of squared entries."""
    x, y = pairs(40, 2, 1, 3)
    k, q = gram(x, 0.9), gram(y, 1.1)
    s_x, s_y, s_xy = (-math.log((matrix**2).sum() / 40**2) for matrix in (k, q, k * q))
    value = estimate("matrix-renyi[alpha=2,bandwidth_x=0.9,bandwidth_y=1.1]", x, y).value
    assert value == pytest.approx(s_x + s_y - s_xy, rel=1e-11)


def test_von_neumann_is_the_limit_of_matrix_renyi() -> None:
    x, y = pairs(100, 1, 1, 4)
    below, above = (estimate(f"matrix-renyi[alpha={a}]", x, y).value for a in (1 - 1e-6, 1 + 1e-6))
    assert estimate("von-neumann", x, y).value == pytest.approx((below + above) / 2, abs=1e-8)
    assert abs(above - below) < 1e-4
    with pytest.raises(InputError, match="use von-neumann"):
        make_estimator("matrix-renyi[alpha=1]")


def test_von_neumann_by_the_logarithm_of_the_density_matrix() -> None:
    """Wide kernels are left out: they leave eigenvalues at rounding level, where the logarithm fails."""
    x, y = pairs(30, 2, 1, 6)
    k, q = gram(x, 0.5) / 30, gram(y, 0.02) / 30
    s_x, s_y, s_xy = (-np.trace(rho @ logm(rho)) for rho in (k, q, 30 * k * q))
    value = estimate("von-neumann[bandwidth_x=0.5,bandwidth_y=0.02]", x, y).value
    assert value == pytest.approx(s_x + s_y - s_xy, rel=1e-9)


def test_spectral_entropies_of_groups_are_those_of_labels() -> None:
    """Kernels that see distant groups only have the shares of the groups as eigenvalues."""
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 4, 90), rng.integers(0, 3, 90)
    b[a == 1] = 2
    x, y = 100 * np.stack([a, -a], axis=1), 100.0 * b[:, None] + 1e-3 * rng.standard_normal((90, 1))
    shares = [np.unique(labels, return_counts=True)[1] / 90 for labels in (a, b, 10 * a + b)]
    shannon = [-(p * np.log(p)).sum() for p in shares]
    renyi = [-math.log((p**2).sum()) for p in shares]
    for spec, (h_a, h_b, h_ab) in (("von-neumann[", shannon), ("matrix-renyi[alpha=2,", renyi)):
        value = estimate(f"{spec}bandwidth_x=1,bandwidth_y=1]", x.astype(float), y).value
        assert value == pytest.approx(h_a + h_b - h_ab, rel=1e-4)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_von_neumann_lies_between_0_and_either_entropy(sigma: float) -> None:
    for rho in (0.0, 0.6, 0.999):
        result = estimate(f"von-neumann[bandwidth_x={sigma},bandwidth_y={sigma}]", *pairs(80, 1, 2, 8, rho))
        assert 0 < result.value < min(result.diagnostics["entropy_x"], result.diagnostics["entropy_y"])


@pytest.mark.parametrize("name", ["matrix-renyi", "von-neumann"])
def test_spectral_measures_have_limits_in_the_bandwidth(name: str) -> None:
    x, y = pairs(50, 1, 1, 5)
    none, all_points = (f"{name}[bandwidth_x={s},bandwidth_y={s}]" for s in (1e-9, 1e9))
    assert estimate(none, x, y).value == pytest.approx(math.log(50), rel=1e-10)
    assert estimate(all_points, x, y).value == pytest.approx(0, abs=1e-10)


# ---------------------------------------------------------------------------------------------------------------------
# Sums over eigenvalues without the eigenvalues


def linked(n: int, dim: int, rho: float) -> Array:
    """Points (x, y) of `pairs`, scaled as matrix-renyi scales them."""
    return np.hstack([block / bandwidth_of(block, "median") for block in pairs(n, dim, dim, 3, rho)])


@pytest.mark.parametrize(("dim", "rho"), [(1, 0.0), (1, 0.9), (5, 0.0), (5, 0.9), (32, 0.0), (32, 0.9)])
def test_sums_over_eigenvalues_are_within_their_error(dim: int, rho: float) -> None:
    """Of the joint kernel of dim + dim columns, against all eigenvalues."""
    points = linked(2200, dim, rho)
    eigenvalues = np.linalg.eigvalsh(gaussian_kernel(points, points, 1.0)) / 2200
    for spec in ("von-neumann", "matrix-renyi[alpha=1.01]", "matrix-renyi[alpha=3.5]", "matrix-renyi[alpha=5]"):
        estimator = make_estimator(spec)
        assert isinstance(estimator, FromSpectra)
        exact = estimator.entropy(float(estimator.term(eigenvalues[eigenvalues > 0]).sum()))
        total, error = spectral_sum(points, estimator.term, 0)
        error = abs(estimator.entropy(total + error) - estimator.entropy(total))
        assert error < 2e-3
        assert abs(estimator.entropy(total) - exact) < 3 * error + 3e-5  # single precision, see `spectral_sum`


def test_probes_agree_as_their_error_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other random vectors: the error that is told is no smaller than their scatter, nor much larger."""
    points, found, fixed = linked(1000, 16, 0.5), [], np.random.default_rng
    exact = float(entr(np.abs(np.linalg.eigvalsh(gaussian_kernel(points, points, 1.0)) / 1000)).sum())
    for seed in range(30):
        monkeypatch.setattr(np.random, "default_rng", lambda _, seed=seed: fixed(seed))
        found.append(spectral_sum(points, entr, 0))
    values, errors = np.array(found).T
    assert len(set(values)) == 30
    assert np.std(values, ddof=1) < 1.3 * errors.mean()
    assert errors.mean() < 4 * np.sqrt(np.mean((values - exact) ** 2))
    assert (np.abs(values - exact) < 3 * errors).mean() > 0.9


def test_low_rank_factor_leaves_what_it_says() -> None:
    points = linked(400, 2, 0.5)
    kernel = gaussian_kernel(points, points, 1.0)
    for rank, tolerance in ((10, 0.0), (400, 1e-3)):
        factor, left = low_rank(points, rank, tolerance)
        rest = kernel - factor.T @ factor
        assert np.trace(rest) == pytest.approx(left, rel=1e-6)
        assert np.linalg.eigvalsh(rest).min() > -1e-10
        assert len(factor) == 10 if rank == 10 else left < 1e-3


def test_split_off_leaves_the_rest() -> None:
    """Leading eigenvalues are those of the matrix, and the others stay."""
    points = linked(600, 3, 0.5)
    matrix = gaussian_kernel(points, points, 1.0) / 600
    expected = np.linalg.eigvalsh(matrix)
    rest = matrix.astype(np.float32)
    leading = split_off(rest, low_rank(points, 20, 0.0)[0])
    assert 5 < len(leading) <= 40
    remaining = np.linalg.eigvalsh(rest.astype(float))
    both = np.sort(np.concatenate([leading, np.sort(np.abs(remaining))[len(leading) :]]))
    np.testing.assert_allclose(both, expected, atol=1e-6)


def test_sums_over_many_groups_and_over_points_out_of_reach() -> None:
    """200 distant groups, of which a first factor of rank 128 misses many, and kernels that reach no other point."""
    labels = np.random.default_rng(0).integers(0, 200, 2500)
    shares = np.bincount(labels) / 2500
    found = spectral_sum((100.0 * labels)[:, None].astype(np.float64), entr, 0)[0]
    assert found == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-4)
    total, error = spectral_sum(100.0 * np.arange(2500.0)[:, None], entr, 0)
    assert total == pytest.approx(math.log(2500), abs=1e-4)
    assert error < 1e-4


def test_spectral_measures_of_many_points() -> None:
    """Whatever the order of rows and whichever is X; at alpha = 2 the squared norm is a sum over eigenvalues."""
    x, y = pairs(2300, 3, 2, 4)
    order = np.random.default_rng(0).permutation(2300)
    for spec in ("von-neumann", "matrix-renyi"):
        plain = estimate(spec, x, y)
        assert 0 < plain.diagnostics["approximation_error"] < 3e-3
        assert estimate(spec, x[order], y[order]).value == pytest.approx(plain.value, abs=1e-5)
        assert estimate(spec, y, x).value == pytest.approx(plain.value, abs=1e-5)
    near, exact = (estimate(f"matrix-renyi[alpha={alpha}]", x, y) for alpha in (2.0000001, 2))
    assert near.value == pytest.approx(exact.value, abs=2e-6)
    assert exact.diagnostics["approximation_error"] == 0
    x, y = x[:200], y[:200]
    of_x, of_y = (gaussian_kernel(block, block, bandwidth_of(block, "median")) / 200 for block in (x, y))
    powers = [(np.linalg.eigvalsh(matrix) ** 2).sum() for matrix in (of_x, of_y, 200 * of_x * of_y)]
    expected = math.log(powers[2] / (powers[0] * powers[1]))
    assert estimate("matrix-renyi[alpha=2]", x, y).value == pytest.approx(expected, rel=1e-12)


def test_spectral_measures_say_how_many_points_they_take() -> None:
    for spec, most in (("von-neumann", 30_000), ("matrix-renyi", 30_000), ("matrix-renyi[alpha=0.5]", 20_000)):
        estimator = make_estimator(spec)
        assert estimator.unsupported(Shape.continuous(most, 1, 1)) is None
        assert f"at most {most} points" in str(estimator.unsupported(Shape.continuous(most + 1, 1, 1)))
    assert make_estimator("matrix-renyi[alpha=2]").unsupported(Shape.continuous(10**6, 1, 1)) is None
    x = np.arange(2000.0)[:, None]
    with pytest.raises(InputError, match="smaller alpha"):
        estimate("matrix-renyi[alpha=100,bandwidth_x=1e-3,bandwidth_y=1e-3]", x, x)


# ---------------------------------------------------------------------------------------------------------------------
# Conditional Cauchy-Schwarz divergence


def line(slope: float, spread: float, x: Array, rng: np.random.Generator) -> Array:
    return slope * x + spread * rng.standard_normal(x.shape)


def smoothed_divergence(weight: Callable[[Array], Array], sigma: float, power: int) -> float:
    """Limit of the divergence of y = 2 x + 0.4 e and z = -x + 0.7 e for x of some density on [-1, 1], by quadrature.

    The kernels turn p(x) p(y|x) into p_s(x, y), and the limit is made of integrals of p(x,y) q_s(x,y) / p_s(x)^power.
    """
    nodes, weights = np.polynomial.legendre.leggauss(500)
    shares = weights * weight(nodes)
    kernel = np.exp(-((nodes[:, None] - nodes) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    smoothed = kernel @ shares

    def integral(first: tuple[float, float], second: tuple[float, float]) -> float:
        (slope, spread), (other, another) = first, second
        deviation = math.sqrt(spread**2 + another**2 + sigma**2)
        overlaps = norm.pdf(slope * nodes[:, None] - other * nodes, scale=deviation)
        return float((shares / smoothed**power) @ (kernel * overlaps) @ shares)

    p, q = (2.0, 0.4), (-1.0, 0.7)
    return math.log(integral(p, p) * integral(q, q) / integral(p, q) ** 2)


def peaked(x: Array) -> Array:
    return 0.15 + 0.7 * 0.75 * (1 - x**2)


def test_conditional_divergence_weighs_all_x_alike() -> None:
    """Its limit, and the limit of that without kernels; weights p(x) would give another value."""
    limit, by_density = (smoothed_divergence(peaked, 0.25, power) for power in (2, 1))
    extrapolated = []
    for seed in range(16):
        values = []
        for n in (800, 1600):  # the bias is of order 1 / n
            rng = np.random.default_rng([seed, n])
            even, hill = rng.uniform(-1, 1, (n, 1)), 2 * rng.beta(2, 2, (n, 1)) - 1
            x = np.where(rng.random((n, 1)) < 0.3, even, hill)
            y, z = line(2, 0.4, x, rng), line(-1, 0.7, x, rng)
            values.append(conditional_cs_divergence(x, y, z, 0.25, 0.25))
        extrapolated.append(2 * values[1] - values[0])
    error = np.std(extrapolated, ddof=1) / math.sqrt(len(extrapolated))
    assert abs(np.mean(extrapolated) - limit) < 4 * error
    assert abs(by_density - limit) > 8 * error
    # integral of N(3 x; 0, v) over [-1, 1] with v = 0.4^2 + 0.7^2, and of the squared normal densities
    v = 0.65
    closed = math.log(4 / (4 * math.pi * 0.4 * 0.7)) - 2 * math.log((2 * norm.cdf(3 / math.sqrt(v)) - 1) / 3)
    assert smoothed_divergence(peaked, 0.02, 2) == pytest.approx(closed, abs=0.03)
    assert smoothed_divergence(np.vectorize(lambda _: 0.5), 0.02, 2) == pytest.approx(closed, abs=0.03)


def test_conditional_divergence_is_that_of_explicit_loops() -> None:
    n = 9
    x, y = pairs(n, 2, 3, 0)
    z = y[::-1].copy()
    k = gram(x, 0.9)
    of_y, of_z, both = (
        np.array([[math.exp(-((p - q) ** 2).sum() / 2) for q in b] for p in a]) for a, b in ((y, y), (z, z), (y, z))
    )
    sums = [
        sum(sum(k[j, i] * matrix[j, i] for i in range(n)) / sum(k[j]) ** 2 for j in range(n))
        for matrix in (of_y, of_z, both, both.T)
    ]
    expected = math.log(sums[0] * sums[1] / ((sums[2] + sums[3]) / 2) ** 2)
    assert conditional_cs_divergence(x, y, z, 0.9, 1.0) == pytest.approx(expected, rel=1e-12)


def test_conditional_divergence_over_tiles() -> None:
    """The same by whole matrices, symmetric in y and z, and of the same units and order of rows."""
    n = TILE + 100
    x, y = pairs(n, 1, 1, 3)
    z = line(0.2, 1.0, x, np.random.default_rng(0))
    k, of_y, of_z, both = (np.exp(-((a - b.T) ** 2) / 2) for a, b in ((x, x), (y, y), (z, z), (y, z)))
    weights = k.sum(axis=1) ** -2
    parts = [weights @ (k * matrix).sum(axis=1) for matrix in (of_y, of_z, (both + both.T) / 2)]
    expected = math.log(parts[0] * parts[1] / parts[2] ** 2)
    assert conditional_cs_divergence(x, y, z, 1.0, 1.0) == pytest.approx(expected, rel=1e-11)
    assert conditional_cs_divergence(x, z, y, 1.0, 1.0) == pytest.approx(expected, rel=1e-11)
    plain, order = conditional_cs_divergence(x, y, z), np.random.default_rng(1).permutation(n)
    assert conditional_cs_divergence(16 * x[order], y[order] / 8, z[order] / 8) == pytest.approx(plain, rel=1e-11)


def test_conditional_divergence_is_zero_for_equal_and_infinite_for_distant() -> None:
    x, y = pairs(200, 2, 2, 5)
    assert conditional_cs_divergence(x, y, y) == pytest.approx(0, abs=1e-12)
    assert conditional_cs_divergence(x, y, y + 1e3, 1.0, 1.0) == math.inf
    far, near = (conditional_cs_divergence(x, y, y + shift) for shift in (1.0, 0.3))
    assert 0.01 < near < far
    # y and z have the same distribution, and differ given x
    assert conditional_cs_divergence(x, y, y[::-1].copy()) > 0.05


def test_conditional_divergence_says_which_shapes_it_takes() -> None:
    x, y = pairs(20, 2, 1, 0)
    for wrong in ((x, y, y[:-1]), (x[:-1], y, y), (x, y, x), (x, y[:, 0], y[:, 0])):
        with pytest.raises(InputError, match=r"give \(n, dim_x\)"):
            conditional_cs_divergence(*wrong)


# ---------------------------------------------------------------------------------------------------------------------
# Diffusion spectral entropy and mutual information

# Values in bits of dse-dsmi 1.1, the authors' package, on the arrays of dsmi_cases.npz: case, bandwidth, t, DSMI.
PUBLISHED = [
    ("d2_disc5", 10, 1, 0.6912860677926473),
    ("d2_disc5", 10, 2, 0.13016570584609827),
    ("d2_disc5", 1, 1, 1.8059046446934384),
    ("d2_disc5", 1, 2, 2.0930219701686),
    ("d2_scalar", 10, 1, 0.040169219554736686),
    ("d2_scalar", 10, 2, 0.001090649420366686),
    ("d2_scalar", 1, 1, 0.6548504073457937),
    ("d2_scalar", 1, 2, 0.6817681621418106),
    ("d2_vector", 10, 1, 0.07108002767497794),
    ("d2_vector", 10, 2, 0.0020963478232854764),
    ("d2_vector", 1, 1, 0.9213606230146678),
    ("d2_vector", 1, 2, 1.0663378959861562),
    ("d64_disc5", 10, 1, 0.4468131786835424),
    ("d64_disc5", 10, 2, 0.14796212066887476),
    ("d64_disc5", 1, 1, 0.0),
    ("d64_disc5", 1, 2, 0.0),
    ("d64_scalar", 10, 1, 0.026575720452353135),
    ("d64_scalar", 10, 2, 0.004554226852558042),
    ("d64_scalar", 1, 1, 0.0),
    ("d64_scalar", 1, 2, 0.0),
    ("d64_vector", 10, 1, 0.0680070415596112),
    ("d64_vector", 10, 2, 0.006787142083253971),
    ("d64_vector", 1, 1, 0.0),
    ("d64_vector", 1, 2, 0.0),
]


def published(name: str) -> Array:
    with np.load(Path(__file__).parent / "data" / "dsmi_cases.npz") as arrays:
        found = arrays[name].astype(float)
    return np.ascontiguousarray(found.reshape(len(found), -1))


@pytest.mark.parametrize(("case", "bandwidth", "t", "bits"), PUBLISHED)
def test_dsmi_is_that_of_the_authors(case: str, bandwidth: int, t: int, bits: float) -> None:
    points = case.replace("scalar", "vector")  # both have the same X
    x, y = published(f"{points}_X"), published(f"{case}_Y")
    for seed in (0, 1):
        result = estimate(f"dsmi[bandwidth={bandwidth},t={t},subsets=published]", x, y, seed)
        assert result.value / math.log(2) == pytest.approx(bits, abs=1e-9)
    assert bool(result.warnings) == (bits == 0)  # in 64 dimensions a kernel of width 1 reaches no other point


@pytest.mark.parametrize("case", sorted({case for case, *_ in PUBLISHED}))
def test_categories_are_those_of_the_authors(case: str) -> None:
    labels, warnings = categories(published(f"{case}_Y"), discrete=False)
    assert not warnings
    clusters = published(f"{case}_clusters")[:, 0]
    assert (labels == np.unique(clusters, return_inverse=True)[1]).all()


@pytest.mark.parametrize(
    ("case", "bandwidth", "bits"),
    [
        ("d2", 10, 0.8571672795008032),
        ("d2", 1, 5.598374144062206),
        ("d64", 10, 5.199523676880783),
        ("d64", 1, 9.965784284663979),
    ],
)
def test_dse_is_that_of_the_authors(case: str, bandwidth: float, bits: float) -> None:
    assert dse(published(f"{case}_disc5_X"), bandwidth) / math.log(2) == pytest.approx(bits, abs=1e-9)


def test_dse_is_the_entropy_of_the_diffusion_matrix() -> None:
    points = np.random.default_rng(0).standard_normal((40, 3))
    weights = gram(points, 0.9)
    eigenvalues = np.abs(np.linalg.eigvals(weights / weights.sum(axis=1, keepdims=True))) ** 3
    shares = eigenvalues / eigenvalues.sum()
    assert dse(points, 0.9, t=3) == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-9)


@pytest.mark.parametrize("tails", ["light", "heavy"])
def test_dse_by_a_factor_is_that_of_all_eigenvalues(tails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heavy tails leave many points out of the others' reach, and the factor has a row for each of them."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1600, 1)) if tails == "light" else rng.standard_cauchy((1600, 1))
    for t in (1, 3):
        by_factor = dse(points, 0.9, t)
        with monkeypatch.context() as patch:
            patch.setattr(diffusion, "EXACT", 2000)
            assert by_factor == pytest.approx(dse(points, 0.9, t), abs=1e-7)
            assert by_factor != dse(points, 0.9, t)


def test_dse_takes_no_factor_that_leaves_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).standard_normal((1600, 3))
    left = low_rank(points / 1.5, 160, 0.0)[1]
    assert 1e-9 < left / 1600 < 1e-3  # nearly enough
    found = dse(points, 1.5)
    monkeypatch.setattr(diffusion, "EXACT", 2000)
    assert found == dse(points, 1.5)


@pytest.mark.parametrize("restarts", [200, 1])
def test_clusters_are_those_of_sklearn(restarts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a surface and without one; a single restart does not do, and a factorisation takes over."""
    monkeypatch.setattr(diffusion, "MOST_RESTARTS", restarts)
    for dim in (2, 20):
        points = np.random.default_rng(dim).standard_normal((700, dim))
        clustering = SpectralClustering(
            10, n_neighbors=10, affinity="nearest_neighbors", assign_labels="cluster_qr", random_state=0
        )
        expected = np.unique(clustering.fit_predict(points), return_inverse=True)[1]
        assert (categories(points, discrete=False)[0] == expected).mean() > 0.995


def test_dse_counts_groups() -> None:
    """Points that are alike count once; those out of reach count each."""
    groups = np.repeat(np.arange(4.0) * 100, 10)[:, None]
    assert dse(groups, 1.0) == pytest.approx(math.log(4), abs=1e-10)
    assert dse(np.zeros((10, 2)), 1.0) == pytest.approx(0, abs=1e-10)
    assert dse(np.arange(12.0)[:, None], 0.01) == pytest.approx(math.log(12), abs=1e-10)


def test_dsmi_of_groups_is_their_entropy() -> None:
    """X takes 4 distant values, Y says which: nothing is left within a category, and subsets hold all 4 values."""
    labels = np.tile(np.arange(4.0), 100)[:, None]
    result = estimate("dsmi[bandwidth=1]", 100 * labels, labels)
    assert result.diagnostics["categories"] == 4
    assert result.value == pytest.approx(math.log(4), abs=0.02)  # shares of 100 random rows differ from 1/4
    assert abs(estimate("dsmi[bandwidth=1]", 100 * labels, np.repeat(labels[:4], 100, axis=0)).value) < 1e-6


def test_labels_are_integers_or_declared() -> None:
    x, y = pairs(150, 2, 1, 0)
    whole, halves = np.round(4 * y), np.round(4 * y) / 2  # more values than bins
    spec = "dsmi[subsets=published]"
    assert estimate(spec, x, whole).value == estimate(spec, x, halves, discrete=True).value
    assert estimate(spec, x, halves).value != estimate(spec, x, halves, discrete=True).value


@pytest.mark.parametrize("name", ["cs-qmi", "hsic", "matrix-renyi", "von-neumann", "dsmi"])
def test_measures_increase_with_dependence(name: str) -> None:
    rising = []
    for rho in (0.0, 0.5, 0.9):
        values = [estimate(name, *pairs(300, 2, 2, seed, rho)).value for seed in range(5)]
        rising.append((np.mean(values), np.std(values, ddof=1) / math.sqrt(5)))
    for (low, low_error), (high, high_error) in itertools.pairwise(rising):
        assert high - low > 3 * math.hypot(low_error, high_error)
    assert make_estimator(name).quantity == estimate(name, *pairs(100, 2, 2, 0)).quantity == name


def test_dsmi_is_not_symmetric() -> None:
    x, y = pairs(300, 1, 1, 0)
    there, back = (estimate("dsmi[subsets=published]", *both).value for both in ((x, y**3), (y**3, x)))
    assert abs(there - back) > 0.05
    assert not make_estimator("dsmi").facts.symmetric


def test_dsmi_orders_dependence_where_kernels_reach() -> None:
    """In 64 + 64 dimensions, by the median distance whatever the units; a width given suits some units only."""
    null, dependent = ([pairs(300, 64, 64, seed, rho) for seed in range(4)] for rho in (0.0, 0.8))

    def scores(spec: str, samples: list[tuple[Array, Array]], unit: float = 1.0) -> list[float]:
        return [estimate(spec, unit * x, y).value for x, y in samples]

    assert max(scores("dsmi", null)) < min(scores("dsmi", dependent))
    assert max(scores("dsmi[bandwidth=10]", null)) < min(scores("dsmi[bandwidth=10]", dependent))
    assert scores("dsmi", dependent, 16.0) == pytest.approx(scores("dsmi", dependent), rel=1e-9)
    assert scores("dsmi[bandwidth=10]", dependent, 16.0) == pytest.approx([0.0] * 4, abs=1e-12)
    assert scores("dsmi[bandwidth=1]", dependent) == pytest.approx([0.0] * 4, abs=1e-12)


def test_dsmi_says_what_it_cannot_use() -> None:
    dsmi, no, yes = make_estimator("diffusion-spectral"), kinds_of(1), kinds_of(1, discrete=True)
    assert "X must be continuous" in str(dsmi.unsupported(Shape(100, yes, no)))
    assert "either kind" in str(dsmi.unsupported(Shape(100, no, ("discrete", "continuous"))))
    assert "to cluster Y" in str(dsmi.unsupported(Shape(10, no, no * 2)))
    assert dsmi.unsupported(Shape(11, no, no * 2)) is None
    assert dsmi.unsupported(Shape(10, no * 2, no)) is None  # bins are no clusters
    assert dsmi.unsupported(Shape(100, no, yes * 2)) is None
    x = np.arange(10_002.0)[:, None]
    with pytest.raises(InputError, match="10001 points; at most 10000"):
        estimate("dsmi", x, (x > 0).astype(float))


def test_dsmi_says_when_clusters_are_not_unique() -> None:
    x, y = pairs(100, 2, 2, 0)
    apart = y + 1e3 * (np.arange(100) % 2)[:, None]
    assert any("falls apart" in warning for warning in estimate("dsmi", x, apart).warnings)
