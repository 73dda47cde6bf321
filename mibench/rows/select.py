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
import dataclasses
import fnmatch
import functools
import gc
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mibench import suites
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
from mibench.rows import reference
from mibench.rows.files import read_rows
from mibench.rows.row import Law, Method, Row, law_of, method_of, params_of, plain
from mibench.rows.store import DEFAULT_STORE, Store

_AT_DEFAULT = object()  # of a later parameter, which rows do not hold then


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

    They come from `rows_file` (.csv, .csv.gz, .json or .parquet) where it is given, from `mibench.rows.reference` where
    `shipped` says so, else from the store: the last attempt of each trial. Their order is that of the estimators and
    tasks asked for, then alphabetical, so that it does not hang on when a trial ended. No row is an `InputError`.
    """
    filters = filters or Filters()
    if shipped and rows_file is not None:
        raise InputError("--reference and --rows both say where rows come from; give one of them")
    with _without_collecting():
        if shipped:
            where, rows = "the reference", _shipped(filters.estimators)
        elif rows_file is not None:
            where, rows = str(rows_file), read_rows(Path(rows_file))
        else:
            where, rows = str(store), _stored(Path(store))
        if not rows:
            raise InputError(f"{where} holds no rows")
        return _chosen(rows, filters, where, by_code=not shipped and rows_file is None)


def _chosen(rows: list[Row], filters: Filters, where: str, *, by_code: bool) -> tuple[list[Row], list[str]]:
    found = [_Found(row, method_of(row), law_of(row)) for row in _of_size(rows, filters, where)]
    names = _names({one.law for one in found}, filters, where)
    found = [one for one in found if one.law in names]
    ranks = _ranks({one.method for one in found}, filters.estimators, where)
    found = sorted((one for one in found if one.method in ranks), key=_order(names, ranks))
    for one, stale in zip(found, _stale(found, by_code=by_code), strict=True):
        one.row["distribution"] = names[one.law].name
        one.row["stale"] = stale
    return _without_stale([one.row for one in found], filters.keep_stale, where)


def of_other_versions(rows: Sequence[Row]) -> list[bool]:
    """Say of each row whether another version of its estimator or distribution made it, or one not known here."""
    found = [_Found(row, method_of(row), law_of(row)) for row in rows]
    return [stale is not False for stale in _stale(found, by_code=False)]


class _Found(NamedTuple):
    row: Row
    method: Method
    law: Law


class _Name(NamedTuple):
    """Where a task stands among those asked for, and the name under which it was."""

    rank: int
    name: str


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Make many objects that stay: to look for garbage among them again and again takes as long as to make them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _stored(path: Path) -> list[Row]:
    if not path.exists():
        raise InputError(f"there is no store {path}; `mibench run` makes one, --store names another, --rows a file")
    with contextlib.closing(Store(path)) as store:
        return list(store.latest().values())


def _shipped(texts: Sequence[str]) -> list[Row]:
    """Rows that ship: of the estimators named, or all if one of these is not there, so that it can be said."""
    paths = {path: path.name.removesuffix(".csv.gz") for path in reference.files()}
    names = [_estimator_name(parse_spec(text).name) for text in texts]
    if not all(fnmatch.filter(paths.values(), name) for name in names):
        names = []
    asked = [path for path, own in paths.items() if not names or any(fnmatch.fnmatchcase(own, name) for name in names)]
    return [row for path in asked for row in read_rows(path)]


# ---------------------------------------------------------------------------------------------------------------------
# Filters


_SizeColumn = Literal["dim_x", "dim_y", "n", "seed", "device", "interval", "level"]


def _of_size(rows: list[Row], filters: Filters, where: str) -> list[Row]:
    """Keep rows by their numbers; the first option that leaves none is named."""
    dim_x, dim_y = ("--dim", "--dim") if filters.dim_x == filters.dim_y else ("--dim-x", "--dim-y")
    last_seed = math.inf if filters.seeds is None else filters.first_seed + filters.seeds
    checks: list[tuple[str, Any, _SizeColumn, Callable[[Any], bool]]] = [
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


def _ranks(methods: Collection[Method], texts: Sequence[str], where: str) -> dict[Method, int]:
    """Where each estimator stands among those asked for; others are left out."""
    if not texts:
        return dict.fromkeys(methods, 0)
    ranks: dict[Method, int] = {}
    for rank, text in enumerate(texts):
        found = [method for method in methods if _is_estimator(text, method)]
        if not found:
            _check_estimator(text)
            there = sorted({method.estimator for method in methods})
            hint = nearest(parse_spec(text).name, there)
            raise InputError(f"no row of estimator {text!r}{hint} in {where}; there are {_some(there)}")
        for method in found:
            ranks.setdefault(method, rank)
    return ranks


def _is_estimator(text: str, method: Method) -> bool:
    """Whether rows are of the estimator named, with the parameters that are given."""
    spec, params = parse_spec(text), params_of(method.params)
    name = _estimator_name(spec.name)
    if not fnmatch.fnmatchcase(method.estimator, name):
        return False
    if not spec.parameters:
        return True
    known = method.estimator in estimators.names() or ".py:" in spec.name
    if not known:
        return all(write_value(params.get(key)) == value for key, value in spec.parameters.items())
    full = spec if ".py:" in spec.name else dataclasses.replace(spec, name=method.estimator)
    made = make_estimator(str(full))
    asked = plain(parameter_values(made))
    keys = [info.stored_name for key in spec.parameters if (info := parameter_named(type(made), key))]
    return all(params.get(key, _AT_DEFAULT) == asked.get(key, _AT_DEFAULT) for key in keys)


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


def _names(laws: Collection[Law], filters: Filters, where: str) -> dict[Law, _Name]:
    """Place and name of each task; those not asked for are left out."""
    asked = _asked(filters)
    if not asked:
        return {law: _Name(0, law.distribution) for law in laws}
    there = sorted({law.distribution for law in laws}, key=_natural)
    names: dict[Law, _Name] = {}
    for rank, (text, whole) in enumerate(asked):
        found = {law: name for law in laws if (name := _name_as(text, law, whole=whole)) is not None}
        for law, name in found.items():
            names.setdefault(law, _Name(rank, name))
        if not found and not whole:
            _check_distribution(text)
            raise InputError(
                f"no row of distribution {text!r}{nearest(text, there)} in {where}; there are {_some(there)}"
            )
    if not names:
        raise InputError(f"no row of suite {', '.join(filters.suites)} in {where}; there are {_some(there)}")
    return names


def _asked(filters: Filters) -> list[tuple[str, bool]]:
    """The tasks asked for, and whether each is meant with all of its parameters, as those of a suite are."""
    if filters.mi is None:
        texts = list(filters.distributions)
    else:
        texts = [make_task(text, mi=filters.mi).name for text in filters.distributions]
    asked = [(name, True) for suite in filters.suites for name in _suite_names(suite, filters.mi)]
    asked += [(text, False) for text in texts]
    if not asked and filters.mi is not None:
        raise InputError("--mi goes with --suite or --distribution")
    return asked


def _suite_names(suite: str, mi: float | None) -> list[str]:
    if mi is not None:
        return [task.name for task in suite_tasks(suite, mi=mi)[0]]
    return [task.name for task in suites.load(suite).tasks]


def _name_as(text: str, place: Law, *, whole: bool) -> str | None:
    """Name a task of rows under the text asked for; None if it is another one.

    `whole`: every parameter must agree, else those that the text gives.
    """
    stored = place.distribution
    if stored == text.strip():
        return stored
    spec = parse_spec(distributions.resolve(text))
    if set("*?") & set(spec.name) and ".py:" not in spec.name:
        if not any(fnmatch.fnmatchcase(name, spec.name) for name in (stored, parse_spec(stored).name)):
            return None
        if not spec.parameters:
            return stored
        text = str(dataclasses.replace(spec, name=parse_spec(distributions.resolve(stored)).name))
    if _kind(text) != _kind(stored):  # most are told apart by this, before any is made
        return None
    law, asked = (_made(name, place.dim_x, place.dim_y) for name in (stored, text))
    if law is None or asked is None:
        return None
    if law == asked:
        return text.strip()
    if stored in suites.task_ids():
        return None  # a task's id names that task alone
    given = [info.name for key in spec.parameters if (info := parameter_named(type(asked), key))]
    same = all(getattr(law, name) == getattr(asked, name) for name in given)
    return stored if same and not whole else None


@functools.cache
def _kind(text: str) -> str | None:
    """The registered name of a distribution without its parameters; None where it is not known here."""
    try:
        return distributions.find(parse_spec(distributions.resolve(text)).name).facts.name
    except InputError:
        return None


@functools.cache
def _made(text: str, dim_x: int, dim_y: int) -> JointDistribution | None:
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


def _stale(found: Sequence[_Found], *, by_code: bool) -> list[bool | None]:
    """Say of each row whether it is stale: looked up once for each estimator, each distribution and each pair."""
    methods = {method: _estimator_here(method) for method in {one.method for one in found}}
    laws = {law: _law_here(law) for law in {one.law for one in found}}
    keys = [(one.method, one.law, one.row["code"] if by_code else None) for one in found]
    stale = {key: _is_stale(*key, methods[key[0]], laws[key[1]]) for key in set(keys)}
    return [stale[key] for key in keys]


class _Here(NamedTuple):
    """What is here of an estimator or a distribution: the object, its version, and whether its name is known."""

    made: Estimator | JointDistribution | None
    version: str
    known: bool


def _estimator_here(method: Method) -> _Here:
    made = stored_estimator(method.estimator, method.params)
    if made is None:
        return _Here(None, "", method.estimator in estimators.names())
    return _Here(made, made.version, True)


def _law_here(law: Law) -> _Here:
    made = _made(law.distribution, law.dim_x, law.dim_y)
    if made is None:
        return _Here(None, "", parse_spec(law.distribution).name in distributions.names())
    return _Here(made, made.version, True)


def _is_stale(method: Method, place: Law, code: str | None, estimator: _Here, law: _Here) -> bool | None:
    """Whether other code made a row, or other versions where no code is given; None where nobody can tell."""
    if estimator.made is None or law.made is None:  # names that are known here, but not with these parameters
        return True if estimator.known and law.known else None
    if code is not None:
        return code != code_hash(estimator.made, law.made)
    stored = method.estimator_version, place.distribution_version
    return None if "" in stored else stored != (estimator.version, law.version)


def _without_stale(rows: list[Row], keep: bool, where: str) -> tuple[list[Row], list[str]]:
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


def _order(names: Mapping[Law, _Name], ranks: Mapping[Method, int]) -> Callable[[_Found], tuple[Any, ...]]:
    """Sort key: estimators as they were asked for and by name, then tasks likewise."""
    methods = {method: (rank, method.estimator, method.params) for method, rank in ranks.items()}
    laws = {law: (rank, _natural(name), law.dim_x, law.dim_y) for law, (rank, name) in names.items()}
    return lambda one: (methods[one.method], laws[one.law], one.row["n"], one.row["seed"])


def _natural(text: str) -> list[Any]:
    """Sort key under which staircase-10 comes after staircase-2."""
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in re.split(r"(\d+)", text)]


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
