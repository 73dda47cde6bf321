"""Tables of what was measured, as LaTeX, Markdown, HTML or CSV: pure functions from cells to text.

A cell is what `mibench.scoring.cells` makes of the trials of one estimator on one task. A table holds one quantity:
estimates of another one stand in a table of their own, and are compared with nothing in this one.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mibench import display, scoring
from mibench.display import NOTHING
from mibench.interface import InputError
from mibench.names import STALE, estimator_names, task_names
from mibench.report import FORMATS, SCORES
from mibench.report.formats import Entry, Table, written
from mibench.rows.files import to_csv
from mibench.rows.row import Method, Task, method_of, task_of
from mibench.rows.units import in_units, unit_of
from mibench.scoring import Scores, Summary, best_of, by_quantity, measured
from mibench.scoring.summary import by_task

if TYPE_CHECKING:
    import pandas as pd

Columns = Literal["tasks", "estimators"]
_BOLD = (
    "Bold: the best of a task, and what lies within two standard errors of it, its own; only where every trial is ok."
)
_STALE = f"{STALE}: stale, made by other code."
_MOST_DECIMALS = 4


class Named(Scores):
    """A cell under the name that tells its estimator from the others it stands beside."""

    name: str


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
    found = named(cells)
    if score == "summary":
        return _summaries(cells, names_of(found), form, units, rule, width)
    if form == "csv":
        return to_csv(_cell_lines(found, score, units))
    groups = [group for group in by_quantity(found) if _has(group, score)]
    if not groups:
        raise InputError(f"there is no {score} to show for these rows; --score mean needs neither truth nor two seeds")
    return written((grid(group, score, columns, units, rule) for group in groups), form, width)


def _summaries(
    cells: pd.DataFrame, names: Mapping[Method, str], form: str, units: str, rule: str, width: int | None
) -> str:
    groups = scoring.summaries(cells)
    if form == "csv":
        return to_csv([record(one, names, units) for group in groups for one in group])
    return written((summary(group, names, rule, units) for group in groups), form, width)


def named(cells: pd.DataFrame) -> list[Named]:
    """Return the cells as mappings, each with the name of its estimator."""
    found = scoring.records(cells)
    return [{**cell, "name": name} for cell, name in zip(found, estimator_names(found), strict=True)]


def names_of(cells: Iterable[Named]) -> dict[Method, str]:
    """The name of each method."""
    return {method_of(cell): cell["name"] for cell in cells}


# ---------------------------------------------------------------------------------------------------------------------
# Estimators x tasks


def grid(
    cells: Sequence[Named], score: str = "mean", columns: Columns | None = None, units: str = "nats", rule: str = ""
) -> Table:
    """Lay out the cells of one quantity."""
    tasks, groups = task_names(cells), by_task(cells)
    best = set(map(id, itertools.chain.from_iterable(best_of(group, score) for group in groups.values())))
    entries = {(task_of(cell), cell["name"]): entry(cell, score, units, best=id(cell) in best) for cell in cells}
    names = list(dict.fromkeys(cell["name"] for cell in cells))
    extra = _extra(groups, score, units)
    if extra:
        entries |= extra
        name = next(iter(extra))[1]
        names = [*names, name] if score == "rmse" else [name, *names]
    rows = [[entries.get((task, name), Entry(NOTHING)) for name in names] for task in tasks]
    about = _caption(cells, score, units, rule, bold=bool(best))
    if columns is None:
        columns = "estimators" if len(tasks) > len(names) else "tasks"
    if columns == "estimators":
        return Table(about, ("task", *names), tuple(zip(tasks.values(), map(tuple, rows), strict=True)))
    across = zip(names, zip(*rows, strict=True), strict=True)
    return Table(about, ("estimator", *tasks.values()), tuple(across))


def _extra(groups: Mapping[Task, Sequence[Named]], score: str, units: str) -> dict[tuple[Task, str], Entry]:
    """What is no estimator's: the truth, or the oracle, of each task; nothing where it is not known of any."""
    if score not in _EXTRA:
        return {}
    name, write = _EXTRA[score]
    # Failed trials have no sample, nor always a truth: what the estimator with most trials knows.
    known = {(task, name): write(max(group, key=_knows), units) for task, group in groups.items()}
    return known if any(one.number is not None for one in known.values()) else {}


