"""An estimator that fails in the way its data say, and the tasks that hold those data."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.interface import Array, Context, Estimate, Estimator, GroundTruth, JointDistribution, Sample, parameter

Fault = Literal["none", "segfault", "hang", "memory", "nan", "raise", "exit", "kill", "slow", "wrong-type", "print"]
FAULTS = ("none", "segfault", "hang", "memory", "nan", "raise", "exit", "kill", "slow", "wrong-type", "print")


@dataclass(frozen=True)
class FaultyTask(JointDistribution):
    """Two independent uniform variables; the first x tells the estimator how to fail."""

    fault: Fault = parameter("none", "how the estimator fails on this sample")
    seconds: float = parameter(0.2, "how long it sleeps where it is slow")
    dim_x: int = parameter(1, "columns of X", low=1)
    dim_y: int = parameter(1, "columns of Y", low=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x, y = rng.random((n, self.dim_x)), rng.random((n, self.dim_y))
        x[0, 0], x[1, 0] = 10 + FAULTS.index(self.fault), self.seconds
        return Sample(x, y, np.zeros(n))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(0.0) if quantity == "mi" else None


def act(x: Array) -> Estimate:
    fault = FAULTS[int(x[0, 0]) - 10]
    if fault == "segfault":
        ctypes.string_at(0)
    elif fault == "hang":
        time.sleep(1000)
    elif fault == "memory":
        hoard = []
        while True:
            hoard.append(np.ones(4_000_000))
    elif fault == "nan":
        return Estimate(float("nan"), diagnostics={"loss": [1.0, float("inf")]})
    elif fault == "raise":
        raise RuntimeError("as\ntold")
    elif fault == "exit":
        os._exit(3)
    elif fault == "kill":
        os.kill(os.getpid(), 9)
    elif fault == "slow":
        time.sleep(float(x[1, 0]))
    elif fault == "wrong-type":
        wrong: Estimate = 0.5  # type: ignore[assignment]
        return wrong
    elif fault == "print":
        print("to standard output", flush=True)
    return Estimate(float(x[2:, 0].mean()))


@dataclass(frozen=True)
class Faulty(Estimator):
    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return act(x)


@dataclass(frozen=True)
class FaultyTogether(Estimator):
    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return act(x)

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index, x in reversed(list(enumerate(xs))):
            yield index, act(x)
