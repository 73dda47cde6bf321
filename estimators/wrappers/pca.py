"""Principal components of one block of columns."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from mibench.interface import Array


def principal_components(block: Array, dim: int) -> tuple[Array, float]:
    """Scores (n, dim) on the axes of largest variance of a block (n, columns), and their share of its variance.

    The scores are uncorrelated and come by falling variance; fewer than `dim` where the block has a lower rank. Signs
    are such that the score of largest size on an axis is positive.
    """
    centered = block - block.mean(axis=0)
    wide = centered.shape[1] > centered.shape[0]
    products = centered @ centered.T if wide else centered.T @ centered
    size = len(products)
    squares, vectors = eigh(products, subset_by_index=(max(size - dim, 0), size - 1))
    varying = squares > squares[-1] * size * np.finfo(float).eps
    squares, vectors = squares[varying][::-1], vectors[:, varying][:, ::-1]
    scores = vectors * np.sqrt(squares) if wide else centered @ vectors
    largest = np.abs(scores).argmax(axis=0)
    scores *= np.sign(scores[largest, np.arange(scores.shape[1])])
    return np.ascontiguousarray(scores), float(squares.sum() / products.trace())
