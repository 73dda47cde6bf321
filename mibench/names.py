"""How estimators and tasks are named for people: what tells them apart, the mark of stale rows, where a name breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mibench.registry import short_spec, stored_estimator, write_spec
from mibench.rows.row import Task, params_text, task_of

STALE = "†"  # after the name of an estimator whose rows other code made
Cell = Mapping[str, Any]


def estimator_names(cells: Sequence[Cell]) -> list[str]:
    """Name each cell's estimator, with whatever tells it from others of its name: parameters, version, device, ..."""
    found = _labels(cells)
    for mark in (_version, _device, _interval):
        several = _differing(found, cells, mark)
        found = [f"{name} ({mark(cell)})" if name in several else name for name, cell in zip(found, cells, strict=True)]
    return [*map(marked, found, cells)]


def _version(cell: Cell) -> str:
    return f"v{cell['estimator_version']}"


def _device(cell: Cell) -> str:
    return str(cell["device"])


def _interval(cell: Cell) -> str:
    return "no interval" if cell["interval"] is None else f"{cell['interval']} {cell['level']:g}"


def _differing(names: Sequence[str], cells: Sequence[Cell], mark: Callable[[Cell], str]) -> set[str]:
    """The names of cells that differ in a mark."""
    seen: dict[str, set[str]] = {}
    for name, cell in zip(names, cells, strict=True):
        seen.setdefault(name, set()).add(mark(cell))
    return {name for name, marks in seen.items() if len(marks) > 1}


def estimator_labels(cells: Sequence[Cell]) -> list[str]:
    """Name each cell's estimator, with its parameters that are not at their defaults.

    Where these are not known here, or would give two of them one name, with those that differ between cells of it.
    """
    return [*map(marked, _labels(cells), cells)]


def marked(name: str, cell: Cell) -> str:
    """Put the dagger behind the estimator in the name of a stale cell: the one place where it is drawn."""
    estimator = cell["estimator"]
    return f"{estimator}{STALE}{name[len(estimator) :]}" if cell.get("stale") else name


def _labels(cells: Sequence[Cell]) -> list[str]:
    kinds = [(cell["estimator"], bool(cell.get("stale")), params_text(cell["params"])) for cell in cells]
    by_name: dict[tuple[str, bool], dict[str, Mapping[str, Any]]] = {}
    for (name, stale, text), cell in zip(kinds, cells, strict=True):
        by_name.setdefault((name, stale), {})[text] = cell["params"]
    labels = {key: _told_apart(key[0], variants) for key, variants in by_name.items()}
    return [labels[name, stale][text] for name, stale, text in kinds]


def _told_apart(name: str, variants: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Label an estimator with all parameters that there are of its name, each by its JSON."""
    labels = {text: _short_label(name, text) for text in variants}
    short = [*labels.values()]
    found = {}
    for text, label in labels.items():
        if label is not None and short.count(label) == 1:
            found[text] = label
        else:
            found[text] = write_spec(name, _differences(variants[text], [*variants.values()]))
    return found


def _differences(params: Mapping[str, Any], variants: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if any(other.get(key) != value for other in variants)}


def _short_label(name: str, params: str) -> str | None:
    """None: no estimator of this name takes these parameters here."""
    estimator = stored_estimator(name, params)
    return None if estimator is None else f"{name}{short_spec(estimator)[len(name) :]}"


def task_names(cells: Sequence[Cell]) -> dict[Task, str]:
    """Name each task, with n where it varies, and with size and version where they tell equal names apart."""
    tasks = {task_of(cell): cell for cell in cells}
    several = len({task.n for task in tasks}) > 1
    labels = {task: f"{task.distribution}, n = {task.n}" if several else task.distribution for task in tasks}
    for mark in (_size, _law_version):
        more = _differing([*labels.values()], [*tasks.values()], mark)
        labels = {task: f"{label}, {mark(tasks[task])}" if label in more else label for task, label in labels.items()}
    return labels


def _size(cell: Cell) -> str:
    return f"{cell['dim_x']} × {cell['dim_y']}"


def _law_version(cell: Cell) -> str:
    return f"v{cell['distribution_version']}"


def name_parts(name: str) -> list[str]:
    """Split the name of an estimator or a task where a line may end: after a space, a bracket, a comma, a hyphen."""
    return [part for piece in _pieces(name) for part in re.split(r"(?<=[A-Za-z]-)(?=.)", piece)]


def _pieces(name: str) -> list[str]:
    return re.split(r"(?<=[\[,\s])(?=.)", name)


def wrap_name(name: str, width: int) -> list[str]:
    """Break a name into lines of at most `width`, where that can be; after a hyphen only where it must be."""
    lines = [""]
    for piece in _pieces(name):
        for part in [piece] if len(piece.rstrip()) <= width else name_parts(piece):
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]
