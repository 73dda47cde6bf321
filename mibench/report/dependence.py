"""Estimators by order alone: whether the estimate grows with mutual information, whatever its quantity is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mibench import display, scoring
from mibench.interface import InputError
from mibench.names import estimator_names
from mibench.report.formats import Entry, Table, written
from mibench.rows.files import to_csv
from mibench.scoring import Order


class Named(Order):
    """How a method's estimates are ordered, under the name that tells it from the others."""

    name: str


_HEADS = ("estimator", "quantity", "tasks", "Spearman", "Kendall", "AUC", "saturation", "failures")


def table(rows: Sequence[Mapping[str, Any]], form: str = "latex", width: int | None = None) -> str:
    """Write a table for each n; CSV has one with every digit."""
    found = lines(rows)
    if all(order is None for line in found for order in _orders(line)):
        raise InputError("there is no order to compare with: that takes 3 tasks of known MI, or an independent one")
    if form == "csv":
        return to_csv(found)
    return written(by_n(found), form, width)


def by_n(found: Sequence[Named]) -> list[Table]:
    """Lay out what `lines` found, a table for each n."""
    return [_laid_out([line for line in found if line["n"] == n]) for n in sorted({line["n"] for line in found})]


def lines(rows: Sequence[Mapping[str, Any]]) -> list[Named]:
    """Return what `mibench.scoring.orders` says of each estimator at each n, with its name."""
    found = scoring.orders(rows)
    return [{**line, "name": name} for line, name in zip(found, estimator_names(found), strict=True)]


def _laid_out(found: Sequence[Named]) -> Table:
    body = []
    for line in found:
        orders = map(_rounded, _orders(line))
        tasks, failures = (Entry(str(count), number=count) for count in (line["tasks"], line["failures"]))
        body.append((line["name"], (Entry(line["quantity"]), tasks, *orders, failures)))
    caption = (
        f"Order of mean estimates beside that of mutual information, n = {found[0]['n']}. Spearman's and Kendall's "
        "rank correlation over the tasks; AUC: the chance that a dependent task is estimated above an independent one "
        "of its size; saturation: 0 where estimates go on to grow over the upper half of tasks as over the lower, 1 "
        "where they have stopped. Failures: trials without an estimate."
    )
    return Table(caption, _HEADS, tuple(body))


def _orders(line: Order) -> tuple[float | None, ...]:
    return line["spearman"], line["kendall"], line["auc"], line["saturation"]


def _rounded(value: float | None) -> Entry:
    return Entry(display.NOTHING) if value is None else Entry(f"{round(value, 2) + 0:.2f}", number=value)  # no -0.00
