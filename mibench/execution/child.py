"""The child process of one batch, which the server forks: limits itself, runs the works and says how each ended."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from mibench.execution.messages import Header, say
from mibench.execution.work import Result, Runnable
from mibench.failures import failure


def run(server: int, header: Header, payload: bytes, sending: int, printing: int, log: IO[bytes]) -> NoReturn:
    """Run the batch in the forked process, which ends here."""
    code = 1
    try:
        os.setsid()  # a group of its own, so that its own children are killed with it
        _die_with(server)
        _redirect(printing)
        faulthandler.enable(log)
        _limit_memory(header)
        works: list[Runnable] = pickle.loads(payload)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(header.threads)
        if header.device == "cuda":
            _limit_gpu_memory(header)
        output = os.fdopen(sending, "wb", buffering=0)
        for message in _messages(works, header.together, header.threads):
            with contextlib.suppress(ValueError):  # the work has closed it
                sys.stdout.flush()
            say(output, message)
        code = 0
    except BaseException:
        log.write(traceback.format_exc().encode(errors="replace"))  # whose end goes into the row
        log.flush()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _messages(works: Sequence[Runnable], together: bool, threads: int) -> Iterator[dict[str, Any]]:
    """Run works, one after another or as one batch; yields the messages described in `mibench.execution.messages`."""
    if together:
        for index, result in _run_together(works, threads):
            yield {"result": index, "row": result}
        return
    for index, work in enumerate(works):
        yield {"begin": index}
        try:
            result = work.run(threads)
        except (Exception, SystemExit) as error:
            result = failure(error)
        yield {"result": index, "row": result}


def _run_together(works: Sequence[Runnable], threads: int) -> Iterator[tuple[int, Result]]:
    """Run a batch; an exception ends it, and is the error of the last work that waits for its result."""
    waiting = set(range(len(works)))
    try:
        for index, result in works[0].run_together(works, threads):
            waiting.discard(index)
            yield index, result
    except (Exception, SystemExit) as error:
        if len(waiting) != 1:
            raise
        yield waiting.pop(), failure(error)


def _redirect(printing: int) -> None:
    """Read nothing, and print where the server listens."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(printing, 1)
    os.dup2(printing, 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # whole lines are out before a crash


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
    if header.device == "cpu" and sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
        limit = used + header.memory
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _limit_gpu_memory(header: Header) -> None:
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, header.memory / total))
