"""Reasons to distrust or to decline an estimate from neighbours, in words that its estimators share."""

from __future__ import annotations

import numpy as np

from mibench.estimators.neighbors.ksg import LARGE_DIMENSION, LARGE_SCALE_RATIO
from mibench.interface import Array


def geometry_doubts(x: Array, y: Array) -> list[str]:
    """Warn of columns of very different scales and of many dimensions: both harm whoever measures X and Y together."""
    doubts = []
    scales = np.concatenate([x.std(axis=0), y.std(axis=0)])
    if scales.max() > LARGE_SCALE_RATIO * scales.min():
        doubts.append(
            f"standard deviations of the columns differ by a factor of {scales.max() / scales.min():.0f}, yet they "
            "share one distance: the estimate depends on their units and can be far off; margins=standard or "
            "margins=normal gives all columns one scale"
        )
    if len(scales) > LARGE_DIMENSION:
        doubts.append(
            f"{len(scales)} dimensions are more than {LARGE_DIMENSION}: neighbours are far and the estimate is biased"
        )
    return doubts


def repetition_doubts(radii: Array, k: int) -> list[str]:
    """Warn of points that coincide with k others, which contradicts a density."""
    repeated = int(np.count_nonzero(radii == 0))
    if not repeated:
        return []
    return [
        f"{repeated} of {len(radii)} points coincide with {k} or more others, which no continuous variable does: "
        "add small noise, or use an estimator for discrete or mixed data"
    ]


def too_few_points(n: int, k: int) -> str | None:
    """Say that each point needs k others, where it has not."""
    return f"needs more than k = {k} points, got {n}" if n <= k else None
