"""Somebody's estimators beside the reference rows: theirs run on the same samples, the others are read.

Reference rows are stale where the version of their estimator is another than the one here: they carry a dagger, and are
neither called best, nor ranked, nor tested against. Those of another version of a task belong to other samples, and are
left out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench import scoring, suites
from mibench.display import STALE
from mibench.execution.plan import DEFAULT_SUITE, Request, Trial, plan
from mibench.interface import InputError
from mibench.report import marked, tables
from mibench.rows.select import Filters, select

Row = Mapping[str, Any]
Cell = Mapping[str, Any]
Method = tuple[str, str, str, str, bool]
_METHOD = ("estimator", "params", "estimator_version", "device")
ALPHA = 0.05  # of the tests of paired differences, after Holm's correction


@dataclass(frozen=True)
class Prepared:
    """The trials to run, the rows to put beside them, the methods asked for by name, and what to tell the user."""

    trials: list[Trial]
    reference: Sequence[Row]
    named: list[tuple[str, str]]
    notes: list[str]
    gpu: str | None


def prepare(request: Request, against: Sequence[str] = ()) -> Prepared:
    """Plan the request with the seeds that the reference rows have, and choose the rows for it; nothing is run.

    `against` names estimators of the reference. Where there is no row for any task it is an `InputError`.
    """
    once, notes, gpu = plan(dataclasses.replace(request, seeds=1))
    filters = Filters(
        suites=request.suites or (DEFAULT_SUITE,),
        dim_x=request.dim_x,
        dim_y=request.dim_y,
        n=sorted({trial.n for trial in once}),
        seeds=request.seeds,
        keep_stale=True,
    )
    quantities = {trial.estimator.quantity for trial in once}
    laws = {_place(trial): trial.task.distribution.version for trial in once}
    rows, said = _reference_rows(filters, laws, quantities)
    versions = [row for row in rows if row["distribution_version"] != laws[_where(row)]]
    if versions:
        names = ", ".join(sorted({row["distribution"] for row in versions}))
        notes.append(f"{len(versions)} reference rows are left out: of another version of {names}")
    own = {_method({**trial.facts(), "stale": False}) for trial in once}
    again = sorted({row["estimator"] for row in rows if _method(row) in own})
    if again:
        notes.append(f"the reference rows of {', '.join(again)} are left out: yours are of the same name and version")
    kept = [row for row in rows if row["distribution_version"] == laws[_where(row)] and _method(row) not in own]
    if not kept:
        raise InputError(f"no reference row is left to compare with; {_available()}")
    places = {_where(row) for row in kept}
    without = sorted(laws.keys() - places)
    if without:
        said_of = ", ".join(f"{name} at n = {n}" if len(filters.n) > 1 else name for name, *_, n in without)
        notes.append(f"{len(without)} of {len(laws)} tasks have no reference rows: {said_of}")
    chosen = select(dataclasses.replace(filters, estimators=against), shipped=True)[0] if against else []
    named = list(dict.fromkeys(_method(row)[:2] for row in chosen if _where(row) in places))
    count = request.seeds or 1 + max(row["seed"] for row in kept)
    trials = [dataclasses.replace(trial, seed=seed) for trial in once for seed in range(count)]
    return Prepared(trials, kept, named, [*said, *notes], gpu)


def _reference_rows(
    filters: Filters, laws: Mapping[tuple[str, int, int, int], str], quantities: set[str]
) -> tuple[Sequence[Row], list[str]]:
    asked = f"suite {', '.join(filters.suites)} at n = {', '.join(map(str, filters.n))}"
    try:
        rows, notes = select(filters, shipped=True)
    except InputError:
        rows, notes = [], []
    here = [row for row in rows if _where(row) in laws and row["interval"] is None]
    if not here:
        sizes = "".join(f", dim {size}" for size in [filters.dim_x] if size is not None)
        raise InputError(f"there are no reference rows of {asked}{sizes}; {_available()}")
    comparable = [row for row in here if row["quantity"] in quantities]
    if not comparable:
        there = ", ".join(sorted({row["quantity"] for row in here}))
        raise InputError(f"the reference rows of {asked} estimate {there}, yours {', '.join(sorted(quantities))}")
    return comparable, notes


def _available() -> str:
    """Say which suites have reference rows, at which n and, where a suite takes them, dimensions."""
    rows, _ = select(Filters(keep_stale=True), shipped=True)
    found = {_where(row) for row in rows}
    parts = []
    for name in suites.names():
        tasks = {task.name for task in suites.load(name).tasks}
        for n in sorted({n for *_, n in found}):
            there = {(task, (x, y)) for task, x, y, at in found if task in tasks and at == n}
            held, sizes = {task for task, _ in there}, sorted({size for _, size in there})
            if not held:
                continue
            every = len(there) == len(held) * len(sizes)
            dims = f" at {', '.join(f'{x} x {y}' for x, y in sizes)}" if every else ""
            part = "" if len(held) == len(tasks) else f" ({len(held)} of {len(tasks)} tasks)"
            parts.append(f"{name}{dims}, n = {n}{part}")
    return f"there are {'; '.join(parts)}"


def _place(trial: Trial) -> tuple[str, int, int, int]:
    law = trial.task.distribution
    return trial.task.name, law.dim_x, law.dim_y, trial.n


def _where(row: Row) -> tuple[str, int, int, int]:
    return row["distribution"], row["dim_x"], row["dim_y"], row["n"]


def _method(row: Row) -> Method:
    """What is one estimator among rows without intervals."""
    name, params, version, device = (row[key] for key in _METHOD)
    return name, json.dumps(params, sort_keys=True), version, device, bool(row.get("stale"))


# ---------------------------------------------------------------------------------------------------------------------
# Side by side


@dataclass(frozen=True)
class Comparison:
    """Scores side by side, None for what is not known.

    `cells` are those of both, each with its `name`, `yours` and `stale`. `tasks` has for each task and estimator of
    theirs the cell (`yours`), that of the best reference (`best`) and of those asked for (`named`, by name). `summary`
    is a list for each quantity and n, as `mibench.report.tables.summaries` has it, with `yours`, the numbers of
    `seeds`, and `against`: by the name of an estimator of theirs, on how many tasks it is `better` or `worse` of those
    `tested`. `rule` is that by which tasks count as solved.
    """

    cells: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    summary: list[list[dict[str, Any]]]
    rule: scoring.Solved


def beside(
    rows: Sequence[Row],
    reference: Sequence[Row],
    named: Sequence[tuple[str, str]] = (),
    rule: scoring.Solved = scoring.DEFAULT_RULE,
) -> Comparison:
    """Put rows beside reference rows, each of which says whether it is `stale`.

    The best reference of a task has the least RMSE of those that are not stale and whose trials are all ok. Ranks are
    over the tasks that have reference rows, among the estimators that have all of these. Better or worse is what the
    paired t test of |error| on the same seeds says (`mibench.scoring.paired_differences`) at the level `ALPHA`, by
    Holm's correction over the tasks of one reference estimator.
    """
    yours = {_method({**row, "stale": False}) for row in rows}
    both = marked([*({**row, "stale": False} for row in rows), *reference])
    frame = scoring.cells(both, solved=rule)
    cells = tables.records(frame)
    keys = [_key(cell) for cell in cells]
    for cell, key in zip(cells, keys, strict=True):
        cell |= {"yours": key in yours, "stale": key[-1]}
    names = dict(zip(keys, (cell["name"] for cell in cells), strict=True))
    summary = tables.summaries(frame, ranked=frame[_ranked(cells)])
    tests = _tests([row for row in both if not _is_stale(row)], yours)
    key_of = {name: key for key, name in names.items()}
    for line in (line for group in summary for line in group):
        own = [cell for cell in cells if cell["name"] == line["estimator"] and cell["n"] == line["n"]]
        pairs = {names[key]: (key, key_of[line["estimator"]], line["n"]) for key in names if key in yours}
        line |= {"yours": own[0]["yours"], "seeds": sorted({cell["trials"] for cell in own})}
        line["against"] = {name: tests[pair] for name, pair in pairs.items() if pair in tests}
    columns = list(dict.fromkeys(names[key] for kind in named for key in names if key[:2] == kind and key not in yours))
    others: dict[Any, list[Cell]] = {}
    for cell in cells:
        if not cell["yours"]:
            others.setdefault(_task_of(cell), []).append(cell)
    tasks = [_beside(cell, others.get(_task_of(cell), []), columns) for cell in cells if cell["yours"]]
    return Comparison(cells, tasks, summary, rule)


def _is_stale(row: Row) -> bool:
    return STALE in row["estimator"]


def _task_of(cell: Cell) -> Any:
    return cell["quantity"], tables.task_of(cell)


def _ranked(cells: Sequence[Cell]) -> list[bool]:
    """Whether each cell is ranked: of an estimator that is not stale and has all tasks of its n that any other has."""
    whole = tables.having_all(cells, [cell for cell in cells if not cell["yours"] and not cell["stale"]])
    return [cell["yours"] or (one and not cell["stale"]) for cell, one in zip(cells, whole, strict=True)]


def _key(cell: Cell) -> Method:
    return _method({**cell, "estimator": cell["estimator"].removesuffix(STALE), "stale": _is_stale(cell)})


def _beside(cell: Cell, others: Sequence[Cell], columns: Sequence[str]) -> dict[str, Any]:
    """Collect what stands beside one cell of theirs."""
    fit = [one for one in others if not one["stale"] and one["ok"] == one["trials"] and one["rmse"] is not None]
    there = {one["name"]: one for one in others}
    best = min(fit, key=lambda one: one["rmse"], default=None)
    return {"yours": cell, "best": best, "named": {name: there.get(name) for name in columns}}


def _tests(rows: Sequence[Row], yours: set[Method]) -> dict[tuple[Method, Method, int], dict[str, int]]:
    """Count by (theirs, reference, n) the tasks on which theirs errs less, or more, of those that could be tested."""
    pairs: dict[tuple[Method, Method, int], list[tuple[float, float]]] = {}
    for quantity in {row["quantity"] for row in rows}:
        for pair in scoring.paired_differences(rows, quantity=quantity).to_dict("records"):
            a, b = (_method({name: pair[f"{name}_{side}"] for name in _METHOD}) for side in ("a", "b"))
            if a in yours and b not in yours:  # theirs come first in the rows
                pairs.setdefault((a, b, pair["n"]), []).append((pair["p"], pair["difference"]))
    counts = {}
    for key, found in pairs.items():
        p, difference = np.array(found, dtype=float).T
        sure = scoring.holm(p) <= ALPHA
        counts[key] = {
            "better": int((sure & (difference < 0)).sum()),
            "worse": int((sure & (difference > 0)).sum()),
            "tested": int(np.isfinite(p).sum()),
        }
    return counts
