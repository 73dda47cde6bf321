"""Labels and counts: truths, pointwise MI, kinds of columns, and what the harness skips."""

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from laws import plogp, pmi_of, rng, truth
from scipy import integrate, stats
from sklearn.metrics import mutual_info_score

import mibench
from mibench.distributions.discrete import FiniteTable
from mibench.interface import InputError
from mibench.registry import make_distribution, make_estimator

TABLE = ((0.3, 0.1, 0.0), (0.05, 0.2, 0.35))
SPECS = [  # with the kinds of the columns of X and of Y: d(iscrete) or c(ontinuous)
    ("discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]", "d", "d"),
    ("discrete-table[table=((9,0,0),(0,0,0),(1,0,5),(0,0,2))]", "d", "d"),
    ("symmetric-channel", "d", "d"),
    ("symmetric-channel[levels=50,error=0.5]", "d", "d"),
    ("symmetric-channel[levels=3,error=1]", "d", "d"),
    ("symmetric-channel[error=0]", "d", "d"),
    ("erasure-channel", "d", "d"),
    ("erasure-channel[levels=2,erasure=0]", "d", "d"),
    ("label-gaussian", "ccccc", "d"),
    ("label-gaussian[classes=2,dim=1,separation=1]", "c", "d"),
    ("label-gaussian[classes=40,dim=64,separation=4]", "c" * 64, "d"),
    ("label-gaussian[classes=7,dim=2,arrangement=line,separation=1.5]", "cc", "d"),
    ("discrete-uniform-noise", "d", "c"),
    ("discrete-uniform-noise[levels=2]", "d", "c"),
    ("discrete-uniform-noise[levels=100000]", "d", "c"),
    ("zero-inflated-poisson", "c", "d"),
    ("zero-inflated-poisson[p=0]", "c", "d"),
    ("zero-inflated-poisson[p=0.9]", "c", "d"),
    ("quantised-gaussian", "c", "d"),
    ("quantised-gaussian[cuts_x=(0.5),cuts_y=(),rho=-0.6]", "d", "c"),
    ("quantised-gaussian[cuts_x=(-1,0,0.3),rho=0.95]", "d", "d"),
    ("quantised-gaussian[rho=0.9999]", "c", "d"),
    ("quantised-gaussian[cuts_x=(0,1),rho=-0.9999]", "d", "d"),
    ("switched-gaussian", "dc", "dc"),
    ("switched-gaussian[rho=-0.95,error=0]", "dc", "dc"),
]
NAMES = [spec for spec, _, _ in SPECS]


# ---------------------------------------------------------------------------------------------------------------------
# All of them


@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("spec", NAMES)
def test_mean_pmi_is_the_truth(spec: str, n: int) -> None:
    """Within 4 standard errors (of rounding, where the pointwise MI is constant)."""
    pmi = make_distribution(spec).sample(n, rng(1)).pmi
    assert pmi is not None
    assert np.isfinite(pmi).all()
    assert abs(pmi.mean() - truth(spec)) < 4 * pmi.std() / math.sqrt(n) + 1e-9


@pytest.mark.parametrize(("spec", "x_kinds", "y_kinds"), SPECS)
def test_kinds_of_columns(spec: str, x_kinds: str, y_kinds: str) -> None:
    """Discrete columns hold whole numbers that repeat, continuous ones never repeat."""
    distribution = make_distribution(spec)
    sample = distribution.sample(3000, rng(2))
    for kinds, said, block in ((x_kinds, sample.shape.x, sample.x), (y_kinds, sample.shape.y, sample.y)):
        assert "".join(kind[0] for kind in said) == kinds
        for kind, column in zip(kinds, block.T, strict=True):
            if kind == "d":
                assert (column == np.round(column)).all()
            else:
                assert len(np.unique(column)) == len(column)


