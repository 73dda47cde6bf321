"""One trial from sample to result, as it happens inside a child process."""

from __future__ import annotations

import contextlib
import math
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mibench.estimating import Estimation, Start, points_together
from mibench.execution.messages import Job, Work
from mibench.failures import place_of
from mibench.interface import Estimate, GroundTruth, InputError, JointDistribution
from mibench.rows.row import plain

_CURVE_POINTS = 200


def run_each(work: Work) -> Iterator[dict[str, Any]]:
    """Run the trials one after another; yields the messages described in `messages`."""
    truths: dict[JointDistribution, GroundTruth | None] = {}
    for index, job in enumerate(work.jobs):
        yield {"begin": index}
        meter = _Meter()
        row: dict[str, Any] = {}
        try:
            estimation, row = _draw(work, job, truths)
            meter = _Meter()  # the cost of the estimate, neither of the sample nor of the interval
            estimate = estimation.point()
            cost = meter.read()
            row |= _describe(estimation, estimate)
        except (Exception, SystemExit) as error:
            row |= _failure(error)
            cost = meter.read()
        yield {"result": index, "row": {**row, **cost, "batch_size": 1}}


def run_together(work: Work) -> Iterator[dict[str, Any]]:
    """Run the trials as one batch of the estimator; an exception ends the batch and leaves the others to the driver."""
    truths: dict[JointDistribution, GroundTruth | None] = {}
    drawn, indices = [], []
    for index, job in enumerate(work.jobs):
        meter = _Meter()
        try:
            drawn.append(_draw(work, job, truths))
            indices.append(index)
        except Exception as error:
            yield {"result": index, "row": {**_failure(error), **meter.read(), "batch_size": 1}}
    meter, size = _Meter(), len(drawn)
    wall = cpu = spent_wall = spent_cpu = 0.0
    waiting = set(range(size))
    estimates = points_together([estimation for estimation, _ in drawn]) if waiting else iter(())
    try:
        for ended, (index, estimate) in enumerate(estimates):
            if index not in waiting:
                raise ValueError(f"estimate_batch gave an estimate for trial {index}, which was not waiting for one")
            # What was spent since the last trial ended is divided among those that were still running.
            cost = meter.read()
            wall += (cost["wall_s"] - spent_wall) / (size - ended)
            cpu += (cost["cpu_s"] - spent_cpu) / (size - ended)
            estimation, facts = drawn[index]
            described = {**facts, **_describe(estimation, estimate)}
            spent = meter.read()
            spent_wall, spent_cpu = spent["wall_s"], spent["cpu_s"]
            row = {**described, **cost, "wall_s": wall, "cpu_s": cpu, "batch_size": size}
            waiting.remove(index)
            yield {"result": indices[index], "row": row}
            if not waiting:
                break
    except (Exception, SystemExit) as error:
        if len(waiting) > 1:
            raise
        guilty = waiting.pop()
        row = {**drawn[guilty][1], **_failure(error), **meter.read(), "batch_size": 1}
        yield {"result": indices[guilty], "row": row}


def _draw(
    work: Work, job: Job, truths: dict[JointDistribution, GroundTruth | None]
) -> tuple[Estimation, dict[str, Any]]:
    """Draw the sample and check it; with the columns of its truth."""
    estimator, law = work.estimator, job.distribution
    sample = law.sample(job.n, np.random.default_rng(job.data_seed))
    if sample.shape != law.sample_shape(job.n):
        raise InputError(
            f"{law.label()}: the sample has columns of other kinds or numbers than sample_shape says; "
            "return Sample(x, y, pmi, self.sample_shape(n))"
        )
    estimation = Estimation(estimator, sample, Start(job.estimator_seed, work.device, work.threads, job.interval))
    estimation.check()
    if law not in truths:
        truths[law] = law.ground_truth(estimator.quantity)
    truth = truths[law]
    row: dict[str, Any] = {}
    if truth is not None:
        facts = (truth.value, truth.low, truth.high, truth.standard_error, truth.method)
        names = ("truth", "truth_low", "truth_high", "truth_se", "truth_method")
        row = {name: plain(value) for name, value in zip(names, facts, strict=True)}
    if estimator.quantity == "mi" and sample.pmi is not None:
        row["oracle"] = float(sample.pmi.mean())
    return estimation, row


def _describe(estimation: Estimation, estimate: Estimate) -> dict[str, Any]:
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


def _failure(error: Exception | SystemExit) -> dict[str, Any]:
    out_of_memory = isinstance(error, MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "Cannot allocate memory")
    )
    place = "" if isinstance(error, InputError) else f" ({place_of(error)})"
    text = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else str(error)
    return {
        "status": "oom" if out_of_memory else "error",
        "error_type": type(error).__name__,
        "error_text": f"{text[:2000]}{place}",
    }


class _Meter:
    """Wall seconds, CPU seconds of all threads, and peak resident memory since it was made."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: forget the peak so far
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, Any]:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": _peak_rss_mb()}


def _peak_rss_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
