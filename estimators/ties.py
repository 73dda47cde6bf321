r"""Ties in columns of numbers: broken by noise that leaves the mutual information of the law as it is.

A density has no ties; recorded numbers have plenty: whole years, readings in steps, zeros below a detection limit. An
estimator that measures distances takes them for structure and finds information that is not there, or loses some.

Spread each tied value v uniformly over a cell of its own, x' = v + w(v) (U - 1/2) with U uniform on (0, 1), independent
across rows, columns and sides, and no wider than leaves the cells of different values apart. Then x' tells v, since
the cell does, and given v it tells nothing of y: I(X'; Y') = I(X; Y), whatever the widths. No estimator becomes exact
by that, so the width is what errs least (100 laws whose truth is a sum or a quadrature; 200 to 5,000 points):

- `thin`, for estimators that count neighbours: w = 1/1000 of the gap to the nearest other value. The noise only decides
  which of the tied neighbours is nearer; values that few points share act as a lattice, those of many as labels.
- `cells`, for estimators of a density: the w of a step of the lattice, so that cells join without a gap. An *atom*, a
  value with far more points than those beside it, gets a cell as wide as its share of the points would take in a
  uniform law of the same standard deviation, and the values above it move up by as much, in their order: its density
  is then like that of the rest, where a cell of the step's width would be a spike.

The noise has a stream of its own that no seed of a user can repeat. It is a function of the data, not of the seed and
not of the order of rows: an estimate stays deterministic, and X = Y gets two noises, not one.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array

Ties = Literal["spread", "keep"]
Width = Literal["thin", "cells"]

# Two values so many units in the last place apart are one value that was computed in two ways (0.1 + 0.2 and 0.3),
# unless that is more than this share of the column's range.
ROUNDING, SAME = 4, 1e-9
# Width of thin noise in units of the gap to the nearest other value.
THIN = 1e-3
# Gaps on either side that say what the step of a lattice is: a value that no point has must not double it.
GAPS = 6
# An atom has this many times the points of the values beside it, so many on either side.
ATOM, BESIDE = 10, 4
# First word of the seed of the noise: any fixed number that nobody takes for a seed.
STREAM = 0x7469657353707265616454696573


@dataclass(frozen=True, eq=False)
class Column:
    """The distinct values (m,) of a column in increasing order, the points of each (m,), and each point's value (n,)."""

    values: Array
    counts: NDArray[np.int64]
    place: NDArray[np.int64]

    @property
    def tied(self) -> NDArray[np.bool_]:
        """Which of the values several points share."""
        return self.counts > 1

    @property
    def stream(self) -> int:
        """A number made of how many points share each value: no matter in which unit or in which order of rows."""
        return int.from_bytes(hashlib.sha256(self.counts.tobytes()).digest()[:16], "little")


@dataclass(frozen=True, eq=False)
class Spread:
    """X and Y with their ties broken, and the share of points that had one in some column of X, or of Y."""

    x: Array
    y: Array
    share_x: float
    share_y: float

    @property
    def diagnostics(self) -> dict[str, float]:
        """What an estimate says of it: nothing where there were no ties."""
        if self.share_x == self.share_y == 0:
            return {}
        return {"ties_spread_x": self.share_x, "ties_spread_y": self.share_y}


def spread_ties(x: Array, y: Array, width: Width, labels: NDArray[np.bool_] | None = None) -> Spread:
    """Break the ties of all columns but labels, of which there is one bool for each column of X, then of Y.

    A block without ties is returned as it is, the same array. A column with ties is also shifted to start near 0, where
    numbers are finest.
    """
    whole = np.hstack([x, y])
    broken = has_ties(whole)
    if labels is not None:
        broken &= ~labels
    if not broken.any():
        return Spread(x, y, 0.0, 0.0)
    columns = [distinct(column) for column in whole.T]
    touched = np.zeros(whole.shape, dtype=bool)
    for place, noise in noises(columns, np.flatnonzero(broken)).items():
        column = columns[place]
        touched[:, place] = column.tied[column.place]
        whole[:, place] = spread_column(column, noise, width)
    of_x, of_y = np.hsplit(touched, [x.shape[1]])
    new_x, new_y = (np.ascontiguousarray(block) for block in np.hsplit(whole, [x.shape[1]]))
    return Spread(
        new_x if of_x.any() else x,
        new_y if of_y.any() else y,
        float(of_x.any(axis=1).mean()),
        float(of_y.any(axis=1).mean()),
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


def noises(columns: list[Column], broken: NDArray[np.int64]) -> dict[int, Array]:
    """Uniform numbers (n,) for each of the columns whose ties are broken.

    Points are numbered in the order of their values, so that each keeps its noise when rows are reordered; which
    stream a column has depends on nothing but its own ties, so that X and Y may be swapped. Of columns that
    cannot be told apart by them, such as X = Y, each takes the next stream.
    """
    streams = [columns[place].stream for place in broken]
    keys = [columns[place].place for _, place in sorted(zip(streams, broken.tolist(), strict=True), reverse=True)]
    rest = [column.place for place, column in enumerate(columns) if place not in broken]
    order = np.lexsort([*rest, *keys])
    found = {}
    for number, place in enumerate(broken.tolist()):
        again = streams[:number].count(streams[number])
        noise = np.empty(len(order))
        noise[order] = np.random.default_rng([STREAM, streams[number], again]).random(len(order))
        found[place] = noise
    return found


def spread_column(column: Column, noise: Array, width: Width) -> Array:
    """Spread the tied values of a column by uniform noise (n,)."""
    values = column.values - column.values[0]
    if len(values) == 1:
        return values[column.place]
    if width == "thin":
        widths = THIN * nearest_gaps(values)
    else:
        widths, room = cells(column)
        values = values + np.cumsum(room) - room / 2
    widths = np.where(column.tied, widths, 0.0)
    return np.asarray(values[column.place] + widths[column.place] * (noise - 0.5))


def nearest_gaps(values: Array) -> Array:
    """Distance of each of two or more increasing values (m,) to the nearest other."""
    gaps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
    return np.minimum(gaps[:-1], gaps[1:])


def cells(column: Column) -> tuple[Array, Array]:
    """Widths (m,) of the cells of the values, and the room that each needs beyond the step it stands in."""
    widths = steps(column.values)
    fair = column.counts / len(column.place) * math.sqrt(12) * float(column.values[column.place].std())
    room = np.where(atoms(column), np.maximum(fair - widths, 0), 0)
    return widths + room, room


def steps(values: Array) -> Array:
    """Step of the lattice at each of two or more increasing values (m,): the smallest of some gaps on either side.

    Of the two sides the larger counts: where a fine lattice meets a coarse one, a value belongs to both.
    """
    gaps = np.diff(values)
    below, above = _least(gaps), _least(gaps[::-1])[::-1]
    return np.fmax(np.concatenate([[np.nan], below]), np.concatenate([above, [np.nan]]))


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