@pytest.mark.parametrize("spec", NAMES)
def test_density_ratio_has_mean_one_over_independent_pairs(spec: str) -> None:
    """E exp(pmi) = 1 under the product of the margins, within 4 standard errors."""
    distribution = make_distribution(spec)
    x, y = distribution.sample(100_000, rng(5)).x, distribution.sample(100_000, rng(6)).y
    ratio = np.exp(pmi_of(spec, x, y))
    if truth(spec) > 3:  # almost all of the mean comes from pairs that are hardly ever drawn
        assert ratio.mean() < 1 + 4 * ratio.std() / math.sqrt(len(ratio)) + 1e-9
    else:
        assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(len(ratio)) + 1e-9


@pytest.mark.parametrize(("spec", "kinds"), [(spec, kinds) for spec, *kinds in SPECS if len(set(kinds) - {"d"}) < 2])
def test_mi_is_at_most_the_entropy_of_a_discrete_side(spec: str, kinds: list[str]) -> None:
    """I <= H(X) where X is a label, and I <= H(Y) where Y is one; entropy of a large sample plus its bias bound."""
    n = 200_000
    sample = make_distribution(spec).sample(n, rng(3))
    for kind, block in zip(kinds, (sample.x, sample.y), strict=True):
        if kind == "d":
            counts = np.unique(block, return_counts=True)[1]
            surprise = np.repeat(-np.log(counts / n), counts)
            assert truth(spec) < surprise.mean() + 5 * surprise.std() / math.sqrt(n) + len(counts) / n


@pytest.mark.parametrize(
    ("spec", "x", "y"),
    [
        ("discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]", 0, 2),  # a cell of probability 0
        ("discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]", 2, 0),
        ("discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]", 0.5, 0),
        ("discrete-table[table=((0.3,0,0.1),(0.25,0,0.35))]", 0, 1),  # a value that never occurs: 0 / 0
        ("symmetric-channel[error=0]", 0, 1),
        ("erasure-channel", 0, 1),
        ("erasure-channel", -1, 0),
        ("label-gaussian[dim=3]", (0, 0, 0), 4),
        ("label-gaussian[dim=3]", (0, 0, 0), 0.5),
        ("discrete-uniform-noise", 1, 3.01),
        ("discrete-uniform-noise", 1, 0.99),
        ("discrete-uniform-noise", 5, 6),
        ("zero-inflated-poisson", 1, 0.5),
        ("zero-inflated-poisson", 1, -1),
        ("zero-inflated-poisson", -1, 0),
        ("zero-inflated-poisson", 0, 1),
        ("quantised-gaussian", 0, 4),
        ("quantised-gaussian[cuts_x=(0)]", 2, 0),
        ("switched-gaussian", (0.5, 0), (0, 0)),
        ("switched-gaussian[error=0]", (1, 0), (0, 0)),
    ],
)
def test_pairs_that_cannot_occur(spec: str, x: float | tuple[float, ...], y: float | tuple[float, ...]) -> None:
    """Their pointwise MI is -inf, without a warning."""
    assert pmi_of(spec, np.array([x], dtype=float), np.array([y], dtype=float)) == [-np.inf]


# ---------------------------------------------------------------------------------------------------------------------
# Tables and channels


@pytest.mark.parametrize("seed", range(3))
def test_table_against_scikit_learn(seed: int) -> None:
    """A random table of counts, with zeros, against another implementation; transposed it is the same."""
    counts = rng(seed).poisson(2, size=(5, 7)).astype(float)
    found = truth("discrete-table", table=counts)
    assert found == pytest.approx(mutual_info_score(None, None, contingency=counts), abs=1e-12)
    assert truth("discrete-table", table=counts.T) == pytest.approx(found, abs=1e-14)
    assert truth("discrete-table", table=counts / counts.sum()) == pytest.approx(found, abs=1e-14)
    merged = np.vstack([counts[:1] + counts[1:2], counts[2:]])
    assert truth("discrete-table", table=merged) < found


