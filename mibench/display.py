"""What people read: tables of cells, lists and descriptions, in the units asked for."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mibench.interface import InputError
from mibench.registry import short_spec, stored_estimator, write_spec
from mibench.rows.row import plain

_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?([ /].*)?|–")
_LONG = 40  # a last column that is longer is prose, and wants this much room
_GAP = "  "
STALE = "†"  # after the name of an estimator whose rows other code made


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is, or None: a file or a pipe takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cell_table(cells: Sequence[Mapping[str, Any]], units: str, width: int | None = None) -> str:
    """Lay cells out as a table: truth, bias, spread and cost of every estimator on every task.

    Where one line for each cell is wider than `width`, the task goes above the lines of its estimators.
    """
    varies = any(cell["quantity"] != "mi" for cell in cells)
    tasks = [
        {"task": cell["distribution"], "dims": f"{cell['dim_x']} x {cell['dim_y']}", "n": str(cell["n"])}
        | ({"quantity": cell["quantity"]} if varies else {})
        | {"truth": number(cell["truth"])}
        for cell in cells
    ]
    asked = next((cell for cell in cells if cell["interval"] is not None), None)
    scores = [
        {
            "mean": number(cell["mean"]),
            "bias ± se": with_error(cell["bias"], cell["bias_se"]),
            "sd": number(cell["sd"]),
            "RMSE": number(cell["rmse"]),
            "oracle": number(cell["oracle_rmse"]),
            "efficiency": number(cell["efficiency"], "{:.2f}"),
            **({} if asked is None else {"coverage": _coverage(cell), "width": number(cell["mean_width"])}),
            "ok": f"{cell['ok']}/{cell['trials']} ok"
            + "".join(f", {count} {status}" for status, count in cell["failures"].items()),
            "time": seconds(cell["median_wall_s"]),
        }
        for cell in cells
    ]
    labels = estimator_labels(cells)
    caption = f"{units}; oracle = RMSE of the mean pointwise MI of the same samples; time = median wall time of a trial"
    if asked is not None:
        share = f"share of the {100 * asked['level']:g}% {asked['interval']} intervals that hold the truth"
        caption += f"; coverage = {share}, width = their mean width"
    heads = ["estimator", *tasks[0], *scores[0]]
    lines = [[label, *task.values(), *score.values()] for label, task, score in zip(labels, tasks, scores, strict=True)]
    if width is None or max(map(len, table(heads, lines).splitlines())) <= width:
        return table(heads, lines, caption, width)
    groups: dict[str, list[list[str]]] = {}
    for label, task, score in zip(labels, tasks, scores, strict=True):
        oracle = score.pop("oracle")
        score["ok"] = score["ok"].replace(" ok", "")
        names = [task.pop("task"), task.pop("dims"), *(f"{key} {value}" for key, value in task.items())]
        groups.setdefault(f"\n{', '.join(names)}, oracle {oracle}", []).append([label, *score.values()])
    heads = ["eff." if name == "efficiency" else name for name in ("estimator", *scores[0])]
    body = itertools.chain.from_iterable([name, *group] for name, group in groups.items())
    return table(heads, body, f"{caption}; eff. = efficiency", width)


def estimate_table(records: Sequence[Mapping[str, Any]], units: str, width: int | None = None) -> str:
    """Lay out what several estimators said of one data set."""
    tested = any(record["p_value"] is not None for record in records)
    levels = [record["level"] for record in records if record["level"] is not None]
    interval = [f"{100 * levels[0]:g}% interval" if len(set(levels)) == 1 else "interval"] * bool(levels)
    tests = ["p-value", "permuted"] * tested
    heads = ["estimator", f"estimate ({units})", *interval, "quantity", "bound", *tests, "time"]
    body = []
    for record in records:
        value = {"error": "failed", "skipped": "skipped"}.get(record["status"]) or number(record["estimate"])
        p_value = [number(record["p_value"]), _mean_and_sd(record["null_mean"], record["null_sd"])] * tested
        bound = "" if record["bound"] == "none" else record["bound"]
        ends = [_ends(record["low"], record["high"])] * bool(levels)
        body.append([record["estimator"], value, *ends, record["quantity"], bound, *p_value, seconds(record["wall_s"])])
    caption = "permuted = mean ± sd of the estimates with the rows of Y permuted" if tested else None
    return table(heads, body, caption, width)


def consistency_table(records: Sequence[Mapping[str, Any]], caption: str, units: str, width: int | None = None) -> str:
    """Lay out how estimators keep the laws of self-consistency: a line for each law below its estimator."""
    body: list[list[str] | str] = []
    for record in records:
        if record["error"] is not None:
            body.append(f"{record['estimator']}: {'skipped' if record['status'] == 'skipped' else 'failed'}")
            continue
        body.append(f"{record['estimator']}: I(X; Y) = {number(record['estimate'])} {units}")
        for law in record["laws"]:
            found = number(law["value"]) if law["sd"] is None else _mean_and_sd(law["value"], law["sd"])
            off = number(law["off"], "{:+.4f}")
            body.append([law["law"], found, f"{law['expected']:g}", off, law["verdict"], law["meaning"]])
    return table(["law", "found", "expected", "off by", "verdict", "meaning"], body, caption, width)


def matrix_table(
    names: Sequence[str], values: Sequence[Sequence[float]], caption: str, width: int | None = None
) -> str:
    """Lay out a matrix of estimates between columns, a block of columns at a time; NaN is left empty."""
    texts = [["" if math.isnan(value) else f"{value:.4f}" for value in line] for line in values]
    label = max(map(len, names))
    cell = len(_GAP) + max(label, *(len(text) for line in texts for text in line))
    size = len(names) if width is None else max(1, (width - label) // cell)
    blocks = []
    for start in range(0, len(names), size):
        part = slice(start, start + size)
        blocks.append(table(["", *names[part]], [[name, *line[part]] for name, line in zip(names, texts, strict=True)]))
    return "\n\n".join(blocks) + f"\n{caption}"


def estimator_labels(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each cell's estimator, with its parameters that are not at their defaults.

    Where these are not known here, or would give two of them one name, with those that differ between cells of it.
    """
    kinds = [(cell["estimator"], json.dumps(plain(cell["params"]), sort_keys=True)) for cell in cells]
    by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
    for (name, text), cell in zip(kinds, cells, strict=True):
        by_name.setdefault(name, {})[text] = cell["params"]
    labels: dict[tuple[str, str], str] = {}
    for name, found in by_name.items():
        short = {text: _short_label(name, text) for text in found}
        for text, params in found.items():
            label = short[text]
            if label is None or list(short.values()).count(label) > 1:
                differs = {key for key in params for other in found.values() if other.get(key) != params[key]}
                label = write_spec(name, {key: value for key, value in params.items() if key in differs})
            labels[name, text] = label
    return [labels[kind] for kind in kinds]


