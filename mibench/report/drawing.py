"""Figures by their kind: each is a function from a table of cells, or of rows, to a figure, in a module of its name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd

import mibench
from mibench.interface import InputError
from mibench.names import STALE
from mibench.plan import make_task
from mibench.registry import nearest
from mibench.report import KINDS, samples
from mibench.report.figures import STYLE, Drawn
from mibench.rows.row import Row
from mibench.rows.units import in_units
from mibench.scoring import DEFAULT_RULE, Solved, cells

_OF_ROWS = ("learning",)
SOLVED = ("heatmap",)  # which tasks are solved is seen in it
UNITLESS = ("calibration", "samples")  # has no axis in nats that could be in bits, or is drawn from no rows


def draw(
    kind: str,
    rows: Sequence[Row],
    width: float,
    *,
    units: str = "nats",
    rule: Solved = DEFAULT_RULE,
    **words: Any,
) -> Drawn:
    """Draw rows as a figure of a kind, `width` inches wide, in "nats" or "bits"; stale rows carry a dagger.

    `rule` says which tasks are solved, `words` are for the function of the kind alone.
    """
    if kind not in KINDS:
        raise InputError(f"unknown figure {kind!r}{nearest(kind, list(KINDS))}; accepted: {', '.join(KINDS)}")
    name = kind.replace("-", "_")
    function = getattr(importlib.import_module(f"mibench.report.{name}"), name)
    words |= {} if kind in UNITLESS else {"units": units}
    words |= {"rule": str(rule)} if kind in SOLVED else {}
    frame = pd.DataFrame(rows) if kind in _OF_ROWS else cells(rows, solved=rule)
    if units != "nats":
        records = [{str(key): value for key, value in one.items()} for one in frame.to_dict("records")]
        frame = pd.DataFrame(in_units(records, units))
    with mpl.rc_context(STYLE):
        drawn: Drawn = function(frame, width, **words)
    if any(row.get("stale") for row in rows):
        drawn = drawn._replace(caption=f"{drawn.caption} {STALE}: rows made by other code.")
    return drawn


def draw_samples(
    names: Sequence[str], width: float, dim_x: int | None = None, dim_y: int | None = None, mi: float | None = None
) -> Drawn:
    """Draw points of the one distribution named, at the size asked for."""
    if len(names) != 1:
        raise InputError(f"samples draws one distribution, not {len(names)}; give --distribution NAME")
    task = make_task(names[0], dim_x, dim_y, mi)
    what = f"Points of {task.name}, {task.distribution.dim_x} × {task.distribution.dim_y}, and their pointwise MI"
    return Drawn(samples.picture(task.distribution, task.name, width=width), f"{what}; mibench {mibench.__version__}.")