def test_table_of_independent_labels() -> None:
    """Zero, and never below it."""
    for seed in range(20):
        margin_x, margin_y = rng(seed).random(6), rng(seed + 100).random(4)
        assert 0 <= truth("discrete-table", table=np.outer(margin_x, margin_y)) < 1e-14


def test_samples_follow_the_table() -> None:
    """Chi-square test of the frequencies; a cell without probability is never drawn."""
    sample = make_distribution("discrete-table", table=TABLE).sample(100_000, rng(7))
    drawn = np.histogram2d(sample.x[:, 0], sample.y[:, 0], bins=(2, 3), range=((-0.5, 1.5), (-0.5, 2.5)))[0]
    expected = 100_000 * np.array(TABLE)
    assert drawn[0, 2] == 0
    assert stats.chisquare(drawn[expected > 0], expected[expected > 0]).pvalue > 1e-3


def test_table_files(tmp_path: Path) -> None:
    """A matrix in a .csv or .npy file is the same as one in brackets."""
    np.savetxt(tmp_path / "table.csv", TABLE, delimiter=",")
    np.save(tmp_path / "table.npy", TABLE)
    inline = make_distribution("discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]")
    assert make_distribution(f"discrete-table[table={tmp_path / 'table.csv'}]") == inline
    assert make_distribution(f"discrete-table[table={tmp_path / 'table.npy'}]") == inline


@pytest.mark.parametrize("levels", [2, 3, 10])
@pytest.mark.parametrize("error", [0.001, 0.3, 0.9])
def test_channels(levels: int, error: float) -> None:
    """The published capacities, and 0 where the output is as good as a guess."""
    noise = error * math.log(error / (levels - 1)) + (1 - error) * math.log1p(-error)
    assert truth("symmetric-channel", levels=levels, error=error) == pytest.approx(math.log(levels) + noise, abs=1e-13)
    assert truth("symmetric-channel", levels=levels, error=1 - 1 / levels) == pytest.approx(0, abs=1e-15)
    erased = truth("erasure-channel", levels=levels, erasure=error)
    assert erased == pytest.approx((1 - error) * math.log(levels), abs=1e-13)


def test_tables_are_normalised() -> None:
    """Each conditional distribution p(y) exp(pmi) sums to 1."""
    for name in ("symmetric-channel[levels=5]", "erasure-channel[erasure=0.9]"):
        table = make_distribution(name)
        assert isinstance(table, FiniteTable)
        p = table.probabilities
        assert p.sum() == pytest.approx(1, abs=1e-14)
        for row in range(len(p)):
            columns = np.arange(float(p.shape[1]))
            ratio = np.exp(pmi_of(name, np.full(len(columns), float(row)), columns))
            assert (p.sum(axis=0) * ratio).sum() == pytest.approx(1, abs=1e-13)


# ---------------------------------------------------------------------------------------------------------------------
# Classes with normal X


@pytest.mark.parametrize("arrangement", ["simplex", "line"])
@pytest.mark.parametrize("separation", [0.1, 1, 4, 9, 19])
def test_two_classes_by_adaptive_quadrature(separation: float, arrangement: str) -> None:
    """I = log 2 - E log(1 + exp(-d (d/2 + Z)...)): the surprise of the class, along the line between the means."""

    def surprise(z: float) -> float:
        return float(stats.norm.pdf(z) * np.logaddexp(0, -separation * (z + separation / 2)))

    expected = math.log(2) - integrate.quad(surprise, -12, 12, points=[-separation / 2, 0], epsabs=1e-12, limit=500)[0]
    found = truth("label-gaussian", classes=2, dim=3, separation=separation, arrangement=arrangement)
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("separation", [0.5, 2, 5])
def test_three_classes_over_the_plane(separation: float) -> None:
    """An equilateral triangle: entropy of the mixture summed over the plane, less that of the noise."""
    corners = separation / math.sqrt(3) * np.exp(2j * math.pi * np.arange(3) / 3)
    nodes = np.linspace(-13, 13, 1301)
    plane = nodes[:, None] + 1j * nodes
    density = sum(np.exp(-(np.abs(plane - corner) ** 2) / 2) for corner in corners) / (6 * math.pi)
    expected = -plogp(density).sum() * (nodes[1] - nodes[0]) ** 2 - math.log(2 * math.pi * math.e)
    assert truth("label-gaussian", classes=3, dim=2, separation=separation) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("classes", "separation"), [(3, 0.7), (5, 2.5), (20, 1.0)])
