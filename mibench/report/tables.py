"""Tables of what was measured, as LaTeX, Markdown, HTML or CSV: pure functions from cells to text.

A cell is what `mibench.scoring.cells` makes of the trials of one estimator on one task. A table holds one quantity:
estimates of another one stand in a table of their own, and are compared with nothing in this one.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mibench import display, scoring
from mibench.display import STALE
from mibench.interface import InputError
from mibench.report import FORMATS, SCORES
from mibench.report.formats import Entry, Table, written
from mibench.rows.files import to_csv
from mibench.rows.units import in_units, unit_of

if TYPE_CHECKING:
    import pandas as pd

Cell = Mapping[str, Any]
Columns = Literal["tasks", "estimators"]
_BOLD = (
    "Bold: the best of a task, and what lies within two standard errors of it, its own; only where every trial is ok."
)
_NOTHING = "–"
_MOST_DECIMALS = 4
_HALF = NormalDist().inv_cdf((1 + scoring.LEVEL) / 2)  # an interval of a score, in standard errors to each side


def table(
    cells: pd.DataFrame,
    score: str = "mean",
    form: str = "latex",
    *,
    columns: Columns | None = None,
    units: str = "nats",
    rule: str = "",
    width: int | None = None,
) -> str:
    """Write estimators x tasks, one table for each quantity; or each estimator over all its tasks ("summary").

    (`mibench.report.dependence` writes the table of that name, which takes rows.)

    `form` is one of `FORMATS`. `columns` says what goes across (default: the fewer of the two), `rule` in words when a
    task counts as solved, `width` what the lines of a plain "table" may take. CSV has a line for each cell instead of a
    grid, with every digit.
    """
    if form not in FORMATS or score not in SCORES or score == "dependence":
        raise InputError(f"a table is {', '.join(FORMATS)} of {', '.join(SCORES)}, not {form} of {score}")
    if score == "summary":
        groups = summaries(cells, units)
        if form == "csv":
            return to_csv([line for group in groups for line in group])
        tables = [summary(group, rule, units) for group in groups]
    else:
        found = records(cells)
        if form == "csv":
            return to_csv(_cell_lines(found, score, units))
        tables = [grid(group, score, columns, units, rule) for group in by_quantity(found) if _has(group, score)]
    if not tables:
        raise InputError(f"there is no {score} to show for these rows; --score mean needs neither truth nor two seeds")
    return written(tables, form, width)


def records(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the cells as mappings; what is not known is None, and `name` tells their estimators apart."""
    found = _known_only(cells)
    return [{**cell, "name": name} for cell, name in zip(found, estimator_names(found), strict=True)]


def estimator_names(cells: Sequence[Cell]) -> list[str]:
    """Name each cell's estimator, with whatever tells it from others of its name: parameters, version, device, ..."""
    found = display.estimator_labels(cells)
    marks: list[Callable[[Cell], str]] = [
        lambda cell: f"v{cell['estimator_version']}",
        lambda cell: str(cell["device"]),
        lambda cell: "no interval" if cell["interval"] is None else f"{cell['interval']} {cell['level']:g}",
    ]
    for mark in marks:
        seen: dict[str, set[str]] = {}
        bare = [name.replace(STALE, "") for name in found]  # stale rows and today's: of which versions?
        for name, cell in zip(bare, cells, strict=True):
            seen.setdefault(name, set()).add(mark(cell))
        found = [
            f"{name} ({mark(cell)})" if len(seen[key]) > 1 else name
            for key, name, cell in zip(bare, found, cells, strict=True)
        ]
    return found


