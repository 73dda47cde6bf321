"""Estimators against tasks: the signed error of each, and where an estimator failed."""

from __future__ import annotations

import itertools
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
    cells, silent = _drawn(cells)
    rows, columns = "label", "task"
    if cells[columns].nunique() > cells[rows].nunique():
        rows, columns = columns, rows
    downs, acrosses = list(dict.fromkeys(cells[rows])), list(dict.fromkeys(cells[columns]))
    pitch, name_size, characters = _columns(width, max(map(len, downs)), len(acrosses))
    if pitch < _SMALLEST:
        raise InputError(f"{len(acrosses)} columns do not fit into {width:g} inches; name fewer, or --width double")
    size = min(6.0, pitch / (characters * _LETTER))
    limit = min(_MOST, max(float(cells["bias"].abs().max()), 1e-3))
    norm = Normalize(-limit, limit)

    tall = _LETTER * 6 / 72 * max(map(len, acrosses))
    figure = Figure(figsize=(width, _HEIGHT * len(downs) + tall + 0.65), layout="constrained")
    axes = figure.subplots()
    absent = set(itertools.product(range(len(acrosses)), range(len(downs))))
    for _, cell in cells.iterrows():
        place = (acrosses.index(cell[columns]), downs.index(cell[rows]))
        absent.discard(place)
        shown = size if size >= _SMALLEST else None
        _draw_cell(axes, place, cell, ERROR(norm(cell["bias"])), shown, characters)
    if absent:  # white would be no error
        in_order = sorted(absent, key=lambda place: place[::-1])
        axes.plot(*zip(*in_order, strict=True), linestyle="", marker="x", markersize=2.5, color="0.7")
    axes.set(xlim=(-0.5, len(acrosses) - 0.5), ylim=(len(downs) - 0.5, -0.5))
    axes.set_xticks(range(len(acrosses)), acrosses, rotation=90, fontsize=min(6.0, 0.9 * pitch))
    axes.set_yticks(range(len(downs)), downs, fontsize=name_size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    extend = "both" if (cells["bias"].abs() > limit).any() else "neither"
    bar = figure.colorbar(ScalarMappable(norm, ERROR), ax=axes, location="bottom", extend=extend, shrink=0.6,
                          aspect=40, pad=0.1 / figure.get_figheight())  # fmt: skip
    bar.set_label(with_unit("mean − truth", cells, units))
    bar.outline.set_linewidth(0.4)
    what = f"Bias (mean − truth, {units}) of {cells['label'].nunique()} estimators on {cells['task'].nunique()} tasks"
    more = _legend(cells, rule, silent, absent=bool(absent), numbers=size >= _SMALLEST)
    return Drawn(figure, caption(what, cells, seeds_of(cells), *more))


def _drawn(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the estimators that have a bias somewhere, or failed; name the others."""
    failed = cells["failures"].map(lambda counts: bool(counts.keys() - {"skipped"}))
    drawn = (cells["bias"].notna() | failed).groupby(cells["label"]).transform("any")
    return cells[drawn], list(dict.fromkeys(cells.loc[~drawn, "label"]))


def _legend(cells: pd.DataFrame, rule: str, silent: list[str], *, absent: bool, numbers: bool) -> list[str]:
    """Say what the signs in the cells mean."""
    said = {
        "hatched: trials failed, or are not supported": (cells["ok"] < cells["trials"]).any(),
        "x: not run": absent,
        f"bold: solved{rule and ', '}{rule}": cells["solved"].eq(True).any(),
        f"not drawn, without a truth or a task that they support: {', '.join(silent)}": silent,
        "grey: no truth, or no trial left": cells["bias"].isna().any(),
        "the figure is too narrow for numbers": not numbers,
    }
    return [text for text, holds in said.items() if holds]


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
    edge, hatch, behind = "white", None, None
    if failed:  # lines of a lighter grey than the number, or it could not be read on them
        edge, hatch = "0.65", "//////"
        behind = {"facecolor": face, "edgecolor": "none", "boxstyle": "square,pad=0.1"}
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor=edge, hatch=hatch, linewidth=0))
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=0.8))
    if size is None:
        return
    text = _text(cell, short=characters < _CHARACTERS)
    longest = max(map(len, text.split("\n")))
    fitting = size if longest < characters else size * characters / longest
    if fitting < _SMALLEST and not has_bias:
        text, fitting = "–", size
    style: dict[str, Any] = {"fontsize": fitting, "va": "center_baseline"}
    if "\n" in text:
        style = {"fontsize": min(fitting, 4.6), "va": "center"}
    axes.text(x, y, text, ha="center", linespacing=0.9, bbox=behind, **style,
              color="white" if has_bias and _luminance(colour) < 0.35 else "black",
              weight="bold" if cell["solved"] is True else "normal")  # fmt: skip


def _text(cell: Any, *, short: bool) -> str:
    """What stands in a cell: its bias, with the counts of trials where some failed, or why there is none."""
    if pd.notna(cell["bias"]):
        bias = _signed(cell["bias"], short=short)
        return bias if cell["ok"] == cell["trials"] else f"{bias}\n{cell['ok']}/{cell['trials']}"
    if cell["ok"]:
        return "no truth"
    status: str = max(cell["failures"], key=cell["failures"].get)
    return status


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
