"""Images with known mutual information: X and Y are pictures whose latents are the columns of another distribution.

A rendering is smooth, nonlinear in the latents, and injective: its docstring says how the latents are read off the
image, and `inverse` does so. All latents together make up a surface of a few dimensions in the space of images; pmi
means something for images on that surface only.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.distributions.transforms import Side, Transformed
from mibench.interface import Array, InputError, Shape, parameter
from mibench.registry import register_distribution


@dataclass(frozen=True)
class Rendered(Transformed):
    """X and Y rendered as images of size x size pixels, row by row; the base's columns are the latents.

    A latent u of any size becomes v = u / sqrt(4 + u^2) in (-1, 1), exactly invertible in float64 while |u| < 1e3, say.
    Pixel centres stand at t_i = (2 i + 1) / size - 1 in both directions; `--dim` does not apply.
    """

    most_latents: ClassVar[int]

    size: int = parameter(16, "pixels in a row and in a column", low=8, high=256)

    def __post_init__(self) -> None:
        """Check that there is something to render every latent as."""
        super().__post_init__()
        if max(self.base.dim_x, self.base.dim_y) > self.most_latents:
            raise InputError(f"{self.label()}: give a base of at most {self.most_latents} columns in X and in Y")
        if self.base.sample_shape(1).kind != "continuous":
            raise InputError(f"{self.label()}: give a base of continuous columns")

    @property
    def dim_x(self) -> int:
        """Pixels."""
        return self.size**2

    @property
    def dim_y(self) -> int:
        """Pixels."""
        return self.size**2

    def sample_shape(self, n: int) -> Shape:
        """Pixels are continuous."""
        return Shape.continuous(n, self.dim_x, self.dim_y)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of a picture; whoever draws the distribution shows pictures."""
        return self.size, self.size

    @property
    def centres(self) -> Array:
        """Coordinates t_i of the pixels' centres, (size,)."""
        return (2 * np.arange(self.size) + 1) / self.size - 1

    @abstractmethod
    def render(self, latents: Array) -> Array:
        """Images (n, rows, columns) of bounded latents (n, k)."""

    @abstractmethod
    def read(self, images: Array) -> Array:
        """Undo `render`: all `most_latents` bounded latents; those that were not given are 0."""

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        bounded = np.zeros((len(block), self.most_latents))
        bounded[:, : block.shape[1]] = block / np.hypot(2, block)
        return self.render(bounded).reshape(len(block), -1)

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        bounded = self.read(block.reshape(-1, self.size, self.size))
        bounded = bounded[:, : self.base.dim_x if side == "x" else self.base.dim_y]
        return np.asarray(2 * bounded / np.sqrt((1 - bounded) * (1 + bounded)))


@register_distribution(
    name="bump-images",
    family="images",
    summary="X and Y images of a Gaussian bump: place, widths and brightness are the latents",
    formula="I of the base: the rendering is injective",
    citation="butakov2024information",
    example="bump-images[base=gaussian-sparse,size=8]",
)
@dataclass(frozen=True)
class BumpImages(Rendered):
    r"""Pixel (i, j) is b exp(-(t_j - c)^2 / (2 w^2) - (t_i - d)^2 / (2 h^2)).

    Up to five latents: place c = v_1 / 2, d = v_2 / 2, widths w = 0.4 exp(v_3 / 2), h = 0.4 exp(v_4 / 2), brightness
    b = exp(v_5 / 2). Injective because the logarithm of the image is a quadratic polynomial of t_i and t_j: its second
    differences give w and h, its first differences then c and d, and its level b.
    """

    most_latents: ClassVar[int] = 5

    def render(self, latents: Array) -> Array:
        """See `Rendered.render`."""
        places, widths = latents[:, :2, None] / 2, 0.4 * np.exp(latents[:, 2:4, None] / 2)
        columns, rows = np.exp(-0.5 * ((self.centres - places) / widths) ** 2).swapaxes(0, 1)
        columns *= np.exp(latents[:, 4:] / 2)
        return np.asarray(rows[:, :, None] * columns[:, None, :])

    def read(self, images: Array) -> Array:
        """From the logarithms at the corners, at the middles of the first row and column, and of the centre."""
        t, m = self.centres, self.size // 2
        ends = np.array([0, m, -1])
        slices = np.log(np.stack([images[:, m, ends], images[:, ends, m]]))  # the middle row, the middle column
        # log slice = level + slope t - curvature t^2 / 2, through three points
        level, slope, curvature = np.linalg.solve(
            np.stack([np.ones(3), t[ends], -(t[ends] ** 2) / 2], axis=1), slices[..., None]
        )[..., 0].transpose(2, 0, 1)
        places, widths = slope / curvature, curvature**-0.5
        brightness = level[0] + slope[0] ** 2 / curvature[0] / 2 + (t[m] - places[1]) ** 2 * curvature[1] / 2
        return np.stack([*(2 * places), *(2 * np.log(widths / 0.4)), 2 * brightness], axis=1)


