"""Shows how a run goes on, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mibench.rows.row import Row

_PLAIN_EVERY_S = 10.0


class ProgressDisplay:
    """Counts what has ended and what has failed, with the time that is left; use it as a context manager."""

    def __init__(self, what: str = "trials") -> None:
        self.what = what
        self.done = self.failed = self.total = 0
        self._bar: Progress | None = None
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, planned: int, found: int, stale: int) -> None:
        """Say what is planned, and show the bar if something is left to do."""
        if found:
            say(f"{found} of {planned} {self.what} are in the store already")
        if stale:
            say(f"{stale} stored {self.what} are of other code and run again (--keep-stale keeps them)")
        self.start(planned - found)

    def start(self, total: int) -> None:
        """Start to count up to a total."""
        self.total = total
        if total and sys.stderr.isatty():
            failed = TextColumn("{task.fields[failed]}")
            count = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), failed)
            clock = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            self._bar = Progress(*count, *clock, console=Console(stderr=True), transient=True)
            self._bar.add_task(self.what, total=total, failed="")
            self._bar.start()

    def reached(self, done: int, total: int) -> None:
        """Count up to `done` of `total`."""
        if not self.total:
            self.start(total)
        while self.done < done:
            self.advance()

    def ended(self, row: Row) -> None:
        """Count one row."""
        self.failed += row["status"] not in ("ok", "skipped")
        self.advance()

    def advance(self) -> None:
        """Count one step."""
        self.done += 1
        failed = f"{self.failed} failed" if self.failed else ""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, failed=failed)
            return
        now = time.monotonic()
        elapsed = now - self._started
        if now - self._said >= _PLAIN_EVERY_S or (self.done == self.total > 1 and elapsed >= 1.0):
            left = (
                f"about {elapsed / self.done * (self.total - self.done):.0f} s left" if self.done < self.total else ""
            )
            parts = [f"{self.done}/{self.total} {self.what}", failed, f"{elapsed:.0f} s", left]
            say(", ".join(part for part in parts if part))
            self._said = now


def say(text: str) -> None:
    """Write one line to standard error."""
    print(text, file=sys.stderr, flush=True)
