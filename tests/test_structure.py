"""Structure around a dependence, flows and common factors: against densities, covariances and limits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from laws import rng, truth
from scipy import integrate, special, stats

from mibench.distributions.lowrank import LowRank
from mibench.distributions.mixture import Contaminated
from mibench.distributions.transforms import Transformed
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, Shape
from mibench.plan import make_task
from mibench.registry import make_distribution

PAIR = "gaussian-sparse[dim_x=2,dim_y=2]"


def drawn(spec: str, n: int, seed: int) -> tuple[Sample, Array]:
    """A sample and its pointwise MI."""
    sample = make_distribution(spec).sample(n, rng(seed))
    assert sample.pmi is not None
    return sample, sample.pmi


# ---------------------------------------------------------------------------------------------------------------------
# Common factors


def covariance_of(law: LowRank, communality: float) -> Array:
    """Covariance of (X, Y) from its definition: unit variances, correlations c u_i'u_j, c u_i'v_j, c v_i'v_j."""
    u, v = law.directions
    both = np.vstack([u, v])
    covariance = communality * both @ both.T
    np.fill_diagonal(covariance, 1.0)
    return covariance


@pytest.mark.parametrize(("dim_x", "dim_y", "rank"), [(5, 5, 2), (3, 7, 3), (1, 4, 1), (30, 20, 4), (4, 4, 4)])
@pytest.mark.parametrize("communality", [0.0, 0.1, 0.5, 0.95])
def test_low_rank_is_a_normal_law(dim_x: int, dim_y: int, rank: int, communality: float) -> None:
    """Truth, canonical pairs and pointwise MI are those of the covariance matrix, which the points have."""
    law = LowRank(dim_x, dim_y, rank, communality)
    covariance = covariance_of(law, communality)
    normal = make_distribution("gaussian", covariance=covariance, dim_x=dim_x)
    sample = law.sample(50_000, rng(1))
    assert truth(law) == pytest.approx(truth(normal), abs=1e-12)
    np.testing.assert_allclose(np.asarray(normal.pmi(sample.x, sample.y)), np.asarray(sample.pmi), atol=1e-9)
    diluted = [truth(make_distribution("contaminated", base=base)) for base in (law, normal)]
    assert diluted[0] == pytest.approx(diluted[1], abs=1e-11)
    points = np.hstack([sample.x, sample.y])
    error = np.sqrt((1 + covariance**2) / len(points))  # of a covariance of unit variances
    assert np.abs((points.T @ points / len(points) - covariance) / error).max() < 5


@pytest.mark.parametrize("mi", [0.0, 1e-6, 0.3, 5.0, 20.0, 59.0])
def test_low_rank_reaches_the_mi_asked_for(mi: float) -> None:
    for spec in ("low-rank", "low-rank[dim_x=64,dim_y=40]", "low-rank[dim_x=3,dim_y=1000]"):
        law = make_distribution(spec, mi=mi)
        assert truth(law) == pytest.approx(mi, rel=1e-11, abs=1e-13)


def test_low_rank_grows_with_dimension() -> None:
    """More views of the same factors tell more of them, as a logarithm: rank/2 log 2 for twice the columns."""
    values = [truth(f"low-rank[dim_x={dim},dim_y={dim}]") for dim in (4, 16, 256, 512, 1024)]
    assert sorted(values) == values
    assert values[4] - values[3] == pytest.approx(math.log(2), rel=0.02)


# ---------------------------------------------------------------------------------------------------------------------
# Outliers


