"""Which stored rows a figure, a table or a report is made of: chosen in the words of `mibench run`, none is run.

Rows come from the store, from a file as `mibench export` writes it, or from those that ship with mibench. An estimator
or a distribution is chosen by its name and the parameters that are given: `ksg` takes every ksg there is, `ksg[k=3]`
those with k = 3. Tasks of a suite, and tasks with an id of their own, are taken as the suite has them. What was stored
under another name of the same distribution is shown under the name asked for, as in a run.

A row is stale when other code made it: stored rows go by the hash of the code, those of a file by the versions of the
estimator and of the distribution, since a file is read where the code around them differs. Stale rows are left out, or
kept where that is asked for; `stale` marks them, None where the estimator or the distribution is not known here.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fnmatch
import functools
import gzip
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mibench import reference, suites
from mibench.files import read_parquet
from mibench.interface import Estimator, InputError, JointDistribution, parameter_named
from mibench.plan import make_task, suite_tasks
from mibench.provenance import code_hash
from mibench.registry import (
    distributions,
    estimators,
    make_estimator,
    nearest,
    parameter_values,
    parse_spec,
    stored_estimator,
    write_value,
)
from mibench.store import COLUMNS, DEFAULT_STORE, Store, plain

Row = dict[str, Any]
_NEEDED = ("estimator", "distribution", "dim_x", "dim_y", "n", "seed", "status", "estimate", "quantity")
_AT_DEFAULT = object()  # of a later parameter, which rows do not hold then
_EMPTY: dict[str, Any] = {"params": {}, "diagnostics": {}, "warnings": []}


@dataclass(frozen=True)
class Filters:
    """What to keep, as the command line and Python ask for it; empty and None keep everything."""

    estimators: Sequence[str] = ()
    distributions: Sequence[str] = ()
    suites: Sequence[str] = ()
    dim_x: int | None = None
    dim_y: int | None = None
    mi: float | None = None
    n: Sequence[int] = ()
    seeds: int | None = None
    first_seed: int = 0
    device: str | None = None
    interval: str | None = None
    level: float | None = None
    keep_stale: bool = False


def select(
    filters: Filters | None = None,
    *,
    store: str | Path = DEFAULT_STORE,
    rows_file: str | Path | None = None,
    shipped: bool = False,
) -> tuple[list[Row], list[str]]:
    """Return the rows that are asked for, each with `stale`, and notes for the user on what was left out.

    They come from `rows_file` (.csv, .csv.gz, .json or .parquet) where it is given, from `mibench.reference` where
    `shipped` says so, else from the store: the last attempt of each trial. Their order is that of the estimators and
    tasks asked for, then alphabetical, so that it does not hang on when a trial ended. No row is an `InputError`.
    """
    filters = filters or Filters()
    if shipped and rows_file is not None:
        raise InputError("--reference and --rows both say where rows come from; give one of them")
    if shipped:
        where, rows = "the reference", [row for path in reference.files() for row in _read(path)]
    elif rows_file is not None:
        where, rows = str(rows_file), _read(Path(rows_file))
    else:
        where, rows = str(store), _stored(Path(store))
    if not rows:
        raise InputError(f"{where} holds no rows")
    kept = _of_size(rows, filters, where)
    kept = _of_tasks(kept, filters, where)
    kept = _of_estimators(kept, filters.estimators, where)
    marked = _marked(kept, _version_differs if shipped or rows_file is not None else _code_differs)
    return _without_stale(marked, filters.keep_stale, where)


def of_other_versions(rows: Sequence[Row]) -> list[bool]:
    """Say of each row whether another version of its estimator or distribution made it, or one not known here."""
    return [row["stale"] is not False for row in _marked(rows, _version_differs)]


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def _stored(path: Path) -> list[Row]:
    if not path.exists():
        raise InputError(f"there is no store {path}; `mibench run` makes one, --store names another, --rows a file")
    with contextlib.closing(Store(path)) as store:
        return list(store.latest().values())


def _read(path: Path) -> list[Row]:
    """Read a file as `mibench export` writes it; columns that it lacks are None."""
    ending = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()
    if ending not in (".csv", ".csv.gz", ".json", ".json.gz", ".parquet"):
        raise InputError(f"{path} is no file of rows; give one that ends in .csv, .csv.gz, .json or .parquet")
    try:
        data = path.read_bytes()
        records: Any
        if ending == ".parquet":
            records = _parquet(path)
        else:
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
            records = json.loads(text) if ending.startswith(".json") else list(csv.DictReader(io.StringIO(text)))
        if isinstance(records, dict):  # as `mibench run --format json` prints them
            records = records.get("trials")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise ValueError("it is neither a list of rows nor has it one as 'trials'")
        missing = [name for name in _NEEDED if any(name not in record for record in records)]
        if missing:
            raise ValueError(f"it has no column {missing[0]}")
        return [_typed(record) for record in records]
    except InputError:
        raise
    except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read as rows: {reason}") from error


def _parquet(path: Path) -> list[dict[str, Any]]:
    frame = read_parquet(path)
    filled = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in record.items()} for record in filled.to_dict("records")]


def _typed(record: Mapping[str, Any]) -> Row:
    row: Row = {}
    for name, kind in COLUMNS.items():
        value = record.get(name)
        if value is None or value == "":
            row[name] = _EMPTY.get(name)
        elif kind.startswith("JSON"):
            row[name] = json.loads(value) if isinstance(value, str) else value
        elif kind.startswith("INTEGER"):
            row[name] = int(value)
        elif kind.startswith("REAL"):
            row[name] = plain(float(value))
        else:
            row[name] = str(value)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Filters


def _of_size(rows: list[Row], filters: Filters, where: str) -> list[Row]:
    """Keep rows by their numbers; the first option that leaves none is named."""
    dim_x, dim_y = ("--dim", "--dim") if filters.dim_x == filters.dim_y else ("--dim-x", "--dim-y")
    last_seed = math.inf if filters.seeds is None else filters.first_seed + filters.seeds
    checks: list[tuple[str, Any, str, Callable[[Any], bool]]] = [
        (dim_x, filters.dim_x, "dim_x", lambda value: value == filters.dim_x),
        (dim_y, filters.dim_y, "dim_y", lambda value: value == filters.dim_y),
        ("--n", ",".join(map(str, filters.n)) or None, "n", lambda value: value in filters.n),
        ("--first-seed", filters.first_seed or None, "seed", lambda value: value >= filters.first_seed),
        ("--seeds", filters.seeds, "seed", lambda value: value < last_seed),
        ("--device", filters.device, "device", lambda value: value == filters.device),
        ("--interval", filters.interval, "interval", lambda value: value == filters.interval),
        ("--level", filters.level, "level", lambda value: value == filters.level),
    ]
    for option, asked, column, accepts in checks:
        if asked is None:
            continue
        kept = [row for row in rows if accepts(row[column])]
        if not kept:
            there = sorted({"none" if row[column] is None else str(row[column]) for row in rows}, key=_natural)
            raise InputError(f"no row for {option} {asked} in {where}; there is {column} {_some(there)}")
        rows = kept
    return rows


def _of_estimators(rows: list[Row], texts: Sequence[str], where: str) -> list[Row]:
    kinds = {_estimator_kind(row): row for row in rows}
    ranks: dict[tuple[str, str], int] = {}
    for rank, text in enumerate(texts):
        found = [kind for kind, row in kinds.items() if _is_estimator(text, row)]
        if not found:
            _check_estimator(text)
            there = sorted({row["estimator"] for row in rows})
            hint = nearest(parse_spec(text).name, there)
            raise InputError(f"no row of estimator {text!r}{hint} in {where}; there are {_some(there)}")
        for kind in found:
            ranks.setdefault(kind, rank)
    kept = [row for row in rows if not texts or _estimator_kind(row) in ranks]
    return sorted(kept, key=lambda row: (ranks.get(_estimator_kind(row), 0), row["estimator"], _estimator_kind(row)[1]))


def _estimator_kind(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["estimator"], json.dumps(row["params"], sort_keys=True)


def _is_estimator(text: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is of the estimator named, with the parameters that are given."""
    spec = parse_spec(text)
    name = _estimator_name(spec.name)
    if not fnmatch.fnmatchcase(row["estimator"], name):
        return False
    if not spec.parameters:
        return True
    known = row["estimator"] in estimators.names() or ".py:" in spec.name
    if not known:
        return all(write_value(row["params"].get(key)) == value for key, value in spec.parameters.items())
    full = spec if ".py:" in spec.name else dataclasses.replace(spec, name=row["estimator"])
    made = make_estimator(str(full))
    asked = plain(parameter_values(made))
    keys = [info.stored_name for key in spec.parameters if (info := parameter_named(type(made), key))]
    return all(row["params"].get(key, _AT_DEFAULT) == asked.get(key, _AT_DEFAULT) for key in keys)


