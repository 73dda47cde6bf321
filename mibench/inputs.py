"""A user's own data: arrays, tensors, tables and files, checked once at the door.

`as_columns` and `as_pair` turn what Python users have into float64 columns, each of them continuous or discrete.
`read_table`, `select_pair`, `as_labels` and `drop_missing` do the same for files. `check_pair` is the contract that
every estimator relies on. Whatever cannot be used raises an `InputError` of one line. Rows are counted from 0, and x
and y are paired by position: an index of a pandas object is not looked at.
"""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import itertools
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array, Estimate, Estimator, EstimatorFacts, InputError, kind_of
from mibench.registry import estimators, make_estimator, nearest

if TYPE_CHECKING:
    import pandas as pd

Names = tuple[str, ...] | None
Discrete = bool | Sequence[bool] | Sequence[int] | Sequence[str] | None

_ACCEPTED = "give numbers, or text, bool or category columns as labels"
_FILES = (".csv", ".tsv", ".parquet", ".npy", ".npz")
_NUMBERS = {"floating", "integer", "integer-na", "mixed-integer-float", "decimal", "empty"}
_LABELS = {"string": "text", "bytes": "text", "boolean": "true or false", "categorical": "a category"}
_MOST_NAMED = 3  # estimators that a message names in place of one that cannot


class UnsupportedError(InputError):
    """Data that this estimator cannot use, though another may."""


# ---------------------------------------------------------------------------------------------------------------------
# Values in memory


