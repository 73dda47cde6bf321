"""What the estimators from neighbours share: one k or several, ties, margins, and noise where it is asked for."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass

import numpy as np

from mibench.estimators.margins import Margins, transformed
from mibench.estimators.ties import BREAKING, Spread, Ties, Width, untied
from mibench.interface import Array, Context, Estimator, InputError, Shape, parameter

# First word of the seed of the noise: any fixed number that nobody takes for a seed.
JITTER = 0x6A69747465726F6E65696768


@dataclass(frozen=True)
class FromNeighbors(Estimator):
    """An estimator from the distance of the k-th neighbour: for several k the mean of their estimates."""

    k: int | tuple[int, ...] = parameter(
        3, "which neighbour sets the radius; more: less variance, more bias; several: the mean of the estimates", low=1
    )
    margins: Margins = parameter(
        "raw", "columns as they are, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    ties: Ties = parameter("spread", BREAKING, later=True)

    # How far ties are spread: thin noise for counts of neighbours, cells where distances stand for a density.
    width: typing.ClassVar[Width] = "thin"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k == ():
            raise InputError(f"{self.label()}: parameter k = () is empty; give a whole number >= 1, or several: (3,5)")

    @property
    def ks(self) -> tuple[int, ...]:
        """Every k, in their order."""
        return self.k if isinstance(self.k, tuple) else (self.k,)

    def prepared(self, x: Array, y: Array, context: Context) -> Spread:
        """Return the blocks whose neighbours are searched: ties are broken, then the margins changed."""
        data = untied(x, y, self.ties, self.width, context.shape_of(x, y))
        x, y = (transformed(block, self.margins) for block in self.noisy(data, context))
        return dataclasses.replace(data, x=x, y=y)

    def noisy(self, data: Spread, context: Context) -> tuple[Array, Array]:
        """Return the blocks with more noise where a parameter asks for it."""
        return data.x, data.y

    def unsupported(self, shape: Shape) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(shape)
        if reason is None and shape.n <= max(self.ks):
            reason = f"needs more than k = {max(self.ks)} points, got {shape.n}"
        return reason


@dataclass(frozen=True)
class FromContinuousNeighbors(FromNeighbors):
    """An estimator for densities, to whose columns noise may be added."""

    jitter: float = parameter(
        0.0, "normal noise added to every column, in its standard deviations; ties need none: see ties", low=0, high=1
    )

    @property
    def deterministic(self) -> bool:
        """Noise depends on the seed."""
        return self.jitter == 0 and super().deterministic

    def noisy(self, data: Spread, context: Context) -> tuple[Array, Array]:
        """Return the blocks with normal noise, from a stream that no sample drawn with the same seed can share."""
        if self.jitter == 0:
            return data.x, data.y
        rng = np.random.default_rng([JITTER, *context.rng.integers(2**32, size=4).tolist()])
        x, y = (
            block + self.jitter * block.std(axis=0) * rng.standard_normal(block.shape) for block in (data.x, data.y)
        )
        return x, y
