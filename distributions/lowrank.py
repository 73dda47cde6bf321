"""A few common factors behind every column of X and Y: dense dependence of low rank at any dimension."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import brentq

from mibench.distributions.gaussian import MOST_NATS, JointlyNormal
from mibench.interface import Array, InputError, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="low-rank",
    family="lowrank",
    summary="normal, a few common factors behind all columns of X and Y",
    formula="I = 1/2 log[det(1 + A'A) det(1 + B'B) / det(1 + A'A + B'B)] with loadings A, B over the noise",
    citation="""@book{anderson2003introduction,
      author = {Theodore W. Anderson},
      title = {An Introduction to Multivariate Statistical Analysis},
      edition = {3},
      publisher = {Wiley},
      year = {2003}
    }""",
)
@dataclass(frozen=True)
class LowRank(JointlyNormal):
    r"""X_i = sqrt(c) u_i'Z + sqrt(1-c) E_i and Y_j = sqrt(c) v_j'Z + sqrt(1-c) F_j; Z, E, F standard normal, Z (rank,).

    The directions u_i, v_j are fixed unit vectors, so that every column has variance 1, of which the factors Z explain
    the share c. The loadings over the noise are A = sqrt(c/(1-c)) U (dim_x, rank) and B = sqrt(c/(1-c)) V, and

    I = 1/2 log det(1 + A'A) + 1/2 log det(1 + B'B) - 1/2 log det(1 + A'A + B'B), in nats.

    It grows with the dimension, as log det does, unless `mi` is given. X tells of Z through R_A Z + noise alone, with
    the triangular factor of A = Q_A R_A, and Y through R_B Z + noise: truth and pointwise MI cost
    O((dim_x + dim_y) rank^2), points O((dim_x + dim_y) rank) each.
    """

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)
    rank: int | None = parameter(None, "common factors; none means min(2, dim_x, dim_y)", low=1)
    communality: float | None = parameter(
        None, "share c of a column's variance that the factors explain, 0.5 unless mi is given", low=0, high=1
    )
    mi: float | None = parameter(None, "mutual information in nats instead of communality", low=0)
    loadings: int = parameter(0, "seed of the directions u and v", low=0)

    def __post_init__(self) -> None:
        """Check that communality and mi are alternatives, and that float64 can carry the information."""
        super().__post_init__()
        if self.communality is not None and self.mi is not None:
            raise InputError(f"{self.label()}: communality and mi are alternatives; give one of them")
        if self.communality == 1:
            raise InputError(f"{self.label()}: communality = 1 makes the mutual information infinite; give less")
        least_dim = min(self.dim_x, self.dim_y)
        if self.rank is not None and self.rank > least_dim:
            raise InputError(
                f"{self.label()}: rank = {self.rank} is out of range; give at most {least_dim} at this size"
            )
        if self.mi is not None and self.mi > MOST_NATS * self._factors:
            most = f"{MOST_NATS * self._factors:g}"
            raise InputError(
                f"{self.label()}: mi = {self.mi} is more than float64 points can carry; give at most {most}"
            )

    @property
    def _factors(self) -> int:
        return min(2, self.dim_x, self.dim_y) if self.rank is None else self.rank

    @functools.cached_property
    def directions(self) -> tuple[Array, Array]:
        """The unit vectors U (dim_x, rank) and V (dim_y, rank); more columns keep the directions of the first."""
        u, v = (
            np.random.default_rng([self.loadings, side]).standard_normal((dim, self._factors))
            for side, dim in enumerate((self.dim_x, self.dim_y))
        )
        return u / np.linalg.norm(u, axis=1, keepdims=True), v / np.linalg.norm(v, axis=1, keepdims=True)

    @functools.cached_property
    def _odds(self) -> float:
        """Signal over noise of a column, c / (1 - c)."""
        if self.mi is None:
            communality = 0.5 if self.communality is None else self.communality
            return communality / (1 - communality)
        if self.mi == 0:
            return 0.0
        # I increases with the odds from 0 without limit, by 1/2 for each factor and unit of their logarithm in the end.
        return math.exp(brentq(lambda log_odds: self._determinants(math.exp(log_odds)) - self.mi, -60, 80, xtol=1e-13))

    def _determinants(self, odds: float) -> float:
        """I at a signal-to-noise ratio."""
        x, y = (odds * direction.T @ direction for direction in self.directions)
        one = np.eye(self._factors)
        log_det = [float(np.linalg.slogdet(one + gram)[1]) for gram in (x, y, x + y)]
        return (log_det[0] + log_det[1] - log_det[2]) / 2

    @functools.cached_property
    def _reduced(self) -> tuple[Array, Array, Array, Array, Array]:
        """Q_A, Q_B, then of Q_B'Y (in units of the noise): regression on Q_A'X, root covariance given X, and alone."""
        (q_a, r_a), (q_b, r_b) = (np.linalg.qr(math.sqrt(self._odds) * part) for part in self.directions)
        # Z given X has the covariance (1 + A'A)^-1 = W W' and the mean W W' R_A' Q_A'X.
        w = np.linalg.inv(_root(r_a, np.eye(self._factors)).T)
        one = np.eye(len(r_b))
        return q_a, q_b, r_b @ w @ w.T @ r_a.T, _root((r_b @ w).T, one), _root(r_b.T, one)

    @functools.cached_property
    def _information(self) -> Array:
        # The singular values are sqrt(1 - r_j^2): the noise of Q_B'Y given X, seen in its own scale.
        _, _, _, given, alone = self._reduced
        scales = np.linalg.svd(solve_triangular(alone, given, lower=True), compute_uv=False)
        return np.asarray(np.log(1 / np.minimum(scales, 1)))

    def pair_information(self) -> Array:
        """See `JointlyNormal.pair_information`."""
        return self._information

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        factors = rng.standard_normal((n, self._factors)) * math.sqrt(self._odds / (1 + self._odds))
        x, y = rng.standard_normal((n, self.dim_x)), rng.standard_normal((n, self.dim_y))
        u, v = self.directions
        for block, signal in ((x, factors @ u.T), (y, factors @ v.T)):
            np.multiply(block, 1 / math.sqrt(1 + self._odds), out=block)
            np.add(block, signal, out=block)
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """I - 1/2 (squared norm of Q_B'y given x, less that of Q_B'y)."""
        q_a, q_b, regression, given, alone = self._reduced
        scale = math.sqrt(1 + self._odds)
        u, v = scale * (x @ q_a).T, scale * (y @ q_b).T
        conditional = solve_triangular(given, v - regression @ u, lower=True)
        marginal = solve_triangular(alone, v, lower=True)
        return np.asarray(self._information.sum() - 0.5 * ((conditional**2).sum(axis=0) - (marginal**2).sum(axis=0)))


def _root(*blocks: Array) -> Array:
    """Lower triangular L with L L' = the sum of B'B over the blocks B, without forming it."""
    return np.asarray(np.linalg.qr(np.vstack(blocks), mode="r")).T