@pytest.mark.parametrize("fraction", [1e-4, 0.05, 0.5, 0.95])
@pytest.mark.parametrize(("rho", "scale"), [(0.8, 3.0), (0.0, 5.0), (-0.6, 0.5), (0.3, 1.0)])
def test_outliers_over_the_plane(rho: float, scale: float, fraction: float) -> None:
    """1 x 1: the log ratio of the densities integrated over the plane, on a grid that both widths fit."""
    edge = 9 * max(1, scale)
    nodes = np.linspace(-edge, edge, 3001)
    x, y = nodes[:, None], nodes
    wide = stats.norm(scale=scale).pdf(nodes)
    inliers = stats.multivariate_normal(cov=[[1, rho], [rho, 1]]).pdf(np.dstack(np.broadcast_arrays(x, y)))
    joint = (1 - fraction) * inliers + fraction * wide[:, None] * wide
    margin = (1 - fraction) * stats.norm.pdf(nodes) + fraction * wide
    density = joint * (np.log(np.maximum(joint, 1e-300)) - np.log(margin)[:, None] - np.log(margin))
    expected = float(density.sum()) * float(nodes[1] - nodes[0]) ** 2
    found = truth(f"outliers[dim_x=1,dim_y=1,rho={rho},scale={scale},fraction={fraction}]")
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("m", "n", "scale", "fraction"), [(1, 1, 4.0, 0.1), (3, 6, 2.0, 0.3), (20, 5, 1.1, 0.5)])
def test_outliers_at_no_correlation(m: int, n: int, scale: float, fraction: float) -> None:
    """No correlation, B the label: I = H(B) - H(B|X) - H(B|Y) + H(B|X,Y), each H from chi-square densities."""

    def doubt(dim: int) -> float:
        def integrand(log_square: float) -> float:
            square = math.exp(log_square)
            narrow = (1 - fraction) * stats.chi2(dim).pdf(square)
            wide = fraction * stats.chi2(dim, scale=scale**2).pdf(square)
            ratio = wide / (narrow + wide) if narrow + wide > 0 else 0.0
            entropy = -special.xlogy(ratio, ratio) - special.xlog1py(1 - ratio, -ratio)
            return float((narrow + wide) * entropy * square)

        ends = np.log(dim) + np.array([-60 / dim, 0, 0, 60 / dim]) + 2 * np.log(scale) * np.array([0, 0, 1, 1])
        parts = (integrate.quad(integrand, a, b, epsabs=1e-12, limit=200)[0] for a, b in itertools.pairwise(ends))
        return sum(parts)

    label = -fraction * math.log(fraction) - (1 - fraction) * math.log(1 - fraction)
    found = truth(f"outliers[dim_x={m},dim_y={n},rho=0,scale={scale},fraction={fraction}]")
    assert found == pytest.approx(label - doubt(m) - doubt(n) + doubt(m + n), abs=1e-9)


@pytest.mark.parametrize("spec", ["dim_x=4,dim_y=6,pairs=3,rho=0.7", "dim_x=64,dim_y=64,pairs=64,rho=0.4"])
@pytest.mark.parametrize("fraction", [0.01, 0.4])
def test_outliers_of_width_1_are_contamination(spec: str, fraction: float) -> None:
    """The margins stay: another formula for the same law."""
    found = truth(f"outliers[{spec},scale=1,fraction={fraction}]")
    assert found == pytest.approx(truth(f"contaminated[base=gaussian-sparse[{spec}],fraction={fraction}]"), abs=1e-11)


def test_outliers_far_out_show_their_label() -> None:
    """Each side knows the label, which adds its entropy to what the inliers tell; none and all are limits."""
    inliers, label = truth("gaussian-sparse"), -0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert truth("outliers[scale=1e6,fraction=0.1]") == pytest.approx(0.9 * inliers + label, abs=1e-9)
    assert truth("outliers[fraction=0]") == pytest.approx(inliers, abs=1e-14)
    assert truth("outliers[fraction=1e-14]") == pytest.approx(inliers, abs=1e-11)
    assert truth("outliers[fraction=1]") == 0
    assert truth("outliers[dim_x=1000,dim_y=1000]") == pytest.approx(
        0.95 * inliers - 0.05 * math.log(0.05) - 0.95 * math.log(0.95), abs=1e-12
    )


