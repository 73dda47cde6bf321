"""Copulas with any margins: density, conditional law, truth and samples against textbook formulas in high precision."""

import itertools
import math
from collections.abc import Callable
from typing import Any, get_args

import mpmath
import numpy as np
import pytest
from laws import rng, truth
from scipy import integrate, special, stats

from mibench.distributions.copula_pairs import CopulaPairs
from mibench.distributions.copulas import Archimedean
from mibench.distributions.margins import Continuous, ContinuousMargin, Discrete, DiscreteMargin, margin
from mibench.interface import InputError, kinds_of
from mibench.registry import make_distribution
from mibench.testing import check_distribution

ARCHIMEDEAN = ["clayton", "gumbel", "frank", "joe"]
COPULAS = [*ARCHIMEDEAN, "normal-copula", "student-copula"]
STRENGTHS = {
    "clayton": [1e-3, 0.4, 2, 30, 1e6],
    "gumbel": [1.001, 1.3, 3, 30, 1e6],
    "frank": [-40, -3, 1e-3, 0.9, 1.1, 8, 1e6],
    "joe": [1.001, 1.3, 2, 30, 1e6],
}
CASES = [f"{name}[theta={theta}]" for name, thetas in STRENGTHS.items() for theta in thetas] + [
    "normal-copula[rho=-0.9]",
    "normal-copula[rho=0.4]",
    "normal-copula[mi=12,pairs=1]",
    "student-copula[rho=0,dof=1]",
    "student-copula[rho=-0.8,dof=3]",
    "student-copula[rho=0.6,dof=0.1]",
    "student-copula[mi=10,dof=30,pairs=1]",
]
MODERATE = [
    "clayton[theta=1.5]",
    "gumbel[theta=1.8]",
    "frank[theta=-6]",
    "joe[theta=2.5]",
    "normal-copula[rho=-0.7]",
    "student-copula[rho=0.3,dof=1]",
]
# Log odds in the middle, in both tails and in the corners, near the diagonals and off them.
POINTS = [
    *itertools.product([-3.0, -0.5, 0.1, 2.0], repeat=2),
    (-15.0, -15.2),
    (14.0, 14.5),
    (-12.0, 11.9),
    (13.0, -9.0),
    (1.2, 1.2 + 1e-6),
    (-7.0, -7.0 - 1e-6),
]


def copula(spec: str, **parameters: object) -> CopulaPairs:
    """A copula by its specification."""
    found = make_distribution(spec, **parameters)
    assert isinstance(found, CopulaPairs)
    return found


