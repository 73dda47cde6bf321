r"""Ties in columns of numbers: broken by noise that leaves the mutual information of the law as it is.

A density has no ties; recorded numbers have plenty: whole years, readings in steps, zeros below a detection limit. An
estimator that measures distances takes them for structure: it finds information that is not there, or loses some.

Spread each tied value v uniformly over a cell of its own, x' = v + w (U - 1/2) for a cell of width w about v, U uniform
on (0, 1), independent across rows, columns and sides. As no two cells overlap, x' tells v; and given v it tells nothing
of y. So I(X'; Y') = I(X; Y), whatever the widths. No estimator becomes exact by that: the widths are those that err
least over a hundred laws whose truth is a sum or a quadrature, at 200 to 5,000 points.

- `thin`, for estimators that count neighbours: w is 1/1000 of the gap to the nearest other value. The noise only
  decides which of the tied neighbours is nearer. Values that few points share then act as numbers, those of many as
  labels.
- `cells`, for estimators of a density: half a step of the lattice to either side, but no further than half the way to
  the next value, so that cells join. An *atom*, a value with far more points than those beside it, gets a cell as wide
  as its share of the points would take in a uniform law of the same standard deviation, and the values above it move up
  by as much, in their order. Its density is then like that of the rest; in a cell of one step it would be a spike.

The noise has a stream of its own that no seed of a user can repeat. It is a function of the data, not of the seed and
not of the order of rows: an estimate stays deterministic, and X = Y gets two noises, not one.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array, Shape, are_discrete

Ties = Literal["spread", "keep"]
Width = Literal["thin", "cells"]

# What the parameter `ties` says of itself.
BREAKING = "spread: equal numbers of a column are told apart by noise that leaves the MI as it is; keep: as given"
# Two values so many units in the last place apart are one value that was computed in two ways (0.1 + 0.2 and 0.3),
# unless that is more than this share of the column's range.
ROUNDING, SAME = 4, 1e-9
# Width of thin noise in units of the gap to the nearest other value.
THIN = 1e-3
# Gaps on either side that say what the step of a lattice is: a value that no point has must not double it.
GAPS = 6
# An atom has this many times the points of the values beside it, so many on either side.
ATOM, BESIDE = 10, 4
# Normals with correlation 0.6, n = 1000: 1 in 100 rows that are copies add 0.01 to the MI of `ksg`, 1 in 10 add 0.05. A
# value that more points share than this was not copied by accident.
MANY_COPIES, MOST_ALIKE = 0.01, 10
# A cell is wide from this share of the standard deviation on; binary columns, ratings and atoms of 15% have such cells.
# From this share of points on an estimate of the density is off by more than 0.03 or 15% in some of the laws.
WIDE, MANY_WIDE = 0.5, 0.1
# First word of the seed of the noise: any fixed number that nobody takes for a seed.
STREAM = 0x7469657353707265616454696573


@dataclass(frozen=True, eq=False)
class Column:
    """The distinct values (m,) of a column in increasing order, the points of each, and each point's value (n,)."""

    values: Array
    counts: NDArray[np.int64]
    place: NDArray[np.int64]

    @property
    def tied(self) -> NDArray[np.bool_]:
        """Which of the values several points share."""
        return self.counts > 1

    @functools.cached_property
    def stream(self) -> int:
        """A number made of how many points share each value: no matter in which unit or in which order of rows."""
        return int.from_bytes(hashlib.sha256(self.counts.tobytes()).digest()[:16], "little")


