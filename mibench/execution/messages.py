"""What the driver and the child processes say to each other.

The driver sends a batch as two frames, a header in JSON and the pickled works; the server process never unpickles the
works, the child that it forks does. What comes back is one JSON object a line:

    {"begin": i}                  work i has begun (not sent by batches that run together)
    {"result": i, "row": {...}}   work i has ended, with its result
    {"printed": "..."}            a line that a work, or what it runs, wrote to its standard output or error
    {"end": "done" | "timeout" | "oom" | "crash", "text": ...}   the child has gone, always last
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import IO, Any, Literal

Verdict = Literal["done", "timeout", "oom", "crash"]

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Header:
    """What the server must know to supervise a batch.

    `modules` are imported before forking (names, or paths of .py files). `works` is how many there are. `timeout` is in
    seconds: for each work, or for the whole batch where its works run `together`. `memory` limits the child's resident
    memory in bytes.
    """

    modules: tuple[str, ...]
    works: int
    together: bool
    device: str
    threads: int
    timeout: float
    memory: int


def send(stream: IO[bytes], header: Header, payload: bytes) -> None:
    """Write a batch."""
    text = json.dumps(vars(header)).encode()
    stream.write(_LENGTH.pack(len(text)) + text + _LENGTH.pack(len(payload)) + payload)
    stream.flush()


def say(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write a message."""
    stream.write(json.dumps(message).encode() + b"\n")


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
