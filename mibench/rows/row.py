"""What a row is: one trial with its outcome, in nats; and which rows belong together.

A row is plain JSON: it goes into the store, into files and out of them as it is. Three questions are answered here and
nowhere else: which rows are of the same *method* (an estimator as it was run), of the same *law* (a distribution), of
the same *task* (a law at one n), and so of the same *cell* (a method on a task).
"""

from __future__ import annotations

import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

Status = Literal["ok", "nonfinite", "error", "timeout", "crash", "oom", "skipped"]
STATUSES: tuple[Status, ...] = typing.get_args(Status)


class Row(TypedDict):
    """One trial: what was run, how it ended, what it gave, what it cost, and where it ran.

    `stale` is no column of the store, it is found when rows are read: whether other code made the row than is here,
    None where that cannot be told.
    """

    run_key: str
    attempt: int
    code: str
    estimator: str
    params: dict[str, Any]
    estimator_version: str
    distribution: str
    distribution_version: str
    dim_x: int
    dim_y: int
    n: int
    seed: int
    status: Status
    estimate: float | None
    low: float | None
    high: float | None
    level: float | None
    interval: str | None
    quantity: str
    bound: str
    truth: float | None
    truth_low: float | None
    truth_high: float | None
    truth_se: float | None
    truth_method: str | None
    oracle: float | None
    wall_s: float | None
    cpu_s: float | None
    batch_size: int | None
    peak_rss_mb: float | None
    device: str
    diagnostics: dict[str, Any]
    warnings: list[str]
    error_type: str | None
    error_text: str | None
    created_utc: str
    environment: str
    stale: NotRequired[bool | None]


class Outcome(TypedDict, total=False):
    """The columns of a row that are known when its trial has ended, as far as it came."""

    status: Status
    estimate: float | None
    low: float | None
    high: float | None
    level: float | None
    quantity: str
    bound: str
    truth: float | None
    truth_low: float | None
    truth_high: float | None
    truth_se: float | None
    truth_method: str | None
    oracle: float | None
    wall_s: float | None
    cpu_s: float | None
    batch_size: int | None
    peak_rss_mb: float | None
    diagnostics: dict[str, Any]
    warnings: list[str]
    error_type: str | None
    error_text: str | None


class Column(NamedTuple):
    """A column of the store or of a file: the type of its values, and whether it may be empty."""

    kind: Literal["text", "whole", "number", "json"]
    optional: bool


def _column(hint: Any) -> Column:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    first = typing.get_origin(options[0]) or options[0]
    kinds: dict[Any, Literal["text", "whole", "number", "json"]] = {
        int: "whole", float: "number", dict: "json", list: "json",
    }  # fmt: skip
    return Column(kinds.get(first, "text"), types.NoneType in options)


def columns_of(row: type) -> dict[str, Column]:
    """The columns of a kind of row, a `TypedDict`, in the order of its keys; `stale` is none."""
    return {name: _column(hint) for name, hint in typing.get_type_hints(row).items() if name != "stale"}


COLUMNS = columns_of(Row)


# ---------------------------------------------------------------------------------------------------------------------
# Which rows belong together


class Method(NamedTuple):
    """An estimator as it was run. `params` is JSON with sorted keys; `level` is None where no interval was asked for.

    An interval that an estimator gives unasked has a level too, which is no choice of the user's and so no part of it.
    """

    estimator: str
    params: str
    estimator_version: str
    device: str
    interval: str | None
    level: float | None
    stale: bool


class Law(NamedTuple):
    """A distribution at a size, as its samples are drawn."""

    distribution: str
    distribution_version: str
    dim_x: int
    dim_y: int


class Task(NamedTuple):
    """A law at one n: what estimators are compared on."""

    distribution: str
    distribution_version: str
    dim_x: int
    dim_y: int
    n: int


class Cell(NamedTuple):
    """A method on a task: its rows differ in the seed alone."""

    method: Method
    task: Task


def method_of(row: Mapping[str, Any]) -> Method:
    """The method of a row, or of a cell's scores."""
    level = None if row["interval"] is None else row["level"]
    return Method(
        row["estimator"], params_text(row["params"]), row["estimator_version"], row["device"], row["interval"], level,
        bool(row.get("stale")),
    )  # fmt: skip


def law_of(row: Mapping[str, Any]) -> Law:
    """The law of a row, or of a cell's scores."""
    return Law(row["distribution"], row["distribution_version"], row["dim_x"], row["dim_y"])


def task_of(row: Mapping[str, Any]) -> Task:
    """The task of a row, or of a cell's scores."""
    return Task(*law_of(row), row["n"])


def cell_of(row: Mapping[str, Any]) -> Cell:
    """The cell that a row belongs to."""
    return Cell(method_of(row), task_of(row))


def params_text(params: Mapping[str, Any] | str) -> str:
    """Write parameters as JSON with sorted keys, by which they are compared; a text is taken for such JSON."""
    if isinstance(params, str):
        return params
    return params.text if isinstance(params, Params) else json.dumps(params, sort_keys=True)


class Params(dict[str, Any]):
    """Parameters that were read: one mapping for all rows that have them, not to be changed, and written once."""

    @functools.cached_property
    def text(self) -> str:
        """What `params_text` writes."""
        return json.dumps(self, sort_keys=True)


@functools.cache
def params_of(text: str) -> Params:
    """Read parameters from JSON."""
    return Params(json.loads(text))


# ---------------------------------------------------------------------------------------------------------------------
# Plain values


def plain(value: Any) -> Any:
    """Turn a value into plain JSON: numbers that are not finite become None, arrays become lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).encode(errors="backslashreplace").decode()  # surrogates are no text that can be written
