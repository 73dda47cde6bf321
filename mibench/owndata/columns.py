"""A user's own data: arrays, tensors and tables, checked once at the door.

`as_columns` and `as_pair` turn what Python users have into float64 columns, each of them continuous or discrete; what
`mibench.owndata.files` reads goes the same way. Whatever cannot be used raises an `InputError` of one line. Rows are
counted from 0, and x and y are paired by position: an index of a pandas object is not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mibench.checks import Names, Pair, check_data, column_called
from mibench.interface import Array, InputError, Kinds, Shape
from mibench.registry import nearest

if TYPE_CHECKING:
    import pandas as pd

Discrete = bool | Sequence[bool] | Sequence[int] | Sequence[str] | None

_ACCEPTED = "give numbers, or text, bool or category columns as labels"
_NUMBERS = {"floating", "integer", "integer-na", "mixed-integer-float", "decimal", "empty"}
_LABELS = {"string": "text", "bytes": "text", "boolean": "true or false", "categorical": "a category"}


class Columns(NamedTuple):
    """One variable: values (n, d) float64 and C-contiguous, the columns' names if they have any, and their kinds.

    `labels` says of each discrete column what it is: "x column 'sex' is text".
    """

    values: Array
    names: Names
    kinds: Kinds
    labels: tuple[str, ...]


def as_pair(x: Any, y: Any, x_discrete: Discrete = None, y_discrete: Discrete = None) -> Pair:
    """Read and check both variables; the arguments are those of `as_columns`."""
    left, right = as_columns(x, "x", x_discrete), as_columns(y, "y", y_discrete)
    check_data(left.values, right.values, left.names, right.names)
    shape = Shape(len(left.values), left.kinds, right.kinds)
    return Pair(left.values, right.values, declared=shape, labels=left.labels + right.labels)


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
        return _of_array(table, name, discrete)
    return _of_frame(table, name, names, discrete)


def _of_array(array: NDArray[Any], name: str, discrete: Discrete) -> Columns:
    """Read numbers or bools, of which all columns are of one type."""
    count, bools = array.shape[1], array.dtype.kind == "b"
    flags = [bools if kind is None else kind for kind in _asked_kinds(discrete, name, None, count)]
    what = _LABELS["boolean"] if bools else "declared discrete"
    labels = tuple(f"{column_called(name, j, None, count)} is {what}" for j, flag in enumerate(flags) if flag)
    return Columns(np.ascontiguousarray(array, dtype=np.float64), None, _kinds(flags), labels)


def _of_frame(table: pd.DataFrame, name: str, names: Names, discrete: Discrete) -> Columns:
    """Read each column for itself."""
    count = table.shape[1]
    asked = _asked_kinds(discrete, name, names, count)
    called = [column_called(name, j, names, count) for j in range(count)]
    read = [_read_column(table.iloc[:, j], called[j], asked[j]) for j in range(count)]
    kinds = _kinds([what is not None for _, what in read])
    labels = tuple(f"{one} is {what}" for one, (_, what) in zip(called, read, strict=True) if what is not None)
    return Columns(np.stack([column for column, _ in read], axis=1), names, kinds, labels)


def _kinds(flags: Sequence[bool]) -> Kinds:
    return tuple("discrete" if flag else "continuous" for flag in flags)


def _as_table(values: Any, name: str) -> tuple[NDArray[Any] | pd.DataFrame, Names]:
    """Return a 2-D array of numbers or bools, or else a DataFrame, and the names of its columns if they have any."""
    if "pandas" in sys.modules:  # else it is no object of pandas
        import pandas as pd

        if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
            series = pd.Series(values)
            _check_size(series.shape, name)
            return series.to_frame(), None if series.name is None else (str(series.name),)
        if isinstance(values, pd.DataFrame):
            _check_size(values.shape, name)
            return values, tuple(map(str, values.columns))
    array = _as_array(values, name)
    if array.dtype.kind in "biuf":
        return array, None
    if array.dtype.kind != "O":
        raise InputError(f"{name} holds {array.dtype.name} values; {_ACCEPTED}")
    import pandas as pd

    return pd.DataFrame(array), None


def _as_array(values: Any, name: str) -> NDArray[Any]:
    """Return a 2-D array, of objects where numpy has no type that is common to the values."""
    values = _without_mask(_off_device(values))
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USO":  # judge each value by its own type: numpy would read [1, "a"] as text
            array = np.array(values, dtype=object)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} has rows of unequal length, or is no table of values; {_ACCEPTED}") from error
    if array.ndim == 0:
        raise InputError(f"{name} is a single {type(values).__name__}; give an array, a tensor, a table or lists")
    _check_size(array.shape, name)
    return array[:, None] if array.ndim == 1 else array


def _off_device(values: Any) -> Any:
    """Return a torch tensor as a numpy array, which knows no bfloat16; anything else as it is."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


def _without_mask(values: Any) -> Any:
    """Return a masked array as one of objects, None where it is masked; anything else as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    plain = np.ma.getdata(values).astype(object)
    plain[np.ma.getmaskarray(values)] = None
    return plain


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
        stray = stray_text(labels.categories)
        if stray is not None:
            raise InputError(
                f"{called} is text, yet most of its values are numbers, but not {stray!r}; "
                "correct that, or declare the column discrete"
            )
    codes = labels.codes.to_numpy(dtype=np.float64)
    return np.where(codes < 0, np.nan, codes), _LABELS[kind]


def stray_text(texts: Any) -> str | None:
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
    places = {_place(item, name, names, count) for item in items}
    return tuple(True if j in places else None for j in range(count))


def _place(item: Any, name: str, names: Names, count: int) -> int:
    """Find a column by its name or position."""
    if names is not None and item in names:
        return names.index(item)
    if isinstance(item, int) and 0 <= item < count:
        return item
    accepted = "names or positions" if names else "positions"
    hint = nearest(str(item), list(names or ()))
    raise InputError(f"{name} has no column {item!r} to take as discrete{hint}; give {accepted} below {count}")
