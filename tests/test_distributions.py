"""The joint distributions: truths, densities, samples and maps against computations of another kind."""

import itertools
import math
import pickle

import numpy as np
import pytest
from laws import pmi_of, rng, truth
from scipy import integrate, special, stats

from mibench.distributions.transforms import Transformed
from mibench.interface import Array, InputError, Shape
from mibench.registry import distributions, full_spec, make_distribution

COVARIANCE = "((1,0.5,0.2,0.1),(0.5,1,0.1,-0.3),(0.2,0.1,2,0.6),(0.1,-0.3,0.6,1.5))"
SPECS = [
    "gaussian-sparse",
    "gaussian-sparse[dim_x=1,dim_y=1,rho=-0.75]",
    "gaussian-sparse[dim_x=4,dim_y=3,mi=3,pairs=3]",
    "gaussian-sparse[mi=0]",
    "gaussian-sparse[dim_x=12,dim_y=20,mi=12,pairs=1]",
    "gaussian-dense",
    "gaussian-dense[dim_x=1,dim_y=4,rho=-0.2]",
    "gaussian-dense[dim_x=3,dim_y=7,mi=2]",
    "gaussian-dense[dim_x=40,dim_y=30,mi=10]",
    f"gaussian[covariance={COVARIANCE}]",
    f"gaussian[covariance={COVARIANCE},dim_x=1]",
    "student",
    "student[dof=1,dim_x=1,dim_y=1]",
    "student[dof=3,dim_x=3,dim_y=2,rho=0.6,pairs=1]",
    "student[dof=0.1,dim_x=2,dim_y=2]",
    "additive-uniform",
    "additive-uniform[noise=0.1]",
    "additive-uniform[noise=0.5]",
    "additive-uniform[noise=3]",
    "independent",
    "independent[dim_x=1,dim_y=3]",
    "contaminated[base=gaussian-sparse]",
    "contaminated[base=gaussian-sparse[dim_x=40,dim_y=40,pairs=40],fraction=0.01]",
    f"contaminated[base=gaussian[covariance={COVARIANCE}],fraction=0.7]",
    "contaminated[base=asinh[base=gaussian-dense],fraction=0.5]",
    "contaminated[base=gaussian-sparse,fraction=0]",
    "contaminated[base=student,fraction=1]",
    "asinh[base=student[dof=1,dim_x=3,dim_y=3]]",
    "half-cube[base=gaussian-sparse]",
    "normal-cdf[base=gaussian-sparse[dim_x=3,dim_y=3]]",
    "wiggly[base=gaussian-sparse]",
    "rotate[base=gaussian-sparse[dim_x=3,dim_y=2],angle=1]",
    "rotate[base=wiggly[base=normal-cdf[base=gaussian-dense[dim_x=2,dim_y=2]]]]",
]
NO_TRUTH = ["contaminated[base=student]", "contaminated[base=contaminated[base=gaussian-sparse]]"]
MAPS = [name for name, entry in distributions.entries().items() if issubclass(entry.load(), Transformed)]


def in_standard_errors(values: Array, expected: float) -> float:
    """Distance of the mean from its expectation in standard errors (of rounding, where the values are constant)."""
    return float(abs(values.mean() - expected) / (values.std(ddof=1) / math.sqrt(len(values)) + 1e-13))


# ---------------------------------------------------------------------------------------------------------------------
# Every distribution


@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("spec", SPECS)
def test_mean_pmi_is_the_truth(spec: str, n: int) -> None:
    """Within 4 standard errors."""
    sample = make_distribution(spec).sample(n, rng(1))
    assert sample.pmi is not None
    assert in_standard_errors(sample.pmi, truth(spec)) < 4


