"""What people read: tables of cells, lists and descriptions, in the units asked for."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mibench.interface import InputError
from mibench.registry import write_value
from mibench.store import plain

BITS = 1 / math.log(2)
# Keys of rows and cells whose values are in nats.
_IN_NATS = frozenset(
    {
        "estimate", "low", "high", "truth", "truth_low", "truth_high", "truth_se", "oracle",
        "mean", "bias", "bias_se", "sd", "rmse", "mae", "oracle_rmse",
    }
)  # fmt: skip
_NO_LIMIT = 100_000  # columns: what is not a terminal cuts nothing
_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?([ /].*)?|–")


def in_units(records: Iterable[Mapping[str, Any]], units: str) -> list[dict[str, Any]]:
    """Return rows or cells with their information values in "nats" (as they are) or "bits"."""
    factor = BITS if units == "bits" else 1.0
    return [
        {key: value * factor if key in _IN_NATS and value is not None else value for key, value in record.items()}
        for record in records
    ]


def cell_table(cells: Sequence[Mapping[str, Any]], units: str) -> str:
    """Lay cells out as a table: truth, bias, spread and cost of every estimator on every task."""
    labels = estimator_labels(cells)
    heads = [
        "estimator",
        "task",
        "dims",
        "n",
        "truth",
        "mean",
        "bias ± se",
        "sd",
        "RMSE",
        "oracle",
        "efficiency",
        "ok",
        "time",
    ]
    varies = len({cell["quantity"] for cell in cells}) > 1 or any(cell["quantity"] != "mi" for cell in cells)
    if varies:
        heads.insert(4, "quantity")
    body = []
    for cell, label in zip(cells, labels, strict=True):
        line = [
            label,
            cell["distribution"],
            f"{cell['dim_x']} x {cell['dim_y']}",
            str(cell["n"]),
            _number(cell["truth"]),
            _number(cell["mean"]),
            _with_error(cell["bias"], cell["bias_se"]),
            _number(cell["sd"]),
            _number(cell["rmse"]),
            _number(cell["oracle_rmse"]),
            _number(cell["efficiency"], "{:.2f}"),
            f"{cell['ok']}/{cell['trials']} ok"
            + "".join(f", {count} {status}" for status, count in cell["failures"].items()),
            seconds(cell["median_wall_s"]),
        ]
        if varies:
            line.insert(4, cell["quantity"])
        body.append(line)
    title = (
        f"{units}; oracle = RMSE of the mean pointwise MI of the same samples; time = median wall seconds of a trial"
    )
    return table(heads, body, caption=title)


def estimate_table(records: Sequence[Mapping[str, Any]], units: str) -> str:
    """Lay out what several estimators said of one data set."""
    tested = any(record["p_value"] is not None for record in records)
    heads = ["estimator", f"estimate ({units})", "quantity", "bound", *["p-value"] * tested, "time"]
    body = []
    for record in records:
        value = "failed" if record["error"] is not None else _number(record["estimate"])
        p_value = [_number(record["p_value"])] * tested
        bound = "" if record["bound"] == "none" else record["bound"]
        body.append([record["estimator"], value, record["quantity"], bound, *p_value, seconds(record["wall_s"])])
    return table(heads, body)


def matrix_table(names: Sequence[str], values: Sequence[Sequence[float]], caption: str) -> str:
    """Lay out a matrix of estimates between columns; NaN is left empty."""
    body = [
        [name, *("" if math.isnan(value) else f"{value:.4f}" for value in line)]
        for name, line in zip(names, values, strict=True)
    ]
    return table(["", *names], body, caption=caption)


def estimator_labels(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each cell's estimator, with those parameters that differ between cells of the same estimator."""
    labels = []
    for cell in cells:
        others = [other["params"] for other in cells if other["estimator"] == cell["estimator"]]
        differing = {
            key: value for key, value in cell["params"].items() if any(params.get(key) != value for params in others)
        }
        inside = ",".join(f"{key}={write_value(value)}" for key, value in differing.items())
        labels.append(f"{cell['estimator']}[{inside}]" if inside else cell["estimator"])
    return labels


def table(heads: Sequence[str], body: Iterable[Sequence[str]], caption: str | None = None) -> str:
    """Lay text out in columns; numbers to the right."""
    lines = [list(line) for line in body]
    drawn = Table(box=None, pad_edge=False, caption=caption, caption_justify="left", header_style="bold")
    for index, head in enumerate(heads):
        filled = [line[index] for line in lines if line[index]]
        numeric = bool(filled) and all(_NUMBER.fullmatch(text) for text in filled)
        drawn.add_column(head, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for line in lines:
        drawn.add_row(*line)
    width = None if sys.stdout.isatty() else _NO_LIMIT
    # No markup: brackets hold parameters.
    console = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _number(value: float | None, form: str = "{:.4f}") -> str:
    return "–" if value is None else form.format(value)


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+.4f}" if error is None else f"{value:+.4f} ± {error:.4f}"


def seconds(value: float | None) -> str:
    """Write a duration with a sensible number of digits."""
    if value is None:
        return "–"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def to_json(value: Any) -> str:
    """Write JSON in which no number is infinite or NaN."""
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False)


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Write records as CSV; lists and mappings as JSON in their field."""
    if not records:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(
            {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()}
        )
    return out.getvalue().rstrip("\n")


def citation_text(bibtex: str) -> str:
    """Write a BibTeX entry as a line of text: authors (year). title. journal."""
    fields = dict(re.findall(r"(\w+)\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)\}", bibtex))
    where = (
        fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or fields.get("howpublished", "")
    )
    parts = [f"{fields.get('author', '')} ({fields.get('year', 'n.d.')})".strip(), fields.get("title", ""), where]
    if fields.get("doi") or fields.get("eprint"):
        parts.append(f"doi:{fields['doi']}" if fields.get("doi") else f"arXiv:{fields['eprint']}")
    return re.sub(r"[{}]|\\(?=[&%])", "", ". ".join(part for part in parts if part))


def to_parquet(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write records as parquet; lists and mappings as JSON text."""
    import pandas as pd

    flat = [
        {key: json.dumps(v) if isinstance(v, dict | list) else v for key, v in record.items()} for record in records
    ]
    try:
        pd.DataFrame(flat).to_parquet(path)
    except ImportError as error:
        raise InputError("writing .parquet needs pyarrow: pip install 'mibench[parquet]'") from error
