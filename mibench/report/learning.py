"""How a trained estimator learned: its training and validation curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mibench.interface import InputError
from mibench.report.figures import (
    BLUE,
    RED,
    Drawn,
    caption,
    label_edges,
    legend_below,
    listed,
    named,
    panels,
    set_title,
    with_unit,
)
from mibench.rows.units import BITS

_MOST_PANELS = 12
_OBJECTIVE = "objective: what training maximises, which is no estimate of MI for every estimator"
_STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": BLUE, "linestyle": "-", "linewidth": 0.7, "alpha": 0.8},
    "validation": {"color": RED, "linestyle": (0, (4, 1.5)), "linewidth": 0.9},
}


def learning(rows: pd.DataFrame, width: float, units: str = "nats") -> Drawn:
    """Draw the `training_curve` and `validation_curve` of trials: a panel for each cell, all its seeds."""
    rows = named(rows[[any(_curve(one, name) for name in _STYLES) for one in rows["diagnostics"]]])
    if rows.empty:
        raise InputError("no trial has a training or validation curve; estimators that train record them")
    groups = rows.groupby(["label", "task"], sort=False)
    if len(groups) > _MOST_PANELS:
        raise InputError(
            f"learning draws {_MOST_PANELS} panels at most, not {len(groups)}; choose with --estimator or --n"
        )
    figure, grid = panels(width, len(groups), 1.35, 1.6)
    several = rows["label"].nunique() > 1
    for axes, ((label, task), here) in zip(grid, groups, strict=True):
        _draw_curves(axes, here, BITS if units == "bits" else 1)
        set_title(axes, f"{label} on {task}" if several else f"{task}")
    label_edges(grid, "training step", with_unit("objective", rows, units))
    handles = [Line2D([], [], label=name, **style) for name, style in _STYLES.items()]
    legend_below(figure, [*handles, Line2D([], [], label="truth", color="black", linewidth=0.7)])
    seeds = f"seed{'s' if rows['seed'].nunique() > 1 else ''} {listed(sorted(set(rows['seed'])))}"
    names = listed(list(dict.fromkeys(rows["label"])))
    return Drawn(figure, caption(f"Training and validation curves of {names}", rows, seeds, _OBJECTIVE))


def _draw_curves(axes: Axes, rows: pd.DataFrame, scale: float) -> None:
    for diagnostics in rows["diagnostics"]:
        for name, style in _STYLES.items():
            curve = _curve(diagnostics, name)
            if curve:
                steps, values = np.array(curve, dtype=float).T
                axes.plot(steps, values * scale, **style)
    truth = rows["truth"].max()
    if pd.notna(truth):
        axes.axhline(truth, color="black", linewidth=0.7)


def _curve(diagnostics: dict[str, list[list[float]]], name: str) -> list[list[float]]:
    return diagnostics.get(f"{name}_curve") or []