def by_quantity(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Group cells by the quantity that they estimate, mutual information first."""
    quantities = dict.fromkeys(cell["quantity"] for cell in cells)
    ordered = sorted(quantities, key=lambda quantity: quantity != "mi")
    return [[cell for cell in cells if cell["quantity"] == quantity] for quantity in ordered]


# ---------------------------------------------------------------------------------------------------------------------
# Estimators x tasks


def grid(
    cells: Sequence[Cell], score: str = "mean", columns: Columns | None = None, units: str = "nats", rule: str = ""
) -> Table:
    """Lay out the cells of one quantity."""
    tasks = _tasks(cells)
    by_task = {task: [cell for cell in cells if task_of(cell) == task] for task in tasks}
    names = list(dict.fromkeys(cell["name"] for cell in cells))
    best = {id(cell) for group in by_task.values() for cell in best_of(group, score)}
    entries: dict[tuple[Hashable, str], Entry] = {}
    for cell in cells:
        entries[task_of(cell), cell["name"]] = entry(cell, score, units, best=id(cell) in best)
    if score in _EXTRA:
        extra, write = _EXTRA[score]
        # Failed trials have no sample, nor always a truth: what the estimator with most trials knows.
        known = {task: write(max(group, key=_knows), units) for task, group in by_task.items()}
        if any(one.number is not None for one in known.values()):
            names = [extra, *names] if extra == "truth" else [*names, extra]
            entries |= {(task, extra): one for task, one in known.items()}
    across = columns or ("estimators" if len(tasks) > len(names) else "tasks")
    nothing = Entry(_NOTHING)
    if across == "tasks":
        heads: tuple[str, ...] = ("estimator", *tasks.values())
        lines = [(name, tuple(entries.get((task, name), nothing) for task in tasks)) for name in names]
    else:
        heads = ("task", *names)
        lines = [(label, tuple(entries.get((task, name), nothing) for name in names)) for task, label in tasks.items()]
    return Table(_caption(cells, score, units, rule, bold=bool(best)), heads, tuple(lines))


def task_of(cell: Cell) -> Hashable:
    """What makes two cells comparable: the same law and the same n."""
    return tuple(cell[key] for key in ("distribution", "distribution_version", "dim_x", "dim_y", "n"))


def _tasks(cells: Sequence[Cell]) -> dict[Hashable, str]:
    """Label each task by its name, by n where it varies, and by size and version where they tell equal names apart."""
    labels = {task_of(cell): str(cell["distribution"]) for cell in cells}
    if len({cell["n"] for cell in cells}) > 1:
        labels = {task_of(cell): f"{cell['distribution']}, n = {cell['n']}" for cell in cells}
    for mark in ("{dim_x} × {dim_y}", "v{distribution_version}"):
        seen: dict[str, set[str]] = {}
        for cell in cells:
            seen.setdefault(labels[task_of(cell)], set()).add(mark.format(**cell))
        for task, text in {task_of(cell): mark.format(**cell) for cell in cells}.items():
            if len(seen[labels[task]]) > 1:
                labels[task] += f", {text}"
    return labels


def measured(cell: Cell, score: str) -> tuple[float | None, float | None, float | None, float | None]:
    """Return a score's value and what stands after ±; then what is compared, less being better, and its error."""
    bias, rmse, sd, ok = cell["bias"], cell["rmse"], cell["sd"], cell["ok"]
    if score in ("mean", "bias"):
        shown = (cell["mean"], sd) if score == "mean" else (bias, cell["bias_se"])
        return *shown, None if bias is None else abs(bias), cell["bias_se"]
    if score == "rmse":
        # Of normal errors with mean b and variance s^2: Var(mean squared error) = (2 s^4 + 4 b^2 s^2) / trials.
        error = None if None in (rmse, sd) else rmse and sd * math.sqrt((sd**2 / 2 + bias**2) / ok) / rmse
        return rmse, error, rmse, error
    if score == "sd":
        error = None if sd is None else sd / math.sqrt(2 * (ok - 1))
        return sd, error, sd, error
    if score == "efficiency":
        value, low, high = (cell[key] for key in ("efficiency", "efficiency_low", "efficiency_high"))
        error = None if None in (value, low) else (high - low) / (2 * _HALF)
        return value, error, None if value is None else -value, error
    if score == "cost":
        return cell["median_cpu_s"], None, cell["median_cpu_s"], 0.0
    solved = cell["solved"]
    return None if solved is None else float(solved), None, None, None


def best_of(cells: Sequence[Cell], score: str) -> list[Cell]:
    """Return the best of the cells of one task, and those that cannot be told from it.

    These are at most two standard errors away, those of the best one: with their own, an estimator that scatters wildly
    could be told from none. A cell takes part where all its trials are ok (one that fails on hard samples would look
    good on the others) and its standard error is known; one alone is no best.
    """
    taking_part = []
    for cell in cells:
        *_, compared, error = measured(cell, score)
        if compared is not None and error is not None and cell["ok"] == cell["trials"]:
            taking_part.append((compared, error, cell))
    if len(taking_part) < 2:
        return []
    least, its_error, _ = min(taking_part, key=lambda one: one[0])
    return [cell for value, _, cell in taking_part if value - least <= 2 * its_error]


def entry(cell: Cell, score: str, units: str = "nats", *, best: bool = False) -> Entry:
    """Write one score of a cell, with the counts of trials that are not ok."""
    (shown,) = in_units([cell], units)
    value, error, *_ = measured(shown, score)
    if set(cell["failures"]) == {"skipped"} and not cell["ok"]:
        return Entry("skipped")
    counts = "".join(f", {count} {status}" for status, count in cell["failures"].items())
    note = f"{cell['ok']}/{cell['trials']} ok{counts}" if counts else ""
    if value is None:
        return Entry(_NOTHING, note=note)
    if score == "solved":
        return Entry("yes" if value else "no", note=note, number=value)
    if score == "cost":
        return Entry(display.seconds(value), note=note, best=best, number=value)
    return Entry(*rounded(value, error), note, best, value)


def _has(cells: Sequence[Cell], score: str) -> bool:
    """Whether there is anything to show; failures alone are shown where an estimate would have had the score."""
    return any(measured(cell, score)[0] is not None for cell in cells) or not any(cell["ok"] for cell in cells)


def truth_entry(cell: Cell, units: str = "nats") -> Entry:
    """Write the truth: with its standard error, or the interval that it is certified to lie in."""
    (shown,) = in_units([cell], units)
    value, low, high = shown["truth"], shown["truth_low"], shown["truth_high"]
    if value is None:
        return Entry(_NOTHING)
    if low is not None and high is not None and low < high:
        return Entry(f"{rounded(low, None)[0]} to {rounded(high, None)[0]}", number=value)
    return Entry(*rounded(value, shown["truth_se"] or None), number=value)


def _oracle_entry(cell: Cell, units: str) -> Entry:
    (shown,) = in_units([cell], units)
    value = shown["oracle_rmse"]
    return Entry(_NOTHING) if value is None else Entry(rounded(value, None)[0], number=value)


def _knows(cell: Cell) -> tuple[bool, bool, int]:
    return cell["truth"] is not None, cell["oracle_rmse"] is not None, cell["ok"]


# A line that is no estimator's.
_EXTRA = {"mean": ("truth", truth_entry), "bias": ("truth", truth_entry), "rmse": ("oracle", _oracle_entry)}


def rounded(value: float, error: float | None) -> tuple[str, str]:
    """Write a value to the decimal of its error, and the error to one digit, or two where the first is a 1."""
    if value == 0 and not error:
        return "0", ""
    largest = max(abs(value), error or 0.0)
    if largest >= 1e6 or largest < 0.5 * 10.0**-_MOST_DECIMALS:  # which would be written as 0
        return f"{value:.2e}", "" if error is None else f"{error:.0e}"
    decimals = _decimals(abs(value), 3) if error is None else _decimals(error, 1 + (_first_digit(error) == 1))
    text, after = (f"{number:.{decimals}f}" for number in (value, error or 0.0))
    return re.sub(r"^-(?=[0.]*$)", "", text), "" if error is None else after  # no minus before a zero


def _first_digit(value: float) -> int:
    return int(f"{value:e}"[0])


def _decimals(value: float, digits: int) -> int:
    places = digits - 1 - math.floor(math.log10(value)) if value > 0 else _MOST_DECIMALS
    return min(max(places, 0), _MOST_DECIMALS)


def title(score: str, quantity: str) -> str:
    """Name a table: its score and quantity."""
    return f"{SCORES[score][0].upper()}{SCORES[score][1:]}: {_words(quantity)}"


def _caption(cells: Sequence[Cell], score: str, units: str, rule: str, *, bold: bool) -> str:
    """Say what is shown: score, quantity, units, size, n and trials of a cell; how bold is decided."""
    quantity = cells[0]["quantity"]
    unit = "" if score in ("efficiency", "solved", "cost") else unit_of(quantity, units)
    sizes = {f"{cell['dim_x']} × {cell['dim_y']}" for cell in cells}
    facts = [
        f"{title(score, quantity)}{unit and ' ' + unit}",
        *([f"dimensions {sizes.pop()}"] if len(sizes) == 1 else []),
        f"n = {_span(cell['n'] for cell in cells)}",
        f"{_counted((cell['trials'] for cell in cells), 'trial')} a cell",
    ]
    rules = [f"Solved: {rule}." for _ in [rule] if rule and score == "solved"]
    return " ".join(["; ".join(facts) + ".", *rules, *([_BOLD] if bold else []), *_stale(cells)])


def _stale(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{STALE}: stale, made by other code."] if any(STALE in line["estimator"] for line in lines) else []


def _words(quantity: str) -> str:
    return "mutual information" if quantity == "mi" else quantity


def _span(values: Iterable[int]) -> str:
    distinct = sorted(set(values))
    return ", ".join(map(str, distinct)) if len(distinct) < 4 else f"{distinct[0]} to {distinct[-1]}"


def _counted(values: Iterable[int], name: str) -> str:
    numbers = _span(values)
    return f"{numbers} {name}" if numbers == "1" else f"{numbers} {name}s"


def _cell_lines(found: Sequence[Cell], score: str, units: str) -> list[dict[str, Any]]:
    lines = []
    for group in by_quantity(found):
        by_task: dict[Hashable, list[Cell]] = {}
        for cell in group:
            by_task.setdefault(task_of(cell), []).append(cell)
        for members in by_task.values():
            best = {id(cell) for cell in best_of(members, score)}
            for cell, shown in zip(members, in_units(members, units), strict=True):
                value, error, *_ = measured(shown, score)
                keys = ("quantity", "distribution", "dim_x", "dim_y", "n")
                lines.append(
                    {"estimator": cell["name"], **{key: cell[key] for key in keys}, "truth": shown["truth"]}
                    | {"score": score, "value": value, "error": error, "best": id(cell) in best}
                    | {key: cell[key] for key in ("ok", "trials", "failures")}
                )
    return lines


# ---------------------------------------------------------------------------------------------------------------------
# Each estimator over all its tasks


def summary(lines: Sequence[Mapping[str, Any]], rule: str = "", units: str = "nats") -> Table:
    """Lay out the estimators of one quantity at one n, as `summaries` has them in these units."""
    shown = []
    for line in lines:
        entries = (
            Entry(f"{line['solved']}/{line['known']}" if line["known"] else _NOTHING, number=line["share"]),
            _ranked(line),
            *(Entry(_NOTHING) if line[key] is None else _plain(line[key]) for key in ("median_bias", "median_rmse")),
            Entry(display.seconds(line["median_cpu_s"]), number=line["median_cpu_s"]),
            Entry(_failed(line), number=line["trials"] - line["ok"]),
        )
        shown.append((line["estimator"], entries))
    first = lines[0]
    unit = unit_of(first["quantity"], units)
    facts = [
        f"Estimators of {_words(first['quantity'])} at n = {first['n']}, over "
        f"{_counted((line['tasks'] for line in lines), 'task')}.",
        f"Solved: {rule}." if rule else "",
        f"Rank: by RMSE, 1 is best, mean over {_counted([first['ranked']], 'task')}, with its bootstrap interval "
        f"over tasks; failures rank last{_missing(lines)}."
        if first["ranked"]
        else "",
        f"|bias| and RMSE{unit and ' ' + unit}, and CPU time: median over tasks. Failures: trials without an estimate.",
        *_stale(lines),
    ]
    heads = ("estimator", "solved", "rank", "|bias|", "RMSE", "CPU time", "failures")
    return Table(" ".join(fact for fact in facts if fact), heads, tuple(shown))


def _missing(lines: Sequence[Mapping[str, Any]]) -> str:
    return f"; {_NOTHING}: not run on all of them" if any(line["rank"] is None for line in lines) else ""


def _ranked(line: Mapping[str, Any]) -> Entry:
    if line["rank"] is None:
        return Entry(_NOTHING)
    ends = "" if line["rank_low"] is None else f"{line['rank_low']:.1f} to {line['rank_high']:.1f}"
    return Entry(f"{line['rank']:.1f}", note=ends, number=line["rank"])


def _failed(line: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{count} {status}" for status, count in line["failures"].items())
    return f"{line['trials'] - line['ok']}/{line['trials']}{kinds and ': '}{kinds}"


def _plain(value: float) -> Entry:
    return Entry(rounded(value, None)[0], number=value)


def summaries(
    cells: pd.DataFrame, units: str = "nats", *, ranked: pd.DataFrame | None = None
) -> list[list[dict[str, Any]]]:
    """Sum up each estimator at each n over its tasks, the best rank first: a list for each quantity and n.

    `ranked` are those of the cells that are ranked (default: of the estimators that have all tasks of their n; of all
    where none has); estimators that have none of them have no rank.
    """
    found, groups = records(cells), []
    if ranked is None:
        whole = having_all(found, found)
        ranked = cells[whole] if any(whole) else cells
    for group in by_quantity(found):
        quantity = group[0]["quantity"]
        ranks = scoring.ranks(ranked, quantity=quantity)
        places = {(_method(line), line["n"]): line for line in _known_only(ranks) if line["tasks"]}
        for n in sorted({cell["n"] for cell in group}):
            lines = []
            by_name: dict[str, list[Cell]] = {}
            for cell in in_units([cell for cell in group if cell["n"] == n], units):
                by_name.setdefault(cell["name"], []).append(cell)
            for name, own in by_name.items():
                verdicts = [cell["solved"] for cell in own if cell["solved"] is not None]
                place = places.get((_method(own[0]), n), {})
                lines.append(
                    {"quantity": quantity, "n": n, "estimator": name, "tasks": len(own)}
                    | {"solved": sum(map(bool, verdicts)), "known": len(verdicts)}
                    | {"share": sum(map(bool, verdicts)) / len(verdicts) if verdicts else None}
                    | {key: place.get(key) for key in ("rank", "rank_low", "rank_high")}
                    | {"ranked": place.get("tasks", 0)}
                    | {f"median_{key}": _median(own, key) for key in ("bias", "rmse")}
                    | {"median_cpu_s": _median(own, "median_cpu_s")}
                    | {key: sum(cell[key] for cell in own) for key in ("trials", "ok")}
                    | {"failures": dict(sum((Counter(cell["failures"]) for cell in own), Counter()))}
                )
            groups.append(sorted(lines, key=lambda line: math.inf if line["rank"] is None else line["rank"]))
    return groups


def having_all(cells: Sequence[Cell], others: Sequence[Cell]) -> list[bool]:
    """Whether each cell is of an estimator that has all tasks that any of the others has at that n."""
    having: dict[Any, set[Any]] = {}
    needed: dict[Any, set[Any]] = {}
    for cell in cells:
        having.setdefault((_method(cell), cell["n"]), set()).add(task_of(cell))
    for cell in others:
        needed.setdefault((cell["quantity"], cell["n"]), set()).add(task_of(cell))
    return [having[_method(cell), cell["n"]] >= needed.get((cell["quantity"], cell["n"]), set()) for cell in cells]


def _method(cell: Cell) -> str:
    """What is one estimator: everything but the task; the level counts where an interval was asked for."""
    keys = ("estimator", "params", "estimator_version", "device", "interval")
    level = None if cell["interval"] is None else cell["level"]
    return json.dumps([*(cell[key] for key in keys), level], sort_keys=True)


def _known_only(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as mappings in which what is not known is None."""
    return [
        {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in line.items()}
        for line in frame.to_dict("records")
    ]


def _median(cells: Sequence[Cell], key: str) -> float | None:
    values = [abs(cell[key]) for cell in cells if cell[key] is not None]
    return float(np.median(values)) if values else None
