"""Multivariate Student-t: heavy tails, and dependence through a common scale even where nothing is correlated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, digamma, gammaln

from mibench.distributions.pairs import OverPairs
from mibench.interface import Array, GroundTruth, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="student",
    family="student",
    summary="multivariate Student-t, one chi-square scale shared by X and Y",
    formula="I = I(normal with the same dispersion) + h(dim_x) + h(dim_y) - h(dim_x + dim_y), h the entropy of a"
    " standard multivariate Student-t",
    citation="""@article{arellano2013shannon,
      author = {Reinaldo B. Arellano-Valle and Javier E. Contreras-Reyes and Marc G. Genton},
      title = {Shannon Entropy and Mutual Information for Multivariate Skew-Elliptical Distributions},
      journal = {Scandinavian Journal of Statistics},
      volume = {40},
      number = {1},
      pages = {42--62},
      year = {2013}
    }""",
)
@dataclass(frozen=True)
class Student(OverPairs):
    r"""(X, Y) = Z sqrt(dof / W) with Z normal as in `gaussian-sparse` and one W ~ chi-square(dof) for both.

    I = I(Z) + h(dim_x) + h(dim_y) - h(dim_x + dim_y), in nats, with the entropy of a standard k-dimensional Student-t

    h(k) = -log G((dof+k)/2) + log G(dof/2) + k/2 log(dof pi) + (dof+k)/2 [psi((dof+k)/2) - psi(dof/2)].

    At rho = 0 nothing is correlated, and I > 0 all the same: a large |X| tells of a large |Y|.
    """

    # Below 0.1 degrees of freedom the points overflow; above 1e6 nothing tells the law from the normal.
    dof: float = parameter(2.0, "degrees of freedom; the tails are heavier the fewer", low=0.1, high=1e6)
    rho: float = parameter(0.0, "correlation of a pair (of the dispersion matrix)", low=-1, high=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._pairs.draw(n, rng)
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, size=(n, 1)))
        x *= scale
        y *= scale
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        of_x, of_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
        joint = of_x + of_y + self._pairs.interaction(x, y)
        tails = (
            self._log_density(self.dim_x + self.dim_y, joint)
            - self._log_density(self.dim_x, of_x)
            - self._log_density(self.dim_y, of_y)
        )
        return np.asarray(self._pairs.count * self._pairs.information + tails)

    def _log_density(self, dim: int, square: Array) -> Array:
        """Log density at a squared Mahalanobis norm, less the terms that cancel in the pointwise MI."""
        # log G((dof+dim)/2) - log G(dof/2) as a beta function: no difference of large numbers.
        gammas = gammaln(dim / 2) - betaln(self.dof / 2, dim / 2)
        return np.asarray(gammas - (self.dof + dim) / 2 * np.log1p(square / self.dof))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        tails = self._entropy(self.dim_x) + self._entropy(self.dim_y) - self._entropy(self.dim_x + self.dim_y)
        return GroundTruth(self._pairs.count * self._pairs.information + tails)

    def _entropy(self, dim: int) -> float:
        """h(dim) less dim/2 log(dof pi), which cancels in I."""
        half = (self.dof + dim) / 2
        gammas = gammaln(dim / 2) - betaln(self.dof / 2, dim / 2)
        return float(half * (digamma(half) - digamma(self.dof / 2)) - gammas)
