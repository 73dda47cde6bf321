"""Rows are chosen in the words of a run, shown under the names asked for, and never used stale in silence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mibench.interface import InputError, Interval
from mibench.plan import make_task, make_trials
from mibench.registry import make_estimator
from mibench.rows.files import encoded
from mibench.rows.select import Filters, select
from mibench.rows.store import Store

COMMON = {"status": "ok", "created_utc": "now", "environment": "here", "diagnostics": {"k": [1]}, "warnings": []}
TASKS = [
    ("gaussian-sparse", 5),
    ("independent", 5),
    ("gaussian-sparse", 2),
    ("gaussian-sparse[mi=2]", 2),
    ("staircase-10", 20),
    ("staircase-2", 20),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three estimators on six tasks with two n and three seeds, written in no order of theirs."""
    path = tmp_path / "rows.sqlite"
    made = [make_estimator(name) for name in ("ksg", "cca", "ksg[k=7]")]
    tasks = [make_task(name, dim, dim) for name, dim in TASKS]
    trials = make_trials(made, tasks, [300, 100], [2, 0, 1], "cpu")
    with_interval = make_trials(made[:1], tasks[:1], [100], [0], "cpu", interval=Interval("subsample", 0.8))
    opened = Store(path)
    opened.append([{**COMMON, **trial.facts(), "estimate": 0.1 * trial.seed} for trial in [*trials, *with_interval]])
    opened.close()
    return path


