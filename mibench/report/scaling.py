"""How estimates change with the sample size, the dimension or the mutual information."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mibench.interface import Array, InputError
from mibench.registry import distributions, nearest, parse_spec
from mibench.report import AGAINST
from mibench.report.figures import (
    Drawn,
    caption,
    failures_of,
    legend_below,
    line_handles,
    look,
    named,
    of_one_quantity,
    one_each,
    plain_log,
    seeds_of,
    with_unit,
)
from mibench.rows.row import Law

_AXES = {"n": "n", "dim": "dimension", "mi": "true MI"}
_NAMES = {"n": "n", "dim": "dim", "mi": "MI"}
_MOST_PANELS = 8
_WIDE = 12  # largest over smallest MI from which the axis is logarithmic
_BESIDE = 4.5  # points: from one estimator's error bars to the next one's, or markers would touch
_ROOM = 0.7  # of the least distance between two places: what the bars of all estimators take at most
_SMALLEST = 2.0  # points of a marker
_FAR = (2.5, 0.5)  # times the largest truth, and nats more: estimates farther off would squash all others


def scaling(cells: pd.DataFrame, width: float, against: str | None = None, units: str = "nats") -> Drawn:
    """Draw estimate (mean and standard deviation over seeds) and RMSE against `n`, `dim` or `mi`; a line for each task.

    At each place the estimators stand beside each other, with smaller markers where there are many. Dashed black is
    the truth, the grey band about it and the grey line of the RMSE are the oracle's limit. `against` is by default the
    first of the three that varies. What else varies (tasks, n) makes further lines of panels. Estimates that are far
    off leave the panel, and the caption names them.
    """
    cells, others = of_one_quantity(named(one_each(cells)))
    failed = failures_of(cells)
    scale, cells = _first_placed(cells[cells["mean"].notna()], against)
    groups = _groups(cells)
    labels = list(dict.fromkeys(cells["label"]))
    figure = Figure(figsize=(width, 0.15 + 1.35 * len(groups)), layout="constrained")
    grid = figure.subplots(len(groups), 2, squeeze=False, sharex="row")
    outside: list[str] = []
    for (left, right), group in zip(grid, groups, strict=True):
        outside += _draw_group(left, right, cells[cells["group"] == group], labels, scale, 36 * width)
        left.set_ylabel(with_unit("estimate", cells, units))
        right.set_ylabel(with_unit("RMSE", cells, units))
        if len(groups) > 1:
            left.set_title(group, loc="left")  # over both
    xlabel = with_unit(_AXES[scale], cells, units) if scale == "mi" else _AXES[scale]
    grid[-1][0].set_xlabel(xlabel)
    grid[-1][1].set_xlabel(xlabel)
    figure.align_ylabels()
    truth = Line2D([], [], color="black", linestyle=(0, (3, 2)), linewidth=0.8, label="truth")
    legend_below(figure, [*line_handles(labels), truth, Patch(facecolor="0.85", label="oracle")])
    what = f"Estimates (mean ± standard deviation over seeds) and RMSE against {_NAMES[scale]}"
    more = ["oracle: RMSE of the mean pointwise MI of the same samples"]
    if len(groups) == 1:
        what += f" on {groups[0]}"
    if len(labels) > 1:
        more.append(f"at the same {_AXES[scale]} estimates stand beside each other")
    if outside:
        more.append(f"estimates outside: {', '.join(label for label in labels if label in outside)}")
    return Drawn(figure, caption(what, cells, seeds_of(cells), *more, failed, others))


def _groups(cells: pd.DataFrame) -> list[str]:
    groups = list(dict.fromkeys(cells["group"]))
    if len(groups) > _MOST_PANELS:
        raise InputError(
            f"scaling draws {_MOST_PANELS} tasks at most, not {len(groups)}; choose with --distribution or --suite"
        )
    return groups


def _first_placed(cells: pd.DataFrame, against: str | None) -> tuple[str, pd.DataFrame]:
    """Return the first scale on which a task has two places, or the one asked for, and the cells placed on it."""
    scales = AGAINST if against is None else (against,)
    if against is not None and against not in AGAINST:
        raise InputError(f"unknown scale {against!r}{nearest(against, list(AGAINST))}; accepted: {', '.join(AGAINST)}")
    if cells.empty:
        raise InputError("no cell has an estimate: every trial failed")
    for scale in scales:
        found = placed(cells, scale)
        if found is not None:
            return scale, found
    there = "; ".join(f"{scale} {_values(cells, scale)}" for scale in scales)
    raise InputError(f"scaling needs a task with two values or more of {' or '.join(scales)}; there is {there}")


def placed(cells: pd.DataFrame, scale: str) -> pd.DataFrame | None:
    """Add `x`, the place on the scale, and `group`, the task without it; only groups with two places or more remain."""
    free: tuple[str, ...]
    if scale == "n":
        x, free, rest = cells["n"], (), ["dim_x", "dim_y"]
    elif scale == "dim":
        x, free, rest = cells["dim_x"], ("dim_x", "dim_y"), ["n"]
        cells = cells[cells["dim_x"] == cells["dim_y"]]
        x = x[cells.index]
    else:
        known = cells.groupby(list(Law._fields))["truth"].transform("max")  # one that failed has none
        cells = cells[known.notna()]
        x, free, rest = known[cells.index].round(9), ("mi",), ["dim_x", "dim_y", "n"]
    cells = cells.assign(x=x, family=[_without(text, free) for text in cells["distribution"]])
    cells = cells[cells.groupby(["family", *rest])["x"].transform("nunique") > 1]
    if cells.empty:
        return None
    groups = [_without(text, ("dim_x", "dim_y")) for text in cells["family"]]
    for key in rest:
        if cells[key].nunique() > 1:
            groups = [f"{group}, {key} = {value}" for group, value in zip(groups, cells[key], strict=True)]
    return cells.assign(group=groups)


def _without(text: str, keys: tuple[str, ...]) -> str:
    """Leave parameters out of a distribution's text, also in the one that it wraps: tasks that differ in them alone."""
    spec = parse_spec(distributions.resolve(text))
    inside = {
        key: _without(value, keys) if "[" in value else value
        for key, value in spec.parameters.items()
        if key not in keys
    }
    return str(dataclasses.replace(spec, parameters=inside))


