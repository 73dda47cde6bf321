"""The reference rows: what is exported is what was stored, in the same bytes, small, and read like any other rows."""

from __future__ import annotations

import csv
import gzip
import io
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mibench import cli, suites
from mibench.interface import InputError
from mibench.plan import make_task, make_trials
from mibench.registry import estimators, make_estimator
from mibench.rows import reference
from mibench.rows.files import encoded, read_rows
from mibench.rows.row import Row
from mibench.rows.select import Filters, select
from mibench.rows.store import Store

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/reference.py"
BENCH = runpy.run_path(str(SCRIPT))
LIMIT = 4 * 2**20
ENVIRONMENT = {"mibench": "0.1.0", "python": "3.12.1", "libraries": {"numpy": "2.0"}, "command": "run /home/me"}


def rows_of(name: str, *tasks: str, **columns: Any) -> list[dict[str, Any]]:
    """Rows of an estimator as a run stores them, on tasks of 2 x 2 dimensions with three seeds."""
    trials = make_trials([make_estimator(name)], [make_task(task, 2, 2) for task in tasks], [100], range(3), "cpu")
    common = {"status": "ok", "diagnostics": {"curve": [1.0, 2.0]}, "warnings": ["doubtful"], "truth": 0.1 + 0.2}
    times = {"wall_s": 0.123456, "cpu_s": 12.3456, "created_utc": "2024-01-02T03:04:05+00:00"}
    return [
        {**common, **times, **trial.facts(), "estimate": trial.seed / 3, "oracle": trial.seed / 7, **columns}
        for trial in trials
    ]


