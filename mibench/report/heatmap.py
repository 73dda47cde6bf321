"""Estimators against tasks: the signed error of each, and where an estimator failed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mibench.interface import InputError
from mibench.report.figures import ERROR, Drawn, caption, labelled, seeds_of, with_unit

_MOST = 1.0  # nats, or bits: beyond it the colour says "far off", and the number how far
_HEIGHT = 0.17  # inches of a row
_SMALLEST = 3.6  # points: smaller numbers cannot be read in print
_LETTER = 0.62  # width of a digit of this font, in its size
_NAME_LETTER = 0.53  # that of a letter, on average
_NAMES = (6.0, 5.0)  # points: smaller names where that leaves room for numbers
_CHARACTERS = 5.8  # of a number, with some room; one fewer where it has no 0 before its point


def heatmap(cells: pd.DataFrame, width: float, units: str = "nats", rule: str = "") -> Drawn:
    """Draw bias = mean - truth: blue below the truth, white at it, red above.

    There are as many columns as estimators or tasks, of whichever there are fewer. A cell is hatched where a trial
    failed, with the number of those that did not, and grey with the reason where none is left. Bold are tasks that are
    solved, which `rule` has in words; an x was not run. The quantity must have a truth: other cells say so. An
    estimator that nowhere has one, or supports no task, is not drawn, and the caption names it.
    """
    cells = labelled(cells)
    if cells["bias"].isna().all():
        raise InputError("no cell has a bias: every trial failed, or the truth of what is estimated is not known")
    failed = cells["failures"].map(lambda counts: any(status != "skipped" for status in counts))
    drawn = (cells["bias"].notna() | failed).groupby(cells["label"]).transform("any")
    silent = list(dict.fromkeys(cells.loc[~drawn, "label"]))
    cells = cells[drawn]
    rows, columns = "label", "task"
    if cells[columns].nunique() > cells[rows].nunique():
        rows, columns = columns, rows
    downs, acrosses = list(dict.fromkeys(cells[rows])), list(dict.fromkeys(cells[columns]))
    limit = min(_MOST, max(float(cells["bias"].abs().max()), 1e-3))
    norm = Normalize(-limit, limit)

    pitch, name_size, characters = _columns(width, max(map(len, downs)), len(acrosses))
    if pitch < _SMALLEST:
        raise InputError(f"{len(acrosses)} columns do not fit into {width:g} inches; name fewer, or --width double")
    size = min(6.0, pitch / (characters * _LETTER))
    tall = _LETTER * 6 / 72 * max(map(len, acrosses))
    figure = Figure(figsize=(width, _HEIGHT * len(downs) + tall + 0.65), layout="constrained")
    axes = figure.subplots()
    for _, cell in cells.iterrows():
        place = (acrosses.index(cell[columns]), downs.index(cell[rows]))
        shown = size if size >= _SMALLEST else None
        _draw_cell(axes, place, cell, ERROR(norm(cell["bias"])), shown, characters)
    known = {(x, y) for x, y in zip(cells[columns], cells[rows], strict=True)}
    absent = [(i, j) for j, y in enumerate(downs) for i, x in enumerate(acrosses) if (x, y) not in known]
    if absent:  # white would be no error
        axes.plot(*zip(*absent, strict=True), linestyle="", marker="x", markersize=2.5, color="0.7")
    axes.set(xlim=(-0.5, len(acrosses) - 0.5), ylim=(len(downs) - 0.5, -0.5))
    axes.set_xticks(range(len(acrosses)), acrosses, rotation=90, fontsize=min(6.0, 0.9 * pitch))
    axes.set_yticks(range(len(downs)), downs, fontsize=name_size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    beyond = bool((cells["bias"].abs() > limit).any())
    bar = figure.colorbar(
        ScalarMappable(norm, ERROR),
        ax=axes,
        location="bottom",
        extend="both" if beyond else "neither",
        shrink=0.6,
        aspect=40,
        pad=0.1 / figure.get_figheight(),
    )
    bar.set_label(with_unit("mean − truth", cells, units))
    bar.outline.set_linewidth(0.4)

    counts = f"{cells['label'].nunique()} estimators on {cells['task'].nunique()} tasks"
    more = [
        "hatched: trials failed, or are not supported" if (cells["ok"] < cells["trials"]).any() else "",
        "x: not run" if absent else "",
        f"bold: solved{rule and ', '}{rule}" if cells["solved"].eq(True).any() else "",
        f"not drawn, without a truth or a task that they support: {', '.join(silent)}" if silent else "",
        "grey: no truth, or no trial left" if cells["bias"].isna().any() else "",
        "" if size >= _SMALLEST else "the figure is too narrow for numbers",
    ]
    return Drawn(figure, caption(f"Bias (mean − truth, {units}) of {counts}", cells, seeds_of(cells), *more))


def _columns(width: float, longest: int, count: int) -> tuple[float, float, float]:
    """Points from one of `count` columns to the next, size of the names at the left, and characters of a number.

    The longest name has `longest` letters. Where smaller names make no room for numbers, these have a character less.
    """
    for name_size in _NAMES:
        pitch = (72 * width - _NAME_LETTER * name_size * longest - 10) / count
        if pitch >= _SMALLEST * _CHARACTERS * _LETTER:
            return pitch, name_size, _CHARACTERS
    return pitch, name_size, _CHARACTERS - 1


def _draw_cell(
    axes: Axes, place: tuple[int, int], cell: Any, colour: Any, size: float | None, characters: float
) -> None:
    """Draw one cell; `size` is that of its number in points, for so many characters, None for no number."""
    x, y = place
    failed = cell["ok"] < cell["trials"]
    has_bias = bool(pd.notna(cell["bias"]))
    face = colour if has_bias else "0.92"
    # Lines of a lighter grey than the number, or it could not be read on them.
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="0.65" if failed else "white",
                             hatch="//////" if failed else None, linewidth=0))  # fmt: skip
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=0.8))
    if size is None:
        return
    if has_bias:
        text = _signed(cell["bias"], short=characters < _CHARACTERS) + (
            f"\n{cell['ok']}/{cell['trials']}" if failed else ""
        )
    elif failed and not cell["ok"]:
        text = max(cell["failures"], key=cell["failures"].get)
    else:
        text = "no truth"
    dark = has_bias and _luminance(colour) < 0.35
    bold = cell["solved"] is True
    behind = {"facecolor": face, "edgecolor": "none", "boxstyle": "square,pad=0.1"} if failed else None
    longest = max(map(len, text.split("\n")))
    fitting = size if longest < characters else size * characters / longest
    if fitting < _SMALLEST and not has_bias:
        text, fitting = "–", size
    axes.text(x, y, text, ha="center", va="center_baseline" if "\n" not in text else "center", linespacing=0.9,
              fontsize=min(fitting, 4.6) if "\n" in text else fitting, color="white" if dark else "black",
              weight="bold" if bold else "normal", bbox=behind)  # fmt: skip


def _signed(value: float, *, short: bool = False) -> str:
    """Write an error with its sign, in at most six characters; `short`: four, as .12 and with a digit less above 1."""
    if abs(value) >= 999.5:
        return f"{value:+.0e}".replace("e+0", "e").replace("-", "−")
    two, one = (0.995, 9.95) if short else (9.995, 99.95)
    digits = 2 if abs(value) < two else 1 if abs(value) < one else 0
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        return "0" if short else f"{0:.{digits}f}"
    return (re.sub(r"\b0\.", ".", text) if short else text).replace("-", "−")


def _luminance(colour: Any) -> float:
    red, green, blue = np.asarray(colour[:3]) ** 2.2
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
