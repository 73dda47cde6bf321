"""Matrix-based Renyi mutual information: entropies of the eigenvalues of kernel matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mibench.estimators.kernels.spectra import FromSpectra
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
    """

    alpha: float = parameter(1.01, "order of the entropy, not 1", low=0.01, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha == 1:
            raise InputError(
                "matrix-renyi: at alpha = 1 the entropy is von Neumann's; give another, or use von-neumann"
            )

    def entropy(self, eigenvalues: Array) -> float:
        """Renyi's of order alpha."""
        return math.log((eigenvalues**self.alpha).sum()) / (1 - self.alpha)