def _short_label(name: str, params: str) -> str | None:
    """None: no estimator of this name takes these parameters here."""
    mark = STALE if name.endswith(STALE) else ""
    estimator = stored_estimator(name.removesuffix(STALE), params)
    if estimator is None:
        return None
    spec = short_spec(estimator)
    return f"{name}{spec[len(name) - len(mark) :]}"


def name_parts(name: str) -> list[str]:
    """Split the name of an estimator or a task where a line may end: after a space, a bracket, a comma, a hyphen."""
    return [part for piece in _pieces(name) for part in re.split(r"(?<=[A-Za-z]-)(?=.)", piece)]


def _pieces(name: str) -> list[str]:
    return re.split(r"(?<=[\[,\s])(?=.)", name)


def wrap_name(name: str, width: int) -> list[str]:
    """Break a name into lines of at most `width`, where that can be; after a hyphen only where it must be."""
    lines = [""]
    for piece in _pieces(name):
        for part in [piece] if len(piece.rstrip()) <= width else name_parts(piece):
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def table(
    heads: Sequence[str], body: Iterable[Sequence[str] | str], caption: str | None = None, width: int | None = None
) -> str:
    """Lay text out in columns, numbers to the right; a text in place of a line stands above the lines that follow.

    Where that is wider than `width`, the columns of text are wrapped, and a last column of prose that has little room
    goes below its line. Numbers are never cut.
    """
    lines: list[Sequence[str] | str] = list(body)
    columns = list(zip(heads, *(line for line in lines if not isinstance(line, str)), strict=True))
    numeric = [any(rest) and all(_NUMBER.fullmatch(text) for text in rest if text) for _, *rest in columns]
    widths = [max(map(len, column)) for column in columns]
    if width is not None and not numeric[-1] and widths[-1] > _LONG and _total([*widths[:-1], _LONG]) > width:
        short: list[Sequence[str] | str] = []
        for line in lines:
            if isinstance(line, str):
                short.append(line)
            else:
                below = textwrap.fill(line[-1], width, initial_indent="    ", subsequent_indent="    ")
                short += [line[:-1], below]
        return table([*heads[:-1]], short, caption, width)
    while width is not None and _total(widths) > width:
        widest = max((j for j, number in enumerate(numeric) if not number), key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= len(heads[widest]):
            break
        widths[widest] -= 1
    shown = []
    for line in [heads, *lines]:
        if isinstance(line, str):
            shown.append(line)
            continue
        cells = [
            [text] if number else textwrap.wrap(text, size, break_on_hyphens=False) or [""]
            for text, number, size in zip(line, numeric, widths, strict=True)
        ]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            aligned = [
                part.rjust(size) if number else part.ljust(size)
                for part, number, size in zip(parts, numeric, widths, strict=True)
            ]
            shown.append(_GAP.join(aligned).rstrip())
    if caption is not None:
        shown.append(caption if width is None else textwrap.fill(caption, width))
    return "\n".join(shown)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def number(value: float | None, form: str = "{:.4f}") -> str:
    """Write a value, or a dash for none."""
    return "–" if value is None else form.format(value)


def with_error(value: float | None, error: float | None) -> str:
    """Write a signed value and its standard error, where there is one."""
    if value is None:
        return "–"
    return f"{value:+.4f}" if error is None else f"{value:+.4f} ± {error:.4f}"


def _mean_and_sd(mean: float | None, sd: float | None) -> str:
    return "–" if mean is None or sd is None else f"{mean:.4f} ± {sd:.4f}"


def _ends(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _coverage(cell: Mapping[str, Any]) -> str:
    """Write a coverage, with the number of intervals that it is of where some trials have none."""
    known = cell["coverage"] is not None  # intervals about an unknown truth hold it, or do not: nobody can tell
    some = f" of {cell['intervals']}" if known and cell["intervals"] < cell["ok"] else ""
    return number(cell["coverage"], "{:.2f}") + some


def seconds(value: float | None) -> str:
    """Write a duration with a sensible number of digits."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def check_folder(path: Path) -> None:
    """Find out before the work whether a file can be written there."""
    if path.is_dir():
        raise InputError(f"--out {path} is a folder; give the path of a file")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"--out {path} cannot be written: no folder {path.parent} that can be written to")


def write_file(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all; what cannot be replaced, such as a pipe, is written to."""
    whole = not path.exists() or path.is_file()
    target = path.resolve()
    part = target.with_name(f".{target.name}.part") if whole else path
    try:
        part.write_bytes(content)
        if whole:
            part.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk
        if whole:
            part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