def test_classes_on_a_line(classes: int, separation: float) -> None:
    """Entropy of the mixture summed over the line, less that of the noise."""
    nodes = np.linspace(-15, 15 + separation * classes, 20_001)
    density = stats.norm.pdf(nodes[:, None] - separation * np.arange(classes)).mean(axis=1)
    expected = -plogp(density).sum() * (nodes[1] - nodes[0]) - 0.5 * math.log(2 * math.pi * math.e)
    found = truth("label-gaussian", classes=classes, dim=1, separation=separation, arrangement="line")
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_label_gaussian_limits(classes: int) -> None:
    """Nothing at 0, half the mean square of the class means near 0, all of the label far apart; increasing between."""
    values = [truth("label-gaussian", classes=classes, dim=99, separation=s) for s in (0, 1e-3, 1, 3, 5, 10, 20)]
    assert values[0] == pytest.approx(0, abs=1e-11)
    assert values[1] == pytest.approx(1e-6 * (classes - 1) / classes / 4, rel=1e-4)
    assert values[-1] == pytest.approx(math.log(classes), abs=1e-12)
    assert all(before < after for before, after in itertools.pairwise(values))


def test_class_means_are_as_far_apart_as_said() -> None:
    """Means of the classes in a sample: pairwise distances, and the columns that say nothing."""
    sample = make_distribution("label-gaussian[classes=4,dim=5,separation=3]").sample(100_000, rng(8))
    means = np.array([sample.x[sample.y[:, 0] == label].mean(axis=0) for label in range(4)])
    error = 4 * math.sqrt(2 * 4 / 100_000)
    distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(means, 2)]
    np.testing.assert_allclose(distances, 3, atol=error)
    np.testing.assert_allclose(means[:, 3:], 0, atol=error)


# ---------------------------------------------------------------------------------------------------------------------
# Noise and counts


@pytest.mark.parametrize("levels", [2, 3, 17])
def test_discrete_uniform_noise_by_entropies(levels: int) -> None:
    """h(Y) - log 2: the density of Y is constant between whole numbers."""
    density = np.convolve(np.full(levels, 1 / levels), [0.5, 0.5])  # on (0, 1), (1, 2), ...
    assert truth("discrete-uniform-noise", levels=levels) == pytest.approx(
        -plogp(density).sum() - math.log(2), abs=1e-13
    )


def poisson_by_quadrature(p: float) -> float:
    """For each count the integral over the rate of p(x) p(y|x) log(p(y|x) / p(y)), p(y) by quadrature as well."""

    def over_rates(integrand: Callable[[float], float]) -> float:
        points = [1e-6, 1e-3, 0.1, 1, 10, 30]
        return float(integrate.quad(lambda x: math.exp(-x) * integrand(x), 1e-13, 80, points=points, epsabs=1e-13)[0])

    def contribution(y: int) -> float:
        def given(x: float) -> float:
            return float((1 - p) * stats.poisson.pmf(y, x) + (p if y == 0 else 0))

        margin = over_rates(given)
        return over_rates(lambda x: float(plogp(np.array(given(x) / margin))) * margin)

    return sum(contribution(y) for y in range(60))


@pytest.mark.parametrize("p", [0.0, 0.15, 0.7])
def test_zero_inflated_poisson_by_quadrature(p: float) -> None:
    """To 1e-9, against a sum of adaptive quadratures."""
    assert truth("zero-inflated-poisson", p=p) == pytest.approx(poisson_by_quadrature(p), abs=1e-9)