def stored(path: Path, rows: list[dict[str, Any]]) -> Path:
    store = Store(path)
    identity = store.add_environment(ENVIRONMENT)
    store.append([{**row, "environment": identity} for row in rows])
    store.close()
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the folder of the reference rows."""
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    return tmp_path / "reference"


def test_exported_rows_are_the_stored_ones(folder: Path, tmp_path: Path) -> None:
    rows = rows_of("ksg", "gaussian-sparse", "independent")
    rows += rows_of("cca", "gaussian-sparse", status="error", estimate=None, error_type="E", error_text='a, "b"\nc')
    path = stored(tmp_path / "rows.sqlite", [*rows, *rows_of("cca", "independent")])
    BENCH["export"](path, folder)
    assert sorted(file.name for file in folder.iterdir()) == ["cca.csv.gz", "environments.json", "ksg.csv.gz"]
    read, notes = select(shipped=True)
    expected, _ = select(store=path)
    assert notes == []
    assert len(read) == 12
    for one, other in zip(read, expected, strict=True):
        exact = set(BENCH["COLUMNS"]) - set(BENCH["SECONDS"])
        assert {key: value for key, value in one.items() if key in exact} == {
            key: value for key, value in other.items() if key in exact
        }
        assert (one["wall_s"], one["cpu_s"]) == (0.1235, 12.35)
        assert one["diagnostics"] == {}
    (described,) = reference.environments().values()
    assert described == {key: value for key, value in ENVIRONMENT.items() if key != "command"}
    assert set(reference.environments()) == {row["environment"] for row in read}


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Whatever the order in which trials ended, and whatever stood in the folder before."""
    rows = [*rows_of("ksg[k=5]", "independent"), *rows_of("ksg", "gaussian-sparse", "independent")]
    folder.mkdir()
    (folder / "gone.csv.gz").write_bytes(b"of an estimator that is no more")
    BENCH["export"](stored(tmp_path / "one.sqlite", rows), folder)
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    BENCH["export"](stored(tmp_path / "two.sqlite", rows[::-1]), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first
    assert sorted(first) == ["environments.json", "ksg.csv.gz"]
    assert first["ksg.csv.gz"][4:8] == bytes(4)  # no date in the header


def test_other_versions_and_what_can_run_nowhere_are_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of("ksg", "independent", run_key="old", estimator_version="0")[:1]
    rows += rows_of("cca", "independent", run_key="older", distribution_version="0")[:1]
    rows += rows_of("ross", "independent", status="skipped", estimate=None, error_text="no labels")
    rows += rows_of("cca", "gaussian-sparse", code="of another revision")
    BENCH["export"](stored(tmp_path / "rows.sqlite", rows), folder)
    assert capsys.readouterr().out.startswith("3 rows of 1 estimators, 0.00 MiB; 2 of other versions are left out")
    read, _ = select(shipped=True)
    assert [(row["estimator"], row["distribution"]) for row in read] == [("cca", "gaussian-sparse")] * 3


# ---------------------------------------------------------------------------------------------------------------------
# The script and its plan


def script(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=environment, capture_output=True, text=True, check=True
    )


def test_script_goes_on_where_it_stopped(tmp_path: Path) -> None:
    plan, store = tmp_path / "plan.toml", tmp_path / "rows.sqlite"
    entry = '\n[[runs]]\nof = "costly"\nsuite = "core"\ndim = {dim}\nn = 60\nseeds = {seeds}\n'
    words = ["--plan", str(plan), "--store", str(store), "--jobs", "1"]
    plan.write_text('costly = ["cca"]\n' + entry.format(dim=1, seeds=1), encoding="utf-8")
    assert "6 ok" in script(*words).stderr
    plan.write_text('costly = ["cca"]\n' + entry.format(dim=1, seeds=2), encoding="utf-8")
    counted = script(*words, "--status").stdout
    assert counted == "     6 of     12, 0 of other code: of costly suite core dim 1 n 60 seeds 2\n"
    assert "6 of 12 trials are in the store already" in script(*words).stderr
    done = script("--store", str(store), "--folder", str(tmp_path / "out"), "--export").stdout
    assert done.startswith("12 rows of 1 estimators")


def test_plan_holds_the_least_that_ships() -> None:
    plan = tomllib.loads(SCRIPT.with_suffix(".toml").read_text(encoding="utf-8"))
    assert set(plan["costly"]) <= estimators.entries().keys()
    for entry in plan["runs"]:
        assert entry["of"] in ("quick", "costly", "all")
        assert entry["suite"] in suites.names()
        assert entry["seeds"] >= 3 if entry["of"] == "costly" else entry["seeds"] >= 5
    there = {(run["of"], run["suite"], run.get("dim"), run["n"]) for run in plan["runs"]}
    for who in ("quick", "costly"):
        assert {(who, "core", dim, 10_000) for dim in (1, 5, 64)} | {(who, "bmi", None, 10_000)} <= there


# ---------------------------------------------------------------------------------------------------------------------
# The rows that ship


def test_shipped_rows_are_small_and_whole() -> None:
    files = reference.files()
    assert files
    assert sum(file.stat().st_size for file in reference.FOLDER.iterdir()) < LIMIT
    described = reference.environments()
    assert not [one for one in described.values() if "command" in one]
    keys = set()
    for file in files:
        records = list(csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
        assert {record["estimator"] for record in records} == {file.name.removesuffix(".csv.gz")}
        assert tuple(records[0]) == BENCH["COLUMNS"]
        assert {record["environment"] for record in records} <= described.keys()
        keys |= {(record["estimator"], *(record[name] for name in BENCH["ORDER"])) for record in records}
    rows, _ = select(Filters(keep_stale=True), shipped=True)
    assert len(keys) == len(rows), "a trial is there twice"


@pytest.mark.parametrize("path", reference.files(), ids=lambda path: path.name.partition(".")[0])
def test_shipped_rows_are_written_again_in_the_same_bytes(path: Path) -> None:
    rows = sorted(read_rows(path), key=BENCH["_place"])
    assert encoded([BENCH["_compact"](row) for row in rows], "csv") == gzip.decompress(path.read_bytes())


# ---------------------------------------------------------------------------------------------------------------------
# Where plot, table and report read them


def test_reference_is_a_word_of_plot_table_and_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*rows_of("ksg", "gaussian-sparse"), *rows_of("cca", "gaussian-sparse")]
    BENCH["export"](stored(tmp_path / "rows.sqlite", rows), folder)
    capsys.readouterr()
    assert cli.main(["table", "--reference", "--format", "csv", "--estimator", "ksg"]) == 0
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert line["estimator"] == "ksg"
    assert float(line["value"]) == pytest.approx(1 / 3)
    assert cli.main(["plot", "heatmap", "--reference", "--out", str(tmp_path / "h.svg")]) == 0
    assert cli.main(["report", "--reference", "--out", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "the reference rows of mibench" in page
    assert "numpy 2.0" in page


def test_stale_reference_rows_are_left_out_or_marked(folder: Path, tmp_path: Path) -> None:
    rows = [*rows_of("ksg", "gaussian-sparse"), *rows_of("cca", "gaussian-sparse")]
    BENCH["export"](stored(tmp_path / "rows.sqlite", rows), folder)
    text = gzip.decompress((folder / "ksg.csv.gz").read_bytes()).decode()
    code = rows[0]["code"]
    older = text.replace(f",{make_estimator('ksg').version},{code}", f",0,{code}")
    (folder / "ksg.csv.gz").write_bytes(gzip.compress(older.encode()))
    found, notes = select(shipped=True)
    assert {row["estimator"] for row in found} == {"cca"}
    assert notes == ["3 rows are stale, made by other code (ksg), and are left out; --keep-stale keeps them"]
    found, _ = select(Filters(keep_stale=True), shipped=True)
    assert {(row["estimator"], row["stale"]) for row in found} == {("cca", False), ("ksg", True)}


def test_no_reference_rows(folder: Path) -> None:
    with pytest.raises(InputError, match="the reference holds no rows"):
        select(shipped=True)
    with pytest.raises(InputError, match="--reference and --rows both say where rows come from"):
        select(shipped=True, rows_file=folder / "rows.csv")
    assert reference.environments() == {}
    assert reference.files() == []


def test_only_the_files_of_the_estimators_asked_for_are_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for name in ("ksg", "ksg-2", "cca") for row in rows_of(name, "gaussian-sparse")]
    BENCH["export"](stored(tmp_path / "rows.sqlite", rows), folder)
    read: list[str] = []

    def noted(path: Path) -> list[Row]:
        read.append(path.name)
        return read_rows(path)

    monkeypatch.setattr("mibench.rows.select.read_rows", noted)
    for asked, files in {"ksg[k=3]": ["ksg"], "ksg*": ["ksg", "ksg-2"], "ksg,cca": ["cca", "ksg"]}.items():
        read.clear()
        found, _ = select(Filters(estimators=asked.split(",")), shipped=True)
        assert read == [f"{name}.csv.gz" for name in sorted(files, key=lambda name: f"{name}.csv.gz")]
        assert {row["estimator"] for row in found} == set(files)
    with pytest.raises(InputError, match=r"no row of estimator 'kde' .* there are cca, ksg, ksg-2"):
        select(Filters(estimators=["ksg", "kde"]), shipped=True)
