"""What execution runs: *work*, of which it knows no more than stands here; a trial is one kind of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

Result = dict[str, Any]  # plain JSON: how the work ended (`status`, see `mibench.rows`), and what it gave


class Runnable(Protocol):
    """What of a work travels to a child process, pickled, and runs there."""

    def run(self, threads: int) -> Result:
        """Run it with so many threads; an exception is an error of this work alone."""

    def run_together(self, batch: Sequence[Self], threads: int) -> Iterator[tuple[int, Result]]:
        """Run a batch, of which this is the first, and yield (index, result) as each ends.

        Where it raises or dies, those without a result run again in smaller batches, until one is left to be blamed.
        """
        yield from ((index, one.run(threads)) for index, one in enumerate(batch))


class Work(Protocol):
    """One piece of work, as the driver sees it."""

    @property
    def key(self) -> str:
        """Names it among all works: its result comes back under this key."""

    @property
    def group(self) -> Hashable:
        """Works of one group are alike, the device included, and may share a batch."""

    @property
    def together(self) -> bool:
        """Whether its group runs a batch at once (`run_together`), so that a batch lives and dies as a whole."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu" or "cuda"."""

    @property
    def modules(self) -> frozenset[str]:
        """Modules, or paths of .py files, that are imported once for all children: those it needs to be unpickled."""

    def runnable(self) -> Runnable:
        """Return what travels."""


@dataclass(frozen=True)
class Limits:
    """How much a run may use: child processes at once, seconds for a work, bytes of resident memory for a child."""

    jobs: int | None = None
    timeout: float = 3600.0
    memory: int | None = None
