"""Figures and tables of what was measured: each kind is a function from a table of cells, or of rows, to a figure."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mibench.interface import InputError
from mibench.registry import nearest

if TYPE_CHECKING:
    from mibench.report.figures import Drawn

# Kind -> what it shows. The function of a kind has its name, in the module of its name.
KINDS = {
    "heatmap": "signed error of every estimator on every task",
    "bias-variance": "bias against standard deviation, with arcs of the same RMSE",
    "scaling": "estimate and RMSE against n, dimension or MI",
    "staircase": "estimates along steps of MI",
    "calibration": "nominal against empirical coverage of intervals",
    "pareto": "RMSE against CPU seconds",
    "estimates": "mean estimates beside truth and oracle, a panel for each task",
    "learning": "training and validation curves of trials",
    "samples": "what a distribution looks like; needs --distribution",
}
# Score of a table -> what it shows; the last one has a line for each estimator, the others one for each task.
SCORES = {
    "mean": "mean estimate ± sd over seeds",
    "bias": "bias ± standard error",
    "rmse": "RMSE ± standard error (as of normal errors)",
    "sd": "sd over seeds ± standard error (as of normal estimates)",
    "efficiency": "efficiency, oracle RMSE / RMSE, ± bootstrap standard error",
    "solved": "tasks solved",
    "cost": "median CPU time of a trial",
    "summary": "each estimator over all its tasks",
}
FORMATS = ("latex", "markdown", "html", "csv")
AGAINST = ("n", "dim", "mi")  # what `scaling` may stand on
WIDTHS = {"single": 3.4, "double": 7.0}  # inches: one column or two of a paper
_OF_ROWS = ("learning",)
STALE = "†"


def marked(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give the estimators of rows that other code made a dagger, which keeps them in cells of their own."""
    return [{**row, "estimator": f"{row['estimator']}{STALE}"} if row.get("stale") else dict(row) for row in rows]


def draw(kind: str, rows: Sequence[Mapping[str, Any]], width: float, **words: Any) -> Drawn:
    """Draw rows as a figure of a kind, `width` inches wide; rows that are stale carry a dagger."""
    import matplotlib as mpl
    import pandas as pd

    from mibench.report.figures import STYLE
    from mibench.scoring import summarise

    if kind not in KINDS:
        raise InputError(f"unknown figure {kind!r}{nearest(kind, list(KINDS))}; accepted: {', '.join(KINDS)}")
    name = kind.replace("-", "_")
    function = getattr(importlib.import_module(f"mibench.report.{name}"), name)
    with mpl.rc_context(STYLE):
        drawn: Drawn = function(
            pd.DataFrame(marked(rows)) if kind in _OF_ROWS else pd.DataFrame(summarise(marked(rows))), width, **words
        )
    if any(row.get("stale") for row in rows):
        drawn = drawn._replace(caption=f"{drawn.caption} {STALE}: rows made by other code.")
    return drawn


def draw_samples(
    names: Sequence[str], width: float, dim_x: int | None = None, dim_y: int | None = None, mi: float | None = None
) -> Drawn:
    """Draw points of the one distribution named, at the size asked for."""
    import mibench
    from mibench.plan import make_task
    from mibench.report import figures, samples

    if len(names) != 1:
        raise InputError(f"samples draws one distribution, not {len(names)}; give --distribution NAME")
    task = make_task(names[0], dim_x, dim_y, mi)
    what = f"Points of {task.name}, {task.distribution.dim_x} × {task.distribution.dim_y}, and their pointwise MI"
    return figures.Drawn(
        samples.picture(task.distribution, task.name, width=width), f"{what}; mibench {mibench.__version__}."
    )
