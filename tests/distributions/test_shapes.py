"""Shapes without correlation: densities and truths summed over the plane, symmetries, limits."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from laws import plogp, pmi_of, rng, truth
from scipy import integrate, stats

from mibench.interface import Array, InputError
from mibench.registry import make_distribution

SPECS = [
    "sign",
    "sign[dim_x=1,dim_y=1,rho=-0.5]",
    "sign[dim_x=3,dim_y=6,pairs=3,rho=0.99]",
    "sign[dim_x=1,dim_y=1,rho=0.999999]",
    "bend-and-mix",
    "bend-and-mix[rho=-0.6,bend=1]",
    "bend-and-mix[rho=0.999,bend=-1]",
    "ring",
    "ring[sharpness=100]",
    "ring[dim_x=3,dim_y=2,sharpness=4]",
    "xor",
    "xor[dim_x=6,dim_y=3,copies=3,error=0.2]",
    "xor[error=0]",
    "checkerboard",
    "checkerboard[periods=7,error=0.1]",
    "spiral-clusters",
    "spiral-clusters[arms=4,clusters=12,turns=2,spread=0.02]",
    "sinusoid",
    "sinusoid[frequency=40,noise=0.05]",
]


# ---------------------------------------------------------------------------------------------------------------------
# All of them


@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("spec", SPECS)
def test_mean_pmi_is_the_truth(spec: str, n: int) -> None:
    """Within 4 standard errors (of rounding, where the pointwise MI is constant)."""
    pmi = make_distribution(spec).sample(n, rng(1)).pmi
    assert pmi is not None
    assert np.isfinite(pmi).all()
    assert abs(pmi.mean() - truth(spec)) < 4 * pmi.std() / math.sqrt(n) + 1e-9


@pytest.mark.parametrize("spec", SPECS)
def test_no_correlation(spec: str) -> None:
    """Every Cor(X_i, Y_j) is 0 within 4.5 standard errors, while MI is not."""
    n = 200_000
    sample = make_distribution(spec).sample(n, rng(2))
    x, y = sample.x - sample.x.mean(axis=0), sample.y - sample.y.mean(axis=0)
    for i, j in itertools.product(range(x.shape[1]), range(y.shape[1])):
        product = x[:, i] * y[:, j]
        assert abs(product.mean()) < 4.5 * product.std() / math.sqrt(n)
    assert truth(spec) > 0.02


@pytest.mark.parametrize(
    ("spec", "mirror_x", "mirror_y"),
    [
        ("sign", lambda x: x, lambda y: -y),
        ("bend-and-mix", lambda x: x, lambda y: -y),
        ("ring[dim_x=2,dim_y=3]", lambda x: x, lambda y: -y),
        ("checkerboard[error=0.1]", lambda x: 1 - x, lambda y: y),
        ("sinusoid", lambda x: 1 - x, lambda y: y),
        ("spiral-clusters[arms=4]", lambda x: -x, lambda y: -y),
    ],
)
def test_mirror_images_are_as_likely(
    spec: str, mirror_x: Callable[[Array], Array], mirror_y: Callable[[Array], Array]
) -> None:
    """The symmetry that makes the correlation 0 in the population."""
    sample = make_distribution(spec).sample(1000, rng(3))
    assert sample.pmi is not None
    np.testing.assert_allclose(pmi_of(spec, mirror_x(sample.x), mirror_y(sample.y)), sample.pmi, atol=1e-9)


@pytest.mark.parametrize("turns", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("arms", [3, 4, 5])
def test_spiral_covariance_is_a_multiple_of_the_identity(arms: int, turns: float) -> None:
    """Exactly: that of the cluster centres, drawn with next to no spread, each at its own share of the points."""
    spiral = make_distribution("spiral-clusters", arms=arms, turns=turns, clusters=2, spread=0.01)
    sample = spiral.sample(100_000, rng(4))
    second = np.array([(sample.x[:, 0] ** 2).mean(), (sample.y[:, 0] ** 2).mean()])
    product = sample.x[:, 0] * sample.y[:, 0]
    expected = (0.5**2 + 1) / 4 + 0.01**2
    np.testing.assert_allclose(second, expected, atol=4 * 0.5 / math.sqrt(100_000))
    assert abs(product.mean()) < 4 * product.std() / math.sqrt(100_000)


# ---------------------------------------------------------------------------------------------------------------------
# Densities written down independently, margins as sums of them


def mixed_pair(rho: float, bend: float) -> Callable[[Array, Array], Array]:
    """Density of (U, g(V)) or (U, -g(V)), each half of the time."""

    def density(x: Array, y: Array) -> Array:
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        for side in (y, -y):
            v = np.sinh(np.arcsinh(side) - bend)
            slope = np.cosh(np.arcsinh(side) - bend) / np.sqrt(1 + side**2)
            total = total + 0.5 * slope * stats.norm.pdf(x) * stats.norm.pdf(v, rho * x, math.sqrt(1 - rho**2))
        return total

    return density


def ring(sharpness: int) -> Callable[[Array, Array], Array]:
    """Uniform angle, squared radius chi-square: p(x, y) = f(r^2) / pi."""
    return lambda x, y: np.asarray(stats.chi2.pdf(x**2 + y**2, 2 + 2 * sharpness) / math.pi)


def spiral(x: Array, y: Array) -> Array:
    """The default spiral."""
    arm, place = np.arange(3)[:, None], np.arange(1, 7) / 6
    centres = place * np.exp(2j * math.pi * (0.75 * place + arm / 3))
    clusters = [stats.norm.pdf(x, c.real, 0.05) * stats.norm.pdf(y, c.imag, 0.05) for c in centres.ravel()]
    return np.asarray(sum(clusters) / 18)


PLANES = [  # specification, density, nodes of x, nodes of y
    ("sign[dim_x=1,dim_y=1,rho=0.6]", mixed_pair(0.6, 0), np.linspace(-9, 9, 1201), np.linspace(-9, 9, 1201)),
    ("sign[dim_x=1,dim_y=1,rho=-0.95]", mixed_pair(0.95, 0), np.linspace(-9, 9, 2401), np.linspace(-9, 9, 2401)),
    ("bend-and-mix", mixed_pair(0.9, 0.5), np.linspace(-9, 9, 1801), np.linspace(-16, 16, 3001)),
    ("bend-and-mix[rho=-0.6,bend=1]", mixed_pair(-0.6, 1), np.linspace(-9, 9, 1201), np.linspace(-25, 25, 3001)),
    ("bend-and-mix[rho=0.3,bend=-0.7]", mixed_pair(0.3, -0.7), np.linspace(-9, 9, 1201), np.linspace(-20, 20, 3001)),
    ("ring[sharpness=1]", ring(1), np.linspace(-11, 11, 2001), np.linspace(-11, 11, 2001)),
    ("ring", ring(10), np.linspace(-14, 14, 1201), np.linspace(-14, 14, 1201)),
    ("ring[sharpness=60]", ring(60), np.linspace(-20, 20, 1201), np.linspace(-20, 20, 1201)),
    ("spiral-clusters", spiral, np.linspace(-1.5, 1.5, 1201), np.linspace(-1.5, 1.5, 1201)),
]


@pytest.mark.parametrize(("spec", "density", "x", "y"), PLANES, ids=[spec for spec, *_ in PLANES])
def test_truth_and_pmi_over_the_plane(spec: str, density: Callable[[Array, Array], Array], x: Array, y: Array) -> None:
    """I = h(X) + h(Y) - h(X, Y) summed over the plane to 1e-8, and the pointwise MI on a part of it."""
    dx, dy = x[1] - x[0], y[1] - y[0]
    joint = density(x[:, None], y[None, :])
    of_x, of_y = joint.sum(axis=1) * dy, joint.sum(axis=0) * dx
    assert of_x.sum() * dx == pytest.approx(1, abs=1e-9)
    expected = plogp(joint).sum() * dx * dy - plogp(of_x).sum() * dx - plogp(of_y).sum() * dy
    assert truth(spec) == pytest.approx(expected, abs=1e-8)
    rows, columns = rng(5).integers(len(x), size=500), rng(6).integers(len(y), size=500)
    likely = joint[rows, columns] > 1e-12
    rows, columns = rows[likely], columns[likely]
    assert len(rows) > 20
    ratio = joint[rows, columns] / (of_x[rows] * of_y[columns])
    np.testing.assert_allclose(pmi_of(spec, x[rows], y[columns]), np.log(ratio), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("rho", "bend"), [(0.9999, 0.0), (0.99, 0.8), (-0.999, 1.0)])
def test_bend_and_mix_near_determinism(rho: float, bend: float) -> None:
    """PMI averaged over Y given X by a finer rule, over X by adaptive quadrature."""
    noise = math.sqrt(1 - rho**2)
    z = np.linspace(-9, 9, 1001)
    weights = stats.norm.pdf(z) * (z[1] - z[0])

    def pmi_given(x: float) -> float:
        y = np.sinh(np.arcsinh(rho * x + noise * z) + bend)
        found = pmi_of(f"bend-and-mix[rho={rho},bend={bend}]", np.full(len(z), x), y)
        return float(stats.norm.pdf(x) * (weights @ found))

    crossing = -math.sinh(bend) / rho
    around = [crossing + sign * noise * 4.0**k for k in range(-1, 7) for sign in (-1, 1)]
    edges = sorted({-9.0, crossing, 9.0, *(edge for edge in around if abs(edge) < 9)})
    expected = sum(integrate.quad(pmi_given, a, b, epsabs=1e-11)[0] for a, b in itertools.pairwise(edges))
    assert truth("bend-and-mix", rho=rho, bend=bend) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("pairs", "rho"), [(1, 0.999), (2, 0.9), (3, -0.4), (30, 0.2), (200, 0.05)])
def test_sign_of_several_pairs(pairs: int, rho: float) -> None:
    """The information about the sign through log cosh, over a chi law of |X|, by adaptive quadrature."""

    def of_sign(a: float) -> float:
        # A sign seen as +-a in unit normal noise: a^2 - E log cosh(a (a + Z)), the textbook form.
        edges = sorted({-10.0, -a, 10.0} | {-a + side * k / max(a, 1) for side in (-1, 1) for k in (1, 4)})
        edges = [edge for edge in edges if abs(edge) <= 10]
        pieces = itertools.pairwise(edges)
        soft = sum(
            integrate.quad(
                lambda z: stats.norm.pdf(z) * (np.logaddexp(a * (a + z), -a * (a + z)) - math.log(2)), *piece
            )[0]
            for piece in pieces
        )
        return float(a * a - soft) if a < 9 else math.log(2)

    gain = abs(rho) / math.sqrt(1 - rho**2)
    law = stats.chi(pairs)
    edges = np.unique([*law.ppf([1e-14, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-6]), law.isf(1e-14)])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    expected = -pairs / 2 * math.log(1 - rho**2)
    for low, high in itertools.pairwise(edges):
        r = low + (high - low) * (1 + nodes) / 2
        expected -= (high - low) / 2 * sum(w * law.pdf(a) * of_sign(gain * a) for w, a in zip(weights, r, strict=True))
    assert truth("sign", dim_x=pairs, dim_y=pairs, pairs=pairs, rho=rho) == pytest.approx(expected, abs=2e-7)


def test_sign_is_the_straight_bend() -> None:
    """Without a bend, bend-and-mix is one pair of sign: another quadrature of the same number."""
    for rho in (0.01, -0.5, 0.9, 0.9999):
        straight = truth("bend-and-mix", rho=rho, bend=0.0)
        assert truth("sign", dim_x=1, dim_y=1, rho=rho) == pytest.approx(straight, abs=1e-10)
        assert truth("sign", dim_x=40, dim_y=7, pairs=1, rho=rho) == pytest.approx(straight, abs=1e-10)


@pytest.mark.parametrize(("dim_x", "dim_y", "sharpness"), [(1, 2, 3), (2, 2, 20), (3, 5, 8), (20, 1, 100)])
def test_shell_by_the_joint_law_of_the_norms(dim_x: int, dim_y: int, sharpness: int) -> None:
    """PMI depends on the norms: |X|^2 = r^2 B with B beta and r^2 chi-square, or the density ratio of all three."""
    total = dim_x + dim_y
    alone, joint = stats.chi2(total), stats.chi2(total + 2 * sharpness)
    a, b = np.meshgrid(np.linspace(-16, 7, 1500), np.linspace(-16, 7, 1500), indexing="ij")
    square_x, square_y = np.exp(a), np.exp(b)
    base = stats.chi2.pdf(square_x, dim_x) * stats.chi2.pdf(square_y, dim_y) * square_x * square_y
    density = base * joint.pdf(square_x + square_y) / alone.pdf(square_x + square_y).clip(1e-300)
    step = 23 / 1499
    of_x, of_y = density.sum(axis=1) * step, density.sum(axis=0) * step
    expected = plogp(density).sum() * step**2 - plogp(of_x).sum() * step - plogp(of_y).sum() * step
    found = truth("ring", dim_x=dim_x, dim_y=dim_y, sharpness=sharpness)
    # What lies below exp(-16) is cut off: sqrt of it for one column.
    assert found == pytest.approx(expected, abs=1e-3 if 1 in (dim_x, dim_y) else 1e-6)
    assert truth("ring", dim_x=dim_y, dim_y=dim_x, sharpness=sharpness) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("noise", [0.02, 0.3, 2.0])
def test_sinusoid_margin_by_adaptive_quadrature(noise: float) -> None:
    """h(Y) - h(noise), with p(y) from the arcsine law of the cosine."""

    def margin(y: float) -> float:
        around = [math.acos(min(max(y + k * noise, -1), 1)) for k in (-6, -2, 0, 2, 6)]
        pieces = itertools.pairwise(sorted({0.0, *around, math.pi}))
        return sum(
            integrate.quad(lambda t: stats.norm.pdf(y, math.cos(t), noise), *piece, epsabs=1e-12)[0] / math.pi
            for piece in pieces
        )

    for y in (-1 - 3 * noise, -0.7, 0.0, 0.99, 1 + noise):
        x = 0.4 / 3
        expected = stats.norm.logpdf(y, math.cos(0.8 * math.pi), noise) - math.log(margin(y))
        found = pmi_of(f"sinusoid[noise={noise}]", np.array([x]), np.array([y]))[0]
        assert found == pytest.approx(expected, abs=1e-8)
    step = noise / (10 if noise > 0.1 else 2)
    points = np.arange(0, 1 + 9 * noise, step)
    terms = plogp(np.array([margin(point) for point in points]))
    entropy = -step * (2 * terms.sum() - terms[0])  # symmetric: the first point counts once, the others twice
    expected = entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)
    assert truth("sinusoid", noise=noise) == pytest.approx(expected, abs=1e-8)


def test_frequency_changes_nothing() -> None:
    """The MI of the sinusoid is that of its cosine; the checkerboard's that of its channel."""
    assert truth("sinusoid[frequency=1]") == truth("sinusoid[frequency=500]")
    assert truth("checkerboard[periods=1,error=0.1]") == truth("checkerboard[periods=50,error=0.1]")


