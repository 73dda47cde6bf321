"""Injective maps of X and of Y: the points change, their mutual information does not.

A new map is a `Transformed` with a `forward` and an `inverse`, see `HalfCube`. A map that is not injective loses
information and must not be written as one.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from mibench.distributions.over_base import OverBase
from mibench.distributions.pmi_law import Complex, KnownPMILaw
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, parameter
from mibench.registry import register_distribution

Side = Literal["x", "y"]


@dataclass(frozen=True)
class Transformed(OverBase, KnownPMILaw):
    """(f(X), g(Y)) for (X, Y) from the base and injective f, g.

    MI and pointwise MI are those of the base. A subclass defines `forward` and `inverse`; a map that changes the number
    of columns overrides dim_x or dim_y, and `sample_shape`.
    """

    keeps_mi: ClassVar[bool] = True

    base: JointDistribution = parameter(MISSING, "distribution whose points are mapped")

    @abstractmethod
    def forward(self, block: Array, side: Side) -> Array:
        """Map a block of points (n, dim), the base's X or Y; return it as it is where this side has no map."""

    @abstractmethod
    def inverse(self, block: Array, side: Side) -> Array:
        """Undo `forward`."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Map the base's points; they keep their pointwise MI."""
        drawn = self.base.sample(n, rng)
        return Sample(self.forward(drawn.x, "x"), self.forward(drawn.y, "y"), drawn.pmi, self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        """See `JointDistribution.pmi`."""
        return self.base.pmi(self.inverse(x, "x"), self.inverse(y, "y"))

    def pmi_cumulants(self, z: Complex) -> Complex | None:
        """See `KnownPMILaw.pmi_cumulants`."""
        return self.base.pmi_cumulants(z) if isinstance(self.base, KnownPMILaw) else None

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`; of all quantities only MI passes through."""
        return self.base.ground_truth() if quantity == "mi" else None


@register_distribution(
    name="half-cube",
    family="transforms",
    summary="t sqrt|t| in every coordinate: longer tails",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="half-cube[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class HalfCube(Transformed):
    """t -> t sqrt|t| in every coordinate of X and Y."""

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return np.asarray(block * np.sqrt(np.abs(block)))

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return np.asarray(np.copysign(np.cbrt(block) ** 2, block))


@register_distribution(
    name="asinh",
    family="transforms",
    summary="asinh in every coordinate: heavy tails become short",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="asinh[base=student]",
)
@dataclass(frozen=True)
class Asinh(Transformed):
    """t -> log(t + sqrt(1 + t^2)) in every coordinate of X and Y."""

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return np.arcsinh(block)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return np.sinh(block)


@register_distribution(
    name="normal-cdf",
    family="transforms",
    summary="the normal distribution function in every coordinate: uniform margins of a normal base",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="normal-cdf[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class NormalCDF(Transformed):
    """t -> Phi(t) in every coordinate of X and Y, Phi the standard normal distribution function.

    In float64 Phi(t) is 1 from t = 8.3 on: a base that reaches so far (a Student-t, say) is refused rather than tied.
    Near 1 the map cannot be undone exactly: the inverse is good to 1e-16 / Phi'(t), which is 1e-10 at t = 5.
    """

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        mapped = ndtr(block)
        lost = (mapped == 0) | (mapped == 1)
        if lost.any():
            raise InputError(
                f"{self.label()}: the base reaches {block[lost][0]:.3g}, where Phi is 0 or 1 in float64; "
                "give a base that stays within -37 and 8.2, such as a standard normal one"
            )
        return np.asarray(mapped)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return np.asarray(ndtri(block))


@register_distribution(
    name="wiggly",
    family="transforms",
    summary="the identity plus sines in every coordinate: the density gets bumps",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="wiggly[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Wiggly(Transformed):
    """t -> t + sum_k a_k sin(w_k t + b_k) in every coordinate, increasing since sum_k |a_k w_k| < 1.

    x: t + 0.4 sin(t) + 0.2 sin(1.7 t + 1) + 0.03 sin(3.3 t - 2.5)
    y: t - 0.4 sin(0.4 t) + 0.17 sin(1.3 t + 3.5) + 0.02 sin(4.3 t - 2.5)
    """

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return np.asarray(sum((a * np.sin(w * block + b) for a, w, b in _WIGGLES[side]), start=block))

    def inverse(self, block: Array, side: Side) -> Array:
        """Newton's method: the sines move t by less than the sum of their amplitudes."""
        reach = sum(abs(a) for a, _, _ in _WIGGLES[side])

        def slope(t: Array) -> Array:
            return np.asarray(1 + sum(a * w * np.cos(w * t + b) for a, w, b in _WIGGLES[side]))

        return increasing_root(lambda t: self.forward(t, side), slope, block, block - reach, block + reach)


_WIGGLES = {  # amplitude, frequency, phase
    "x": ((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5)),
    "y": ((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5)),
}


@register_distribution(
    name="bimodal",
    family="transforms",
    summary="standard normal margins become mixtures of two normal laws, in every coordinate",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="bimodal[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Bimodal(Transformed):
    """t -> F^-1(Phi(t)) in every coordinate: where t is standard normal, the result has distribution function F.

    x: F(s) = 0.3 Phi(s) + 0.7 Phi(s - 5)
    y: F(s) = 0.5 Phi(s + 1) + 0.5 Phi(s - 3)

    Phi(t) itself, which is 1 from t = 8.3 on, is never formed: both tails keep their full precision.
    """

    def forward(self, block: Array, side: Side) -> Array:
        """Solve F(s) = Phi(t); s - t lies between the centres of the two normal laws."""
        centers = [center for _, center in _BUMPS[side]]

        def slope(s: Array) -> Array:
            bumps = [math.log(weight) - 0.5 * (s - center) ** 2 for weight, center in _BUMPS[side]]
            return np.asarray(np.exp(np.logaddexp(*bumps) + 0.5 * self.inverse(s, side) ** 2))

        return increasing_root(
            lambda s: self.inverse(s, side), slope, block, block + min(centers), block + max(centers)
        )

    def inverse(self, block: Array, side: Side) -> Array:
        """Phi^-1(F(s)), from the logarithm of the smaller tail."""
        below, above = (
            np.logaddexp(*(math.log(weight) + log_ndtr(sign * (block - center)) for weight, center in _BUMPS[side]))
            for sign in (1, -1)
        )
        return np.asarray(
            np.where(below < above, ndtri_exp(np.minimum(below, above)), -ndtri_exp(np.minimum(below, above)))
        )


_BUMPS = {"x": ((0.3, 0.0), (0.7, 5.0)), "y": ((0.5, -1.0), (0.5, 3.0))}  # weight, centre


@register_distribution(
    name="rotate",
    family="transforms",
    summary="a rotation of the first two columns of X, and of Y the other way round",
    formula="I of the base: the map is injective",
    citation="kraskov2004estimating",
    example="rotate[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Rotate(Transformed):
    """Rotation in the plane of the first two columns: X through the angle, Y through minus the angle.

    In opposite directions, because equal rotations of both blocks leave equally correlated pairs as they are.
    """

    angle: float = parameter(math.pi / 4, "angle in radians")

    def __post_init__(self) -> None:
        """Check that both blocks have a plane to rotate."""
        super().__post_init__()
        if min(self.dim_x, self.dim_y) < 2 or not math.isfinite(self.angle):
            raise InputError(f"{self.label()}: give a finite angle and a base with 2 or more columns in X and in Y")

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return self._turned(block, self.angle if side == "x" else -self.angle)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return self._turned(block, -self.angle if side == "x" else self.angle)

    def _turned(self, block: Array, angle: float) -> Array:
        turned = block.copy()
        turned[:, 0] = math.cos(angle) * block[:, 0] - math.sin(angle) * block[:, 1]
        turned[:, 1] = math.sin(angle) * block[:, 0] + math.cos(angle) * block[:, 1]
        return turned


def increasing_root(
    function: Callable[[Array], Array], slope: Callable[[Array], Array], target: Array, low: Array, high: Array
) -> Array:
    """Solve function(t) = target with low <= t <= high, elementwise, for an increasing function with a known slope.

    Newton's method, kept inside a bracket that shrinks; its last step squares an error of 1e-10.
    """
    t = (low + high) / 2
    for _ in range(100):
        excess = function(t) - target
        low, high = np.where(excess < 0, t, low), np.where(excess > 0, t, high)
        newton = t - excess / slope(t)
        following = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        settled = np.abs(following - t) <= 1e-10 + 64 * np.spacing(np.abs(t))
        t = following
        if settled.all():
            break
    return t
