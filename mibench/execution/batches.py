"""Batches of like work, and who is to blame when one dies; without a process or a thread, for any kind of driver."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from mibench.execution.messages import Verdict
from mibench.execution.work import Result, Work

_STACK = 8  # replicas that train at once on a CPU: more gain nothing, so that larger batches only unbalance the jobs


@dataclass(frozen=True)
class Batch:
    """Like works, run by one child."""

    works: tuple[Work, ...]

    @property
    def together(self) -> bool:
        """Whether it runs at once, and so lives and dies as a whole."""
        return self.works[0].together

    @property
    def device(self) -> str:
        """Where it runs."""
        return self.works[0].device

    @property
    def modules(self) -> frozenset[str]:
        """What is imported before it runs."""
        return frozenset().union(*(work.modules for work in self.works))


def make_batches(works: Sequence[Work], jobs: int) -> list[Batch]:
    """Group like works, and cut the groups so that all jobs have work until the end; a GPU gets them whole."""
    groups: dict[Hashable, list[Work]] = {}
    for work in works:
        groups.setdefault(work.group, []).append(work)
    batches = []
    for group in groups.values():
        size = _size(group, jobs)
        batches += [Batch(tuple(group[start : start + size])) for start in range(0, len(group), size)]
    return batches


def _size(group: Sequence[Work], jobs: int) -> int:
    """How many of a group make a batch."""
    size = math.ceil(len(group) / (4 * jobs))
    if not group[0].together:
        return size
    if group[0].device == "cuda":
        return len(group)
    return max(size, min(_STACK, math.ceil(len(group) / jobs)))


class Running:
    """A batch as it runs: whose result is missing, and which work has begun."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.missing = dict(enumerate(batch.works))
        self.begun: int | None = None

    def begin(self, index: int) -> None:
        """A work has begun."""
        self.begun = index

    def finish(self, index: int) -> Work:
        """A work has its result; returns it."""
        return self.missing.pop(index)

    def close(self) -> tuple[Work | None, list[Batch]]:
        """The batch has ended: return the work that is to blame for those without a result, and what runs again.

        The work that had begun gets the blame. Where all ran together, or none had begun, the rest is halved and run
        again until it falls on one.
        """
        guilty = None if self.batch.together else self.begun
        if guilty not in self.missing:
            if len(self.missing) > 1:
                return None, self._halves()
            guilty = next(iter(self.missing), None)
        if guilty is None:
            return None, []
        blamed = self.missing.pop(guilty)
        return blamed, [Batch(tuple(self.missing.values()))] if self.missing else []

    def _halves(self) -> list[Batch]:
        rest = tuple(self.missing.values())
        half = len(rest) // 2
        return [Batch(rest[:half]), Batch(rest[half:])]


def blame(verdict: Verdict, text: str, timeout: float, memory: int) -> Result:
    """Return the result of a work that is to blame for the end of its batch."""
    texts = {
        "timeout": f"no result after {timeout:g} s (--timeout)",
        "oom": f"used more than {memory / 2**20:.0f} MiB (--memory)",
        "done": "its batch ended without a result for it",
    }
    status = "error" if verdict == "done" else verdict
    return {"status": status, "error_type": status, "error_text": texts.get(verdict, text), "batch_size": 1}
