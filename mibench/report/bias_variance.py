"""Where an estimator's error comes from: bias against standard deviation."""

from __future__ import annotations

import numpy as np
import pandas as pd
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
    tasks = cells["task"].nunique()
    points: dict[str, tuple[float, float]] = {}
    for label, group in kept.groupby("label", sort=False):
        bias = float(group["bias"].iloc[0]) if tasks == 1 else root_mean_square(group["bias"])
        points[str(label)] = (bias, root_mean_square(group["sd"]))
    lengths = {label: float(np.hypot(*point)) for label, point in points.items()}
    far = _FAR * float(np.median(list(lengths.values())))
    near = {label: point for label, point in points.items() if lengths[label] <= far}
    oracles = kept.drop_duplicates("task")["oracle_rmse"]
    oracle = root_mean_square(oracles) if oracles.notna().all() else None

    right = 1.15 * max([*(abs(x) for x, _ in near.values()), 1e-6])
    top = 1.15 * max([*(y for _, y in near.values()), oracle or 0.0, 1e-6])
    right, top = max(right, 0.5 * top), max(top, 0.5 * right)  # no axis so short that its ticks have no room
    left = -right if tasks == 1 else 0.0
    high = min((width - 0.6) * top / (right - left), _HIGHEST)
    figure = Figure(figsize=(width, high + 0.45), layout="constrained")
    axes = figure.subplots()
    if tasks == 1:
        axes.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    angles = np.linspace(0, np.pi, 181)
    radii = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, max(right, top))[1:]
    step = radii[0]
    for radius in [*radii, *(radii[-1] + step * np.arange(1, 4))]:
        axes.plot(radius * np.cos(angles), radius * np.sin(angles), color="0.8", linewidth=0.5, zorder=0)
    handles = []
    for place, label in enumerate(points):
        style = look(place) | {"linestyle": "none", "markersize": 4.5}
        name = (
            label
            if label in near
            else f"{label} (RMSE {np.format_float_positional(lengths[label], 2, fractional=False, trim='-')}, outside)"
        )
        if label in near:
            axes.plot(*np.transpose([points[label]]), **style, label=label, clip_on=False, zorder=3)
        handles.append(Line2D([], [], label=name, **style))
    if oracle is not None:
        (star,) = axes.plot([0], [oracle], marker="*", markersize=7, color="black", linestyle="none", label="oracle",
                            clip_on=False, zorder=4)  # fmt: skip
        handles.append(star)
    axes.set(xlim=(left, right), ylim=(0, top), aspect="equal")
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(step))
    names = ("bias" if tasks == 1 else "root mean square bias", "standard deviation")
    axes.set(**{f"{axis}label": with_unit(name, kept, units) for axis, name in zip("xy", names, strict=True)})
    legend_below(figure, handles)
    over = f"of {cells['task'].iloc[0]}" if tasks == 1 else f"root mean squares over {tasks} tasks"
    return Drawn(
        figure,
        caption(
            f"Bias and standard deviation over seeds, {over}",
            kept,
            seeds_of(kept),
            "arcs: equal RMSE",
            "star: oracle, the mean pointwise MI of the same samples" if oracle is not None else "",
            failures_of(kept),
            left_out(missing, "without a score on every task"),
            others,
        ),
    )