@register_distribution(
    name="rectangle-images",
    family="images",
    summary="X and Y images of a rectangle with soft edges: place, sides and brightness are the latents",
    formula="I of the base: the rendering is injective",
    citation="butakov2024information",
    example="rectangle-images[base=gaussian-sparse,size=8]",
)
@dataclass(frozen=True)
class RectangleImages(Rendered):
    r"""Pixel (i, j) is b p(t_j; c, w) p(t_i; d, h) with p(t; c, w) = s((t - c + w) / e) - s((t - c - w) / e).

    s(t) = 1 / (1 + exp(-t)), edges are e = 1/16 wide. Up to five latents: centre c = v_1 / 3, d = v_2 / 3, half sides
    w = 0.4 exp(v_3 / 2), h = 0.4 exp(v_4 / 2), brightness b = exp(v_5 / 2). Injective because a difference of logistic
    functions is p = sinh(w/e) / [cosh(w/e) + cosh((t - c)/e)]: in a row or column the inverse of the image is a linear
    combination of 1, exp(t/e) and exp(-t/e), whose three coefficients give centre and half side, and b follows.
    """

    most_latents: ClassVar[int] = 5
    edge: ClassVar[float] = 1 / 16

    def render(self, latents: Array) -> Array:
        """See `Rendered.render`."""
        columns, rows = self._profile(latents[:, :2] / 3, 0.4 * np.exp(latents[:, 2:4] / 2)).swapaxes(0, 1)
        columns *= np.exp(latents[:, 4:] / 2)
        return np.asarray(rows[:, :, None] * columns[:, None, :])

    def _profile(self, centre: Array, half: Array) -> Array:
        """Profiles p at the pixels' centres, (n, 2, size)."""
        across = np.cosh((self.centres - centre[..., None]) / self.edge)
        return np.asarray(np.sinh(half / self.edge)[..., None] / (np.cosh(half / self.edge)[..., None] + across))

    def read(self, images: Array) -> Array:
        """From the middle row and the middle column, each at its ends and its middle."""
        t, m = self.centres / self.edge, self.size // 2
        ends = np.array([0, m, -1])
        slices = 1 / np.stack([images[:, m, ends], images[:, ends, m]])
        # The largest columns first: they are eliminated without harm to the small ones.
        basis = np.stack([np.exp(t[ends]), np.exp(-t[ends]), np.ones(3)], axis=1)
        rise, fall, level = np.linalg.solve(basis, slices[..., None])[..., 0].transpose(2, 0, 1)
        centres = self.edge * np.log(fall / rise) / 2
        halves = self.edge * np.arccosh(level / (2 * np.sqrt(rise * fall)))
        both = self._profile(centres.T, halves.T)[:, :, m].prod(axis=1)
        return np.stack([*(3 * centres), *(2 * np.log(halves / 0.4)), 2 * np.log(images[:, m, m] / both)], axis=1)


@register_distribution(
    name="texture-images",
    family="images",
    summary="X and Y images of a textured field: phases and strengths of sixteen waves are the latents",
    formula="I of the base: the rendering is injective",
    citation="butakov2024information",
    example="texture-images[base=gaussian-sparse,size=8]",
)
@dataclass(frozen=True)
class TextureImages(Rendered):
    r"""Pixel (i, j) is exp(F), F = sum_k (0.4 / |f_k|) exp(v_{16+k} / 2) cos(pi f_k . (t_j, t_i) + a_k + 2 v_k).

    Sixteen waves of lowest frequency f_k, one for each direction and its opposite; the phases a_k = 2.4 k^2, k from 0,
    spread them over the image. Up to 32 latents: sixteen phases 2 v_k in (-2, 2), then sixteen strengths. Injective
    because the logarithm gives F, the waves are orthogonal on the grid of pixels, so that F gives the strength and the
    phase modulo 2 pi of each, and phases stay within (-pi, pi).
    """

    most_latents: ClassVar[int] = 32

    @property
    def _waves(self) -> tuple[Array, Array]:
        """Strengths (16,) of the waves at latent 0 and the waves' phases at the pixels (16, pixels)."""
        half_plane = [(a, b) for a in range(4) for b in range(-3, 4) if a > 0 or b > 0]
        frequencies = np.array(sorted(half_plane, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))[:16])
        down, across = np.meshgrid(self.centres, self.centres, indexing="ij")
        phases = math.pi * frequencies @ np.stack([across.ravel(), down.ravel()]) + 2.4 * np.arange(16)[:, None] ** 2
        return 0.4 / np.linalg.norm(frequencies, axis=1), phases

    def render(self, latents: Array) -> Array:
        """See `Rendered.render`."""
        strengths, phases = self._waves
        waves = strengths * np.exp(latents[:, 16:] / 2 + 2j * latents[:, :16])
        field = waves.real @ np.cos(phases) - waves.imag @ np.sin(phases)
        return np.exp(field).reshape(-1, self.size, self.size)

    def read(self, images: Array) -> Array:
        """The logarithm projected on the waves."""
        strengths, phases = self._waves
        field = np.log(images.reshape(len(images), -1))
        cosine, sine = (field @ wave.T * (2 / self.size**2) for wave in (np.cos(phases), np.sin(phases)))
        size = np.hypot(cosine, sine) / strengths
        return np.hstack([np.arctan2(-sine, cosine) / 2, 2 * np.log(size)])
