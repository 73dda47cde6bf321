"""How every figure looks, what its caption says, and how it is written: the same rows give the same bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

import mibench
from mibench.display import check_folder, write_file
from mibench.interface import InputError
from mibench.names import estimator_labels, marked, wrap_name
from mibench.report import WIDTHS
from mibench.rows.row import Method, Task, params_text
from mibench.rows.units import unit_of

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

COLUMN = WIDTHS["single"]
# Okabe and Ito's colours, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
# As many markers and line styles as share no factor with the colours or each other: every estimator looks its own.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))
DENSITY = LinearSegmentedColormap.from_list("density", ["#E3EEF5", SKY, BLUE, "#00263B"])

ERROR = LinearSegmentedColormap.from_list("error", ["#003F66", BLUE, SKY, "white", "#F0B583", RED, "#7A3500"])

STYLE: dict[RcKeyType, Any] = {
    "figure.dpi": 300,  # that of a saved picture: measured in coarser pixels, long names would be cut off
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that all machines draw the same
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "legend.fontsize": 6,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "mibench",
}
# Dates and program names would change the bytes.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Date": None, "Creator": None},
}


def check_path(path: Path, *, or_else: str = "") -> None:
    """Find out before the work whether a figure can be written there; `or_else` is what else is accepted."""
    if path.suffix.lower() not in _METADATA:
        accepted = f".png, .pdf or .svg{or_else}"
        raise InputError(f"{path} is no picture that can be written; give a file that ends in {accepted}")
    check_folder(path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as .png, .pdf or .svg."""
    check_path(path)
    out, suffix = io.BytesIO(), path.suffix.lower()
    with mpl.rc_context(STYLE):
        _settle(figure)
        figure.savefig(out, format=suffix[1:], dpi=300, metadata=_METADATA[suffix])
    write_file(path, out.getvalue())


def _settle(figure: Figure) -> None:
    """Lay the figure out, to five digits: the last ones of the solver, and with them the bytes, differ by run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    parts = list(figure.subfigs)
    while parts:
        part = parts.pop()
        parts += part.subfigs
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), 5))
    for axes in figure.get_axes():
        axes.set_position(np.round(axes.get_position(original=True).bounds, 5).tolist())


def svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG file."""
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        _settle(figure)
        figure.savefig(out, format="svg", metadata=_METADATA[".svg"])
    return out.getvalue()


class Drawn(NamedTuple):
    """A figure, and what its caption must say: what is drawn, n, seeds, versions and the criterion."""

    figure: Figure
    caption: str