@pytest.mark.parametrize("spec", SPECS + NO_TRUTH)
def test_sample(spec: str) -> None:
    """Shapes, finite float64, the seed decides, and pmi(x, y) gives the sample's own."""
    distribution = make_distribution(spec)
    sample, again, other = (distribution.sample(2000, rng(seed)) for seed in (3, 3, 4))
    for block, dim in ((sample.x, distribution.dim_x), (sample.y, distribution.dim_y)):
        assert block.shape == (2000, dim)
        assert block.dtype == np.float64
        assert block.flags.c_contiguous
        assert np.isfinite(block).all()
    assert distribution.sample_shape(7) == Shape.continuous(7, distribution.dim_x, distribution.dim_y)
    np.testing.assert_array_equal(sample.x, again.x)
    np.testing.assert_array_equal(sample.y, again.y)
    assert not np.array_equal(sample.x, other.x)
    assert not np.array_equal(sample.y, other.y)
    assert sample.pmi is not None
    np.testing.assert_allclose(pmi_of(spec, sample.x, sample.y), sample.pmi, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spec", SPECS + NO_TRUTH)
def test_specification_and_pickle_give_the_same_distribution(spec: str) -> None:
    """Written out and read again, it is equal; what nobody computed is not known."""
    distribution = make_distribution(spec)
    assert make_distribution(full_spec(distribution)) == distribution
    assert pickle.loads(pickle.dumps(distribution)) == distribution
    assert distribution.ground_truth("dsmi") is None


@pytest.mark.parametrize("spec", NO_TRUTH)
def test_no_truth_rather_than_a_wrong_one(spec: str) -> None:
    """Where the law of the pointwise MI is not known there is no truth."""
    assert make_distribution(spec).ground_truth() is None


@pytest.mark.parametrize(
    "spec",
    [
        "gaussian-sparse[rho=0.3]",
        "gaussian-sparse[dim_x=2,dim_y=1,mi=0.04]",
        "gaussian-dense[rho=0.05]",
        "gaussian-dense[dim_x=2,dim_y=2,rho=-0.15]",
        "gaussian[covariance=((1,0.2,0.1),(0.2,3,0.3),(0.1,0.3,0.5))]",
        "additive-uniform",
        "independent",
        "contaminated[base=gaussian-sparse[rho=0.3]]",
        "wiggly[base=gaussian-sparse[rho=0.3]]",
        "half-cube[base=gaussian-dense[rho=0.05]]",
    ],
)
def test_density_ratio_has_mean_one_over_shuffled_pairs(spec: str) -> None:
    """E exp(pmi) = 1 under the product of the margins (dependence weak enough for a standard error to exist)."""
    distribution = make_distribution(spec)
    x, y = distribution.sample(100_000, rng(5)).x, distribution.sample(100_000, rng(6)).y
    assert in_standard_errors(np.exp(pmi_of(spec, x, y)), 1) < 4


@pytest.mark.parametrize(
    "spec",
    ["gaussian-sparse", "gaussian-sparse[pairs=1000]", "gaussian-dense", "student", "student[rho=0.9,pairs=1000]"],
)
def test_a_thousand_dimensions(spec: str) -> None:
    """Finite at 1000 x 1000, and the mean pointwise MI agrees with the truth."""
    size = "dim_x=1000,dim_y=1000"
    spec = spec.replace("[", f"[{size},") if "[" in spec else f"{spec}[{size}]"
    sample = make_distribution(spec).sample(2000, rng(7))
    assert sample.pmi is not None
    assert np.isfinite(sample.pmi).all()
    assert in_standard_errors(sample.pmi, truth(spec)) < 4


# ---------------------------------------------------------------------------------------------------------------------
# Gaussian


def paired(m: int, n: int, correlations: list[float]) -> Array:
    """Covariance with Cor(X_i, Y_i) = correlations[i]."""
    matrix = np.eye(m + n)
    for i, rho in enumerate(correlations):
        matrix[i, m + i] = matrix[m + i, i] = rho
    return matrix


def equal(dim: int, rho: float) -> Array:
    """Covariance with every correlation rho."""
    return (1 - rho) * np.eye(dim) + rho


@pytest.mark.parametrize(
    ("spec", "covariance"),
    [
        ("gaussian-sparse", paired(5, 5, [0.8, 0.8])),
        ("gaussian-sparse[dim_x=3,dim_y=2,rho=-0.6]", paired(3, 2, [-0.6, -0.6])),
        ("gaussian-sparse[dim_x=1,dim_y=4]", paired(1, 4, [0.8])),
        ("gaussian-dense", equal(10, 0.5)),
        ("gaussian-dense[dim_x=2,dim_y=4,rho=-0.15]", equal(6, -0.15)),
        ("gaussian-dense[dim_x=1,dim_y=1,rho=0.9]", equal(2, 0.9)),
    ],
)
def test_gaussians_against_their_covariance(spec: str, covariance: Array) -> None:
    """Truth from determinants, pointwise MI from scipy's densities, and the covariance of a sample."""
    distribution = make_distribution(spec)
    m = distribution.dim_x
    blocks = (covariance[:m, :m], covariance[m:, m:], covariance)
    of_x, of_y, joint = (float(np.linalg.slogdet(block)[1]) for block in blocks)
    for same in (distribution, make_distribution("gaussian", covariance=covariance, dim_x=m)):
        assert truth(full_spec(same)) == pytest.approx(0.5 * (of_x + of_y - joint), abs=1e-12)
        sample = same.sample(100_000, rng(8))
        points = np.hstack([sample.x, sample.y])
        x, y, both = (
            stats.multivariate_normal(cov=block).logpdf(part)
            for block, part in zip(blocks, (sample.x, sample.y, points), strict=True)
        )
        np.testing.assert_allclose(np.asarray(sample.pmi), both - x - y, atol=1e-9)
        error = np.sqrt((1 + covariance**2) / len(points))  # of the covariance of unit-variance normals
        assert (np.abs(points.T @ points / len(points) - covariance) < 5 * error).all()


def test_published_gaussian_tasks() -> None:
    """Published tasks: 1/2 log(det det / det) with the two distinct eigenvalues 1/2 and (d + 1)/2 in the dense case."""
    assert truth("gaussian-sparse[rho=0.75,dim_x=1,dim_y=1]") == pytest.approx(-0.5 * math.log(1 - 0.75**2), abs=1e-13)
    assert truth("gaussian-sparse[dim_x=25,dim_y=25]") == pytest.approx(-math.log(0.36), abs=1e-13)
    for dim, published in ((2, 0.2938933324510593), (5, 0.5928118328288701), (50, 1.6242653743036897)):
        expected = math.log((dim + 1) / 2) - 0.5 * math.log(0.5 * (2 * dim + 1) / 2)
        assert expected == pytest.approx(published, abs=1e-12)
        assert truth("gaussian-dense", dim_x=dim, dim_y=dim) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("mi", [0.0, 1e-6, 0.1, 1.0, 5.0, 17.0, 29.0])
def test_mi_is_inverted(mi: float) -> None:
    """mi= gives a distribution of that MI, also where 1 - rho is far below the rounding of rho."""
    for spec in ("gaussian-sparse", "gaussian-sparse[pairs=1,dim_x=1]", "gaussian-sparse[pairs=4]"):
        assert truth(spec, mi=mi) == pytest.approx(mi, abs=1e-12)
    for m, n in ((1, 1), (1, 6), (5, 5), (64, 3), (1000, 1000)):
        assert truth("gaussian-dense", dim_x=m, dim_y=n, mi=mi) == pytest.approx(mi, abs=1e-12)


@pytest.mark.parametrize("spec", ["gaussian-sparse[pairs=1,mi=17]", "gaussian-dense[mi=17]"])
def test_high_mi_is_in_the_points(spec: str) -> None:
    """At 17 nats 1 - rho is near 1e-15: the mean pointwise MI read off the points is still right."""
    sample = make_distribution(spec).sample(100_000, rng(9))
    assert in_standard_errors(pmi_of(spec, sample.x, sample.y), 17) < 4


# ---------------------------------------------------------------------------------------------------------------------
# Student


@pytest.mark.parametrize(
    ("dof", "m", "n", "rho"), [(1, 1, 1, 0.0), (2, 3, 2, 0.0), (5.5, 2, 3, -0.7), (0.5, 1, 2, 0.4)]
)
def test_student_against_scipy(dof: float, m: int, n: int, rho: float) -> None:
    """Pointwise MI from scipy's densities; the norms of x, y and both together follow F distributions."""
    sample = make_distribution("student", dof=dof, dim_x=m, dim_y=n, rho=rho, pairs=1).sample(20_000, rng(10))
    shape = paired(m, n, [rho])
    points = np.hstack([sample.x, sample.y])
    blocks = ((shape[:m, :m], sample.x), (shape[m:, m:], sample.y), (shape, points))
    x, y, both = (
        stats.multivariate_t.logpdf(part, shape=block, df=dof)  # type: ignore[arg-type]  # stubs want a whole number
        for block, part in blocks
    )
    np.testing.assert_allclose(np.asarray(sample.pmi), both - x - y, atol=1e-8)
    for block, part in blocks:
        squares = np.einsum("ni,ij,nj->n", part, np.linalg.inv(block), part)
        assert stats.kstest(squares / len(block), stats.f(len(block), dof).cdf).pvalue > 1e-3


def test_student_known_values() -> None:
    """Uncorrelated: log(8 pi) - 3 at 1 x 1 with dof 1, log 2 - 1/2 at 2 x 2 with dof 2; a published value."""
    assert truth("student[dof=1,dim_x=1,dim_y=1]") == pytest.approx(math.log(8 * math.pi) - 3, abs=1e-13)
    assert truth("student[dof=2,dim_x=2,dim_y=2]") == pytest.approx(math.log(2) - 0.5, abs=1e-13)
    assert truth("student[dof=2]") == pytest.approx(0.44815067691532917, abs=1e-12)


def test_student_truth_by_quadrature() -> None:
    """E pmi over the plane at 1 x 1; after x = sinh(u) the trapezoidal rule converges geometrically."""
    nodes = np.linspace(-14, 14, 225)
    points = np.sinh(np.stack(np.meshgrid(nodes, nodes), axis=-1))
    joint, margin = stats.multivariate_t(shape=[[1, 0.5], [0.5, 1]], df=3), stats.t(df=3)
    log_joint = joint.logpdf(points)
    log_ratio = log_joint - margin.logpdf(points).sum(axis=-1)
    area = np.cosh(nodes)[:, None] * np.cosh(nodes) * (nodes[1] - nodes[0]) ** 2
    expected = float((np.exp(log_joint) * log_ratio * area).sum())
    assert truth("student[dof=3,dim_x=1,dim_y=1,rho=0.5]") == pytest.approx(expected, abs=1e-9)


def test_student_tends_to_the_normal() -> None:
    """Many degrees of freedom: the normal's MI and pointwise MI, no loss in differences of large numbers."""
    sample = make_distribution("gaussian-sparse").sample(1000, rng(11))
    # At rho = 0 the rest is m n / (2 dof^2) to leading order.
    assert truth("student[dof=1000000]") == pytest.approx(0, abs=1e-9)
    assert truth("student[dof=1000]") == pytest.approx(25 / 2e6, rel=0.03)
    pmi = pmi_of("student[rho=0.8,dof=1000000]", sample.x, sample.y)
    np.testing.assert_allclose(pmi, np.asarray(sample.pmi), atol=1e-3)


# ---------------------------------------------------------------------------------------------------------------------
# Uniform


@pytest.mark.parametrize("noise", [0.1, 0.4, 0.5, 0.75, 2.0])
def test_additive_uniform_by_quadrature(noise: float) -> None:
    """h(Y) - log(2 noise) with the trapezoidal density of Y."""

    def surprise(y: float) -> float:
        density = (min(1, y + noise) - max(0, y - noise)) / (2 * noise)
        return -float(special.xlogy(density, density))

    ends = sorted({-noise, noise, 1 - noise, 1 + noise})
    entropy = sum(integrate.quad(surprise, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(ends))
    assert truth("additive-uniform", noise=noise) == pytest.approx(entropy - math.log(2 * noise), abs=1e-9)


def test_additive_uniform_impossible_pairs() -> None:
    """Pairs that cannot occur have no joint density."""
    pmi = pmi_of("additive-uniform[noise=0.1]", np.array([[0.5], [0.5]]), np.array([[0.7], [0.55]]))
    assert pmi[0] == -np.inf
    assert pmi[1] == pytest.approx(-math.log(0.2))


# ---------------------------------------------------------------------------------------------------------------------
# Contaminated


@pytest.mark.parametrize("fraction", [1e-6, 0.2, 0.5, 0.9, 1 - 1e-6])
@pytest.mark.parametrize("rho", [0.1, -0.8, 0.99])
def test_contaminated_pair_over_the_plane(rho: float, fraction: float) -> None:
    """1 x 1: the log ratio of the densities summed over the plane, under the base and under its margins."""
    nodes = np.linspace(-9, 9, 2401)
    u, v = np.meshgrid(nodes, nodes)
    weights = np.exp(-(u**2 + v**2) / 2) / (2 * math.pi) * (nodes[1] - nodes[0]) ** 2
    expected = 0.0
    for share, correlation in ((1 - fraction, rho), (fraction, 0.0)):
        x = math.sqrt((1 + correlation) / 2) * u + math.sqrt((1 - correlation) / 2) * v
        y = math.sqrt((1 + correlation) / 2) * u - math.sqrt((1 - correlation) / 2) * v
        joint = -(x**2 - 2 * rho * x * y + y**2) / (2 * (1 - rho**2)) - 0.5 * math.log(1 - rho**2)
        log_ratio = np.logaddexp(math.log1p(-fraction) + joint + (x**2 + y**2) / 2, math.log(fraction))
        expected += share * float((weights * log_ratio).sum())
    found = truth("contaminated", base=f"gaussian-sparse[dim_x=1,dim_y=1,rho={rho}]", fraction=fraction)
    assert found == pytest.approx(expected, abs=1e-9)


def diluted(s: Array, log_density: Array, fraction: float) -> Array:
    """Density under the base times [(1-f) + f exp(-s)] log((1-f) exp(s) + f), whose integral over s is the truth."""
    keep, lose = math.log1p(-fraction), math.log(fraction)
    return np.exp(log_density + np.logaddexp(keep, lose - s)) * np.logaddexp(keep + s, lose)


@pytest.mark.parametrize("fraction", [0.001, 0.3, 0.95])
@pytest.mark.parametrize("correlations", [(0.5, 0.9), (0.05, 0.95), (-0.3, 0.31)])
def test_contaminated_with_unequal_correlations(correlations: tuple[float, float], fraction: float) -> None:
    """Two pairs of each: pmi - I is a sum of two scaled Laplace variables, whose density has partial fractions."""
    information = -sum(math.log1p(-(r**2)) for r in correlations)
    t = np.linspace(0, 1000, 1_000_001)
    first, second = (
        r**2
        * integrate.simpson(
            (diluted(information + r * t, -t, fraction) + diluted(information - r * t, -t, fraction)) / 2, x=t
        )
        for r in correlations
    )
    expected = (first - second) / (correlations[0] ** 2 - correlations[1] ** 2)
    base = make_distribution("gaussian", covariance=paired(4, 5, [*correlations, *correlations]), dim_x=4)
    assert truth("contaminated", base=base, fraction=fraction) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.9])
