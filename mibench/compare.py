"""Somebody's estimators beside the reference rows: theirs run on the same samples, the others are read.

Reference rows are stale where the version of their estimator is another than the one here: they are neither called
best, nor ranked, nor tested against. Those of another version of a task belong to other samples, and are left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench import runner, scoring, suites
from mibench.interface import InputError
from mibench.plan import Trial
from mibench.rows.row import Method, Row, Task, method_of, task_of
from mibench.rows.select import Filters, select
from mibench.scoring import Scores, Summary
from mibench.scoring.cell import read
from mibench.scoring.summary import grouped

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05  # of the tests of paired differences, after Holm's correction


@dataclass(frozen=True)
class Prepared:
    """The trials to run, the rows to put beside them, the methods asked for by name, and what to tell the user."""

    trials: list[Trial]
    reference: list[Row]
    named: list[Method]
    notes: list[str]
    gpu: str | None


def prepare(request: runner.Request, against: Sequence[str] = ()) -> Prepared:
    """Plan the request with the seeds that the reference rows have, and choose the rows for it; nothing is run.

    `against` names estimators of the reference. Where there is no row for any task it is an `InputError`.
    """
    once, notes, gpu = runner.plan(dataclasses.replace(request, seeds=1))
    filters = Filters(
        suites=request.suites or (runner.DEFAULT_SUITE,),
        dim_x=request.dim_x,
        dim_y=request.dim_y,
        n=sorted({trial.n for trial in once}),
        seeds=request.seeds,
        keep_stale=True,
    )
    facts = [trial.facts() for trial in once]
    rows, said = _reference_rows(filters, facts)
    kept, left_out = _comparable(rows, facts)
    if not kept:
        raise InputError(f"no reference row is left to compare with; {_available()}")
    there = set(map(_place, kept))
    lacking = _lacking(set(map(_place, facts)), there, several=len(filters.n) > 1)
    named = _named(dataclasses.replace(filters, estimators=against), there) if against else []
    count = request.seeds or 1 + max(row["seed"] for row in kept)
    trials = [dataclasses.replace(trial, seed=seed) for trial in once for seed in range(count)]
    return Prepared(trials, kept, named, [*said, *notes, *left_out, *lacking], gpu)


def _named(filters: Filters, places: Collection[Task]) -> list[Method]:
    """The methods of the reference that are asked for."""
    rows, _ = select(filters, shipped=True)
    return list(dict.fromkeys(method_of(row) for row in rows if _place(row) in places))


def _place(row: Mapping[str, Any]) -> Task:
    """The task of a row, whichever version of it."""
    return task_of(row)._replace(distribution_version="")


def _reference_rows(filters: Filters, facts: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[str]]:
    """Read the reference rows for trials that have these facts."""
    places, quantities = set(map(_place, facts)), {row["quantity"] for row in facts}
    asked = f"suite {', '.join(filters.suites)} at n = {', '.join(map(str, filters.n))}"
    rows: list[Row] = []
    notes: list[str] = []
    with contextlib.suppress(InputError):
        rows, notes = select(filters, shipped=True)
    here = [row for row in rows if _place(row) in places and row["interval"] is None]
    if not here:
        size = "" if filters.dim_x is None else f", dim {filters.dim_x}"
        raise InputError(f"there are no reference rows of {asked}{size}; {_available()}")
    there = {row["quantity"] for row in here}
    if not there & quantities:
        raise InputError(f"the reference rows of {asked} estimate {_listed(there)}, yours {_listed(quantities)}")
    return [row for row in here if row["quantity"] in quantities], notes


def _comparable(rows: Sequence[Row], facts: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[str]]:
    """Leave out the rows of other samples than those of the trials that have these facts, and of the same methods."""
    kept, others, again = [], [], set()
    tasks, own = set(map(task_of, facts)), set(map(method_of, facts))
    for row in rows:
        other, same = task_of(row) not in tasks, method_of(row) in own
        if other:
            others.append(row["distribution"])
        if same:
            again.add(row["estimator"])
        if not other and not same:
            kept.append(row)
    notes = []
    if others:
        notes.append(f"{len(others)} reference rows are left out: of another version of {_listed(set(others))}")
    if again:
        notes.append(f"the reference rows of {_listed(again)} are left out: yours are of the same name and version")
    return kept, notes


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _lacking(asked: set[Task], there: set[Task], *, several: bool) -> list[str]:
    """Say which tasks have no reference rows; with their n where there are several."""
    without = sorted(asked - there)
    if not without:
        return []
    names = ", ".join(f"{task.distribution} at n = {task.n}" if several else task.distribution for task in without)
    return [f"{len(without)} of {len(asked)} tasks have no reference rows: {names}"]


def _available() -> str:
    """Say which suites have reference rows, at which n and, where a suite takes them, dimensions."""
    rows, _ = select(Filters(keep_stale=True), shipped=True)
    found = {_place(row) for row in rows}
    sizes = sorted({task.n for task in found})
    parts = [_available_of(name, n, found) for name in suites.names() for n in sizes]
    return f"there are {'; '.join(part for part in parts if part)}"


def _available_of(suite: str, n: int, found: set[Task]) -> str:
    tasks = {task.name for task in suites.load(suite).tasks}
    there = [task for task in found if task.distribution in tasks and task.n == n]
    held, sizes = {task.distribution for task in there}, sorted({(task.dim_x, task.dim_y) for task in there})
    if not held:
        return ""
    every = len(there) == len(held) * len(sizes)
    dims = f" at {', '.join(f'{x} x {y}' for x, y in sizes)}" if every else ""
    part = "" if len(held) == len(tasks) else f" ({len(held)} of {len(tasks)} tasks)"
    return f"{suite}{dims}, n = {n}{part}"


# ---------------------------------------------------------------------------------------------------------------------
# Side by side


@dataclass(frozen=True)
class Counts:
    """On how many of the `tested` tasks an estimator is better than another, and on how many it is worse."""

    better: int
    worse: int
    tested: int


@dataclass(frozen=True)
class Beside:
    """A cell of theirs, that of the best reference on the task, and those of all references by their method."""

    yours: Scores
    best: Scores | None
    others: Mapping[Method, Scores]


Pair = tuple[Method, Method, int]


@dataclass(frozen=True)
class Comparison:
    """Scores side by side.

    `yours` are the methods of theirs, `cells` those of both; `named` are the references asked for. `summary` is that of
    `mibench.scoring.summaries`, and `against` counts by (theirs, reference, n) on how many tasks theirs is better or
    worse. `rule` is that by which tasks count as solved.
    """

    yours: tuple[Method, ...]
    cells: list[Scores]
    named: list[Method]
    tasks: list[Beside]
    summary: list[list[Summary]]
    against: dict[Pair, Counts]
    rule: scoring.Solved


def beside(
    rows: Sequence[Row],
    reference: Sequence[Row],
    named: Sequence[Method] = (),
    rule: scoring.Solved = scoring.DEFAULT_RULE,
) -> Comparison:
    """Put rows beside reference rows, each of which says whether it is `stale`.

    The best reference of a task has the least RMSE of those that are not stale and whose trials are all ok. Ranks are
    over the tasks that have reference rows, among the estimators that have all of these. Better or worse is what the
    paired t test of |error| on the same seeds says (`mibench.scoring.paired_differences`) at the level `ALPHA`, by
    Holm's correction over the tasks of one reference estimator.
    """
    own = fresh(rows)
    yours = tuple(dict.fromkeys(map(method_of, own)))
    both = read([*own, *reference], "seed")  # once, for scores and tests
    frame = scoring.cells(both, solved=rule)
    cells = scoring.records(frame)
    others = [cell for cell in cells if method_of(cell) not in yours]
    summary = scoring.summaries(frame, ranked=frame[_ranked(cells, others, yours)])
    against = _tests(both[~both["stale"]], yours)
    groups = grouped(((cell["quantity"], task_of(cell)), cell) for cell in others)
    tasks = [
        _beside(cell, groups.get((cell["quantity"], task_of(cell)), [])) for cell in cells if method_of(cell) in yours
    ]
    there = set(map(method_of, others))
    return Comparison(yours, cells, [method for method in named if method in there], tasks, summary, against, rule)


def fresh(rows: Sequence[Row]) -> list[Row]:
    """Return rows that were just run, none of which is stale."""
    return [{**row, "stale": False} for row in rows]


def _ranked(cells: Sequence[Scores], others: Sequence[Scores], yours: Collection[Method]) -> list[bool]:
    """Whether each cell is ranked: of an estimator that is not stale and has all tasks of its n that any other has."""
    whole = scoring.having_all(cells, [cell for cell in others if not cell["stale"]])
    return [
        method_of(cell) in yours or (has_all and not cell["stale"]) for cell, has_all in zip(cells, whole, strict=True)
    ]


def _beside(cell: Scores, others: Sequence[Scores]) -> Beside:
    """Collect what stands beside one cell of theirs."""
    fit = [(one["rmse"], one) for one in others if one["rmse"] is not None and one["ok"] == one["trials"]]
    _, best = min((one for one in fit if not one[1]["stale"]), key=lambda one: one[0], default=(None, None))
    return Beside(cell, best, {method_of(one): one for one in others})


def _tests(rows: pd.DataFrame, yours: Collection[Method]) -> dict[Pair, Counts]:
    """Count by (theirs, reference, n) the tasks on which theirs errs less, or more, of those that could be tested."""
    pairs: dict[Pair, list[tuple[float, float]]] = {}
    for quantity in rows["quantity"].unique():
        for line in scoring.paired_differences(rows, quantity=quantity, of=yours).to_dict("records"):
            a, b = (method_of({name: line[f"{name}_{side}"] for name in Method._fields}) for side in "ab")
            # Theirs come first in the rows.
            pairs.setdefault((a, b, line["n"]), []).append((line["p"], line["difference"]))
    return {pair: _counts(np.array(found, dtype=float)) for pair, found in pairs.items()}


def _counts(tests: np.ndarray[Any, Any]) -> Counts:
    """Count what is sure among tests, rows of (p, difference)."""
    p, difference = tests.T
    sure = scoring.holm(p) <= ALPHA
    return Counts(int((sure & (difference < 0)).sum()), int((sure & (difference > 0)).sum()), int(np.isfinite(p).sum()))