@dataclass(frozen=True, eq=False)
class Spread:
    """X and Y with their ties broken, and what was found.

    `share_x` and `share_y` are the shares of points with a tie in some column of X, or of Y; `wide` is that of points
    in a cell that is wide for its column; `copies` are points whose whole row repeats, where nothing else does.
    """

    x: Array
    y: Array
    share_x: float = 0.0
    share_y: float = 0.0
    wide: float = 0.0
    copies: int = 0

    @property
    def diagnostics(self) -> dict[str, float]:
        """What an estimate says of it: nothing where there were no ties."""
        if self.share_x == self.share_y == 0:
            return {}
        return {"ties_spread_x": self.share_x, "ties_spread_y": self.share_y}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Doubts that hold for every estimator whose ties are broken."""
        if self.copies <= MANY_COPIES * len(self.x):
            return ()
        return (
            f"{self.copies} of {len(self.x)} rows are like another in all columns, and no value repeats elsewhere: "
            "where rows were copied leave the copies out, they make estimates too high; where Y is a function of X "
            "the information is infinite",
        )

    @property
    def density_warnings(self) -> tuple[str, ...]:
        """The same, and those of estimators of a density."""
        if self.wide <= MANY_WIDE:
            return self.warnings
        return (
            *self.warnings,
            f"at {100 * self.wide:.0f}% of the points a value that many share is spread over half a standard deviation "
            "of its column or more: such a density has edges, and estimates of it are biased; `ksg`, which counts "
            "neighbours, errs less here",
        )


def untied(x: Array, y: Array, ties: Ties, width: Width, shape: Shape) -> Spread:
    """Break the ties of all columns but the discrete ones, or keep them.

    A block without ties is returned as it is, the same array. A column with ties is also shifted to start near 0, where
    numbers are finest.
    """
    if ties == "keep":
        return Spread(x, y)
    whole = np.hstack([x, y])
    broken = has_ties(whole) & ~are_discrete(shape.x + shape.y)
    if not broken.any():
        return Spread(x, y)
    columns = [distinct(column) for column in whole.T]
    order = ordering(columns, broken)
    touched, wide = np.zeros((2, *whole.shape), dtype=bool)
    for place, noise in noises(columns, broken, order).items():
        column, widths, shifts = columns[place], *cells(columns[place], width)
        touched[:, place] = column.tied[column.place]
        wide[:, place] = (widths >= WIDE * whole[:, place].std())[column.place]
        whole[:, place] = (column.values - column.values[0] + shifts)[column.place] + widths[column.place] * noise
    of_x, of_y = (part.any(axis=1) for part in np.hsplit(touched, [x.shape[1]]))
    new_x, new_y = (np.ascontiguousarray(block) for block in np.hsplit(whole, [x.shape[1]]))
    return Spread(
        new_x if of_x.any() else x,
        new_y if of_y.any() else y,
        float(of_x.mean()),
        float(of_y.mean()),
        float(wide.any(axis=1).mean()),
        copies([columns[place] for place in np.flatnonzero(~are_discrete(shape.x + shape.y))], order),
    )


def has_ties(block: Array) -> NDArray[np.bool_]:
    """Whether two points of a block (n, dim) share a value, for each column."""
    ordered = np.sort(block, axis=0)
    return np.asarray(_same(ordered).any(axis=0))


def _same(ordered: Array) -> NDArray[np.bool_]:
    """Whether each of the increasing values (n, ...) but the first is the one before it, up to rounding."""
    gaps = np.diff(ordered, axis=0)
    limit = np.minimum(ROUNDING * np.spacing(np.abs(ordered[1:])), SAME * (ordered[-1] - ordered[0]))
    return np.asarray(gaps <= limit)


def distinct(column: Array) -> Column:
    """List the distinct values of a column (n,)."""
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    first = np.concatenate([[True], ~_same(ordered)])
    starts = np.flatnonzero(first)
    place = np.empty(len(column), dtype=np.int64)
    place[order] = np.cumsum(first) - 1
    return Column(ordered[starts], np.diff(starts, append=len(column)), place)


def ordering(columns: list[Column], broken: NDArray[np.bool_]) -> NDArray[np.int64]:
    """An order of the points that does not depend on that of the rows, and hardly on that of the columns."""
    first = sorted(np.flatnonzero(broken).tolist(), key=lambda place: (columns[place].stream, place))
    keys = [columns[place].place for place in [*first, *np.flatnonzero(~broken).tolist()]]
    return np.asarray(np.lexsort(keys[::-1]))


def noises(columns: list[Column], broken: NDArray[np.bool_], order: NDArray[np.int64]) -> dict[int, Array]:
    """Noise (n,) uniform on (-1/2, 1/2) for each of the columns whose ties are broken.

    Points take it in an order of their own, so that each keeps its noise when rows are reordered. Which stream a column
    has depends on nothing but its own ties, so that X and Y may be swapped; of columns that cannot be told apart by
    them, such as X = Y, each takes the next stream.
    """
    found: dict[int, Array] = {}
    for place in np.flatnonzero(broken).tolist():
        again = sum(columns[other].stream == columns[place].stream for other in found)
        noise = np.empty(len(order))
        noise[order] = np.random.default_rng([STREAM, columns[place].stream, again]).random(len(order)) - 0.5
        found[place] = noise
    return found


def copies(columns: list[Column], order: NDArray[np.int64]) -> int:
    """How many points have the same row as another, where the columns have no other ties and nothing repeats often."""
    places = np.stack([column.place for column in columns], axis=1)[order]
    same = (places[1:] == places[:-1]).all(axis=1)
    alike = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    for column in columns:
        if column.counts.max() > MOST_ALIKE or (column.tied[column.place[order]] != alike).any():
            return 0
    return int(alike.sum())


def cells(column: Column, width: Width) -> tuple[Array, Array]:
    """Width of the cell of each value (m,), 0 where only one point has it, and how far its middle is from the value."""
    if len(column.values) == 1:
        return np.zeros(1), np.zeros(1)
    if width == "thin":
        widths = np.where(column.tied, THIN * nearest_gaps(column.values), 0.0)
        return widths, np.zeros(len(widths))
    gaps, step = np.diff(column.values), steps(column.values)
    below, above = (
        np.where(column.tied, np.minimum(step, np.concatenate(gap)) / 2, 0.0)
        for gap in ((gaps[:1], gaps), (gaps, gaps[-1:]))
    )
    fair = column.counts / len(column.place) * math.sqrt(12) * float(column.values[column.place].std())
    room = np.where(atoms(column), np.maximum(fair - below - above, 0), 0)
    return below + room + above, np.cumsum(room) - room / 2 + (above - below) / 2


def nearest_gaps(values: Array) -> Array:
    """Distance of each of two or more increasing values (m,) to the nearest other."""
    gaps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
    return np.asarray(np.minimum(gaps[:-1], gaps[1:]))


def steps(values: Array) -> Array:
    """Step of the lattice at each of two or more increasing values (m,): the smallest of some gaps on either side.

    Of the two sides the larger counts: where a fine lattice meets a coarse one, a value of the coarse keeps its step.
    """
    gaps = np.diff(values)
    below, above = _least(gaps), _least(gaps[::-1])[::-1]
    return np.asarray(np.fmax(np.concatenate([[np.nan], below]), np.concatenate([above, [np.nan]])))


def _least(gaps: Array) -> Array:
    """Least of each gap and the GAPS - 1 before it."""
    least = gaps.copy()
    for back in range(1, min(GAPS, len(gaps))):
        least[back:] = np.minimum(least[back:], gaps[:-back])
    return least


def atoms(column: Column) -> NDArray[np.bool_]:
    """Which values (m,) have far more points than those beside them have on average."""
    total = np.concatenate([[0], np.cumsum(column.counts)])
    place = np.arange(len(column.counts))
    low, high = np.maximum(place - BESIDE, 0), np.minimum(place + BESIDE + 1, len(place))
    beside = (total[high] - total[low] - column.counts) / (high - low - 1)
    return np.asarray(column.tied & (column.counts > ATOM * beside))
