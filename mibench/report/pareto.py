"""What accuracy costs: RMSE against CPU seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mibench.interface import Array
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
    plain_log,
    root_mean_square,
    seeds_of,
    with_unit,
)
from mibench.rows.row import Law

_SHORTEST = 1e-6  # seconds: a clock that saw no time pass


def pareto(cells: pd.DataFrame, width: float, units: str = "nats") -> Drawn:
    """Draw RMSE (root mean square over tasks) against the CPU seconds of a trial (median over tasks).

    A point for each estimator and n, those of an estimator joined from the smallest n on. The grey line is the front at
    the largest n: the estimators that none beats in both. Estimators without a score on every task are left out.
    """
    cells, others = of_one_quantity(cells)
    kept, missing = complete(labelled(cells), "rmse")
    points: dict[str, list[tuple[float, float]]] = {}
    for (label, _), group in kept.sort_values("n", kind="stable").groupby(["label", "n"], sort=False):
        seconds = max(float(group["median_cpu_s"].median()), _SHORTEST)
        points.setdefault(str(label), []).append((seconds, root_mean_square(group["rmse"])))
    points = {label: points[label] for label in dict.fromkeys(kept["label"])}
    figure = Figure(figsize=(width, min(0.6 * width, 2.8)), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlabel="CPU seconds per trial", ylabel=with_unit("RMSE", cells, units))
    axes.grid(color="0.93", linewidth=0.5)
    axes.set_axisbelow(True)
    edge = front(np.array([line[-1] for line in points.values()]))
    axes.plot(*edge.T, color="0.75", linewidth=1.6, drawstyle="steps-post", solid_capstyle="round", zorder=1)
    for place, (label, line) in enumerate(points.items()):
        axes.plot(*np.transpose(line), **look(place) | {"linewidth": 0.5, "markersize": 4.5}, label=label)
    axes.margins(0.08)
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    handles = [
        Line2D([], [], label=label, **look(place) | {"linestyle": "none", "markersize": 4.5})
        for place, label in enumerate(points)
    ]
    legend_below(figure, handles)
    largest = kept["n"].max()
    laws = kept.drop_duplicates(list(Law._fields))
    what = f"RMSE (root mean square over {len(laws)} tasks) against the CPU time of a trial (median)"
    if len(laws) == 1:
        what = f"RMSE against the CPU time of a trial (median), {kept['distribution'].iloc[0]}"
    return Drawn(
        figure,
        caption(
            what,
            kept,
            seeds_of(kept),
            f"grey: the front that none beats in both{f', at n = {largest}' if kept['n'].nunique() > 1 else ''}",
            failures_of(kept),
            left_out(missing, "without a score on every task"),
            others,
        ),
    )


def front(points: Array) -> Array:
    """Keep the points (k, 2) that no other one beats in both coordinates, sorted by the first."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    best = np.minimum.accumulate(ordered[:, 1])
    kept: Array = ordered[np.concatenate([[True], ordered[1:, 1] < best[:-1]])]
    return kept
