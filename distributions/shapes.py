"""Shapes that a correlation does not see: X and Y are dependent, and every Cor(X_i, Y_j) is 0."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, logsumexp

from mibench.distributions.discrete import SymmetricChannel
from mibench.distributions.pairs import CorrelatedPairs, OverPairs
from mibench.distributions.quadrature import gauss_legendre, log_chi_square_nodes, normal_nodes
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="sign",
    family="shapes",
    summary="normal pairs whose correlation has a random sign: an X-shaped cloud",
    formula="I = -pairs/2 log(1 - rho^2) - E J(a), a = |X| rho / sqrt(1 - rho^2), J(a) the MI of a sign seen as +-a in"
    " unit normal noise",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class Sign(OverPairs):
    r"""Y = S Y' with (X, Y') normal as in `gaussian-sparse` and one fair sign S = -1, 1 for all columns of Y.

    p(y | x) is an even mixture, so PMI(x, y) = log[(e^pmi'(x, y) + e^pmi'(x, -y)) / 2] with pmi' of (X, Y'). What the
    unknown sign costs is I(S; Y | X), by the chain rule. It depends on r = |(x_1..x_pairs)| only:

    I = -pairs/2 log(1 - rho^2) - E J(r rho / sqrt(1 - rho^2)),   J(a) = log 2 - E log(1 + exp(-2 a (a + Z))),

    r^2 chi-square of `pairs` degrees of freedom, Z standard normal. Both means by the trapezoidal rule, absolute error
    below 1e-9. In nats.
    """

    rho: float = parameter(0.9, "correlation of a pair, given the sign", low=-1, high=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._pairs.draw(n, rng)
        y *= rng.choice([-1.0, 1.0], size=(n, 1))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        either = np.logaddexp(-0.5 * self._pairs.interaction(x, y), -0.5 * self._pairs.interaction(x, -y))
        return np.asarray(self._pairs.count * self._pairs.information + either - math.log(2))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        count = self._pairs.count
        u, step = log_chi_square_nodes(count, count)
        law = step * np.exp(_log_chi_square(u, count))
        amplitude = np.exp(u[:, None] / 2) * abs(self.rho) / math.sqrt(self._pairs.residual)
        z, weights = normal_nodes(0.1)
        doubt = np.logaddexp(0, -2 * amplitude * (amplitude + z)) @ weights
        known = count * self._pairs.information - float(law @ (math.log(2) - doubt))
        return GroundTruth(max(known, 0.0), method="quadrature")  # rounding leaves -1e-16 at rho = 0


def _log_chi_square(u: Array, dof: float) -> Array:
    """Log density of u = log V for V chi-square."""
    return np.asarray(dof / 2 * (u - math.log(2)) - np.exp(u) / 2 - gammaln(dof / 2))


@register_distribution(
    name="bend-and-mix",
    family="shapes",
    summary="two bent normal pairs, mirror images of each other; 1 x 1",
    formula="I = E log(p(y | x) / p(y)) with p(y | x) and p(y) two bent normal densities each, by quadrature",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class BendAndMix(JointDistribution):
    r"""X = U, and Y = g(V) or -g(V), each half of the time; (U, V) a normal pair, g(v) = sinh(asinh(v) + bend).

    g is increasing: it skews V and makes one tail longer. With v = g^{-1}(y), v' = g^{-1}(-y), N the normal density

    p(y | x) ~ N(v; rho x, s^2) sqrt(1 + v^2) + N(v'; rho x, s^2) sqrt(1 + v'^2),   s^2 = 1 - rho^2,

    and p(y) the same at rho = 0, up to one factor (2 sqrt(1 + y^2))^-1. (x, -y) is as likely as (x, y), hence no
    correlation; bend = 0 is the X shape of `sign`. I is the mean of PMI over V given X (trapezoidal rule) and X (panels
    laid closer where the arms cross); absolute error below 1e-8. In nats.
    """

    rho: float = parameter(0.9, "correlation of U and V", low=-0.9999, high=0.9999)
    bend: float = parameter(0.5, "strength of the bend; 0 leaves two straight arms", low=-1, high=1)

    dim_x = 1
    dim_y = 1

    @functools.cached_property
    def _pair(self) -> CorrelatedPairs:
        return CorrelatedPairs(1, 1, 1, self.rho, (1 - self.rho) * (1 + self.rho))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, v = self._pair.draw(n, rng)
        y = np.sinh(np.arcsinh(v) + self.bend) * rng.choice([-1.0, 1.0], size=(n, 1))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        return self._pmi(x[:, 0], np.sinh(np.arcsinh(y[:, 0]) - self.bend))

    def _pmi(self, x: Array, v: Array) -> Array:
        other = np.sinh(-np.arcsinh(v) - 2 * self.bend)
        slopes = [0.5 * np.log1p(side**2) for side in (v, other)]
        joint = [-((side - self.rho * x) ** 2) / (2 * self._pair.residual) for side in (v, other)]
        alone = [-(side**2) / 2 for side in (v, other)]
        given = np.logaddexp(joint[0] + slopes[0], joint[1] + slopes[1])
        return np.asarray(self._pair.information + given - np.logaddexp(alone[0] + slopes[0], alone[1] + slopes[1]))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        noise = math.sqrt(self._pair.residual)
        crossing = -math.sinh(self.bend) / self.rho if self.rho else 0.0
        around = noise * np.geomspace(0.5, 1024, 23)
        edges = np.concatenate([np.arange(-9.0, 10.0), [crossing], crossing - around, crossing + around])
        x, weights = gauss_legendre(edges[np.abs(edges) <= 9])
        z, z_weights = normal_nodes(0.1)
        pmi = self._pmi(x[:, None], self.rho * x[:, None] + noise * z)
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        value = float((weights * density) @ pmi @ z_weights)
        return GroundTruth(max(value, 0.0), method="quadrature")  # rounding leaves -1e-16 at rho = 0


@register_distribution(
    name="ring",
    family="shapes",
    summary="a blurred circle; a shell in more dimensions",
    formula="I = E log p(x,y) - E log p(x) - E log p(y), polynomials times normal densities; 1-D quadrature over |x|",
    citation="reshef2011detecting",
)
@dataclass(frozen=True)
class Ring(JointDistribution):
    r"""Density r^(2k) phi / c with r^2 = |x|^2 + |y|^2, phi the standard normal density, k = sharpness.

    (X, Y) has a uniform direction, and r^2 is chi-square of dim_x + dim_y + 2k degrees of freedom: the shell is about
    1 / sqrt(4k) of its radius thick. Expanding r^(2k) makes both margins phi times a polynomial: of m and n columns,

    p(x) / phi(x) = sum_j C(k, j) |x|^(2j) M_n(k - j) / M_{m+n}(k),   M_d(j) = E (chi^2_d)^j = 2^j G(d/2 + j) / G(d/2),

    so that |X|^2 is a mixture of chi-square laws of m + 2j degrees of freedom. E log r^2 is a digamma, E log p(x) one
    trapezoidal rule over log |x|^2, absolute error below 1e-9. In nats.
    """

    dim_x: int = parameter(1, "columns of X", low=1)
    dim_y: int = parameter(1, "columns of Y", low=1)
    sharpness: int = parameter(10, "k: the larger the thinner, and the more dependent", low=0, high=100)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        dim = self.dim_x + self.dim_y
        points = rng.standard_normal((n, dim))
        radius = np.sqrt(rng.chisquare(dim + 2 * self.sharpness, size=(n, 1)))
        points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
        x, y = np.ascontiguousarray(points[:, : self.dim_x]), np.ascontiguousarray(points[:, self.dim_x :])
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`; -inf at the centre of the ring."""
        of_x, of_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
        with np.errstate(divide="ignore"):
            of_both = self.sharpness * np.log(of_x + of_y) if self.sharpness else np.zeros(len(x))
            log_x, log_y = np.log(of_x), np.log(of_y)
        both = of_both - self._log_moment(self.dim_x + self.dim_y, self.sharpness)
        return np.asarray(both - self._log_ratio(log_x, self.dim_x) - self._log_ratio(log_y, self.dim_y))

    def _log_moment(self, dim: int, power: Array | float) -> Array:
        """Log of M_dim(power)."""
        return np.asarray(power * math.log(2) + gammaln(dim / 2 + power) - gammaln(dim / 2))

    def _log_coefficients(self, dim: int) -> Array:
        """Log coefficient of each power |x|^(2j) in p(x) / phi(x), x of `dim` columns."""
        k, total = self.sharpness, self.dim_x + self.dim_y
        j = np.arange(k + 1.0)
        binomial = gammaln(k + 1) - gammaln(j + 1) - gammaln(k - j + 1)
        return np.asarray(binomial + self._log_moment(total - dim, k - j) - self._log_moment(total, k))

    def _log_ratio(self, u: Array, dim: int) -> Array:
        """Log of p(x) / phi(x) at u = log |x|^2."""
        first, *rest = self._log_coefficients(dim)
        result = np.full(len(u), first)
        for j, coefficient in enumerate(rest, start=1):
            result = np.logaddexp(result, coefficient + j * u)
        return result

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        k, total = self.sharpness, self.dim_x + self.dim_y
        value = k * (float(digamma(total / 2 + k)) + math.log(2)) - float(self._log_moment(total, k))
        for dim in (self.dim_x, self.dim_y):
            u, step = log_chi_square_nodes(dim, dim + 2 * k)
            ratio = self._log_ratio(u, dim)
            value -= step * float(np.exp(_log_chi_square(u, dim) + ratio) @ ratio)
        return GroundTruth(max(value, 0.0), method="quadrature")  # rounding leaves -1e-13 at sharpness 0