def _check_estimator(text: str) -> None:
    """Refuse a name that nothing has, and parameters that it does not take."""
    for name in estimators.expand(text):
        make_estimator(name)


@functools.cache
def _estimator_name(name: str) -> str:
    """The name that rows carry, for an alias or a class in a file."""
    if ".py:" in name:
        return estimators.find(name).facts.name
    entry = estimators.by_name().get(name)
    return name if entry is None else entry.facts.name


def _of_tasks(rows: list[Row], filters: Filters, where: str) -> list[Row]:
    """Keep rows by their task, under the name that it was asked for."""
    asked = [(name, True) for suite in filters.suites for name in _suite_names(suite, filters.mi)]
    asked += [
        (text if filters.mi is None else make_task(text, mi=filters.mi).name, False) for text in filters.distributions
    ]
    kinds = {_task_kind(row) for row in rows}
    names: dict[tuple[str, int, int], tuple[int, str]] = {}
    for rank, (text, whole) in enumerate(asked):
        found = [(kind, name) for kind in kinds if (name := _name_as(text, kind, whole=whole)) is not None]
        for kind, name in found:
            names.setdefault(kind, (rank, name))
        if not found and not whole:
            _check_distribution(text)
            there = sorted({row["distribution"] for row in rows}, key=_natural)
            raise InputError(
                f"no row of distribution {text!r}{nearest(text, there)} in {where}; there are {_some(there)}"
            )
    if asked and not names:
        there = sorted({row["distribution"] for row in rows}, key=_natural)
        raise InputError(f"no row of suite {', '.join(filters.suites)} in {where}; there are {_some(there)}")
    if not asked and filters.mi is not None:
        raise InputError("--mi goes with --suite or --distribution")
    kept = []
    for row in rows:
        kind = _task_kind(row)
        if not asked or kind in names:
            rank, name = names.get(kind, (0, row["distribution"]))
            kept.append((rank, {**row, "distribution": name}))

    def place(item: tuple[int, Row]) -> tuple[Any, ...]:
        rank, row = item
        return rank, _natural(row["distribution"]), row["dim_x"], row["dim_y"], row["n"], row["seed"]

    return [row for _, row in sorted(kept, key=place)]