@pytest.mark.parametrize(("pairs", "rho"), [(2, 0.8), (7, 0.8), (64, 0.5), (64, 0.9), (1000, 0.05), (1000, 0.3)])
def test_contaminated_with_many_pairs(pairs: int, rho: float, fraction: float) -> None:
    """Equal pairs: pmi - I = rho sqrt(G) Z with Z normal and G chi-square of `pairs` degrees of freedom."""
    information = -pairs / 2 * math.log1p(-(rho**2))
    w = np.linspace(math.log(pairs) - 80 / pairs - 1, math.log((80 + 4 * pairs) / (1 - rho**2)), 1000)[:, None]
    z = np.linspace(-45, 45, 1801)
    log_density = stats.chi2(pairs).logpdf(np.exp(w)) + w + stats.norm.logpdf(z)
    values = diluted(information + rho * np.exp(w / 2) * z, log_density, fraction)
    expected = float(values.sum()) * float(w[1, 0] - w[0, 0]) * float(z[1] - z[0])
    base = f"gaussian-sparse[dim_x={pairs},dim_y={pairs},pairs={pairs},rho={rho}]"
    assert truth("contaminated", base=base, fraction=fraction) == pytest.approx(expected, abs=1e-9)


def test_contaminated_limits() -> None:
    """Nothing added gives the base, nothing left gives independence; truth is continuous there, and falls between."""
    base = "gaussian-sparse[mi=3]"
    values = [truth("contaminated", base=base, fraction=f) for f in (0, 1e-15, 0.1, 0.5, 0.9, 1 - 1e-15, 1)]
    assert values[0] == pytest.approx(3, abs=1e-12)
    assert values[1] == pytest.approx(3, abs=1e-12)
    assert values[-2:] == pytest.approx([0, 0], abs=1e-12)
    assert all(before > after - 1e-14 for before, after in itertools.pairwise(values))
    assert truth("contaminated[base=independent]") == pytest.approx(0, abs=1e-14)
    assert truth("contaminated[base=gaussian-dense[mi=29,dim_x=9],fraction=1e-300]") == pytest.approx(29, abs=1e-11)
    found = make_distribution("contaminated[base=gaussian-sparse]").ground_truth()
    assert found is not None
    assert found.method == "quadrature"


