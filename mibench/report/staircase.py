"""Estimates while the true mutual information climbs a staircase: over tasks, or over training steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import mibench
from mibench.interface import Array, InputError
from mibench.report.figures import (
    COLOURS,
    Drawn,
    caption,
    column_count,
    failures_of,
    label_edges,
    labelled,
    legend_below,
    line_handles,
    listed,
    look,
    of_one_quantity,
    panels,
    seeds_of,
    set_title,
    with_unit,
)
from mibench.report.scaling import placed

Curve = Sequence[tuple[float, float]]
_TRUTH: dict[str, Any] = {"color": "black", "linewidth": 0.9, "drawstyle": "steps-post"}


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
        axes.plot(np.arange(len(steps) + 1), [*steps, steps[-1]], **_TRUTH)
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
    legend_below(figure, [*line_handles(labels), Line2D([], [], label="truth", color="black", linewidth=0.9)])
    what = "Estimates (mean ± standard deviation over seeds) along steps of the true MI"
    return Drawn(figure, caption(what, found, seeds_of(found), failures_of(found), others))


def training_staircase(
    curves: Mapping[str, Curve],
    truth: Curve,
    width: float,
    *,
    ceilings: Mapping[str, float] | None = None,
    window: int = 200,
) -> Drawn:
    """Draw estimates during training, in nats, on data whose true MI rises in steps: a panel for each label.

    Parameters
    ----------
    curves
        Label -> (training step, estimate) pairs. They are drawn pale, and dark as their mean over `window` pairs.
    truth
        (training step at which it begins, MI) of each step of the staircase.
    ceilings
        Label -> what the estimate cannot exceed, log K for InfoNCE with K pairs.
    """
    if not curves or not truth:
        raise InputError("a staircase of training needs a curve and the steps of the truth")
    figure, grid = panels(width, len(curves), 1.45, 1.6)
    for number, (axes, (label, curve)) in enumerate(zip(grid, curves.items(), strict=True)):
        draw_training(axes, {label: curve}, truth, ceiling=(ceilings or {}).get(label), window=window)
        axes.tick_params(labelleft=number % column_count(grid) == 0)
        set_title(axes, label)
    label_edges(grid, "training step", "MI (nats)")
    parts = [
        "Estimates during training",
        f"black: truth, {listed([f'{value:g}' for _, value in sorted(truth)])} nats",
        f"blue: estimate, dark its mean over {window} of its points",
        *(["dotted: what it cannot exceed, log K"] if ceilings else []),
        f"mibench {mibench.__version__}",
    ]
    return Drawn(figure, "; ".join(parts) + ".")


def draw_training(
    axes: Axes,
    curves: Mapping[str, Curve],
    truth: Curve,
    *,
    ceiling: float | None = None,
    window: int = 200,
) -> None:
    """Draw one panel of a training staircase, with a line for each of `curves`; see `training_staircase`."""
    starts, values = np.transpose(sorted(truth))
    bottom, top = min(0.0, *values) - 0.08 * max(values), 1.35 * max(values)
    for place, (label, curve) in enumerate(curves.items()):
        at, estimates = np.transpose(curve)
        means, colour = moving_mean(estimates, window), COLOURS[place % len(COLOURS)]
        axes.plot(at, estimates, color=colour, alpha=0.25, linewidth=0.4, rasterized=len(at) > 5000)
        axes.plot(at, means, color=colour, linewidth=1.1, label=label)
        if not bottom <= means[-1] <= top:  # or not finite
            axes.text(0.98, 0.9, "ends off scale", ha="right", fontsize=5, color=colour, transform=axes.transAxes)
    end = max(starts[-1], *(step for curve in curves.values() for step, _ in curve))
    axes.plot([*starts, end], [*values, values[-1]], label="truth", **_TRUTH)
    if ceiling is not None:
        axes.axhline(ceiling, color="0.4", linestyle=(0, (1, 1.5)), linewidth=0.9, label="log K")
    axes.set_ylim(bottom, top)


def moving_mean(values: Array, window: int) -> Array:
    """Mean of the values up to half a window away, fewer at the ends; values that are not finite are left out."""
    kernel = np.ones(min(window, len(values)))
    finite = np.isfinite(values)
    sums = np.convolve(np.where(finite, values, 0.0), kernel, mode="same")
    counts = np.convolve(finite.astype(float), kernel, mode="same")
    means: Array = np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0.5)
    return means
