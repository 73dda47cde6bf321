"""Estimates while the true mutual information climbs a staircase, over tasks that differ in it alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from mibench.interface import InputError
from mibench.report.figures import (
    Drawn,
    caption,
    failures_of,
    label_edges,
    labelled,
    legend_below,
    look,
    of_one_quantity,
    panels,
    seeds_of,
    set_title,
    with_unit,
)
from mibench.report.scaling import placed


def staircase(cells: pd.DataFrame, width: float, units: str = "nats") -> Drawn:
    """Draw mean and standard deviation over seeds of every estimator on each step of the true MI.

    A panel for each family of tasks that differ in their MI alone, such as those of the suite `staircase`.
    """
    cells, others = of_one_quantity(cells)
    found = placed(labelled(cells), "mi")
    if found is None:
        raise InputError(
            "a staircase needs tasks that differ in their MI alone, two or more; such as --suite staircase"
        )
    groups, labels = list(dict.fromkeys(found["group"])), list(dict.fromkeys(found["label"]))
    figure, grid = panels(width, len(groups), 2.0, 2.6)
    for axes, group in zip(grid, groups, strict=True):
        here = found[found["group"] == group]
        steps = np.sort(here["x"].unique())
        axes.plot(np.arange(len(steps) + 1), [*steps, steps[-1]], color="black", linewidth=0.9, drawstyle="steps-post")
        for place, label in enumerate(labels):
            line = here[here["label"] == label].sort_values("x")
            beside = (place + 1) / (len(labels) + 1)  # on the step, each at its own place
            axes.errorbar(np.searchsorted(steps, line["x"]) + beside, line["mean"], yerr=line["sd"].fillna(0),
                          elinewidth=0.6, **look(place))  # fmt: skip
        axes.set_xlim(0, len(steps))
        set_title(axes, group)
        axes.set_xticks(np.arange(len(steps)) + 0.5, [f"{step:.3g}" for step in steps])
        axes.tick_params(axis="x", length=0)
    label_edges(grid, *(with_unit(text, found, units) for text in ("true MI", "estimate")))
    handles = [Line2D([], [], label=label, **look(place)) for place, label in enumerate(labels)]
    legend_below(figure, [*handles, Line2D([], [], label="truth", color="black", linewidth=0.9)])
    what = "Estimates (mean ± standard deviation over seeds) along steps of the true MI"
    return Drawn(figure, caption(what, found, seeds_of(found), failures_of(found), others))
