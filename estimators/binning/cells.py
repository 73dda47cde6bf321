"""Cells of a grid: from columns to one number per point, and the entropy of those numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array

Codes = NDArray[np.int64]


def cell_codes(
    block: Array, discrete: tuple[bool, ...], bins: int, edges: Literal["width", "quantile"]
) -> tuple[Codes, NDArray[np.int64]]:
    """Number the occupied cells of a block (n, dim): the cell of each point and the points in each cell."""
    codes = np.zeros(len(block), dtype=np.int64)
    for column, is_discrete in zip(block.T, discrete, strict=True):
        binned = column if is_discrete else bin_column(column, bins, edges)
        codes = combine(codes, np.unique(binned, return_inverse=True)[1])
    return codes, np.bincount(codes)


def combine(first: Codes, second: Codes) -> Codes:
    """Number the distinct pairs of two codes below n. Numbering after each column keeps products below n^2."""
    return np.unique(first * (second.max() + 1) + second, return_inverse=True)[1].astype(np.int64)


def bin_column(column: Array, bins: int, edges: Literal["width", "quantile"]) -> Array:
    """Bin a column into intervals of equal width or of equally many points; tied points stay together."""
    if edges == "width":
        position = (column - column.min()) / (column.max() - column.min())
    else:
        _, place, repeats = np.unique(column, return_inverse=True, return_counts=True)
        position = (np.cumsum(repeats) - repeats)[place] / len(column)  # the share of points below
    return np.asarray(np.minimum(np.floor(position * bins), bins - 1))


def entropy(counts: NDArray[np.int64]) -> float:
    """Entropy of the relative frequencies, in nats; the counts are positive."""
    frequencies = counts / counts.sum()
    return float(-(frequencies * np.log(frequencies)).sum())
