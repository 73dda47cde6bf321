"""Somebody's estimator beside the reference rows: scores worked out here, and what a newcomer sees."""

from __future__ import annotations

import csv
import gzip
import io
import json
import runpy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from mibench import cli, runner
from mibench.compare import beside, prepare
from mibench.interface import InputError
from mibench.plan import make_task, make_trials
from mibench.registry import make_estimator
from mibench.report import comparison
from mibench.rows import reference
from mibench.rows.files import to_csv
from mibench.rows.row import Row
from mibench.rows.select import select
from mibench.rows.store import Store

ROOT = Path(__file__).parents[1]
# What a newcomer writes: the formula of cca by determinants.
MINE = """\
from dataclasses import dataclass
import numpy as np
from mibench.interface import Context, Estimate, Estimator
from mibench.registry import register_estimator

@register_estimator(name="mine-own", family="own", summary="Gaussian MI of determinants", citation="")
@dataclass(frozen=True)
class Mine(Estimator):
    def estimate(self, x: np.ndarray, y: np.ndarray, context: Context) -> Estimate:
        logs = [np.linalg.slogdet(np.atleast_2d(np.cov(*data, rowvar=False)))[1] for data in ((x,), (y,), (x, y))]
        return Estimate((logs[0] + logs[1] - logs[2]) / 2)
"""
TASKS = 6
SEEDS = 4
WORDS = ("compare", "--estimator", "mine.py:Mine", "--suite", "core", "--dim", "2", "--n", "100", "--jobs", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reference rows of three estimators on core at 2 x 2, n = 100."""
    folder = tmp_path_factory.mktemp("made")
    names = ["cca", "gaussian-copula", "ksg"]
    runner.run(names, suite="core", dim=2, n=100, seeds=SEEDS, store=folder / "rows.sqlite", jobs=1)
    export: Callable[[Path, Path], None] = runpy.run_path(str(ROOT / "benchmarks/reference.py"))["export"]
    export(folder / "rows.sqlite", folder / "reference")
    return folder / "reference"


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a copy of the rows and a newcomer's file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    (tmp_path / "reference").mkdir()
    for file in made.iterdir():
        (tmp_path / "reference" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    return tmp_path


def change(name: str, edit: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """Rewrite the reference rows of an estimator; None drops a row."""
    path = reference.FOLDER / f"{name}.csv.gz"
    records = csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
    edited = [one for record in records if (one := edit(dict(record))) is not None]
    path.write_bytes(gzip.compress(to_csv(edited).encode()))


def compared(*words: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[dict[str, Any], str]:
    """Run the command; returns its JSON and what it said besides."""
    capsys.readouterr()
    assert cli.main([*WORDS, "--format", "json", *words]) == code
    printed = capsys.readouterr()
    found: dict[str, Any] = json.loads(printed.out)
    return found, printed.err


def line_of(found: dict[str, Any], name: str) -> Any:
    (line,) = [line for group in found["estimators"] for line in group if line["estimator"] == name]
    return line


# ---------------------------------------------------------------------------------------------------------------------
# The whole way


def test_only_theirs_is_run_and_it_stands_beside_its_equal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = compared(capsys=capsys)
    store = Store(folder / "results/mibench.sqlite")
    assert {row["estimator"] for row in store.rows()} == {"mine-own"}
    store.close()
    assert len(found["trials"]) == TASKS * SEEDS  # the seeds of the reference
    cells = {(cell["estimator"], cell["distribution"]): cell for cell in found["summary"]}
    assert len(cells) == 4 * TASKS
    for (name, task), cell in cells.items():
        assert cell["yours"] == (name == "mine-own")
        assert not cell["stale"]
        if name == "mine-own":
            assert cell["rmse"] == pytest.approx(cells["cca", task]["rmse"], rel=1e-6)
            assert cell["oracle_rmse"] == cells["cca", task]["oracle_rmse"]  # the same samples
    mine, equal = line_of(found, "mine-own"), line_of(found, "cca")
    assert mine["solved"] == equal["solved"]
    assert equal["against"] == {"mine-own": {"better": 0, "worse": 0, "tested": TASKS}}
    assert mine["against"] == {}
    # By hand: RMSE of each task, ranks among the four.
    scores = {
        name: [cells[name, task]["rmse"] for task in sorted({task for _, task in cells})]
        for name in ("mine-own", "cca", "gaussian-copula", "ksg")
    }
    ranks = stats.rankdata(np.round(list(scores.values()), 9), axis=0).mean(axis=1)
    for name, rank in zip(scores, ranks, strict=True):
        assert line_of(found, name)["rank"] == pytest.approx(rank, abs=0.51)  # equal up to rounding share a rank
    for name in ("gaussian-copula", "ksg"):
        assert line_of(found, name)["rank"] == pytest.approx(ranks[list(scores).index(name)])


@pytest.mark.usefixtures("folder")
def test_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, "--against", "ksg"]) == 0
    out = capsys.readouterr().out
    rows, _ = select(shipped=True)
    independent = [line for line in out.splitlines() if line.startswith("independent")]
    own = {name: [r for r in rows if (r["estimator"], r["distribution"]) == (name, "independent")] for name in
           ("cca", "gaussian-copula", "ksg")}  # fmt: skip
    errors = {name: [(r["estimate"] or 0.0) - (r["truth"] or 0.0) for r in some] for name, some in own.items()}
    rmse = {name: np.sqrt(np.mean(np.square(some))) for name, some in errors.items()}
    best = min(rmse, key=lambda name: float(rmse[name]))
    assert independent[0].split()[-4:] == ["ok", best, f"{rmse[best]:.4f}", f"{rmse['ksg']:.4f}"]
    assert "* mine-own" in out
    assert "solved: |mean - truth| <=" in out
    (line,) = [line for line in out.splitlines() if line.startswith("cca")]
    assert line.endswith("0, 0 of 6")
    assert cli.main([*WORDS, "--solved", "9,0%,9"]) == 0
    out = capsys.readouterr().out
    assert "solved: |mean - truth| <= max(9 nats, 0%), sd <= 9 nats, no failed trial." in out
    assert sum("6/6" in line for line in out.splitlines()) == 4


@pytest.mark.parametrize("name", ["all.html", "all.pdf"])
def test_out_writes_a_report_or_a_figure(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, "--seeds", "2", "--out", name]) == 0
    data = (folder / name).read_bytes()
    if name.endswith("html"):
        assert all(text in data.decode() for text in ("mine-own", "gaussian-copula", "the reference rows of mibench"))
    else:
        assert data.startswith(b"%PDF")
        assert "4 estimators on 6 tasks" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_seeds_asked_for_are_those_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = compared("--seeds", "2", capsys=capsys)
    assert {cell["trials"] for cell in found["summary"]} == {2}
    found, _ = compared("--seeds", "5", capsys=capsys)
    assert {(cell["yours"], cell["trials"]) for cell in found["summary"]} == {(True, 5), (False, SEEDS)}
    assert line_of(found, "ksg")["seeds"] == [SEEDS]


# ---------------------------------------------------------------------------------------------------------------------
# Stale rows, missing tasks, failures


@pytest.mark.usefixtures("folder")
def test_stale_rows_are_marked_and_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A perfect estimator of another version is neither best nor ranked nor tested against."""
    change("ksg", lambda record: {**record, "estimate": record["truth"], "estimator_version": "0"})
    found, said = compared("--against", "ksg", capsys=capsys)
    assert "24 rows are stale, made by other code (ksg), and are kept" in said
    stale = line_of(found, "ksg†")
    assert (stale["rank"], stale["against"], stale["solved"]) == (None, {}, TASKS)
    assert line_of(found, "cca")["rank"] < 3
    cli.main([*WORDS, "--against", "ksg"])
    out = capsys.readouterr().out
    assert "†: stale, made by another version, and neither best nor ranked nor tested against" in " ".join(out.split())
    head, first, *_ = out.splitlines()
    assert head.endswith("ksg†")
    assert first.endswith("0.0000")
    assert "ksg†" not in "".join(out.splitlines()[1:7])


@pytest.mark.usefixtures("folder")
def test_tasks_that_only_stale_rows_have_are_nobodys_lack(capsys: pytest.CaptureFixture[str]) -> None:
    change("ksg", lambda record: {**record, "estimator_version": "0"})
    for name in ("cca", "gaussian-copula"):
        change(name, lambda record: None if record["distribution"] == "gaussian-dense" else record)
    found, _ = compared(capsys=capsys)
    assert line_of(found, "cca")["ranked"] == TASKS - 1
    assert line_of(found, "cca")["rank"] is not None


@pytest.mark.usefixtures("folder")
def test_rows_on_another_version_of_a_task_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    other = {"distribution_version": "0"}
    change("ksg", lambda record: {**record, **(other if record["distribution"] == "independent" else {})})
    found, said = compared(capsys=capsys)
    assert "4 reference rows are left out: of another version of independent" in said
    assert sum(cell["estimator"] == "ksg" for cell in found["summary"]) == TASKS - 1
    assert line_of(found, "ksg")["rank"] is None  # it has not all tasks that the others have
    assert line_of(found, "cca")["ranked"] == TASKS


@pytest.mark.usefixtures("folder")
def test_tasks_without_reference_rows(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cca", "ksg", "gaussian-copula"):
        change(name, lambda record: None if record["distribution"] == "gaussian-dense" else record)
    found, said = compared(capsys=capsys)
    assert "1 of 6 tasks have no reference rows: gaussian-dense" in said
    assert line_of(found, "mine-own")["tasks"] == TASKS
    assert {line["ranked"] for line in found["estimators"][0]} == {TASKS - 1}
    cli.main([*WORDS])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gaussian-dense")]
    assert line.split()[-2:] == ["–", "–"]


@pytest.mark.usefixtures("folder")
def test_each_n_is_ranked_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """An estimator that lacks a task at one n keeps its rank at the other."""
    for name in ("cca", "ksg", "gaussian-copula"):
        path = reference.FOLDER / f"{name}.csv.gz"
        records = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
        lacks = {"ksg": "independent"}.get(name)
        more = [{**record, "n": "50"} for record in records if record["distribution"] != lacks]
        path.write_bytes(gzip.compress(to_csv([*records, *more]).encode()))
    found, said = compared("--n", "50", "--n", "200", "--seeds", "2", capsys=capsys)
    lines = {(line["estimator"], line["n"]): line for group in found["estimators"] for line in group}
    assert lines["ksg", 50]["rank"] is None
    assert lines["ksg", 100]["rank"] is not None
    assert lines["cca", 50]["ranked"] == lines["cca", 100]["ranked"] == TASKS
    assert "6 of 18 tasks have no reference rows: asinh[base=student] at n = 200, " in said


@pytest.mark.usefixtures("folder")
def test_a_reference_with_a_failure_is_not_best(capsys: pytest.CaptureFixture[str]) -> None:
    def perfect_but_one(record: dict[str, str]) -> dict[str, str]:
        failed = {"status": "crash", "estimate": ""} if record["seed"] == "0" else {"estimate": record["truth"]}
        return {**record, **failed}

    change("ksg", perfect_but_one)
    assert cli.main([*WORDS, "--against", "ksg"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:7]
    assert all(line.endswith("0.0000 (3/4 ok)") for line in lines)
    assert not any(line.split().count("ksg") for line in lines)


@pytest.mark.usefixtures("folder")
def test_what_is_not_ok_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = {"status": "skipped", "estimate": ""}
    change("ksg", lambda record: {**record, **(skipped if record["distribution"] == "independent" else {})})
    assert cli.main([*WORDS]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ksg ")]
    assert f" {SEEDS} skipped " in line


def test_theirs_may_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = MINE.replace(
        "        logs =", "        if context.rng.random() < 2: raise RuntimeError('no')\n        logs ="
    )
    (folder / "mine.py").write_text(source, encoding="utf-8")
    assert cli.main([*WORDS, "--seeds", "1"]) == 1
    printed = capsys.readouterr()
    assert "0/1 ok, 1 error" in printed.out
    assert "6 of 6 trials failed; --retry error runs them again" in printed.err


# ---------------------------------------------------------------------------------------------------------------------
# Wrong input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "bmi"], "there are no reference rows of suite bmi at n = 10000; there are core at 2 x 2, n = 100"),
        (["--dim", "3", "--n", "100"], "no reference rows of suite core at n = 100, dim 3; there are core at 2 x 2"),
        (["--dim", "2", "--n", "50"], "no reference rows of suite core at n = 50, dim 2; there are core at 2 x 2"),
        (["--dim", "2", "--n", "100", "--against", "cc"], "unknown estimator 'cc'"),
        (["--dim", "2", "--n", "100", "--against", "kde"], "no row of estimator 'kde' in the reference; there are cca"),
        (["--suite", "cor"], "unknown suite 'cor' (nearest: core)"),
        (
            ["--dim", "2", "--n", "100", "--out", "a.doc"],
            "a.doc is no picture that can be written; give a file that ends in .png, .pdf or .svg (or .html",
        ),
        (["--dim", "2", "--n", "100", "--out", "none/a.html"], "cannot be written"),
    ],
)
def test_errors_are_one_line_and_nothing_runs(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", "--estimator", "mine.py:Mine", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (folder / "results").exists()


@pytest.mark.usefixtures("folder")
def test_other_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare"]) == 2
    assert "no estimator is named" in capsys.readouterr().err
    assert cli.main(["compare", "--estimator", "hsic", "--dim", "2", "--n", "100"]) == 2
    assert "estimate mi, yours hsic" in capsys.readouterr().err
    for file in reference.files():
        file.unlink()
    assert cli.main([*WORDS]) == 2
    assert "the reference holds no rows" in capsys.readouterr().err


def test_rows_of_the_same_estimator_give_way(folder: Path) -> None:
    prepared = prepare(runner.Request(["cca"], suites=["core"], dim_x=2, dim_y=2, n=[100]))
    assert {row["estimator"] for row in prepared.reference} == {"gaussian-copula", "ksg"}
    assert prepared.notes == ["the reference rows of cca are left out: yours are of the same name and version"]
    (folder / "reference/ksg.csv.gz").unlink()
    (folder / "reference/gaussian-copula.csv.gz").unlink()
    with pytest.raises(InputError, match="no reference row is left to compare with; there are core"):
        prepare(runner.Request(["cca"], suites=["core"], dim_x=2, dim_y=2, n=[100]))


# ---------------------------------------------------------------------------------------------------------------------
# The tests of differences


def test_better_and_worse_are_those_of_the_paired_t_test() -> None:
    """Counts by scipy's test and Holm's rule written as a loop, over the tasks of one reference."""
    rng = np.random.default_rng(5)
    tasks = [f"staircase-{mi}" for mi in (2, 4, 6, 8, 10)]
    shifts = {"staircase-2": -0.5, "staircase-4": 0.5, "staircase-6": 0.0, "staircase-8": -0.12, "staircase-10": 0.1}
    rows: list[Row] = []
    others: list[Row] = []
    p, signs = [], []
    for task in tasks:
        law = make_task(task)
        for name, place in (("cca", rows), ("ksg", others)):
            trials = make_trials([make_estimator(name)], [law], [100], range(6), "cpu")
            errors = np.abs(rng.normal(1.0 + (shifts[task] if name == "cca" else 0.0), 0.1, size=6))
            done = {"status": "ok", "truth": 2.0, "truth_low": None, "truth_high": None, "truth_se": 0.0}
            more = {"stale": False, "oracle": None, "cpu_s": 1.0}
            place += [
                cast("Row", {**done, **trial.facts(), **more, "estimate": 2.0 + error})
                for trial, error in zip(trials, errors, strict=True)
            ]
        first, second = (
            np.array([row["estimate"] for row in place[-6:]], dtype=np.float64) for place in (rows, others)
        )
        p.append(float(stats.ttest_1samp(first - second, 0.0).pvalue))
        signs.append(np.sign((first - second).mean()))
    rejected = set()
    for step, place_ in enumerate(np.argsort(p)):
        if p[place_] > 0.05 / (len(p) - step):
            break
        rejected.add(int(place_))
    found = beside(rows, others)
    (((mine, other, n), counts),) = found.against.items()
    assert (mine.estimator, other.estimator, n) == ("cca", "ksg", 100)
    expected = {"better": sum(signs[i] < 0 for i in rejected), "worse": sum(signs[i] > 0 for i in rejected)}
    assert asdict(counts) == {**expected, "tested": 5}
    assert 0 < expected["better"] + expected["worse"] < 5
    assert found.tasks[0].best is not None
    assert found.tasks[0].best["estimator"] == "ksg"
    assert f"{expected['better']}, {expected['worse']} of 5" in comparison.text(found)
    bits = comparison.text(found, "bits")
    scored = next(task.yours for task in found.tasks if task.yours["distribution"] == "staircase-2")
    assert scored["rmse"] is not None
    assert f"{scored['rmse'] / np.log(2):.4f}" in bits
