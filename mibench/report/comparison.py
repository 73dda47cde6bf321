"""Estimators beside the reference rows as text: a line for each task, and each estimator over all tasks."""

from __future__ import annotations

import textwrap
from typing import Any

from mibench import display
from mibench.compare import ALPHA, Cell, Comparison
from mibench.display import STALE
from mibench.rows.units import in_units

_NOTHING = "–"


def text(found: Comparison, units: str = "nats", width: int | None = None) -> str:
    """Lay the comparison out as two tables."""
    return f"{_task_table(found, units, width)}\n\n{_summary_table(found, units, width)}"


def _task_table(found: Comparison, units: str, width: int | None) -> str:
    named = list(dict.fromkeys(name for task in found.tasks for name in task["named"]))
    several = len({task["yours"]["name"] for task in found.tasks}) > 1
    varies = len({task["yours"]["n"] for task in found.tasks}) > 1
    heads = [*(["estimator"] * several), "task", "dims", *(["n"] * varies), "truth", "mean", "bias ± se", "RMSE", "ok",
             "best reference", "its RMSE", *named]  # fmt: skip
    lines = []
    for task in found.tasks:
        (cell,) = in_units([task["yours"]], units)
        best = task["best"]
        lines.append(
            [
                *([cell["name"]] * several),
                cell["distribution"],
                f"{cell['dim_x']} x {cell['dim_y']}",
                *([str(cell["n"])] * varies),
                *(display.number(cell[key]) for key in ("truth", "mean")),
                display.with_error(cell["bias"], cell["bias_se"]),
                display.number(cell["rmse"]),
                f"{cell['ok']}/{cell['trials']} ok"
                + "".join(f", {count} {status}" for status, count in cell["failures"].items()),
                _NOTHING if best is None else best["name"],
                _rmse(best, units),
                *(_rmse(task["named"][name], units) for name in named),
            ]
        )
    who = "" if several else f"{found.tasks[0]['yours']['name']}, "
    best_of = "best reference: least RMSE of those whose trials are all ok"
    columns = f"; {', '.join(named)}: RMSE of the reference" if named else ""
    return display.table(heads, lines, f"{who}{units}; {best_of}{columns}", width)


def _rmse(cell: Cell | None, units: str) -> str:
    if cell is None:
        return _NOTHING
    if not cell["ok"]:
        status: str = max(cell["failures"], key=cell["failures"].get)
        return status
    (shown,) = in_units([cell], units)
    return display.number(shown["rmse"]) + (f" ({cell['ok']}/{cell['trials']} ok)" if cell["failures"] else "")


def _summary_table(found: Comparison, units: str, width: int | None) -> str:
    lines = [line for group in found.summary for line in group]
    mine = list(dict.fromkeys(line["estimator"] for line in lines if line["yours"]))
    varies = len({(line["quantity"], line["n"]) for line in lines}) > 1
    body: list[list[str]] = [
        [
            ("* " if line["yours"] else "") + line["estimator"],
            *([str(line["n"]), line["quantity"]] if varies else []),
            f"{line['solved']}/{line['known']}" if line["known"] else _NOTHING,
            _rank(line),
            *(_in_units(line, key, units) for key in ("median_bias", "median_rmse")),
            display.seconds(line["median_cpu_s"]),
            " to ".join(map(str, dict.fromkeys((line["seeds"][0], line["seeds"][-1])))),
            ", ".join(f"{count} {status}" for status, count in line["failures"].items()) or "0",
            *(_verdict(line["against"].get(name)) for name in mine),
        ]
        for line in lines
    ]
    heads = ["estimator", *(["n", "quantity"] if varies else []), "solved", "rank", "|bias|", "RMSE", "CPU time",
             "seeds", "not ok", *(f"{name} better, worse" for name in mine)]  # fmt: skip
    ranked = sorted({line["ranked"] for line in lines if line["rank"] is not None})
    over = f"{' or '.join(map(str, ranked))} task{'' if ranked == [1] else 's'}"
    facts = [
        f"*: yours. solved: {found.rule}.",
        f"rank: mean rank by RMSE over {over}, those without a result last; {_NOTHING}: some of these were not run."
        if ranked
        else "",
        f"|bias|, RMSE in {units}, CPU time: median over the tasks that it has.",
        "better, worse: tasks on which yours errs less, or more, on the same seeds (paired t test, Holm over the "
        f"tasks, level {ALPHA:g}).",
        f"{STALE}: stale, made by another version, and neither best nor ranked nor tested against."
        if any(STALE in line["estimator"] for line in lines)
        else "",
    ]
    caption = " ".join(fact for fact in facts if fact)
    return display.table(heads, body, textwrap.fill(caption, width or 120), width)


def _in_units(line: Cell, key: str, units: str) -> str:
    (shown,) = in_units([{"quantity": line["quantity"], "rmse": line[key]}], units)
    return display.number(shown["rmse"])


def _rank(line: Cell) -> str:
    if line["rank"] is None:
        return _NOTHING
    ends = "" if line["rank_low"] is None else f" ({line['rank_low']:.1f} to {line['rank_high']:.1f})"
    return f"{line['rank']:.1f}{ends}"


def _verdict(counts: dict[str, Any] | None) -> str:
    if counts is None or not counts["tested"]:
        return _NOTHING
    return f"{counts['better']}, {counts['worse']} of {counts['tested']}"
