"""The driver: batches to child processes of this machine, from several threads, and results back as they come."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import cloudpickle
import psutil

from mibench.execution.batches import Batch, Running, blame
from mibench.execution.messages import Header, Verdict, send
from mibench.execution.work import Limits, Result, Work
from mibench.machine import usable_cores

_MEMORY_SHARE = 0.8
_MOST_JOBS = 8


def resolve_jobs(limits: Limits, works: Sequence[Work]) -> int:
    """Return how many child processes run at once: one a core unless told, and one where a GPU is shared."""
    if limits.jobs is not None:
        return limits.jobs
    if any(work.device == "cuda" for work in works):
        return 1
    return max(1, min(usable_cores(), _MOST_JOBS, len(works)))


def resolve_threads(jobs: int) -> int:
    """Return the threads of one child: the cores divided among the jobs."""
    return max(1, usable_cores() // jobs)


def run_batches(batches: Sequence[Batch], jobs: int, limits: Limits) -> Generator[list[tuple[str, Result]], None, None]:
    """Run batches on child processes; yields the keys of works with their results, as they end.

    When a batch dies, what had ended stays; see `mibench.execution.batches.Running` for the rest.
    """
    pool = _Pool(batches, limits, resolve_threads(jobs))
    workers = [threading.Thread(target=pool.work, daemon=True) for _ in range(min(jobs, len(batches)))]
    for worker in workers:
        worker.start()
    try:
        missing = sum(len(batch.works) for batch in batches)
        while missing:
            items = [pool.results.get()]
            while not pool.results.empty():
                items.append(pool.results.get())
            ended = []
            for item in items:
                if isinstance(item, BaseException):
                    raise item
                ended.append(item)
            missing -= len(ended)
            yield ended
    finally:
        pool.stop()


class _Pool:
    """Batches still to run, and the results of those that ran, shared by the driver's threads."""

    def __init__(self, batches: Sequence[Batch], limits: Limits, threads: int) -> None:
        self.timeout, self.threads = limits.timeout, threads
        self.waiting = collections.deque(batches)
        self.running = 0
        self.changed = threading.Condition()
        self.results: queue.SimpleQueue[tuple[str, Result] | BaseException] = queue.SimpleQueue()
        self.servers: list[_Server] = []
        self.stopped = False
        share = _MEMORY_SHARE * psutil.virtual_memory().total / max(1, usable_cores() // threads)
        self.memory = limits.memory or int(share)

    def work(self) -> None:
        """Run batches until none is left or can come; the body of one thread."""
        server = _Server(self.threads)
        self.servers.append(server)
        try:
            while (batch := self._next()) is not None:
                again = self._run(server, batch)
                with self.changed:
                    self.waiting.extendleft(reversed(again))
                    self.running -= 1
                    self.changed.notify_all()
        except Exception as error:
            if not self.stopped:
                self.results.put(error)
        finally:
            server.close()

    def stop(self) -> None:
        """End all child processes."""
        self.stopped = True
        with self.changed:
            self.waiting.clear()
            self.changed.notify_all()
        for server in self.servers:
            server.close()

    def _next(self) -> Batch | None:
        with self.changed:
            while not self.waiting and self.running and not self.stopped:
                self.changed.wait()  # a batch that dies comes back in parts
            if not self.waiting or self.stopped:
                return None
            self.running += 1
            return self.waiting.popleft()

    def _run(self, server: _Server, batch: Batch) -> list[Batch]:
        """Run a batch, put its results, and return the batches that run again."""
        running = Running(batch)
        verdict: Verdict = "crash"
        text = ""
        for message in server.run(batch, self.timeout, self.memory):
            if "begin" in message:
                running.begin(message["begin"])
            elif "result" in message:
                self.results.put((running.finish(message["result"]).key, message["row"]))
            elif "printed" in message:
                sys.stderr.write(message["printed"] + "\n")  # at once: several threads write here
            else:
                verdict, text = message["end"], message["text"]
        if self.stopped:
            return []
        guilty, again = running.close()
        if guilty is not None:
            text = text or f"the process that supervises it was killed {server.last_words}".strip()
            self.results.put((guilty.key, blame(verdict, text, self.timeout, self.memory)))
        return again


class _Server:
    """One `mibench.execution.server` process, started when it is needed and again when it was killed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process: subprocess.Popen[bytes] | None = None
        self.last_words = ""  # why the process ended, as far as it said
        self.closed = False
        self.starting = threading.Lock()  # the driver may close while a worker starts a process

    def run(self, batch: Batch, timeout: float, memory: int) -> Iterator[dict[str, Any]]:
        """Run a batch; yields messages until its end, or until the process is gone."""
        header = Header(
            modules=tuple(sorted(batch.modules)),
            works=len(batch.works),
            together=batch.together,
            device=batch.device,
            threads=self.threads,
            timeout=timeout * (len(batch.works) if batch.together else 1),
            memory=memory,
        )
        payload = cloudpickle.dumps([work.runnable() for work in batch.works])
        process = self._started()
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # killed meanwhile: its output is then at its end
            send(process.stdin, header, payload)
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break  # cut off in the middle
            message = json.loads(line)
            yield message
            if "end" in message:
                return
        self._end()  # it was killed: the next batch starts another

    def close(self) -> None:
        """End the process, and with it the child that it supervises, for good."""
        with self.starting:
            self.closed = True
        self._end()

    def _end(self) -> None:
        with self.starting:
            process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # which tells it to end; then no thread is left waiting for its output
        try:
            process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self.log.seek(0)
        self.last_words = self.log.read()[-1000:].decode(errors="replace").strip()
        self.log.close()

    def _started(self) -> subprocess.Popen[bytes] | None:
        """Return the running process; None when no more may be started."""
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(self.threads))}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        with self.starting:
            if self.closed or (self.process is not None and self.process.poll() is None):
                return self.process
            self.log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mibench.execution.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the driver, which then ends this process in order
            )
            return self.process
