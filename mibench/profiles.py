"""The pointwise-MI profile: the distribution of log p(x,y) / (p(x) p(y)), whose mean is the mutual information."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench.interface import Array, GroundTruth, InputError
from mibench.registry import DistributionLike, full_spec, make_distribution

_BLOCK = 4_000_000  # numbers drawn at once: 32 MB


@dataclass(frozen=True, eq=False)
class PMIProfile:
    """A sample of S = pmi(X, Y) in nats, (X, Y) drawn from a joint distribution.

    Its mean estimates the mutual information; its variance, divided by n, is the smallest asymptotic variance that an
    estimator which does not know the family can have. MI-preserving maps of X and of Y leave the profile as it is.

    Attributes
    ----------
    sample
        The values, shape (n,), in the order drawn.
    truth
        The mutual information of the distribution, where it is known.
    """

    sample: Array
    truth: GroundTruth | None = None

    @property
    def mean(self) -> float:
        """Mean of the sample: an unbiased estimate of the mutual information."""
        return float(self.sample.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        return self.sd / math.sqrt(len(self.sample))

    @property
    def sd(self) -> float:
        """Standard deviation of S."""
        return float(self.sample.std(ddof=1))

    @property
    def negative(self) -> float:
        """Share of the pairs with S < 0, which are less likely together than apart."""
        return float((self.sample < 0).mean())

    @property
    def excess_kurtosis(self) -> float:
        """E[(S - E S)^4] / Var(S)^2 - 3: weight of the tails, 0 for a normal profile; NaN where S does not vary."""
        deviations = self.sample - self.sample.mean()
        variance = float((deviations**2).mean())
        return float((deviations**4).mean()) / variance**2 - 3 if variance > 0 else math.nan

    def quantile(self, level: float | Array) -> Any:
        """Quantiles of S: a number for a number, an array for an array."""
        found = np.quantile(self.sample, level)
        return float(found) if np.ndim(level) == 0 else found


def pmi_profile(
    distribution: DistributionLike,
    n: int = 100_000,
    seed: int = 0,
    **parameters: Any,
) -> PMIProfile:
    """Draw the pointwise-MI profile of a distribution with a density.

    Parameters
    ----------
    distribution
        A specification such as `student[dof=3]`, a task's id, a class, or an object.
    n
        Number of pairs, at least 2.
    seed
        Seed of the pairs.
    parameters
        Further parameters of the distribution.

    >>> profile = pmi_profile("gaussian-sparse", dim_x=1, dim_y=1, rho=0.8)
    >>> round(profile.mean, 1), round(profile.truth.value, 4)
    (0.5, 0.5108)
    """
    law = make_distribution(distribution, **parameters)
    if n < 2:
        raise InputError(f"n = {n} is too few for a profile; give 2 or more")
    rng = np.random.default_rng(seed)
    rows = max(2, _BLOCK // (law.dim_x + law.dim_y))
    found = []
    for start in range(0, n, rows):
        pmi = law.sample(min(rows, n - start), rng).pmi
        if pmi is None:
            raise InputError(f"{full_spec(law)}: its density is not known, so it has no pointwise-MI profile")
        found.append(pmi)
    return PMIProfile(np.concatenate(found), law.ground_truth())
