"""Copulas: Clayton, Gumbel, Frank, Joe, Student-t and Gaussian, with any margins.

Of an Archimedean copula C(u, v) = psi(phi(u) + phi(v)), phi the inverse of psi, the mutual information is a sum of
integrals in one variable: phi(U) and phi(V) are S W and S (1 - W) with W uniform and S of density s psi''(s), and the
density of the copula is psi''(S) phi'(U) phi'(V), so that I = E log psi''(S) + 2 E log|phi'(U)|.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import (
    bernoulli,
    betaln,
    digamma,
    exp1,
    expit,
    gammaln,
    log_ndtr,
    ndtri,
    polygamma,
    spence,
    stdtr,
    stdtrit,
    xlogy,
)

from mibench.distributions.copula_pairs import CopulaPairs
from mibench.distributions.margins import log1mexp, log_expm1, softplus
from mibench.distributions.student import Student
from mibench.interface import Array, InputError, parameter
from mibench.registry import register_distribution

# Stronger pairs differ by so little that float64 points would carry their pointwise MI to few digits only.
MOST_THETA = 1e6
MOST_NATS = 13.0


@dataclass(frozen=True)
class Archimedean(CopulaPairs):
    """A copula with one parameter theta, or Kendall's tau or the MI instead, from which theta is solved for."""

    theta: float | None = parameter(None, "strength")
    tau: float | None = parameter(None, "Kendall's tau of a pair instead of theta", low=0, high=1)
    mi: float | None = parameter(None, "mutual information in nats instead of theta, the same in each pair", low=0)

    independence: ClassVar[float] = 1.0  # the theta of independence
    usual: ClassVar[float] = 2.0

    @classmethod
    @abstractmethod
    def information(cls, theta: float) -> float:
        """I of a pair in nats."""

    @classmethod
    @abstractmethod
    def kendall(cls, theta: float) -> float:
        """Kendall's tau of a pair."""

    def __post_init__(self) -> None:
        """Check that theta, tau and mi are alternatives in their range."""
        super().__post_init__()
        _ = self.strength

    @functools.cached_property
    def strength(self) -> float:
        """The value of theta."""
        name, value = self.chosen("theta", "tau", "mi") or ("theta", self.usual)
        if name == "theta":
            return value
        function = self.kendall if name == "tau" else self.information
        found = self._solved(function, abs(value))
        if found is None:
            most = function(MOST_THETA) * (self._count if name == "mi" else 1)
            raise InputError(
                f"{self.label()}: {name} = {getattr(self, name)} is more than float64 points can carry; "
                f"give at most {most:.6g}"
            )
        return math.copysign(found, value)

    def _solved(self, function: Callable[[float], float], target: float) -> float | None:
        """Theta at which an increasing function takes a value: exact to rounding in its distance from independence."""

        def excess(log_distance: float) -> float:
            return function(self.independence + math.exp(log_distance)) - target

        low, high = math.log(1e-12), math.log(MOST_THETA - self.independence)
        if excess(high) < 0:
            return None
        if excess(low) >= 0:
            return self.independence
        return self.independence + math.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-15))

    @property
    def pair_information(self) -> float:
        """See `CopulaPairs.pair_information`."""
        return self.information(self.strength)


