"""Runs a benchmark: finds what is stored already, runs what is missing, and stores each row as its trial ends."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mibench import suites
from mibench.execution.local import Limits, make_batches, resolve_jobs, resolve_threads, run_batches
from mibench.interface import Estimator, InputError, JointDistribution
from mibench.intervals import check_interval
from mibench.plan import Task, Trial, distinct, make_task, make_trials, suite_tasks
from mibench.provenance import environment, has_gpu_files, read_again
from mibench.registry import (
    Catalogue,
    DistributionLike,
    EstimatorLike,
    distributions,
    estimators,
    make_estimator,
    nearest,
)
from mibench.rows.row import STATUSES, Row, plain
from mibench.rows.store import DEFAULT_STORE, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DEFAULT_SUITE = "core"
_DEFAULT_N = (10_000,)
_DEFAULT_SEEDS = 5

Named = TypeVar("Named", Estimator, JointDistribution)


class Watcher(Protocol):
    """Is told how a run goes on; `mibench.progress` shows it on a terminal."""

    def begin(self, planned: int, found: int, stale: int) -> None:
        """All trials are planned; `found` of them are stored, `stale` are run again since the code has changed."""

    def ended(self, row: Row) -> None:
        """A trial has ended and its row is stored."""


@dataclass(frozen=True)
class Request:
    """What to run, as the command line and Python ask for it; None means the default."""

    estimators: Sequence[EstimatorLike]
    distributions: Sequence[DistributionLike] = ()
    suites: Sequence[str] = ()
    dim_x: int | None = None
    dim_y: int | None = None
    mi: float | None = None
    n: Sequence[int] = ()
    seeds: int | None = None
    first_seed: int = 0
    device: str = "auto"
    interval: str | None = None
    level: float | None = None


def plan(request: Request) -> tuple[list[Trial], list[str], str | None]:
    """Turn a request into trials; with notes for the user, and the name of the GPU that they run on."""
    _check_counts(request)
    interval = check_interval(request.interval, request.level)
    read_again()
    made = [make_estimator(spec) for spec in _expanded(estimators, request.estimators)]
    groups, notes = _task_groups(request)
    device, gpu = resolve_device(request.device, made)
    planned: list[Trial] = []
    for tasks, ns, default_seeds in groups:
        count = default_seeds if request.seeds is None else request.seeds
        seeds = range(request.first_seed, request.first_seed + count)
        planned += make_trials(made, tasks, ns, seeds, device, interval=interval)
    trials = distinct(planned)
    if trials and all(trial.skip for trial in trials):
        first = trials[0]
        raise InputError(
            f"nothing in the plan can run: {first.estimator.facts.name} on {first.task.name}: {first.skip}"
        )
    return trials, notes, gpu


def _check_counts(request: Request) -> None:
    if not request.estimators:
        raise InputError("no estimator is named; give --estimator NAME, `mibench list estimators` shows all")
    # The upper limits are far beyond what can be run, and below what memory or the store would fail at.
    checks: list[tuple[str, Any, int, int]] = [
        ("--dim-x", request.dim_x, 1, 10**6),
        ("--dim-y", request.dim_y, 1, 10**6),
        ("--seeds", request.seeds, 1, 10**6),
        ("--first-seed", request.first_seed, 0, 10**18),
        *(("--n", n, 1, 10**12) for n in request.n),
    ]
    for option, value, low, high in checks:
        if value is not None and not (isinstance(value, int) and low <= value <= high):
            raise InputError(f"{option} {value} is out of range; give a whole number from {low} to {high}")
    if request.mi is not None and not 0 <= request.mi < float("inf"):
        raise InputError(f"--mi {request.mi:g} is out of range; give nats >= 0")


def _task_groups(request: Request) -> tuple[list[tuple[list[Task], Sequence[int], int]], list[str]]:
    size = (request.dim_x, request.dim_y, request.mi)
    groups: list[tuple[list[Task], Sequence[int], int]] = []
    notes = []
    names = request.suites or (() if request.distributions else (DEFAULT_SUITE,))
    for name in names:
        tasks, unchanged = suite_tasks(name, *size)
        if unchanged:
            notes.append(f"--mi does not apply to {', '.join(unchanged)}")
        suite = suites.load(name)
        groups.append((tasks, request.n or suite.n, suite.seeds))
    specs = _expanded(distributions, request.distributions)
    if specs:
        groups.append(([make_task(spec, *size) for spec in specs], request.n or _DEFAULT_N, _DEFAULT_SEEDS))
    return groups, notes


def _expanded(
    catalogue: Catalogue[Named], specs: Sequence[str | Named | type[Named]]
) -> list[str | Named | type[Named]]:
    """Replace globs by the names that they stand for."""
    return [one for spec in specs for one in (catalogue.expand(spec) if isinstance(spec, str) else [spec])]


def run_trials(
    trials: Sequence[Trial],
    store: Store,
    *,
    limits: Limits,
    retry: Iterable[str] = (),
    keep_stale: bool = False,
    gpu: str | None = None,
    watcher: Watcher | None = None,
) -> list[Row]:
    """Return the rows of all trials, in their order: those stored already, and those run now.

    A stored row counts unless its code has changed (then it is stale, and kept only where `keep_stale` says so) or its
    status is one of `retry`.
    """
    again = set(retry)
    unknown = again - set(STATUSES)
    if unknown:
        name = min(unknown)
        raise InputError(f"unknown status {name!r}{nearest(name, list(STATUSES))}; accepted: {', '.join(STATUSES)}")
    rows = store.latest(trial.run_key for trial in trials)
    current = {trial.run_key: trial.code for trial in trials}
    stale = [] if keep_stale else [key for key, row in rows.items() if row["code"] != current[key]]
    for key in {*stale, *(key for key, row in rows.items() if row["status"] in again)}:
        del rows[key]
    missing = [trial for trial in trials if trial.run_key not in rows]
    if watcher is not None:
        watcher.begin(len(trials), len(rows), len(stale))
    if missing:
        for row in _run_missing(missing, store, limits, gpu):
            rows[row["run_key"]] = row
            if watcher is not None:
                watcher.ended(row)
    # A row that is stored under another name of the same distribution is shown under the name asked for.
    return [{**rows[trial.run_key], "distribution": trial.task.name} for trial in trials]


def _run_missing(missing: Sequence[Trial], store: Store, limits: Limits, gpu: str | None) -> Iterator[Row]:
    runnable = [trial for trial in missing if trial.skip is None]
    jobs = resolve_jobs(limits, runnable)
    identity = store.add_environment(environment(resolve_threads(jobs), jobs, gpu))
    skipped = [(trial, {"status": "skipped", "error_text": trial.skip}) for trial in missing if trial.skip is not None]
    yield from _stored(skipped, store, identity)
    for ended in run_batches(make_batches(runnable, jobs), jobs, limits):
        yield from _stored(ended, store, identity)


def _stored(ended: Sequence[tuple[Trial, Mapping[str, object]]], store: Store, environment_id: str) -> Iterator[Row]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    empty = {"diagnostics": {}, "warnings": [], "environment": environment_id, "created_utc": now}
    if ended:
        yield from store.append([{**empty, **trial.facts(), **columns} for trial, columns in ended])


def resolve_device(name: str, made: Sequence[Estimator]) -> tuple[str, str | None]:
    """Return the device class ("cpu" or "cuda") to plan for, and the GPU's name.

    The probe runs in a process of its own: once CUDA has started in this one, no child could be forked from it.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"unknown device {name!r}{nearest(name, ['auto', 'cpu', 'cuda'])}; accepted: auto, cpu, cuda")
    wanted = name == "cuda" or (name == "auto" and any("cuda" in estimator.facts.devices for estimator in made))
    if not wanted:
        return "cpu", None
    gpu = _gpu_name()
    if gpu is None and name == "cuda":
        raise InputError("no CUDA device is found here; give --device cpu or auto")
    return ("cuda", gpu) if gpu is not None else ("cpu", None)


