"""Reasons to distrust or to decline an estimate from neighbours, in words that its estimators share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import digamma

from mibench.interface import Array

# Two pairs of normals with correlation 0.8 among noise, n = 10,000: KSG finds 95% of the MI at 3 + 3 dimensions, 77% at
# 5 + 5, 67% at 6 + 6, 42% at 10 + 10.
LARGE_DIMENSION = 10
# Normals with MI 0.35 in 2 + 1 dimensions, n = 442: with one column 10 times as wide as the others KSG loses 10 to 15%
# of the MI, 30 times 25 to 35%, 100 times 55 to 65%, 1000 times nearly all.
LARGE_SCALE_RATIO = 10
# Mean of |log| of the ratio of two neighbouring gaps: 2 log 2 = 1.39 for independent draws, 0 for an even grid.
EVEN = 0.7
# Y = 1.8 X + 32, at any n, lies less than this below the ceiling.
NEAR_CEILING = 1.0


def geometry_warnings(x: Array, y: Array) -> list[str]:
    """Warn of columns of very different scales and of many dimensions: both harm whoever measures X and Y together."""
    warnings = []
    scales = np.concatenate([x.std(axis=0), y.std(axis=0)])
    if scales.max() > LARGE_SCALE_RATIO * scales.min():
        warnings.append(
            f"standard deviations of the columns differ by a factor of {scales.max() / scales.min():.0f}, yet they "
            "share one distance: the estimate depends on their units and can be far off; margins=standard or "
            "margins=normal gives all columns one scale"
        )
    if len(scales) > LARGE_DIMENSION:
        warnings.append(
            f"{len(scales)} dimensions are more than {LARGE_DIMENSION}: neighbours are far and the estimate is biased"
        )
    return warnings


def repetition_warnings(radii: Array, ks: Sequence[int]) -> list[str]:
    """Warn of points that coincide with k others, which contradicts a density; radii (n, len(ks))."""
    repeated = int(np.count_nonzero((radii == 0).any(axis=1)))
    if not repeated:
        return []
    return [
        f"{repeated} of {len(radii)} points coincide with {min(ks)} or more others, which no continuous variable does: "
        "ties=spread, the default, tells them apart"
    ]


def even_warnings(x: Array, y: Array) -> list[str]:
    """Warn of single columns whose values are spaced more evenly than those of independent draws."""
    uneven = []
    for name, block in (("x", x), ("y", y)):
        gaps = np.diff(np.sort(block[:, 0]))
        gaps = gaps[gaps > 0]
        if block.shape[1] == 1 and len(gaps) > 1 and np.abs(np.diff(np.log(gaps))).mean() < EVEN:
            uneven.append(name)
    return [
        f"the values of {name} are spaced evenly, as times, positions and ranks are: its entropy comes out too high, "
        "and the estimate with it; `ksg` is right here"
        for name in uneven
    ]


def ceiling_warnings(value: float, n: int, ks: Sequence[int]) -> list[str]:
    """Warn of an estimate near the largest that the counts of n points allow, which says nothing of the information."""
    most = float(digamma(n) - digamma(max(ks)))
    if value < most - NEAR_CEILING:
        return []
    return [
        f"near {most:.3g}, the most that {n} points can show: their neighbours in x are those in y, as where Y is a "
        "function of X, and the information may be infinite"
    ]
