"""The published tasks: truths in elementary numbers or by another quadrature, samples against the definitions."""

from __future__ import annotations

import math
from math import log, pi

import numpy as np
import pytest
from laws import rng
from scipy import integrate, special, stats

from mibench import suites, tasks
from mibench.distributions.transforms import Transformed
from mibench.interface import Array, InputError
from mibench.listing import records
from mibench.registry import make_distribution

NORMAL, TWO_PAIRS = log(16 / 7) / 2, log(25 / 9)  # -1/2 log(1 - 0.75^2) and -2/2 log(1 - 0.8^2)


def dense(d: int) -> float:
    """Correlation 1/2 everywhere: the block means are informative, of variances (d+1)/2 each and 2d+1 jointly."""
    return log((d + 1) ** 2 / (2 * d + 1)) / 2


# I = c(dof, m) = 2 h(m) - h(2 m) of Student-t entropies h. digamma at whole and half numbers is -gamma, less 2 log 2 at
# halves, plus a rational sum; gamma is rational, times sqrt(pi) at halves: what remains is elementary.
STUDENT = {
    "1-1-1": log(8 * pi) - 3,
    "2-2-1": log(3) - 2 / 3,
    "2-2-2": log(2) - 1 / 2,
    "3-3-2": 6 - log(96 * pi),
    "3-3-3": log(3360 * pi) - 3 - 213 / 35,
    "5-5-2": 233 / 30 - log(480 * pi),
    "5-5-3": log(147840 * pi) - 4 / 3 - 39559 / 3465,
}
BMI = {
    "1v1-normal-0.75": NORMAL,
    "normal_cdf-1v1-normal-0.75": NORMAL,
    "1v1-additive-0.1": 0.1 + log(5),
    "1v1-additive-0.75": 1 / 3,
    "1v1-bimodal-0.75": NORMAL,
    "wiggly-1v1-normal-0.75": NORMAL,
    "half_cube-1v1-normal-0.75": NORMAL,
    "swissroll_x-normal_cdf-1v1-normal-0.75": NORMAL,
    **{f"student-identity-{key}": value for key, value in STUDENT.items()},
    **{f"asinh-student-identity-{key}": STUDENT[key] for key in ("1-1-1", "2-2-1", "3-3-2", "5-5-2")},
    **{f"multinormal-dense-{d}-{d}-0.5": dense(d) for d in (2, 3, 5, 25, 50)},
    **{f"multinormal-sparse-{d}-{d}-2-2.0": TWO_PAIRS for d in (2, 3, 5, 25)},
    **{
        f"{name}-multinormal-sparse-{d}-{d}-2-2.0": TWO_PAIRS
        for name in ("normal_cdf", "half_cube", "spiral", "spiral-normal_cdf")
        for d in (3, 5, 25)
    },
}
IN_BOTH = [
    "1v1-additive-0.75",
    "swissroll_x-normal_cdf-1v1-normal-0.75",
    *(f"asinh-student-identity-{key}" for key in ("1-1-1", "2-2-1", "3-3-2", "5-5-2")),
    *(f"multinormal-dense-{d}-{d}-0.5" for d in (5, 25, 50)),
    *(f"multinormal-sparse-{d}-{d}-2-2.0" for d in (5, 25)),
    *(f"spiral-multinormal-sparse-{d}-{d}-2-2.0" for d in (3, 5)),
]
INLIERS = [f"mult-sparse-w-inliers-{d}-{d}-2-2.0-{f}" for d in (5, 25) for f in (0.2, 0.5)]
SHELLS = [f"{d}v1-concentric_gaussians-{k}" for d, k in ((3, 5), (5, 5), (3, 10), (5, 10), (25, 5))]
PLANE = ["1v1-X-0.9", "1v1-AI", "2v1-waves-12-5.0-3.0", "2v1-galaxy-0.5-3.0"]
ONLY_V2 = [*PLANE, *SHELLS, *INLIERS]


def truth(task: str) -> float:
    """True MI of a task, which no Monte Carlo is in."""
    found = make_distribution(task).ground_truth()
    assert found is not None
    assert found.method in ("closed form", "quadrature")
    return found.value


