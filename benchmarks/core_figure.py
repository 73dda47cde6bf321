"""Draw the picture of the README: six estimators on the suite `core`, beside the truth and the oracle.

    python benchmarks/core_figure.py results/mibench.sqlite results/figures/core-dim5.png

The store is made by `make figure`; what it holds of other estimators is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from mibench import suites
from mibench.scoring import summarise
from mibench.store import Store

mpl.use("Agg")
# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
ESTIMATORS = ("binning", "cca", "gaussian-copula", "infonce", "ksg", "mine")
MARKERS = ("o", "s", "^", "D", "v", "P")


def main() -> None:
    """Read the store named first, write the figure named second."""
    store = Store(sys.argv[1])
    cells = [
        cell
        for cell in summarise(list(store.latest().values()))
        if cell["dim_x"] == cell["dim_y"] == 5 and cell["n"] == 10_000 and cell["estimator"] in ESTIMATORS
    ]
    store.close()
    tasks = [task.name for task in suites.load("core").tasks]
    names = list(ESTIMATORS)
    figure, axes = plt.subplots(2, 3, figsize=(9.0, 4.6), sharey=True, layout="constrained")
    for axis, task in zip(axes.flat, tasks, strict=True):
        draw(axis, task, names, {cell["estimator"]: cell for cell in cells if cell["distribution"] == task})
    seeds, n = cells[0]["trials"], cells[0]["n"]
    figure.supxlabel(
        f"mutual information in nats: mean of {seeds} seeds ± sd, n = {n:,}, 5 × 5 dimensions;"
        " line: truth, band: RMSE of the oracle",
        fontsize=9,
    )
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(sys.argv[2], dpi=150, metadata={"Software": None})


def draw(axis: Any, task: str, names: list[str], cells: dict[str, Any]) -> None:
    """Draw one task: a row for each estimator."""
    some = next(iter(cells.values()))
    axis.axvline(some["truth"], color="0.3", lw=1)
    axis.axvspan(some["truth"] - some["oracle_rmse"], some["truth"] + some["oracle_rmse"], color="0.85", lw=0)
    for row, name in enumerate(names):
        cell = cells.get(name)
        if cell is None or cell["mean"] is None:
            axis.text(some["truth"], row, "  does not run here", va="center", fontsize=7, color="0.4")
            continue
        axis.errorbar(
            cell["mean"], row, xerr=cell["sd"], fmt=MARKERS[row % 6], color=COLOURS[row % 6], ms=5, capsize=2, lw=1.2
        )
    axis.set_title(task, fontsize=9)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.margins(y=0.12)
    axis.invert_yaxis() if axis.get_subplotspec().is_first_col() and axis.get_subplotspec().is_first_row() else None
    low = min([0.0, *(cell["mean"] - (cell["sd"] or 0) for cell in cells.values() if cell["mean"] is not None)])
    axis.set_xlim(min(low, -0.05) * 1.1, max(1.15 * some["truth"], 0.25))
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