def test_outliers_have_their_density_and_their_share() -> None:
    """Pointwise MI from scipy's densities; the squared norm follows a mixture of chi-square laws."""
    sample, pmi = drawn("outliers[dim_x=3,dim_y=2,pairs=2,rho=0.7,fraction=0.2,scale=4]", 50_000, 2)
    inliers = np.eye(5)
    inliers[[0, 1, 3, 4], [3, 4, 0, 1]] = 0.7
    points = np.hstack([sample.x, sample.y])

    def log_density(block: Array, covariance: Array) -> Array:
        wide = stats.multivariate_normal(cov=16 * np.eye(len(covariance))).pdf(block)
        return np.asarray(np.log(0.8 * stats.multivariate_normal(cov=covariance).pdf(block) + 0.2 * wide))

    parts = ((points, inliers), (sample.x, np.eye(3)), (sample.y, np.eye(2)))
    joint, x, y = (log_density(block, covariance) for block, covariance in parts)
    np.testing.assert_allclose(pmi, joint - x - y, atol=1e-9)
    law = stats.chi2(3)
    norms = (sample.x**2).sum(axis=1)
    assert stats.kstest(norms, lambda s: 0.8 * law.cdf(s) + 0.2 * law.cdf(s / 16)).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["dim_x=2,dim_y=2", "dim_x=20,dim_y=10,pairs=8,rho=0.5,scale=1.5,fraction=0.3"])
def test_outliers_mean_pmi(spec: str) -> None:
    """Over two million points within 4 standard errors."""
    _, pmi = drawn(f"outliers[{spec}]", 2_000_000, 3)
    assert abs(pmi.mean() - truth(f"outliers[{spec}]")) < 4 * pmi.std() / math.sqrt(len(pmi))


# ---------------------------------------------------------------------------------------------------------------------
# Nuisance columns, blocks, exchanged sides


def test_nuisance_adds_columns_and_nothing_else() -> None:
    """The base's draw comes first, standard normal columns follow; MI, pointwise MI and dilution are the base's."""
    base, spec = "low-rank[dim_x=2,dim_y=3]", "nuisance[base=low-rank[dim_x=2,dim_y=3],dim_x=6,dim_y=5]"
    sample, pmi = drawn(spec, 20_000, 4)
    of_base, base_pmi = drawn(base, 20_000, 4)
    np.testing.assert_array_equal(sample.x[:, :2], of_base.x)
    np.testing.assert_array_equal(sample.y[:, :3], of_base.y)
    np.testing.assert_array_equal(pmi, base_pmi)
    for column in (*sample.x[:, 2:].T, *sample.y[:, 3:].T):
        assert stats.kstest(column, stats.norm.cdf).pvalue > 1e-4
    correlations = np.corrcoef(sample.x, sample.y, rowvar=False)
    added = [2, 3, 4, 5, 9, 10]
    assert np.abs(correlations[added] - np.eye(11)[added]).max() < 5 / math.sqrt(20_000)
    assert truth(spec) == truth(base)
    assert truth(f"contaminated[base={spec}]") == truth(f"contaminated[base={base}]")


def test_nuisance_columns_are_numbers_beside_labels() -> None:
    law = make_distribution("nuisance[base=discrete-table[table=((0.4,0.1),(0.1,0.4))],dim_x=3,dim_y=2]")
    assert law.sample_shape(9) == Shape(9, ("discrete", "continuous", "continuous"), ("discrete", "continuous"))


class WithoutDensity(JointDistribution):
    """Points (u, v) and 10 + u whose density nobody gives."""

    dim_x = 2
    dim_y = 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x = rng.random((n, 2))
        return Sample(x, 10 + x[:, :1])

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return None


def test_a_contamination_needs_no_density() -> None:
    """A share f of the points has the Y of others: f = 1/2 of 2,000, with the standard error 1.1%."""
    sample = Contaminated(base=WithoutDensity(), fraction=0.5).sample(2000, np.random.default_rng(0))
    assert sample.pmi is None
    assert (sample.x.shape, sample.y.shape) == ((2000, 2), (2000, 1))
    assert (sample.y >= 10).all()
    kept = sample.y[:, 0] == 10 + sample.x[:, 0]
    assert kept.mean() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 2000))


