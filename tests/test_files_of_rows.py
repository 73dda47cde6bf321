"""Files of rows: what is written in a form is read back from it, and what is no row is said in one line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from mibench.interface import InputError
from mibench.rows.files import encoded, read_rows, to_csv
from mibench.rows.row import COLUMNS, Row, params_text
from mibench.rows.store import Store

FIXTURES = Path(__file__).parent / "fixtures"
FORMS = ["csv", "csv.gz", "json", "json.gz", "parquet"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Rows of every kind of value, as a store gives them."""
    path = tmp_path_factory.mktemp("rows") / "store.sqlite"
    path.write_bytes((FIXTURES / "store-0.1.sqlite").read_bytes())
    store = Store(path)
    like = store.rows()[0]
    store.append(
        [
            {**like, "status": "error", "estimate": None, "error_text": 'a, "b"\nc\u00e9', "batch_size": None},
            {**like, "estimate": -0.0, "low": 5e-324, "high": 0.1 + 0.2, "level": 0.9, "interval": "jackknife"},
            {**like, "seed": 10**18, "params": {"b": [1, 2.5, None], "a": "x"}, "diagnostics": {"curve": [1.0, None]}},
            {**like, "warnings": ["one, two", "\u2264"], "truth": 1e300, "created_utc": "2024-01-02T03:04:05+00:00"},
        ]
    )
    found = store.rows()
    store.close()
    return found


def written(rows: Any, form: str, folder: Path) -> Path:
    path = folder / f"rows.{form}"
    path.write_bytes(encoded(rows, form.removesuffix(".gz"), compressed=form.endswith(".gz")))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back(form: str, rows: list[Row], tmp_path: Path) -> None:
    found = read_rows(written(rows, form, tmp_path))
    assert found == rows
    for one, other in zip(found, rows, strict=True):
        assert list(one) == list(COLUMNS)
        assert [type(value) for value in plain_values(one)] == [type(value) for value in plain_values(other)]
        assert str(one["estimate"]) == str(other["estimate"])  # -0.0 stays
        assert params_text(one["params"]) == params_text(other["params"])


def plain_values(row: Row) -> list[Any]:
    return [value for name, value in row.items() if name != "params"]


@pytest.mark.parametrize("form", FORMS[:4])
def test_the_same_rows_give_the_same_bytes(form: str, rows: list[Row], tmp_path: Path) -> None:
    before = written(rows, form, tmp_path).read_bytes()
    assert written(read_rows(tmp_path / f"rows.{form}"), form, tmp_path).read_bytes() == before


@pytest.mark.parametrize("form", FORMS[:4])
def test_no_rows(form: str, tmp_path: Path) -> None:
    assert read_rows(written([], form, tmp_path)) == []


def test_a_file_of_version_0_1_is_read() -> None:
    path = FIXTURES / "rows-0.1.csv.gz"
    found = read_rows(path)
    records = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    assert len(found) == len(records) > 10
    for row, record in zip(found, records, strict=True):
        assert row["run_key"] == record["run_key"]
        assert row["estimate"] == (float(record["estimate"]) if record["estimate"] else None)
        assert row["params"] == json.loads(record["params"])
        assert row["seed"] == int(record["seed"])
    assert encoded(found, "csv") == gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("form", FORMS)
def test_columns_that_a_file_lacks_are_empty(form: str, rows: list[Row], tmp_path: Path) -> None:
    needed = ("estimator", "distribution", "dim_x", "dim_y", "n", "seed", "status", "estimate", "quantity")
    short = [{name: value for name, value in row.items() if name in needed} for row in rows]
    (first, *_) = read_rows(written(short, form, tmp_path))
    assert list(first) == list(COLUMNS)
    assert (first["run_key"], first["attempt"], first["params"], first["warnings"]) == ("", 1, {}, [])
    assert (first["truth"], first["interval"], first["batch_size"]) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"), [("n", ""), ("status", ""), ("seed", "1.5"), ("truth", "x"), ("params", "{")]
)
def test_a_value_that_is_none_of_its_column_is_said(name: str, value: str, rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(to_csv([{**rows[0], name: value}]), encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.csv cannot be read as rows: ") as raised:
        read_rows(path)
    assert "\n" not in str(raised.value)


def test_short_and_long_lines_of_csv(rows: list[Row], tmp_path: Path) -> None:
    """As `csv.DictReader` takes them: what is missing at the end is empty, what is too much is left out."""
    head, line, *_ = to_csv([{name: rows[0].get(name) for name in [*COLUMNS, "more"]}]).splitlines()
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([head, line.rpartition(",")[0], "", f"{line},1,2"]), encoding="utf-8")
    assert read_rows(path) == [rows[0], rows[0]]