def _values(cells: pd.DataFrame, scale: str) -> str:
    column = {"n": "n", "dim": "dim_x", "mi": "truth"}[scale]
    return ", ".join(f"{value:g}" for value in sorted(cells[column].dropna().unique())[:6]) or "unknown"


def _draw_group(left: Axes, right: Axes, cells: pd.DataFrame, labels: list[str], scale: str, room: float) -> list[str]:
    """Draw the estimates of one task to the left, RMSE to the right, each in `room` points; return who is outside."""
    limits = cells.groupby("x")[["truth", "oracle_rmse"]].max()
    x = limits.index.to_numpy(dtype=float)
    truth, oracle = limits["truth"].to_numpy(dtype=float), limits["oracle_rmse"].to_numpy(dtype=float)
    left.fill_between(x, truth - oracle, truth + oracle, color="0.85", linewidth=0)
    left.plot(x, truth, color="black", linestyle=(0, (3, 2)), linewidth=0.8, zorder=2.5)
    right.plot(x, np.where(oracle > 1e-12, oracle, np.nan), color="0.75", linewidth=2)
    log = bool(x.min() > 0 and (scale != "mi" or x.max() / x.min() >= _WIDE))
    beside, step, points = _beside(cells, labels, room, log=log)
    cells = cells.assign(beside=beside)
    for place, label in enumerate(labels):
        line = cells[cells["label"] == label].sort_values("x")
        style = look(place)
        style["markersize"] = min(style["markersize"], max(0.9 * step * points, _SMALLEST))
        left.errorbar(line["beside"], line["mean"], yerr=line["sd"].fillna(0), elinewidth=0.6, **style)
        right.plot(line["beside"], line["rmse"].where(line["rmse"] > 0), **style)
    if log:
        for axes in (left, right):
            axes.set_xscale("log")
        plain_log(left.xaxis)
    names = [f"{mark:g}" for mark in x]
    if np.diff(np.log(x) if log else x).min() * points > 3.7 * max(map(len, names)) + 4:  # there is room for the names
        left.set_xticks(x, names)
        left.set_xticks([], minor=True)
    if cells["rmse"].gt(0).any():
        right.set_yscale("log")
        plain_log(right.yaxis)
    return _leave_out_far(left, cells, truth)


def _leave_out_far(axes: Axes, cells: pd.DataFrame, truth: Array) -> list[str]:
    """Let estimates that are far off leave the panel; returns whose they are."""
    far = _FAR[0] * np.nanmax(np.abs(truth), initial=0.0) + _FAR[1]
    outside = (cells["mean"] - cells["truth"]).abs() > far
    if outside.any():
        near, spread = cells[~outside], cells["sd"].fillna(0)[~outside].clip(upper=far)
        low, high = ([*(near["mean"] + sign * spread), *truth] for sign in (-1, 1))
        margin = 0.05 * (np.nanmax(high) - np.nanmin(low)) or far
        axes.set_ylim(np.nanmin(low) - margin, np.nanmax(high) + margin)
    return list(cells["label"][outside])


def _beside(cells: pd.DataFrame, labels: list[str], room: float, *, log: bool) -> tuple[Array, float, float]:
    """Move those that stand at one place beside each other, on an axis that has `room` points with its labels.

    Returns their places, and on the axis that is drawn the step from one to the next and how many points a unit has.
    """
    places = cells["x"].to_numpy(dtype=float)
    marks = np.unique(np.log(places) if log else places)
    ranks = cells["label"].map(labels.index).groupby(cells["x"]).rank()  # one that stands alone stays where it is
    count = cells.groupby("x")["label"].transform("size")
    length, whole, most = 0.9 * (room - 40), marks[-1] - marks[0], max(count.max() - 1, 1)
    step = min(_BESIDE / length * whole, _ROOM * np.diff(marks).min() / most)
    beside = (ranks - (count + 1) / 2) * step
    moved: Array = (places * np.exp(beside) if log else places + beside).to_numpy()
    return moved, step, length / (whole + most * step)
