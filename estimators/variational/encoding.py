"""What the networks see of the columns: standardised values, normal scores, indicators of labels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mibench.interface import Array, Kinds
from mibench.training.splits import Rows

Margins = Literal["standard", "normal", "given"]
Codes = NDArray[np.float32]
MOST_LEVELS = 64  # of a label column that get an indicator each


def encode(block: Array, kinds: Kinds, training: Rows, margins: Margins) -> Codes:
    """Columns as a network takes them; everything fitted (levels, mean and scale, ranks) is of the training rows.

    A column of labels becomes one indicator per level, for the `MOST_LEVELS` most frequent ones. Every other column,
    and labels of still more levels (counts, say), are standardised, mapped to normal scores, or ("given") centred only.
    All maps are functions of one variable's column, so that a lower bound on the codes is one on the variables.
    """
    columns: list[Array] = []
    for values, kind in zip(block.T, kinds, strict=True):
        fitted = np.sort(values[training])
        if kind == "discrete":
            levels, counts = np.unique(fitted, return_counts=True)
            frequent = levels[np.argsort(-counts, kind="stable")[:MOST_LEVELS]]
            columns.append((values[:, None] == frequent).astype(float))
            if len(levels) <= MOST_LEVELS:
                continue
        if margins == "normal":
            below, at_most = np.searchsorted(fitted, values, "left"), np.searchsorted(fitted, values, "right")
            columns.append(ndtri((below + at_most + 1) / (2 * len(fitted) + 2))[:, None])
        else:
            # Rounding can give equal values a standard deviation of 1e-17 times their size.
            scale = fitted.std() if margins == "standard" and fitted[0] < fitted[-1] else 1.0
            columns.append(((values - fitted.mean()) / (scale or 1.0))[:, None])
    return np.hstack(columns).astype(np.float32)
