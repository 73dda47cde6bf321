"""Entropies of the eigenvalues of kernel matrices, and what they say two variables share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from mibench.estimators.kernels.gram import TwoKernels
from mibench.estimators.kernels.traces import spectral_sum
from mibench.interface import Array, Context, Estimate, Shape

EXACT = 2000  # points up to which all eigenvalues take less than a second
MOST_POINTS = 30_000  # an n x n matrix of 3.6 GB
MOST_EIGENVALUES = 20_000  # an n x n matrix of 3.2 GB, and time of order n^3


@dataclass(frozen=True)
class FromSpectra(TwoKernels):
    """S(K / n) + S(Q / n) - S(K o Q / n) with an entropy S, a function of a sum over eigenvalues, which have sum 1."""

    @abstractmethod
    def term(self, eigenvalues: Array) -> Array:
        """Terms of the sum, one for each eigenvalue."""

    @abstractmethod
    def entropy(self, total: float) -> float:
        """Entropy, in nats, from the sum."""

    def total(self, points: Array) -> tuple[float, float]:
        """Sum for the kernel matrix of points, whose bandwidth is 1, and its error: `spectral_sum`."""
        return spectral_sum(points, self.term, EXACT)

    @property
    def most_points(self) -> int | None:
        """Number of points beyond which memory or time would not do."""
        return MOST_POINTS

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = self.bandwidths(x, y)
        x, y = x / sigma_x, y / sigma_y
        of_x, of_y = self.total(x), self.total(y)
        # K o Q is the kernel matrix of (x, y); whichever is called X, its columns have one order
        joint = self.total(np.hstack([x, y] if of_x <= of_y else [y, x]))
        entropies = [self.entropy(total) for total, _ in (of_x, of_y, joint)]
        errors = [abs(self.entropy(total + error) - self.entropy(total)) for total, error in (of_x, of_y, joint)]
        diagnostics = {"bandwidth_x": sigma_x, "bandwidth_y": sigma_y, "approximation_error": sum(errors)}
        diagnostics |= dict(zip(("entropy_x", "entropy_y", "entropy_joint"), entropies, strict=True))
        value = entropies[0] + entropies[1] - entropies[2]
        return Estimate(value, quantity=self.quantity, diagnostics=diagnostics)

    def unsupported(self, shape: Shape) -> str | None:
        """An n x n matrix is held."""
        reason = super().unsupported(shape)
        if reason is None and self.most_points is not None and shape.n > self.most_points:
            reason = f"needs eigenvalues of n x n matrices: at most {self.most_points} points, got {shape.n}"
        return reason