def entry(cell: Scores, score: str, units: str = "nats", *, best: bool = False) -> Entry:
    """Write one score of a cell, with the counts of trials that are not ok."""
    (shown,) = in_units([cell], units)
    value, error = measured(shown, score)[:2]
    if set(cell["failures"]) == {"skipped"} and not cell["ok"]:
        return Entry("skipped")
    note = display.ok_of(cell) if cell["failures"] else ""
    if value is None:
        return Entry(NOTHING, note=note)
    if score == "solved":
        return Entry("yes" if value else "no", note=note, number=value)
    if score == "cost":
        return Entry(display.seconds(value), note=note, best=best, number=value)
    return Entry(*rounded(value, error), note, best, value)


def _has(cells: Sequence[Scores], score: str) -> bool:
    """Whether there is anything to show; failures alone are shown where an estimate would have had the score."""
    return any(measured(cell, score).value is not None for cell in cells) or not any(cell["ok"] for cell in cells)


def truth_entry(cell: Scores, units: str = "nats") -> Entry:
    """Write the truth: with its standard error, or the interval that it is certified to lie in."""
    (shown,) = in_units([cell], units)
    value, low, high = shown["truth"], shown["truth_low"], shown["truth_high"]
    if value is None:
        return Entry(NOTHING)
    if low is not None and high is not None and low < high:
        return Entry(f"{rounded(low, None)[0]} to {rounded(high, None)[0]}", number=value)
    return Entry(*rounded(value, shown["truth_se"] or None), number=value)


def _oracle_entry(cell: Scores, units: str) -> Entry:
    (shown,) = in_units([cell], units)
    value = shown["oracle_rmse"]
    return Entry(NOTHING) if value is None else Entry(rounded(value, None)[0], number=value)


def _knows(cell: Scores) -> tuple[bool, bool, int]:
    return cell["truth"] is not None, cell["oracle_rmse"] is not None, cell["ok"]


# A line that is no estimator's.
_EXTRA: dict[str, tuple[str, Callable[[Scores, str], Entry]]] = {
    "mean": ("truth", truth_entry),
    "bias": ("truth", truth_entry),
    "rmse": ("oracle", _oracle_entry),
}


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


def _caption(cells: Sequence[Scores], score: str, units: str, rule: str, *, bold: bool) -> str:
    """Say what is shown: score, quantity, units, size, n and trials of a cell; how bold is decided."""
    quantity = cells[0]["quantity"]
    facts = [title(score, quantity)]
    if score not in ("efficiency", "solved", "cost"):
        facts = [f"{facts[0]} {unit_of(quantity, units)}".rstrip()]
    sizes = {f"{cell['dim_x']} × {cell['dim_y']}" for cell in cells}
    if len(sizes) == 1:
        facts.append(f"dimensions {sizes.pop()}")
    facts.append(f"n = {_span(cell['n'] for cell in cells)}")
    facts.append(f"{_counted((cell['trials'] for cell in cells), 'trial')} a cell")
    said = ["; ".join(facts) + "."]
    if rule and score == "solved":
        said.append(f"Solved: {rule}.")
    if bold:
        said.append(_BOLD)
    if any(cell["stale"] for cell in cells):
        said.append(_STALE)
    return " ".join(said)


def _words(quantity: str) -> str:
    return "mutual information" if quantity == "mi" else quantity


def _span(values: Iterable[int]) -> str:
    distinct = sorted(set(values))
    return ", ".join(map(str, distinct)) if len(distinct) < 4 else f"{distinct[0]} to {distinct[-1]}"


def _counted(values: Iterable[int], name: str) -> str:
    numbers = _span(values)
    return f"{numbers} {name}" if numbers == "1" else f"{numbers} {name}s"


def _cell_lines(found: Sequence[Named], score: str, units: str) -> list[dict[str, Any]]:
    groups = [members for group in by_quantity(found) for members in by_task(group).values()]
    return [line for members in groups for line in _task_lines(members, score, units)]