def _task_kind(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return row["distribution"], row["dim_x"], row["dim_y"]


def _suite_names(suite: str, mi: float | None) -> list[str]:
    if mi is not None:
        return [task.name for task in suite_tasks(suite, mi=mi)[0]]
    return [task.name for task in suites.load(suite).tasks]


def _name_as(text: str, kind: tuple[str, int, int], *, whole: bool) -> str | None:
    """Name a row's task under the text asked for; None if it is another one.

    `whole`: every parameter must agree, else those that the text gives.
    """
    stored, dim_x, dim_y = kind
    if stored == text.strip():
        return stored
    spec = parse_spec(distributions.resolve(text))
    if set("*?") & set(spec.name) and ".py:" not in spec.name:
        if not any(fnmatch.fnmatchcase(name, spec.name) for name in (stored, parse_spec(stored).name)):
            return None
        if not spec.parameters:
            return stored
        text = str(dataclasses.replace(spec, name=parse_spec(distributions.resolve(stored)).name))
    law, asked = _law(stored, dim_x, dim_y), _law(text, dim_x, dim_y)
    if law is None or asked is None or law.facts.name != asked.facts.name:
        return None
    if law == asked:
        return text.strip()
    if stored in suites.task_ids():
        return None  # a task's id names that task alone
    given = [info.name for key in spec.parameters if (info := parameter_named(type(asked), key))]
    same = all(getattr(law, name) == getattr(asked, name) for name in given)
    return stored if same and not whole else None


@functools.cache
def _law(text: str, dim_x: int, dim_y: int) -> JointDistribution | None:
    """The distribution of a row; None where it is not known here, or has no such size."""
    try:
        return make_task(text, dim_x, dim_y).distribution
    except InputError:
        return None


def _check_distribution(text: str) -> None:
    for name in distributions.expand(text):
        make_task(name)


# ---------------------------------------------------------------------------------------------------------------------
# Other code


def _marked(rows: Sequence[Row], differs: Callable[[Row, Estimator, JointDistribution], bool | None]) -> Iterator[Row]:
    for row in rows:
        estimator, law = stored_estimator(*_estimator_kind(row)), _law(*_task_kind(row))
        if estimator is not None and law is not None:
            stale = differs(row, estimator, law)
        else:  # of a name that is known here, but not with these parameters
            known = (estimator is not None or row["estimator"] in estimators.names()) and (
                law is not None or parse_spec(row["distribution"]).name in distributions.names()
            )
            stale = True if known else None
        yield {**row, "stale": stale}


def _code_differs(row: Row, estimator: Estimator, law: JointDistribution) -> bool | None:
    return None if row["code"] is None else bool(row["code"] != code_hash(estimator, law))


def _version_differs(row: Row, estimator: Estimator, law: JointDistribution) -> bool | None:
    stored = (row["estimator_version"], row["distribution_version"])
    return None if None in stored else stored != (estimator.version, law.version)


def _without_stale(marked: Iterator[Row], keep: bool, where: str) -> tuple[list[Row], list[str]]:
    rows = list(marked)
    stale = [row for row in rows if row["stale"]]
    unknown = [row for row in rows if row["stale"] is None]
    notes = []
    if stale:
        who = _some(sorted({row["estimator"] for row in stale}))
        if not keep:
            rows = [row for row in rows if not row["stale"]]
        if not rows:
            raise InputError(
                f"all {len(stale)} rows in {where} were made by other code ({who}): run them again, or --keep-stale"
            )
        fate = "kept" if keep else "left out; --keep-stale keeps them"
        notes.append(f"{len(stale)} rows are stale, made by other code ({who}), and are {fate}")
    if unknown:
        who = _some(sorted({row["estimator"] for row in unknown}))
        notes.append(
            f"whether {len(unknown)} rows are stale, made by other code, cannot be told ({who}): name the file "
            "that it is in, path/to/file.py:Class"
        )
    return rows, notes


# ---------------------------------------------------------------------------------------------------------------------
# Words


def _natural(text: str) -> list[Any]:
    """Sort key under which staircase-10 comes after staircase-2."""
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in re.split(r"(\d+)", text)]


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
