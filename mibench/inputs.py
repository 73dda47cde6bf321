"""A user's own data: arrays, tensors and tables, checked once at the door.

`as_columns` and `as_pair` turn what Python users have into float64 columns, each of them continuous or discrete; what
`mibench.files` reads goes the same way. `check_data` and `check_supported` are the contract that every estimator relies
on. Whatever cannot be used raises an `InputError` of one line. Rows are counted from 0, and x and y are paired by
position: an index of a pandas object is not looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array, Estimate, Estimator, EstimatorFacts, InputError, Kinds, Sample, Shape, kinds_of
from mibench.registry import estimators, make_estimator, nearest

if TYPE_CHECKING:
    import pandas as pd

Names = tuple[str, ...] | None
Discrete = bool | Sequence[bool] | Sequence[int] | Sequence[str] | None

_ACCEPTED = "give numbers, or text, bool or category columns as labels"
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
    kinds: Kinds
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pair(Sample):
    """Two variables of a user that passed `check_data`; `labels` says of each discrete column what it is."""

    labels: tuple[str, ...] = ()


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
        asked = _asked_kinds(discrete, name, None, table.shape[1])
        flags = [table.dtype.kind == "b" if kind is None else kind for kind in asked]
        what = _LABELS["boolean"] if table.dtype.kind == "b" else "declared discrete"
        called = [_called(name, j, None, len(flags)) for j, flag in enumerate(flags) if flag]
        labels = tuple(f"{one} is {what}" for one in called)
        return Columns(np.ascontiguousarray(table, dtype=np.float64), None, _kinds(flags), labels)
    count = table.shape[1]
    asked = _asked_kinds(discrete, name, names, count)
    called = [_called(name, j, names, count) for j in range(count)]
    read = [_read_column(table.iloc[:, j], called[j], asked[j]) for j in range(count)]
    kinds = _kinds([what is not None for _, what in read])
    labels = tuple(f"{one} is {what}" for one, (_, what) in zip(called, read, strict=True) if what is not None)
    return Columns(np.stack([column for column, _ in read], axis=1), names, kinds, labels)


def _kinds(flags: Sequence[bool]) -> Kinds:
    return tuple("discrete" if flag else "continuous" for flag in flags)


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


def check_supported(estimator: Estimator, sample: Sample) -> None:
    """Refuse data that this estimator cannot use; where that is for the kinds of columns, say who can."""
    reason = estimator.unsupported(sample.shape)
    if reason is None:
        return
    if any(estimator.unsupported(other) is None for other in _other_kinds(sample.shape)):
        labels = sample.labels if isinstance(sample, Pair) else ()
        reason = "; ".join([reason, *about_kinds(estimator, [sample.shape], labels)])
    raise UnsupportedError(f"{estimator.label()}: {reason}")


def _other_kinds(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes of the same size with columns of one kind in X and of one in Y."""
    for x, y in itertools.product((False, True), repeat=2):
        yield Shape(shape.n, kinds_of(shape.dim_x, discrete=x), kinds_of(shape.dim_y, discrete=y))


def about_kinds(estimator: Estimator, shapes: Collection[Shape], labels: tuple[str, ...]) -> list[str]:
    """Say which columns are labels, and which estimators of the same quantity take data of all these shapes.

    The nearest come first: those of the same family, then one of each other.
    """
    facts, needed = estimator.facts, {shape.kind for shape in shapes}
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
            if all(made.unsupported(shape) is None for shape in shapes):
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
