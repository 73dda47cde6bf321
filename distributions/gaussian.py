"""Jointly normal X and Y: sparse, dense, and any covariance."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from dataclasses import MISSING, dataclass

import numpy as np
from scipy.linalg import block_diag, solve_triangular

from mibench.distributions.pairs import CorrelatedPairs, pair_count
from mibench.distributions.pmi_law import Complex, KnownPMILaw
from mibench.distributions.quantities import (
    dense_sliced_mi,
    normal_cs_qmi,
    normal_wasserstein_2,
    scalar_sliced_mi,
    sparse_sliced_mi,
)
from mibench.interface import Array, GroundTruth, InputError, Sample, parameter
from mibench.registry import register_distribution

# Above this a canonical pair's noise is too small for float64: y = x + e with e of size exp(-30) = 1e-13.
MOST_NATS = 30.0


@dataclass(frozen=True)
class JointlyNormal(KnownPMILaw):
    r"""X and Y jointly normal: I = sum_j I_j over canonical pairs with I_j = -1/2 log(1 - r_j^2), in nats.

    The pointwise mutual information is I + sum_j r_j (A_j - B_j) / 2 with independent chi-square variables A_j, B_j of
    one degree of freedom, hence log E[exp(z pmi)] = z I - 1/2 sum_j log(1 - r_j^2 z^2).
    """

    @abstractmethod
    def pair_information(self) -> Array:
        """I_j of the canonical pairs; those that are left out have I_j = 0."""

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`; also of cs-qmi, sliced-mi and wasserstein-2, see `quantities`."""
        if quantity == "mi":
            return GroundTruth(float(self.pair_information().sum()))
        if quantity == "cs-qmi":
            return GroundTruth(normal_cs_qmi(self.pair_information()), quantity=quantity)
        if quantity == "wasserstein-2" and (distance := self.wasserstein_2()) is not None:
            return GroundTruth(distance, quantity=quantity)
        if quantity == "sliced-mi" and (sliced := self.sliced_mi()) is not None:
            return GroundTruth(sliced, method="quadrature", quantity=quantity)
        return None

    def wasserstein_2(self) -> float | None:
        """2-Wasserstein distance between p(x, y) and p(x) p(y); None where nobody wrote it down."""
        return None

    def sliced_mi(self) -> float | None:
        """Sliced MI in nats; None where it is not known."""
        return None

    def pmi_cumulants(self, z: Complex) -> Complex:
        """See `KnownPMILaw.pmi_cumulants`."""
        information = self.pair_information()
        squares = -np.expm1(-2 * information)
        return np.asarray(z * information.sum() - 0.5 * np.log1p(-np.multiply.outer(z**2, squares)).sum(axis=-1))


@register_distribution(
    name="gaussian-sparse",
    family="gaussian",
    summary="normal, a few pairs (X_i, Y_i) correlated, everything else independent",
    formula="I = -pairs/2 log(1 - rho^2)",
    citation="gelfand1959calculation",
)
@dataclass(frozen=True)
class GaussianSparse(JointlyNormal):
    """Unit variances, Cor(X_i, Y_i) = rho for i < pairs, every other correlation 0: I = -pairs/2 log(1 - rho^2)."""

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)
    pairs: int | None = parameter(None, "correlated pairs; none means min(2, dim_x, dim_y)", low=1)
    rho: float | None = parameter(None, "correlation of a pair, 0.8 unless mi is given", low=-1, high=1)
    mi: float | None = parameter(None, "mutual information in nats instead of rho, the same in each pair", low=0)

    def __post_init__(self) -> None:
        """Check that the pairs fit and that rho and mi are alternatives."""
        super().__post_init__()
        _check_strength(self.label(), self.rho, self.mi, self._pairs.count)

    @functools.cached_property
    def _pairs(self) -> CorrelatedPairs:
        count = pair_count(self.label(), self.pairs, self.dim_x, self.dim_y)
        if self.mi is None:
            rho = 0.8 if self.rho is None else self.rho
            residual = (1 - rho) * (1 + rho)
        else:
            rho = math.sqrt(-math.expm1(-2 * self.mi / count))
            residual = math.exp(-2 * self.mi / count)
        return CorrelatedPairs(self.dim_x, self.dim_y, count, rho, residual)

    def pair_information(self) -> Array:
        """See `JointlyNormal.pair_information`."""
        return np.full(self._pairs.count, self._pairs.information)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._pairs.draw(n, rng)
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """I - 1/2 sum_i [(y_i - rho x_i)^2 / (1 - rho^2) - y_i^2] over the correlated pairs."""
        return np.asarray(self.pair_information().sum() - 0.5 * self._pairs.interaction(x, y))

    def wasserstein_2(self) -> float:
        """The squared distances of the pairs add up."""
        joint = np.array([[1, 0], [self._pairs.rho, math.sqrt(self._pairs.residual)]])
        return math.sqrt(self._pairs.count) * normal_wasserstein_2(joint, np.eye(2))

    def sliced_mi(self) -> float:
        """See `quantities.sparse_sliced_mi`."""
        pairs = self._pairs
        return sparse_sliced_mi(self.dim_x, self.dim_y, pairs.count, pairs.rho, pairs.residual)