def test_nuisance_sizes() -> None:
    """Twice the base's columns unless told; `--dim` sets the whole, `--mi` goes to the base."""
    law = make_distribution(f"nuisance[base={PAIR}]")
    assert (law.dim_x, law.dim_y) == (4, 4)
    law = make_task(f"nuisance[base={PAIR}]", 10, 7, 1.5).distribution
    assert (law.dim_x, law.dim_y) == (10, 7)
    assert truth(law) == pytest.approx(1.5)
    with pytest.raises(InputError, match="the base has 2 columns alone"):
        make_distribution(f"nuisance[base={PAIR},dim_x=1]")


def test_blocks_add() -> None:
    """MI and pointwise MI of the parts add; two blocks of equal pairs are one normal vector with all pairs."""
    first, second = "gaussian-sparse[dim_x=1,dim_y=2,rho=0.6]", "gaussian-sparse[dim_x=3,dim_y=1,rho=-0.6]"
    spec = f"blocks[first={first},second=blocks[first={second},second=student[dim_x=2,dim_y=2]]]"
    sample, pmi = drawn(spec, 1000, 5)
    assert truth(spec) == pytest.approx(truth(first) + truth(second) + truth("student[dim_x=2,dim_y=2]"), abs=1e-14)
    parts = ((first, (0, 1), (0, 2)), (second, (1, 4), (2, 3)), ("student[dim_x=2,dim_y=2]", (4, 6), (3, 5)))
    expected = [make_distribution(name).pmi(sample.x[:, slice(*i)], sample.y[:, slice(*j)]) for name, i, j in parts]
    np.testing.assert_allclose(pmi, np.sum(np.array(expected), axis=0), atol=1e-10)
    together = truth(f"contaminated[base=blocks[first={first},second={second}]]")
    assert together == pytest.approx(truth("contaminated[base=gaussian-sparse[pairs=2,rho=0.6]]"), abs=1e-12)


def test_blocks_know_what_their_parts_know() -> None:
    """Quadrature in one part is quadrature in all; an unknown part leaves the sum unknown."""
    found = make_distribution(f"blocks[first={PAIR},second=outliers]").ground_truth()
    assert found == GroundTruth(truth(PAIR) + truth("outliers"), method="quadrature")
    assert make_distribution(f"blocks[first={PAIR},second=contaminated[base=student]]").ground_truth() is None


def test_swap_exchanges_sides() -> None:
    """The same draw with X and Y exchanged, and the MI of the transposed covariance."""
    sample, pmi = drawn("swap[base=low-rank[dim_x=2,dim_y=4]]", 500, 6)
    base, base_pmi = drawn("low-rank[dim_x=2,dim_y=4]", 500, 6)
    np.testing.assert_array_equal(sample.x, base.y)
    np.testing.assert_array_equal(sample.y, base.x)
    np.testing.assert_array_equal(pmi, base_pmi)
    covariance = np.roll(covariance_of(LowRank(2, 4), 0.5), -2, axis=(0, 1))  # Y first
    exchanged = make_distribution("gaussian", covariance=covariance, dim_x=4)
    assert truth("swap[base=low-rank[dim_x=2,dim_y=4]]") == pytest.approx(truth(exchanged), abs=1e-13)
    np.testing.assert_allclose(np.asarray(exchanged.pmi(sample.x, sample.y)), pmi, atol=1e-11)


# ---------------------------------------------------------------------------------------------------------------------
# Maps and flows (tests/test_distributions.py undoes each of them at normal points)