def _gpu_name() -> str | None:
    if not has_gpu_files():
        return None
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def run(
    estimator: EstimatorLike | Sequence[EstimatorLike],
    *,
    distribution: DistributionLike | Sequence[DistributionLike] = (),
    suite: str | Sequence[str] = (),
    dim: int | None = None,
    dim_x: int | None = None,
    dim_y: int | None = None,
    mi: float | None = None,
    n: int | Sequence[int] | NDArray[np.integer] | np.integer = (),
    seeds: int | None = None,
    first_seed: int = 0,
    device: str = "auto",
    interval: str | None = None,
    level: float | None = None,
    store: str | Path = DEFAULT_STORE,
    jobs: int | None = None,
    timeout: float = 3600.0,
    memory: int | None = None,
    retry: Sequence[str] = (),
    keep_stale: bool = False,
    watcher: Watcher | None = None,
) -> pd.DataFrame:
    """Run estimators on joint distributions with known MI; one row for each trial, those stored already included.

    Parameters
    ----------
    estimator, distribution, suite
        One or several: names with parameters in brackets, `path/to/file.py:Class`, classes or objects. Without a
        distribution and a suite the suite `core` is run.
    dim, dim_x, dim_y, mi
        Size and mutual information (nats) of the tasks that take them.
    n, seeds, first_seed
        Sample sizes, and how many seeds from which on; a seed sets the data and the initialisation.
    device
        "auto", "cpu" or "cuda".
    interval, level
        "subsample" or "jackknife", and its nominal coverage (default 0.95), see `mibench.intervals`; None: no interval.
    store
        SQLite file that keeps every row; what it has already is not run again.
    jobs, timeout, memory
        Child processes at once, seconds for a trial, bytes of memory for a child.
    retry, keep_stale
        Statuses to run again; whether rows made by other code count.
    watcher
        Is told of every row as it is stored.

    Returns
    -------
    pandas.DataFrame
        A column for each key of a row, values in nats.
    """
    import pandas as pd

    request = Request(
        estimators=_listed(estimator),
        distributions=_listed(distribution),
        suites=_listed(suite),
        dim_x=plain(dim if dim_x is None else dim_x),
        dim_y=plain(dim if dim_y is None else dim_y),
        mi=None if mi is None else float(mi),
        n=plain(_listed(n)),
        seeds=plain(seeds),
        first_seed=plain(first_seed),
        device=device,
        interval=interval,
        level=plain(level),
    )
    trials, _, gpu = plan(request)
    limits = Limits(jobs, timeout, memory)
    with contextlib.closing(Store(store)) as opened:
        rows = run_trials(trials, opened, limits=limits, retry=retry, keep_stale=keep_stale, gpu=gpu, watcher=watcher)
    return pd.DataFrame(rows)


def _listed(value: Any) -> list[Any]:
    value = value.tolist() if hasattr(value, "tolist") else value  # numpy's arrays and numbers
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
