"""Von Neumann mutual information: entropies of kernel matrices as density matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from mibench.estimators.kernels.spectra import FromSpectra
from mibench.interface import Array
from mibench.registry import register_estimator


@register_estimator(
    name="von-neumann",
    family="kernels",
    summary="von Neumann entropies of kernel matrices, the limit alpha = 1 of matrix-renyi",
    citation="""@article{bach2023information,
      author = {Francis Bach},
      title = {Information theory with kernel methods},
      journal = {IEEE Transactions on Information Theory},
      volume = {69},
      number = {2},
      pages = {752--775},
      year = {2023}
    }""",
    version="2",
    quantity="von-neumann",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
)
@dataclass(frozen=True)
class VonNeumann(FromSpectra):
    r"""I = S(K / n) + S(Q / n) - S(K o Q / n) with S(A) = -tr A log A = -sum_i lambda_i(A) log lambda_i(A), in nats.

    K_ij = exp(-|x_i - x_j|^2 / (2 sigma_x^2)), Q_ij of y and sigma_y alike, o the product entry by entry. K / n has the
    eigenvalues of the sample's second moment in the kernel's feature space: of trace 1, the density matrix of a state,
    of which exp S is the number of directions that the points take. K o Q / n is the state of the pairs, and a mixture
    of products, so the value lies from 0 to the smaller of S(K / n) and S(Q / n), at most log n. Where the kernels tell
    apart groups of points and nothing within them, it is Shannon's mutual information of the groups. Elsewhere it
    depends on n and on the bandwidths and is positive for independent data too: it orders strengths of dependence.
    Invariance under changes of units holds for bandwidth median only.

    To 2000 points from all eigenvalues. Beyond, in O(n^2), from `traces.spectral_sum`, whose error, of 1e-4 to 3e-3
    nats, is told in the diagnostics as approximation_error, and is next to 0 where the points lie in one dimension.
    """

    def term(self, eigenvalues: Array) -> Array:
        """Von Neumann's entropy is Shannon's of the eigenvalues."""
        return np.asarray(entr(eigenvalues))

    def entropy(self, total: float) -> float:
        """The sum itself."""
        return total