# ---------------------------------------------------------------------------------------------------------------------
# Suites and ids


def test_the_suites_have_the_published_ids() -> None:
    """40 in the first list; the second has 13 of them and 13 of its own."""
    assert len(BMI) == 40
    assert {task.name for task in suites.load("bmi").tasks} == set(BMI)
    assert {task.name for task in suites.load("bmi-v2").tasks} == {*IN_BOTH, *ONLY_V2}
    assert len(IN_BOTH) == len(ONLY_V2) == 13


def test_dimensions_are_those_of_the_ids() -> None:
    """`5-5` and `2v1` in an id are dim_x and dim_y."""
    for record in records("tasks", ["bmi", "bmi-v2"]):
        words = record["name"].replace("v1-", "-1-").split("-")
        sizes = [int(word) for word in words if word.isdigit()][:2]
        expected = [2, 1] if record["name"].startswith("swissroll") else sizes
        assert [record["dim_x"], record["dim_y"]] == expected, record["name"]


def test_ids_are_accepted_where_distributions_are() -> None:
    """By themselves, inside another one, and as the name that rows carry; their size is fixed."""
    inner = make_distribution("1v1-normal-0.75")
    assert make_distribution("half-cube[base=1v1-normal-0.75]") == make_distribution("half-cube", base=inner)
    assert tasks.make_task("contaminated[base=1v1-AI]").name == "contaminated[base=1v1-AI]"
    assert tasks.make_task("2v1-galaxy-0.5-3.0").name == "2v1-galaxy-0.5-3.0"
    with pytest.raises(InputError, match="fixed size"):
        tasks.suite_tasks("bmi", dim_x=3)
    with pytest.raises(InputError, match="no task of suite 'bmi' takes --mi"):
        tasks.suite_tasks("bmi", mi=1.0)


# ---------------------------------------------------------------------------------------------------------------------
# Truths


@pytest.mark.parametrize("task", BMI)
def test_truth_in_elementary_numbers(task: str) -> None:
    """Each of the first 40."""
    assert truth(task) == pytest.approx(BMI[task], rel=1e-12, abs=0)


def trapezoid(densities: list[Array], x: Array, y: Array) -> float:
    """Mutual information of an equal mixture of densities on a grid (x, y), by the trapezoidal rule throughout."""
    cell = (x[1] - x[0]) * (y[1] - y[0])
    joint = np.mean(densities, axis=0) * cell
    assert joint.sum() == pytest.approx(1, abs=1e-10)
    return float(special.rel_entr(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0))).sum())


def plane(means: list[list[float]], covariances: list[list[list[float]]], x: Array, y: Array) -> float:
    """The same for an equal mixture of bivariate normal laws."""
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    parts = zip(means, covariances, strict=True)
    return trapezoid([np.asarray(stats.multivariate_normal(mean, cov).pdf(grid)) for mean, cov in parts], x, y)


def round_normal(variance: float) -> list[list[float]]:
    """Covariance of two independent columns."""
    return [[variance, 0.0], [0.0, variance]]


C = 0.95 * math.sqrt(0.04 * 0.2)
AI_MEANS: list[list[float]] = [[1, 0], [1, 1], [1, -1], [-0.8, -0.2], [-1.2, 0], [-0.4, 0]]
AI_COVARIANCES = [
    [[0.01, 0], [0, 0.2]],
    [[0.05, 0], [0, 0.001]],
    [[0.05, 0], [0, 0.001]],
    [[0.03, 0], [0, 0.001]],
    [[0.04, C], [C, 0.2]],
    [[0.04, -C], [-C, 0.2]],
]


