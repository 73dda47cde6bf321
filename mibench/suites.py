"""Suites: named lists of tasks, read from TOML files.

    name = "core"
    description = "..."
    n = [10000]
    seeds = 5

    [[tasks]]
    distribution = "gaussian-sparse"      # name[key=value,...]
    id = "..."                            # optional: a name of its own, accepted wherever a distribution is

Tasks without an id go by their distribution's text. Dimensions that a task leaves open are set by `--dim`.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mibench.interface import InputError

FOLDER = Path(__file__).with_name("data") / "suites"


@dataclass(frozen=True)
class Task:
    """One joint distribution of a suite under the name that rows carry."""

    name: str
    distribution: str


@dataclass(frozen=True)
class Suite:
    """A named list of tasks with the sample sizes and the number of seeds it is meant for."""

    name: str
    description: str
    n: tuple[int, ...]
    seeds: int
    tasks: tuple[Task, ...]


def names() -> list[str]:
    """Names of the suites that ship with mibench."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@functools.cache
def load(name: str) -> Suite:
    """Read a suite by its name, or from a path that ends in .toml."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        close = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)
        raise InputError(
            f"unknown suite {name!r} (nearest: {close[0]}); there are {', '.join(names())}, or a .toml file"
        )
    try:
        return _suite(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"suite file {path} cannot be read: {error}") from error


def _suite(raw: dict[str, Any]) -> Suite:
    _check_keys(raw, {"name": str, "description": str, "n": list, "seeds": int, "tasks": list}, "it")
    for task in raw["tasks"]:
        _check_keys(task, {"distribution": str}, "a task", {"id": str})
    if not all(type(n) is int and n > 0 for n in [*raw["n"], raw["seeds"]]):
        raise ValueError(f"n = {raw['n']} and seeds = {raw['seeds']} must be whole numbers above 0")
    tasks = tuple(Task(task.get("id", task["distribution"]), task["distribution"]) for task in raw["tasks"])
    if not tasks:
        raise ValueError("it has no tasks")
    doubled = {task.name for task in tasks if [other.name for other in tasks].count(task.name) > 1}
    if doubled:
        raise ValueError(f"task named twice: {', '.join(sorted(doubled))}")
    return Suite(raw["name"], raw["description"], tuple(raw["n"]), raw["seeds"], tasks)


def _check_keys(raw: object, needed: dict[str, type], what: str, optional: dict[str, type] | None = None) -> None:
    if not isinstance(raw, dict):
        raise ValueError(f"{what} is no table of keys and values")
    accepted = needed | (optional or {})
    for key in [*needed, *raw]:
        if key not in raw:
            raise ValueError(f"{what} has no {key}")
        if key not in accepted:
            raise ValueError(f"{what} has an unknown key {key}; accepted: {', '.join(accepted)}")
        if not isinstance(raw[key], accepted[key]):
            raise ValueError(f"{key} = {raw[key]!r} should be a {accepted[key].__name__}")


@functools.cache
def task_ids() -> dict[str, str]:
    """The distribution behind each task id of the suites that ship with mibench."""
    found: dict[str, str] = {}
    for task in [task for name in names() for task in load(name).tasks if task.name != task.distribution]:
        if found.setdefault(task.name, task.distribution) != task.distribution:
            raise InputError(f"task {task.name!r} stands for {found[task.name]} and for {task.distribution}")
    return found
