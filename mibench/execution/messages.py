"""What the driver and the child processes say to each other.

The driver sends a batch as two frames, a header in JSON and the pickled trials; the server process never unpickles the
trials, the child that it forks does. What comes back is one JSON object a line:

    {"begin": i}                  trial i has begun (not sent by batches that train together)
    {"result": i, "row": {...}}   trial i has ended, with the columns of its row
    {"printed": "..."}            a line that the estimator, or what it runs, wrote to its standard output or error
    {"end": "done" | "timeout" | "oom" | "crash", "text": ...}   the child has gone, always last
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from mibench.interface import Estimator, Interval, JointDistribution

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Job:
    """What a child needs to run one trial."""

    distribution: JointDistribution
    n: int
    data_seed: np.random.SeedSequence
    estimator_seed: np.random.SeedSequence
    interval: Interval | None = None


@dataclass(frozen=True)
class Work:
    """Like trials of one estimator, run by one child process."""

    estimator: Estimator
    jobs: tuple[Job, ...]
    device: str
    threads: int


@dataclass(frozen=True)
class Header:
    """What the server must know to supervise a batch.

    `modules` are imported before forking (names, or paths of .py files). `trials` is how many there are. `timeout` is
    in seconds: for each trial, or for the whole batch where its trials train `together`. `memory` limits the child's
    resident memory in bytes.
    """

    modules: tuple[str, ...]
    trials: int
    together: bool
    timeout: float
    memory: int
    limit_address_space: bool


def send(stream: IO[bytes], header: Header, payload: bytes) -> None:
    """Write a batch."""
    text = json.dumps(vars(header)).encode()
    stream.write(_LENGTH.pack(len(text)) + text + _LENGTH.pack(len(payload)) + payload)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Header, bytes] | None:
    """Read a batch; None when the driver is gone."""
    text = _frame(stream)
    payload = _frame(stream) if text is not None else None
    if text is None or payload is None:
        return None
    fields: dict[str, Any] = json.loads(text)
    return Header(**{**fields, "modules": tuple(fields["modules"])}), payload


def _frame(stream: IO[bytes]) -> bytes | None:
    head = _read(stream, _LENGTH.size)
    return None if head is None else _read(stream, _LENGTH.unpack(head)[0])


def _read(stream: IO[bytes], size: int) -> bytes | None:
    """Read exactly `size` bytes, also from an unbuffered pipe; None when it ends before."""
    parts, missing = [], size
    while missing:
        part = stream.read(min(missing, 1 << 20))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