@register_distribution(
    name="gaussian-dense",
    family="gaussian",
    summary="normal, every pair of coordinates of (X, Y) equally correlated",
    formula="I = 1/2 log[(1 + (m-1) rho)(1 + (n-1) rho) / ((1 - rho)(1 + (m+n-1) rho))] at dim_x = m, dim_y = n",
    citation="czyz2023beyond",
)
@dataclass(frozen=True)
class GaussianDense(JointlyNormal):
    r"""Unit variances, every correlation rho; -1/(dim_x + dim_y - 1) < rho < 1.

    Only the means of X and of Y are informative: they are the one canonical pair. With m = dim_x, n = dim_y

    1 - r^2 = (1 - rho)(1 + (m+n-1) rho) / [(1 + (m-1) rho)(1 + (n-1) rho)],   I = -1/2 log(1 - r^2).
    """

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)
    rho: float | None = parameter(None, "correlation of all coordinates, 0.5 unless mi is given", low=-1, high=1)
    mi: float | None = parameter(None, "mutual information in nats instead of rho; rho >= 0 then", low=0)

    def __post_init__(self) -> None:
        """Check that the covariance is positive definite and that rho and mi are alternatives."""
        super().__post_init__()
        _check_strength(self.label(), self.rho, self.mi, 1)
        if self._eigenvalue(self.dim_x + self.dim_y) <= 0:
            least = -1 / (self.dim_x + self.dim_y - 1)
            raise InputError(f"{self.label()}: rho = {self.rho} is out of range; at these dimensions give > {least:g}")

    @functools.cached_property
    def _strength(self) -> tuple[float, float]:
        """The correlation rho and 1 - rho, each to full precision."""
        m, n = self.dim_x, self.dim_y
        if self.mi is None:
            rho = 0.5 if self.rho is None else self.rho
            return rho, 1 - rho
        # r^2 (1 + (m-1) rho)(1 + (n-1) rho) = m n rho^2, a quadratic equation in rho and in 1 - rho alike.
        square, residual = -math.expm1(-2 * self.mi), math.exp(-2 * self.mi)
        leading = m + n - 1 + residual * (m - 1) * (n - 1)
        linear = square * (m + n - 2)
        root = math.sqrt(linear**2 + 4 * square * leading)
        rest = 2 * residual * m * n / (m + n + residual * (2 * m * n - m - n) + root)
        return (linear + root) / (2 * leading), rest

    def _eigenvalue(self, dim: int) -> float:
        """The eigenvalue 1 + (dim - 1) rho that belongs to the mean of `dim` coordinates; the others are 1 - rho."""
        return 1 + (dim - 1) * self._strength[0]

    def pair_information(self) -> Array:
        """See `JointlyNormal.pair_information`."""
        m, n = self.dim_x, self.dim_y
        rho, rest = self._strength
        margins = math.log1p((m - 1) * rho) + math.log1p((n - 1) * rho)
        return np.array([0.5 * (margins - math.log(rest) - math.log1p((m + n - 1) * rho))])

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Apply the symmetric root of the covariance to white noise; it changes the mean and the scale only."""
        dim = self.dim_x + self.dim_y
        points = rng.standard_normal((n, dim))
        scale = math.sqrt(self._strength[1])
        shift = (math.sqrt(self._eigenvalue(dim)) - scale) * points.mean(axis=1, keepdims=True)
        points *= scale
        points += shift
        x, y = np.ascontiguousarray(points[:, : self.dim_x]), np.ascontiguousarray(points[:, self.dim_x :])
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """I less half the difference of squared Mahalanobis norms, which the block means determine."""
        m, n = self.dim_x, self.dim_y
        mean_x, mean_y = x.mean(axis=1), y.mean(axis=1)
        between = m * n / (m + n) * (mean_x - mean_y) ** 2 / self._strength[1]
        joint = between + (m * mean_x + n * mean_y) ** 2 / ((m + n) * self._eigenvalue(m + n))
        margins = m * mean_x**2 / self._eigenvalue(m) + n * mean_y**2 / self._eigenvalue(n)
        return np.asarray(self.pair_information()[0] - 0.5 * (joint - margins))

    def wasserstein_2(self) -> float:
        """The distance between the laws of sqrt(dim_x) mean(X) and sqrt(dim_y) mean(Y); all else is alike in both."""
        of_x, of_y = math.sqrt(self._eigenvalue(self.dim_x)), math.sqrt(self._eigenvalue(self.dim_y))
        slope = self._strength[0] * math.sqrt(self.dim_x * self.dim_y) / of_x
        noise = of_y * math.exp(-self.pair_information()[0])
        return normal_wasserstein_2(np.array([[of_x, 0], [slope, noise]]), np.diag([of_x, of_y]))

    def sliced_mi(self) -> float:
        """See `quantities.dense_sliced_mi`."""
        return dense_sliced_mi(self.dim_x, self.dim_y, *self._strength)


@dataclass(frozen=True)
class WithCovariance(JointlyNormal):
    r"""Mean 0 and covariance S of (X, Y): I = 1/2 log(det S_x det S_y / det S), from Cholesky factors."""

    @property
    @abstractmethod
    def matrix(self) -> Array:
        """Covariance of (X, Y), the columns of X first; positive definite."""

    @functools.cached_property
    def _factors(self) -> tuple[Array, Array]:
        """Cholesky factors of the covariance of (X, Y) and of that of Y."""
        matrix = self.matrix
        joint, of_y = np.linalg.cholesky(matrix), np.linalg.cholesky(matrix[self.dim_x :, self.dim_x :])
        return np.asarray(joint), np.asarray(of_y)

    @functools.cached_property
    def _information(self) -> Array:
        # The singular values are sqrt(1 - r_j^2): the noise of Y given X, seen in the scale of Y.
        joint, of_y = self._factors
        noise = joint[self.dim_x :, self.dim_x :]
        scales = np.linalg.svd(solve_triangular(of_y, noise, lower=True), compute_uv=False)
        return np.asarray(np.log(1 / np.minimum(scales, 1)))  # rounding takes them above 1 where r_j = 0

    def pair_information(self) -> Array:
        """See `JointlyNormal.pair_information`."""
        return self._information

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        points = rng.standard_normal((n, self.dim_x + self.dim_y)) @ self._factors[0].T
        x, y = np.ascontiguousarray(points[:, : self.dim_x]), np.ascontiguousarray(points[:, self.dim_x :])
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """The difference log p(y|x) - log p(y): I - 1/2 (squared norm of y given x, less that of y)."""
        joint, of_y = self._factors
        white = solve_triangular(joint, np.hstack([x, y]).T, lower=True)[self.dim_x :]
        alone = solve_triangular(of_y, y.T, lower=True)
        return np.asarray(self._information.sum() - 0.5 * ((white**2).sum(axis=0) - (alone**2).sum(axis=0)))


@register_distribution(
    name="gaussian",
    family="gaussian",
    summary="normal with any covariance",
    formula="I = 1/2 log(det S_x det S_y / det S) with the blocks S_x, S_y of the covariance S",
    citation="gelfand1959calculation",
    example="gaussian[covariance=((1,0.5),(0.5,1))]",
)
@dataclass(frozen=True)
class Gaussian(WithCovariance):
    r"""Covariance S of (X, Y): I = 1/2 log(det S_x det S_y / det S), from Cholesky factors."""

    covariance: tuple[tuple[float, ...], ...] = parameter(
        MISSING, "covariance matrix of (X, Y): rows in brackets, or a .npy, .csv or .txt file"
    )
    dim_x: int = parameter(0, "columns of X, which come first; 0 means half of them", low=0)

    def __post_init__(self) -> None:
        """Check that the covariance is symmetric positive definite."""
        super().__post_init__()
        check_covariance(f"{self.label()}: the covariance", self.covariance)
        size = len(self.covariance)
        if self.dim_x >= size:
            raise InputError(f"{self.label()}: dim_x = {self.dim_x} leaves no Y; give 1 to {size - 1}")
        object.__setattr__(self, "dim_x", self.dim_x or size // 2)

    @property
    def dim_y(self) -> int:
        """Columns of Y: the rest."""
        return len(self.covariance) - self.dim_x

    @property
    def matrix(self) -> Array:
        """See `WithCovariance.matrix`."""
        return np.array(self.covariance, dtype=float)

    def wasserstein_2(self) -> float:
        """See `quantities.normal_wasserstein_2`."""
        joint, of_y = self._factors
        return normal_wasserstein_2(joint, block_diag(joint[: self.dim_x, : self.dim_x], of_y))

    def sliced_mi(self) -> float | None:
        """Known where X or Y is a scalar: see `quantities.scalar_sliced_mi`."""
        matrix = np.array(self.covariance, dtype=float)
        if self.dim_x == 1:
            return scalar_sliced_mi(matrix)
        return scalar_sliced_mi(np.roll(matrix, 1, axis=(0, 1))) if self.dim_y == 1 else None


def check_covariance(what: str, covariance: tuple[tuple[float, ...], ...]) -> None:
    """Refuse what is no finite, symmetric, positive definite matrix of at least 2 rows."""
    size = len(covariance)
    if size < 2 or {len(row) for row in covariance} != {size}:
        raise InputError(f"{what} is no square matrix of 2 or more rows; give one row per column of X and Y")
    matrix = np.array(covariance)
    if not np.isfinite(matrix).all():
        raise InputError(f"{what} has entries that are not finite; give finite numbers")
    spread = np.sqrt(np.abs(np.diag(matrix)))
    if (np.abs(matrix - matrix.T) > 1e-9 * np.outer(spread, spread)).any():
        raise InputError(f"{what} is not symmetric; give a symmetric positive definite matrix")
    try:
        pivots = np.diag(np.linalg.cholesky(matrix)) ** 2
    except np.linalg.LinAlgError:
        pivots = np.zeros(size)
    if (pivots < size * np.finfo(float).eps * np.diag(matrix)).any() or not pivots.all():
        raise InputError(f"{what} is not positive definite; give a symmetric positive definite matrix")


def _check_strength(label: str, rho: float | None, mi: float | None, pairs: int) -> None:
    if rho is not None and mi is not None:
        raise InputError(f"{label}: rho and mi are alternatives; give one of them")
    if rho is not None and abs(rho) >= 1:
        raise InputError(f"{label}: rho = {rho} makes the mutual information infinite; give -1 < rho < 1")
    if mi is not None and mi > MOST_NATS * pairs:
        most = f"{MOST_NATS * pairs:g}"
        raise InputError(f"{label}: mi = {mi} is more than float64 points can carry; give at most {most}")
