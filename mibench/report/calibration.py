"""Whether intervals hold the truth as often as they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mibench.interface import InputError
from mibench.report.figures import Drawn, caption, legend_below, listed, look, named, seeds_of
from mibench.scoring import LEVEL, wilson


def calibration(cells: pd.DataFrame, width: float) -> Drawn:
    """Draw the share of intervals that hold the truth against their nominal level, all tasks together.

    Bars are 90% Wilson intervals of the share. Points below the diagonal promise too much. An estimator's bias counts:
    an interval about a biased estimate misses the truth however wide its spread says it should be.
    """
    cells = named(cells)
    cells = cells[cells["coverage"].notna() & (cells["intervals"] > 0)]
    if cells.empty:
        raise InputError("no row has an interval and a truth that it could hold; run with --interval subsample")
    kinds = cells["interval"].fillna("own")
    if kinds.nunique() > 1:
        cells = cells.assign(label=[f"{label}, {kind}" for label, kind in zip(cells["label"], kinds, strict=True)])
    held = (cells["coverage"] * cells["intervals"]).round()
    pooled = cells.assign(held=held).groupby(["label", "level"], sort=False)[["held", "intervals"]].sum().reset_index()

    figure = Figure(figsize=(width, min(0.85 * width, 3.2)), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.6)
    labels = list(dict.fromkeys(pooled["label"]))
    handles = []
    for place, label in enumerate(labels):
        line = pooled[pooled["label"] == label].sort_values("level")
        shares = line["held"] / line["intervals"]
        low, high = wilson(shares, line["intervals"])
        lengths = np.maximum([shares - low, high - shares], 0)  # rounding at shares of 0 and 1
        beside = line["level"] + 0.012 * (place - (len(labels) - 1) / 2)  # or the bars would hide each other
        drawn = axes.errorbar(beside, shares, yerr=lengths, elinewidth=0.6, **look(place))
        drawn[0].set_label(label)
        handles.append(drawn[0])
    axes.set(
        xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xlabel="nominal level", ylabel="share that holds the truth"
    )
    legend_below(figure, handles)
    counts = listed(sorted(set(pooled["intervals"].astype(int))))
    what = f"Coverage of {' and '.join(sorted(set(kinds)))} intervals, {cells['task'].nunique()} tasks together"
    bars = f"{counts} intervals a point, with the {LEVEL:.0%} Wilson interval of the share"
    return Drawn(figure, caption(what, cells, seeds_of(cells), bars))