@pytest.mark.parametrize("p", [0.01, 0.15, 0.5, 0.9])
def test_inflating_zeros_is_no_erasure(p: float) -> None:
    """(1 - p) times the Poisson MI would be right if a 0 showed which branch made it: it is too large for p > 0."""
    erased = (1 - p) * truth("zero-inflated-poisson[p=0]")
    found = truth("zero-inflated-poisson", p=p)
    assert found < erased - 1e-3
    pmi = make_distribution("zero-inflated-poisson", p=p).sample(1_000_000, rng(9)).pmi
    assert pmi is not None
    assert abs(pmi.mean() - found) < 4 * pmi.std() / 1000
    assert abs(pmi.mean() - erased) > 4 * pmi.std() / 1000


def test_zero_inflated_poisson_limits() -> None:
    """Decreasing in p, to 0."""
    values = [truth("zero-inflated-poisson", p=p) for p in (0, 1e-9, 0.1, 0.5, 0.9, 0.999)]
    assert all(before > after > 0 for before, after in itertools.pairwise(values))
    assert values[1] == pytest.approx(values[0], abs=1e-7)
    assert values[-1] < 1e-3


# ---------------------------------------------------------------------------------------------------------------------
# Quantised normal pairs


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.8, 0.999, 0.999999])
def test_two_halves(rho: float) -> None:
    """Cut at 0 on both sides: P(same side) = 1/2 + asin(rho) / pi."""
    same = 0.5 + math.asin(rho) / math.pi
    expected = math.log(2) + float(plogp(np.array([same, 1 - same])).sum())
    assert truth("quantised-gaussian", rho=rho, cuts_x=(0.0,), cuts_y=(0.0,)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rho", [0.2, -0.7, 0.98])
def test_cells_of_the_normal_plane(rho: float) -> None:
    """Cells from the bivariate normal distribution function."""
    cuts_x, cuts_y = (-1.2, 0.1, 0.7), (-0.4, 1.5)
    ends_x, ends_y = np.array([-9, *cuts_x, 9]), np.array([-9, *cuts_y, 9])
    below = np.array(
        [[stats.multivariate_normal.cdf((a, b), cov=[[1, rho], [rho, 1]]) for b in ends_y] for a in ends_x]
    )
    cells = np.maximum(np.diff(np.diff(below, axis=0), axis=1), 0)
    expected = (plogp(cells)).sum() - plogp(cells.sum(axis=0)).sum() - plogp(cells.sum(axis=1)).sum()
    found = truth("quantised-gaussian", rho=rho, cuts_x=cuts_x, cuts_y=cuts_y)
    assert found == pytest.approx(expected, abs=1e-9)
    assert truth("quantised-gaussian", rho=rho, cuts_x=cuts_y, cuts_y=cuts_x) == pytest.approx(found, abs=1e-12)
    flipped = truth("quantised-gaussian", rho=-rho, cuts_x=cuts_x, cuts_y=tuple(-cut for cut in reversed(cuts_y)))
    assert flipped == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("cuts", [(0.0,), (-1.0, 0.0, 1.0), (-3.0, 2.9, 3.1)])
@pytest.mark.parametrize("rho", [0.05, -0.8, 0.999, 0.99999])
def test_one_side_cut_by_adaptive_quadrature(rho: float, cuts: tuple[float, ...]) -> None:
    """H(level) - E H(level | u), with breakpoints where a cut is crossed."""
    noise = math.sqrt(1 - rho**2)
    ends = np.array([-np.inf, *cuts, np.inf])

    def doubt(u: float) -> float:
        return -float(plogp(np.diff(stats.norm.cdf((ends - rho * u) / noise))).sum() * stats.norm.pdf(u))

    around = [cut / rho + k * noise / abs(rho) for cut in cuts for k in (-6, -2, 0, 2, 6)]
    edges = sorted({-10.0, *(point for point in around if abs(point) < 10), 10.0})
    left = sum(integrate.quad(doubt, a, b, epsabs=1e-13, limit=200)[0] for a, b in itertools.pairwise(edges))
    expected = -float(plogp(np.diff(stats.norm.cdf(ends))).sum()) - left
    assert truth("quantised-gaussian", rho=rho, cuts_y=cuts) == pytest.approx(expected, abs=1e-9)
    assert truth("quantised-gaussian", rho=rho, cuts_x=cuts, cuts_y=()) == pytest.approx(expected, abs=1e-9)


def test_finer_levels_keep_more() -> None:
    """Coarser never has more (data processing); many levels come near the MI of the normal pair, from below."""
    normal = -0.5 * math.log(1 - 0.8**2)
    grids = [tuple(np.linspace(-4, 4, count).tolist()) for count in (3, 9, 33, 129)]
    one = [truth("quantised-gaussian", rho=0.8, cuts_y=cuts) for cuts in grids]
    both = [truth("quantised-gaussian", rho=0.8, cuts_x=cuts, cuts_y=cuts) for cuts in grids]
    assert all(a < b < normal for a, b in itertools.pairwise(one))
    assert all(a < b < normal for a, b in itertools.pairwise(both))
    assert all(a < b for a, b in zip(both, one, strict=True))
    assert both[-1] == pytest.approx(normal, abs=3e-3)


def test_levels_far_out_have_a_finite_pointwise_mi() -> None:
    """Differences of distribution functions do not cancel: 12 standard deviations out on either side."""
    u = np.array([-12.0, -3.0, 3.0, 12.0])
    for level in range(4):
        assert np.isfinite(pmi_of("quantised-gaussian[rho=0.99]", u, np.full(4, float(level)))).all()


# ---------------------------------------------------------------------------------------------------------------------
# Labels and numbers in one block


@pytest.mark.parametrize(("rho", "error"), [(0.8, 0.2), (-0.5, 0.0), (0.9, 0.5)])
def test_switched_gaussian_over_all_bits(rho: float, error: float) -> None:
    """The joint density of (L, U, M, V) summed over bits and plane; margins are sums of it."""
    nodes = np.linspace(-9, 9, 721)
    step = nodes[1] - nodes[0]
    u, v = nodes[:, None], nodes
    joint = np.stack(
        [
            [
                0.5 * (error if bit != received else 1 - error) * stats.norm.pdf(u)
                * stats.norm.pdf(v, (1 - 2 * bit) * rho * u, math.sqrt(1 - rho**2))
                for received in (0, 1)
            ]
            for bit in (0, 1)
        ]
    )  # fmt: skip
    of_x, of_y = joint.sum(axis=(1, 3)) * step, joint.sum(axis=(0, 2)) * step
    expected = plogp(joint).sum() * step**2 - (plogp(of_x).sum() + plogp(of_y).sum()) * step
    assert truth("switched-gaussian", rho=rho, error=error) == pytest.approx(expected, abs=1e-9)
    ratio = joint / (of_x[:, None, :, None] * of_y[None, :, None, :])
    for bit, received in itertools.product((0, 1), (0, 1)):
        inner = slice(200, 521, 40)
        points = np.array([(bit, a, received, b) for a in nodes[inner] for b in nodes[inner]])
        found = np.exp(pmi_of(f"switched-gaussian[rho={rho},error={error}]", points[:, :2], points[:, 2:]))
        np.testing.assert_allclose(found, ratio[bit, received, inner, inner].ravel(), rtol=1e-7, atol=1e-12)


def test_only_the_label_tells_how_the_numbers_go_together() -> None:
    """U and V are uncorrelated, and correlated with opposite signs given L."""
    sample = make_distribution("switched-gaussian").sample(100_000, rng(10))
    product = sample.x[:, 1] * sample.y[:, 1]
    assert abs(product.mean()) < 4 * product.std() / math.sqrt(100_000)
    for bit, sign in ((0, 1), (1, -1)):
        chosen = product[sample.x[:, 0] == bit]
        assert abs(chosen.mean() - sign * 0.8) < 4 * chosen.std() / math.sqrt(len(chosen))


# ---------------------------------------------------------------------------------------------------------------------
# Harness and wrong parameters


def test_harness_skips_what_an_estimator_does_not_support(tmp_path: Path) -> None:
    """A discrete, a mixed and a continuous task: ksg runs on the last only and says why, binning runs on all."""
    rows = mibench.run(
        estimator=["ksg", "binning"],
        distribution=["symmetric-channel", "switched-gaussian", "gaussian-sparse[dim_x=1,dim_y=1]"],
        n=300,
        seeds=2,
        store=tmp_path / "rows.sqlite",
    )
    skipped = rows[rows["status"] == "skipped"]
    assert set(skipped["estimator"]) == {"ksg"}
    assert skipped["distribution"].tolist().count("symmetric-channel") == 2
    assert skipped["distribution"].tolist().count("switched-gaussian") == 2
    assert len(skipped) == 4
    assert skipped["estimate"].isna().all()
    for name, kind in (("symmetric-channel", "discrete"), ("switched-gaussian", "mixed")):
        reasons = set(skipped[skipped["distribution"] == name]["error_text"])
        assert reasons == {f"{kind} columns are not supported (only continuous)"}
    assert (rows["status"] == "ok").sum() == 8


@pytest.mark.parametrize("spec", [spec for spec in NAMES if "dim=64" not in spec])
def test_estimators_that_take_every_kind(spec: str) -> None:
    """No kind of column is declined by binning and infonce (a grid over 64 columns is, for its size), all by ksg."""
    shape = make_distribution(spec).sample_shape(10_000)
    assert make_estimator("binning[bins=2]").unsupported(shape) is None
    assert make_estimator("infonce").unsupported(shape) is None
    assert make_estimator("ksg").unsupported(shape) is not None


def test_estimators_of_discrete_columns_find_the_truth() -> None:
    """The plug-in estimate of two labels is within 4 standard errors of the truth, after Miller and Madow."""
    sample = make_distribution("symmetric-channel").sample(50_000, rng(11))
    assert sample.pmi is not None
    found = mibench.estimate(
        sample.x, sample.y, "binning[correction=miller-madow]", x_discrete=(True,), y_discrete=(True,)
    )
    assert abs(found.value - truth("symmetric-channel")) < 4 * sample.pmi.std() / math.sqrt(50_000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("discrete-table", "needs table"),
        ("discrete-table[table=((0.5,0.5),(0.1))]", "unequal length"),
        ("discrete-table[table=()]", "unequal length"),
        ("discrete-table[table=((0.5,-0.1),(0.1,0.5))]", "negative or not finite"),
        ("discrete-table[table=((0.5,inf),(0.1,0.5))]", "negative or not finite"),
        ("discrete-table[table=((0.5,0.5))]", "constant"),
        ("discrete-table[table=((0.5,0),(0.5,0))]", "constant"),
        ("discrete-table[table=((0,0),(0,0))]", "constant"),
        ("discrete-table[table=missing.csv]", "cannot be read"),
        ("symmetric-channel[levels=1]", "out of range"),
        ("symmetric-channel[error=1.1]", "out of range"),
        ("erasure-channel[erasure=1]", "out of range"),
        ("label-gaussian[classes=8]", "dim >= 7"),
        ("label-gaussian[arrangement=cube]", "not accepted"),
        ("discrete-uniform-noise[levels=1]", "out of range"),
        ("zero-inflated-poisson[p=1]", "out of range"),
        ("quantised-gaussian[rho=1]", "-1 < rho < 1"),
        ("quantised-gaussian[cuts_y=()]", "nothing is cut"),
        ("quantised-gaussian[cuts_x=(1,1)]", "does not increase"),
        ("quantised-gaussian[cuts_y=(9)]", "out of range"),
        ("switched-gaussian[rho=-1]", "-1 < rho < 1"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    """One line that says what is accepted."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make_distribution(spec)
    assert "\n" not in str(caught.value)
