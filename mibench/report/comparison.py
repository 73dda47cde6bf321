"""Estimators beside the reference rows: a line for each task, and each estimator over all tasks."""

from __future__ import annotations

import dataclasses
import itertools
import textwrap
from typing import Any

from mibench import display
from mibench.compare import ALPHA, Beside, Comparison, Counts
from mibench.display import NOTHING
from mibench.names import STALE, estimator_names
from mibench.report import tables
from mibench.rows.row import Method, method_of
from mibench.rows.units import in_units
from mibench.scoring import Scores, Summary
from mibench.scoring.summary import grouped


def to_records(found: Comparison, units: str = "nats") -> dict[str, Any]:
    """Return what `--format json` prints of a comparison: its cells, and each estimator over all tasks, in nats."""
    names = _names(found)
    cells = [
        {**cell, "name": names[method_of(cell)], "yours": method_of(cell) in found.yours}
        for cell in in_units(found.cells, units)
    ]
    seeds = _seeds(found)
    lines = [
        [
            tables.record(one, names)
            | {"yours": one.method in found.yours, "seeds": seeds[one.method, one.n]}
            | {"against": _against(found, one, names)}
            for one in group
        ]
        for group in found.summary
    ]
    return {"summary": cells, "estimators": lines}


def _against(found: Comparison, one: Summary, names: dict[Method, str]) -> dict[str, dict[str, int]]:
    """What the tests of theirs against this one say."""
    tests = {names[mine]: found.against.get((mine, one.method, one.n)) for mine in found.yours}
    return {name: dataclasses.asdict(counts) for name, counts in tests.items() if counts is not None}


def _names(found: Comparison) -> dict[Method, str]:
    return dict(zip(map(method_of, found.cells), estimator_names(found.cells), strict=True))


def _seeds(found: Comparison) -> dict[tuple[Method, int], list[int]]:
    """How many seeds the cells of a method have at an n."""
    trials = grouped(((method_of(cell), cell["n"]), cell["trials"]) for cell in found.cells)
    return {key: sorted(set(counts)) for key, counts in trials.items()}


def text(found: Comparison, units: str = "nats", width: int | None = None) -> str:
    """Lay the comparison out as two tables."""
    names = _names(found)
    return f"{_task_table(found, names, units, width)}\n\n{_summary_table(found, names, units, width)}"


def _task_table(found: Comparison, names: dict[Method, str], units: str, width: int | None) -> str:
    mine = {names[method_of(task.yours)] for task in found.tasks}
    several, varies = len(mine) > 1, len({task.yours["n"] for task in found.tasks}) > 1
    lines = []
    for task in found.tasks:
        columns = {"estimator": names[method_of(task.yours)]} if several else {}
        columns |= _of_theirs(task, units, n=varies)
        columns["best reference"] = NOTHING if task.best is None else names[method_of(task.best)]
        columns["its RMSE"] = _rmse(task.best, units)
        columns |= {names[method]: _rmse(task.others.get(method), units) for method in found.named}
        lines.append(columns)
    caption = f"{units}; best reference: least RMSE of those whose trials are all ok"
    if not several:
        caption = f"{mine.pop()}, {caption}"
    if found.named:
        caption += f"; {', '.join(names[method] for method in found.named)}: RMSE of the reference"
    return display.table(list(lines[0]), [list(columns.values()) for columns in lines], caption, width)


def _of_theirs(task: Beside, units: str, *, n: bool) -> dict[str, str]:
    (cell,) = in_units([task.yours], units)
    columns = {"task": cell["distribution"], "dims": f"{cell['dim_x']} x {cell['dim_y']}"}
    if n:
        columns["n"] = str(cell["n"])
    return columns | {
        "truth": display.number(cell["truth"]),
        "mean": display.number(cell["mean"]),
        "bias ± se": display.with_error(cell["bias"], cell["bias_se"]),
        "RMSE": display.number(cell["rmse"]),
        "ok": display.ok_of(cell),
    }


def _rmse(cell: Scores | None, units: str) -> str:
    if cell is None:
        return NOTHING
    if not cell["ok"]:
        return max(cell["failures"], key=cell["failures"].__getitem__)
    (shown,) = in_units([cell], units)
    return display.number(shown["rmse"]) + (f" ({cell['ok']}/{cell['trials']} ok)" if cell["failures"] else "")


def _summary_table(found: Comparison, names: dict[Method, str], units: str, width: int | None) -> str:
    lines = list(itertools.chain.from_iterable(found.summary))
    mine = [method for method in dict.fromkeys(one.method for one in lines) if method in found.yours]
    varies = len(found.summary) > 1  # in n, or in quantity
    seeds, body = _seeds(found), []
    for one in lines:
        columns = {"estimator": f"* {names[one.method]}" if one.method in mine else names[one.method]}
        if varies:
            columns |= {"n": str(one.n), "quantity": one.quantity}
        columns |= _of_all_tasks(one, seeds[one.method, one.n], units)
        for method in mine:
            columns[f"{names[method]} better, worse"] = _verdict(found.against.get((method, one.method, one.n)))
        body.append(columns)
    caption = textwrap.fill(_summary_caption(found, lines, units), width or 120)
    return display.table(list(body[0]), [list(columns.values()) for columns in body], caption, width)


def _of_all_tasks(one: Summary, seeds: list[int], units: str) -> dict[str, str]:
    shown = tables.shown_in(one, units)
    ends = tables.rank_ends(one)
    return {
        "solved": tables.solved_of(one),
        "rank": NOTHING if one.rank is None else f"{one.rank:.1f}{ends and f' ({ends})'}",
        "|bias|": display.number(shown.median_bias),
        "RMSE": display.number(shown.median_rmse),
        "CPU time": display.seconds(one.median_cpu_s),
        "seeds": str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "not ok": display.counts(one.failures) or "0",
    }


def _summary_caption(found: Comparison, lines: list[Summary], units: str) -> str:
    facts = [f"*: yours. solved: {found.rule}."]
    ranked = sorted({one.ranked for one in lines if one.rank is not None})
    if ranked:
        over = f"{' or '.join(map(str, ranked))} task{'' if ranked == [1] else 's'}"
        facts.append(
            f"rank: mean rank by RMSE over {over}, those without a result last; {NOTHING}: some of these were not run."
        )
    facts += [
        f"|bias|, RMSE in {units}, CPU time: median over the tasks that it has.",
        "better, worse: tasks on which yours errs less, or more, on the same seeds (paired t test, Holm over the "
        f"tasks, level {ALPHA:g}).",
    ]
    if any(one.method.stale for one in lines):
        facts.append(f"{STALE}: stale, made by another version, and neither best nor ranked nor tested against.")
    return " ".join(facts)


def _verdict(counts: Counts | None) -> str:
    if counts is None or not counts.tested:
        return NOTHING
    return f"{counts.better}, {counts.worse} of {counts.tested}"
