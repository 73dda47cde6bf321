"""Matrix-based Renyi mutual information: entropies of the eigenvalues of kernel matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from mibench.estimators.kernels.gram import TwoKernels, gaussian_kernel
from mibench.interface import Array, Context, Estimate, parameter
from mibench.registry import register_estimator

MOST_POINTS = 20_000  # two n x n matrices of 3.2 GB, and eigenvalues that cost n^3


@register_estimator(
    name="matrix-renyi",
    family="kernels",
    summary="Renyi entropies of the eigenvalues of kernel matrices",
    citation="""@article{sanchezgiraldo2015measures,
      author = {Luis Gonzalo {Sanchez Giraldo} and Murali Rao and Jose C. Principe},
      title = {Measures of entropy from data using infinitely divisible kernels},
      journal = {IEEE Transactions on Information Theory},
      volume = {61},
      number = {1},
      pages = {535--548},
      year = {2015}
    }""",
    quantity="matrix-renyi",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
)
@dataclass(frozen=True)
class MatrixRenyi(TwoKernels):
    r"""I = S(K / n) + S(Q / n) - S(K o Q / n) with S(A) = 1 / (1 - alpha) log sum_i lambda_i(A)^alpha, in nats.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)), Q_ij of y and sigma_y alike, o the product entry by entry. At alpha = 1
    S is the von Neumann entropy, -sum_i lambda_i log lambda_i. S lies between 0 (all points alike) and log n (kernels
    that reach no other point), so the value depends on n and on the bandwidths, and is positive for independent data
    too: it orders strengths of dependence, and estimates neither Shannon's nor Renyi's mutual information. Invariance
    under changes of units holds for bandwidth median only.
    """

    alpha: float = parameter(1.01, "order of the entropy; 1 is von Neumann's", low=0.01, high=100)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        sigma_x, sigma_y = self.bandwidths(x, y)
        k, q = gaussian_kernel(x, x, sigma_x), gaussian_kernel(y, y, sigma_y)
        of_x, of_y = spectral_entropy(k, self.alpha), spectral_entropy(q, self.alpha)
        k *= q
        joint = spectral_entropy(k, self.alpha)
        diagnostics = {"bandwidth_x": sigma_x, "bandwidth_y": sigma_y}
        diagnostics |= {"entropy_x": of_x, "entropy_y": of_y, "entropy_joint": joint}
        return Estimate(of_x + of_y - joint, quantity="matrix-renyi", diagnostics=diagnostics)

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """All eigenvalues of n x n matrices are needed."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        if reason is None and n > MOST_POINTS:
            reason = f"needs all eigenvalues of n x n matrices: at most {MOST_POINTS} points, got {n}"
        return reason


def spectral_entropy(kernel: Array, alpha: float) -> float:
    """Renyi entropy, in nats, of the eigenvalues of a kernel matrix with ones on its diagonal, over their sum n."""
    eigenvalues = np.linalg.eigvalsh(kernel) / len(kernel)
    shares = eigenvalues[eigenvalues > 0]  # those of a kernel are not negative but for rounding
    if alpha == 1:
        return float(entr(shares).sum())
    return math.log((shares**alpha).sum()) / (1 - alpha)