# ---------------------------------------------------------------------------------------------------------------------
# Products of signs


@pytest.mark.parametrize("error", [0.0, 0.05, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("copies", [1, 3])
def test_xor_truth(copies: int, error: float) -> None:
    """One bit less the entropy of the error, for each copy."""
    expected = copies * (math.log(2) + float(plogp(np.array([error, 1 - error])).sum()))
    assert truth("xor", dim_x=7, dim_y=4, copies=copies, error=error) == pytest.approx(expected, abs=1e-14)
    if copies == 1:
        assert truth("checkerboard", error=error) == pytest.approx(expected, abs=1e-14)


def test_xor_needs_both_columns() -> None:
    """One column of X and Y are independent (p-values of contingency tables); both together are not."""
    sample = make_distribution("xor").sample(100_000, rng(7))
    first, second, y = sample.x[:, 0] > 0, sample.x[:, 1] > 0, sample.y[:, 0] > 0
    for one, other in ((first, y), (second, y), (first, second)):
        assert stats.chi2_contingency(np.histogram2d(one, other, bins=2)[0]).pvalue > 1e-3
    agree = (first == second) == y
    assert abs(agree.mean() - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 100_000)
    for column in (*sample.x.T, *sample.y.T):
        assert stats.kstest(column, stats.norm.cdf).pvalue > 1e-3


def test_checkerboard_squares() -> None:
    """Margins uniform, white squares empty up to errors, and the covariance integral is exactly 0."""
    sample = make_distribution("checkerboard[error=0.1]").sample(100_000, rng(8))
    x, y = sample.x[:, 0], sample.y[:, 0]
    assert stats.kstest(x, "uniform").pvalue > 1e-3
    assert stats.kstest(y, "uniform").pvalue > 1e-3
    white = np.cos(4 * math.pi * x) * np.cos(4 * math.pi * y) < 0
    assert abs(white.mean() - 0.1) < 4 * math.sqrt(0.1 * 0.9 / 100_000)
    midpoints = (np.arange(8000) + 0.5) / 8000
    signs = np.sign(np.cos(4 * math.pi * midpoints))
    assert ((midpoints - 0.5) * signs).mean() == pytest.approx(0, abs=1e-14)
    assert signs.mean() == 0


@pytest.mark.parametrize(
    ("spec", "x", "y"),
    [
        ("xor[dim_x=2,dim_y=1,error=0]", (1, 1), (-1,)),
        ("checkerboard", (0.5,), (0.25,)),
        ("checkerboard", (1.5,), (0.5,)),
        ("sinusoid", (1.5,), (0,)),
        ("ring", (0,), (0,)),
    ],
)
def test_pairs_that_cannot_occur(spec: str, x: tuple[float, ...], y: tuple[float, ...]) -> None:
    """Their pointwise MI is -inf, without a warning."""
    assert pmi_of(spec, np.array([x], dtype=float), np.array([y], dtype=float)) == [-np.inf]


# ---------------------------------------------------------------------------------------------------------------------
# Limits and wrong parameters


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("sign", "rho", (0.0, 0.01, 0.3, -0.6, 0.9, 0.9999)),
        ("bend-and-mix", "rho", (0.0, 0.3, 0.6, 0.9, 0.9999)),
        ("ring", "sharpness", (0, 1, 2, 10, 100)),
        ("xor", "error", (0.5, 0.4, 0.1, 0.0)),
        ("checkerboard", "error", (0.5, 0.7, 0.9, 1.0)),
        ("spiral-clusters", "spread", (1.0, 0.5, 0.1, 0.05, 0.01)),
        ("sinusoid", "noise", (1000.0, 10.0, 1.0, 0.1, 0.02)),
    ],
)
def test_strength(name: str, key: str, values: tuple[float, ...]) -> None:
    """The parameter of strength takes MI from (nearly) nothing upwards, without going below 0."""
    truths = [truth(name, **{key: value}) for value in values]
    assert 0 <= truths[0] < 2e-4
    assert all(before < after for before, after in itertools.pairwise(truths))