class Columns(NamedTuple):
    """One variable: values (n, d) float64 and C-contiguous, the columns' names if they have any, and their kinds.

    `labels` says of each discrete column what it is: "x column 'sex' is text".
    """

    values: Array
    names: Names
    discrete: tuple[bool, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two variables that passed `check_data`: x (n, dim_x), y (n, dim_y), and the kind of each column.

    `labels` says of each discrete column what it is.
    """

    x: Array
    y: Array
    x_discrete: tuple[bool, ...]
    y_discrete: tuple[bool, ...]
    labels: tuple[str, ...] = ()


def as_pair(x: Any, y: Any, x_discrete: Discrete = None, y_discrete: Discrete = None) -> Pair:
    """Read and check both variables; the arguments are those of `as_columns`."""
    left, right = as_columns(x, "x", x_discrete), as_columns(y, "y", y_discrete)
    check_data(left.values, right.values, left.names, right.names)
    return Pair(left.values, right.values, left.discrete, right.discrete, left.labels + right.labels)


def as_columns(values: Any, name: str, discrete: Discrete = None) -> Columns:
    """Read one variable from a numpy array, a torch tensor, a pandas object or lists.

    Parameters
    ----------
    values
        n values (one column) or n rows of d values. Never modified; float64 arrays are not copied.
    name
        What messages call it, such as "x".
    discrete
        Text, bool and category columns are labels: they become whole-number codes in the order of the sorted labels
        (of the categories), and are discrete. Numbers are continuous. To say otherwise give True or False for all
        columns, one bool per column, or a list of the names or positions of the discrete columns.

    Returns
    -------
    Missing values (None, NaN, pandas.NA, masked) are NaN here; `check_data` reports them.
    """
    table, names = _as_table(values, name)
    if isinstance(table, np.ndarray):
        asked = _asked_kinds(discrete, name, None, table.shape[1])
        flags = tuple(table.dtype.kind == "b" if kind is None else kind for kind in asked)
        what = _LABELS["boolean"] if table.dtype.kind == "b" else "declared discrete"
        called = [_called(name, j, None, len(flags)) for j, flag in enumerate(flags) if flag]
        labels = tuple(f"{one} is {what}" for one in called)
        return Columns(np.ascontiguousarray(table, dtype=np.float64), None, flags, labels)
    count = table.shape[1]
    asked = _asked_kinds(discrete, name, names, count)
    called = [_called(name, j, names, count) for j in range(count)]
    read = [_read_column(table.iloc[:, j], called[j], asked[j]) for j in range(count)]
    flags = tuple(what is not None for _, what in read)
    labels = tuple(f"{one} is {what}" for one, (_, what) in zip(called, read, strict=True) if what is not None)
    return Columns(np.stack([column for column, _ in read], axis=1), names, flags, labels)


def _as_table(values: Any, name: str) -> tuple[Any, Names]:
    """Return a 2-D array of numbers or bools, or else a DataFrame, and the names of its columns if they have any."""
    if "pandas" in sys.modules:
        import pandas as pd

        if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
            series = pd.Series(values)
            _check_size(series.shape, name)
            return series.to_frame(), None if series.name is None else (str(series.name),)
        if isinstance(values, pd.DataFrame):
            _check_size(values.shape, name)
            return values, tuple(map(str, values.columns))
    if hasattr(values, "detach"):  # a torch tensor; numpy knows no bfloat16
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    if isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), np.ma.getdata(values).astype(object)
        values[mask] = None
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USO":  # judge each value by its own type: numpy would read [1, "a"] as text
            array = np.array(values, dtype=object)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} has rows of unequal length, or is no table of values; {_ACCEPTED}") from error
    if array.ndim == 0:
        raise InputError(f"{name} is a single {type(values).__name__}; give an array, a tensor, a table or lists")
    _check_size(array.shape, name)
    array = array[:, None] if array.ndim == 1 else array
    if array.dtype.kind in "biuf":
        return array, None
    if array.dtype.kind != "O":
        raise InputError(f"{name} holds {array.dtype.name} values; {_ACCEPTED}")
    import pandas as pd

    return pd.DataFrame(array), None


def _check_size(shape: tuple[int, ...], name: str) -> None:
    if len(shape) > 2:
        raise InputError(f"{name} has {len(shape)} dimensions, shape {shape}; give rows x columns")
    if 0 in shape:
        raise InputError(f"{name} is empty, shape {shape}; give at least 2 rows and 1 column")


def _read_column(series: pd.Series[Any], called: str, asked: bool | None) -> tuple[Array, str | None]:
    """Return the column as float64 with NaN where a value is missing, and what it is if it is discrete."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in _NUMBERS or (kind == "boolean" and asked is False):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), "declared discrete" if asked else None
    if kind not in _LABELS:
        raise InputError(f"{called} holds {kind} values; {_ACCEPTED}")
    if asked is False:
        raise InputError(f"{called} holds labels ({kind}), which cannot be continuous; give numbers")
    labels = series.astype("category").cat
    if kind == "string" and asked is None:
        stray = _stray(labels.categories)
        if stray is not None:
            raise InputError(
                f"{called} is text, yet most of its values are numbers, but not {stray!r}; "
                "correct that, or declare the column discrete"
            )
    codes = labels.codes.to_numpy(dtype=np.float64)
    return np.where(codes < 0, np.nan, codes), _LABELS[kind]


def _stray(texts: Any) -> str | None:
    """Return a text that is no number where most are: such a word in a file makes text of a column of measurements."""
    import pandas as pd

    odd = pd.to_numeric(pd.Series(texts), errors="coerce").isna()
    return str(texts[int(odd.argmax())]) if 0 < odd.sum() < len(odd) / 2 else None


def _asked_kinds(discrete: Discrete, name: str, names: Names, count: int) -> tuple[bool | None, ...]:
    """Read `discrete` as one bool per column, or None where a column's kind is left to its values."""
    if discrete is None or isinstance(discrete, bool):
        return (discrete,) * count
    given = [discrete] if isinstance(discrete, str | int) else discrete
    items: list[Any] = [item.item() if isinstance(item, np.generic) else item for item in given]
    if items and all(isinstance(item, bool) for item in items):
        if len(items) != count:
            raise InputError(f"{name} has {count} columns; say which are discrete with {count} bools, not {len(items)}")
        return tuple(items)
    asked: list[bool | None] = [None] * count
    for item in items:
        if names is not None and item in names:
            asked[names.index(item)] = True
        elif isinstance(item, int) and 0 <= item < count:
            asked[item] = True
        else:
            hint = nearest(str(item), list(names or ()))
            accepted = "names or positions" if names else "positions"
            raise InputError(f"{name} has no column {item!r} to take as discrete{hint}; give {accepted} below {count}")
    return tuple(asked)


# ---------------------------------------------------------------------------------------------------------------------
# What every estimator relies on


def check_pair(
    x: Array, y: Array, estimator: Estimator, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
) -> None:
    """Check that two arrays of shape (n, dim_x) and (n, dim_y) can be used, and by this estimator."""
    check_data(x, y)
    check_supported(estimator, Pair(x, y, x_discrete, y_discrete))


def check_data(x: Array, y: Array, x_names: Names = None, y_names: Names = None) -> None:
    """Refuse unequal rows, fewer than 2 rows, missing or infinite values, and constant columns."""
    if len(x) != len(y):
        raise InputError(f"x has {len(x)} rows, y has {len(y)}; give as many of each")
    if len(x) < 2:
        raise InputError(f"x and y have {len(x)} row; at least 2 are needed")
    for name, values, names in (("x", x, x_names), ("y", y, y_names)):
        check_finite(values, name, names)
        constant = constant_columns(values)
        if constant.size:
            called = _called(name, int(constant[0]), names, values.shape[1])
            others = f" (and {constant.size - 1} more)" if constant.size > 1 else ""
            raise InputError(f"{called} is constant{others}; leave out columns that do not vary")


def constant_columns(values: Array) -> NDArray[np.intp]:
    """Positions of the columns that hold one value."""
    same = np.flatnonzero((values[:10] == values[0]).all(axis=0))  # a few rows clear nearly every column
    constant: NDArray[np.bool_] = (values[:, same] == values[0, same]).all(axis=0)
    return same[constant]


def check_finite(values: Array, name: str, names: Names = None) -> None:
    """Refuse missing and infinite values, naming the first."""
    finite = np.isfinite(values)
    if finite.all():
        return
    rows, columns = np.nonzero(~finite)
    many = "values" if len(rows) > 1 else "value"
    single = names is None and values.shape[1] == 1
    column = "" if single else ", " + _called("", int(columns[0]), names, values.shape[1])
    raise InputError(
        f"{name} has {len(rows)} missing or infinite {many}, first in row {rows[0]} (counted from 0){column}"
    )


def check_supported(estimator: Estimator, pair: Pair) -> None:
    """Refuse data that this estimator cannot use; where that is for the kinds of columns, say who can."""
    n, dims, kinds = len(pair.x), (pair.x.shape[1], pair.y.shape[1]), (pair.x_discrete, pair.y_discrete)
    reason = estimator.unsupported(n, *dims, *kinds)
    if reason is None:
        return
    others = itertools.product((False, True), repeat=2)
    if any(estimator.unsupported(n, *dims, (x,) * dims[0], (y,) * dims[1]) is None for x, y in others):
        reason = "; ".join([reason, *about_kinds(estimator, n, [kinds], pair.labels)])
    raise UnsupportedError(f"{estimator.label()}: {reason}")


def about_kinds(
    estimator: Estimator,
    n: int,
    kinds: Collection[tuple[tuple[bool, ...], tuple[bool, ...]]],
    labels: tuple[str, ...],
) -> list[str]:
    """Say which columns are labels, and which estimators of the same quantity take n rows of all these kinds.

    The nearest come first: those of the same family, then one of each other.
    """
    facts, needed = estimator.facts, {kind_of(*one) for one in kinds}
    others = [entry.facts for entry in estimators.entries().values() if isinstance(entry.facts, EstimatorFacts)]
    others.sort(key=lambda other: (other.family != facts.family, other.trains != facts.trains, other.name))
    found: dict[str, str] = {}  # names, with their families
    for other in others:
        fits = other.quantity == estimator.quantity and needed <= {*other.supports}
        again = other.family != facts.family and other.family in found.values()
        if len(found) == _MOST_NAMED or not fits or again or (other.trains and not facts.trains):
            continue
        with contextlib.suppress(InputError):  # of another package, and cannot be imported
            made = make_estimator(other.example or other.name)
            if all(made.unsupported(n, len(x), len(y), x, y) is None for x, y in kinds):
                found[other.name] = other.family
    words = {"continuous": "numbers alone", "discrete": "labels alone", "mixed": "labels beside numbers"}
    what = words[needed.pop()] if len(needed) == 1 else "numbers and labels"
    lines = [f"{labels[0]}, so labels" + f" ({len(labels) - 1} more like it)" * (len(labels) > 1)] if labels else []
    return lines + ([f"{what} are accepted by {', '.join(found)}"] if found else [])


def check_estimate(estimator: Estimator, result: object) -> Estimate:
    """Refuse what is no estimate of one number."""
    if not isinstance(result, Estimate):
        raise InputError(
            f"{estimator.label()} returned {_described(result)}, not an Estimate; write `return Estimate(value)`"
        )
    value: Any = result.value  # nobody checks what an estimator of one's own puts there
    if not hasattr(value, "__float__") or np.ndim(value) > 0:
        what = _described(value)
        raise InputError(f"{estimator.label()} returned an Estimate of {what}; write `return Estimate(float(value))`")
    return result


def _described(value: object) -> str:
    shape = getattr(value, "shape", ())
    return f"{type(value).__name__} of shape {tuple(shape)}" if shape else type(value).__name__


def _called(name: str, column: int, names: Names, count: int) -> str:
    """What a message calls a column: x column 'bmi', x column 2, or only x where there is no other."""
    if names is not None:
        return f"{name} column {names[column]!r}".lstrip()
    return f"{name} column {column}".lstrip() if count > 1 else name


# ---------------------------------------------------------------------------------------------------------------------
# Files and tables


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
            table = _read_parquet(path)
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


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise InputError("reading .parquet needs pyarrow: pip install 'mibench[parquet]'") from error


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
        if not all(as_columns(left[[shared]], "x").discrete):
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
        if pd.api.types.infer_dtype(column) != "string" or _stray(pd.unique(column)) is not None:
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


def read_pair(
    files: Sequence[str], x: Sequence[str], y: Sequence[str], discrete: Sequence[str], missing: str
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Read X and Y from one table by their columns, or from a file each; with the number of rows left out.

    `x`, `y` and `discrete` are comma lists of columns; where there are two files, x and y may be empty and `discrete`
    names columns of either. `missing` is "drop" or "error".
    """
    if len(files) > 2:
        raise InputError(f"{len(files)} files are given; give one table, or a file for X and one for Y")
    if len(files) == 2:
        left, right = read_table(files[0], "x"), read_table(files[1], "y")
        left, right = select(left, x) if x else left, select(right, y) if y else right
        if discrete:
            both = {*map(str, left.columns), *map(str, right.columns)}
            asked = _named(discrete, both)
            for name in asked:
                if name not in both:
                    raise InputError(f"there is no column {name!r}{nearest(name, sorted(both))}")
            left, right = (as_labels(one, [c for c in map(str, one) if c in asked]) for one in (left, right))
    else:
        table = read_table(files[0])
        if not (x and y):
            names = ", ".join(map(str, table.columns[:20]))
            raise InputError(f"one table needs --x COLUMNS and --y COLUMNS, or --pairwise; its columns are {names}")
        left, right = select_pair(as_labels(table, discrete) if discrete else table, x, y)
        _check_used(discrete, table, {*left.columns, *right.columns}, "--x and --y")
    if missing != "drop":
        _refuse_missing(left, right)
        return left, right, 0
    (left, right), dropped = drop_missing(left, right)
    return left, right, dropped


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
    if missing != "drop":
        _refuse_missing(table)
        return table, 0
    (table,), dropped = drop_missing(table)
    return table, dropped


def _check_used(discrete: Sequence[str], table: pd.DataFrame, used: Collection[Any], where: str) -> None:
    for item in _named(discrete, [str(column) for column in table.columns]):
        if not {*select(table, [item]).columns} & {*used}:
            raise InputError(f"--discrete {item} names no column of {where}; name it there too, or leave it out")


def _refuse_missing(*tables: pd.DataFrame) -> None:
    for column in [table.iloc[:, j] for table in tables for j in range(table.shape[1])]:
        missing = column.isna().to_numpy()
        if missing.any():
            raise InputError(
                f"column {str(column.name)!r} misses {missing.sum()} of {len(column)} values, first in row "
                f"{missing.argmax()} (counted from 0); --missing drop leaves such rows out"
            )


def _named(columns: Sequence[str], names: Collection[str]) -> list[str]:
    """Split comma lists; a name may hold a comma."""
    return [part.strip() for text in columns for part in ([text] if text in names else text.split(","))]
