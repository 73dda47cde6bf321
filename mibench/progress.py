"""How something long goes on: told to a `Progress`, shown on standard error by a bar on a terminal, else by lines."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import rich.progress

_PLAIN_EVERY_S = 10.0


class Progress(Protocol):
    """Is told how a run, or a row of estimates, goes on."""

    def begin(self, total: int, found: int = 0, stale: int = 0) -> None:
        """There are `total`; `found` of them are stored already, `stale` are stored but of other code and run again."""

    def reached(self, done: int, failed: int = 0) -> None:
        """So many of those that were not found are done, and so many of these failed."""


class _Silent:
    """Shows nothing."""

    def begin(self, total: int, found: int = 0, stale: int = 0) -> None:
        """See `Progress.begin`."""

    def reached(self, done: int, failed: int = 0) -> None:
        """See `Progress.reached`."""


SILENT: Progress = _Silent()


class ProgressDisplay:
    """Shows what is done and what has failed, with the time that is left; use it as a context manager."""

    def __init__(self, what: str = "trials") -> None:
        self.what, self.total = what, 0
        self._bar: rich.progress.Progress | None = None
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, total: int, found: int = 0, stale: int = 0) -> None:
        """Say what is found, and show the bar if something is left to do."""
        if found:
            say(f"{found} of {total} {self.what} are in the store already")
        if stale:
            say(f"{stale} stored {self.what} are of other code and run again (--keep-stale keeps them)")
        self.total = total - found
        if self.total and sys.stderr.isatty():
            self._bar = _bar(self.what, self.total)
            self._bar.start()  # known before it starts, so that Ctrl-C meanwhile takes it away

    def reached(self, done: int, failed: int = 0) -> None:
        """Count up to `done`."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, failed=_failed(failed))
            return
        now = time.monotonic()
        elapsed = now - self._started
        if now - self._said >= _PLAIN_EVERY_S or (done == self.total > 1 and elapsed >= 1.0):
            left = f"about {elapsed / done * (self.total - done):.0f} s left" if done < self.total else ""
            parts = [f"{done}/{self.total} {self.what}", _failed(failed), f"{elapsed:.0f} s", left]
            say(", ".join(part for part in parts if part))
            self._said = now


def _failed(count: int) -> str:
    return f"{count} failed" if count else ""


def _bar(what: str, total: int) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    count = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    clock = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    bar = Progress(*count, *clock, console=Console(stderr=True), transient=True)
    bar.add_task(what, total=total, failed="")
    return bar


def say(text: str) -> None:
    """Write one line to standard error."""
    print(text, file=sys.stderr, flush=True)
