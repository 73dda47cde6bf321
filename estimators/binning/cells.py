"""Cells of a grid: from binned columns to one number per point, and the mutual information of those numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array, Estimate, Kinds, Shape

Codes = NDArray[np.int64]
Correction = Literal["none", "miller-madow", "shrinkage"]

# Fewer than 5 expected points per cell: the usual limit for statistics of contingency tables.
FEW_POINTS = 5
# From this share of log n on, the entropy of a block's cells says that nearly every point has a cell of its own.
SATURATED = 0.9


def default_bins(n: int, dims: int) -> int:
    """Bins of each column that leave n^(2/3) joint cells, so that points per cell grow as n^(1/3); at least 2."""
    return max(2, math.floor(math.pow(n, 2 / (3 * dims)) + 1e-9))


def cell_codes(binned: Array) -> Codes:
    """Number the occupied cells of a block (n, dim) whose columns hold bins or discrete values."""
    codes = np.zeros(len(binned), dtype=np.int64)
    for column in binned.T:
        codes = combine(codes, np.unique(column, return_inverse=True)[1])
    return codes


def combine(first: Codes, second: Codes) -> Codes:
    """Number the distinct pairs of two codes below n. Numbering after each column keeps products below n^2."""
    return np.unique(first * (second.max() + 1) + second, return_inverse=True)[1].astype(np.int64)


def bin_block(block: Array, kinds: Kinds, bin_column: Callable[[Array], Array]) -> Array:
    """Bin each continuous column of a block (n, dim); a discrete one keeps its values, a bin of their own each."""
    columns = zip(block.T, kinds, strict=True)
    return np.stack([column if kind == "discrete" else bin_column(column) for column, kind in columns], axis=1)


def hopeless_grid(shape: Shape, bins: int) -> str | None:
    """Say why a grid cannot be used. With more cells than points, independent data would show 1/2 nat or more."""
    continuous = (shape.x + shape.y).count("continuous")
    if bins**continuous <= shape.n:
        return None
    return f"joint grid of {bins}^{continuous} cells for {shape.n} points: needs at least one point per cell"


def entropy(counts: NDArray[np.int64] | Array) -> float:
    """Entropy of the relative frequencies, in nats; the counts are positive."""
    frequencies = counts / counts.sum()
    return float(-(frequencies * np.log(frequencies)).sum())


def estimate_from_cells(
    x_binned: Array, y_binned: Array, bins: int | Sequence[int], correction: Correction = "none"
) -> Estimate:
    """Estimate I = H(cell of X) + H(cell of Y) - H(cell of both), and warn where the cells hold too few points."""
    n, x_cells, y_cells = len(x_binned), cell_codes(x_binned), cell_codes(y_binned)
    x_counts, y_counts, counts = (np.bincount(codes) for codes in (x_cells, y_cells, combine(x_cells, y_cells)))
    diagnostics: dict[str, float | Sequence[int]] = {
        "bins": bins,
        "cells_x": len(x_counts),
        "cells_y": len(y_counts),
        "cells_joint": len(counts),
    }
    x_entropy, y_entropy = entropy(x_counts), entropy(y_counts)
    value = x_entropy + y_entropy - entropy(counts)
    if correction == "miller-madow":
        value -= (len(counts) - len(x_counts) - len(y_counts) + 1) / (2 * n)
    elif correction == "shrinkage":
        intensity = shrinkage_intensity(counts, len(x_counts) * len(y_counts))
        value = shrunken_information(x_counts, y_counts, counts, intensity)
        diagnostics["shrinkage"] = intensity
    warnings = []
    if n < FEW_POINTS * len(counts):
        warnings.append(
            f"{n / len(counts):.2g} points per occupied cell ({len(counts)} cells): the estimate is biased upward "
            f"and saturates at log n = {math.log(n):.3g}"
        )
    for own, other, saturation in (("X", "Y", x_entropy), ("Y", "X", y_entropy)):
        if saturation > SATURATED * math.log(n):
            warnings.append(
                f"the cells of {own} are saturated: their entropy {saturation:.3g} is near log n = {math.log(n):.3g}, "
                f"so that the plug-in estimate is near the entropy of the cells of {other}, dependent or not"
            )
    return Estimate(value, diagnostics=diagnostics, warnings=tuple(warnings))


def shrinkage_intensity(counts: NDArray[np.int64], cells: int) -> float:
    """Weight of the uniform table: the estimated sum of variances of f over sum (1/K - f)^2, at most 1."""
    n, frequencies = counts.sum(), counts / counts.sum()
    squares = float((frequencies**2).sum())
    distance = squares - 1 / cells  # sum over all K cells of (1/K - f)^2, the empty ones included
    variance = (1 - squares) / (n - 1)
    return float(variance / distance) if distance > variance else 1.0


def shrunken_information(
    x_counts: NDArray[np.int64], y_counts: NDArray[np.int64], counts: NDArray[np.int64], intensity: float
) -> float:
    """MI of (1 - w) f + w / K; the empty cells of the K_x K_y table share one probability and are not listed."""
    cells = len(x_counts) * len(y_counts)
    x, y, joint = (
        (1 - intensity) * part / part.sum() + intensity / size
        for part, size in ((x_counts, len(x_counts)), (y_counts, len(y_counts)), (counts, cells))
    )
    empty = (cells - len(counts)) * intensity / cells
    joint_entropy = float(-(joint * np.log(joint)).sum())
    if empty > 0:
        joint_entropy -= empty * math.log(intensity / cells)
    return entropy(x) + entropy(y) - joint_entropy
