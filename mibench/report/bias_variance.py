"""Where an estimator's error comes from: bias against standard deviation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator

from mibench.interface import InputError
from mibench.report.figures import (
    Drawn,
    caption,
    complete,
    failures_of,
    labelled,
    left_out,
    legend_below,
    look,
    of_one_quantity,
    root_mean_square,
    seeds_of,
    with_unit,
)

_FAR = 8.0  # times the median RMSE: further points are named at the edge, or they would squash all others

_HIGHEST = 3.0  # inches


def bias_variance(cells: pd.DataFrame, width: float, units: str = "nats") -> Drawn:
    """Draw a point for each estimator: bias and standard deviation over seeds.

    Over several tasks both are root mean squares, and the bias has lost its sign: since mean RMSE^2 = mean bias^2 +
    mean variance, arcs about the origin still join points of the same RMSE. The oracle, the mean pointwise MI of the
    same samples, has no bias and the standard deviation `oracle_rmse`. Estimators without a score on every task are
    left out.
    """
    cells, others = of_one_quantity(cells)
    cells = labelled(cells)
    cells = cells.assign(both=cells["bias"] * cells["sd"])  # one seed has no spread, an unknown truth no bias
    if cells["sd"].isna().all():
        raise InputError("bias-variance needs two seeds or more that did not fail")
    kept, missing = complete(cells, "both")
    alone = cells["task"].nunique() == 1
    points = _points(kept, signed=alone)
    lengths = {label: float(np.hypot(*point)) for label, point in points.items()}
    far = _FAR * float(np.median(list(lengths.values())))
    near = {label: point for label, point in points.items() if lengths[label] <= far}
    oracle = _oracle(kept)
    left, right, top = _limits([*near.values()], oracle, signed=alone)
    high = min((width - 0.6) * top / (right - left), _HIGHEST)
    figure = Figure(figsize=(width, high + 0.45), layout="constrained")
    axes = figure.subplots()
    if left < 0:
        axes.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    step = _draw_arcs(axes, max(right, top))
    handles: list[Artist] = []
    for place, label in enumerate(points):
        style = look(place) | {"linestyle": "none", "markersize": 4.5}
        name = label
        if label in near:
            axes.plot(*np.transpose([points[label]]), **style, label=label, clip_on=False, zorder=3)
        else:
            rmse = np.format_float_positional(lengths[label], 2, fractional=False, trim="-")
            name = f"{label} (RMSE {rmse}, outside)"
        handles.append(Line2D([], [], label=name, **style))
    if oracle is not None:
        handles += axes.plot([0], [oracle], marker="*", markersize=7, color="black", linestyle="none", label="oracle",
                             clip_on=False, zorder=4)  # fmt: skip
    axes.set(xlim=(left, right), ylim=(0, top), aspect="equal")
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(step))
    name, over = "root mean square bias", f"root mean squares over {cells['task'].nunique()} tasks"
    if alone:
        name, over = "bias", f"of {cells['task'].iloc[0]}"
    axes.set_xlabel(with_unit(name, kept, units))
    axes.set_ylabel(with_unit("standard deviation", kept, units))
    legend_below(figure, handles)
    signs = ["arcs: equal RMSE"]
    if oracle is not None:
        signs.append("star: oracle, the mean pointwise MI of the same samples")
    more = [*signs, failures_of(kept), left_out(missing, "without a score on every task"), others]
    return Drawn(figure, caption(f"Bias and standard deviation over seeds, {over}", kept, seeds_of(kept), *more))


def _points(cells: pd.DataFrame, *, signed: bool) -> dict[str, tuple[float, float]]:
    """Bias, with its sign or the root mean square, and standard deviation by label."""
    points = {}
    for label, group in cells.groupby("label", sort=False):
        bias = float(group["bias"].iloc[0]) if signed else root_mean_square(group["bias"])
        points[str(label)] = (bias, root_mean_square(group["sd"]))
    return points


def _oracle(cells: pd.DataFrame) -> float | None:
    """Root mean square over tasks; None where one of them has no oracle."""
    oracles = cells.drop_duplicates("task")["oracle_rmse"]
    return root_mean_square(oracles) if oracles.notna().all() else None


def _limits(points: list[tuple[float, float]], oracle: float | None, *, signed: bool) -> tuple[float, float, float]:
    """The ends of the axes: left, right and top."""
    right = 1.15 * max([*(abs(x) for x, _ in points), 1e-6])
    top = 1.15 * max([*(y for _, y in points), oracle or 0.0, 1e-6])
    right, top = max(right, 0.5 * top), max(top, 0.5 * right)  # no axis so short that its ticks have no room
    return -right if signed else 0.0, right, top


def _draw_arcs(axes: Axes, reach: float) -> float:
    """Draw arcs of equal RMSE; returns the distance between them."""
    angles = np.linspace(0, np.pi, 181)
    radii = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, reach)[1:]
    step = float(radii[0])
    for radius in [*radii, *(radii[-1] + step * np.arange(1, 4))]:
        axes.plot(radius * np.cos(angles), radius * np.sin(angles), color="0.8", linewidth=0.5, zorder=0)
    return step