def look(place: int) -> dict[str, Any]:
    """Colour, marker and line style of the estimator at a place in the legend; also told apart in grey."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
        "markersize": 3.5,
        "markeredgewidth": 0,
        "linewidth": 0.9,
    }


def line_handles(labels: Sequence[str]) -> list[Line2D]:
    """Return a line of the look of each label, for the legend."""
    return [Line2D([], [], label=label, **look(place)) for place, label in enumerate(labels)]


# Of a decade, from the coarsest on.
_SUBDIVISIONS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, three of them or more."""
    low, high = axis.get_view_interval()
    powers = range(math.floor(math.log10(low)), 1 + math.ceil(math.log10(high)))
    for subs in _SUBDIVISIONS:
        if sum(low <= sub * 10.0**power <= high for sub in subs for power in powers) >= 3:
            break
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Name what is drawn below the figure, which grows by that, in as many columns as its width has room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    room = int(figure.get_figwidth() * 72 / (3.7 * longest + 22))
    lines = -(-len(handles) // max(1, room))
    ncols = -(-len(handles) // lines)
    figure.set_figheight(figure.get_figheight() + 0.07 + 0.13 * lines)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=ncols, frameon=False, handlelength=2.2,
                  columnspacing=1.2, borderaxespad=0.2)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Cells under the names that figures show


def labelled(cells: pd.DataFrame) -> pd.DataFrame:
    """Return `named(one_each(cells))`."""
    return named(one_each(cells))


def one_each(cells: pd.DataFrame) -> pd.DataFrame:
    """Keep one cell of each estimator, task and n.

    An interval asked for changes no estimate: of cells that differ in it alone, the one with the most trials stays.
    """
    cells = cells.reset_index(drop=True).sort_values("trials", ascending=False, kind="stable")
    keys = [name for name in (*Method._fields, *Task._fields) if name not in ("interval", "level")]
    again = cells.assign(params=cells["params"].map(params_text)).duplicated(keys)
    return cells[~again].sort_index()


def named(cells: pd.DataFrame) -> pd.DataFrame:
    """Add `label` and `task` to cells or rows.

    The label is the estimator with those parameters, version and device that tell it from others of its name; the task
    is named with its dimensions and n where they vary.
    """
    cells = cells.assign(stale=cells["stale"].eq(True) if "stale" in cells else False)
    labels = estimator_labels(_estimators(cells))
    for column, mark in (("estimator_version", " v"), ("device", " on ")):
        varies = cells.groupby(["estimator", "stale"])[column].transform("nunique") > 1
        labels = [
            f"{label}{mark}{value}" if several else label
            for label, value, several in zip(labels, cells[column], varies, strict=True)
        ]
    tasks = list(cells["distribution"])
    if len(cells[["dim_x", "dim_y"]].drop_duplicates()) > 1:
        tasks = [f"{task}, {size}" for task, size in zip(tasks, _sizes(cells), strict=True)]
    if cells["n"].nunique() > 1:
        tasks = [f"{task}, n = {n}" for task, n in zip(tasks, cells["n"], strict=True)]
    return cells.assign(label=labels, task=tasks)


def _estimators(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """What an estimator is labelled by."""
    columns = zip(cells["estimator"], cells["params"], cells["stale"], strict=True)
    return [{"estimator": name, "params": params, "stale": stale} for name, params, stale in columns]


def _sizes(cells: pd.DataFrame) -> list[str]:
    return [f"{x} × {y}" for x, y in zip(cells["dim_x"], cells["dim_y"], strict=True)]


def of_one_quantity(cells: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep mutual information, or the first quantity where nobody estimates it: others have another truth."""
    quantity = "mi" if (cells["quantity"] == "mi").any() else cells["quantity"].iloc[0]
    others = cells[cells["quantity"] != quantity]
    names = list(dict.fromkeys(marked(cell["estimator"], cell) for cell in _estimators(others)))
    return cells[cells["quantity"] == quantity], left_out(names, f"estimates of another quantity than {quantity}")


def complete(cells: pd.DataFrame, column: str) -> tuple[pd.DataFrame, list[str]]:
    """Keep the estimators that have a score on every task, so that each is averaged over the same; name the others."""
    tasks = cells["task"].nunique()
    counts = cells[cells[column].notna()].groupby("label")["task"].nunique()
    whole = set(counts[counts == tasks].index)
    labels = list(dict.fromkeys(cells["label"]))
    if not whole:
        raise InputError(f"no estimator has a score on all {tasks} tasks; choose fewer with --suite or --distribution")
    return cells[cells["label"].isin(whole)], [label for label in labels if label not in whole]


def with_unit(text: str, records: pd.DataFrame, units: str) -> str:
    """Name an axis with its unit, where what the records estimate has one."""
    return f"{text} ({units})" if any(unit_of(quantity, units) for quantity in set(records["quantity"])) else text


def root_mean_square(values: pd.Series[float]) -> float:
    """Return sqrt(mean(values^2))."""
    return float(np.sqrt(np.mean(values.to_numpy(dtype=float) ** 2)))


# ---------------------------------------------------------------------------------------------------------------------
# Captions


def caption(what: str, records: pd.DataFrame, seeds: str, *more: str) -> str:
    """Say what is drawn and the facts that a reader needs: n, dimensions, seeds, what else holds, and the version."""
    sizes = list(dict.fromkeys(_sizes(records.sort_values(["dim_x", "dim_y"]))))
    facts = [
        what,
        f"n = {listed(sorted(set(records['n'])))}",
        f"dimensions {listed(sizes)}",
        seeds,
        *(text for text in more if text),
        f"mibench {mibench.__version__}",
    ]
    return "; ".join(facts) + "."


def seeds_of(cells: pd.DataFrame) -> str:
    """Say how many seeds there are for a cell."""
    low, high = int(cells["trials"].min()), int(cells["trials"].max())
    return f"{high} seed{'s' if high > 1 else ''}" if low == high else f"{low} to {high} seeds"


def failures_of(cells: pd.DataFrame) -> str:
    """Say of which estimators some trials are averaged nowhere."""
    short = cells[cells["ok"] < cells["trials"]]
    sums = cells[cells["label"].isin(short["label"])].groupby("label", sort=False)[["ok", "trials"]].sum()
    return left_out([f"{label} {trials - ok} of {trials}" for label, ok, trials in sums.itertuples()], "failed trials")


def listed(values: Sequence[Any], most: int = 8) -> str:
    """Write values as a list; of many, the first ones and their number."""
    texts = [str(value) for value in values]
    return ", ".join(texts) if len(texts) <= most else f"{', '.join(texts[:most])} and {len(texts) - most} more"


def left_out(names: Sequence[str], reason: str) -> str:
    """Say what the figure does not show."""
    return f"left out, {reason}: {listed(names)}" if names else ""


# ---------------------------------------------------------------------------------------------------------------------
# Panels


def panels(width: float, count: int, height: float, wide: float) -> tuple[Figure, list[Axes]]:
    """Make `count` axes of `height` inches, as many beside each other as the width has room for at `wide` inches."""
    columns = max(1, min(count, int(width / wide)))
    lines = -(-count // columns)
    figure = Figure(figsize=(width, height * lines + 0.3), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


def label_edges(grid: Sequence[Axes], xlabel: str, ylabel: str = "") -> None:
    """Label the axes at the left and those that have none below."""
    columns = column_count(grid)
    for number, axes in enumerate(grid):
        if number + columns >= len(grid):
            axes.set_xlabel(xlabel)
        if number % columns == 0:
            axes.set_ylabel(ylabel)


def column_count(grid: Sequence[Axes]) -> int:
    """How many of these axes stand beside each other."""
    place = grid[0].get_subplotspec()
    return 1 if place is None else place.get_gridspec().ncols


def set_title(axes: Axes, text: str, **words: Any) -> None:
    """Write a title over as many lines as its axes' share of the figure's width asks for."""
    inches = axes.get_figure(root=True).get_figwidth() / column_count([axes])  # type: ignore[union-attr]
    room = inches - 0.4  # the axes stand right of their labels, and the title above their middle
    axes.set_title("\n".join(wrap_name(text, max(12, int(room * 72 / (7 * 0.6))))), **words)