def kinds(rows: Sequence[Mapping[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Values of the columns, each once, in the order of the rows."""
    return list(dict.fromkeys(tuple(row[column] for column in columns) for row in rows))


def test_everything_is_there_without_filters_in_natural_order(store: Path) -> None:
    rows, notes = select(store=store)
    assert len(rows) == 3 * 6 * 2 * 3 + 1
    assert notes == []
    assert {row["stale"] for row in rows} == {False}
    first = [row for row in rows if row["estimator"] == "cca"]
    assert kinds(first, "distribution", "dim_x") == [
        ("gaussian-sparse", 2), ("gaussian-sparse", 5), ("gaussian-sparse[mi=2]", 2), ("independent", 5),
        ("staircase-2", 20), ("staircase-10", 20),
    ]  # fmt: skip
    assert [(row["n"], row["seed"]) for row in first[:6]] == [(n, seed) for n in (100, 300) for seed in range(3)]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"estimators": ["ksg"]}, 73),
        ({"estimators": ["ksg[k=7]"]}, 36),
        ({"estimators": ["k?g[k=3]", "cca"]}, 73),
        ({"n": [100]}, 55),
        ({"dim_x": 5, "dim_y": 5}, 37),
        ({"seeds": 2}, 73),
        ({"seeds": 1, "first_seed": 2}, 36),
        ({"interval": "subsample", "level": 0.8}, 1),
        ({"device": "cpu"}, 109),
        (
            {"distributions": ["gaussian-sparse"]},
            55,
        ),  # staircase tasks are gaussian-sparse too, but have a name of their own
        ({"distributions": ["gaussian-sparse"], "mi": 2.0}, 18),
        ({"distributions": ["gaussian-sparse[mi=2,dim_x=2]"]}, 18),
        ({"distributions": ["staircase-*"]}, 36),
        ({"suites": ["core"]}, 55),
        ({"suites": ["core"], "mi": 2.0}, 36),  # as in a run, the independent task stays
        ({"suites": ["core", "staircase"], "n": [300]}, 27 + 18),
    ],
)
def test_filters_keep_what_they_name(filters: dict[str, Any], count: int, store: Path) -> None:
    rows, _ = select(Filters(**filters), store=store)
    assert len(rows) == count


def test_order_is_that_of_the_names_asked_for(store: Path) -> None:
    asked = Filters(estimators=["ksg[k=7]", "cca"], suites=["staircase", "core"])
    rows, _ = select(asked, store=store)
    assert kinds(rows, "estimator") == [("ksg",), ("cca",)]
    assert kinds(rows[:36], "distribution") == [
        ("staircase-2",),
        ("staircase-10",),
        ("gaussian-sparse",),
        ("independent",),
    ]


def test_another_name_of_the_same_distribution_is_shown_as_asked(store: Path) -> None:
    long = "gaussian-sparse[dim_x=20,dim_y=20,pairs=20,mi=10.0]"
    rows, _ = select(Filters(distributions=[long]), store=store)
    assert kinds(rows, "distribution") == [(long,)]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"estimators": ["kgs"]}, "unknown estimator 'kgs' (nearest: ksg)"),
        ({"estimators": ["binning"]}, "no row of estimator 'binning' in"),
        ({"estimators": ["ksg[j=2]"]}, "ksg has no parameter 'j'"),
        ({"estimators": ["ksg[k=4]"]}, "no row of estimator 'ksg[k=4]' (nearest: ksg)"),
        ({"distributions": ["gaussian-spars"]}, "unknown distribution 'gaussian-spars' (nearest: gaussian-sparse)"),
        ({"distributions": ["gaussian-dense"]}, "no row of distribution 'gaussian-dense' (nearest: gaussian-sparse)"),
        ({"suites": ["shapes"]}, "no row of suite shapes in"),
        ({"suites": ["shape"]}, "unknown suite 'shape' (nearest: shapes)"),
        ({"n": [7]}, "no row for --n 7 in"),
        ({"dim_x": 3}, "there is dim_x 2, 5, 20"),
        ({"seeds": 1, "first_seed": 3}, "no row for --first-seed 3"),
        ({"mi": 2.0}, "--mi goes with --suite or --distribution"),
    ],
)
def test_what_leaves_no_row_is_said_in_one_line(filters: dict[str, Any], message: str, store: Path) -> None:
    with pytest.raises(InputError) as raised:
        select(Filters(**filters), store=store)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


# ---------------------------------------------------------------------------------------------------------------------
# Files


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    form = path.name.removesuffix(".gz").rpartition(".")[2]
    path.write_bytes(encoded(rows, form, compressed=path.suffix == ".gz"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.json", "rows.json.gz", "rows.parquet"])
def test_a_file_of_rows_is_the_store_that_it_was_exported_from(name: str, store: Path, tmp_path: Path) -> None:
    opened = Store(store)
    write(list(opened.latest().values()), tmp_path / name)
    opened.close()
    assert select(rows_file=tmp_path / name)[0] == select(store=store)[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "", "is no file of rows; give one that ends in .csv"),
        ("rows.csv", "a,b\n1,2\n", "it has no column estimator"),
        ("rows.csv", "", "holds no rows"),
        ("rows.csv.gz", "no gzip", "cannot be read as rows"),
        ("rows.json", "{}", "cannot be read as rows: it is neither a list of rows"),
        ("rows.json", "[1, 2]", "cannot be read as rows: it is neither a list of rows"),
        ("rows.json", '[{"estimator": "ksg"}]', "cannot be read as rows: it has no column distribution"),
        ("none.csv", None, "none.csv cannot be read as rows: No such file or directory"),
        ("none.sqlite", None, "there is no store"),
    ],
)
def test_files_that_hold_no_rows(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        select(store=path) if name.endswith("sqlite") else select(rows_file=path)


# ---------------------------------------------------------------------------------------------------------------------
# Stale rows


def changed(store: Path, name: str, /, **columns: Any) -> list[dict[str, Any]]:
    """Rows of the store, with other columns for one estimator."""
    opened = Store(store)
    rows = [{**row, **(columns if row["estimator"] == name else {})} for row in opened.latest().values()]
    opened.close()
    return rows


def test_rows_of_other_code_are_left_out_or_marked(store: Path) -> None:
    opened = Store(store)
    opened.append(changed(store, "cca", code="another"))
    opened.close()
    rows, notes = select(store=store)
    assert kinds(rows, "estimator", "stale") == [("ksg", False)]
    assert notes == ["36 rows are stale, made by other code (cca), and are left out; --keep-stale keeps them"]
    rows, notes = select(Filters(keep_stale=True), store=store)
    assert set(kinds(rows, "estimator", "stale")) == {("ksg", False), ("cca", True)}
    assert notes == ["36 rows are stale, made by other code (cca), and are kept"]
    with pytest.raises(InputError, match=r"all 36 rows .* were made by other code"):
        select(Filters(estimators=["cca"]), store=store)


@pytest.mark.parametrize(
    ("columns", "stale"),
    [
        ({"code": "another"}, False),  # the code around an estimator changes more often than what it computes
        ({"estimator_version": "0"}, True),
        ({"distribution_version": "0"}, True),
        ({"estimator_version": None}, None),
        ({"params": {"nothing": 1}}, True),
        ({"estimator": "of-somebody-else"}, None),
    ],
)
def test_rows_of_a_file_go_by_versions(
    columns: Mapping[str, Any], stale: bool | None, store: Path, tmp_path: Path
) -> None:
    rows = changed(store, "cca", **columns)
    path = tmp_path / "rows.csv"
    write(rows, path)
    name = columns.get("estimator", "cca")
    found, notes = select(Filters(keep_stale=True), rows_file=path)
    assert {row["stale"] for row in found if row["estimator"] == name} == {stale}
    assert {row["stale"] for row in found if row["estimator"] == "ksg"} == {False}
    if stale is None:
        assert notes == [
            f"whether 36 rows are stale, made by other code, cannot be told ({name}): name the file that it is in, "
            "path/to/file.py:Class"
        ]


def test_the_file_and_its_texts_stay_as_they_are(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write(changed(store, "none"), path)
    before = path.read_bytes()
    select(rows_file=path)
    assert path.read_bytes() == before
    record = next(csv.DictReader(io.StringIO(before.decode())))
    assert json.loads(record["diagnostics"]) == {"k": [1]}