@register_distribution(
    name="clayton",
    family="copulas",
    summary="Clayton copula, dependent in the lower tail; any margins",
    formula="I = pairs [log(1 + theta) - theta / (1 + theta)] with continuous margins, from the Archimedean integrals",
    citation="""@article{clayton1978model,
      author = {D. G. Clayton},
      title = {A model for association in bivariate life tables and its application in epidemiological studies of
        familial tendency in chronic disease incidence},
      journal = {Biometrika},
      volume = {65},
      number = {1},
      pages = {141--151},
      year = {1978}
    }""",
)
@dataclass(frozen=True)
class Clayton(Archimedean):
    r"""C(u, v) = (u^-theta + v^-theta - 1)^(-1/theta), theta > 0; independence is the limit theta = 0.

    I = log(1 + theta) - theta / (1 + theta) nats and tau = theta / (theta + 2), for each pair.
    """

    theta: float | None = parameter(
        None, "dependence, 2 unless tau or mi is given; 0 is independence", low=0, high=MOST_THETA
    )

    independence = 0.0

    @classmethod
    def information(cls, theta: float) -> float:
        """See `Archimedean.information`."""
        return math.log1p(theta) - theta / (1 + theta)

    @classmethod
    def kendall(cls, theta: float) -> float:
        """See `Archimedean.kendall`."""
        return theta / (theta + 2)

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """By inversion of the conditional law, in a = -log u and b = -log v."""
        theta = self.strength or _NONE
        a, e = rng.standard_exponential(shape), rng.standard_exponential(shape)
        b = softplus(theta * a + log_expm1(e * theta / (1 + theta))) / theta
        return -log_expm1(a), -log_expm1(b)

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        theta = self.strength or _NONE
        a, b = softplus(-s), softplus(-t)
        least, apart = np.minimum(a, b), theta * np.abs(a - b)
        rest = np.log1p(-np.exp(-apart) * np.expm1(-theta * least))
        return np.asarray(math.log1p(theta) + least - apart - (2 + 1 / theta) * rest)

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`."""
        theta = self.strength or _NONE
        return _log_odds((1 + 1 / theta) * softplus(log_expm1(theta * softplus(-t)) - theta * softplus(-s)))


@register_distribution(
    name="gumbel",
    family="copulas",
    summary="Gumbel copula, dependent in the upper tail; any margins",
    formula="I = pairs [log(d) + g - d / theta + exp(d) E1(d) / theta] with continuous margins, d = theta - 1,"
    " g = 0.577216 (Euler), E1 the exponential integral",
    citation="""@article{gumbel1960bivariate,
      author = {E. J. Gumbel},
      title = {Bivariate Exponential Distributions},
      journal = {Journal of the American Statistical Association},
      volume = {55},
      number = {292},
      pages = {698--707},
      year = {1960}
    }""",
)
@dataclass(frozen=True)
class Gumbel(Archimedean):
    r"""C(u, v) = exp(-[(-log u)^theta + (-log v)^theta]^(1/theta)), theta >= 1; theta = 1 is independence.

    With d = theta - 1 and Euler's constant g, tau = d / theta and I = log d + g - d / theta + exp(d) E1(d) / theta nats
    for each pair, where E1(d) is the integral of exp(-t) / t from d to infinity.
    """

    theta: float | None = parameter(
        None, "dependence, 2 unless tau or mi is given; 1 is independence", low=1, high=MOST_THETA
    )

    @classmethod
    def information(cls, theta: float) -> float:
        """See `Archimedean.information`."""
        d = theta - 1
        if d == 0:
            return 0.0
        if d < 1:  # log d and E1(d) cancel: sum of (H_k - g - log d) d^k / k!, H_k - g = digamma(k + 1)
            k = np.arange(2, 25)
            terms = (digamma(k + 1) - math.log(d)) * np.exp(k * math.log(d) - gammaln(k + 1))
            return float(terms.sum()) / theta
        if d < 50:
            scaled = math.exp(d) * float(exp1(d))
        else:  # asymptotic series; its smallest term is below exp(-50)
            scaled = float(np.cumprod(np.concatenate([[1.0], -np.arange(1, 20) / d])).sum()) / d
        return math.log(d) + np.euler_gamma - d / theta + scaled / theta

    @classmethod
    def kendall(cls, theta: float) -> float:
        """See `Archimedean.kendall`."""
        return 1 - 1 / theta

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """-log U = R W^(1/theta), -log V = R (1 - W)^(1/theta), R a sum of two exponentials or one."""
        theta = self.strength
        r = rng.standard_exponential(shape) + (rng.random(shape) * theta < 1) * rng.standard_exponential(shape)
        w = rng.logistic(size=shape)
        return -log_expm1(r * np.exp(-softplus(-w) / theta)), -log_expm1(r * np.exp(-softplus(w) / theta))

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        theta = self.strength
        a, b = softplus(-s), softplus(-t)
        most = np.maximum(a, b)
        apart = theta * np.abs(np.log(a) - np.log(b))
        norm = softplus(-apart)  # log of a^theta + b^theta, less theta log(most)
        excess = most * np.expm1(norm / theta)
        return np.asarray(
            np.minimum(a, b)
            - excess
            - np.log(most)
            - apart * (theta - 1) / theta
            + (1 / theta - 2) * norm
            + np.log(most + excess + (theta - 1))
        )

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`."""
        theta = self.strength
        a, b = softplus(-s), softplus(-t)
        norm = softplus(theta * (np.log(b) - np.log(a)))
        return _log_odds(a * np.expm1(norm / theta) + (1 - 1 / theta) * norm)


@register_distribution(
    name="frank",
    family="copulas",
    summary="Frank copula, dependent in neither tail, of either sign; any margins",
    formula="I = pairs [log(t (1 - exp(-t))) - 2 + 2 (pi^2/6 - Li2(exp(-t))) / t] with continuous margins, t = |theta|,"
    " Li2 the dilogarithm",
    citation="""@article{frank1979simultaneous,
      author = {M. J. Frank},
      title = {On the simultaneous associativity of {F(x, y)} and {x + y - F(x, y)}},
      journal = {Aequationes Mathematicae},
      volume = {19},
      pages = {194--226},
      year = {1979}
    }""",
)
@dataclass(frozen=True)
class Frank(Archimedean):
    r"""C(u, v) = -1/theta log[1 + (e^(-theta u) - 1)(e^(-theta v) - 1) / (e^-theta - 1)]; theta = 0 is independence.

    With t = |theta| and L = pi^2/6 - Li2(e^-t), each pair has I = log t + log(1 - e^-t) - 2 + 2 L / t nats and
    tau = sign(theta) [1 - 4/t + 4 (L / t + log(1 - e^-t)) / t]. A negative theta turns the sign of the dependence.
    """

    theta: float | None = parameter(
        None, "dependence, 5 unless tau or mi is given; 0 is independence", low=-MOST_THETA, high=MOST_THETA
    )
    tau: float | None = parameter(None, "Kendall's tau of a pair instead of theta", low=-1, high=1)

    independence = 0.0
    usual = 5.0

    @classmethod
    def information(cls, theta: float) -> float:
        """See `Archimedean.information`."""
        t = abs(theta)
        if t < 1:  # log(2 sinh(t/2) / t), a series with the Bernoulli numbers, less twice its mean over (0, t)
            k = np.arange(2, 26, 2)
            return float((bernoulli(25)[k] * t**k / (k * np.exp(gammaln(k + 1))) * (k - 1) / (k + 1)).sum())
        most = -math.expm1(-t)
        return math.log(t) + math.log(most) - 2 + 2 * (math.pi**2 / 6 - float(spence(most))) / t

    @classmethod
    def kendall(cls, theta: float) -> float:
        """See `Archimedean.kendall`."""
        t = abs(theta)
        if t < 1:
            k = np.arange(2, 26, 2)
            tau = 4 * float((bernoulli(25)[k] * t ** (k - 1) / ((k + 1) * np.exp(gammaln(k + 1)))).sum())
        else:
            most = -math.expm1(-t)
            tau = 1 - 4 / t + 4 * ((math.pi**2 / 6 - float(spence(most))) / t + math.log(most)) / t
        return math.copysign(tau, theta)

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """By inversion of the conditional law, of which w are the log odds."""
        theta = abs(self.strength) or _NONE
        s, w = rng.logistic(size=shape), rng.logistic(size=shape)
        most = log_expm1(np.asarray(theta))
        v = softplus(most - softplus(theta * expit(-s) - w))
        rest = softplus(most - softplus(theta * expit(s) + w))  # theta (1 - v)
        return s, self._turned(np.log(v) - np.log(rest))

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        theta, t = abs(self.strength) or _NONE, self._turned(t)
        u, v = expit(s), expit(t)
        apart = theta * np.abs(u - v)
        sides = np.expm1(-theta * np.maximum(u, v)) + np.exp(-apart) * np.expm1(-theta * expit(-np.maximum(s, t)))
        return np.asarray(math.log(theta) + math.log(-math.expm1(-theta)) - apart - 2 * np.log(-sides))

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`; with a negative theta, 1 - V has the law of a positive one."""
        theta, t = abs(self.strength) or _NONE, self._turned(t)
        u, v = expit(s), expit(t)
        return self._turned(theta * (v - u) + log1mexp(theta * v) - log1mexp(theta * expit(-t)))

    def _turned(self, odds: Array) -> Array:
        return -odds if self.strength < 0 else odds


