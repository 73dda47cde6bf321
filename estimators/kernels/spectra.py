"""Entropies of the eigenvalues of kernel matrices, and what they say two variables share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from mibench.estimators.kernels.gram import TwoKernels, gaussian_kernel
from mibench.interface import Array, Context, Estimate

MOST_POINTS = 20_000  # two n x n matrices of 3.2 GB, and eigenvalues that cost n^3


@dataclass(frozen=True)
class FromSpectra(TwoKernels):
    """S(K / n) + S(Q / n) - S(K o Q / n) with an entropy S of eigenvalues that sum to 1."""

    @abstractmethod
    def entropy(self, eigenvalues: Array) -> float:
        """Entropy, in nats, of positive numbers whose sum is 1."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = self.bandwidths(x, y)
        k, q = gaussian_kernel(x, x, sigma_x), gaussian_kernel(y, y, sigma_y)
        of_x, of_y = self.entropy(spectrum(k)), self.entropy(spectrum(q))
        k *= q
        joint = self.entropy(spectrum(k))
        diagnostics = {"bandwidth_x": sigma_x, "bandwidth_y": sigma_y}
        diagnostics |= {"entropy_x": of_x, "entropy_y": of_y, "entropy_joint": joint}
        return Estimate(of_x + of_y - joint, quantity=self.quantity, diagnostics=diagnostics)

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """All eigenvalues of n x n matrices are needed."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        if reason is None and n > MOST_POINTS:
            reason = f"needs all eigenvalues of n x n matrices: at most {MOST_POINTS} points, got {n}"
        return reason


def spectrum(kernel: Array) -> Array:
    """Eigenvalues of a kernel matrix with ones on its diagonal, over their sum n."""
    eigenvalues = np.linalg.eigvalsh(kernel) / len(kernel)
    return np.asarray(eigenvalues[eigenvalues > 0])  # those of a kernel are not negative but for rounding