def test_contaminated_keeps_its_margins() -> None:
    """X is the base's own draw, Y stays standard normal, and the correlation falls by the fraction."""
    sample = make_distribution("contaminated[base=gaussian-sparse,fraction=0.3]").sample(100_000, rng(12))
    np.testing.assert_array_equal(sample.x, make_distribution("gaussian-sparse").sample(100_000, rng(12)).x)
    assert stats.kstest(sample.y[:, 0], stats.norm.cdf).pvalue > 1e-3
    assert in_standard_errors(sample.x[:, 0] * sample.y[:, 0], 0.7 * 0.8) < 4
    assert in_standard_errors(sample.x[:, 0] ** 2 * sample.y[:, 0] ** 2, 1 + 0.7 * 2 * 0.8**2) < 4


# ---------------------------------------------------------------------------------------------------------------------
# Maps


# Maps that change the number of columns have tests of their own inverse: images in test_images, swiss-roll in test_bmi.
@pytest.mark.parametrize("name", [name for name in MAPS if name != "swiss-roll" and not name.endswith("-images")])
def test_inverse_undoes_the_map(name: str) -> None:
    """Back to 1e-12 within the bulk, on both sides, and nothing is changed in place."""
    mapped = make_distribution(distributions.entries()[name].facts.example)
    assert isinstance(mapped, Transformed)
    assert (mapped.dim_x, mapped.dim_y) == (5, 5)
    block = np.vstack([rng(13).standard_normal((20_000, 5)).clip(-3.5, 3.5), np.zeros((1, 5))])
    kept = block.copy()
    forward_x, forward_y = mapped.forward(block, "x"), mapped.forward(block, "y")
    np.testing.assert_allclose(mapped.inverse(forward_x, "x"), block, atol=1e-12)
    np.testing.assert_allclose(mapped.inverse(forward_y, "y"), block, atol=1e-12)
    np.testing.assert_array_equal(block, kept)
    assert not np.allclose(forward_x, block)
    assert mapped.ground_truth() == mapped.base.ground_truth()


