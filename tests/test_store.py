"""The store: rows survive, attempts count up, values are plain, and nothing is made by looking."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
import typing
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest

from mibench.interface import InputError
from mibench.rows.row import COLUMNS, STATUSES, Outcome, Row, plain
from mibench.rows.store import AnyRow, Rows, Store, Table

# The contract of a row: other programs read these.
CONTRACT = {
    "run_key", "code", "estimator", "params", "estimator_version", "distribution", "distribution_version", "dim_x",
    "dim_y", "n", "seed", "status", "estimate", "low", "high", "level", "quantity", "bound", "truth", "truth_low",
    "truth_high", "truth_se", "truth_method", "oracle", "wall_s", "cpu_s", "batch_size", "peak_rss_mb", "device",
    "diagnostics", "warnings", "error_type", "error_text", "created_utc", "environment", "interval",
}  # fmt: skip


def row(key: str = "a", **columns: Any) -> dict[str, Any]:
    return {
        "run_key": key, "code": "c0de", "estimator": "ksg", "params": {"k": 3}, "estimator_version": "1",
        "distribution": "gaussian-sparse", "distribution_version": "1", "dim_x": 5, "dim_y": 5, "n": 100, "seed": 0,
        "status": "ok", "estimate": 0.25, "quantity": "mi", "bound": "none", "device": "cpu", "diagnostics": {},
        "warnings": [], "created_utc": "2025-01-01T00:00:00+00:00", "environment": "e", **columns,
    }  # fmt: skip


def reopened(path: Path) -> list[Row]:
    store = Store(path)
    rows = store.rows()
    store.close()
    return rows


def test_a_row_has_exactly_the_keys_of_the_contract(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    (written,) = store.append([row()])
    assert set(written) == CONTRACT | {"attempt"}
    assert list(written) == list(COLUMNS)
    assert store.rows() == [written] == reopened(store.path)
    store.close()


def test_commits_are_synchronous_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for _ in range(2):  # made, and opened again
        store = Store(path)
        store.append([row()])
        connection = store._connection
        assert connection is not None
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL: the log is on disk at each commit
        store.close()


def test_what_append_returned_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2]);"
        "from test_store import row; from mibench.rows.store import Store;"
        "store = Store(sys.argv[1]); print(len(store.append([row(str(i)) for i in range(3)])), flush=True);"
        "store._connection.execute('BEGIN IMMEDIATE');"
        "store._connection.execute('INSERT INTO environments VALUES (1, 2)'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(Path(__file__).parent)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    assert done.stdout == "3\n"
    store = Store(path)
    assert [one["run_key"] for one in store.rows()] == ["0", "1", "2"]
    assert store.environments() == {}  # what was not committed is not half there
    store.append([row("3")])
    store.close()


def test_attempts_count_up_and_the_last_one_counts(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.append([row("a", status="timeout", estimate=None), row("b")])
    store.append([row("a", estimate=0.5), row("a", estimate=0.75)])
    assert [(one["run_key"], one["attempt"], one["status"]) for one in store.rows()] == [
        ("a", 1, "timeout"), ("b", 1, "ok"), ("a", 2, "ok"), ("a", 3, "ok")
    ]  # fmt: skip
    latest = store.latest()
    assert {key: (one["attempt"], one["estimate"]) for key, one in latest.items()} == {"a": (3, 0.75), "b": (1, 0.25)}
    assert store.latest(["a", "missing"]) == {"a": latest["a"]}
    assert store.latest([]) == {}
    store.close()


def test_a_batch_of_rows_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.append([row("a")])
    with pytest.raises(InputError):
        store.append([row("b"), {**row("c"), "n": None}])
    assert [one["run_key"] for one in store.rows()] == ["a"]
    store.append([row("b")])
    assert len(store.rows()) == 2
    store.close()


@pytest.mark.parametrize("count", [499, 500, 501, 1201])
def test_any_number_of_keys_is_found(count: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    keys = [f"key-{index}" for index in range(count)]
    store.append([row(key) for key in keys])
    found = store.latest([*reversed(keys), "missing"])
    assert {key: one["run_key"] for key, one in found.items()} == {key: key for key in keys}
    store.close()


def test_an_environment_is_stored_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    one = store.add_environment({"python": "3", "cores": 2})
    assert store.add_environment({"cores": 2, "python": "3"}) == one
    other = store.add_environment({"python": "3", "cores": 4})
    assert store.environments() == {one: {"python": "3", "cores": 2}, other: {"python": "3", "cores": 4}}
    store.close()


# ---------------------------------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (np.float64("nan"), None),
        (-math.inf, None),
        ((1, (2.5, "a")), [1, [2.5, "a"]]),
        ({1: {"b": math.nan}, "c": None}, {"1": {"b": None}, "c": None}),
        (True, True),
        (Decimal("1.5"), "1.5"),
        (Path("a"), "a"),
        (10**30, 10**30),
        ("caf\u00e9\n\x00", "caf\u00e9\n\x00"),
        ("cut \udcff", "cut \\udcff"),  # what Python makes of a file name that is no text
    ],
)
def test_values_become_plain_json(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found, allow_nan=False)) == expected
    json.dumps(found, ensure_ascii=False).encode()


def test_rows_take_numpy_and_what_is_not_finite(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    diagnostics = {"curve": np.array([1.0, np.nan]), "steps": np.int32(7)}
    (written,) = store.append(
        [
            row(
                estimate=np.float32(0.5),
                low=-np.inf,
                high=np.nan,
                n=np.int64(9),
                diagnostics=diagnostics,
                warnings=("é",),
                error_text="cut \udcff",
            )
        ]
    )
    assert (written["estimate"], written["low"], written["high"], written["n"]) == (0.5, None, None, 9)
    assert written["diagnostics"] == {"curve": [1.0, None], "steps": 7}
    assert written["warnings"] == ["é"]
    assert reopened(store.path) == [written]
    store.close()


def test_an_outcome_has_the_types_of_a_row() -> None:
    row, outcome = typing.get_type_hints(Row), typing.get_type_hints(Outcome)
    assert outcome.items() <= row.items()


def test_statuses_are_those_of_the_contract() -> None:
    assert set(STATUSES) == {"ok", "nonfinite", "error", "timeout", "crash", "oom", "skipped"}


# ---------------------------------------------------------------------------------------------------------------------
# Files


def test_looking_makes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "folder" / "store.sqlite")
    assert store.rows() == []
    assert store.latest() == store.latest(["a"]) == {}
    assert store.environments() == {}
    store.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left_behind", ["", "header"])
def test_a_creation_that_was_interrupted_is_finished(left_behind: str, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    if left_behind:  # WAL mode is set, the tables are not made
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    else:
        path.touch()
    assert reopened(path) == []
    store = Store(path)
    store.append([row()])
    store.close()
    assert len(reopened(path)) == 1


@pytest.mark.parametrize("table", ["theirs (a)", "environments (name, url)"])
def test_another_programs_database_is_left_alone(table: str, tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="no store of mibench"):
        Store(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path)
    store.append([row()])
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="newer mibench"):
        Store(path)


def test_a_store_of_the_first_schema_goes_on(tmp_path: Path) -> None:
    """It has no column `interval`: its rows have none, and further ones are written beside them."""
    path = tmp_path / "store.sqlite"
    store = Store(path)
    (old,) = store.append([row("old", low=0.125, high=0.5, level=0.9)])
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE rows DROP COLUMN interval")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    for number in range(2):
        store = Store(path)
        (new,) = store.append([row(f"new {number}", interval="subsample", low=0.25)])
        found = store.rows()
        store.close()
        assert [list(one) for one in found] == [list(COLUMNS)] * (number + 2)
        assert (found[0], found[-1]) == (old, new)
        assert [one["interval"] for one in found] == [None, *["subsample"] * (number + 1)]


OLD = Path(__file__).parent / "fixtures/store-0.1.sqlite"


def test_a_store_of_version_0_1_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(OLD.read_bytes())
    store = Store(path)
    old = store.rows()
    assert len(old) > 10
    assert {tuple(one) for one in old} == {tuple(COLUMNS)}
    assert {one["environment"] for one in old} <= store.environments().keys()
    first = old[0]
    (again, new) = store.append([{**first, "status": "timeout", "estimate": None}, row("new")])
    assert (again["attempt"], new["attempt"]) == (first["attempt"] + 1, 1)
    assert store.latest([first["run_key"], "new"]) == {first["run_key"]: again, "new": new}
    store.close()
    assert reopened(path) == [*old, again, new]


class Card(TypedDict):
    """A kind of row of another sort than a trial."""

    card_key: str
    attempt: int
    encoder: str
    accuracy: float | None
    details: dict[str, Any]


class LaterCard(Card):
    """The same with a column that came later."""

    width: int | None


CARDS = Table("cards", Card, key="card_key")
LATER_CARDS = Table("cards", LaterCard, key="card_key")


@pytest.mark.parametrize("trials_first", [True, False])
def test_another_kind_of_row_lives_in_the_same_file(trials_first: bool, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    if trials_first:
        append(Store(path), row())
    one = {"card_key": "a", "encoder": "linear", "accuracy": np.float64(0.5), "details": {}}
    other = {"card_key": "b", "encoder": "deep", "details": {"curve": (1.0, math.nan)}}
    written = append(Rows(path, CARDS), one, other)
    assert written == [
        {"card_key": "a", "attempt": 1, "encoder": "linear", "accuracy": 0.5, "details": {}},
        {"card_key": "b", "attempt": 1, "encoder": "deep", "accuracy": None, "details": {"curve": [1.0, None]}},
    ]
    (again,) = append(Rows(path, CARDS), {**one, "accuracy": 0.75})
    if not trials_first:
        append(Store(path), row())
    assert [trial["run_key"] for trial in reopened(path)] == ["a"]
    cards = Rows(path, CARDS)
    assert cards.rows() == [*written, again]
    assert cards.latest() == {"a": {**written[0], "attempt": 2, "accuracy": 0.75}, "b": written[1]}
    assert cards.latest(["b", "c"]) == {"b": written[1]}
    cards.close()


def test_a_column_that_comes_later_is_empty_in_older_rows(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    card = {"card_key": "a", "encoder": "linear", "details": {}}
    (old,) = append(Rows(path, CARDS), card)
    (new,) = append(Rows(path, LATER_CARDS), {**card, "width": 8})
    later = Rows(path, LATER_CARDS)
    assert later.rows() == [{**old, "width": None}, new]
    assert (new["attempt"], new["width"]) == (2, 8)
    later.close()


def append(rows: Rows[AnyRow], *new: dict[str, Any]) -> list[AnyRow]:
    written = rows.append(new)
    rows.close()
    return written


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be one" * 100, b"SQLite format 3\0" * 99]
)
def test_a_file_that_is_no_store_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_store_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = Store(path)
    store.append([row(str(index), error_text="x" * 500) for index in range(200)])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be used"):
        Store(path).rows()


def test_a_folder_or_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        Store(tmp_path)
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(InputError, match="cannot be used"):
        store.append([row()])


AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_store import row
from mibench.interface import InputError
from mibench.rows.store import Store
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    store = Store(sys.argv[1])
    store.append([row('b')])
    store.close()
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("existing", [True, False])
def test_a_place_that_cannot_be_written_is_an_input_error(existing: bool, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    path = folder / "store.sqlite"
    if existing:
        store = Store(path)
        store.append([row()])
        store.close()
        path.chmod(0o444)
    folder.chmod(0o555)
    for parent in [tmp_path, *tmp_path.parents][:3]:
        if os.getuid() == 0:  # let the other user of the child process look inside
            parent.chmod(parent.stat().st_mode | 0o055)
    arguments = [sys.executable, "-c", AS_NOBODY, str(path), str(Path(__file__).parent)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "cannot be used" in done.stdout
    assert done.stdout.count("\n") == 1
    if existing:
        assert len(reopened(path)) == 1


WRITER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_store import row
from mibench.rows.store import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1])
store.add_environment({"writer": sys.argv[3]})
for index in range(30):
    store.append([row(f"{sys.argv[3]}-{index}"), row("common")])
store.close()
"""


def test_processes_write_at_once(tmp_path: Path) -> None:
    """Four of them make the same store and write to it; `common` gets 120 attempts, each once."""
    path = tmp_path / "store.sqlite"
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), here, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    rows = reopened(path)
    assert len(rows) == 240
    assert sorted(one["attempt"] for one in rows if one["run_key"] == "common") == list(range(1, 121))
