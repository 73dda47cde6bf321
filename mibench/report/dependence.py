"""Estimators by order alone: whether the estimate grows with mutual information, whatever its quantity is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mibench import scoring
from mibench.execution.plan import make_task
from mibench.interface import InputError
from mibench.report import marked
from mibench.report.formats import Entry, Table, written
from mibench.report.tables import estimator_names
from mibench.rows.files import to_csv

Row = Mapping[str, Any]
_ORDERS = {"spearman": "Spearman", "kendall": "Kendall", "auc": "AUC", "saturation": "saturation"}


def table(rows: Sequence[Row], form: str = "latex", width: int | None = None) -> str:
    """Write a table for each n; CSV has one with every digit."""
    found = lines(rows)
    if all(line[order] is None for line in found for order in _ORDERS):
        raise InputError("there is no order to compare with: that takes 3 tasks of known MI, or an independent one")
    if form == "csv":
        return to_csv(found)
    return written(by_n(found), form, width)


def by_n(found: Sequence[Row]) -> list[Table]:
    """Lay out what `lines` found, a table for each n."""
    return [_laid_out([line for line in found if line["n"] == n]) for n in sorted({line["n"] for line in found})]


def lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what `mibench.scoring.association` says of each estimator at each n, the best rank correlation first.

    Estimators without any come last.
    The MI of a task that only estimators of another quantity were run on is computed here.
    """
    rows = marked(rows)
    known = {_law(row) for row in rows if row["quantity"] == "mi" and row["truth"] is not None}
    laws = dict.fromkeys(law for row in rows if (law := _law(row)) not in known)
    mi = {law: value for law in laws if (value := _true_mi(*law)) is not None}
    found = [
        {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in line.items()}
        for line in scoring.association(rows, mi).to_dict("records")
    ]
    names = estimator_names(found)
    named = [{**line, "name": name} for line, name in zip(found, names, strict=True)]
    return sorted(named, key=lambda line: (line["n"], math.inf if line["spearman"] is None else -line["spearman"]))


def _law(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in scoring.LAW)


def _true_mi(name: str, version: str, dim_x: int, dim_y: int) -> float | None:
    """Compute the MI of a task, or None where it is not known, or was another version's."""
    try:
        law = make_task(name, dim_x, dim_y).distribution
    except InputError:  # of somebody's own file, which is not here
        return None
    truth = law.ground_truth("mi") if law.version == version else None
    return None if truth is None or truth.low is not None else truth.value


def _laid_out(found: Sequence[Row]) -> Table:
    body = []
    for line in found:
        orders = [_rounded(line[key]) for key in _ORDERS]
        tasks, failures = (Entry(str(line[key]), number=line[key]) for key in ("tasks", "failures"))
        body.append((line["name"], (Entry(line["quantity"]), tasks, *orders, failures)))
    caption = (
        f"Order of mean estimates beside that of mutual information, n = {found[0]['n']}. Spearman's and Kendall's "
        "rank correlation over the tasks; AUC: the chance that a dependent task is estimated above an independent one "
        "of its size; saturation: 0 where estimates go on to grow over the upper half of tasks as over the lower, 1 "
        "where they have stopped. Failures: trials without an estimate."
    )
    return Table(caption, ("estimator", "quantity", "tasks", *_ORDERS.values(), "failures"), tuple(body))


def _rounded(value: float | None) -> Entry:
    return Entry("–") if value is None else Entry(f"{round(value, 2) + 0:.2f}", number=value)  # no -0.00
