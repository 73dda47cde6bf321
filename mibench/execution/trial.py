"""A trial as it runs inside a child process, from sample to result: the one place that execution opens a trial."""

from __future__ import annotations

import contextlib
import functools
import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mibench.estimating import Estimation, Start, points_together
from mibench.execution.work import Result
from mibench.failures import failure
from mibench.interface import Estimate, Estimator, GroundTruth, InputError, Interval, JointDistribution
from mibench.rows.row import plain

_CURVE_POINTS = 200


@dataclass(frozen=True)
class TrialRun:
    """What a child needs to run one trial; see `mibench.execution.plan.Trial`."""

    estimator: Estimator
    distribution: JointDistribution
    n: int
    data_seed: np.random.SeedSequence
    estimator_seed: np.random.SeedSequence
    device: str
    interval: Interval | None = None

    def run(self, threads: int) -> Result:
        """Draw the sample, estimate, and return the columns of the row."""
        meter = _Meter()
        row: Result = {}
        try:
            estimation, row = _draw(self, threads)
            meter = _Meter()  # the cost of the estimate, neither of the sample nor of the interval
            estimate = estimation.point()
            cost = meter.read()
            row |= _describe(estimation, estimate)
        except (Exception, SystemExit) as error:
            row |= failure(error)
            cost = meter.read()
        return {**row, **cost, "batch_size": 1}

    def run_together(self, batch: Sequence[TrialRun], threads: int) -> Iterator[tuple[int, Result]]:
        """Run the trials as one batch of the estimator; see `Runnable.run_together`."""
        drawn: dict[int, tuple[Estimation, Result]] = {}
        for index, trial in enumerate(batch):
            meter = _Meter()
            try:
                drawn[index] = _draw(trial, threads)
            except Exception as error:
                yield index, {**failure(error), **meter.read(), "batch_size": 1}
        if drawn:
            yield from _estimate_together(drawn)


def _estimate_together(drawn: dict[int, tuple[Estimation, Result]]) -> Iterator[tuple[int, Result]]:
    """Estimate the samples that could be drawn, at once."""
    waiting = dict(enumerate(drawn))  # from places in the estimator's batch to those in ours
    meter = _BatchMeter(len(drawn))
    try:
        for place, estimate in points_together([estimation for estimation, _ in drawn.values()]):
            if place not in waiting:
                raise ValueError(f"estimate_batch gave an estimate for trial {place}, which was not waiting for one")
            cost = meter.one_ended()
            index = waiting[place]
            estimation, row = drawn[index]
            row = {**row, **_describe(estimation, estimate), **cost}
            meter.go_on()
            del waiting[place]
            yield index, row
            if not waiting:
                return
    except (Exception, SystemExit) as error:
        if len(waiting) > 1:
            raise
        (index,) = waiting.values()
        yield index, {**drawn[index][1], **failure(error), **meter.whole.read(), "batch_size": 1}
        return
    if len(waiting) == 1:  # of several, the driver halves the rest
        (index,) = waiting.values()
        text = "estimate_batch ended without an estimate for this trial"
        yield index, {"status": "error", "error_type": "error", "error_text": text, "batch_size": 1}


def _draw(trial: TrialRun, threads: int) -> tuple[Estimation, Result]:
    """Draw the sample and check it; with the columns of its truth."""
    estimator, law = trial.estimator, trial.distribution
    sample = law.sample(trial.n, np.random.default_rng(trial.data_seed))
    if sample.shape != law.sample_shape(trial.n):
        raise InputError(
            f"{law.label()}: the sample has columns of other kinds or numbers than sample_shape says; "
            "return Sample(x, y, pmi, self.sample_shape(n))"
        )
    estimation = Estimation(estimator, sample, Start(trial.estimator_seed, trial.device, threads, trial.interval))
    estimation.check()
    truth = _truth(law, estimator.quantity)
    row: Result = {}
    if truth is not None:
        facts = (truth.value, truth.low, truth.high, truth.standard_error, truth.method)
        names = ("truth", "truth_low", "truth_high", "truth_se", "truth_method")
        row = {name: plain(value) for name, value in zip(names, facts, strict=True)}
    if estimator.quantity == "mi" and sample.pmi is not None:
        row["oracle"] = float(sample.pmi.mean())
    return estimation, row


@functools.cache
def _truth(law: JointDistribution, quantity: str) -> GroundTruth | None:
    """The truth, once for the whole batch: it can take longer than an estimate."""
    return law.ground_truth(quantity)


def _describe(estimation: Estimation, estimate: Estimate) -> Result:
    """Return the columns of an estimate, with the interval that is asked for."""
    expected = estimation.estimator.quantity
    if estimate.quantity != expected:  # the truth is that of the quantity which the estimator declares
        raise ValueError(f"estimate() returned the quantity {estimate.quantity!r}, declared is {expected!r}")
    estimate = estimation.with_interval(estimate)
    value = float(estimate.value)
    described = {
        "status": "ok" if math.isfinite(value) else "nonfinite",
        "error_text": None if math.isfinite(value) else f"the estimate is {value}",
        "estimate": value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "quantity": estimate.quantity,
        "bound": estimate.bound,
        "diagnostics": {key: _thin(value) for key, value in estimate.diagnostics.items()},
        "warnings": estimate.warnings,
    }
    return {key: plain(value) for key, value in described.items()}  # numpy's numbers are no JSON


def _thin(value: Any) -> Any:
    """Keep at most 200 points of a curve."""
    length = len(value) if isinstance(value, list | tuple | np.ndarray) else 0
    return value[:: math.ceil(length / _CURVE_POINTS)] if length > _CURVE_POINTS else value


class _Meter:
    """Wall seconds, CPU seconds of all threads, and peak resident memory since it was made."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: forget the peak so far
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> Result:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": _peak_rss_mb()}


class _BatchMeter:
    """The cost of trials that run together: what was spent since one ended is divided among those still running."""

    def __init__(self, size: int) -> None:
        self.size = self.running = size
        self.wall = self.cpu = self.counted_wall = self.counted_cpu = 0.0
        self.whole = _Meter()

    def one_ended(self) -> Result:
        """Return the share of the trial that has just ended."""
        cost = self.whole.read()
        self.wall += (cost["wall_s"] - self.counted_wall) / self.running
        self.cpu += (cost["cpu_s"] - self.counted_cpu) / self.running
        self.running -= 1
        return {**cost, "wall_s": self.wall, "cpu_s": self.cpu, "batch_size": self.size}

    def go_on(self) -> None:
        """Leave out what was spent since then, on its interval."""
        spent = self.whole.read()
        self.counted_wall, self.counted_cpu = spent["wall_s"], spent["cpu_s"]


def _peak_rss_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
