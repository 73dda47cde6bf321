"""Nothing to find: X and Y independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mibench.distributions.pmi_law import Complex, KnownPMILaw
from mibench.interface import Array, GroundTruth, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="independent",
    family="independent",
    summary="X and Y independent standard normal vectors",
    formula="I = 0",
    citation="cover2006elements",
)
@dataclass(frozen=True)
class Independent(KnownPMILaw):
    """X and Y independent standard normal vectors: I = 0, and the pointwise MI is 0 everywhere."""

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = rng.standard_normal((n, self.dim_x)), rng.standard_normal((n, self.dim_y))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """Zero everywhere."""
        return np.zeros(len(x))

    def pmi_cumulants(self, z: Complex) -> Complex:
        """See `KnownPMILaw.pmi_cumulants`."""
        return np.zeros_like(z)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """Zero, of every quantity that is known elsewhere."""
        known = quantity in ("mi", "cs-qmi", "sliced-mi", "wasserstein-2")
        return GroundTruth(0.0, quantity=quantity) if known else None