@pytest.mark.parametrize(
    "name", ["cube", "linear-mix", "coupling[layers=16]", "coupling[strength=2]", "radial-rotation"]
)
@pytest.mark.parametrize("base", ["student[dof=1,dim_x=7,dim_y=4]", "gaussian-dense[dim_x=64,dim_y=65]"])
def test_flows_are_undone_far_out(name: str, base: str) -> None:
    """Relative to the size of a point, heavy tails included."""
    name, _, rest = name.partition("[")
    law = make_distribution(f"{name}[{rest.rstrip(']')}{',' if rest else ''}base={base}]")
    assert isinstance(law, Transformed)
    points = law.base.sample(2000, rng(7))
    for side, block in (("x", points.x), ("y", points.y)):
        back = law.inverse(law.forward(block, side), side)  # type: ignore[arg-type]  # a loop over words is a loop over text
        assert (np.abs(back - block).max(axis=1) / (1 + np.abs(block).max(axis=1))).max() < 1e-10


def test_linear_mix_is_linear_with_its_condition() -> None:
    law = make_distribution("linear-mix[base=gaussian-sparse[dim_x=6,dim_y=3],condition=50]")
    assert isinstance(law, Transformed)
    of_x, of_y = law.forward(np.eye(6), "x"), law.forward(np.eye(3), "y")
    assert np.linalg.cond(of_x) == pytest.approx(50)
    assert np.linalg.cond(of_y) == pytest.approx(50)
    assert abs(np.linalg.det(of_x)) == pytest.approx(1)
    points = rng(8).standard_normal((10, 6))
    np.testing.assert_allclose(law.forward(points, "x"), points @ of_x)
    # as a normal law: the covariance of the mixture has the base's MI
    m = np.block([[of_x, np.zeros((6, 3))], [np.zeros((3, 6)), of_y]])
    base = np.eye(9)
    base[[0, 1, 6, 7], [6, 7, 0, 1]] = 0.8
    mixed = make_distribution("gaussian", covariance=m.T @ base @ m, dim_x=6)
    assert truth(law) == pytest.approx(truth(mixed), abs=1e-10)


@pytest.mark.parametrize("spec", ["coupling[base=gaussian-sparse]", "radial-rotation[base=gaussian-sparse]"])
def test_flows_bend_space_without_folding_it(spec: str) -> None:
    """No linear map; the Jacobian by differences is invertible; X and Y are mapped differently."""
    law = make_distribution(spec)
    assert isinstance(law, Transformed)
    points = rng(9).standard_normal((50, 5))
    mapped = law.forward(points, "x")
    assert np.abs(law.forward(2 * points, "x") - 2 * mapped).max() > 0.1
    assert np.abs(law.forward(points, "y") - mapped).max() > 0.1
    step = 1e-6
    columns = [law.forward(points + step * e, "x") - law.forward(points - step * e, "x") for e in np.eye(5)]
    determinants = np.linalg.det(np.stack(columns, axis=2) / (2 * step))
    assert determinants.min() > 0.05
    if "radial" in spec:
        np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), np.linalg.norm(points, axis=1))
        np.testing.assert_allclose(determinants, 1, atol=1e-7)  # a rotation by an angle that it keeps


def test_seeds_give_other_maps() -> None:
    for name in ("linear-mix", "coupling"):
        first, second = (
            make_distribution(f"{name}[base=gaussian-sparse,seed={seed}]").sample(5, rng(1)) for seed in (0, 1)
        )
        assert np.abs(first.x - second.x).max() > 0.1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("low-rank[communality=0.2,mi=1]", "alternatives"),
        ("low-rank[communality=1]", "infinite"),
        ("low-rank[rank=6]", "at most 5"),
        ("low-rank[mi=61]", "at most 60"),
        ("outliers[rho=1]", "-1 < rho < 1"),
        ("outliers[pairs=6]", "at most min"),
        ("coupling[base=gaussian-sparse[dim_x=1]]", "2 or more columns"),
        ("radial-rotation[base=gaussian-sparse[dim_y=1]]", "2 or more columns"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_distribution(spec)