@register_distribution(
    name="joe",
    family="copulas",
    summary="Joe copula, dependent in the upper tail; any margins",
    formula="I = pairs [log(theta) + 1 - (2-a) (1-H(a)) / (1-a) + J] with continuous margins, a = 1/theta, H the"
    " harmonic number, J an integral in one variable by the trapezoidal rule",
    citation="""@article{joe1993parametric,
      author = {Harry Joe},
      title = {Parametric families of multivariate distributions with given margins},
      journal = {Journal of Multivariate Analysis},
      volume = {46},
      number = {2},
      pages = {262--282},
      year = {1993}
    }""",
)
@dataclass(frozen=True)
class Joe(Archimedean):
    r"""1 - C(u, v) = (x + y - x y)^(1/theta), x = (1-u)^theta, y = (1-v)^theta; theta = 1 is independence.

    With a = 1/theta and H(a) = digamma(1 + a) + 0.577216, each pair has, in nats,

    I = log(theta) + 1 - (2 - a) (1 - H(a)) / (1 - a) + J,   J = integral of f(q) a q^(a-1) dq over (0, 1),
    f(q) = -log(1 - q) / q * k log k with k = 1 - a (1 - q).

    J - f(0) is taken by the trapezoidal rule in the log odds of q, which converges geometrically: error below 1e-12.
    """

    theta: float | None = parameter(
        None, "dependence, 2 unless tau or mi is given; 1 is independence", low=1, high=MOST_THETA
    )

    truth_method = "quadrature"

    @classmethod
    def information(cls, theta: float) -> float:
        """See `Archimedean.information`."""
        a = 1 / theta
        step = 0.25
        w = np.arange(-45, 45, step)
        q, rest = expit(w), expit(-w)
        k = 1 - a + a * q
        f = softplus(w) / q * xlogy(k, k)
        start = float(xlogy(1 - a, 1 - a))
        j = start + step * float(((f - start) * a * q**a * rest).sum())
        return math.log(theta) + 1 - (2 - a) * cls._slope(a) + j

    @classmethod
    def kendall(cls, theta: float) -> float:
        """See `Archimedean.kendall`."""
        return 1 - 2 / theta * cls._slope(2 / theta)

    @staticmethod
    def _slope(a: float) -> float:
        """(H(a) - H(1)) / (a - 1)."""
        d = a - 1
        if abs(d) > 0.01:
            return float(digamma(2 + d) - digamma(2)) / d
        k = np.arange(1, 8)
        return float((polygamma(k, 2) / np.exp(gammaln(k + 1)) * d ** (k - 1.0)).sum())

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """phi(U), phi(V) = E/M, E'/M with exponentials E, E' and one M of generating function psi(-log z) (Sibuya).

        M is geometric with success probability p ~ Beta(a, 1 - a); both range so far that only logarithms hold them.
        """
        a = 1 / self.strength
        rest = max((self.strength - 1) / self.strength, _NONE)

        def log_gamma_variable(k: float) -> Array:
            return np.log(rng.standard_gamma(1 + k, shape)) - rng.standard_exponential(shape) / k

        odds = log_gamma_variable(a) - log_gamma_variable(rest)
        log_rate = np.where(odds < -36, odds, np.log(softplus(np.maximum(odds, -36))))  # of -log(1 - p)
        log_m = np.log(rng.standard_exponential(shape)) - log_rate
        log_m = np.where(log_m > 36, log_m, np.log(np.maximum(1, np.ceil(np.exp(np.minimum(log_m, 36))))))

        def log_odds() -> Array:
            z = np.log(rng.standard_exponential(shape)) - log_m
            return log_expm1(-a * np.where(z < -36, z, log1mexp(np.exp(np.maximum(z, -36)))))

        return log_odds(), log_odds()

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        theta = self.strength
        a, b = softplus(s), softplus(t)
        least, apart = np.minimum(a, b), theta * np.abs(a - b)
        rest = np.log1p(-np.exp(-apart) * np.expm1(-theta * least))  # log(x + y - x y), less -theta least
        return np.asarray(
            np.maximum(a, b) - apart + (1 / theta - 2) * rest + np.log(theta - 1 + np.exp(rest - theta * least))
        )

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`."""
        theta = self.strength
        a, b = softplus(s), softplus(t)
        return _log_odds((1 - 1 / theta) * softplus(log_expm1(theta * a) - theta * b) - log1mexp(theta * b))


_NONE = 1e-100  # instead of 0: the limit of independence, which float64 cannot tell from it


def _log_odds(minus_log: Array) -> Array:
    """Log odds of a probability given as -log."""
    return -log_expm1(np.maximum(minus_log, 1e-300))


# ---------------------------------------------------------------------------------------------------------------------
# Elliptical copulas


@dataclass(frozen=True)
class Elliptical(CopulaPairs):
    """The copula of a normal or Student-t pair with correlation rho."""

    rho: float | None = parameter(None, "correlation of a pair, 0.5 unless tau or mi is given", low=-1, high=1)
    tau: float | None = parameter(None, "Kendall's tau of a pair instead of rho = sin(pi tau / 2)", low=-1, high=1)
    mi: float | None = parameter(None, "mutual information in nats instead of rho >= 0, the same in each pair", low=0)

    @property
    @abstractmethod
    def tail_information(self) -> float:
        """I of a pair at rho = 0."""

    @abstractmethod
    def quantile(self, t: Array) -> Array:
        """Value of the elliptical law at log odds t."""

    def __post_init__(self) -> None:
        """Check that rho, tau and mi are alternatives in their range."""
        super().__post_init__()
        name, value = self.chosen("rho", "tau", "mi") or ("rho", 0.5)
        what = f"{self.label()}: {name} = {getattr(self, name)} is"
        if name == "mi" and value < self.tail_information:
            least = self._count * self.tail_information
            raise InputError(f"{what} less than what the tails carry at rho = 0; give at least {least:.6g}")
        if self.correlation[1] < math.exp(-2 * (MOST_NATS - self.tail_information)):
            limit = f"give mi of at most {self._count * MOST_NATS:g} nats"
            raise InputError(f"{what} more than float64 points can carry; {limit}")

    @functools.cached_property
    def correlation(self) -> tuple[float, float]:
        """Rho and 1 - rho^2, each to full precision."""
        name, value = self.chosen("rho", "tau", "mi") or ("rho", 0.5)
        if name == "rho":
            return value, (1 - value) * (1 + value)
        if name == "tau":
            return math.sin(math.pi / 2 * value), math.cos(math.pi / 2 * value) ** 2
        excess = value - self.tail_information
        return math.sqrt(-math.expm1(-2 * excess)), math.exp(-2 * excess)

    @property
    def pair_information(self) -> float:
        """See `CopulaPairs.pair_information`."""
        return self.tail_information - 0.5 * math.log(self.correlation[1])

    def normal_pairs(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw standard normal pairs with correlation rho."""
        rho, residual = self.correlation
        x = rng.standard_normal(shape)
        return x, rho * x + math.sqrt(residual) * rng.standard_normal(shape)


@register_distribution(
    name="normal-copula",
    family="copulas",
    summary="Gaussian copula: normal pairs with any margins",
    formula="I = -pairs/2 log(1 - rho^2) with continuous margins",
    citation="""@article{ma2011mutual,
      author = {Jian Ma and Zengqi Sun},
      title = {Mutual Information Is Copula Entropy},
      journal = {Tsinghua Science and Technology},
      volume = {16},
      number = {1},
      pages = {51--54},
      year = {2011}
    }""",
)
@dataclass(frozen=True)
class NormalCopula(Elliptical):
    """Normal pairs of correlation rho, mapped to the margins: I = -1/2 log(1 - rho^2) nats for each pair."""

    tail_information = 0.0

    def quantile(self, t: Array) -> Array:
        """See `Elliptical.quantile`."""
        return np.copysign(ndtri(expit(-np.abs(t))), t)

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """See `CopulaPairs.draw`."""
        x, y = self.normal_pairs(shape, rng)
        return log_ndtr(x) - log_ndtr(-x), log_ndtr(y) - log_ndtr(-y)

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        rho, residual = self.correlation
        x, y = self.quantile(s), self.quantile(t)
        return np.asarray(self.pair_information - 0.5 * ((y - rho * x) ** 2 / residual - y**2))

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`."""
        rho, residual = self.correlation
        z = (self.quantile(t) - rho * self.quantile(s)) / math.sqrt(residual)
        return np.asarray(log_ndtr(z) - log_ndtr(-z))


@register_distribution(
    name="student-copula",
    family="copulas",
    summary="Student-t copula, dependent in both tails even at rho = 0; any margins",
    formula="I = pairs times the MI of a bivariate Student-t (see `student`) with continuous margins",
    citation="""@article{demarta2005t,
      author = {Stefano Demarta and Alexander J. McNeil},
      title = {The t Copula and Related Copulas},
      journal = {International Statistical Review},
      volume = {73},
      number = {1},
      pages = {111--129},
      year = {2005}
    }""",
)
@dataclass(frozen=True)
class StudentCopula(Elliptical):
    r"""Pairs Z sqrt(dof / W) mapped to the margins: Z normal of correlation rho, W ~ chi-square(dof) for each pair.

    I = -1/2 log(1 - rho^2) + 2 h(1) - h(2) nats for each pair, h(k) the entropy of a standard k-variate Student-t.
    """

    dof: float = parameter(4.0, "degrees of freedom; the fewer, the more dependent the tails", low=0.1, high=1e6)

    @property
    def tail_information(self) -> float:
        """See `Elliptical.tail_information`."""
        truth = Student(dof=self.dof, dim_x=1, dim_y=1).ground_truth()
        assert truth is not None
        return truth.value

    def quantile(self, t: Array) -> Array:
        """See `Elliptical.quantile`."""
        tail = np.abs(stdtrit(self.dof, expit(-np.abs(t))))
        return np.copysign(np.minimum(tail, 1e150), t)  # few degrees of freedom reach beyond with probability 1e-15

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """See `CopulaPairs.draw`."""
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, shape))
        x, y = self.normal_pairs(shape, rng)
        return self._log_odds(self.dof, x * scale), self._log_odds(self.dof, y * scale)

    def log_density(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.log_density`."""
        rho, residual = self.correlation
        x, y = (self.quantile(odds) / math.sqrt(self.dof) for odds in (s, t))
        # Roots of 1 + x^2, 1 + y^2 and 1 + (x^2 - 2 rho x y + y^2) / residual without squares, which overflow.
        of_x, of_y = np.hypot(1, x), np.hypot(1, y)
        joint = np.hypot(of_x, (y - rho * x) / math.sqrt(residual))
        # log of the gamma functions G(dof/2 + 1) G(dof/2) / G((dof+1)/2)^2 by beta functions, see `student`
        gammas = 2 * betaln(self.dof / 2, 0.5) - betaln(self.dof / 2, 1) - math.log(math.pi)
        tails = (self.dof + 1) * (np.log(of_x) + np.log(of_y)) - (self.dof + 2) * np.log(joint)
        return np.asarray(gammas - 0.5 * math.log(residual) + tails)

    def conditional(self, s: Array, t: Array) -> Array:
        """See `CopulaPairs.conditional`: given x, y is Student-t with dof + 1, scaled by the root of dof + x^2."""
        rho, residual = self.correlation
        x, y = self.quantile(s), self.quantile(t)
        scale = np.hypot(math.sqrt(self.dof), x) * math.sqrt(residual / (self.dof + 1))
        return self._log_odds(self.dof + 1, (y - rho * x) / scale)

    @staticmethod
    def _log_odds(dof: float, x: Array) -> Array:
        tail = np.maximum(stdtr(dof, -np.abs(x)), 1e-300)
        return np.asarray(np.copysign(np.log1p(-tail) - np.log(tail), x))
