"""The plan: tasks x estimators x sample sizes x seeds, each a trial with a key that stays the same from run to run."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench import intervals
from mibench.interface import Estimator, InputError, Interval, JointDistribution
from mibench.provenance import code_hash
from mibench.registry import parameter_values
from mibench.tasks import Task

DTYPE = "float64"


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
