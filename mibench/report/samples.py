"""The picture of a joint distribution: how its points lie, and how their pointwise mutual information is spread."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from mibench.interface import Array, JointDistribution, Sample
from mibench.profiles import PMIProfile, pmi_profile
from mibench.report.figures import BLUE, COLUMN, DENSITY, RED, STYLE

_MOST_NUMBERS = 20_000_000  # in one sample: 160 MB
_WIDE = 5.0  # inches from which the pairs of columns have room beside the points
_MOST_LEVELS = 40  # of a discrete column in a table


def picture(
    distribution: JointDistribution,
    title: str | None = None,
    n: int = 20_000,
    seed: int = 0,
    width: float = COLUMN,
) -> Figure:
    """Draw the first columns of X and Y, their margins, and the profile of pointwise MI, `width` inches wide.

    Images (a class with `image_shape`) are shown as images: each X above the Y that was drawn with it.
    """
    most = max(100, _MOST_NUMBERS // (distribution.dim_x + distribution.dim_y))
    sample = distribution.sample(min(n, most), np.random.default_rng(seed))
    profile = None if sample.pmi is None else pmi_profile(distribution, min(50_000, most), seed)
    image_shape = getattr(distribution, "image_shape", None)
    several = image_shape is None and distribution.dim_x + distribution.dim_y > 2
    beside = several and width > _WIDE
    heights = [1.3] if image_shape else [2.5]
    if several and not beside:
        heights.append(2.3)
    if profile is not None:
        heights.append(1.45)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, sum(heights) + 0.35), layout="constrained")
        figure.suptitle(textwrap.fill(_heading(distribution, title), int(18.2 * width)), fontsize=7)
        parts = iter(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).flat)
        first = next(parts)
        if image_shape:
            _images(first, sample, tuple(image_shape))
        elif beside:
            _draw_columns(first.subfigures(1, 2), _first_columns(distribution, sample))
        else:
            _draw_columns([first, *itertools.islice(parts, int(several))], _first_columns(distribution, sample))
        if profile is not None:
            _profile(next(parts), profile)
    return figure


def _heading(distribution: JointDistribution, title: str | None) -> str:
    return f"{title or distribution.label()}, {distribution.dim_x} × {distribution.dim_y}"


def _draw_columns(panels: Sequence[SubFigure], columns: dict[str, _Column]) -> None:
    """Draw the first columns and their margins, and where there is a second panel all pairs in it."""
    _joint(panels[0], columns["$x_1$"], columns["$y_1$"])
    if len(panels) > 1:
        _pairs(panels[1], columns)


# ---------------------------------------------------------------------------------------------------------------------
# Points


class _Column:
    """A column with what a plot of it needs: its limits, and its levels where it is discrete."""

    def __init__(self, values: Array, *, discrete: bool) -> None:
        self.values = values
        levels = np.unique(values) if discrete else np.empty(0)
        self.levels = levels if len(levels) <= _MOST_LEVELS else np.empty(0)
        # Heavy tails would leave nothing to see: the outermost points lie outside of the picture.
        low, first, third, high = np.quantile(values, [0.002, 0.25, 0.75, 0.998])
        if first < third:
            low, high = max(low, first - 4 * (third - first)), min(high, third + 4 * (third - first))
        if len(self.levels):
            low, high = -0.5, len(self.levels) - 0.5
        margin = 0 if len(self.levels) else 0.05 * (high - low) or 1.0
        self.limits = (float(low - margin), float(high + margin))

    def seen(self) -> NDArray[np.bool_]:
        """Which points lie within the limits."""
        return (self.values >= self.limits[0]) & (self.values <= self.limits[1])

    def places(self) -> Array:
        """Where the points stand on an axis; a discrete column stands at 0, 1, 2, ..."""
        return np.searchsorted(self.levels, self.values).astype(float) if len(self.levels) else self.values

    def mark(self, axis: Any) -> None:
        """Write the levels of a discrete column at its ticks."""
        if len(self.levels):
            shown = np.arange(0, len(self.levels), max(1, len(self.levels) // 8))
            axis.set_ticks(shown, [f"{level:g}" for level in self.levels[shown]])


def _first_columns(distribution: JointDistribution, sample: Sample) -> dict[str, _Column]:
    columns, shape = {}, distribution.sample_shape(len(sample.x))
    for name, block, kinds in (("x", sample.x, shape.x), ("y", sample.y, shape.y)):
        for index in range(min(2, block.shape[1])):
            columns[f"${name}_{index + 1}$"] = _Column(block[:, index], discrete=kinds[index] == "discrete")
    return columns


def _joint(part: SubFigure, x: _Column, y: _Column) -> None:
    """One column of X and one of Y with their margins."""
    axes = part.subplot_mosaic(
        [["x", "none"], ["xy", "y"]], empty_sentinel="none", width_ratios=(5, 1), height_ratios=(1, 5)
    )
    _points(axes["xy"], x, y)
    axes["xy"].set(xlabel="$x_1$", ylabel="$y_1$")
    _margin(axes["x"], x, "vertical")
    _margin(axes["y"], y, "horizontal")


def _points(axes: Axes, x: _Column, y: _Column) -> None:
    """Density of the points: a table of two discrete columns, jitter where one is discrete, else hexagons."""
    axes.set(xlim=x.limits, ylim=y.limits)
    if len(x.levels) and len(y.levels):
        counts = np.zeros((len(y.levels), len(x.levels)))
        np.add.at(counts, (y.places().astype(int), x.places().astype(int)), 1)
        shares = np.where(counts > 0, counts / counts.sum(), np.nan)
        axes.imshow(shares, origin="lower", aspect="auto", cmap=DENSITY, interpolation="nearest")
    elif len(x.levels) or len(y.levels):
        jitter = 0.6 * (np.random.default_rng(0).random(len(x.values)) - 0.5)
        left = x.places() + jitter if len(x.levels) else x.values
        right = y.places() + jitter if len(y.levels) else y.values
        axes.plot(left[:4000], right[:4000], ".", ms=1.2, mew=0, color=BLUE, rasterized=True)
    else:
        seen = x.seen() & y.seen()
        window = (*x.limits, *y.limits)
        left, right = x.values[seen], y.values[seen]
        axes.hexbin(left, right, gridsize=45, extent=window, mincnt=1, cmap=DENSITY, norm=PowerNorm(0.5, 0), lw=0.1)
    x.mark(axes.xaxis)
    y.mark(axes.yaxis)


def _margin(axes: Axes, column: _Column, orientation: Any) -> None:
    size = len(column.levels)
    low, high = max(column.limits[0], column.values.min()), min(column.limits[1], column.values.max())
    bins = np.arange(size + 1) - 0.5 if size else np.linspace(low, high, 61)
    axes.hist(column.places(), bins=bins.tolist(), orientation=orientation, color=BLUE, rwidth=0.8 if size else None)
    axes.axis("off")
    if orientation == "vertical":
        axes.set_xlim(column.limits)
    else:
        axes.set_ylim(column.limits)


def _pairs(part: SubFigure, columns: dict[str, _Column]) -> None:
    """Every pair of the first two columns of X and of Y: below the diagonal."""
    names = list(columns)
    size = len(names) - 1
    grid = part.subplots(size, size, squeeze=False)
    for row, place in itertools.product(range(size), range(size)):
        axes = grid[row, place]
        if place > row:
            axes.axis("off")
            continue
        lower, left = names[place], names[row + 1]
        _points(axes, columns[lower], columns[left])
        axes.set(xticks=[], yticks=[])
        if place == 0:
            axes.set_ylabel(left)
        if row == size - 1:
            axes.set_xlabel(lower)


def _images(part: SubFigure, sample: Sample, shape: tuple[int, ...]) -> None:
    count = 6
    grid = part.subplots(2, count)
    for row, (name, block) in enumerate((("x", sample.x), ("y", sample.y))):
        low, high = float(block[:count].min()), float(block[:count].max())
        for index in range(count):
            axes = grid[row, index]
            axes.imshow(block[index].reshape(shape), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        grid[row, 0].set_ylabel(name, rotation=0, labelpad=6)


# ---------------------------------------------------------------------------------------------------------------------
# Pointwise mutual information


def _profile(part: SubFigure, profile: PMIProfile) -> None:
    """Histogram of the pointwise MI; 0 is the edge of a bin, so that each bar has one sign."""
    axes = part.subplots()
    low, high = profile.quantile(np.array([0.001, 0.999])).tolist()
    if high - low > 1e-9:
        width = (high - low) / 80
        edges = width * np.arange(np.floor(low / width), np.ceil(high / width) + 1)
    else:  # the same everywhere
        edges = np.linspace(low - 0.5, low + 0.5, 82)
    axes.hist(profile.sample, bins=edges.tolist(), color=BLUE)
    negative = profile.sample[profile.sample < 0]
    axes.hist(negative, bins=edges.tolist(), color=RED)
    known = "MI not known"
    if profile.truth is not None:
        axes.axvline(profile.truth.value, color="black", lw=1)
        known = f"MI = {profile.truth.value:.4f} nats (line)"
    axes.set_title(f"{known}; mean of a sample {profile.mean:.4f} ± {profile.standard_error:.4f}")
    if len(negative):
        axes.margins(y=0.25)  # room for the words
        axes.text(0.01, 0.88, f"{profile.negative:.0%} negative", color=RED, transform=axes.transAxes)
    axes.set(xlabel="pointwise MI (nats)", yticks=[])
    axes.spines["left"].set_visible(False)
