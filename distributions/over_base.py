"""Distributions made from the points of another one, column by column."""

from __future__ import annotations

from dataclasses import MISSING, dataclass

from mibench.interface import JointDistribution, Shape, parameter


@dataclass(frozen=True)
class OverBase(JointDistribution):
    """A distribution with the columns of its base: as many, of the same kinds."""

    base: JointDistribution = parameter(MISSING, "distribution that the points are drawn from")

    @property
    def dim_x(self) -> int:
        """Columns of the base's X."""
        return self.base.dim_x

    @property
    def dim_y(self) -> int:
        """Columns of the base's Y."""
        return self.base.dim_y

    def sample_shape(self, n: int) -> Shape:
        """See `JointDistribution.sample_shape`; as in the base."""
        return self.base.sample_shape(n)
