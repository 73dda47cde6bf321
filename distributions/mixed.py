"""Labels and counts together with continuous columns.

Densities of discrete columns are probabilities. Pointwise MI is -inf for every pair that cannot occur, also where x or
y alone is no value of its column.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import helmert
from scipy.special import gammaln, log_ndtr, log_softmax, logsumexp, xlogy

from mibench.distributions.discrete import SymmetricChannel, divergence, labels, table_information
from mibench.distributions.pairs import CorrelatedPairs
from mibench.distributions.panels import normal_nodes, panels
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, Shape, kinds_of, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="label-gaussian",
    family="mixed",
    summary="normal X around the mean of its class, Y the class; dim x 1",
    formula="I = log(classes) - H(Y | X), by quadrature",
    citation="ross2014mutual",
)
@dataclass(frozen=True)
class LabelGaussian(JointDistribution):
    r"""Y uniform on {0..K-1}, X | Y ~ N(m_Y, identity): PMI(x, y) = log K + log p(y | x), in nats.

    The means are the corners of a regular simplex, all `separation` apart, or K steps along the first column.

    On a line I is one integral over the column. On a simplex of side sqrt(2) a the posterior is that of K coordinates
    Z_j, standard normal, of which the class's own has a added: I = log K + a^2 - E log S with
    S = exp(a Z_1 + a^2) + sum_{j>1} exp(a Z_j). By Frullani's integral E log S = int_0^oo (e^-t - L(t)) / t dt, and the
    Laplace transform L(t) = E exp(-t S) is a product of K one-dimensional means. Both trapezoidal rules (over log t
    and over Z) converge geometrically: the absolute error is below 1e-9 at any K and dim.
    """

    classes: int = parameter(4, "classes K", low=2, high=100)
    dim: int = parameter(5, "columns of X; a simplex needs classes - 1", low=1)
    separation: float = parameter(2.0, "distance of neighbouring class means, in standard deviations", low=0, high=20)
    arrangement: Literal["simplex", "line"] = parameter("simplex", "where the class means are")

    dim_y = 1

    def __post_init__(self) -> None:
        """Check that a simplex fits."""
        super().__post_init__()
        if self.arrangement == "simplex" and self.dim < self.classes - 1:
            raise InputError(
                f"{self.label()}: a simplex of {self.classes} classes needs dim >= {self.classes - 1}, got {self.dim}; "
                "give more columns, fewer classes or arrangement=line"
            )

    @property
    def dim_x(self) -> int:
        """Columns of X."""
        return self.dim

    def sample_shape(self, n: int) -> Shape:
        """Y is the class."""
        return Shape(n, kinds_of(self.dim), ("discrete",))

    @functools.cached_property
    def _means(self) -> Array:
        """Class means in the columns where they differ, shape (classes, 1 or classes - 1)."""
        if self.arrangement == "line":
            return np.asarray(self.separation * (np.arange(self.classes)[:, None] - (self.classes - 1) / 2))
        # Unit vectors are sqrt(2) apart; without their common mean they lie in classes - 1 dimensions.
        return np.asarray(self.separation / math.sqrt(2) * helmert(self.classes).T)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        y = rng.integers(self.classes, size=n)
        x = rng.standard_normal((n, self.dim))
        x[:, : self._means.shape[1]] += self._means[y]
        column = y[:, None].astype(float)
        return Sample(x, column, self.pmi(x, column), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """The log posterior of the class, less that of a guess."""
        classes, exists = labels(y[:, 0], self.classes)
        posterior = self._log_posterior(x[:, : self._means.shape[1]])
        return np.where(exists, math.log(self.classes) + posterior[np.arange(len(x)), classes], -np.inf)

    def _log_posterior(self, x: Array) -> Array:
        return np.asarray(log_softmax(x @ self._means.T - (self._means**2).sum(axis=1) / 2, axis=1))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        value = self._on_a_line() if self.arrangement == "line" else self._on_a_simplex()
        return GroundTruth(max(value, 0.0), method="quadrature")  # rounding leaves -1e-16 at separation 0

    def _on_a_line(self) -> float:
        z, weights = normal_nodes(0.1)
        points = (self._means + z).ravel()
        own = np.repeat(np.arange(self.classes), len(z))
        surprise = self._log_posterior(points[:, None])[np.arange(len(points)), own]
        return math.log(self.classes) + float(surprise @ np.tile(weights, self.classes)) / self.classes

    def _on_a_simplex(self) -> float:
        a, step = self.separation / math.sqrt(2), 0.25
        z, weights = normal_nodes(step / max(a, 1))
        # S stays below K exp(a^2 + 9 a), and above exp(-9 a): beyond that nothing is left of the integrand.
        u = np.arange(-(a**2 + 9 * a + math.log(self.classes) + 40), 9 * a + 5, step)
        others, own = (np.exp(-np.exp(u[:, None] + shift + a * z)) @ weights for shift in (0, a**2))
        expected_log = step * float((np.exp(-np.exp(u)) - others ** (self.classes - 1) * own).sum())
        return math.log(self.classes) + a**2 - expected_log


@register_distribution(
    name="discrete-uniform-noise",
    family="mixed",
    summary="X uniform on whole numbers, Y = X + uniform noise on (0, 2); 1 x 1",
    formula="I = log(levels) - (levels - 1)/levels log 2",
    citation="gao2017estimating",
)
@dataclass(frozen=True)
class DiscreteUniformNoise(JointDistribution):
    """X uniform on {0..m-1} and Y | X ~ U(X, X + 2), m = levels: I = log m - (m - 1)/m log 2, in nats.

    Between 1 and m two values of X can go with y, elsewhere one: PMI = log(m / 2) or log m.
    """

    levels: int = parameter(5, "values m of X", low=2, high=1_000_000)

    dim_x = 1
    dim_y = 1

    def sample_shape(self, n: int) -> Shape:
        """X is a whole number."""
        return Shape(n, ("discrete",), ("continuous",))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x = rng.integers(self.levels, size=(n, 1)).astype(float)
        y = x + 2 * rng.random((n, 1))
        return Sample(x, y, self.pmi(x, y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        whole, exists = labels(x[:, 0], self.levels)
        received = y[:, 0]
        possible = exists & (received >= whole) & (received <= whole + 2)
        sources = np.where((received >= 1) & (received <= self.levels), 2, 1)
        return np.where(possible, math.log(self.levels) - np.log(sources), -np.inf)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        return GroundTruth(math.log(self.levels) - (self.levels - 1) / self.levels * math.log(2))


@register_distribution(
    name="zero-inflated-poisson",
    family="mixed",
    summary="exponential rate X, Poisson count Y that is replaced by 0 with probability p; 1 x 1",
    formula="I = (1 - p) [I_0 - A(0)] + A(p), A(p) the contribution of y = 0 and I_0 the MI at p = 0",
    citation="gao2017estimating",
)
@dataclass(frozen=True)
class ZeroInflatedPoisson(JointDistribution):
    r"""X ~ Exponential(1); Y = 0 with probability p, else Y | X ~ Poisson(X).

    An observed 0 does not tell which branch made it, so I is not (1 - p) times the MI of the Poisson channel: with
    g(x) = P(Y = 0 | x) = p + (1 - p) e^-x, uniform on (p, 1), the point y = 0 contributes

    A(p) = E[g log(g / E g)] = -(1 + p)/4 - p^2 log(p) / (2 (1 - p)) - (1 + p)/2 log((1 + p)/2),

    and the others (1 - p) times what they do at p = 0, where P(Y = y) = 2^-(y+1) and, summed to rounding,
    I_0 = 2 log 2 - Euler's constant - sum_y 2^-(y+1) log(y!). In nats.
    """

    p: float = parameter(0.15, "probability that the count is replaced by 0", low=0, high=0.999)

    dim_x = 1
    dim_y = 1

    def sample_shape(self, n: int) -> Shape:
        """Y is a count."""
        return Shape(n, ("continuous",), ("discrete",))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x = rng.exponential(size=(n, 1))
        y = rng.poisson(x).astype(float)
        y[rng.random(n) < self.p] = 0
        return Sample(x, y, self.pmi(x, y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        rate, count = x[:, 0], y[:, 0]
        possible = (rate >= 0) & (count >= 0) & (count == np.floor(count))
        rate, count = np.where(possible, rate, 1), np.where(possible, count, 0)
        of_zero = np.log(self.p + (1 - self.p) * np.exp(-rate)) if self.p else -rate
        at_zero = of_zero - math.log((1 + self.p) / 2)
        counted = xlogy(count, rate) - rate - gammaln(count + 1) + (count + 1) * math.log(2)
        return np.where(possible, np.where(count == 0, at_zero, counted), -np.inf)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        counts = np.arange(100)
        poisson = 2 * math.log(2) - np.euler_gamma - float(0.5 ** (counts + 1.0) @ gammaln(counts + 1.0))
        value = (1 - self.p) * (poisson - _share_of_zero(0)) + _share_of_zero(self.p)
        return GroundTruth(value, method="quadrature")


def _share_of_zero(p: float) -> float:
    """A(p), the contribution of y = 0."""
    return -(1 + p) / 4 - float(xlogy(p**2, p)) / (2 * (1 - p)) - (1 + p) / 2 * math.log((1 + p) / 2)


@register_distribution(
    name="quantised-gaussian",
    family="mixed",
    summary="bivariate normal, Y or both cut into levels; 1 x 1",
    formula="I = sum over levels of E[P(level | x) log(P(level | x) / P(level))], by quadrature",
    citation="""@article{olsson1979maximum,
      author = {Ulf Olsson},
      title = {Maximum Likelihood Estimation of the Polychoric Correlation Coefficient},
      journal = {Psychometrika},
      volume = {44},
      number = {4},
      pages = {443--460},
      year = {1979}
    }""",
)
@dataclass(frozen=True)
class QuantisedGaussian(JointDistribution):
    r"""A standard bivariate normal pair with correlation rho, of which one side or both are known up to a level.

    A side with cuts c_1 < ... < c_k becomes the number of cuts below it, a label in {0..k}. Given the other side u,
    P(level i | u) = Phi((c_{i+1} - rho u) / s) - Phi((c_i - rho u) / s) with s^2 = 1 - rho^2.

    One side cut: I = E sum_i P(i | U) log(P(i | U) / P(i)). Both: the MI of the table of cell probabilities. Each is
    one integral over u by Gauss-Legendre panels, laid closer (on the scale of s) where u crosses a cut / rho: the
    absolute error is below 1e-9. In nats.
    """

    rho: float = parameter(0.8, "correlation before the cuts", low=-1, high=1)
    cuts_x: tuple[float, ...] = parameter((), "cuts of X in increasing order; () leaves X continuous", low=-8, high=8)
    cuts_y: tuple[float, ...] = parameter(
        (-1.0, 0.0, 1.0), "cuts of Y in increasing order; () leaves Y continuous", low=-8, high=8
    )

    dim_x = 1
    dim_y = 1

    def __post_init__(self) -> None:
        """Check the correlation and the order of the cuts."""
        super().__post_init__()
        if abs(self.rho) >= 1:
            raise InputError(f"{self.label()}: rho = {self.rho} is out of range; give -1 < rho < 1")
        if not self.cuts_x and not self.cuts_y:
            raise InputError(f"{self.label()}: nothing is cut; give cuts_x or cuts_y (or take gaussian-sparse)")
        for name, cuts in (("cuts_x", self.cuts_x), ("cuts_y", self.cuts_y)):
            if any(low >= high for low, high in itertools.pairwise(cuts)):
                raise InputError(f"{self.label()}: {name} = {cuts} does not increase; give each cut once, in order")

    def sample_shape(self, n: int) -> Shape:
        """What is cut is discrete."""
        return Shape(n, kinds_of(1, discrete=bool(self.cuts_x)), kinds_of(1, discrete=bool(self.cuts_y)))

    @functools.cached_property
    def _pair(self) -> CorrelatedPairs:
        return CorrelatedPairs(1, 1, 1, self.rho, (1 - self.rho) * (1 + self.rho))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._pair.draw(n, rng)
        x, y = (
            np.searchsorted(cuts, side).astype(float) if cuts else side
            for cuts, side in ((self.cuts_x, x), (self.cuts_y, y))
        )
        return Sample(x, y, self.pmi(x, y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        if self.cuts_x and self.cuts_y:
            rows, row_exists = labels(x[:, 0], len(self.cuts_x) + 1)
            columns, column_exists = labels(y[:, 0], len(self.cuts_y) + 1)
            margins = self._log_levels(self.cuts_x)[:, None] + self._log_levels(self.cuts_y)
            ratios = self._log_cells - margins
            return np.where(row_exists & column_exists, ratios[rows, columns], -np.inf)
        cuts, level, u = (self.cuts_x, x, y[:, 0]) if self.cuts_x else (self.cuts_y, y, x[:, 0])
        chosen, exists = labels(level[:, 0], len(cuts) + 1)
        ends = np.array([-np.inf, *cuts, np.inf])
        given = _log_between(self._seen(ends[chosen], u), self._seen(ends[chosen + 1], u))
        return np.where(exists, given - self._log_levels(cuts)[chosen], -np.inf)

    def _seen(self, cut: Array, u: Array) -> Array:
        """A cut of one side in the scale of its noise, given the other side u."""
        return np.asarray((cut - self.rho * u) / math.sqrt(self._pair.residual))

    def _log_levels(self, cuts: tuple[float, ...]) -> Array:
        """Log probability of each level."""
        return _log_between(np.array([-np.inf, *cuts]), np.array([*cuts, np.inf]))

    def _given(self, cuts: tuple[float, ...], fixed: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Nodes u, weights times the normal density, and log P(level | u), shape (nodes, levels)."""
        edges = [np.arange(-12.0, 13.0), np.array(fixed)]
        if self.rho:
            width = math.sqrt(self._pair.residual) / abs(self.rho)
            steps = np.array([-32, -16, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 16, 32])
            # On one lattice, so that close cuts share their edges.
            edges.append(width / 2 * np.unique(np.rint(np.array(cuts)[:, None] / self.rho / (width / 2)) + steps))
        ends_of_panels = np.concatenate(edges)
        u, weights = panels(ends_of_panels[np.abs(ends_of_panels) <= 12])
        ends = self._seen(np.array([-np.inf, *cuts, np.inf]), u[:, None])
        return u, weights * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi), _log_between(ends[:, :-1], ends[:, 1:])

    @functools.cached_property
    def _log_cells(self) -> Array:
        """Log probability of each pair of levels, both sides cut."""
        u, weights, given = self._given(self.cuts_y, self.cuts_x)
        terms, rows = np.log(weights)[:, None] + given, np.searchsorted(self.cuts_x, u)
        return np.stack([logsumexp(terms[rows == row], axis=0) for row in range(len(self.cuts_x) + 1)])

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        if self.cuts_x and self.cuts_y:
            return GroundTruth(table_information(np.exp(self._log_cells)), method="quadrature")
        cuts = self.cuts_x or self.cuts_y
        _, weights, given = self._given(cuts, ())
        told = divergence(np.exp(given), np.exp(self._log_levels(cuts))).sum(axis=1)
        return GroundTruth(float(weights @ told), method="quadrature")


