"""One path from data to an estimate: check -> estimate -> check -> interval.

A user's own data and the trials of a run take the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mibench.inputs import check_data, check_estimate, check_supported
from mibench.interface import Context, Estimate, Estimator, Interval, Sample, Shape
from mibench.intervals import with_interval


@dataclass(frozen=True)
class Start:
    """What an estimate starts from besides its data. Every context that it makes has the same randomness ahead."""

    seed: int | np.random.SeedSequence
    device: str = "cpu"
    threads: int = 1
    interval: Interval | None = None

    def context(self, shape: Shape) -> Context:
        """Return a new context for data of a shape."""
        return Context(np.random.default_rng(self.seed), self.device, self.threads, self.interval, shape)


@dataclass(frozen=True, eq=False)
class Estimation:
    """One estimate to make: `estimate` is the whole path, the other methods are its parts."""

    estimator: Estimator
    sample: Sample
    start: Start

    def estimate(self) -> Estimate:
        """Check the data, estimate, check the result, add the interval that is asked for."""
        self.check()
        return self.with_interval(self.point())

    def check(self) -> None:
        """Refuse data that mean nothing, or that this estimator cannot use."""
        check_data(self.sample.x, self.sample.y)
        check_supported(self.estimator, self.sample)

    def point(self) -> Estimate:
        """Estimate without the interval; the data have been checked."""
        found = self.estimator.estimate(self.sample.x, self.sample.y, self._context())
        return check_estimate(self.estimator, found)

    def with_interval(self, found: Estimate) -> Estimate:
        """Add the interval that is asked for to the estimate."""
        return with_interval(self.estimator, found, self.sample.x, self.sample.y, self._context())

    def _context(self) -> Context:
        return self.start.context(self.sample.shape)


def points_together(estimations: Sequence[Estimation]) -> Iterator[tuple[int, Estimate]]:
    """Make estimates of one estimator as one batch, without intervals; yields (index, estimate) as they finish."""
    estimator, samples = estimations[0].estimator, [one.sample for one in estimations]
    contexts = [one.start.context(one.sample.shape) for one in estimations]
    results = estimator.estimate_batch([one.x for one in samples], [one.y for one in samples], contexts)
    for index, found in results:
        yield index, check_estimate(estimator, found)


def points_apart(estimations: Sequence[Estimation]) -> Iterator[tuple[int, Estimate | Exception | SystemExit]]:
    """Make a batch as `points_together` does; where it fails, what is left one by one: a failure costs one estimate."""
    done = set()
    try:
        for index, found in points_together(estimations):
            done.add(index)
            yield index, found
    except (Exception, SystemExit):
        for index in set(range(len(estimations))) - done:
            try:
                yield index, estimations[index].point()
            except (Exception, SystemExit) as failure:
                yield index, failure
