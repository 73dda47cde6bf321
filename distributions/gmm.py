"""Normal mixtures: dependence that correlation does not see, clusters, letters, shells."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from dataclasses import MISSING, dataclass

import numpy as np

from mibench.distributions.gaussian import check_covariance
from mibench.distributions.mixture_law import NormalComponents
from mibench.distributions.quantities import mixture_cs_qmi
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, parameter
from mibench.registry import register_distribution


@dataclass(frozen=True)
class NormalMixture(JointDistribution):
    """(X, Y) from one of several normal laws; which one is not told: I = E log p(x, y) / (p(x) p(y))."""

    @abstractmethod
    def components(self) -> NormalComponents:
        """Weights, means and covariances."""

    @functools.cached_property
    def _law(self) -> NormalComponents:
        return self.components()

    @functools.cached_property
    def _truth(self) -> GroundTruth:
        return self._law.mutual_information()

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._law.draw(n, rng)
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        return self._law.pmi(x, y)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`; also of cs-qmi, see `quantities.mixture_cs_qmi`."""
        if quantity == "cs-qmi":
            law = self._law
            return GroundTruth(mixture_cs_qmi(law.weights, law.means, law.covariances, law.dim_x), quantity=quantity)
        return self._truth if quantity == "mi" else None


@register_distribution(
    name="gmm",
    family="gmm",
    summary="any mixture of normal laws",
    formula="I = E log p(x, y) / (p(x) p(y)): sufficient statistics of as few dimensions as possible, then quadrature;"
    " randomised quasi-Monte Carlo with its standard error where too many are left",
    citation="czyz2023mixtures",
    example="gmm[means=((1,1),(-1,0)),covariances=(((1,0.5),(0.5,1)),((1,-0.3),(-0.3,0.5)))]",
)
@dataclass(frozen=True)
class GMM(NormalMixture):
    r"""p(x, y) = sum_k w_k N((x, y); m_k, S_k).

    The truth is exact (absolute error < 1e-9) for 1 x 1, for any dimensions that a linear map of X and one of Y takes
    to 1 x 1 without loss, for components centred at one point with proportional covariances, and for 2 x 1 unless some
    components are very much finer than others. Elsewhere it is Monte Carlo, with its standard error: a fixed seed,
    computed once for each object.
    """

    means: tuple[tuple[float, ...], ...] = parameter(MISSING, "mean of (X, Y) in each component")
    covariances: tuple[tuple[tuple[float, ...], ...], ...] = parameter(
        MISSING, "covariance matrix of (X, Y) in each component, or one for all; rows in brackets, or a .npy file"
    )
    weights: tuple[float, ...] | None = parameter(None, "of the components, divided by their sum; none means equal")
    dim_x: int = parameter(0, "columns of X, which come first; 0 means half of them", low=0)

    def __post_init__(self) -> None:
        """Check that the sizes agree and that covariances are positive definite."""
        super().__post_init__()
        label, count, size = self.label(), len(self.means), len(self.means[0]) if self.means else 0
        if {len(mean) for mean in self.means} != {size} or size < 2 or not np.isfinite(self.means).all():
            raise InputError(f"{label}: means are not of one length; give 2 or more finite numbers for each component")
        if len(self.covariances) not in (1, count):
            raise InputError(
                f"{label}: {len(self.covariances)} covariances for {count} means; give one for each component or one"
            )
        for covariance in self.covariances:
            if len(covariance) != size:
                raise InputError(f"{label}: a covariance of {len(covariance)} rows for means of {size}; give {size}")
            check_covariance(f"{label}: a covariance", covariance)
        weights = self._weights()
        if len(weights) != count or not (np.isfinite(weights) & (weights > 0)).all():
            raise InputError(
                f"{label}: weights = {self.weights} for {count} components; give a positive number for each"
            )
        if self.dim_x >= size:
            raise InputError(f"{label}: dim_x = {self.dim_x} leaves no Y; give 1 to {size - 1}")
        object.__setattr__(self, "dim_x", self.dim_x or size // 2)

    @property
    def dim_y(self) -> int:
        """Columns of Y: the rest."""
        return len(self.means[0]) - self.dim_x

    def _weights(self) -> Array:
        return np.ones(len(self.means)) if self.weights is None else np.array(self.weights)

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        return mixture(self.means, self.covariances, self.dim_x, self._weights())


@register_distribution(
    name="cross",
    family="gmm",
    summary="two bivariate normal laws that cross like the strokes of an X: no correlation; 1 x 1",
    formula="I = E log p(x, y) / (p(x) p(y)) by quadrature in the plane",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class Cross(NormalMixture):
    """N(0, S) or N(0, T) with even odds, unit variances and correlation rho in S, -rho in T: normal margins."""

    rho: float = parameter(0.9, "correlation within a stroke", low=-0.999, high=0.999)

    dim_x = 1
    dim_y = 1

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        return mixture([[0, 0]] * 2, [[[1, rho], [rho, 1]] for rho in (self.rho, -self.rho)], 1)


@register_distribution(
    name="letters-ai",
    family="gmm",
    summary="six bivariate normal laws that write AI; 1 x 1",
    formula="I = E log p(x, y) / (p(x) p(y)) by quadrature in the plane",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class LettersAI(NormalMixture):
    """Six strokes of equal weight: one rises, one falls (correlation 0.95, -0.95), and a bar; a stem and two serifs."""

    dim_x = 1
    dim_y = 1

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        c = 0.95 * math.sqrt(0.04 * 0.2)
        stem, serif, bar = [[0.01, 0], [0, 0.2]], [[0.05, 0], [0, 0.001]], [[0.03, 0], [0, 0.001]]
        rising, falling = [[0.04, c], [c, 0.2]], [[0.04, -c], [-c, 0.2]]
        means = [[1, 0], [1, 1], [1, -1], [-0.8, -0.2], [-1.2, 0], [-0.4, 0]]
        return mixture(means, [stem, serif, serif, bar, rising, falling], 1)


@register_distribution(
    name="sawtooth",
    family="gmm",
    summary="clusters along a sawtooth of X and Y, with a column of X that tells nothing; 2 x 1",
    formula="I of the first column of X and Y: E log p(x, y) / (p(x) p(y)) by quadrature in the plane",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class Sawtooth(NormalMixture):
    """Components k = 0, 1, ... of equal weight with mean 1.5 (k, 0, k mod 4) and covariance diag(0.1, 1, 0.1)."""

    teeth: int = parameter(12, "components, four to a tooth", low=1, high=100)

    dim_x = 2
    dim_y = 1

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        means = [[1.5 * k, 0, 1.5 * (k % 4)] for k in range(self.teeth)]
        return mixture(means, [np.diag([0.1, 1, 0.1])], 2)


@register_distribution(
    name="twin-clusters",
    family="gmm",
    summary="two round clusters on the diagonal; 2 x 1",
    formula="I of the sum of the columns of X and Y: E log p(x, y) / (p(x) p(y)) by quadrature in the plane",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class TwinClusters(NormalMixture):
    """N(m, I) or N(-m, I) with even odds, m = distance / 2 (1, 1, 1)."""

    distance: float = parameter(3.0, "distance of the clusters in each coordinate", low=0, high=100)

    dim_x = 2
    dim_y = 1

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        return mixture([[self.distance / 2] * 3, [-self.distance / 2] * 3], [np.eye(3)], 2)


@register_distribution(
    name="concentric",
    family="gmm",
    summary="normal clouds of growing width around one centre, and Y says which with little noise; dim x 1",
    formula="I of the distance from the centre and Y: E log p(r, y) / (p(r) p(y)) by quadrature in the plane",
    citation="czyz2023mixtures",
)
@dataclass(frozen=True)
class Concentric(NormalMixture):
    """X ~ N(0, k^2 I) and Y ~ N(k, noise^2) independent given k, and k = 1, ..., clouds with equal odds."""

    clouds: int = parameter(5, "clouds", low=1, high=100)
    dim: int = parameter(3, "columns of X", low=1)
    noise: float = parameter(0.01, "standard deviation of Y given the cloud", low=1e-4, high=1e4)

    dim_y = 1

    @property
    def dim_x(self) -> int:
        """Columns of X."""
        return self.dim

    def components(self) -> NormalComponents:
        """See `NormalMixture.components`."""
        widths = range(1, self.clouds + 1)
        covariances = [np.diag([float(k * k)] * self.dim + [self.noise**2]) for k in widths]
        return mixture([[0] * self.dim + [k] for k in widths], covariances, self.dim)


def mixture(means: object, covariances: object, dim_x: int, weights: Array | None = None) -> NormalComponents:
    """Bring the parts to common shapes: one covariance serves all components, and the weights sum to 1."""
    of_means = np.array(means, dtype=float)
    count, size = of_means.shape
    of_covariances = np.broadcast_to(np.array(covariances, dtype=float), (count, size, size))
    odds = np.ones(count) if weights is None else weights
    return NormalComponents(odds / odds.sum(), of_means, of_covariances, dim_x)
