"""The store: one SQLite file of raw rows, a table for each kind of row. Every aggregate is computed from them again.

A row is appended when it is known, in a transaction that is on the disk (WAL, synchronous=FULL) before it is
acknowledged, so that a kill at any moment loses no acknowledged row. Rows are never changed; what is run again gets a
further row with the next attempt number, and the last attempt counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from mibench.interface import InputError
from mibench.rows.row import Column, Row, columns_of, plain

DEFAULT_STORE = "results/mibench.sqlite"
_SCHEMA = 2  # of the file; a newer one is refused
_LOCK_S = 60.0  # how long to wait for other processes that write
_SQL_TYPES = {"text": "TEXT", "whole": "INTEGER", "number": "REAL", "json": "JSON"}  # JSON columns hold text

AnyRow = TypeVar("AnyRow", bound=Mapping[str, object])


@dataclass(frozen=True)
class Table(Generic[AnyRow]):
    """A kind of row: the name of its table, its columns, and the column that is the same in all attempts at one thing.

    `attempt` is a column too. A column that is added later must be optional: older files get it when they are opened.
    """

    name: str
    row: type[AnyRow]
    key: str

    @functools.cached_property
    def columns(self) -> dict[str, Column]:
        """The columns in the order of a row's keys."""
        return columns_of(self.row)

    @functools.cached_property
    def definitions(self) -> dict[str, str]:
        """The columns as SQLite declares them."""
        return {
            name: f"{name} {_SQL_TYPES[column.kind]}" + ("" if column.optional else " NOT NULL")
            for name, column in self.columns.items()
        }

    @functools.cached_property
    def insert(self) -> str:
        """The statement that appends a row, its columns by their names: a file that was upgraded has another order."""
        return f"INSERT INTO {self.name} ({','.join(self.columns)}) VALUES ({','.join('?' * len(self.columns))})"

    def written(self, row: Mapping[str, object]) -> list[Any]:
        """The values of a row as SQLite takes them."""
        return [
            json.dumps(row[name], allow_nan=False) if column.kind == "json" else row[name]
            for name, column in self.columns.items()
        ]

    def read(self, records: Iterable[sqlite3.Row]) -> Iterator[AnyRow]:
        """The rows of a query."""
        texts = [name for name, column in self.columns.items() if column.kind == "json"]
        for record in records:
            row = {name: record[name] for name in self.columns}
            for name in texts:
                row[name] = json.loads(row[name])
            yield cast(AnyRow, row)


TRIALS = Table("rows", Row, key="run_key")


class Rows(Generic[AnyRow]):
    """Rows of one kind in a SQLite file, which is made when the first row is appended."""

    def __init__(self, path: str | Path, table: Table[AnyRow]) -> None:
        self.path = Path(path)
        self.table = table
        self._connection: sqlite3.Connection | None = None
        with _readable_errors(self.path):
            if self.path.is_dir():
                raise InputError(f"store {self.path} is a folder; give the path of a file")
            # An empty file is what a creation that was interrupted leaves: there is nothing to read in it.
            if self.path.exists() and self.path.stat().st_size > 0:
                self._open()

    def append(self, rows: Sequence[Mapping[str, object]]) -> list[AnyRow]:
        """Write rows in one durable transaction; returns them, as they read, when they are on the disk.

        Columns that a row lacks are empty; its attempt is counted here.
        """
        connection, table = self._connection or self._open(), self.table
        attempts = f"SELECT COALESCE(MAX(attempt), 0) + 1 FROM {table.name} WHERE {table.key} = ?"
        written = []
        with _readable_errors(self.path), connection:
            connection.execute("BEGIN IMMEDIATE")
            for row in rows:
                attempt = connection.execute(attempts, (row[table.key],)).fetchone()[0]
                full = {name: plain({**row, "attempt": attempt}.get(name)) for name in table.columns}
                connection.execute(table.insert, table.written(full))
                written.append(cast(AnyRow, full))
        return written

    def latest(self, keys: Iterable[str] | None = None) -> dict[str, AnyRow]:
        """Return the last attempt at each thing, by its key; of all things when no keys are given."""
        name, key = self.table.name, self.table.key
        query = f"SELECT * FROM {name} r WHERE attempt = (SELECT MAX(attempt) FROM {name} WHERE {key} = r.{key})"
        if keys is None:
            return self._by_key(query)
        asked = list(keys)
        found: dict[str, AnyRow] = {}
        for start in range(0, len(asked), 500):  # SQLite limits the number of ?
            some = asked[start : start + 500]
            found |= self._by_key(f"{query} AND {key} IN ({','.join('?' * len(some))})", some)
        return found

    def rows(self) -> list[AnyRow]:
        """Return every row, earlier attempts too, in the order of writing."""
        return self._read(f"SELECT * FROM {self.table.name} ORDER BY rowid")

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

    def _read(self, query: str, values: Sequence[str] = ()) -> list[AnyRow]:
        if self._connection is None:
            return []
        with _readable_errors(self.path):
            return list(self.table.read(self._connection.execute(query, values)))

    def _by_key(self, query: str, values: Sequence[str] = ()) -> dict[str, AnyRow]:
        return {str(row[self.table.key]): row for row in self._read(query, values)}

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
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        described = _columns(connection, "environments")
        if tables and (not described or (version <= _SCHEMA and described != ["id", "json"])):
            raise InputError(f"{self.path} is a SQLite file but no store of mibench; give another path")
        if version > _SCHEMA:
            raise InputError(f"store {self.path} was written by a newer mibench (schema {version} > {_SCHEMA})")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        if self._missing(connection):
            self._make_table(connection)

    def _missing(self, connection: sqlite3.Connection) -> list[str]:
        """Columns that the file does not have yet; all of them where the table is not there."""
        known = _columns(connection, self.table.name)
        return [name for name in self.table.columns if name not in known]

    def _make_table(self, connection: sqlite3.Connection) -> None:
        """Make the table, or add the columns that came later; another process may have been faster."""
        table = self.table
        columns = ", ".join(table.definitions.values())
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table.name} ({columns}, UNIQUE ({table.key}, attempt))")
            connection.execute("CREATE TABLE IF NOT EXISTS environments (id TEXT PRIMARY KEY, json TEXT)")
            for name in self._missing(connection):
                connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {table.definitions[name]}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA}")


class Store(Rows[Row]):
    """The trials of a file."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, TRIALS)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns of a table as it is in the file; none where there is no such table."""
    return [column["name"] for column in connection.execute(f"PRAGMA table_info({table})")]


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
