"""What the estimators from neighbours share: one k or several, margins, and noise where it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from mibench.estimators.margins import Margins, transformed
from mibench.interface import Array, Context, Estimator, InputError, Shape, parameter


@dataclass(frozen=True)
class FromNeighbors(Estimator):
    """An estimator from the distance of the k-th neighbour: for several k the mean of their estimates."""

    k: int | tuple[int, ...] = parameter(
        3, "which neighbour sets the radius; more: less variance, more bias; several: the mean of the estimates", low=1
    )
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k == ():
            raise InputError(f"{self.label()}: parameter k = () is empty; give a whole number >= 1, or several: (3,5)")

    @property
    def ks(self) -> tuple[int, ...]:
        """Every k, in the order given."""
        return self.k if isinstance(self.k, tuple) else (self.k,)

    def prepared(self, x: Array, y: Array, context: Context) -> tuple[Array, Array]:
        """Return the blocks whose neighbours are searched."""
        return transformed(x, self.margins), transformed(y, self.margins)

    def unsupported(self, shape: Shape) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(shape)
        if reason is None and shape.n <= max(self.ks):
            reason = f"needs more than k = {max(self.ks)} points, got {shape.n}"
        return reason


@dataclass(frozen=True)
class FromContinuousNeighbors(FromNeighbors):
    """An estimator for densities, where ties are an accident of measurement that noise may break."""

    jitter: float = parameter(
        0.0, "normal noise added to every column as given, in its standard deviations; 1e-10 breaks ties", low=0, high=1
    )

    @property
    def deterministic(self) -> bool:
        """Noise depends on the seed."""
        return self.jitter == 0 and super().deterministic

    def prepared(self, x: Array, y: Array, context: Context) -> tuple[Array, Array]:
        """Return the blocks whose neighbours are searched."""
        if self.jitter > 0:
            x, y = (
                block + self.jitter * block.std(axis=0) * context.rng.standard_normal(block.shape) for block in (x, y)
            )
        return super().prepared(x, y, context)
