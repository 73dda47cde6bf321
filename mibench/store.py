"""The store: one SQLite file of raw rows. Every aggregate is computed from them again.

A row is appended when its trial has ended, in a transaction that is on the disk (WAL, synchronous=FULL) before it is
acknowledged, so that a kill at any moment loses no acknowledged row. Rows are never changed; a trial that is run again
gets a further row with the next attempt number, and the last attempt counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mibench.interface import InputError

DEFAULT_STORE = "results/mibench.sqlite"
# Column -> SQLite type, in the order of a row's keys. JSON columns hold text.
COLUMNS = {
    "run_key": "TEXT NOT NULL",
    "attempt": "INTEGER NOT NULL",
    "code": "TEXT NOT NULL",
    "estimator": "TEXT NOT NULL",
    "params": "JSON NOT NULL",
    "estimator_version": "TEXT NOT NULL",
    "distribution": "TEXT NOT NULL",
    "distribution_version": "TEXT NOT NULL",
    "dim_x": "INTEGER NOT NULL",
    "dim_y": "INTEGER NOT NULL",
    "n": "INTEGER NOT NULL",
    "seed": "INTEGER NOT NULL",
    "status": "TEXT NOT NULL",
    "estimate": "REAL",
    "low": "REAL",
    "high": "REAL",
    "level": "REAL",
    "interval": "TEXT",
    "quantity": "TEXT NOT NULL",
    "bound": "TEXT NOT NULL",
    "truth": "REAL",
    "truth_low": "REAL",
    "truth_high": "REAL",
    "truth_se": "REAL",
    "truth_method": "TEXT",
    "oracle": "REAL",
    "wall_s": "REAL",
    "cpu_s": "REAL",
    "batch_size": "INTEGER",
    "peak_rss_mb": "REAL",
    "device": "TEXT NOT NULL",
    "diagnostics": "JSON NOT NULL",
    "warnings": "JSON NOT NULL",
    "error_type": "TEXT",
    "error_text": "TEXT",
    "created_utc": "TEXT NOT NULL",
    "environment": "TEXT NOT NULL",
}
STATUSES = ("ok", "nonfinite", "error", "timeout", "crash", "oom", "skipped")
_JSON = [name for name, kind in COLUMNS.items() if kind.startswith("JSON")]
_NEXT_ATTEMPT = "SELECT COALESCE(MAX(attempt), 0) + 1 FROM rows WHERE run_key = ?"
# The columns by their names: a store that was upgraded has another order.
_INSERT = f"INSERT INTO rows ({','.join(COLUMNS)}) VALUES ({','.join('?' * len(COLUMNS))})"
_SCHEMA = 2  # 2: interval
_LOCK_S = 60.0  # how long to wait for other processes that write


class Store:
    """Rows in a SQLite file, which is made when the first row is appended."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        with _readable_errors(self.path):
            if self.path.is_dir():
                raise InputError(f"store {self.path} is a folder; give the path of a file")
            # An empty file is what a creation that was interrupted leaves: there is nothing to read in it.
            if self.path.exists() and self.path.stat().st_size > 0:
                self._open()

    def append(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write rows in one durable transaction; returns them, as they read, when they are on the disk."""
        connection = self._connection or self._open()
        written = []
        with _readable_errors(self.path), connection:
            connection.execute("BEGIN IMMEDIATE")
            for row in rows:
                attempt = connection.execute(_NEXT_ATTEMPT, (row["run_key"],)).fetchone()[0]
                full = {name: plain({**row, "attempt": attempt}.get(name)) for name in COLUMNS}
                values = [json.dumps(full[name], allow_nan=False) if name in _JSON else full[name] for name in COLUMNS]
                connection.execute(_INSERT, values)
                written.append(full)
        return written

    def latest(self, run_keys: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the last attempt of each trial, by run_key; of all trials when no keys are given."""
        query = "SELECT * FROM rows r WHERE attempt = (SELECT MAX(attempt) FROM rows WHERE run_key = r.run_key)"
        if run_keys is None:
            return {row["run_key"]: row for row in self._read(query)}
        keys, found = list(run_keys), {}
        for start in range(0, len(keys), 500):  # SQLite limits the number of ?
            some = keys[start : start + 500]
            among = f"{query} AND run_key IN ({','.join('?' * len(some))})"
            found.update({row["run_key"]: row for row in self._read(among, some)})
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return every row, earlier attempts too, in the order of writing."""
        return list(self._read("SELECT * FROM rows ORDER BY rowid"))

    def add_environment(self, description: Mapping[str, Any]) -> str:
        """Store the description of a run once, and return the id that its rows carry."""
        text = json.dumps(description, sort_keys=True)
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
        connection = self._connection or self._open()
        with _readable_errors(self.path), connection:
            connection.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (identity, text))
        return identity

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return the descriptions of all runs by their id."""
        if self._connection is None:
            return {}
        with _readable_errors(self.path):
            return {key: json.loads(text) for key, text in self._connection.execute("SELECT * FROM environments")}

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        with _readable_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_LOCK_S, isolation_level=None)
            try:
                connection.row_factory = sqlite3.Row
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and not {"rows", "environments"} <= tables:
            raise InputError(f"{self.path} is a SQLite file but no store of mibench; give another path")
        if version > _SCHEMA:
            raise InputError(f"store {self.path} was written by a newer mibench (schema {version} > {_SCHEMA})")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        if not tables:
            columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"CREATE TABLE IF NOT EXISTS rows ({columns}, UNIQUE (run_key, attempt))")
                connection.execute("CREATE TABLE IF NOT EXISTS environments (id TEXT PRIMARY KEY, json TEXT)")
                connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        elif version < _SCHEMA:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                known = {column["name"] for column in connection.execute("PRAGMA table_info(rows)")}
                if "interval" not in known:  # another process may have been faster
                    connection.execute("ALTER TABLE rows ADD COLUMN interval TEXT")
                connection.execute(f"PRAGMA user_version = {_SCHEMA}")

    def _read(self, query: str, values: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        if self._connection is None:
            return
        with _readable_errors(self.path):
            for record in self._connection.execute(query, values):
                row = {name: record[name] for name in COLUMNS}
                for name in _JSON:
                    row[name] = json.loads(row[name])
                yield row


def _use_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _LOCK_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # another process makes the same file; SQLite itself does not wait here
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise InputError(f"store {path} cannot be used: {error}") from error


def plain(value: Any) -> Any:
    """Turn a value into plain JSON: numbers that are not finite become None, arrays become lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).encode(errors="backslashreplace").decode()  # surrogates are no text that can be written