@pytest.mark.parametrize("name", ["half-cube", "asinh", "wiggly"])
def test_inverse_far_out(name: str) -> None:
    """Relative precision stays where a heavy-tailed base reaches."""
    mapped = make_distribution(name, base="gaussian-sparse")
    assert isinstance(mapped, Transformed)
    block = np.array([[-1e12, -1e5, -1e-9, 1e-300, 3e3, 1e9]])
    np.testing.assert_allclose(mapped.inverse(mapped.forward(block, "x"), "x"), block, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(mapped.inverse(mapped.forward(block, "y"), "y"), block, rtol=1e-13, atol=1e-12)


def test_maps_have_their_formulas() -> None:
    """Each map against its published formula, at the base's own points."""
    base = make_distribution("gaussian-sparse[dim_x=2,dim_y=3]").sample(100, rng(14))

    def mapped(name: str) -> tuple[Array, Array]:
        sample = make_distribution(f"{name}[base=gaussian-sparse[dim_x=2,dim_y=3]]").sample(100, rng(14))
        np.testing.assert_array_equal(np.asarray(sample.pmi), np.asarray(base.pmi))
        return sample.x, sample.y

    x, y = base.x, base.y
    expected = {
        "half-cube": (np.sign(x) * np.abs(x) ** 1.5, np.sign(y) * np.abs(y) ** 1.5),
        "asinh": (np.log(x + np.sqrt(1 + x**2)), np.log(y + np.sqrt(1 + y**2))),
        "normal-cdf": (special.erfc(-x / math.sqrt(2)) / 2, special.erfc(-y / math.sqrt(2)) / 2),
        "wiggly": (
            x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5),
            y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5),
        ),
    }
    for name, blocks in expected.items():
        for block, wanted in zip(mapped(name), blocks, strict=True):
            np.testing.assert_allclose(block, wanted, rtol=1e-12, atol=1e-14)
    turned_x, turned_y = mapped("rotate")
    corner = (1 + 1j) / math.sqrt(2)
    np.testing.assert_allclose(turned_x[:, 0] + 1j * turned_x[:, 1], (x[:, 0] + 1j * x[:, 1]) * corner)
    np.testing.assert_allclose(turned_y[:, 0] + 1j * turned_y[:, 1], (y[:, 0] + 1j * y[:, 1]) / corner)
    np.testing.assert_array_equal(turned_y[:, 2], y[:, 2])


