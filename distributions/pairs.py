"""Normal vectors in which only the first coordinates of X and Y are correlated, pair by pair."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from mibench.interface import Array, InputError, JointDistribution, parameter


@dataclass(frozen=True)
class CorrelatedPairs:
    """X and Y standard normal with Cor(X_i, Y_i) = rho for i < count, every other correlation 0.

    `residual` is 1 - rho^2. It stands beside rho because near rho = 1 the two cannot be had from each other.
    """

    dim_x: int
    dim_y: int
    count: int
    rho: float
    residual: float

    @property
    def information(self) -> float:
        """Mutual information of one pair, -1/2 log(1 - rho^2) in nats."""
        return 0.5 * math.log(1 / self.residual)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw n points: X (n, dim_x) and Y (n, dim_y)."""
        x = rng.standard_normal((n, self.dim_x))
        y = rng.standard_normal((n, self.dim_y))
        paired = y[:, : self.count]
        paired *= math.sqrt(self.residual)
        paired += self.rho * x[:, : self.count]
        return x, y

    def interaction(self, x: Array, y: Array) -> Array:
        """Squared Mahalanobis norm of (x, y) less those of x and of y, shape (n,)."""
        left, right = x[:, : self.count], y[:, : self.count]
        return np.asarray(((right - self.rho * left) ** 2 / self.residual - right**2).sum(axis=1))


@dataclass(frozen=True)
class OverPairs(JointDistribution):
    """A distribution made from normal vectors with correlated pairs of one correlation below 1."""

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)
    pairs: int | None = parameter(None, "correlated pairs; none means min(2, dim_x, dim_y)", low=1)
    rho: float = parameter(0.8, "correlation of a pair", low=-1, high=1)

    def __post_init__(self) -> None:
        """Check that the pairs fit and that the information is finite."""
        super().__post_init__()
        if abs(self.rho) >= 1:
            raise InputError(f"{self.label()}: rho = {self.rho} makes the information infinite; give -1 < rho < 1")
        pair_count(self.label(), self.pairs, self.dim_x, self.dim_y)

    @functools.cached_property
    def _pairs(self) -> CorrelatedPairs:
        count = pair_count(self.label(), self.pairs, self.dim_x, self.dim_y)
        return CorrelatedPairs(self.dim_x, self.dim_y, count, self.rho, (1 - self.rho) * (1 + self.rho))


def pair_count(label: str, pairs: int | None, dim_x: int, dim_y: int) -> int:
    """Number of correlated pairs: min(2, dim_x, dim_y) unless given."""
    most = min(dim_x, dim_y)
    if pairs is not None and pairs > most:
        raise InputError(f"{label}: pairs = {pairs} is out of range; give at most min(dim_x, dim_y) = {most}")
    return min(2, most) if pairs is None else pairs
