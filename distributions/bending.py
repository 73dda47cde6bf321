"""Injective maps that bend X or Y across its columns: spiral, swiss roll, ripple; and a change of scale.

Each is a `Transformed` with an exact inverse, so that mutual information stays what it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mibench.distributions.transforms import Side, Transformed
from mibench.interface import Array, InputError, Shape, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="spiral",
    family="bending",
    summary="a rotation of two columns that grows with the distance from 0",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="spiral[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Spiral(Transformed):
    """x -> R(speed |x|^2 / dim_x) x with R(a) the rotation by a in the plane of columns 0 and 1; Y likewise in 1 and 2.

    R keeps |x|, so that the inverse turns back by the same angle. A block that lacks the two columns stays as it is.
    """

    speed: float = parameter(1.0, "angle in radians at |x|^2 = dim_x", low=-1e6, high=1e6)

    def __post_init__(self) -> None:
        """Check that there is a plane to turn."""
        super().__post_init__()
        if self.dim_x < 2 and self.dim_y < 3:
            raise InputError(f"{self.label()}: give a base with 2 or more columns in X or 3 or more in Y")

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return self._turned(block, side, self.speed)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return self._turned(block, side, -self.speed)

    def _turned(self, block: Array, side: Side, speed: float) -> Array:
        first, second = (0, 1) if side == "x" else (1, 2)
        if block.shape[1] <= second:
            return block
        angle = speed * (block**2).mean(axis=1)
        turned = block.copy()
        turned[:, first] = np.cos(angle) * block[:, first] - np.sin(angle) * block[:, second]
        turned[:, second] = np.sin(angle) * block[:, first] + np.cos(angle) * block[:, second]
        return turned


@register_distribution(
    name="swiss-roll",
    family="bending",
    summary="X, one column, is rolled up into a spiral in the plane",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="swiss-roll[base=normal-cdf[base=gaussian-sparse[dim_x=1,dim_y=1]]]",
)
@dataclass(frozen=True)
class SwissRoll(Transformed):
    """x -> (t cos t, t sin t) / 21 with t = 3 pi / 2 (1 + 2 x), meant for 0 < x < 1; Y stays.

    t > 0 is the distance from the centre, which gives the inverse: x >= -1/2 is needed.
    """

    def __post_init__(self) -> None:
        """Check that X is one column."""
        super().__post_init__()
        if self.base.dim_x != 1:
            raise InputError(f"{self.label()}: the base has {self.base.dim_x} columns in X; give one with 1")

    @property
    def dim_x(self) -> int:
        """The plane."""
        return 2

    def sample_shape(self, n: int) -> Shape:
        """As in the base: countably many values stay countably many."""
        base = self.base.sample_shape(n)
        return Shape(n, base.x * 2, base.y)

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        if side == "y":
            return block
        if (block < -0.5).any():
            raise InputError(f"{self.label()}: x = {block.min():.3g} cannot be rolled up; give a base with x >= -1/2")
        t = 1.5 * math.pi * (1 + 2 * block[:, 0])
        return np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 21

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        if side == "y":
            return block
        t = 21 * np.hypot(block[:, :1], block[:, 1:])
        return np.asarray((t / (1.5 * math.pi) - 1) / 2)


@register_distribution(
    name="ripple",
    family="bending",
    summary="the first column of X is shifted by a sine of the second",
    formula="I of the base: the map is injective",
    citation="czyz2023mixtures",
    example="ripple[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Ripple(Transformed):
    """x_0 -> x_0 + amplitude sin(frequency x_1); the other columns of X, and Y, stay."""

    amplitude: float = parameter(5.0, "largest shift")
    frequency: float = parameter(3.0, "radians for each unit of x_1")

    def __post_init__(self) -> None:
        """Check that X has the two columns."""
        super().__post_init__()
        if self.dim_x < 2 or not (math.isfinite(self.amplitude) and math.isfinite(self.frequency)):
            raise InputError(f"{self.label()}: give finite numbers and a base with 2 or more columns in X")

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return self._shifted(block, side, self.amplitude)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return self._shifted(block, side, -self.amplitude)

    def _shifted(self, block: Array, side: Side, amplitude: float) -> Array:
        if side == "y":
            return block
        shifted = block.copy()
        shifted[:, 0] += amplitude * np.sin(self.frequency * block[:, 1])
        return shifted


@register_distribution(
    name="rescale",
    family="bending",
    summary="each column of X gets a scale and a shift of its own",
    formula="I of the base: the map is injective",
    citation="czyz2023mixtures",
    example="rescale[base=gaussian-sparse,scale=(1,2,0.5,-1,1),shift=(0,1,0,0,3)]",
)
@dataclass(frozen=True)
class Rescale(Transformed):
    """x_i -> scale_i x_i + shift_i, scale_i not 0; Y stays."""

    scale: tuple[float, ...] = parameter((), "factor of each column of X; empty means 1")
    shift: tuple[float, ...] = parameter((), "added to each column of X after that; empty means 0")

    def __post_init__(self) -> None:
        """Check that there is one finite number for each column."""
        super().__post_init__()
        for name, numbers in (("scale", self.scale), ("shift", self.shift)):
            if len(numbers) not in (0, self.dim_x) or not np.isfinite(numbers).all():
                raise InputError(f"{self.label()}: {name} = {numbers}; give {self.dim_x} finite numbers")
        if 0 in self.scale:
            raise InputError(f"{self.label()}: scale = {self.scale} is not injective; give no 0")

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return np.asarray(block * (self.scale or 1) + (self.shift or 0)) if side == "x" else block

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return np.asarray((block - (self.shift or 0)) / (self.scale or 1)) if side == "x" else block
