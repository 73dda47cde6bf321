"""What people read: tables of cells, lists and descriptions, in the units asked for."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.interface import InputError
from mibench.names import estimator_labels

if TYPE_CHECKING:
    from mibench.scoring.cell import Scores

_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?([ /].*)?|–")
_LONG = 40  # a last column that is longer is prose, and wants this much room
_GAP = "  "
NOTHING = "–"  # what is not known


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is, or None: a file or a pipe takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cell_table(cells: Sequence[Scores], units: str, width: int | None = None) -> str:
    """Lay cells out as a table: truth, bias, spread and cost of every estimator on every task.

    Where one line for each cell is wider than `width`, the task goes above the lines of its estimators.
    """
    asked = [(cell["level"] or 0.0, cell["interval"]) for cell in cells if cell["interval"] is not None]
    caption = f"{units}; oracle = RMSE of the mean pointwise MI of the same samples; time = median wall time of a trial"
    if asked:
        level, interval = asked[0]
        share = f"share of the {100 * level:g}% {interval} intervals that hold the truth"
        caption += f"; coverage = {share}, width = their mean width"
    varies = {cell["quantity"] for cell in cells} != {"mi"}
    tasks = [_task_columns(cell, quantity=varies) for cell in cells]
    scores = [_score_columns(cell, coverage=bool(asked)) for cell in cells]
    labels = estimator_labels(cells)
    heads = ["estimator", *tasks[0], *scores[0]]
    lines = [[label, *task.values(), *score.values()] for label, task, score in zip(labels, tasks, scores, strict=True)]
    if width is None or max(map(len, table(heads, lines).splitlines())) <= width:
        return table(heads, lines, caption, width)
    return _table_by_task(labels, tasks, scores, f"{caption}; eff. = efficiency", width)


def _table_by_task(
    labels: Sequence[str],
    tasks: Sequence[dict[str, str]],
    scores: Sequence[dict[str, str]],
    caption: str,
    width: int,
) -> str:
    """Lay cells out with the task above the lines of its estimators."""
    groups: dict[str, list[list[str] | str]] = {}
    for label, task, score in zip(labels, tasks, scores, strict=True):
        title = _title(task, score.pop("oracle"))
        score["ok"] = score["ok"].replace(" ok", "")
        groups.setdefault(title, [title]).append([label, *score.values()])
    heads = ["estimator", *(name.replace("efficiency", "eff.") for name in scores[0])]
    body = itertools.chain.from_iterable(groups.values())
    return table(heads, body, caption, width)


def _title(task: Mapping[str, str], oracle: str) -> str:
    """What stands above the lines of a task."""
    names = [value if key in ("task", "dims") else f"{key} {value}" for key, value in task.items()]
    return f"\n{', '.join(names)}, oracle {oracle}"


def _task_columns(cell: Scores, *, quantity: bool) -> dict[str, str]:
    columns = {"task": cell["distribution"], "dims": f"{cell['dim_x']} x {cell['dim_y']}", "n": str(cell["n"])}
    if quantity:
        columns["quantity"] = cell["quantity"]
    return columns | {"truth": number(cell["truth"])}


def _score_columns(cell: Scores, *, coverage: bool) -> dict[str, str]:
    columns = {
        "mean": number(cell["mean"]),
        "bias ± se": with_error(cell["bias"], cell["bias_se"]),
        "sd": number(cell["sd"]),
        "RMSE": number(cell["rmse"]),
        "oracle": number(cell["oracle_rmse"]),
        "efficiency": number(cell["efficiency"], "{:.2f}"),
    }
    if coverage:
        columns |= {"coverage": _coverage(cell), "width": number(cell["mean_width"])}
    return columns | {"ok": ok_of(cell), "time": seconds(cell["median_wall_s"])}


def ok_of(cell: Scores) -> str:
    """Write how many trials of a cell are ok, and how the others ended."""
    return ", ".join([f"{cell['ok']}/{cell['trials']} ok", *_counted(cell["failures"])])


def counts(failures: Mapping[str, int]) -> str:
    """Write how many trials failed in each way."""
    return ", ".join(_counted(failures))


def _counted(failures: Mapping[str, int]) -> list[str]:
    return [f"{count} {status}" for status, count in failures.items()]


def estimate_table(records: Sequence[Mapping[str, Any]], units: str, width: int | None = None) -> str:
    """Lay out what several estimators said of one data set."""
    tested = any(record["p_value"] is not None for record in records)
    levels = {record["level"] for record in records} - {None}
    interval = f"{100 * max(levels):g}% interval" if len(levels) == 1 else "interval"
    lines = []
    for record in records:
        value = {"error": "failed", "skipped": "skipped"}.get(record["status"]) or number(record["estimate"])
        line = {"estimator": record["estimator"], f"estimate ({units})": value}
        if levels:
            line[interval] = _ends(record["low"], record["high"])
        line |= {"quantity": record["quantity"], "bound": "" if record["bound"] == "none" else record["bound"]}
        if tested:
            line |= {"p-value": number(record["p_value"])}
            line |= {"permuted": _mean_and_sd(record["null_mean"], record["null_sd"])}
        lines.append(line | {"time": seconds(record["wall_s"])})
    caption = "permuted = mean ± sd of the estimates with the rows of Y permuted" if tested else None
    return table(list(lines[0]), [list(line.values()) for line in lines], caption, width)


def consistency_table(records: Sequence[Mapping[str, Any]], caption: str, units: str, width: int | None = None) -> str:
    """Lay out how estimators keep the relations of self-consistency: a line for each below its estimator."""
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
    widest = max(label, *(len(text) for line in texts for text in line))
    parts = []
    for block in column_blocks(label, [widest] * len(names), width):
        heads = ["", *(names[j] for j in block)]
        parts.append(table(heads, [[name, *(line[j] for j in block)] for name, line in zip(names, texts, strict=True)]))
    return "\n\n".join(parts) + f"\n{caption}"


# ---------------------------------------------------------------------------------------------------------------------
# Texts in columns


def table(
    heads: Sequence[str], body: Iterable[Sequence[str] | str], caption: str | None = None, width: int | None = None
) -> str:
    """Lay text out in columns, numbers to the right; a text in place of a line stands above the lines that follow.

    Where that is wider than `width`, the columns of text are wrapped, and a last column of prose that has little room
    goes below its line. Numbers are never cut.
    """
    lines: list[Sequence[str] | str] = list(body)
    columns = list(zip(heads, *(line for line in lines if not isinstance(line, str)), strict=True))
    numeric = [_is_numeric(rest) for _, *rest in columns]
    widths = [max(map(len, column)) for column in columns]
    if width is not None:
        if not numeric[-1] and widths[-1] > _LONG and _total([*widths[:-1], _LONG]) > width:
            return table([*heads[:-1]], _prose_below(lines, width), caption, width)
        widths = _narrowed(widths, [len(head) for head in heads], numeric, width)
    shown = aligned([heads, *lines], widths, numeric)
    if caption is not None:
        shown.append(filled(caption, width))
    return "\n".join(shown)


def _is_numeric(texts: Sequence[str]) -> bool:
    return any(texts) and all(_NUMBER.fullmatch(text) for text in texts if text)


def _prose_below(lines: Sequence[Sequence[str] | str], width: int) -> Iterator[Sequence[str] | str]:
    """Move the last text of each line below it."""
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield line[:-1]
            yield textwrap.fill(line[-1], width, initial_indent="    ", subsequent_indent="    ")


def _narrowed(widths: Sequence[int], least: Sequence[int], numeric: Sequence[bool], width: int) -> list[int]:
    """Take from the widest column of text what is too much, as far as its head allows."""
    found = list(widths)
    texts = [j for j, is_number in enumerate(numeric) if not is_number]
    while texts and _total(found) > width:
        widest = max(texts, key=found.__getitem__)
        if found[widest] <= least[widest]:
            break
        found[widest] -= 1
    return found


def aligned(lines: Iterable[Sequence[str] | str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """Lay lines out in columns of these widths: to the right, or to the left and wrapped; a text stands as it is."""
    shown = []
    for line in lines:
        if isinstance(line, str):
            shown.append(line)
            continue
        cells = [
            [text] if is_right else textwrap.wrap(text, size, break_on_hyphens=False) or [""]
            for text, is_right, size in zip(line, right, widths, strict=True)
        ]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            placed = [
                part.rjust(size) if is_right else part.ljust(size)
                for part, is_right, size in zip(parts, right, widths, strict=True)
            ]
            shown.append(_GAP.join(placed).rstrip())
    return shown


def column_blocks(first: int, sizes: Sequence[int], width: int | None) -> list[list[int]]:
    """Split columns into blocks that fit into `width` beside the first column, which is repeated in each."""
    blocks: list[list[int]] = [[]]
    for j, size in enumerate(sizes):
        if blocks[-1] and width is not None and _total([first, *(sizes[i] for i in blocks[-1]), size]) > width:
            blocks.append([])
        blocks[-1].append(j)
    return blocks


def filled(text: str, width: int | None) -> str:
    """Break a text into lines, where there is a width to keep."""
    return text if width is None else textwrap.fill(text, width)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


# ---------------------------------------------------------------------------------------------------------------------
# Values


def number(value: float | None, form: str = "{:.4f}") -> str:
    """Write a value, or a dash for none."""
    return NOTHING if value is None else form.format(value)


def with_error(value: float | None, error: float | None) -> str:
    """Write a signed value and its standard error, where there is one."""
    if value is None:
        return NOTHING
    return f"{value:+.4f}" if error is None else f"{value:+.4f} ± {error:.4f}"


def _mean_and_sd(mean: float | None, sd: float | None) -> str:
    return NOTHING if mean is None or sd is None else f"{mean:.4f} ± {sd:.4f}"


def _ends(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _coverage(cell: Scores) -> str:
    """Write a coverage, with the number of intervals that it is of where some trials have none."""
    known = cell["coverage"] is not None  # intervals about an unknown truth hold it, or do not: nobody can tell
    some = f" of {cell['intervals']}" if known and cell["intervals"] < cell["ok"] else ""
    return number(cell["coverage"], "{:.2f}") + some


def seconds(value: float | None) -> str:
    """Write a duration with a sensible number of digits."""
    if value is None:
        return NOTHING
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
