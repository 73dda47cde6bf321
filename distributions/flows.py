"""Invertible mixtures of all columns: linear maps, coupling layers, rotations that depend on the radius."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from mibench.distributions.transforms import Side, Transformed
from mibench.interface import Array, InputError, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="linear-mix",
    family="flows",
    summary="all columns of X mixed by an invertible matrix, and those of Y by another",
    formula="I of the base: the map is injective",
    citation="cover2006elements",
    example="linear-mix[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class LinearMix(Transformed):
    """x -> x M' with M = U diag(s) V', U and V orthogonal; s falls from sqrt(condition) to 1 / sqrt(condition).

    At condition 1 it is a rotation. The matrices are drawn from `seed`, one for X and one for Y; V diag(1/s) U' undoes
    the map to rounding.
    """

    condition: float = parameter(4.0, "condition number of the matrices", low=1, high=1e6)
    seed: int = parameter(0, "seed of the matrices", low=0)

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        u, s, v = self._factors[side]
        return np.asarray((block @ (v * s)) @ u.T)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        u, s, v = self._factors[side]
        return np.asarray((block @ (u / s)) @ v.T)

    @functools.cached_property
    def _factors(self) -> dict[Side, tuple[Array, Array, Array]]:
        return {"x": self._drawn(0, self.dim_x), "y": self._drawn(1, self.dim_y)}

    def _drawn(self, stream: int, dim: int) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng([self.seed, stream])
        u, v = (np.linalg.qr(rng.standard_normal((dim, dim)))[0] for _ in range(2))
        return u, self.condition ** np.linspace(0.5, -0.5, dim), v


@register_distribution(
    name="coupling",
    family="flows",
    summary="a nonlinear flow: affine coupling layers with fixed random weights",
    formula="I of the base: the map is injective",
    citation="""@inproceedings{dinh2017density,
      author = {Laurent Dinh and Jascha Sohl-Dickstein and Samy Bengio},
      title = {Density estimation using {Real NVP}},
      booktitle = {International Conference on Learning Representations},
      year = {2017}
    }""",
    example="coupling[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Coupling(Transformed):
    r"""Layers (a, b) -> (a, b exp(s(a)) + t(a)) on the columns of even and odd index, a and b in turn; undone by

    (a, b') -> (a, (b' - t(a)) exp(-s(a))). With h = tanh(a W + c) over 16 hidden units, s = strength tanh(h P) and
    t = 2 strength h Q: both are bounded, so that heavy tails pass. The weights are drawn from `seed`, for X and Y each.
    """

    layers: int = parameter(4, "coupling layers", low=1, high=16)
    strength: float = parameter(0.5, "size of the scales and shifts; 0 leaves the points as they are", low=0, high=2)
    seed: int = parameter(0, "seed of the weights", low=0)

    def __post_init__(self) -> None:
        """Check that there are columns to couple."""
        super().__post_init__()
        _check_columns(self)

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        halves = _halves(block)
        for layer, weights in enumerate(self._weights[side]):
            scale, shift = self._conditioned(halves[layer % 2], weights)
            halves[1 - layer % 2] *= np.exp(scale)
            halves[1 - layer % 2] += shift
        return _interleaved(halves)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        halves = _halves(block)
        for layer, weights in reversed(list(enumerate(self._weights[side]))):
            scale, shift = self._conditioned(halves[layer % 2], weights)
            halves[1 - layer % 2] -= shift
            halves[1 - layer % 2] *= np.exp(-scale)
        return _interleaved(halves)

    def _conditioned(self, a: Array, weights: tuple[Array, ...]) -> tuple[Array, Array]:
        """Log scales s(a) and shifts t(a)."""
        w, c, p, q = weights
        hidden = np.tanh(a @ w + c)
        return self.strength * np.tanh(hidden @ p), 2 * self.strength * (hidden @ q)

    @functools.cached_property
    def _weights(self) -> dict[Side, list[tuple[Array, ...]]]:
        return {"x": self._drawn(0, self.dim_x), "y": self._drawn(1, self.dim_y)}

    def _drawn(self, stream: int, dim: int) -> list[tuple[Array, ...]]:
        rng, hidden = np.random.default_rng([self.seed, stream]), 16
        drawn: list[tuple[Array, ...]] = []
        for layer in range(self.layers):
            kept = len(range(layer % 2, dim, 2))
            w = rng.standard_normal((kept, hidden)) / math.sqrt(kept)
            p, q = rng.standard_normal((2, hidden, dim - kept)) / math.sqrt(hidden)
            drawn.append((w, rng.standard_normal(hidden), p, q))
        return drawn


def _halves(block: Array) -> list[Array]:
    """Copies of the columns of even and of odd index."""
    return [block[:, 0::2].copy(), block[:, 1::2].copy()]


def _interleaved(halves: list[Array]) -> Array:
    block = np.empty((len(halves[0]), halves[0].shape[1] + halves[1].shape[1]))
    block[:, 0::2], block[:, 1::2] = halves
    return block


@register_distribution(
    name="radial-rotation",
    family="flows",
    summary="every plane of two columns turned by an angle that grows with the distance from the origin",
    formula="I of the base: the map is injective",
    citation="czyz2023beyond",
    example="radial-rotation[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class RadialRotation(Transformed):
    """Columns (1, 2), (3, 4), ... turn by angle * r / (1 + r), r = |x| / sqrt(dim); those of Y the other way round.

    The distance |x| stays, so that the same angle backwards undoes the map; it is bounded, so that heavy tails pass. A
    last column without a partner moves the others and stays itself.
    """

    angle: float = parameter(2 * math.pi, "angle in radians far from the origin", low=-100, high=100)

    def __post_init__(self) -> None:
        """Check that both blocks have a plane to turn."""
        super().__post_init__()
        _check_columns(self)

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return self._turned(block, self.angle if side == "x" else -self.angle)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return self._turned(block, -self.angle if side == "x" else self.angle)

    def _turned(self, block: Array, angle: float) -> Array:
        radius = np.linalg.norm(block, axis=1, keepdims=True) / math.sqrt(block.shape[1])
        phase = angle * radius / (1 + radius)
        last = block.shape[1] // 2 * 2
        first, second = block[:, 0:last:2], block[:, 1:last:2]
        turned = block.copy()
        turned[:, 0:last:2] = np.cos(phase) * first - np.sin(phase) * second
        turned[:, 1:last:2] = np.sin(phase) * first + np.cos(phase) * second
        return turned


def _check_columns(law: Transformed) -> None:
    if min(law.dim_x, law.dim_y) < 2:
        raise InputError(f"{law.label()}: give a base with 2 or more columns in X and in Y")
