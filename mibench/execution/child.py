"""The server process (`python -m mibench.execution.child`) that forks and supervises one child per batch.

It imports what the plan needs once and never touches CUDA, so that a fork is cheap and each child may start CUDA. It
kills a child at its deadline or when its resident memory passes the limit, and dies with its driver: its standard
input is then at its end. The child dies with the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import io
import json
import os
import pickle
import re
import resource
import selectors
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

import psutil

from mibench.execution import trial
from mibench.execution.messages import Header, Work, receive
from mibench.registry import import_file

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
        with contextlib.suppress(Exception):  # the child meets the same error and reports it with its trial
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
        child = os.fork()
        if child == 0:
            os.close(receiving)
            os.close(printed)
            _run_child(server, header, payload, sending, printing, log)
        os.close(sending)
        os.close(printing)
        prints = _Prints(printed, output)
        verdict, status = _watch(child, header, receiving, output, prints)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # whatever the child has started ends with it
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(receiving)
        if verdict == "driver gone":
            return False
        prints.finish()
        os.close(printed)
        text = _how_it_ended(status, prints.tail, log) if verdict == "crash" and status is not None else ""
        _say(output, {"end": verdict, "text": text})
    return True


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
            _say(self.output, {"printed": line.decode(errors="replace")})
        return bool(part)

    def finish(self) -> None:
        """Pass on all that was written so far, and make a line of what has no end.

        One read, of as much as a pipe holds: one who prints faster than is read would hold up the deadline for ever.
        """
        self.read()
        if self.begun:
            _say(self.output, {"printed": self.begun.decode(errors="replace")})
            self.begun = b""


def _watch(child: int, header: Header, receiving: int, output: IO[bytes], prints: _Prints) -> tuple[str, int | None]:
    """Pass the child's messages on until it has ended, or say why it must be killed; with its status if it ended."""
    process = psutil.Process(child)
    deadline = time.monotonic() + header.timeout
    pending, tick, unfinished = b"", _TICK_S, header.trials
    with selectors.DefaultSelector() as selector:
        selector.register(receiving, selectors.EVENT_READ)
        selector.register(prints.source, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        ended = status = 0
        while True:
            if not ended:
                ended, status = os.waitpid(child, os.WNOHANG)
            ready = [key.fd for key, _ in selector.select(0.0 if ended else tick)]
            if 0 in ready:  # the driver says nothing while a batch runs: this is the end of the pipe
                return "driver gone", status if ended else None
            if prints.source in ready and not prints.read():
                selector.unregister(prints.source)
            if receiving in ready:
                part = os.read(receiving, _PIPE)
                *lines, pending = (pending + part).split(b"\n")
                unfinished -= sum(line.startswith(b'{"result"') for line in lines)
                prints.read()  # what was printed before
                if not unfinished:
                    prints.finish()  # after the last result nobody listens
                for line in lines:
                    output.write(line + b"\n")
                if lines and not header.together:
                    deadline = time.monotonic() + header.timeout  # a trial began or ended
                if not part:  # nothing more can come: it is about to end
                    selector.unregister(receiving)
                    tick = 0.001
            elif ended:
                return ("done" if status == 0 else "crash"), status
            if time.monotonic() > deadline:
                return "timeout", None
            with contextlib.suppress(psutil.Error):  # it may have just ended
                if process.memory_info().rss > header.memory:
                    return "oom", None


def _run_child(server: int, header: Header, payload: bytes, sending: int, printing: int, log: IO[bytes]) -> None:
    """Run the batch in the forked process, which never returns from here."""
    code = 1
    try:
        os.setsid()  # a group of its own, so that its own children are killed with it
        _die_with(server)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(printing, 1)
        os.dup2(printing, 2)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True)  # whole lines are out before a crash
        faulthandler.enable(log)
        _limit_memory(header)
        work: Work = pickle.loads(payload)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(work.threads)
        if work.device == "cuda":
            _limit_gpu_memory(header)
        run = trial.run_together if header.together else trial.run_each
        output = os.fdopen(sending, "wb", buffering=0)
        for message in run(work):
            with contextlib.suppress(ValueError):  # the estimator has closed it
                sys.stdout.flush()
            _say(output, message)
        code = 0
    except BaseException:
        log.write(traceback.format_exc().encode(errors="replace"))  # whose end goes into the row
        log.flush()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _die_with(server: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(1.0)
        os._exit(1)

    if sys.platform != "linux":
        threading.Thread(target=watch, daemon=True).start()
    elif os.getppid() != server:  # it died before the signal was asked for
        os._exit(1)


def _limit_memory(header: Header) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if header.limit_address_space and sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
        limit = used + header.memory
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _limit_gpu_memory(header: Header) -> None:
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, header.memory / total))


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


def _say(output: IO[bytes], message: dict[str, Any]) -> None:
    output.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
