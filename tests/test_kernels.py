"""Kernel measures against explicit loops, closed forms of smoothed densities, and published values."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from mibench.distributions.quantities import mixture_cs_qmi
from mibench.estimators.kernels.diffusion import categories, dse
from mibench.estimators.kernels.gram import MOST_ROWS, TILE, bandwidth_of, kernel_means
from mibench.interface import Array, Context, Estimate, InputError
from mibench.registry import make_distribution, make_estimator


def estimate(spec: str, x: Array, y: Array, seed: int = 0, discrete: bool = False) -> Estimate:
    context = Context(np.random.default_rng(seed), y_discrete=(discrete,) * y.shape[1])
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
            make_estimator(f"cs-qmi[bandwidth_x={wrong}]")


def test_few_points_are_declined() -> None:
    one = (False,)
    assert "4 points" in str(make_estimator("cs-qmi").unsupported(3, 1, 1, one, one))
    assert make_estimator("cs-qmi[statistic=v]").unsupported(3, 1, 1, one, one) is None
    x, y = pairs(4, 1, 1, 0)
    assert kernel_means(x, y, 1.0, 1.0, "u").margins == pytest.approx(
        np.mean([gram(x, 1.0)[i, j] * gram(y, 1.0)[k, m] for i, j, k, m in itertools.permutations(range(4))])
    )


# ---------------------------------------------------------------------------------------------------------------------
# Matrix-based Renyi


def test_matrix_renyi_at_order_2_needs_no_eigenvalues() -> None:
    """The sum of squared eigenvalues is that of squared entries."""
    x, y = pairs(40, 2, 1, 3)
    k, q = gram(x, 0.9), gram(y, 1.1)
    s_x, s_y, s_xy = (-math.log((matrix**2).sum() / 40**2) for matrix in (k, q, k * q))
    value = estimate("matrix-renyi[alpha=2,bandwidth_x=0.9,bandwidth_y=1.1]", x, y).value
    assert value == pytest.approx(s_x + s_y - s_xy, rel=1e-11)


def test_matrix_renyi_is_continuous_at_order_1() -> None:
    x, y = pairs(100, 1, 1, 4)
    below, at, above = (estimate(f"matrix-renyi[alpha={a}]", x, y).value for a in (1 - 1e-6, 1, 1 + 1e-6))
    assert at == pytest.approx((below + above) / 2, abs=1e-8)
    assert abs(above - below) < 1e-4


def test_matrix_renyi_limits_of_the_bandwidth() -> None:
    x, y = pairs(50, 1, 1, 5)
    none, all_points = (f"matrix-renyi[bandwidth_x={s},bandwidth_y={s}]" for s in (1e-9, 1e9))
    assert estimate(none, x, y).value == pytest.approx(math.log(50), rel=1e-10)
    assert estimate(all_points, x, y).value == pytest.approx(0, abs=1e-10)


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
]


def published(name: str) -> Array:
    with np.load(Path(__file__).parent / "data" / "dsmi_cases.npz") as arrays:
        found = arrays[name].astype(float)
    return np.ascontiguousarray(found.reshape(len(found), -1))


@pytest.mark.parametrize(("case", "bandwidth", "t", "bits"), PUBLISHED)
def test_dsmi_is_that_of_the_authors(case: str, bandwidth: int, t: int, bits: float) -> None:
    x, y = published(f"{case}_X"), published(f"{case}_Y")
    for seed in (0, 1):
        result = estimate(f"dsmi[bandwidth={bandwidth},t={t},subsets=published]", x, y, seed)
        assert result.value / math.log(2) == pytest.approx(bits, abs=1e-9)
    assert bool(result.warnings) == (bits == 0)  # in 64 dimensions a kernel of width 1 reaches no other point


@pytest.mark.parametrize("case", ["d2_disc5", "d2_scalar", "d2_vector"])
def test_categories_are_those_of_the_authors(case: str) -> None:
    labels, doubts = categories(published(f"{case}_Y"), discrete=False)
    assert not doubts
    clusters = published(f"{case}_clusters")[:, 0]
    assert (labels == np.unique(clusters, return_inverse=True)[1]).all()


@pytest.mark.parametrize(
    ("case", "bandwidth", "bits"),
    [("d2", 10, 0.8571672795008032), ("d2", 1, 5.598374144062206), ("d64", 10, 5.199523676880783)],
)
def test_dse_is_that_of_the_authors(case: str, bandwidth: float, bits: float) -> None:
    assert dse(published(f"{case}_disc5_X"), bandwidth) / math.log(2) == pytest.approx(bits, abs=1e-9)


def test_dse_is_the_entropy_of_the_diffusion_matrix() -> None:
    points = np.random.default_rng(0).standard_normal((40, 3))
    weights = gram(points, 0.9)
    eigenvalues = np.abs(np.linalg.eigvals(weights / weights.sum(axis=1, keepdims=True))) ** 3
    shares = eigenvalues / eigenvalues.sum()
    assert dse(points, 0.9, t=3) == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-9)


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


@pytest.mark.parametrize("name", ["cs-qmi", "hsic", "matrix-renyi", "dsmi"])
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


def test_dsmi_says_what_it_cannot_use() -> None:
    dsmi, no, yes = make_estimator("diffusion-spectral"), (False,), (True,)
    assert "X must be continuous" in str(dsmi.unsupported(100, 1, 1, yes, no))
    assert "either kind" in str(dsmi.unsupported(100, 1, 2, no, (True, False)))
    assert "to cluster Y" in str(dsmi.unsupported(10, 1, 2, no, no * 2))
    assert dsmi.unsupported(100, 1, 2, no, yes * 2) is None
    x = np.arange(10_002.0)[:, None]
    with pytest.raises(InputError, match="10001 points; at most 10000"):
        estimate("dsmi", x, (x > 0).astype(float))


def test_dsmi_says_when_clusters_are_not_unique() -> None:
    x, y = pairs(100, 2, 2, 0)
    apart = y + 1e3 * (np.arange(100) % 2)[:, None]
    assert any("falls apart" in warning for warning in estimate("dsmi", x, apart).warnings)