def _log_between(low: Array, high: Array) -> Array:
    """log(Phi(high) - Phi(low)) without cancellation in either tail; finite, very low where nothing is left."""
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    below, above = log_ndtr(low), log_ndtr(high)
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(above + np.log1p(-np.exp(below - above)), -1e300))


@register_distribution(
    name="switched-gaussian",
    family="mixed",
    summary="a bit switches the sign of a correlation: a label and a number in X and in Y; 2 x 2",
    formula="I = log 2 + error log(error) + (1 - error) log(1 - error) - 1/2 log(1 - rho^2)",
    citation="gao2017estimating",
)
@dataclass(frozen=True)
class SwitchedGaussian(JointDistribution):
    r"""X = (L, U) and Y = (M, V), with fair bits L and M and standard normal U and V.

    M is L but for an error probability, and V = (-1)^L rho U + sqrt(1 - rho^2) noise, with normal noise.

    V is standard normal whatever L and M are, so log p(x,y) / (p(x) p(y)) is the sum of the two channels', and so is

    I = log 2 + error log(error) + (1 - error) log(1 - error) - 1/2 log(1 - rho^2), in nats.

    U and V are uncorrelated: which way they go together only the label L tells.
    """

    rho: float = parameter(0.8, "size of the correlation of U and V", low=-1, high=1)
    error: float = parameter(0.2, "probability that M is not L", low=0, high=1)

    dim_x = 2
    dim_y = 2

    def __post_init__(self) -> None:
        """Check that the information is finite."""
        super().__post_init__()
        if abs(self.rho) >= 1:
            raise InputError(f"{self.label()}: rho = {self.rho} makes the information infinite; give -1 < rho < 1")

    def sample_shape(self, n: int) -> Shape:
        """A label and a number on each side."""
        return Shape(n, ("discrete", "continuous"), ("discrete", "continuous"))

    @functools.cached_property
    def _bits(self) -> SymmetricChannel:
        return SymmetricChannel(levels=2, error=self.error)

    @functools.cached_property
    def _numbers(self) -> CorrelatedPairs:
        return CorrelatedPairs(1, 1, 1, self.rho, (1 - self.rho) * (1 + self.rho))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        bits = self._bits.sample(n, rng)
        u, v = self._numbers.draw(n, rng)
        x, y = np.hstack([bits.x, u]), np.hstack([bits.y, (1 - 2 * bits.x) * v])
        return Sample(x, y, self.pmi(x, y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        straight = (1 - 2 * x[:, :1]) * y[:, 1:]
        numbers = self._numbers.information - 0.5 * self._numbers.interaction(x[:, 1:], straight)
        return self._bits.pmi(x[:, :1], y[:, :1]) + numbers

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        return GroundTruth(table_information(self._bits.probabilities) + self._numbers.information)
