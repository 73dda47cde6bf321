"""Each method over all its tasks, and the best on one task."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mibench.rows.row import Method, Task, method_of, task_of
from mibench.scoring.cell import LEVEL, Scores, known_only, records
from mibench.scoring.comparison import ranks

if TYPE_CHECKING:
    import pandas as pd

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item", bound=Mapping[str, Any])
_HALF = NormalDist().inv_cdf((1 + LEVEL) / 2)  # an interval of a score, in standard errors to each side


# ---------------------------------------------------------------------------------------------------------------------
# One score of a cell


class Measured(NamedTuple):
    """A score and its error, as shown; and the loss by which cells compete, less being better, with its own error."""

    value: float | None
    error: float | None
    loss: float | None
    loss_error: float | None


def measured(cell: Scores, score: str) -> Measured:
    """Return one of the scores mean, bias, rmse, sd, efficiency, solved, cost (median CPU seconds)."""
    bias = cell["bias"]
    if score == "mean":
        return Measured(cell["mean"], cell["sd"], _size(bias), cell["bias_se"])
    if score == "bias":
        return Measured(bias, cell["bias_se"], _size(bias), cell["bias_se"])
    if score == "cost":
        return Measured(cell["median_cpu_s"], None, cell["median_cpu_s"], 0.0)
    if score == "solved":
        return Measured(None if cell["solved"] is None else float(cell["solved"]), None, None, None)
    if score == "efficiency":
        value, error = cell["efficiency"], _efficiency_error(cell)
        return Measured(value, error, None if value is None else -value, error)
    value, error = (cell["rmse"], _rmse_error(cell)) if score == "rmse" else (cell["sd"], _sd_error(cell))
    return Measured(value, error, value, error)


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _rmse_error(cell: Scores) -> float | None:
    """Of normal errors with mean b and variance s^2: Var(mean squared error) = (2 s^4 + 4 b^2 s^2) / trials."""
    rmse, sd, bias = cell["rmse"], cell["sd"], cell["bias"]
    if rmse is None or sd is None or bias is None:
        return None
    return rmse and sd * math.sqrt((sd**2 / 2 + bias**2) / cell["ok"]) / rmse


def _sd_error(cell: Scores) -> float | None:
    """Of normal estimates."""
    return None if cell["sd"] is None else cell["sd"] / math.sqrt(2 * (cell["ok"] - 1))


def _efficiency_error(cell: Scores) -> float | None:
    low, high = cell["efficiency_low"], cell["efficiency_high"]
    return None if low is None or high is None else (high - low) / (2 * _HALF)


def best_of(cells: Sequence[Scores], score: str) -> list[Scores]:
    """Return the best of the cells of one task, and those that cannot be told from it.

    These are at most two standard errors away, those of the best one: with their own, an estimator that scatters wildly
    could be told from none. A cell takes part where all its trials are ok (one that fails on hard samples would look
    good on the others) and its standard error is known; one alone is no best.
    """
    taking_part = []
    for cell in cells:
        found = measured(cell, score)
        if found.loss is not None and found.loss_error is not None and cell["ok"] == cell["trials"]:
            taking_part.append((found.loss, found.loss_error, cell))
    if len(taking_part) < 2:
        return []
    least, its_error, _ = min(taking_part, key=lambda one: one[0])
    return [cell for loss, _, cell in taking_part if loss - least <= 2 * its_error]


def by_quantity(cells: Sequence[Item]) -> list[list[Item]]:
    """Group cells by the quantity that they estimate, mutual information first."""
    groups = grouped((cell["quantity"], cell) for cell in cells)
    return [groups[quantity] for quantity in sorted(groups, key=lambda quantity: quantity != "mi")]


def by_task(cells: Sequence[Item]) -> dict[Task, list[Item]]:
    """Group cells by their task."""
    return grouped((task_of(cell), cell) for cell in cells)


def grouped(pairs: Iterable[tuple[Key, Any]]) -> dict[Key, list[Any]]:
    """Collect the values of each key, keys and values in the order in which they come."""
    groups: dict[Key, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


# ---------------------------------------------------------------------------------------------------------------------
# All tasks of a method


@dataclass(frozen=True)
class Summary:
    """A method at one n over its `tasks`, in nats; None is what is not known.

    `solved` of the `known` tasks are solved, `share` of them. `rank` is that by RMSE on the `ranked` tasks, with its
    interval (`mibench.scoring.ranks`); medians are over tasks, that of the bias of its size.
    """

    quantity: str
    n: int
    method: Method
    tasks: int
    solved: int
    known: int
    share: float | None
    rank: float | None
    rank_low: float | None
    rank_high: float | None
    ranked: int
    median_bias: float | None
    median_rmse: float | None
    median_cpu_s: float | None
    trials: int
    ok: int
    failures: dict[str, int]


def summaries(cells: pd.DataFrame, *, ranked: pd.DataFrame | None = None) -> list[list[Summary]]:
    """Sum up each method at each n over its tasks, the best rank first: a list for each quantity and n.

    `ranked` are those of the cells that are ranked (default: of the methods that have all tasks of their n; of all
    where none has); methods that have none of them have no rank.
    """
    found, groups = records(cells), []
    if ranked is None:
        whole = having_all(found, found)
        ranked = cells[whole] if any(whole) else cells
    for group in by_quantity(found):
        places = _places(ranked, group[0]["quantity"])
        by_n = grouped((cell["n"], cell) for cell in group)
        for n in sorted(by_n):
            own = grouped((method_of(cell), cell) for cell in by_n[n])
            lines = [_summary(method, some, places.get((method, n), {})) for method, some in own.items()]
            groups.append(sorted(lines, key=lambda line: math.inf if line.rank is None else line.rank))
    return groups


def _places(ranked: pd.DataFrame, quantity: str) -> dict[tuple[Method, int], dict[str, Any]]:
    """Rank, its interval and the number of tasks, by method and n."""
    found = known_only(ranks(ranked, quantity=quantity))
    return {(method_of(line), line["n"]): line for line in found if line["tasks"]}


def _summary(method: Method, cells: Sequence[Scores], place: Mapping[str, Any]) -> Summary:
    verdicts = [cell["solved"] for cell in cells if cell["solved"] is not None]
    solved = verdicts.count(True)
    return Summary(
        quantity=cells[0]["quantity"],
        n=cells[0]["n"],
        method=method,
        tasks=len(cells),
        solved=solved,
        known=len(verdicts),
        share=solved / len(verdicts) if verdicts else None,
        rank=place.get("rank"),
        rank_low=place.get("rank_low"),
        rank_high=place.get("rank_high"),
        ranked=place.get("tasks", 0),
        median_bias=_median(_size(cell["bias"]) for cell in cells),
        median_rmse=_median(cell["rmse"] for cell in cells),
        median_cpu_s=_median(cell["median_cpu_s"] for cell in cells),
        trials=sum(cell["trials"] for cell in cells),
        ok=sum(cell["ok"] for cell in cells),
        failures=dict(sum((Counter(cell["failures"]) for cell in cells), Counter())),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def having_all(cells: Sequence[Scores], others: Sequence[Scores]) -> list[bool]:
    """Whether each cell is of a method that has all tasks that any of the others has at that n."""
    keys = [(method_of(cell), cell["n"]) for cell in cells]
    having = grouped(zip(keys, map(task_of, cells), strict=True))
    needed = grouped(((cell["quantity"], cell["n"]), task_of(cell)) for cell in others)
    return [
        set(having[key]) >= set(needed.get((cell["quantity"], cell["n"]), ()))
        for key, cell in zip(keys, cells, strict=True)
    ]
