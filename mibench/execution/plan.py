"""The plan: from a request to tasks x estimators x sample sizes x seeds, each a trial with a key that never changes."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mibench import intervals, suites
from mibench.execution.trial import TrialRun
from mibench.interface import Configurable, Estimator, InputError, Interval, JointDistribution
from mibench.intervals import check_interval
from mibench.machine import resolve_device
from mibench.provenance import code_hash, read_again
from mibench.registry import (
    Catalogue,
    DistributionLike,
    EstimatorLike,
    Spec,
    distributions,
    estimators,
    make_estimator,
    parameter_values,
)
from mibench.tasks import Task, make_task, suite_tasks

DTYPE = "float64"
DEFAULT_SUITE = "core"
_DEFAULT_N = (10_000,)
_DEFAULT_SEEDS = 5

Named = TypeVar("Named", Estimator, JointDistribution)


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
    catalogue: Catalogue[Named], specs: Sequence[str | Spec | Named | type[Named]]
) -> list[Spec | Named | type[Named]]:
    """Parse texts; a glob becomes the specifications that it stands for."""
    return [one for spec in specs for one in (catalogue.specs(spec) if isinstance(spec, str) else [spec])]


# ---------------------------------------------------------------------------------------------------------------------
# Trials


@dataclass(frozen=True)
class Trial:
    """One estimate to make: an estimator on n points of a task, with one seed for the data and the initialisation.

    `interval` is the one asked for, or None. `skip` is the reason why the estimator cannot run on this task, or None.
    """

    estimator: Estimator
    task: Task
    n: int
    seed: int
    device: str
    interval: Interval | None = None

    @functools.cached_property
    def run_key(self) -> str:
        """Hash of everything that determines the estimate, except for the code."""
        asked = self._interval_columns | {"interval_version": intervals.VERSION}
        return _digest(
            {
                **_estimator_identity(self.estimator),
                **_distribution_identity(self.task.distribution),
                "n": self.n,
                "seed": self.seed,
                "dtype": DTYPE,
                "device": self.device,
                **(asked if self.interval is not None else {}),
            }
        )

    @property
    def _interval_columns(self) -> dict[str, Any]:
        """The interval as rows and keys spell it."""
        if self.interval is None:
            return {"interval": None, "level": None}
        return {"interval": self.interval.method, "level": self.interval.level}

    @functools.cached_property
    def code(self) -> str:
        """Hash of the source that computes the estimate: rows of other code are stale."""
        return code_hash(self.estimator, self.task.distribution)

    @functools.cached_property
    def skip(self) -> str | None:
        """Why this trial cannot run, or None."""
        return self.estimator.unsupported(self.task.distribution.sample_shape(self.n))

    @property
    def key(self) -> str:
        """See `mibench.execution.work.Work`, as for all that follows here."""
        return self.run_key

    @property
    def group(self) -> Hashable:
        """One estimator on samples of one size."""
        law = self.task.distribution
        return self.estimator, type(self.estimator), law.dim_x, law.dim_y, self.n, self.device

    @property
    def together(self) -> bool:
        """Whether the estimator has its own way of running a batch."""
        return type(self.estimator).estimate_batch is not Estimator.estimate_batch

    @property
    def modules(self) -> frozenset[str]:
        """Where the estimator and the distribution come from, and what training needs."""
        found = {TrialRun.__module__, *_origins(self.estimator, self.task.distribution)}
        if self.estimator.facts.trains:
            found.add("torch")
        if self.estimator.facts.trains and self.device == "cpu":
            # Imported when training begins, optimisers bring torch._dynamo: a second in every child if not before the
            # fork. Nobody promises that it leaves CUDA alone, which must not start before a fork.
            found.add("torch._dynamo")
        return frozenset(found)

    def runnable(self) -> TrialRun:
        """Fix its randomness, and leave the rest of the plan behind."""
        streams = self.data_seed(), self.estimator_seed()
        return TrialRun(self.estimator, self.task.distribution, self.n, *streams, self.device, self.interval)

    def data_seed(self) -> np.random.SeedSequence:
        """Randomness of the sample: the same for every estimator, so that comparisons are paired."""
        return _seed_sequence(self.seed, 0, _distribution_identity(self.task.distribution), self.n)

    def estimator_seed(self) -> np.random.SeedSequence:
        """Randomness of the estimator, independent of the data's."""
        return _seed_sequence(self.seed, 1, _estimator_identity(self.estimator), 0)

    def facts(self) -> dict[str, Any]:
        """Return the columns of the trial's row that are known before it runs."""
        law = self.task.distribution
        return {
            "run_key": self.run_key,
            "code": self.code,
            "estimator": self.estimator.facts.name,
            "params": parameter_values(self.estimator),
            "estimator_version": self.estimator.version,
            "distribution": self.task.name,
            "distribution_version": law.version,
            "dim_x": law.dim_x,
            "dim_y": law.dim_y,
            "n": self.n,
            "seed": self.seed,
            **self._interval_columns,
            "quantity": self.estimator.quantity,
            "bound": self.estimator.bound,
            "device": self.device,
        }


def _origins(*owners: Configurable) -> Iterator[str]:
    """Modules, or files, that objects and those that they wrap come from."""
    for owner in owners:
        module = sys.modules[type(owner).__module__]
        if module.__name__.startswith("mibench_file_"):
            yield str(module.__file__)
        elif module.__name__ != "__main__":
            yield module.__name__
        yield from _origins(*(value for value in vars(owner).values() if isinstance(value, Configurable)))


def make_trials(
    estimators: Sequence[Estimator],
    tasks: Sequence[Task],
    ns: Sequence[int],
    seeds: Sequence[int],
    device: str,
    *,
    interval: Interval | None = None,
) -> list[Trial]:
    """Cross estimators, tasks, sample sizes and seeds; a trial that is named twice is planned once.

    `device` is "cpu" or "cuda"; estimators that cannot use it run on the CPU. `interval` is as in `Trial`.
    """
    return distinct(
        Trial(estimator, task, n, seed, device if device in estimator.facts.devices else "cpu", interval)
        for estimator in estimators
        for task in tasks
        for n in ns
        for seed in seeds
    )


def distinct(trials: Iterable[Trial]) -> list[Trial]:
    """Keep each trial once. Different code under one name is refused: its rows could not be told apart."""
    kept: dict[str, Trial] = {}
    for trial in trials:
        known = kept.setdefault(trial.run_key, trial)
        if known.code != trial.code:
            raise InputError(
                f"{trial.estimator.facts.name} on {trial.task.name}: two classes of different code have one name; "
                "rename one of them"
            )
    return list(kept.values())


# ---------------------------------------------------------------------------------------------------------------------
# Identity and randomness


def _estimator_identity(estimator: Estimator) -> dict[str, Any]:
    return {
        "estimator": estimator.facts.name,
        "params": parameter_values(estimator),
        "estimator_version": estimator.version,
    }


def _distribution_identity(law: JointDistribution) -> dict[str, Any]:
    return {
        "distribution": law.facts.name,
        "distribution_params": parameter_values(law),
        "distribution_version": law.version,
    }


def _digest(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _seed_sequence(seed: int, stream: int, identity: dict[str, Any], n: int) -> np.random.SeedSequence:
    words = [int(part) for part in np.frombuffer(bytes.fromhex(_digest(identity)), dtype=">u4")]
    return np.random.SeedSequence(seed, spawn_key=(stream, *words, n))
