"""The driver: trials into batches, batches to child processes on this machine, results back as they come."""

from __future__ import annotations

import collections
import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import psutil

from mibench.execution.messages import Header, Job, Work, send
from mibench.interface import Configurable, Estimator
from mibench.plan import Trial
from mibench.provenance import usable_cores

_MEMORY_SHARE = 0.8
_MOST_JOBS = 8
_STACK = 8  # replicas that train at once on a CPU: more gain nothing, so that larger batches only unbalance the jobs


@dataclass(frozen=True)
class Limits:
    """How much a run may use: child processes at once, seconds for a trial, bytes of resident memory for a child."""

    jobs: int | None = None
    timeout: float = 3600.0
    memory: int | None = None


@dataclass(frozen=True)
class Batch:
    """Like trials (same estimator, dimensions, n and device), run by one child."""

    trials: tuple[Trial, ...]

    @property
    def together(self) -> bool:
        """Whether the estimator trains its batch at once, so that it lives and dies as a whole."""
        return type(self.trials[0].estimator).estimate_batch is not Estimator.estimate_batch


def make_batches(trials: Sequence[Trial], jobs: int) -> list[Batch]:
    """Group like trials, and cut the groups so that all jobs have work until the end; a GPU gets them whole."""
    groups: dict[tuple[object, ...], list[Trial]] = {}
    for trial in trials:
        law = trial.task.distribution
        key = (trial.estimator, type(trial.estimator), law.dim_x, law.dim_y, trial.n, trial.device)
        groups.setdefault(key, []).append(trial)
    batches = []
    for group in groups.values():
        size = max(1, math.ceil(len(group) / (4 * jobs)))
        if Batch(tuple(group)).together:
            least = len(group) if group[0].device == "cuda" else min(_STACK, math.ceil(len(group) / jobs))
            size = max(size, least)
        batches += [Batch(tuple(group[start : start + size])) for start in range(0, len(group), size)]
    return batches


def resolve_jobs(limits: Limits, trials: Sequence[Trial]) -> int:
    """Return how many child processes run at once: one a core unless told, and one where a GPU is shared."""
    if limits.jobs is not None:
        return limits.jobs
    if any(trial.device == "cuda" for trial in trials):
        return 1
    return max(1, min(usable_cores(), _MOST_JOBS, len(trials)))


def resolve_threads(jobs: int) -> int:
    """Return the threads of one child: the cores divided among the jobs."""
    return max(1, usable_cores() // jobs)


def run_batches(
    batches: Sequence[Batch], jobs: int, limits: Limits
) -> Generator[list[tuple[Trial, dict[str, Any]]], None, None]:
    """Run batches on child processes; yields trials with the columns that their rows get, as they end.

    When a batch dies, what had ended stays. The trial that was running gets the blame; where the trials ran together
    the rest is halved and run again until the blame falls on one.
    """
    pool = _Pool(batches, limits, resolve_threads(jobs))
    workers = [threading.Thread(target=pool.work, daemon=True) for _ in range(min(jobs, len(batches)))]
    for worker in workers:
        worker.start()
    try:
        missing = sum(len(batch.trials) for batch in batches)
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
        self.limits, self.threads = limits, threads
        self.waiting = collections.deque(batches)
        self.running = 0
        self.changed = threading.Condition()
        self.results: queue.SimpleQueue[tuple[Trial, dict[str, Any]] | BaseException] = queue.SimpleQueue()
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
        """Run a batch, put its results, and return the batches that its unfinished trials make."""
        missing, begun = dict(enumerate(batch.trials)), None
        verdict, text = "crash", ""
        for message in server.run(batch, self.limits.timeout, self.memory):
            if "begin" in message:
                begun = message["begin"]
            elif "result" in message:
                self.results.put((missing.pop(message["result"]), message["row"]))
            elif "printed" in message:
                sys.stderr.write(message["printed"] + "\n")  # at once: several threads write here
            else:
                verdict, text = message["end"], message["text"]
        text = text or f"the process that supervises the trials was killed {server.last_words}".strip()
        if not missing or self.stopped:
            return []
        if batch.together or begun not in missing:
            if len(missing) > 1:
                rest = list(missing.values())
                half = len(rest) // 2
                return [replace(batch, trials=tuple(part)) for part in (rest[:half], rest[half:])]
            begun = next(iter(missing))
        guilty = missing.pop(begun)
        self.results.put((guilty, {**self._blame(verdict, text), "batch_size": 1}))
        return [replace(batch, trials=tuple(missing.values()))] if missing else []

    def _blame(self, verdict: str, text: str) -> dict[str, Any]:
        texts = {
            "timeout": f"no result after {self.limits.timeout:g} s (--timeout)",
            "oom": f"used more than {self.memory / 2**20:.0f} MiB (--memory)",
            "done": "estimate_batch ended without an estimate for this trial",
        }
        status = "error" if verdict == "done" else verdict
        return {"status": status, "error_type": status, "error_text": texts.get(verdict, text)}


class _Server:
    """One `mibench.execution.child` process, started when it is needed and again when it was killed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process: subprocess.Popen[bytes] | None = None
        self.last_words = ""  # why the process ended, as far as it said
        self.closed = False
        self.starting = threading.Lock()  # the driver may close while a worker starts a process

    def run(self, batch: Batch, timeout: float, memory: int) -> Iterator[dict[str, Any]]:
        """Run a batch; yields messages until its end, or until the process is gone."""
        first = batch.trials[0]
        header = Header(
            modules=tuple(sorted(_modules(batch))),
            trials=len(batch.trials),
            together=batch.together,
            timeout=timeout * (len(batch.trials) if batch.together else 1),
            memory=memory,
            limit_address_space=first.device == "cpu",
        )
        jobs = tuple(Job(t.task.distribution, t.n, t.data_seed(), t.estimator_seed(), t.interval) for t in batch.trials)
        payload = cloudpickle.dumps(Work(first.estimator, jobs, first.device, self.threads))
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
                [sys.executable, "-m", "mibench.execution.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the driver, which then ends this process in order
            )
            return self.process


def _modules(batch: Batch) -> set[str]:
    """Return the modules, or the files, that the batch's objects come from and train with."""
    found = set()
    if batch.trials[0].estimator.facts.trains:
        # Imported when training begins, optimisers bring torch._dynamo: a second in every child if not before the fork.
        # Nobody promises that it leaves CUDA alone, which must not start before a fork.
        found |= {"torch", "torch._dynamo"} if batch.trials[0].device == "cpu" else {"torch"}
    owners: list[Configurable] = [batch.trials[0].estimator, *(trial.task.distribution for trial in batch.trials)]
    while owners:
        owner = owners.pop()
        module = sys.modules[type(owner).__module__]
        if module.__name__.startswith("mibench_file_"):
            found.add(str(module.__file__))
        elif module.__name__ != "__main__":
            found.add(module.__name__)
        owners += [value for value in vars(owner).values() if isinstance(value, Configurable)]
    return found
