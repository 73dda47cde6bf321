"""Files of rows: csv, json and parquet, written and read; what ends in .gz is compressed.

`to_csv` and `to_json` write other records too: cells of scores, estimates of somebody's data.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mibench.interface import InputError
from mibench.rows.row import COLUMNS, Row, params_of, plain

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".csv", ".csv.gz", ".json", ".json.gz", ".parquet")
_NEEDED = ("estimator", "distribution", "dim_x", "dim_y", "n", "seed", "status", "estimate", "quantity")
_EMPTY: dict[str, Any] = {"attempt": 1, "params": {}, "diagnostics": {}, "warnings": []}


# ---------------------------------------------------------------------------------------------------------------------
# Writing


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
    writer.writerows(map(_flat, records))
    return out.getvalue().rstrip("\n")


def to_parquet(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Write records as parquet; lists and mappings as JSON text."""
    import pandas as pd

    try:
        return pd.DataFrame([_flat(record) for record in records]).to_parquet()
    except ImportError as error:
        raise InputError("writing .parquet needs pyarrow: pip install 'mibench[parquet]'") from error


def encoded(records: Sequence[Mapping[str, Any]], form: str, *, compressed: bool = False) -> bytes:
    """Write records as the bytes of a "csv", "json" or "parquet" file: the same records give the same bytes."""
    if form == "parquet":
        content = to_parquet(records)
    else:
        text = to_json(records) if form == "json" else to_csv(records)
        content = f"{text}\n".encode()
    return gzip.compress(content, 9, mtime=0) if compressed else content


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write lists and mappings as JSON."""
    return {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def read_rows(path: Path) -> list[Row]:
    """Read a file as `mibench export` writes it; columns that it lacks are empty."""
    name = path.name.lower()
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    if ending is None:
        raise InputError(f"{path} is no file of rows; give one that ends in .csv, .csv.gz, .json or .parquet")
    try:
        if ending == ".parquet":
            return _of_records(_of_frame(read_parquet(path)))
        data = path.read_bytes()
        text = (gzip.decompress(data) if ending.endswith(".gz") else data).decode()
        return _of_csv(text) if ending.startswith(".csv") else _of_json(text)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, TypeError, AttributeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read as rows: {reason}") from error


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a .parquet file, for which a library is needed that may not be here."""
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise InputError("reading .parquet needs pyarrow: pip install 'mibench[parquet]'") from error


def _of_csv(text: str) -> list[Row]:
    """Read by columns, where a text that stands in many rows is converted once: ten times faster than row by row."""
    header, *records = [fields for fields in csv.reader(io.StringIO(text)) if fields] or [[]]
    if not records:
        return []
    _check_columns(header)
    there = dict(zip(header, itertools.zip_longest(*records, fillvalue=""), strict=False))
    columns = []
    for name in COLUMNS:
        texts = there.get(name, ("",) * len(records))
        read = {text: _read(text, name) for text in set(texts)}
        columns.append([read[text] for text in texts])
    return [cast(Row, dict(zip(COLUMNS, values, strict=True))) for values in zip(*columns, strict=True)]


def _of_json(text: str) -> list[Row]:
    found = json.loads(text)
    records = found.get("trials") if isinstance(found, dict) else found  # as `mibench run --format json` prints them
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("it is neither a list of rows nor has it one as 'trials'")
    return _of_records(records)


def _of_frame(frame: pd.DataFrame) -> list[dict[str, Any]]:
    filled = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in record.items()} for record in filled.to_dict("records")]


def _of_records(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    for record in records:
        _check_columns(record)
    return [cast(Row, {name: _read(record.get(name), name) for name in COLUMNS}) for record in records]


def _check_columns(there: Collection[str]) -> None:
    for name in _NEEDED:
        if name not in there:
            raise ValueError(f"it has no column {name}")


def _read(value: Any, name: str) -> Any:
    """Read the value of a column from what a file has there."""
    column = COLUMNS[name]
    if value is None or value == "":
        if column.optional:
            return None
        if name in _NEEDED:
            raise ValueError(f"a row has no {name}")
        return _EMPTY.get(name, "")
    if name == "params" and isinstance(value, str):
        return params_of(value)
    if column.kind == "json":
        return json.loads(value) if isinstance(value, str) else value
    if column.kind == "whole":
        return int(value)
    if column.kind == "number":
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)
