"""A uniform signal with uniform noise added."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mibench.interface import Array, GroundTruth, JointDistribution, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="additive-uniform",
    family="uniform",
    summary="X uniform on (0, 1), Y = X + uniform noise; 1 x 1",
    formula="I = noise - log(2 noise) if noise <= 1/2, else 1 / (4 noise)",
    citation="czyz2023beyond",
)
@dataclass(frozen=True)
class AdditiveUniform(JointDistribution):
    """X ~ U(0, 1), Y = X + N with N ~ U(-noise, noise): I = h(Y) - log(2 noise), in nats."""

    noise: float = parameter(0.75, "half-width of the noise", low=1e-6, high=1e6)

    @property
    def dim_x(self) -> int:
        """One column."""
        return 1

    @property
    def dim_y(self) -> int:
        """One column."""
        return 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x = rng.random((n, 1))
        y = x + rng.uniform(-self.noise, self.noise, size=(n, 1))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """-log of the length of the x that can go with y; -inf where x and y cannot go together."""
        signal, received = x[:, 0], y[:, 0]
        overlap = np.minimum(1, received + self.noise) - np.maximum(0, received - self.noise)
        rounding = 4 * np.finfo(float).eps * max(1, self.noise)
        possible = (np.abs(received - signal) <= self.noise + rounding) & (overlap > 0)
        return np.where(possible, -np.log(np.where(possible, overlap, 1)), -np.inf)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        return GroundTruth(self.noise - math.log(2 * self.noise) if self.noise <= 0.5 else 1 / (4 * self.noise))