@dataclass(frozen=True)
class SignedProduct(JointDistribution):
    r"""p(x, y) = p(x) p(y) prod_k (1 + c s_k(x) t_k(y)) with signs s_k, t_k = -1 or 1, all fair and independent.

    With c = 1 - 2 error each factor is a binary symmetric channel from s_k to t_k and nothing else is shared: I is
    copies [log 2 + error log(error) + (1 - error) log(1 - error)], in nats, and PMI is -inf where a factor is 0.
    """

    @property
    @abstractmethod
    def channels(self) -> tuple[int, float]:
        """Number of factors, and the error probability of each."""

    @abstractmethod
    def independent(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw X and Y independently, each with its margin."""

    @abstractmethod
    def signs(self, x: Array, y: Array) -> tuple[Array, Array]:
        """s_k(x) and t_k(y), shapes (n, copies)."""

    @abstractmethod
    def turn(self, y: Array, wrong: Array) -> None:
        """Change y in place by a map that keeps p(y) and negates t_k wherever wrong (n, copies) is true."""

    @functools.cached_property
    def _channel(self) -> SymmetricChannel:
        return SymmetricChannel(levels=2, error=self.channels[1])

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Draw X and Y independently, then turn Y where its signs are not what the channels return."""
        x, y = self.independent(n, rng)
        s, t = self.signs(x, y)
        returned = np.where(rng.random(s.shape) < self.channels[1], -s, s)
        self.turn(y, returned != t)
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        s, t = self.signs(x, y)
        outcomes = self._channel.pmi(np.zeros((2, 1)), np.array([[0.0], [1.0]]))  # the sign got through, or did not
        return np.asarray(outcomes[(s != t).astype(int)].sum(axis=1))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        channel = self._channel.ground_truth(quantity)
        return None if channel is None else GroundTruth(self.channels[0] * channel.value)


@register_distribution(
    name="xor",
    family="shapes",
    summary="the sign of Y_k is that of the product of two columns of X, up to errors; normal margins",
    formula="I = copies [log 2 + error log(error) + (1 - error) log(1 - error)]",
    citation="""@article{watanabe1960information,
      author = {Satosi Watanabe},
      title = {Information Theoretical Analysis of Multivariate Correlation},
      journal = {IBM Journal of Research and Development},
      volume = {4},
      number = {1},
      pages = {66--82},
      year = {1960}
    }""",
)
@dataclass(frozen=True)
class Xor(SignedProduct):
    """X and Y standard normal vectors; for k < copies sign(Y_k) = sign(X_{2k} X_{2k+1}), but for an error probability.

    No column of X alone tells anything about Y: every (X_i, Y) is independent. I = copies (log 2 - H(error)).
    """

    dim_x: int = parameter(5, "columns of X, two for each copy", low=2)
    dim_y: int = parameter(5, "columns of Y", low=1)
    copies: int = parameter(1, "independent copies of the relation", low=1)
    error: float = parameter(0.05, "probability that a sign is wrong", low=0, high=1)

    def __post_init__(self) -> None:
        """Check that the copies fit."""
        super().__post_init__()
        most = min(self.dim_x // 2, self.dim_y)
        if self.copies > most:
            raise InputError(
                f"{self.label()}: copies = {self.copies} is out of range; give at most min(dim_x / 2, dim_y) = {most}"
            )

    @property
    def channels(self) -> tuple[int, float]:
        """See `SignedProduct.channels`."""
        return self.copies, self.error

    def independent(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """See `SignedProduct.independent`."""
        return rng.standard_normal((n, self.dim_x)), rng.standard_normal((n, self.dim_y))

    def signs(self, x: Array, y: Array) -> tuple[Array, Array]:
        """See `SignedProduct.signs`."""
        products = np.signbit(x[:, 0 : 2 * self.copies : 2]) == np.signbit(x[:, 1 : 2 * self.copies : 2])
        return np.where(products, 1.0, -1.0), np.where(np.signbit(y[:, : self.copies]), -1.0, 1.0)

    def turn(self, y: Array, wrong: Array) -> None:
        """Reflect a column."""
        y[:, : self.copies] *= np.where(wrong, -1.0, 1.0)


@register_distribution(
    name="checkerboard",
    family="shapes",
    summary="uniform on the black squares of a board, but for errors; uniform margins; 1 x 1",
    formula="I = log 2 + error log(error) + (1 - error) log(1 - error)",
    citation="reshef2011detecting",
)
@dataclass(frozen=True)
class Checkerboard(SignedProduct):
    """X and Y uniform on (0, 1), sign cos(2 pi m X) = sign cos(2 pi m Y) but for an error probability; m = periods.

    The squares at the border are cut in half, which makes the board symmetric and its correlation exactly 0. I is the
    same at any number of squares, log 2 - H(error): an estimator needs the more points the smaller they are.
    """

    periods: int = parameter(2, "pairs m of a black and a white square in each row", low=1, high=1000)
    error: float = parameter(0.0, "share of the points that lie on white squares", low=0, high=1)

    dim_x = 1
    dim_y = 1

    @property
    def channels(self) -> tuple[int, float]:
        """See `SignedProduct.channels`."""
        return 1, self.error

    def independent(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """See `SignedProduct.independent`."""
        return rng.random((n, 1)), rng.random((n, 1))

    def signs(self, x: Array, y: Array) -> tuple[Array, Array]:
        """See `SignedProduct.signs`."""
        s, t = (np.where(np.floor(2 * self.periods * side + 0.5) % 2 == 0, 1.0, -1.0) for side in (x, y))
        return s, t

    def turn(self, y: Array, wrong: Array) -> None:
        """Move half a period on, around the end."""
        y[wrong] = (y[wrong] + 0.5 / self.periods) % 1

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`; -inf outside of the board."""
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        return np.where(inside[:, 0], super().pmi(x, y), -np.inf)


@register_distribution(
    name="spiral-clusters",
    family="shapes",
    summary="small round clusters along the arms of a spiral; 1 x 1",
    formula="I = E log(p(x,y) / (p(x) p(y))), a normal mixture, by 2-D quadrature",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class SpiralClusters(JointDistribution):
    r"""Even mixture of round normal clusters, whose centres wind outwards along equal arms to radius 1.

    p(x, y) = mean_k N(x; a_k, spread^2) N(y; b_k, spread^2), the margins likewise. A rotation by one arm changes
    nothing, so with 3 or more arms the covariance is a multiple of the identity. I by the trapezoidal rule over the
    plane with steps of spread / 8; absolute error below 1e-9. In nats.
    """

    arms: int = parameter(3, "arms of the spiral", low=3, high=20)
    clusters: int = parameter(6, "clusters of each arm", low=1, high=50)
    turns: float = parameter(0.75, "turns that an arm makes around the centre", low=-5, high=5)
    spread: float = parameter(0.05, "standard deviation of a cluster", low=0.01, high=1)

    dim_x = 1
    dim_y = 1

    @functools.cached_property
    def _centres(self) -> Array:
        """Centres of the clusters, shape (arms * clusters, 2)."""
        radius = np.arange(1, self.clusters + 1) / self.clusters
        angle = 2 * math.pi * (self.turns * radius + np.arange(self.arms)[:, None] / self.arms)
        return np.stack([(radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()], axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        points = self._centres[rng.integers(len(self._centres), size=n)]
        points += self.spread * rng.standard_normal((n, 2))
        x, y = np.ascontiguousarray(points[:, :1]), np.ascontiguousarray(points[:, 1:])
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        of_x, of_y = self._log_kernels(x, 0), self._log_kernels(y, 1)
        joint = logsumexp(of_x + of_y, axis=1)
        return np.asarray(math.log(len(self._centres)) + joint - logsumexp(of_x, axis=1) - logsumexp(of_y, axis=1))

    def _log_kernels(self, column: Array, axis: int) -> Array:
        """Log of exp(-(x - a_k)^2 / (2 spread^2)): a column (n, 1) to (n, clusters)."""
        return np.asarray(-((column - self._centres[:, axis]) ** 2) / (2 * self.spread**2))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        step, end = self.spread / 8, 1 + 9 * self.spread
        nodes = np.arange(-end, end, step)[:, None]
        scale = step / (self.spread * math.sqrt(2 * math.pi))
        of_x, of_y = (scale * np.exp(self._log_kernels(nodes, axis)) for axis in (0, 1))
        joint = of_x @ of_y.T / len(self._centres)
        entropies = [-float((p * np.log(np.maximum(p, 1e-300))).sum()) for p in (of_x.mean(1), of_y.mean(1), joint)]
        return GroundTruth(entropies[0] + entropies[1] - entropies[2], method="quadrature")


@register_distribution(
    name="sinusoid",
    family="shapes",
    summary="Y a cosine of X plus normal noise; the MI is the same at any frequency; 1 x 1",
    formula="I = h(Y) - 1/2 log(2 pi e noise^2), h by quadrature",
    citation="reshef2011detecting",
)
@dataclass(frozen=True)
class Sinusoid(JointDistribution):
    r"""X ~ U(0, 1) and Y = cos(2 pi frequency X) + noise Z, Z standard normal: I = h(Y) - 1/2 log(2 pi e noise^2).

    p(y) = 1/pi int_0^pi N(y; cos t, noise^2) dt by the midpoint rule, which converges geometrically for this periodic
    integrand, and so does the trapezoidal rule for h(Y): absolute error below 1e-9. In nats.
    """

    frequency: int = parameter(3, "periods in (0, 1)", low=1, high=1_000_000)
    noise: float = parameter(0.3, "standard deviation of the noise", low=0.02, high=1000)

    dim_x = 1
    dim_y = 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x = rng.random((n, 1))
        y = np.cos(2 * math.pi * self.frequency * x) + self.noise * rng.standard_normal((n, 1))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`; -inf where x is outside of (0, 1)."""
        signal, received = x[:, 0], y[:, 0]
        off = (received - np.cos(2 * math.pi * self.frequency * signal)) / self.noise
        return np.where((signal >= 0) & (signal <= 1), -(off**2) / 2 - self._log_margin(received), -np.inf)

    def _log_margin(self, y: Array) -> Array:
        """Log of p(y) sqrt(2 pi noise^2)."""
        count = math.ceil(16 + 12 / self.noise)
        nearest = (y - np.clip(y, -1, 1)) / self.noise
        total = np.zeros(len(y))
        for t in (np.arange(count) + 0.5) * math.pi / count:
            total += np.exp((nearest**2 - ((y - math.cos(t)) / self.noise) ** 2) / 2)
        return np.asarray(np.log(total / count) - nearest**2 / 2)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        step, end = self.noise / 16, 1 + 9 * self.noise
        log_margin = self._log_margin(np.arange(-end, end, step))
        density = np.exp(log_margin) / (self.noise * math.sqrt(2 * math.pi))
        return GroundTruth(-step * float(density @ log_margin) - 0.5, method="quadrature")
