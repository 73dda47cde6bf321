"""What every estimator relies on: the checks of data, of their shape and of an estimate.

A user's own data and the trials of a run pass the same ones. Whatever is refused raises an `InputError` of one line.
Rows are counted from 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mibench.interface import Array, Estimate, Estimator, EstimatorFacts, InputError, Sample, Shape, kinds_of
from mibench.registry import estimators, make_estimator

Names = tuple[str, ...] | None

_MOST_NAMED = 3  # estimators that a message names in place of one that cannot


class UnsupportedError(InputError):
    """Data that this estimator cannot use, though another may."""


@dataclass(frozen=True, eq=False)
class Pair(Sample):
    """Two variables of a user that passed `check_data`; `labels` says of each discrete column what it is."""

    labels: tuple[str, ...] = ()


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
            called = column_called(name, int(constant[0]), names, values.shape[1])
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
    column = "" if single else ", " + column_called("", int(columns[0]), names, values.shape[1])
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
    """Say which columns are labels, and which estimators of the same quantity take data of all these shapes."""
    lines = []
    if labels:
        more = f" ({len(labels) - 1} more like it)" if len(labels) > 1 else ""
        lines.append(f"{labels[0]}, so labels{more}")
    if others := _who_takes(estimator, shapes):
        words = {"continuous": "numbers alone", "discrete": "labels alone", "mixed": "labels beside numbers"}
        kinds = {shape.kind for shape in shapes}
        what = words[kinds.pop()] if len(kinds) == 1 else "numbers and labels"
        lines.append(f"{what} are accepted by {', '.join(others)}")
    return lines


def _who_takes(estimator: Estimator, shapes: Collection[Shape]) -> list[str]:
    """Names of estimators of the same quantity, the nearest first: those of the family, then one of each other."""
    facts = estimator.facts
    others = [entry.facts for entry in estimators.entries().values() if isinstance(entry.facts, EstimatorFacts)]
    others.sort(key=lambda other: (other.family != facts.family, other.trains != facts.trains, other.name))
    found: dict[str, str] = {}  # names, with their families
    for other in others:
        again = other.family != facts.family and other.family in found.values()
        if not again and _may_replace(other, estimator) and _takes(other, shapes):
            found[other.name] = other.family
        if len(found) == _MOST_NAMED:
            break
    return list(found)


def _may_replace(other: EstimatorFacts, estimator: Estimator) -> bool:
    """Whether it estimates the same, and trains only if the estimator does."""
    return other.quantity == estimator.quantity and (estimator.facts.trains or not other.trains)


def _takes(facts: EstimatorFacts, shapes: Collection[Shape]) -> bool:
    if not {shape.kind for shape in shapes} <= {*facts.supports}:
        return False  # known without an import
    try:
        made = make_estimator(facts.example or facts.name)
    except InputError:  # of another package, and cannot be imported
        return False
    return all(made.unsupported(shape) is None for shape in shapes)


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


def column_called(name: str, column: int, names: Names, count: int) -> str:
    """What a message calls a column: x column 'bmi', x column 2, or only x where there is no other."""
    if names is not None:
        return f"{name} column {names[column]!r}".lstrip()
    return f"{name} column {column}".lstrip() if count > 1 else name