def test_rotation_spreads_the_dependence() -> None:
    """X and Y turn in opposite directions: the correlated pairs are no longer the coordinates."""
    sample = make_distribution("rotate[base=gaussian-sparse]").sample(10_000, rng(15))
    assert abs(np.corrcoef(sample.x[:, 0], sample.y[:, 0])[0, 1]) < 4 / 100
    assert abs(np.corrcoef(sample.x[:, 0], sample.y[:, 1])[0, 1]) == pytest.approx(0.8, abs=0.02)


def test_normal_cdf_refuses_what_it_would_tie() -> None:
    """Phi is 1 in float64 far out: heavy tails are an error, not ties."""
    with pytest.raises(InputError, match="Phi is 0 or 1"):
        make_distribution("normal-cdf[base=student[dof=1]]").sample(1000, rng(16))


# ---------------------------------------------------------------------------------------------------------------------
# Wrong parameters


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gaussian-sparse[rho=0.5,mi=1]", "alternatives"),
        ("gaussian-sparse[rho=1]", "-1 < rho < 1"),
        ("gaussian-sparse[rho=2]", "out of range"),
        ("gaussian-sparse[mi=-1]", "out of range"),
        ("gaussian-sparse[mi=inf]", "float64"),
        ("gaussian-sparse[mi=61]", "at most 60"),
        ("gaussian-sparse[pairs=6]", "at most min"),
        ("gaussian-sparse[pairs=0]", "out of range"),
        ("gaussian-sparse[dim_x=0]", "out of range"),
        ("gaussian-sparse[dim_x=2.5]", "whole number"),
        ("gaussian-dense[rho=0.1,mi=1]", "alternatives"),
        ("gaussian-dense[rho=-0.2]", "> -0.111111"),
        ("gaussian-dense[rho=-1]", "-1 < rho < 1"),
        ("gaussian-dense[mi=31]", "at most 30"),
        ("gaussian", "needs covariance"),
        ("gaussian[covariance=((1,0.5),(0.4,1))]", "not symmetric"),
        ("gaussian[covariance=((1,2),(2,1))]", "not positive definite"),
        ("gaussian[covariance=((1,1),(1,1))]", "not positive definite"),
        ("gaussian[covariance=((0,0),(0,1))]", "not positive definite"),
        ("gaussian[covariance=((1,1,1),(1,3,2),(1,2,1.5))]", "not positive definite"),
        ("gaussian[covariance=((1,0.5),(0.5))]", "no square matrix"),
        ("gaussian[covariance=((1,inf),(inf,1))]", "not finite"),
        ("gaussian[covariance=((1,0),(0,1)),dim_x=2]", "leaves no Y"),
        ("student[dof=0]", "out of range"),
        ("student[rho=1]", "-1 < rho < 1"),
        ("student[pairs=9]", "at most min"),
        ("additive-uniform[noise=0]", "out of range"),
        ("contaminated[base=gaussian-sparse,fraction=1.1]", "out of range"),
        ("contaminated", "needs base"),
        ("asinh[base=nothing]", "unknown distribution"),
        ("rotate[base=gaussian-sparse[dim_x=1]]", "2 or more columns"),
        ("rotate[base=gaussian-sparse,angle=inf]", "finite angle"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    """One line that says what is accepted."""
    with pytest.raises(InputError, match=message) as caught:
        make_distribution(spec)
    assert "\n" not in str(caught.value)