def test_truth_of_plane_mixtures_by_the_trapezoidal_rule() -> None:
    """Geometric convergence: the steps are 1/6 of the smallest standard deviation or finer."""
    wide = np.linspace(-9, 9, 401)
    strokes = [[[1, rho], [rho, 1]] for rho in (0.9, -0.9)]
    assert truth("1v1-X-0.9") == pytest.approx(plane([[0, 0]] * 2, strokes, wide, wide), abs=1e-9)
    ai = plane(AI_MEANS, AI_COVARIANCES, np.linspace(-2.9, 2.9, 601), np.linspace(-4, 4, 1601))
    assert truth("1v1-AI") == pytest.approx(ai, abs=1e-9)
    # waves: x_1 is noise of its own. galaxy: only the sum of the columns of X knows the cluster.
    means = [[1.5 * k, 1.5 * (k % 4)] for k in range(12)]
    x, y = np.linspace(-3, 19.5, 501), np.linspace(-3, 7.5, 301)
    assert truth("2v1-waves-12-5.0-3.0") == pytest.approx(plane(means, [round_normal(0.1)] * 12, x, y), abs=1e-9)
    means = [[1.5 * math.sqrt(2), 1.5], [-1.5 * math.sqrt(2), -1.5]]
    wide = np.linspace(-11, 11, 501)
    assert truth("2v1-galaxy-0.5-3.0") == pytest.approx(plane(means, [round_normal(1.0)] * 2, wide, wide), abs=1e-9)


def shells(task: str) -> tuple[int, int]:
    """Columns of X and number of clouds in an id `3v1-concentric_gaussians-10`."""
    dim, _, rest = task.partition("v1-")
    return int(dim), int(rest.rpartition("-")[2])


@pytest.mark.parametrize("task", SHELLS)
def test_truth_of_shells_is_what_the_radius_says_of_the_label(task: str) -> None:
    """Clusters of Y, 100 standard deviations apart, show their label k: I = I(|X|; k), a mean relative entropy."""
    dim, clouds = shells(task)
    r = np.linspace(0, 10 * (math.sqrt(dim) + 9), 60_001)
    given = stats.chi(dim, scale=np.arange(1, clouds + 1)[:, None]).pdf(r) * r[1]
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-7)
    expected = float(special.rel_entr(given, given.mean(axis=0)).sum() / clouds)
    assert truth(task) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("task", INLIERS)
def test_truth_of_inliers_from_a_laplace_variable(task: str) -> None:
    """Two pairs have pmi S = I + 0.8 L: differences of chi-square(2) variables are Laplace variables L.

    p (1 - f) + f p_x p_y is p times 1 - f + f e^-S, so that the mean of its pmi is an integral over L.
    """
    f = float(task.rpartition("-")[2])

    def integrand(lap: float) -> float:
        s = TWO_PAIRS + 0.8 * lap
        return 0.5 * math.exp(-abs(lap)) * (1 - f + f * math.exp(-s)) * log((1 - f) * math.exp(s) + f)

    halves = [integrate.quad(integrand, *ends, epsabs=1e-12, limit=200)[0] for ends in ((-250, 0), (0, 250))]
    assert truth(task) == pytest.approx(sum(halves), abs=1e-9)


