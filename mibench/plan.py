"""The plan: tasks x estimators x sample sizes x seeds, each a trial with a key that stays the same from run to run."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench import intervals, suites
from mibench.interface import Estimator, InputError, Interval, JointDistribution, parameters_of
from mibench.provenance import code_hash
from mibench.registry import (
    DistributionLike,
    Spec,
    distributions,
    full_spec,
    make_distribution,
    parameter_values,
    parse_spec,
)

DTYPE = "float64"


@dataclass(frozen=True)
class Task:
    """A joint distribution under the name that its rows carry."""

    name: str
    distribution: JointDistribution


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
# Tasks and their size


def suite_tasks(
    name: str, dim_x: int | None = None, dim_y: int | None = None, mi: float | None = None
) -> tuple[list[Task], list[str]]:
    """Return the tasks of a suite at the size asked for, and the names of those whose MI stays what it is.

    Every task must take the dimensions; `mi` goes to the tasks that take it, of which there must be one.
    """
    suite, tasks, unchanged = suites.load(name), [], []
    for entry in suite.tasks:
        task, took_mi = _sized(entry.name, entry.distribution, dim_x, dim_y, mi)
        tasks.append(task)
        if mi is not None and not took_mi:
            unchanged.append(entry.name)
    if mi is not None and len(unchanged) == len(tasks):
        raise InputError(f"no task of suite {name!r} takes --mi; their MI is fixed")
    return tasks, unchanged


def make_task(
    spec: DistributionLike,
    dim_x: int | None = None,
    dim_y: int | None = None,
    mi: float | None = None,
) -> Task:
    """Make a task of a distribution, at the size and MI asked for."""
    if not isinstance(spec, str):
        law = make_distribution(spec)
        _check_size(full_spec(law), law, dim_x, dim_y)
        if mi is not None:
            raise InputError(f"{full_spec(law)} is an object with its own MI; --mi does not change it")
        return Task(full_spec(law), law)
    task, took_mi = _sized(spec.strip(), spec, dim_x, dim_y, mi)
    if mi is not None and not took_mi:
        raise InputError(f"{spec} takes no --mi; its MI is fixed by its other parameters")
    return task


def _sized(name: str, text: str, dim_x: int | None, dim_y: int | None, mi: float | None) -> tuple[Task, bool]:
    given = parse_spec(distributions.resolve(text))
    with_mi = _fill(given, {"mi": mi}) if mi is not None else given
    took_mi = with_mi != given
    sizes = {"dim_x": dim_x, "dim_y": dim_y}
    law = make_distribution(str(_fill(with_mi, {key: size for key, size in sizes.items() if size is not None})))
    _check_size(name, law, dim_x, dim_y)
    return Task(str(with_mi) if took_mi else name, law), took_mi


def _check_size(name: str, law: JointDistribution, dim_x: int | None, dim_y: int | None) -> None:
    for size, asked, option in ((law.dim_x, dim_x, "--dim-x"), (law.dim_y, dim_y, "--dim-y")):
        if asked is not None and asked != size:
            raise InputError(
                f"{name} is {law.dim_x} x {law.dim_y}, a fixed size; {option} {asked} does not apply to it"
            )


def _fill(spec: Spec, values: dict[str, Any]) -> Spec:
    """Set parameters that a distribution, or the one that it wraps, takes and that the text leaves open."""
    cls = distributions.find(spec.name)
    accepted, hints = parameters_of(cls), typing.get_type_hints(cls)
    filled = dict(spec.parameters)
    for key, info in accepted.items():
        if isinstance(hints[key], type) and issubclass(hints[key], JointDistribution):
            # A mixture's MI is not its base's: only a map that keeps MI passes --mi on.
            inner = {name: value for name, value in values.items() if name != "mi" or cls.keeps_mi}
            base = filled.get(key) or (full_spec(info.default) if isinstance(info.default, JointDistribution) else "")
            if base and inner:
                filled[key] = str(_fill(parse_spec(distributions.resolve(base)), inner))
    if {"dim_x", "dim_y"} <= accepted.keys():
        filled |= {key: str(values[key]) for key in ("dim_x", "dim_y") if key in values and key not in filled}
    if "mi" in accepted and "mi" in values and not {"mi", "rho"} & filled.keys():
        filled["mi"] = repr(float(values["mi"])).removesuffix(".0")  # every digit: the truth is the MI asked for
    return dataclasses.replace(spec, parameters=filled)


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
