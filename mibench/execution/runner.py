"""Runs a benchmark: finds what is stored already, runs what is missing, and stores each row as its trial ends."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.execution.batches import make_batches
from mibench.execution.local import resolve_jobs, resolve_threads, run_batches
from mibench.execution.plan import Request, Trial, plan
from mibench.execution.work import Limits, Result
from mibench.interface import InputError
from mibench.machine import environment
from mibench.progress import SILENT, Progress
from mibench.registry import DistributionLike, EstimatorLike, nearest
from mibench.rows.row import STATUSES, Row, plain
from mibench.rows.store import DEFAULT_STORE, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def run_trials(
    trials: Sequence[Trial],
    store: Store,
    *,
    limits: Limits,
    retry: Iterable[str] = (),
    keep_stale: bool = False,
    gpu: str | None = None,
    progress: Progress = SILENT,
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
    progress.begin(len(trials), len(rows), len(stale))
    failed = 0
    for done, row in enumerate(_run_missing(missing, store, limits, gpu), start=1):
        rows[row["run_key"]] = row
        failed += row["status"] not in ("ok", "skipped")
        progress.reached(done, failed)
    # A row that is stored under another name of the same distribution is shown under the name asked for.
    return [{**rows[trial.run_key], "distribution": trial.task.name} for trial in trials]


def _run_missing(missing: Sequence[Trial], store: Store, limits: Limits, gpu: str | None) -> Iterator[Row]:
    if not missing:
        return
    runnable = [trial for trial in missing if trial.skip is None]
    jobs = resolve_jobs(limits, runnable)
    identity = store.add_environment(environment(resolve_threads(jobs), jobs, gpu))
    skipped = [(trial, {"status": "skipped", "error_text": trial.skip}) for trial in missing if trial.skip is not None]
    yield from _stored(skipped, store, identity)
    named = {trial.key: trial for trial in runnable}
    for ended in run_batches(make_batches(runnable, jobs), jobs, limits):
        yield from _stored([(named[key], result) for key, result in ended], store, identity)


def _stored(ended: Sequence[tuple[Trial, Result]], store: Store, environment_id: str) -> Iterator[Row]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    empty = {"diagnostics": {}, "warnings": [], "environment": environment_id, "created_utc": now}
    if ended:
        yield from store.append([{**empty, **trial.facts(), **columns} for trial, columns in ended])


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
    progress: Progress = SILENT,
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
    progress
        Is told how the run goes on, see `mibench.progress`.

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
        rows = run_trials(trials, opened, limits=limits, retry=retry, keep_stale=keep_stale, gpu=gpu, progress=progress)
    return pd.DataFrame(rows)


def _listed(value: Any) -> list[Any]:
    value = value.tolist() if hasattr(value, "tolist") else value  # numpy's arrays and numbers
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
