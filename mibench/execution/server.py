"""The server process (`python -m mibench.execution.server`) that forks and supervises one child per batch.

It imports what the plan needs once and never touches CUDA, so that a fork is cheap and each child may start CUDA. It
kills a child at its deadline or when its resident memory passes the limit, and dies with its driver: its standard
input is then at its end. The child dies with the server.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import selectors
import signal
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from mibench.execution import child
from mibench.execution.messages import Header, Verdict, receive, say
from mibench.registry import import_file

_DRIVER = 0  # standard input
_TICK_S = 0.05
_LOG_TAIL = 2000
_PIPE = 1 << 16  # bytes that a pipe holds
_LONGEST_LINE = 1 << 20  # bytes after which a line is cut


def main() -> None:
    """Serve batches until the driver is gone."""
    # Printing in an estimator must not reach the messages: standard output is moved out of its way.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # Unbuffered, so that the end of the pipe can be seen while a child runs.
    source = os.fdopen(0, "rb", buffering=0, closefd=False)
    while (batch := receive(source)) is not None:
        header, payload = batch
        _preload(header.modules)
        if not _supervise(header, payload, output):
            return


def _preload(modules: tuple[str, ...]) -> None:
    for module in modules:
        with contextlib.suppress(Exception):  # the child meets the same error and reports it with its work
            if module.endswith(".py"):
                import_file(Path(module))
            else:
                importlib.import_module(module)


def _supervise(header: Header, payload: bytes, output: IO[bytes]) -> bool:
    """Run one batch in a child; False when the driver has gone."""
    receiving, sending = os.pipe()
    printed, printing = os.pipe()
    with tempfile.TemporaryFile() as log:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(receiving)
            os.close(printed)
            child.run(server, header, payload, sending, printing, log)
        os.close(sending)
        os.close(printing)
        prints = _Prints(printed, output)
        verdict, status = _Watch(pid, header, receiving, prints).until_its_end()
        _kill(pid, waited_for=status is not None)
        os.close(receiving)
        if verdict is None:
            return False
        prints.finish()
        os.close(printed)
        text = _how_it_ended(status, prints.tail, log) if verdict == "crash" and status is not None else ""
        say(output, {"end": verdict, "text": text})
    return True


def _kill(pid: int, *, waited_for: bool) -> None:
    """End the child, and whatever it has started with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if not waited_for:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class _Prints:
    """What the child writes to its standard output and error, passed on in whole lines."""

    def __init__(self, source: int, output: IO[bytes]) -> None:
        os.set_blocking(source, False)
        self.source, self.output = source, output
        self.tail = self.begun = b""

    def read(self) -> bool:
        """Pass on some of what is there; False when there is no more for now, or the pipe is at its end."""
        try:
            part = os.read(self.source, _PIPE)
        except BlockingIOError:
            return False
        self.tail = (self.tail + part)[-_LOG_TAIL:]
        *lines, self.begun = (self.begun + part).split(b"\n")
        if len(self.begun) >= _LONGEST_LINE:  # of one who never ends a line
            lines, self.begun = [*lines, self.begun], b""
        for line in lines:
            say(self.output, {"printed": line.decode(errors="replace")})
        return bool(part)

    def finish(self) -> None:
        """Pass on all that was written so far, and make a line of what has no end.

        One read, of as much as a pipe holds: one who prints faster than is read would hold up the deadline for ever.
        """
        self.read()
        if self.begun:
            say(self.output, {"printed": self.begun.decode(errors="replace")})
            self.begun = b""


class _Watch:
    """Passes on what a child says until it has ended, or finds why it must be killed."""

    def __init__(self, pid: int, header: Header, receiving: int, prints: _Prints) -> None:
        self.pid, self.header, self.receiving, self.prints = pid, header, receiving, prints
        self.process = psutil.Process(pid)
        self.status: int | None = None
        self.deadline = time.monotonic() + header.timeout
        self.unfinished, self.pending, self.tick = header.works, b"", _TICK_S
        self.selector = selectors.DefaultSelector()
        for source in (receiving, prints.source, _DRIVER):
            self.selector.register(source, selectors.EVENT_READ)

    def until_its_end(self) -> tuple[Verdict | None, int | None]:
        """Return how the batch ended, None where the driver is gone; and the status of the child, None if it lives."""
        with self.selector:
            while True:
                self._see_whether_it_ended()
                ready = {key.fd for key, _ in self.selector.select(self.tick)}
                if _DRIVER in ready:  # it says nothing while a batch runs: this is the end of the pipe
                    return None, self.status
                if self.prints.source in ready and not self.prints.read():
                    self.selector.unregister(self.prints.source)
                if self.receiving in ready:
                    self._pass_on()
                elif self.status is not None:
                    return "done" if self.status == 0 else "crash", self.status
                if (verdict := self._passes_a_limit()) is not None:
                    return verdict, self.status

    def _see_whether_it_ended(self) -> None:
        if self.status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.status, self.tick = status, 0.0

    def _pass_on(self) -> None:
        part = os.read(self.receiving, _PIPE)
        *lines, self.pending = (self.pending + part).split(b"\n")
        self.unfinished -= sum(line.startswith(b'{"result"') for line in lines)
        self.prints.read()  # what was printed before
        if not self.unfinished:
            self.prints.finish()  # after the last result nobody listens
        for line in lines:
            self.prints.output.write(line + b"\n")
        if lines and not self.header.together:
            self.deadline = time.monotonic() + self.header.timeout  # a work began or ended
        if not part:  # nothing more can come: it is about to end
            self.selector.unregister(self.receiving)
            self.tick = min(self.tick, 0.001)

    def _passes_a_limit(self) -> Verdict | None:
        if time.monotonic() > self.deadline:
            return "timeout"
        with contextlib.suppress(psutil.Error):  # it may have just ended
            if self.process.memory_info().rss > self.header.memory:
                return "oom"
        return None


def _how_it_ended(status: int, printed: bytes, log: IO[bytes]) -> str:
    log.seek(0)
    words = (printed + log.read())[-_LOG_TAIL:].decode(errors="replace").partition("\nExtension modules:")[0]
    tail = re.sub(r"\s*\n\s*", " | ", words.strip())
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        how = f"killed by signal {number} ({signal.strsignal(number)})"
    else:
        how = f"exited with status {os.WEXITSTATUS(status)}"
    return f"{how}; its last words: {tail}" if tail else how


if __name__ == "__main__":
    main()
