"""Margins: what an estimator makes of each column before it estimates; the MI of the law does not change under it.

`raw` leaves the values as they are (networks see them centred), `standard` gives every column standard deviation 1,
`normal` replaces it by normal scores. Networks fit the map on their training part (`variational/encoding.py`), all
other estimators on all points.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import ndtri

from mibench.interface import Array

Margins = Literal["raw", "standard", "normal"]


def transformed(block: Array, margins: Margins) -> Array:
    """Leave the columns as they are, give them standard deviation 1, or replace them by their normal scores."""
    if margins == "raw":
        return block
    return standardized(block) if margins == "standard" else normal_scores(block)


def standardized(block: Array) -> Array:
    """Give each column of a block (n, dim) mean 0 and standard deviation 1."""
    centered = block - block.mean(axis=0)
    return np.ascontiguousarray(centered / centered.std(axis=0))


def normal_scores(block: Array) -> Array:
    """Replace each value by the standard normal quantile of rank / (n + 1) within its column.

    Tied values share the average of their ranks, so that ties stay ties and the order of rows does not matter.
    """
    columns = []
    for column in block.T:
        _, place, repeats = np.unique(column, return_inverse=True, return_counts=True)
        ranks = np.cumsum(repeats) - (repeats - 1) / 2
        columns.append(ndtri(ranks / (len(column) + 1))[place])
    return np.stack(columns, axis=1)