def _task_lines(cells: Sequence[Named], score: str, units: str) -> list[dict[str, Any]]:
    best = {id(cell) for cell in best_of(cells, score)}
    lines = []
    for cell, shown in zip(cells, in_units(cells, units), strict=True):
        value, error = measured(shown, score)[:2]
        lines.append(
            {
                "estimator": cell["name"],
                "quantity": cell["quantity"],
                "distribution": cell["distribution"],
                "dim_x": cell["dim_x"],
                "dim_y": cell["dim_y"],
                "n": cell["n"],
                "truth": shown["truth"],
                "score": score,
                "value": value,
                "error": error,
                "best": id(cell) in best,
                "ok": cell["ok"],
                "trials": cell["trials"],
                "failures": cell["failures"],
            }
        )
    return lines


# ---------------------------------------------------------------------------------------------------------------------
# Each estimator over all its tasks


def record(one: Summary, names: Mapping[Method, str], units: str = "nats") -> dict[str, Any]:
    """Return a summary as a mapping in which the method has its name."""
    facts = {**vars(shown_in(one, units)), "method": names[one.method]}
    return {"estimator" if key == "method" else key: value for key, value in facts.items()}


def shown_in(one: Summary, units: str) -> Summary:
    """Return a summary with its medians in these units."""
    values: dict[str, Any] = {"quantity": one.quantity, "bias": one.median_bias, "rmse": one.median_rmse}
    (shown,) = in_units([values], units)
    return dataclasses.replace(one, median_bias=shown["bias"], median_rmse=shown["rmse"])


def summary(group: Sequence[Summary], names: Mapping[Method, str], rule: str = "", units: str = "nats") -> Table:
    """Lay out the estimators of one quantity at one n."""
    lines = []
    for one in group:
        shown = shown_in(one, units)
        entries = (
            Entry(solved_of(one), number=one.share),
            Entry(NOTHING) if one.rank is None else Entry(f"{one.rank:.1f}", note=rank_ends(one), number=one.rank),
            _plain(shown.median_bias),
            _plain(shown.median_rmse),
            Entry(display.seconds(one.median_cpu_s), number=one.median_cpu_s),
            Entry(_failed(one), number=one.trials - one.ok),
        )
        lines.append((names[one.method], entries))
    heads = ("estimator", "solved", "rank", "|bias|", "RMSE", "CPU time", "failures")
    return Table(_summary_caption(group, rule, units), heads, tuple(lines))


def _summary_caption(group: Sequence[Summary], rule: str, units: str) -> str:
    first = group[0]
    unit = unit_of(first.quantity, units)
    over = _counted((one.tasks for one in group), "task")
    said = [f"Estimators of {_words(first.quantity)} at n = {first.n}, over {over}."]
    if rule:
        said.append(f"Solved: {rule}.")
    if first.ranked:
        missing = f"; {NOTHING}: not run on all of them" if any(one.rank is None for one in group) else ""
        said.append(
            f"Rank: by RMSE, 1 is best, mean over {_counted([first.ranked], 'task')}, with its bootstrap interval "
            f"over tasks; failures rank last{missing}."
        )
    said.append(
        f"|bias| and RMSE{unit and ' ' + unit}, and CPU time: median over tasks. Failures: trials without an estimate."
    )
    if any(one.method.stale for one in group):
        said.append(_STALE)
    return " ".join(said)


def solved_of(one: Summary) -> str:
    """Write how many tasks are solved, of how many where that is known."""
    return f"{one.solved}/{one.known}" if one.known else NOTHING


def rank_ends(one: Summary) -> str:
    """Write the interval of a rank; nothing where there is none."""
    return "" if one.rank_low is None else f"{one.rank_low:.1f} to {one.rank_high:.1f}"


def _failed(one: Summary) -> str:
    kinds = display.counts(one.failures)
    return f"{one.trials - one.ok}/{one.trials}{kinds and ': '}{kinds}"


def _plain(value: float | None) -> Entry:
    return Entry(NOTHING) if value is None else Entry(rounded(value, None)[0], number=value)
