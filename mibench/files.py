"""A user's own files: read as tables, from which the columns of X and of Y are taken.

Whatever cannot be read or taken raises an `InputError` of one line. Rows are counted from 0.
"""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.inputs import as_columns, stray_text
from mibench.interface import InputError
from mibench.registry import nearest
from mibench.rows.files import read_parquet

if TYPE_CHECKING:
    import pandas as pd

_FILES = (".csv", ".tsv", ".parquet", ".npy", ".npz")


def read_pair(
    files: Sequence[str], x: Sequence[str], y: Sequence[str], discrete: Sequence[str], missing: str
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Read X and Y from one table by their columns, or from a file each; with the number of rows left out.

    `x`, `y` and `discrete` are comma lists of columns; where there are two files, x and y may be empty and `discrete`
    names columns of either. `missing` is "drop" or "error".
    """
    if len(files) > 2:
        raise InputError(f"{len(files)} files are given; give one table, or a file for X and one for Y")
    left, right = (_from_two if len(files) == 2 else _from_one)(files, x, y, discrete)
    (left, right), dropped = _complete(missing, left, right)
    return left, right, dropped


def _from_two(
    files: Sequence[str], x: Sequence[str], y: Sequence[str], discrete: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    left, right = read_table(files[0], "x"), read_table(files[1], "y")
    left, right = select(left, x) if x else left, select(right, y) if y else right
    if not discrete:
        return left, right
    both = {*map(str, left.columns), *map(str, right.columns)}
    asked = _named(discrete, both)
    for name in asked:
        if name not in both:
            raise InputError(f"there is no column {name!r}{nearest(name, sorted(both))}")
    left, right = (as_labels(one, [c for c in map(str, one) if c in asked]) for one in (left, right))
    return left, right


def _from_one(
    files: Sequence[str], x: Sequence[str], y: Sequence[str], discrete: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = read_table(files[0])
    if not (x and y):
        names = ", ".join(map(str, table.columns[:20]))
        raise InputError(f"one table needs --x COLUMNS and --y COLUMNS, or --pairwise; its columns are {names}")
    left, right = select_pair(as_labels(table, discrete) if discrete else table, x, y)
    _check_used(discrete, table, {*left.columns, *right.columns}, "--x and --y")
    return left, right


def read_columns(
    files: Sequence[str], columns: Sequence[str], discrete: Sequence[str], missing: str
) -> tuple[pd.DataFrame, int]:
    """Read one table, or some of its columns, as `read_pair` does."""
    if len(files) > 1:
        raise InputError(f"{len(files)} files are given; --pairwise takes one table")
    whole = read_table(files[0])
    table = as_labels(whole, discrete) if discrete else whole
    table = select(table, columns) if columns else table
    _check_used(discrete, whole, {*table.columns}, "--x")
    (table,), dropped = _complete(missing, table)
    return table, dropped


def _check_used(discrete: Sequence[str], table: pd.DataFrame, used: Collection[Any], where: str) -> None:
    for item in _named(discrete, [str(column) for column in table.columns]):
        if not {*select(table, [item]).columns} & {*used}:
            raise InputError(f"--discrete {item} names no column of {where}; name it there too, or leave it out")


def _complete(missing: str, *tables: pd.DataFrame) -> tuple[list[pd.DataFrame], int]:
    """Leave out the rows that miss a value, and count them; or refuse them."""
    if missing == "drop":
        return drop_missing(*tables)
    for column in [table.iloc[:, j] for table in tables for j in range(table.shape[1])]:
        holes = column.isna().to_numpy()
        if holes.any():
            raise InputError(
                f"column {str(column.name)!r} misses {holes.sum()} of {len(column)} values, first in row "
                f"{holes.argmax()} (counted from 0); --missing drop leaves such rows out"
            )
    return list(tables), 0


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def read_table(path: str | Path, name: str = "x") -> pd.DataFrame:
    """Read a .csv, .tsv, .parquet, .npy or .npz file.

    A 2-D array gives columns x0, x1, ... and a 1-D array one column x, after `name`; the arrays of an .npz file go by
    their own names, all side by side, or one of them as `file.npz:array`. A .csv or .tsv file has its names in the
    first line; where that line holds numbers with fractions, there are no names, and the columns are x0, x1, ...
    """
    path, chosen = Path(path), ""
    if ".npz:" in path.name:
        file, _, chosen = str(path).rpartition(":")
        path = Path(file)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give a file: {', '.join(_FILES)}")
    if suffix not in _FILES:
        raise InputError(f"{str(path)!r} is of no known kind; accepted are {', '.join(_FILES)}")
    if not path.exists():
        raise InputError(f"there is no file {str(path)!r}")
    try:
        if suffix == ".parquet":
            table = read_parquet(path)
        elif suffix in (".npy", ".npz"):
            table = _read_arrays(path, name, chosen)
        else:
            table = _read_text(path, name, "\t" if suffix == ".tsv" else ",")
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as {suffix}: it is no UTF-8 text") from error
    except Exception as error:  # whatever a parser makes of a file that is not what its name says
        line = str(error).strip().partition("\n")[0].removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{path} cannot be read as {suffix}: {line or type(error).__name__}") from error
    if table.empty:
        raise InputError(f"{path} is empty: {len(table)} rows, {table.shape[1]} columns")
    table.columns = table.columns.map(str)
    return table


def _read_text(path: Path, name: str, separator: str) -> pd.DataFrame:
    import pandas as pd

    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = (line for line in csv.reader(file, delimiter=separator, skipinitialspace=True) if line)
        header, second = next(lines, []), next(lines, [])
    if not header:
        raise InputError(f"{path} is empty")
    if len(header) == 1 and ";" in header[0]:
        raise InputError(f"{path} is separated by semicolons; write it with {separator!r} and decimal points")
    if len(second) > len(header):  # pandas would take the first values for names of the rows
        raise InputError(f"{path} has {len(header)} names in its first line, but {len(second)} values in the next")
    numbers = pd.to_numeric(pd.Series(header), errors="coerce")
    nameless = bool(numbers.notna().all() and (numbers % 1 != 0).any())
    # low_memory guesses kinds piece by piece, and warns where the pieces disagree.
    table = pd.read_csv(
        path, sep=separator, header=None if nameless else "infer", skipinitialspace=True, low_memory=False
    )
    return table.add_prefix(name) if nameless else table


def _read_arrays(path: Path, name: str, chosen: str) -> pd.DataFrame:
    import pandas as pd

    with path.open("rb") as file:
        try:
            loaded = np.load(file)
        except ValueError as error:
            raise InputError(f"{path} cannot be read as {path.suffix}: it holds no array of numbers or text") from error
        if isinstance(loaded, np.ndarray):
            arrays = {name: loaded}
        else:
            if chosen and chosen not in loaded.files:
                hint = nearest(chosen, loaded.files)
                raise InputError(f"{path} has no array {chosen!r}{hint}; there are {', '.join(loaded.files)}")
            arrays = {key: loaded[key] for key in ([chosen] if chosen else loaded.files)}
    tables = []
    for key, array in arrays.items():
        if array.ndim not in (1, 2):
            raise InputError(f"array {key} of {path} has shape {array.shape}; give rows x columns")
        tables.append(pd.DataFrame({key: array}) if array.ndim == 1 else pd.DataFrame(array).add_prefix(key))
    if len({len(table) for table in tables}) > 1:
        rows = ", ".join(f"{key} {len(array)}" for key, array in arrays.items())
        raise InputError(f"arrays of {path} differ in rows ({rows}); choose one as {path}:{next(iter(arrays))}")
    return pd.concat(tables, axis=1) if tables else pd.DataFrame()


# ---------------------------------------------------------------------------------------------------------------------
# Columns and rows of a table


def select(table: pd.DataFrame, columns: str | Sequence[str]) -> pd.DataFrame:
    """Take columns by name, glob or position from 0; a comma list, or several of them. A name goes before a position.

    >>> list(select(pandas.DataFrame({"a": [1], "b1": [2], "b2": [3]}), "b*,0"))
    ['b1', 'b2', 'a']
    """
    names = [str(column) for column in table.columns]
    chosen: dict[int, None] = {}  # in the order asked for, each once
    for item in _named([columns] if isinstance(columns, str) else columns, names):
        if item in names:
            found = [names.index(item)]
        elif set("*?") & set(item):
            found = [j for j, name in enumerate(names) if fnmatch.fnmatchcase(name, item)]
        elif item.isdecimal():
            found = [int(item)] if int(item) < len(names) else []
        else:
            found = []
        if not found:
            shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise InputError(f"there is no column {item!r}{nearest(item, names)}; the columns are {shown}")
        chosen.update(dict.fromkeys(found))
    return table.iloc[:, list(chosen)]


def select_pair(
    table: pd.DataFrame, x: str | Sequence[str], y: str | Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take the columns of X and of Y.

    They may share columns of labels: I(X; X) of labels is their entropy. A shared column of numbers is refused, as
    the mutual information of a continuous variable with itself is infinite.
    """
    left, right = select(table, x), select(table, y)
    for shared in left.columns[left.columns.isin(right.columns)]:
        if "continuous" in as_columns(left[[shared]], "x").kinds:
            raise InputError(
                f"column {str(shared)!r} is in both x and y: a continuous column has infinite MI with itself; "
                "leave it out of one, or declare it discrete"
            )
    return left, right


def as_labels(table: pd.DataFrame, columns: str | Sequence[str]) -> pd.DataFrame:
    """Declare columns of numbers to be labels: a copy of the table in which they are categories."""
    return table.astype(dict.fromkeys(select(table, columns).columns, "category"))


def few_valued(table: pd.DataFrame) -> list[str]:
    """Names of the columns of numbers that look like labels: at most 10 values, each of them 10 times on average."""
    numbers = table.select_dtypes("number")
    counts = numbers.nunique()
    return [str(name) for name, count in counts.items() if 1 < count <= min(10, len(table) / 10)]


def mostly_distinct(table: pd.DataFrame) -> list[str]:
    """Say which columns of text are hardly labels: more than half of their values differ, or they are numbers as text.

    Columns that are declared to be labels are categories, and not text.
    """
    import pandas as pd

    lines = []
    for column in (table.iloc[:, j].dropna() for j in range(table.shape[1])):
        if pd.api.types.infer_dtype(column) != "string" or stray_text(pd.unique(column)) is not None:
            continue
        count, plain = column.nunique(), column.str.replace(",", "")
        separated = column[column != plain]
        numbers = not separated.empty and pd.to_numeric(plain, errors="coerce").notna().mean() > 0.5
        if count > len(column) / 2 or numbers:
            hint = f"; numbers with thousands separators are text: write {plain[separated.index[0]]}" if numbers else ""
            lines.append(f"column {str(column.name)!r}: {count} of {len(column)} values differ, taken as labels{hint}")
    return lines


def repeated_rows(*tables: pd.DataFrame) -> str | None:
    """Say that more than a tenth of the rows repeat an earlier one, though a column of them is hardly labels."""
    import pandas as pd

    whole = pd.concat([table.reset_index(drop=True) for table in tables], axis=1)
    numbers = whole.select_dtypes("number")
    if not any(numbers.iloc[:, j].nunique() > max(10, len(whole) / 10) for j in range(numbers.shape[1])):
        return None
    count = int(whole.duplicated().sum())
    if count <= len(whole) / 10:
        return None
    return f"{count} of {len(whole)} rows repeat an earlier row; copies make estimates too high, leave them out"


def drop_missing(*tables: pd.DataFrame) -> tuple[list[pd.DataFrame], int]:
    """Leave out the rows in which any of the tables misses a value; return the tables and the number left out.

    Infinite values are not missing: they stay, and are refused later.
    """
    if len({len(table) for table in tables}) > 1:
        raise InputError(f"x has {len(tables[0])} rows, y has {len(tables[1])}; give as many of each")
    complete = np.logical_and.reduce([table.notna().to_numpy().all(axis=1) for table in tables])
    if not complete.any():
        empty = [str(name) for table in tables for name, missing in table.isna().all().items() if missing]
        which = ", ".join(map(repr, empty[:10])) + (", ..." if len(empty) > 10 else "")
        why = f"columns without any value are {which}; leave them out" if empty else "nothing is left"
        raise InputError(f"each of the {len(complete)} rows has a missing value; {why}")
    return [table[complete].reset_index(drop=True) for table in tables], int((~complete).sum())


def _named(columns: Sequence[str], names: Collection[str]) -> list[str]:
    """Split comma lists; a name may hold a comma."""
    return [part.strip() for text in columns for part in ([text] if text in names else text.split(","))]
