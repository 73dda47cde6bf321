"""Matrix-based Renyi mutual information: entropies of the eigenvalues of kernel matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mibench.estimators.kernels.gram import kernel_means
from mibench.estimators.kernels.spectra import EXACT, MOST_EIGENVALUES, MOST_POINTS, FromSpectra
from mibench.estimators.kernels.traces import spectral_sum
from mibench.interface import Array, InputError, parameter
from mibench.registry import register_estimator


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
    version="2",
    quantity="matrix-renyi",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
)
@dataclass(frozen=True)
class MatrixRenyi(FromSpectra):
    r"""I = S(K / n) + S(Q / n) - S(K o Q / n) with S(A) = 1 / (1 - alpha) log sum_i lambda_i(A)^alpha, in nats.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)), Q_ij of y and sigma_y alike, o the product entry by entry. The limit at
    alpha = 1 is `von-neumann`, for which 1.01 is the usual substitute. S lies between 0 (all points alike) and log n
    (kernels that reach no other point), so the value depends on n and on the bandwidths, and is positive for
    independent data too: it orders strengths of dependence, and estimates neither Shannon's nor Renyi's mutual
    information. Invariance under changes of units holds for bandwidth median only.

    To 2000 points from all eigenvalues. Beyond, in O(n^2), from `traces.spectral_sum`, whose error, of 1e-4 to 3e-3
    nats at alpha = 1.01 and less above, is told in the diagnostics as approximation_error. At alpha = 2 the sum is
    |A|_F^2: exact, and of O(n) memory. Below 1 the smallest eigenvalues weigh most, and at every n all are computed:
    minutes at n = 10,000.
    """

    alpha: float = parameter(1.01, "order of the entropy, not 1", low=0.01, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha == 1:
            raise InputError(
                "matrix-renyi: at alpha = 1 the entropy is von Neumann's; give another, or use von-neumann"
            )

    def term(self, eigenvalues: Array) -> Array:
        """Powers, whose sum is 1 at alpha = 1."""
        return np.asarray(eigenvalues**self.alpha)

    def entropy(self, total: float) -> float:
        """Renyi's of order alpha."""
        if total == 0:
            what = f"eigenvalues to the power {self.alpha:g} are all 0"
            raise InputError(f"matrix-renyi: {what}; give a smaller alpha or larger bandwidths")
        return math.log(total) / (1 - self.alpha)

    def total(self, points: Array) -> tuple[float, float]:
        """See `FromSpectra.total`."""
        if self.alpha == 2:
            return kernel_means(points, points, 1.0, 1.0, "v").joint, 0.0
        return spectral_sum(points, self.term, EXACT if self.alpha > 1 else MOST_EIGENVALUES)

    @property
    def most_points(self) -> int | None:
        """See `FromSpectra.most_points`."""
        if self.alpha == 2:
            return None
        return MOST_POINTS if self.alpha > 1 else MOST_EIGENVALUES
