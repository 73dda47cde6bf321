"""Mean estimates beside the truth, task by task."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from mibench.interface import InputError
from mibench.report.figures import (
    Drawn,
    caption,
    column_count,
    failures_of,
    label_edges,
    labelled,
    look,
    of_one_quantity,
    panels,
    seeds_of,
    set_title,
    with_unit,
)

_MOST_PANELS = 24


def estimates(cells: pd.DataFrame, width: float, units: str = "nats") -> Drawn:
    """Draw mean and standard deviation over seeds of every estimator, a panel for each task.

    The line is the truth, the band about it the RMSE of the oracle, the mean pointwise MI of the same samples.
    """
    cells, others = of_one_quantity(cells)
    cells = labelled(cells[cells["truth"].notna() | (cells["ok"] == 0)])
    cells = cells[cells["task"].isin(cells[cells["truth"].notna()]["task"])]  # a trial that failed tells no truth
    tasks, labels = list(dict.fromkeys(cells["task"])), list(dict.fromkeys(cells["label"]))
    if not 0 < len(tasks) <= _MOST_PANELS:
        raise InputError(f"{len(tasks)} tasks have a truth; choose 1 to {_MOST_PANELS} with --suite or --distribution")
    figure, grid = panels(width, len(tasks), 0.14 * len(labels) + 0.42, 2.0)
    for number, (axes, task) in enumerate(zip(grid, tasks, strict=True)):
        _draw_task(axes, task, labels, cells[cells["task"] == task])
        axes.tick_params(labelleft=number % column_count(grid) == 0)
    label_edges(grid, with_unit("MI", cells, units))
    what = "Mean estimate ± standard deviation over seeds; line: truth; band: RMSE of the oracle"
    return Drawn(figure, caption(what, cells, seeds_of(cells), failures_of(cells), others))


def _draw_task(axes: Axes, task: str, labels: list[str], cells: pd.DataFrame) -> None:
    known: Any = cells.sort_values(["oracle_rmse", "truth"]).iloc[0]  # an estimator that failed has neither
    truth = float(known["truth"])
    if pd.notna(known["oracle_rmse"]):
        axes.axvspan(truth - known["oracle_rmse"], truth + known["oracle_rmse"], color="0.87", linewidth=0)
    axes.axvline(truth, color="0.3", linewidth=0.8)
    estimated = cells[cells["mean"].notna()]
    means, spreads = estimated["mean"], estimated["sd"].fillna(0)
    far = 2.5 * truth + 0.5  # one that diverged leaves the others to be seen
    low = max(min([0.0, truth, *(means - spreads)]), -far)
    high = min(max([1.1 * truth, 0.05, *(means + spreads)]), far)
    free = low if truth > (low + high) / 2 else truth
    shown = {cell["label"]: cell for _, cell in estimated.iterrows()}
    for place, label in enumerate(labels):
        if label in shown:
            _draw_estimate(axes, place, shown[label], low, high)
        else:
            axes.annotate("does not run here" if label in set(cells["label"]) else "not run", (free, place), (3, 0),
                          textcoords="offset points", va="center", fontsize=5, color="0.4")  # fmt: skip
    margin = 0.06 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(len(labels) - 0.5, -0.5))
    axes.set_yticks(range(len(labels)), labels)
    set_title(axes, task)


def _draw_estimate(axes: Axes, place: int, cell: Any, low: float, high: float) -> None:
    """Draw a mean with its standard deviation; one outside of the panel is written at its edge."""
    style = look(place) | {"linestyle": "none"}
    if low <= cell["mean"] <= high:
        spread = cell["sd"] if pd.notna(cell["sd"]) else None
        axes.errorbar(cell["mean"], place, xerr=spread, capsize=1.5, elinewidth=0.9, label=cell["label"], **style)
        return
    sign, edge, side = ("▶", high, "right") if cell["mean"] > high else ("◀", low, "left")
    axes.annotate(f"{cell['mean']:.2g} {sign}", (edge, place), ha=side, va="center", fontsize=5, color=style["color"])