def test_known_limits() -> None:
    """A sign costs at most a bit; clusters that are far apart tell all; a weak sinusoid is a weak normal channel."""
    for rho in (0.5, 0.99, 0.999999):
        normal = -math.log(1 - rho**2)
        assert normal - math.log(2) < truth("sign", rho=rho) < normal
    assert truth("sign", rho=0.999999) == pytest.approx(-math.log(1 - 0.999999**2) - math.log(2), abs=1e-4)
    apart = truth("spiral-clusters[arms=3,clusters=1,turns=0.1,spread=0.01]")
    assert apart == pytest.approx(math.log(3), abs=1e-9)
    assert truth("sinusoid[noise=100]") == pytest.approx(0.5 * math.log1p(0.5 / 100**2), rel=1e-4)


@pytest.mark.parametrize("spec", ["sign", "ring"])
def test_a_thousand_dimensions(spec: str) -> None:
    """Truth and mean pointwise MI agree at 1000 x 1000 too."""
    large = make_distribution(spec, dim_x=1000, dim_y=1000)
    pmi = large.sample(2000, rng(9)).pmi
    assert pmi is not None
    found = large.ground_truth()
    assert found is not None
    assert abs(pmi.mean() - found.value) < 4 * pmi.std() / math.sqrt(2000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sign[rho=1]", "-1 < rho < 1"),
        ("sign[pairs=6]", "at most min"),
        ("bend-and-mix[rho=1]", "out of range"),
        ("bend-and-mix[bend=2]", "out of range"),
        ("ring[sharpness=-1]", "out of range"),
        ("ring[sharpness=0.5]", "whole number"),
        ("xor[dim_x=1]", "out of range"),
        ("xor[copies=3]", "at most min(dim_x / 2, dim_y) = 2"),
        ("checkerboard[periods=0]", "out of range"),
        ("spiral-clusters[arms=2]", "out of range"),
        ("sinusoid[noise=0]", "out of range"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    """One line that says what is accepted."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make_distribution(spec)
    assert "\n" not in str(caught.value)