@pytest.mark.parametrize("n", [100_000, pytest.param(2_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("task", ONLY_V2)
def test_mean_pmi_of_mixtures_is_the_truth(task: str, n: int) -> None:
    """Within 4 standard errors."""
    pmi = make_distribution(task).sample(n, rng(1)).pmi
    assert pmi is not None
    assert abs(pmi.mean() - truth(task)) < 4 * pmi.std(ddof=1) / math.sqrt(n)


# ---------------------------------------------------------------------------------------------------------------------
# Samples: each against its definition, written out


def same_draws(task: str, base: str) -> tuple[Array, Array, Array, Array]:
    """X and Y of a task, and those of the distribution that it maps, from the same randomness."""
    mapped, plain = make_distribution(task).sample(500, rng(2)), make_distribution(base).sample(500, rng(2))
    return mapped.x, mapped.y, plain.x, plain.y


def turned(block: Array, i: int, j: int, angle_of: float) -> Array:
    """Row by row, the rotation in columns i and j by angle_of |row|^2."""
    out = []
    for row in block:
        matrix, angle = np.eye(len(row)), angle_of * (row @ row)
        matrix[[i, i, j, j], [i, j, i, j]] = [math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)]
        out.append(matrix @ row)
    return np.array(out)


@pytest.mark.parametrize("dim", [3, 5, 25])
@pytest.mark.parametrize("base", ["multinormal-sparse", "normal_cdf-multinormal-sparse"])
def test_spirals(base: str, dim: int) -> None:
    """Rot_(0,1)(|x|^2 / d) x and Rot_(1,2)(|y|^2 / d) y; norms are kept."""
    x, y, x0, y0 = same_draws(f"spiral-{base}-{dim}-{dim}-2-2.0", f"{base}-{dim}-{dim}-2-2.0")
    np.testing.assert_allclose(x, turned(x0, 0, 1, 1 / dim), atol=1e-12)
    np.testing.assert_allclose(y, turned(y0, 1, 2, 1 / dim), atol=1e-12)
    np.testing.assert_allclose((x**2).sum(axis=1), (x0**2).sum(axis=1))


def test_swiss_roll() -> None:
    """With t = 1.5 pi (1 + 2u), x = (t cos t, t sin t) / 21; u and y uniform."""
    x, y, u, v = same_draws("swissroll_x-normal_cdf-1v1-normal-0.75", "normal_cdf-1v1-normal-0.75")
    t = 1.5 * pi * (1 + 2 * u[:, 0])
    np.testing.assert_allclose(21 * x, np.stack([t * np.cos(t), t * np.sin(t)], axis=1), atol=1e-12)
    np.testing.assert_array_equal(y, v)
    law = make_distribution("swissroll_x-normal_cdf-1v1-normal-0.75")
    assert isinstance(law, Transformed)
    np.testing.assert_allclose(law.inverse(x, "x"), u, atol=1e-12)
    radius = 21 * np.hypot(*make_distribution("swissroll_x-normal_cdf-1v1-normal-0.75").sample(50_000, rng(3)).x.T)
    assert stats.kstest(radius, stats.uniform(1.5 * pi, 3 * pi).cdf).pvalue > 0.001


def test_bimodal_margins() -> None:
    """F_x and F_y of the definition; monotone in the normal scores, which keep their correlation."""
    x, y, x0, y0 = same_draws("1v1-bimodal-0.75", "1v1-normal-0.75")
    ndtr = special.ndtr
    np.testing.assert_allclose(0.3 * ndtr(x) + 0.7 * ndtr(x - 5), ndtr(x0), rtol=1e-11)
    np.testing.assert_allclose(0.5 * ndtr(y + 1) + 0.5 * ndtr(y - 3), ndtr(y0), rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "mapped"),
    [
        ("normal_cdf", (stats.norm.cdf, stats.norm.cdf)),
        ("half_cube", (lambda t: np.sign(t) * np.abs(t) ** 1.5,) * 2),
        (
            "wiggly",
            (
                lambda t: t + 0.4 * np.sin(t) + 0.2 * np.sin(1.7 * t + 1) + 0.03 * np.sin(3.3 * t - 2.5),
                lambda t: t - 0.4 * np.sin(0.4 * t) + 0.17 * np.sin(1.3 * t + 3.5) + 0.02 * np.sin(4.3 * t - 2.5),
            ),
        ),
    ],
)
def test_maps_of_each_coordinate(name: str, mapped: tuple[np.ufunc, np.ufunc]) -> None:
    """As the definitions say."""
    x, y, x0, y0 = same_draws(f"{name}-1v1-normal-0.75", "1v1-normal-0.75")
    np.testing.assert_allclose(x, mapped[0](x0), atol=1e-13)
    np.testing.assert_allclose(y, mapped[1](y0), atol=1e-13)


@pytest.mark.parametrize("task", [name for name in BMI if name.startswith("multinormal")])
def test_normal_moments(task: str) -> None:
    """Correlations 0.8 in two pairs, or 1/2 everywhere; each within 5 standard errors, of at most sqrt(2 / n)."""
    sample = make_distribution(task).sample(20_000, rng(4))
    dim = sample.x.shape[1]
    expected = np.eye(2 * dim)
    if "dense" in task:
        expected = (expected + 1) / 2
    else:
        for i in range(2):
            expected[i, dim + i] = expected[dim + i, i] = 0.8
    moments = np.hstack([sample.x, sample.y]).T @ np.hstack([sample.x, sample.y]) / 20_000
    assert np.abs(moments - expected).max() < 5 * math.sqrt(2 / 20_000)


@pytest.mark.parametrize("key", STUDENT)
def test_student_norms(key: str) -> None:
    """|(X, Y)|^2 / d has the F law with (d, dof) degrees of freedom, and a column Student's t."""
    dof = int(key[-1])
    sample = make_distribution(f"student-identity-{key}").sample(20_000, rng(5))
    points = np.hstack([sample.x, sample.y])
    assert stats.kstest((points**2).mean(axis=1), stats.f(points.shape[1], dof).cdf).pvalue > 0.001
    assert stats.kstest(points[:, -1], stats.t(dof).cdf).pvalue > 0.001


def mixture_pmi(x: Array, y: Array, means: Array, covariances: list[Array]) -> Array:
    """Pointwise MI of an equal mixture of normal laws, from scipy's densities."""
    dim = x.shape[1]
    parts = list(zip(means, covariances, strict=True))

    def log_mean(block: Array, columns: slice) -> Array:
        laws = [stats.multivariate_normal(mean[columns], cov[columns, columns]) for mean, cov in parts]
        return np.asarray(special.logsumexp([law.logpdf(block) for law in laws], axis=0) - log(len(parts)))

    joint = log_mean(np.hstack([x, y]), slice(None))
    return np.asarray(joint - log_mean(x, slice(dim)) - log_mean(y, slice(dim, None)))


def v2_definition(task: str) -> tuple[Array, list[Array]]:
    """Means and covariances of (X, Y) before any map, as published."""
    if task == "1v1-X-0.9":
        return np.zeros((2, 2)), [np.array([[1, rho], [rho, 1]]) for rho in (0.9, -0.9)]
    if task == "1v1-AI":
        return np.array(AI_MEANS), [np.array(cov) for cov in AI_COVARIANCES]
    if "waves" in task:
        return np.array([[1.5 * k, 0, 1.5 * (k % 4)] for k in range(12)]), [np.diag([0.1, 1.0, 0.1])] * 12
    if "galaxy" in task:
        return np.array([[1.5] * 3, [-1.5] * 3]), [np.eye(3)] * 2
    dim, clouds = shells(task)
    means = np.array([[0.0] * dim + [k] for k in range(1, clouds + 1)])
    return means, [np.diag([float(k * k)] * dim + [0.0001]) for k in range(1, clouds + 1)]


@pytest.mark.parametrize("task", [*PLANE, *SHELLS])
def test_mixtures(task: str) -> None:
    """Undo the map as the definition says; mean, covariance and fourth moments agree, and so does the density."""
    n = 40_000
    sample = make_distribution(task).sample(n, rng(6))
    x, y = sample.x, sample.y
    if "waves" in task:
        x = (x - np.array([-0.8, 0])) / np.array([0.1, 0.5])
        x = x - np.stack([5 * np.sin(3 * x[:, 1]), np.zeros(n)], axis=1)
    if "galaxy" in task:
        x = turned(x, 0, 1, -0.5)
    means, covariances = v2_definition(task)
    points = np.hstack([x, y])
    parts = enumerate(zip(means, covariances, strict=True))
    draws = [rng(7 + k).multivariate_normal(mean, cov, size=n) for k, (mean, cov) in parts]
    for power in (1, 2, 4):
        spread = np.sqrt(np.mean([(part**power).var(axis=0) for part in draws], axis=0) + 1e-12)
        spread = np.hypot(spread, np.std([(part**power).mean(axis=0) for part in draws], axis=0))
        expected = np.mean([(part**power).mean(axis=0) for part in draws], axis=0)
        assert (np.abs((points**power).mean(axis=0) - expected) < 5 * spread * math.sqrt(2 / n)).all()
    assert sample.pmi is not None
    np.testing.assert_allclose(sample.pmi[:500], mixture_pmi(x, y, means, covariances)[:500], rtol=1e-7, atol=1e-7)