def textbook(name: str, theta: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The generator phi of an Archimedean copula and its inverse, in arbitrary precision."""
    mp = mpmath
    theta = mp.mpf(theta)
    generators: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        "clayton": (lambda u: u**-theta - 1, lambda s: (1 + s) ** (-1 / theta)),
        "gumbel": (lambda u: (-mp.log(u)) ** theta, lambda s: mp.exp(-(s ** (1 / theta)))),
        "frank": (
            lambda u: -mp.log1p((mp.exp(-theta * u) - mp.exp(-theta)) / mp.expm1(-theta)),
            lambda s: -mp.log(mp.exp(-s - theta) - mp.expm1(-s)) / theta,
        ),
        "joe": (lambda u: -mp.log1p(-((1 - u) ** theta)), lambda s: 1 - (-mp.expm1(-s)) ** (1 / theta)),
    }
    return generators[name]


def mp_cdf(name: str, theta: Any, u: Any, v: Any) -> Any:
    """C(u, v)."""
    phi, psi = textbook(name, theta)
    return psi(phi(u) + phi(v))


def name_and_theta(spec: str) -> tuple[str, Any]:
    name, _, rest = spec.partition("[theta=")
    return name, mpmath.mpf(rest.rstrip("]")) if rest else None


# ---------------------------------------------------------------------------------------------------------------------
# Density and conditional law


@pytest.mark.parametrize("spec", [case for case in CASES if case.partition("[")[0] in ARCHIMEDEAN])
def test_archimedean_density_and_conditional(spec: str) -> None:
    """Against difference quotients of the textbook generators in 400 digits."""
    name, theta = name_and_theta(spec)
    one = copula(spec)
    tested = 0
    with mpmath.workdps(400):
        phi, psi = textbook(name, theta)
        for s, t in POINTS:
            u, v = (1 / (1 + mpmath.exp(-mpmath.mpf(odds))) for odds in (s, t))
            total = phi(u) + phi(v)
            density = slope(lambda x: slope(psi, x, -120), total, -60) * slope(phi, u, -120) * slope(phi, v, -120)
            given = slope(psi, total, -120) * slope(phi, u, -120)
            if not 1e-200 < given < 1 - mpmath.mpf(10) ** -50 or density < 1e-200:
                continue  # no digits are left
            tested += 1
            found = one.log_density(np.array([s]), np.array([t]))[0], one.conditional(np.array([s]), np.array([t]))[0]
            precision = 1e-14 * float(abs(theta)) + 1e-12
            assert found[0] == pytest.approx(float(mpmath.log(density)), rel=1e-11, abs=precision)
            assert found[1] == pytest.approx(float(mpmath.log(given / (1 - given))), rel=1e-11, abs=precision)
    assert tested >= (3 if abs(theta) > 1000 else 12)


def slope(f: Callable[[Any], Any], at: Any, digits: int) -> Any:
    """Central difference quotient."""
    h = at * mpmath.mpf(10) ** digits
    return (f(at + h) - f(at - h)) / (2 * h)


@pytest.mark.parametrize(("dof", "rho"), [(None, -0.9), (None, 0.4), (1.0, 0.0), (3.0, -0.8), (0.1, 0.6), (1e6, 0.5)])
def test_elliptical_density_and_conditional(dof: float | None, rho: float) -> None:
    """Against the bivariate laws of scipy at their own quantiles; P(V <= v | U = u) by quadrature of the density."""
    law: Any
    joint: Any
    multivariate_t: Any = stats.multivariate_t
    if dof is None:
        one = copula("normal-copula", rho=rho)
        law, joint = stats.norm(), stats.multivariate_normal(cov=[[1, rho], [rho, 1]])
    else:
        one = copula("student-copula", rho=rho, dof=dof)
        law, joint = stats.t(dof), multivariate_t(shape=[[1, rho], [rho, 1]], df=dof)
    for s, t in itertools.product([-6.0, -1.5, 0.3, 4.0], repeat=2):
        x, y = (-law.isf(special.expit(odds)) if odds < 0 else law.isf(special.expit(-odds)) for odds in (s, t))
        x, y = abs(x) * math.copysign(1, s), abs(y) * math.copysign(1, t)
        expected = joint.logpdf([x, y]) - law.logpdf(x) - law.logpdf(y)
        found = one.log_density(np.array([[s]]), np.array([[t]]))[0, 0]
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)

        def density(odds: float, s: float = s) -> float:
            at = np.array([[s]]), np.array([[odds]])
            return float(np.exp(one.log_density(*at)[0, 0]) * special.expit(odds) * special.expit(-odds))

        below = integrate.quad(density, -60, t, limit=500, points=[-s, s] if abs(s) < abs(t) else None)[0]
        assert special.expit(one.conditional(np.array([s]), np.array([t]))[0]) == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("spec", CASES)
def test_samples_have_the_conditional_law(spec: str) -> None:
    """U and P(V <= v | U = u) are independent and uniform, and so are V and P(U <= u | V = v)."""
    s, t = copula(spec).draw((40_000, 1), rng(5))
    one = copula(spec)
    for first, second in ((s, t), (t, s)):
        u, w = special.expit(first[:, 0]), special.expit(one.conditional(first, second)[:, 0])
        assert stats.kstest(u, "uniform").pvalue > 1e-4
        assert stats.kstest(w, "uniform").pvalue > 1e-4
        counts = np.histogram2d(u, w, bins=20, range=((0, 1), (0, 1)))[0]
        assert stats.chisquare(counts.ravel()).pvalue > 1e-4


# ---------------------------------------------------------------------------------------------------------------------
# Truth with continuous margins


@pytest.mark.parametrize("spec", [case for case in CASES if case.partition("[")[0] in ARCHIMEDEAN])
def test_archimedean_truth(spec: str) -> None:
    """Against E log psi''(S) + 2 E log|phi'(U)| in 20 digits, S of density s psi''(s), derivatives written out."""
    name, theta = name_and_theta(spec)
    theta = abs(theta)
    mp = mpmath
    with mp.workdps(20):
        a = 1 / theta
        derivatives: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {  # -psi', psi''
            "clayton": (lambda s: a * (1 + s) ** (-a - 1), lambda s: a * (a + 1) * (1 + s) ** (-a - 2)),
            "gumbel": (
                lambda s: a * s ** (a - 1) * mp.exp(-(s**a)),
                lambda s: a * s ** (a - 2) * mp.exp(-(s**a)) * (a * s**a + 1 - a),
            ),
            "frank": (
                lambda s: -a * mp.expm1(-theta) / (mp.expm1(s) + mp.exp(-theta)),
                lambda s: -a * mp.expm1(-theta) * mp.exp(s) / (mp.expm1(s) + mp.exp(-theta)) ** 2,
            ),
            "joe": (
                lambda s: a * (-mp.expm1(-s)) ** (a - 1) * mp.exp(-s),
                lambda s: a * mp.exp(-s) * (-mp.expm1(-s)) ** (a - 2) * (1 - a * mp.exp(-s)),
            ),
        }
        first, second = derivatives[name]

        # In x = log s, where the integrand changes over a width of theta or of 1.
        def integrand(x: Any) -> Any:
            s = mp.exp(x)
            return s * s * second(s) * mp.log(second(s)) - 2 * s * first(s) * mp.log(first(s))

        reach = {"clayton": (60, 70 * theta + 30), "gumbel": (70 * theta, 5 * theta), "frank": (70 + theta, 6)}
        low, high = reach.get(name, (70 * theta, 6))
        breaks = [-low, *(k for k in (-theta, -theta / 5, -30, -5, -1, 0, 1, 3, 30, theta) if -low < k < high), high]
        fine = sorted({b + (c - b) * k / 4 for b, c in itertools.pairwise(sorted(set(breaks))) for k in range(5)})
        expected = mp.quad(integrand, fine)
    assert truth(spec, pairs=1) == pytest.approx(float(expected), abs=1e-11)
    assert truth(spec, pairs=1) >= 0


@pytest.mark.parametrize("spec", MODERATE)
def test_truth_by_quadrature_in_normal_scores(spec: str) -> None:
    """The integral of c log c over the square: trapezoidal rule in the normal quantiles of u and v."""
    z = np.linspace(-8.7, 8.7, 1741)
    odds = special.log_ndtr(z) - special.log_ndtr(-z)
    log_c = copula(spec).log_density(odds[:, None], odds[None, :])
    weights = stats.norm.pdf(z) * (z[1] - z[0])
    assert float(weights @ np.exp(log_c) @ weights) == pytest.approx(1, abs=1e-9)
    assert float(weights @ (np.exp(log_c) * log_c) @ weights) == pytest.approx(truth(spec, pairs=1), abs=1e-9)


def test_truth_limits() -> None:
    """Independence is exactly 0; the stronger, the more; blocks add up; Frank's sign does not matter."""
    for name, zero in (("clayton", 0), ("gumbel", 1), ("frank", 0), ("joe", 1)):
        assert truth(name, theta=zero) == 0
        sample = copula(name, theta=zero).sample(1000, rng(1))
        assert sample.pmi is not None
        np.testing.assert_allclose(sample.pmi, 0, atol=1e-12)
        values = [truth(name, theta=zero + 10.0**k) for k in range(-12, 6)]
        assert all(before <= after for before, after in itertools.pairwise(values))
        assert values[0] < 1e-15
        assert truth(name, pairs=5) == pytest.approx(5 * truth(name, pairs=1), rel=1e-14)
    assert truth("frank[theta=-7]") == truth("frank[theta=7]")
    assert truth("student-copula[dof=1e6,rho=0.7]") == pytest.approx(truth("normal-copula[rho=0.7]"), abs=1e-9)
    assert truth("student-copula[dof=3,rho=0.7,pairs=1]") == pytest.approx(
        truth("student[dof=3,rho=0.7,dim_x=1,dim_y=1]"), abs=1e-14
    )
    assert truth("normal-copula[rho=-0.7]") == pytest.approx(truth("gaussian-sparse[rho=-0.7]"), abs=1e-14)


@pytest.mark.parametrize("name", COPULAS)
@pytest.mark.parametrize("mi", [1e-6, 0.01, 0.5, 3.0, 12.0])
def test_mi_is_attained(name: str, mi: float) -> None:
    """Solved for to 1e-10, shared out to the pairs."""
    if name == "student-copula" and mi < 0.1:
        mi += truth("student-copula[rho=0,pairs=3]")
    assert truth(name, mi=mi, pairs=3) == pytest.approx(mi, abs=1e-10)


@pytest.mark.parametrize("name", COPULAS)
@pytest.mark.parametrize("tau", [1e-4, 0.2, 0.5, 0.95])
def test_kendalls_tau(name: str, tau: float) -> None:
    """Theta solved for gives tau = 1 + 4 * integral of phi / phi', and samples have it within 4 standard errors."""
    one = copula(name, tau=tau, pairs=1)
    if isinstance(one, Archimedean):
        with mpmath.workdps(60):
            phi, _ = textbook(name, one.strength)
            expected = 1 + 4 * mpmath.quad(
                lambda u: phi(u) / mpmath.diff(phi, u), [0, 1e-3, 0.01, 0.03, 0.1, 0.3, 0.7, 0.9, 0.97, 0.99, 1]
            )
        assert float(expected) == pytest.approx(tau, abs=1e-8)
    sample = one.sample(20_000, rng(8))
    # The standard error of Kendall's tau is at most that of independence times 3: 2 / (3 sqrt n) * 3.
    assert stats.kendalltau(sample.x[:, 0], sample.y[:, 0]).statistic == pytest.approx(
        tau, abs=4 * 2 / math.sqrt(20_000)
    )
    if name not in ("clayton", "gumbel", "joe"):
        turned = copula(name, tau=-tau, pairs=1).sample(20_000, rng(8))
        found = stats.kendalltau(turned.x[:, 0], turned.y[:, 0]).statistic
        assert found == pytest.approx(-tau, abs=4 * 2 / math.sqrt(20_000))


# ---------------------------------------------------------------------------------------------------------------------
# Margins

LAWS: dict[str, Any] = {
    "uniform": stats.uniform,
    "normal": stats.norm,
    "exponential": stats.expon,
    "lognormal": stats.lognorm(1),
    "extreme-value": stats.gumbel_r,
    "student": stats.t(2),
    "cauchy": stats.cauchy,
    "beta": stats.beta(2, 2),
    "bimodal": None,
    "binary": stats.bernoulli(0.5),
    "geometric": stats.geom(0.5, loc=-1),
    "poisson": stats.poisson(3),
}


@pytest.mark.parametrize("word", get_args(Continuous))
def test_continuous_margins(word: Any) -> None:
    """Quantiles are strictly increasing, have the law that is named in both tails, and are undone by their inverse."""
    one = margin(word)
    assert isinstance(one, ContinuousMargin)
    t = np.linspace(-34, 34, 2001)
    x = one.quantile(t)
    assert np.isfinite(x).all()
    inner = np.abs(t) < 30
    assert (np.diff(x[inner]) > 0).all()
    if word == "bimodal":
        below = (stats.logistic.cdf(x + 3) + stats.logistic.cdf(x - 3)) / 2
        above = (stats.logistic.sf(x + 3) + stats.logistic.sf(x - 3)) / 2
    else:
        below, above = LAWS[word].cdf(x), LAWS[word].sf(x)
    np.testing.assert_allclose(below[t < 0], special.expit(t[t < 0]), rtol=1e-10)
    bounded = word in ("uniform", "beta")  # near 1 float64 has a spacing of 1e-16
    np.testing.assert_allclose(above[t > 0], special.expit(-t[t > 0]), rtol=1e-10, atol=1e-15 if bounded else 0)
    back = np.abs(t) < (15 if bounded else 34)
    np.testing.assert_allclose(one.log_odds(x[back]), t[back], rtol=1e-9, atol=1e-13 if not bounded else 1e-9)


@pytest.mark.parametrize("word", get_args(Discrete))
def test_discrete_margins(word: Any) -> None:
    """Probabilities of the law that is named, and samples of it."""
    one = margin(word)
    assert isinstance(one, DiscreteMargin)
    k = np.arange(len(one.thresholds) + 1)
    expected = LAWS[word].pmf(k)
    expected[-1] = LAWS[word].sf(k[-1] - 1)
    np.testing.assert_allclose(np.exp(one.log_probabilities), expected, rtol=1e-9)
    assert LAWS[word].sf(k[-1]) < 1e-14
    x = copula("clayton", margins=word, dim_x=2, dim_y=2, pairs=1).sample(50_000, rng(3)).x
    for column in x.T:
        counts = np.bincount(column.astype(int), minlength=len(k))[:8]
        wanted = 50_000 * LAWS[word].pmf(np.arange(len(counts)))
        assert (np.abs(counts - wanted) < 4.5 * np.sqrt(wanted + 1)).all()


@pytest.mark.parametrize("word", get_args(Continuous))
def test_continuous_margins_keep_the_truth(word: Any) -> None:
    """Points, not their MI, depend on the margins; nothing is tied; pmi(x, y) is that of the log odds drawn."""
    plain = copula("gumbel").sample(100_000, rng(4))
    one = copula("gumbel", margins=word, margins_y="normal")
    sample = one.sample(100_000, rng(4))
    np.testing.assert_array_equal(np.asarray(sample.pmi), np.asarray(plain.pmi))
    np.testing.assert_allclose(one.pmi(sample.x, sample.y), np.asarray(sample.pmi), rtol=1e-8, atol=1e-8)
    assert all(len(np.unique(column)) == 100_000 for column in sample.x.T)
    np.testing.assert_array_equal(np.argsort(sample.x, axis=0), np.argsort(plain.x, axis=0))
    np.testing.assert_array_equal(sample.y, plain.y)
    assert one.ground_truth() == copula("gumbel").ground_truth()
    assert one.sample_shape(1).x == kinds_of(5)


# ---------------------------------------------------------------------------------------------------------------------
# Discrete margins


@pytest.mark.parametrize(("name", "theta"), [(name, theta) for name in ARCHIMEDEAN for theta in STRENGTHS[name][1:]])
@pytest.mark.parametrize(("first", "second"), [("poisson", "poisson"), ("geometric", "binary")])
def test_discrete_truth_by_summation(name: str, theta: float, first: Any, second: Any) -> None:
    """Archimedean copulas: differences of C over all cells, in 60 digits."""
    margin_x, margin_y = margin(first), margin(second)
    assert isinstance(margin_x, DiscreteMargin)
    assert isinstance(margin_y, DiscreteMargin)
    with mpmath.workdps(60):
        ends = [
            [mpmath.mpf(0), *(1 / (1 + mpmath.exp(-mpmath.mpf(float(t)))) for t in one.thresholds), mpmath.mpf(1)]
            for one in (margin_x, margin_y)
        ]

        def cdf(u: Any, v: Any) -> Any:
            return min(u, v) if min(u, v) == 0 or max(u, v) == 1 else mp_cdf(name, theta, u, v)

        corners = [[cdf(u, v) for v in ends[1]] for u in ends[0]]
        expected = mpmath.mpf(0)
        for i, j in itertools.product(range(len(ends[0]) - 1), range(len(ends[1]) - 1)):
            cell = corners[i + 1][j + 1] - corners[i][j + 1] - corners[i + 1][j] + corners[i][j]
            apart = (ends[0][i + 1] - ends[0][i]) * (ends[1][j + 1] - ends[1][j])
            expected += cell * mpmath.log(cell / apart) if cell > 0 else 0
    assert truth(name, theta=theta, margins=first, margins_y=second, pairs=1) == pytest.approx(
        float(expected), abs=1e-11
    )


@pytest.mark.parametrize(
    "spec", ["normal-copula[rho=0.8]", "student-copula[rho=-0.5,dof=0.5]", "student-copula[rho=0]"]
)
def test_two_coins(spec: str) -> None:
    """Elliptical laws have P(X > 0, Y > 0) = 1/4 + arcsin(rho) / (2 pi): at rho = 0 two coins are independent."""
    rho = float(spec.partition("rho=")[2].rstrip("]").partition(",")[0])
    same = 2 * (0.25 + math.asin(rho) / (2 * math.pi))
    expected = sum(p * math.log(2 * p) for p in (same, 1 - same))
    assert truth(spec, margins="binary", pairs=1) == pytest.approx(expected, abs=1e-12)


MIXED = [
    *(
        f"{spec[:-1]},margins={first},margins_y={second}]"
        for spec in MODERATE
        for first, second in (("poisson", "normal"), ("cauchy", "binary"))
    ),
    "clayton[theta=200,margins=poisson,margins_y=beta]",
    "normal-copula[rho=0.999,margins=geometric,margins_y=beta]",
    "student-copula[rho=0,dof=0.1,margins=poisson,margins_y=normal]",
]


@pytest.mark.parametrize("spec", MIXED)
def test_mixed_truth_by_adaptive_quadrature(spec: str) -> None:
    """The integral over u of the divergence of h(.|u) from p, in the normal quantile of u, cell by cell."""
    one = copula(spec, pairs=1)
    discrete = margin(
        one.margins if one.margins_y == "same" or one.sample_shape(1).x[0] == "discrete" else one.margins_y
    )
    assert isinstance(discrete, DiscreteMargin)
    ends = np.concatenate([[-np.inf], discrete.thresholds, [np.inf]])
    p = np.diff(special.expit(ends))

    def divergence(z: float) -> float:
        s = special.log_ndtr(np.array([z])) - special.log_ndtr(np.array([-z]))
        below = np.concatenate([[0.0], special.expit(one.conditional(s, discrete.thresholds)), [1.0]])
        h = np.diff(below)
        return float(special.rel_entr(h, p).sum() * stats.norm.pdf(z))

    scores = special.ndtri(special.expit(discrete.thresholds[discrete.thresholds < 25]))
    breaks = np.unique(np.concatenate([[-8.5, 0, 8.5], scores, -scores]))
    breaks = breaks[np.abs(breaks) <= 8.5]
    expected = sum(integrate.quad(divergence, a, b, epsabs=1e-13, limit=400)[0] for a, b in itertools.pairwise(breaks))
    assert truth(spec, pairs=1) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("spec", MODERATE)
def test_discrete_margins_lose_information(spec: str) -> None:
    """Data processing: continuous > one side discrete > both; X and Y may be swapped; blocks add up."""
    both, left, right, coin = (
        truth(spec, margins=first, margins_y=second)
        for first, second in (("poisson", "poisson"), ("poisson", "beta"), ("beta", "poisson"), ("binary", "poisson"))
    )
    assert truth(spec) > left > both > coin > 0
    assert left == pytest.approx(right, abs=1e-12)
    assert coin == pytest.approx(truth(spec, margins="poisson", margins_y="binary"), abs=1e-11)
    assert truth(spec, margins="poisson", pairs=5) == pytest.approx(2.5 * both, rel=1e-12)


@pytest.mark.parametrize("spec", MODERATE)
@pytest.mark.parametrize(("first", "second"), [("poisson", "normal"), ("beta", "geometric"), ("poisson", "binary")])
def test_discrete_pmi(spec: str, first: str, second: str) -> None:
    """Frequencies of cells have the ratio exp(pmi) of the margins; swapped X and Y have the same pmi."""
    one, turned = (copula(spec, margins=a, margins_y=b, pairs=1) for a, b in ((first, second), (second, first)))
    assert one.sample_shape(1).x == kinds_of(5, discrete=first == "poisson")
    assert one.sample_shape(1).y == kinds_of(5, discrete=second in ("geometric", "binary"))
    sample = one.sample(100_000, rng(9))
    np.testing.assert_allclose(turned.pmi(sample.y, sample.x), np.asarray(sample.pmi), rtol=1e-9, atol=1e-9)
    # Over the product of the margins a corner A has the mean E[exp(pmi); A] = P(A).
    ratio = np.exp(one.pmi(sample.x, np.roll(sample.y, 1, axis=0)))
    for share in (0.5, 0.9):
        x, y = (block[:, 0] >= np.quantile(block[:, 0], share) for block in (sample.x, sample.y))
        expected, drawn = ratio * (x & np.roll(y, 1)), x & y
        error = math.hypot(expected.std(), drawn.std()) / math.sqrt(len(drawn))
        assert abs(expected.mean() - drawn.mean()) < 4 * error


# ---------------------------------------------------------------------------------------------------------------------
# All together, and wrong parameters


@pytest.mark.parametrize(
    "spec",
    [
        *CASES,
        *MIXED,
        *(f"{spec[:-1]},margins=poisson,margins_y=geometric]" for spec in MODERATE),
        "frank[tau=-0.5,margins=student,margins_y=cauchy]",
        "joe[mi=20,dim_x=3,dim_y=2,margins=uniform]",
    ],
)
def test_common_checks(spec: str) -> None:
    """Those that everything registered passes, at these parameters."""
    check_distribution(spec, n=50_000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clayton[theta=-0.5]", "out of range"),
        ("clayton[theta=1,tau=0.5]", "theta, tau and mi are alternatives"),
        ("clayton[tau=1]", "at most 0.999998"),
        ("clayton[tau=-0.1]", "out of range"),
        ("clayton[mi=30]", "at most 25.63"),
        ("clayton[mi=-1]", "out of range"),
        ("clayton[pairs=6]", "at most min"),
        ("clayton[margins=gamma]", "one of uniform, normal"),
        ("clayton[margins=poisson,mi=1]", "with discrete ones give theta or tau"),
        ("gumbel[theta=0.9]", "out of range"),
        ("gumbel[theta=inf]", "out of range"),
        ("frank[tau=-1]", "at most 0.999996"),
        ("frank[theta=2e6]", "out of range"),
        ("joe[theta=0]", "out of range"),
        ("normal-copula[rho=1]", "at most 26 nats"),
        ("normal-copula[tau=-1]", "at most 26 nats"),
        ("normal-copula[rho=0.5,tau=0.5]", "rho, tau and mi are alternatives"),
        ("normal-copula[mi=27]", "at most 26 nats"),
        ("student-copula[mi=0.01]", "at least"),
        ("student-copula[dof=0]", "out of range"),
        ("student-copula[margins_y=binary,mi=1]", "give rho or tau"),
    ],
)
def test_wrong_parameters(spec: str, message: str) -> None:
    """One line that says what is accepted."""
    with pytest.raises(InputError, match=message) as caught:
        make_distribution(spec)
    assert "\n" not in str(caught.value)
