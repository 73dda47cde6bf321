"""The command line as its users meet it: what is wrong is said in one line, what is right is printed as promised."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mibench import cli, display, registry, suites
from mibench.interface import parameters_of

ROOT = Path(__file__).parents[1]
FAULTY = Path(__file__).with_name("faulty.py")
N = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    suites.load.cache_clear()
    return tmp_path


def mibench(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mibench", *arguments],
        cwd=folder, env=surroundings(variables), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def surroundings(variables: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


# ---------------------------------------------------------------------------------------------------------------------
# Wrong input: exit code 2, one line, nothing else


RNG = np.random.default_rng(0)
A, C = RNG.normal(size=(2, N))
TABLE = pd.DataFrame(
    {
        "alpha": A, "beta": A + RNG.normal(size=N), "gap": np.where(np.arange(N) == 7, np.nan, C),
        "huge": np.where(np.arange(N) == 3, np.inf, C), "const": 1.0, "label": list("xyz") * 20,
        "typo": ["1.2.3", *map(str, C[1:])],
    }
)  # fmt: skip
OTHER = TABLE[["alpha"]].iloc[:50]
IMPORTS = """
import numpy as np
from dataclasses import dataclass
from mibench.interface import Context, Estimate, Estimator, JointDistribution, parameter
from mibench.registry import register_estimator
"""
ESTIMATE = "    def estimate(self, x, y, context):\n        return Estimate(0.0)\n"
FILES = {
    "data.csv": TABLE.to_csv(index=False),
    "data.txt": "alpha beta",
    "short.csv": OTHER.to_csv(index=False),
    "one.csv": "alpha,beta\n1,2\n",
    "three.csv": "alpha,beta\n1,2\n3,5\n4,4\n",
    "empty.csv": "",
    "header.csv": "alpha,beta\n",
    "ragged.csv": "alpha,beta\n1,2\n3,4,5,6\n",
    "semicolon.csv": "alpha;beta\n1;2\n3;4\n",
    "twice.csv": "alpha,beta\n1,2\n1,2\n1,3\n",
    "broken.npy": "no array",
    "broken.parquet": "no table",
    "syntax.py": "def broken(:\n",
    "imports.py": "import no_such_module\n",
    "raises.py": "raise ValueError('as told')\n",
    "own.py": IMPORTS
    + f"@dataclass(frozen=True)\nclass Mine(Estimator):\n    k: int = parameter(3, 'neighbours', low=1)\n{ESTIMATE}"
    + "@dataclass(frozen=True)\nclass Abstract(Estimator):\n    pass\n"
    + f"class Loose(Estimator):\n    k: int = 3\n{ESTIMATE}"
    + "class Other:\n    pass\n",
    "taken.py": IMPORTS
    + "@register_estimator(name='ksg', family='own', summary='a name that is taken', citation='')\n"
    + f"@dataclass(frozen=True)\nclass Mine(Estimator):\n{ESTIMATE}",
    "broken.toml": "name = \n",
    "keys.toml": 'name = "keys"\ndescription = ""\nn = [100]\nseeds = 2\nsedes = 3\ntasks = []\n',
    "lacks.toml": 'name = "lacks"\nn = [100]\nseeds = 2\ntasks = []\n',
    "twice.toml": 'name = "t"\ndescription = ""\nn = [100]\nseeds = 2\n' + '[[tasks]]\ndistribution = "student"\n' * 2,
    "size.toml": 'name = "size"\ndescription = ""\nn = ["many"]\nseeds = 2\n[[tasks]]\ndistribution = "student"\n',
    "law.toml": 'name = "law"\ndescription = ""\nn = [100]\nseeds = 2\n[[tasks]]\ndistribution = "gaussian-spare"\n',
    "none.toml": 'name = "none"\ndescription = ""\nn = [100]\nseeds = 2\ntasks = []\n',
    "indefinite.csv": "1,2\n2,1\n",
    "words.csv": "one,two\n",
}
RUN, CSV = "run --estimator cca", "estimate data.csv"

# What is typed, and what the line must say: a pattern of the fault, or of what is accepted.
WRONG = [
    # Commands and options
    ("", "command is missing; give run, list"),
    ("rn", r"unknown 'rn' \(nearest: run\); accepted: run, list, show, estimate, consistency, plot, table, report"),
    ("--versoin run", r"unknown option --versoin \(nearest: --version\)"),
    ("--nonsense", "command is missing"),
    ("run --estimater cca", r"unknown option --estimater \(nearest: --estimator\)"),
    ("run --estim cca", r"unknown option --estim \(nearest: --estimator\)"),
    ("run cca", "unknown argument cca; see"),
    ("run --estimator", "--estimator: expected one argument"),
    ("list", "give estimators, distributions, tasks, suites"),
    ("list estimator", r"unknown 'estimator' \(nearest: estimators\)"),
    ("list estimators --suite core", "apply to `list tasks`"),
    ("list suites --dim 3", "apply to `list tasks`"),
    ("show", "argument name is missing"),
    ("estimate", "argument FILE is missing"),
    # Names of estimators, and their parameters
    ("run", "no estimator is named; give --estimator"),
    ("run --estimator ''", "no estimator is named"),
    ("run --estimator ksq", r"unknown estimator 'ksq' \(nearest: ksg\)"),
    ("run --estimator ksg,gausian-copula", r"\(nearest: gaussian-copula\)"),
    ("run --estimator 'zz*'", r"no estimator is named like 'zz\*'"),
    ("run --estimator cca[k=3]", "cca has no parameter 'k'; accepted: none"),
    ("run --estimator ksg[kk=3]", r"no parameter 'kk' \(nearest: k\); accepted: k, margins"),
    ("run --estimator ksg[k=0]", r"k = 0 is out of range; give whole number >= 1"),
    ("run --estimator ksg[k=2.5]", r"k = '2.5' is not accepted; give whole number >= 1"),
    ("run --estimator ksg[margins=rank]", "give one of raw, standard, normal"),
    ("run --estimator binning-adaptive[bins=1]", "give whole number >= 2, or none"),
    ("run --estimator ksg[k", "brackets do not match"),
    ("run --estimator ksg[k=3,k=4]", "parameter k is given twice"),
    ("run --estimator ksg[3]", "'3' in 'ksg.3.' is no parameter"),
    # Files with estimators of one's own
    ("run --estimator nofile.py:Mine", "no file 'nofile.py'"),
    ("run --estimator own.py", "own.py names no class; give path/to/file.py:Class"),
    ("run --estimator own.py:Mime", r"'Mime' is not in own.py \(nearest: Mine\)"),
    ("run --estimator own.py:Other", "'Other' is no Estimator in own.py"),
    ("run --estimator own.py:Abstract", "Abstract does not define estimate"),
    ("run --estimator own.py:Loose", "is no dataclass; add @dataclass"),
    ("run --estimator own.py:Mine[k=0]", "Mine: parameter k = 0 is out of range"),
    ("run --estimator syntax.py:Mine", "syntax.py cannot be imported: SyntaxError"),
    ("run --estimator imports.py:Mine", "No module named 'no_such_module'"),
    ("run --estimator raises.py:Mine", "ValueError: as told"),
    ("run --estimator taken.py:Mine", "estimator 'ksg' is registered already, by mibench"),
    ("run --estimator data.csv:Mine", "unknown estimator 'data.csv:Mine'"),
    # Sizes
    (f"{RUN} --dim 0", "--dim: '0' is not accepted; give a whole number >= 1"),
    (f"{RUN} --dim-x five", "--dim-x: 'five' is not accepted"),
    (f"{RUN} --n 0", "--n '0' is not accepted; give whole numbers >= 1"),
    (f"{RUN} --n 100,ten", "--n 'ten' is not accepted"),
    (f"{RUN} --n inf", "--n 'inf' is not accepted"),
    (f"{RUN} --seeds 0", "--seeds: '0' is not accepted"),
    (f"{RUN} --first-seed -1", "--first-seed: '-1' is not accepted"),
    (f"{RUN} --mi -1", "--mi: '-1' is not accepted; give nats >= 0"),
    (f"{RUN} --mi nan", "--mi: 'nan' is not accepted"),
    (f"{RUN} --mi inf", "--mi: 'inf' is not accepted"),
    ("run --estimator ksg[k=10] --n 10", "nothing in the plan can run: .* needs more than k = 10 points, got 10"),
    (f"{RUN} --n 3", "nothing in the plan can run: .*needs more points than"),
    # Suites and distributions
    (f"{RUN} --suite cor", r"unknown suite 'cor' \(nearest: core\)"),
    (f"{RUN} --suite nofile.toml", "unknown suite 'nofile.toml'"),
    (f"{RUN} --suite data.csv", "unknown suite 'data.csv'"),
    (f"{RUN} --suite broken.toml", "suite file broken.toml cannot be read: Invalid value"),
    (f"{RUN} --suite keys.toml", "unknown key sedes; accepted: name, description, n, seeds, tasks"),
    (f"{RUN} --suite lacks.toml", "it has no description"),
    (f"{RUN} --suite twice.toml", "task named twice: student"),
    (f"{RUN} --suite size.toml", "must be whole numbers above 0"),
    (f"{RUN} --suite law.toml", r"unknown distribution 'gaussian-spare' \(nearest: gaussian-sparse\)"),
    (f"{RUN} --suite none.toml", "suite file none.toml cannot be read: it has no tasks"),
    ("list tasks --suite law.toml", r"unknown distribution 'gaussian-spare'"),
    ("list tasks --suite nope", "unknown suite 'nope'"),
    (f"{RUN} --distribution gausian-sparse", r"\(nearest: gaussian-sparse\)"),
    (f"{RUN} --distribution 1v1-normal-0.75-no", "unknown distribution '1v1-normal-0.75-no'"),
    (f"{RUN} --distribution gaussian-sparse[rho=2]", "give number from -1 to 1, or none"),
    (f"{RUN} --distribution gaussian-sparse[rho=high]", "rho = 'high' is not accepted"),
    (f"{RUN} --distribution gaussian-sparse[rho=nan]", "rho = nan is not accepted"),
    (f"{RUN} --distribution gaussian-sparse[rho=0.5,mi=1]", "rho and mi are alternatives"),
    (f"{RUN} --distribution gaussian-sparse[pairs=9]", "pairs = 9 is out of range"),
    (f"{RUN} --distribution gaussian", "gaussian needs covariance; write"),
    (f"{RUN} --distribution gaussian[covariance=indefinite.csv]", "gaussian: .*positive"),
    (f"{RUN} --distribution gaussian[covariance=words.csv]", "words.csv cannot be read as a matrix"),
    (f"{RUN} --distribution gaussian[covariance=nofile.npy]", "nofile.npy cannot be read as a matrix"),
    (f"{RUN} --distribution half-cube", "half-cube needs base"),
    (f"{RUN} --distribution half-cube[base=studnt]", r"unknown distribution 'studnt' \(nearest: student\)"),
    (f"{RUN} --distribution own.py:Mine", "'Mine' is no JointDistribution"),
    (f"{RUN} --distribution additive-uniform --dim 3", "a fixed size; --dim-x 3 does not apply"),
    (f"{RUN} --distribution additive-uniform --mi 1", "takes no --mi"),
    # Where and how
    (f"{RUN} --device gpu", "accepted: auto, cpu, cuda"),
    (f"{RUN} --jobs 0", "--jobs: '0' is not accepted"),
    (f"{RUN} --timeout 0", "give seconds > 0"),
    (f"{RUN} --memory lots", "give a size such as 500M or 4G"),
    (f"{RUN} --retry crashed", r"unknown status 'crashed' \(nearest: crash\)"),
    (f"{RUN} --units bit", r"unknown 'bit' \(nearest: bits\)"),
    (f"{RUN} --format yaml", "accepted: table, json, csv"),
    (f"{RUN} --out nowhere/rows.csv", "no folder nowhere that can be written to"),
    (f"{RUN} --out .", "--out . is a folder"),
    (f"{RUN} --store .", "store . is a folder"),
    (f"{RUN} --store data.csv", "store data.csv cannot be used: file is not a database"),
    (f"{RUN} --store /proc/none/rows.sqlite", "store /proc/none/rows.sqlite cannot be used"),
    (f"{RUN} --store data.csv/rows.sqlite", "store data.csv/rows.sqlite cannot be used"),
    # Show and export
    ("show ksgg", r"nothing is named 'ksgg' \(nearest: ksg\)"),
    ("show gaussian-sparse[rho=3]", "rho = 3.0 is out of range"),
    ("show own.py:Mime", "'Mime' is not in own.py"),
    ("show bmi", "'bmi' is a suite; `mibench list tasks --suite bmi` shows its tasks"),
    ("export", "there is no store results/mibench.sqlite"),
    ("export --store nothing.sqlite", "there is no store nothing.sqlite"),
    ("export --store data.csv", "cannot be used: file is not a database"),
    ("export --store newer.sqlite", "was written by a newer mibench"),
    ("export --store other.sqlite", "other.sqlite is a SQLite file but no store of mibench"),
    ("export --format table", "accepted: csv, json, parquet"),
    # One's own data
    ("estimate nofile.csv --x alpha --y beta", "there is no file 'nofile.csv'"),
    (f"{CSV}", "one table needs --x COLUMNS and --y COLUMNS, or --pairwise; its columns are alpha, beta"),
    (f"{CSV} --x alpha", "one table needs --x COLUMNS and --y COLUMNS"),
    (f"{CSV} --x alpha --y bta", r"there is no column 'bta' \(nearest: beta\); the columns are alpha, beta"),
    (f"{CSV} --x 'z*' --y beta", r"there is no column 'z\*'"),
    (f"{CSV} --x 17 --y beta", "there is no column '17'"),
    (f"{CSV} --x alpha --y alpha", "is in both x and y"),
    (f"{CSV} --x alpha --y const", "y column 'const' is constant"),
    (f"{CSV} --x alpha --y gap", r"misses 1 of 60 values, first in row 7 \(counted from 0\); --missing drop leaves"),
    (f"{CSV} --x alpha --y huge --missing drop", r"y has 1 .*, first in row 3 \(counted from 0\), column 'huge'"),
    (f"{CSV} --x alpha --y typo", "'typo' is text, yet most of its values are numbers, but not '1.2.3'"),
    (f"{CSV} --x alpha --y label --estimator cca", "cca: mixed columns are not supported"),
    (f"{CSV} --x alpha --y beta --discrete q --estimator cca", "there is no column 'q'"),
    (f"{CSV} --x alpha --y beta --discrete 'la*' --estimator cca", r"--discrete la\* names no column of --x and --y"),
    (f"{CSV} --pairwise --x alpha,beta --discrete label", "--discrete label names no column of --x"),
    (f"{CSV} --x alpha --y label", "y column 'label' is text, so labels; labels beside numbers are accepted by mixed-"),
    (f"{CSV} --x alpha --y beta --estimator ksgg", r"unknown estimator 'ksgg' \(nearest: ksg\)"),
    (f"{CSV} --x alpha --y beta --estimator ksg[k=60]", "ksg: needs more than k = 60 points, got 60"),
    (f"{CSV} --x alpha --y beta --missing ignore", "accepted: error, drop"),
    (f"{CSV} --x alpha --y beta --test bootstrap", "accepted: permutation"),
    (f"{CSV} --x alpha --y beta --test permutation --permutations 0", "--permutations: '0' is not accepted"),
    (f"{CSV} --x alpha --y beta --permutations 99", "--permutations is for --test permutation"),
    (f"{CSV} --x alpha --y beta --seed -1", "--seed: '-1' is not accepted"),
    (f"{CSV} --x alpha --y beta --out nowhere/x", "no folder nowhere"),
    (f"{CSV} --pairwise --y alpha", "--y does not apply"),
    (f"{CSV} --pairwise --test permutation", "--pairwise and --test do not go together"),
    (f"{CSV} --pairwise --x alpha", "at least 2 of each are needed"),
    (f"{CSV} --pairwise --x alpha,beta --estimator cca,ksg", "--pairwise takes one estimator, got cca, ksg"),
    (f"{CSV} --pairwise --x alpha,gap", "'gap' misses 1 of 60 values.*--missing drop"),
    (f"{CSV} --pairwise --x alpha,label --estimator cca", "cca: mixed columns are not supported .*; the table column "
     "'label' is text, so labels; labels beside numbers are accepted by "),
    ("estimate data.csv short.csv --pairwise", "--pairwise takes one table"),
    ("estimate data.csv data.csv data.csv", "3 files are given"),
    ("estimate data.csv short.csv --x alpha --y alpha", "x has 60 rows, y has 50; give as many of each"),
    ("estimate data.csv short.csv --x alpha --y alpha --missing drop", "x has 60 rows, y has 50"),
    ("estimate one.csv --x alpha --y beta", "at least 2 are needed"),
    ("estimate three.csv --x alpha --y beta", "ksg: needs more than k = 3 points, got 3"),
    ("estimate empty.csv --x alpha --y beta", "empty.csv is empty"),
    ("estimate header.csv --x alpha --y beta", "header.csv is empty: 0 rows, 2 columns"),
    ("estimate ragged.csv --x alpha --y beta", "ragged.csv "),
    ("estimate semicolon.csv --x alpha --y beta", "separated by semicolons"),
    ("estimate broken.npy short.csv", "broken.npy cannot be read as .npy"),
    ("estimate broken.parquet --x alpha --y beta", "broken.parquet cannot be read as .parquet"),
    ("estimate cube.npy short.csv", r"shape \(5, 2, 2\); give rows x columns"),
    ("estimate data.txt --x alpha --y beta", "of no known kind; accepted are .csv, .tsv, .parquet, .npy, .npz"),
    ("estimate . --x alpha --y beta", "is a folder; give a file"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "says"), WRONG, ids=[line or "nothing" for line, _ in WRONG])
def test_wrong_input_is_one_clear_line(line: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    np.save(folder / "cube.npy", np.zeros((5, 2, 2)))
    for name, tables, version in (("newer.sqlite", ("rows", "environments"), 99), ("other.sqlite", ("theirs",), 0)):
        with sqlite3.connect(folder / name) as made:
            for one in tables:
                made.execute(f"CREATE TABLE {one} (a)")
            made.execute(f"PRAGMA user_version = {version}")
        made.close()
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = cli.main(shlex.split(line))
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.startswith("mibench: ")
    assert err.count("\n") == 1, err
    assert re.search(says, err), err
    assert len(err) < 400
    left = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "__pycache__"}
    assert left == there


def test_cuda_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mibench.runner._gpu_name", lambda: None)
    assert cli.main(["run", "--estimator", "cca", "--device", "cuda"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "mibench: no CUDA device is found here; give --device cpu or auto\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("line", ["run --estimator ksq", "rn", "estimate nofile.csv --x a --y b", "show ksgg"])
def test_wrong_input_in_a_process_of_its_own(line: str, tmp_path: Path) -> None:
    done = mibench(*line.split(), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------------
# run


TRIALS = ["run", "--estimator", "ksg[k=3],ksg[k=5]", "--estimator", "gauss*", "--distribution",
          "gaussian-sparse[rho=0.8],independent", "--dim", "2", "--n", "50,100", "--seeds", "3", "--first-seed", "7",
          "--jobs", "2"]  # fmt: skip
ROW = {
    "run_key", "code", "estimator", "params", "estimator_version", "distribution", "distribution_version", "dim_x",
    "dim_y", "n", "seed", "status", "estimate", "low", "high", "level", "quantity", "bound", "truth", "truth_low",
    "truth_high", "truth_se", "truth_method", "oracle", "wall_s", "cpu_s", "batch_size", "peak_rss_mb", "device",
    "diagnostics", "warnings", "error_type", "error_text", "created_utc", "environment", "interval",
}  # fmt: skip
CELL = {
    "estimator", "params", "distribution", "dim_x", "dim_y", "n", "quantity", "trials", "ok", "truth", "mean", "bias",
    "bias_se", "sd", "rmse", "mae", "oracle_rmse", "efficiency", "coverage", "median_wall_s",
    "interval", "level", "intervals", "mean_width",
}  # fmt: skip
IN_NATS = {"truth", "mean", "bias", "bias_se", "sd", "rmse", "mae", "oracle_rmse"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store in which all of TRIALS are."""
    path = tmp_path_factory.mktemp("run") / "new" / "rows.sqlite"
    assert cli.main([*TRIALS, "--store", str(path), "--out", os.devnull]) == 0
    return str(path)


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in an empty folder; returns exit code, standard output and standard error."""
    assert list(folder.iterdir()) == []
    capsys.readouterr()

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        return code, *capsys.readouterr()

    return call


Run = Callable[..., tuple[int, str, str]]


def test_json_has_every_trial_and_every_score(store: str, run: Run) -> None:
    code, out, err = run(*TRIALS, "--store", store, "--format", "json")
    assert (code, err) == (0, "36 of 36 trials are in the store already\n")
    found = json.loads(out)
    assert {"trials", "summary"} <= found.keys()
    rows, cells = found["trials"], found["summary"]
    assert len(rows) == 3 * 2 * 2 * 3
    assert len(cells) == 3 * 2 * 2
    assert all(row.keys() >= ROW and row["status"] == "ok" for row in rows)
    assert all(cell.keys() >= CELL and (cell["trials"], cell["ok"]) == (3, 3) for cell in cells)
    assert {row["seed"] for row in rows} == {7, 8, 9}
    assert {row["n"] for row in rows} == {50, 100}
    assert {(row["estimator"], row["params"].get("k")) for row in rows} == {
        ("ksg", 3), ("ksg", 5), ("gaussian-copula", None)
    }  # fmt: skip
    assert {row["distribution"] for row in rows} == {"gaussian-sparse[rho=0.8]", "independent"}
    for cell in cells:
        same = ("estimator", "params", "distribution", "n")
        own = [row for row in rows if all(row[key] == cell[key] for key in same)]
        errors = np.array([row["estimate"] for row in own]) - cell["truth"]
        assert cell["bias"] == pytest.approx(errors.mean(), abs=1e-12)
        assert cell["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), abs=1e-12)
    truth = {"gaussian-sparse[rho=0.8]": -math.log(1 - 0.8**2), "independent": 0.0}  # two pairs
    assert all(cell["truth"] == pytest.approx(truth[cell["distribution"]], abs=1e-12) for cell in cells)
    assert all(cell["efficiency"] is None for cell in cells if cell["distribution"] == "independent")


def test_bits_are_nats_over_log_2(store: str, run: Run) -> None:
    nats, bits = (
        json.loads(run(*TRIALS, "--store", store, "--format", "json", "--units", units)[1])
        for units in ("nats", "bits")
    )
    assert (nats["units"], bits["units"]) == ("nats", "bits")
    for one, other in zip(nats["summary"], bits["summary"], strict=True):
        for key, value in one.items():
            expected = value / math.log(2) if key in IN_NATS and value is not None else value
            assert other[key] == (pytest.approx(expected) if isinstance(expected, float) else expected), key
    for one, other in zip(nats["trials"], bits["trials"], strict=True):
        for key in ("estimate", "truth", "oracle"):
            assert other[key] == pytest.approx(one[key] / math.log(2))
        assert other["wall_s"] == one["wall_s"]


def test_csv_has_the_rows(store: str, run: Run) -> None:
    code, out, _ = run(*TRIALS, "--store", store, "--format", "csv")
    rows = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert set(rows.columns) >= ROW
    assert len(rows) == 36
    assert set(map(len, csv.reader(io.StringIO(out)))) == {len(rows.columns)}
    assert [json.loads(text).get("k") for text in rows["params"]] == [3] * 12 + [5] * 12 + [None] * 12


def test_the_table_has_a_line_for_each_cell(store: str, run: Run) -> None:
    code, out, _ = run(*TRIALS, "--store", store, "--units", "bits")
    head, *lines, caption = out.splitlines()
    assert code == 0
    assert re.split(r"  +", head) == ["estimator", "task", "dims", "n", "truth", "mean", "bias ± se", "sd", "RMSE",
                                      "oracle", "efficiency", "ok", "time"]  # fmt: skip
    assert len(lines) == 12
    assert caption.startswith("bits; oracle = ")
    assert lines[0].startswith("ksg              gaussian-sparse[rho=0.8]  2 x 2   50  1.4739  ")
    assert all("3/3 ok" in line for line in lines)


def test_out_holds_what_would_be_printed(store: str, run: Run) -> None:
    for form in ("table", "json", "csv"):
        printed = run(*TRIALS, "--store", store, "--format", form)[1]
        code, out, _ = run(*TRIALS, "--store", store, "--format", form, "--out", "found")
        assert (code, out) == (0, "")
        assert Path("found").read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("words", "ending", "form"),
    [
        ("list suites", ".json", "json"),
        ("list suites", ".csv", "csv"),
        ("list suites", ".txt", "table"),
        ("list suites", ".tex", "table"),  # which it has not
        ("table --reference --suite core --dim 5 --n 1000 --estimator cca", ".md", "markdown"),
        ("table --reference --suite core --dim 5 --n 1000 --estimator cca", ".tex", "latex"),
        ("table --reference --suite core --dim 5 --n 1000 --estimator cca", ".dat", "latex"),
    ],
)
def test_the_ending_of_out_says_the_format(words: str, ending: str, form: str, run: Run) -> None:
    code, asked, _ = run(*words.split(), "--format", form)
    assert code == 0
    assert run(*words.split(), "--out", f"found{ending}")[0] == 0
    assert Path(f"found{ending}").read_text(encoding="utf-8") == asked
    assert run(*words.split(), "--out", "found.csv", "--format", form)[0] == 0  # said in words, it holds
    assert Path("found.csv").read_text(encoding="utf-8") == asked


def test_a_table_of_many_parts_is_told(run: Run) -> None:
    code, out, err = run("table", "--reference", "--suite", "bmi", "--n", "10000")
    assert code == 0
    parts = out.count(r"\begin{table}")
    assert parts > 6
    assert f"{parts} tables that fit a page: --estimator, --suite and --n choose fewer; --score summary" in err


def test_only_what_is_missing_runs(run: Run) -> None:
    arguments = ["run", "--estimator", "cca", "--distribution", "independent", "--dim", "2", "--n", "50"]
    assert run(*arguments, "--seeds", "2")[0] == 0
    assert Path("results/mibench.sqlite").is_file()
    code, out, err = run(*arguments, "--seeds", "3", "--format", "json")
    assert code == 0
    assert err.startswith("2 of 3 trials are in the store already\n")
    assert [row["attempt"] for row in json.loads(out)["trials"]] == [1, 1, 1]


def test_failures_are_counted_said_and_run_again(run: Run) -> None:
    tasks = ",".join(f"{FAULTY}:FaultyTask[fault={fault}]" for fault in ("none", "raise"))
    arguments = ["run", "--estimator", f"{FAULTY}:Faulty", "--distribution", tasks, "--n", "20", "--seeds", "2"]
    code, out, err = run(*arguments)
    assert code == 1
    assert out.count("2/2 ok") == 1
    assert out.count("0/2 ok, 2 error") == 1
    said = re.findall(r"^error: faulty on .*, n = 20, seed 0 \(and 1 more trial\): .*as told", err, re.MULTILINE | re.I)
    assert len(said) == 1  # what failed alike is said once
    assert err.endswith("2 of 4 trials failed; --retry error runs them again\n")
    assert run(*arguments)[2].startswith("4 of 4 trials are in the store already\n")
    code, out, err = run(*arguments, "--retry", "error", "--format", "json")
    assert (code, err.splitlines()[0]) == (1, "2 of 4 trials are in the store already")
    attempts = {(row["status"], row["attempt"]) for row in json.loads(out)["trials"]}
    assert attempts == {("ok", 1), ("error", 2)}
    code, out, _ = run("export", "--all-attempts", "--format", "json")
    assert (code, len(json.loads(out))) == (0, 6)


def test_large_seeds_keep_their_digits(run: Run) -> None:
    first = 2**53 + 1  # which no float is
    arguments = ["run", "--estimator", "cca", "--distribution", "independent", "--n", "20", "--seeds", "2"]
    code, out, _ = run(*arguments, "--first-seed", str(first), "--format", "json")
    assert (code, [row["seed"] for row in json.loads(out)["trials"]]) == (0, [first, first + 1])


TALKING = (
    IMPORTS
    + """
import sys
print("imported")
class Talks(Estimator):
    def estimate(self, x, y, context):
        print("first line")
        print("x" * 200_000)
        print("no end", end="")
        return Estimate(0.5)
class Crashes(Estimator):
    def estimate(self, x, y, context):
        print("before the crash")
        __import__("ctypes").string_at(0)
class Leaves(Estimator):
    def estimate(self, x, y, context):
        print("good", "bye", file=sys.stderr)
        sys.exit(3)
class LeavesTogether(Leaves):
    def estimate_batch(self, xs, ys, contexts):
        yield from super().estimate_batch(xs, ys, contexts)
class Looks(Estimator):
    def estimate(self, x, y, context):
        return {}["k"]
class Bare(Estimator):
    def estimate(self, x, y, context):
        return x.mean()
class Nothing(Estimator):
    def estimate(self, x, y, context):
        return Estimate(float("nan"))
"""
)


@pytest.mark.parametrize(
    ("name", "printed", "failure"),
    [
        ("Talks", ["first line", "x" * 200_000, "no end"], None),
        ("Crashes", ["before the crash"], r"crash: .*: killed by signal 11 "),
        ("Leaves", ["good bye"], r"error: .*: SystemExit: sys\.exit\(3\) \(own\.py:\d+\)$"),
        ("LeavesTogether", ["good bye"], r"error: .*: SystemExit: sys\.exit\(3\) \(own\.py:\d+\)$"),
        ("Looks", [], r"error: Looks on independent, n = 20, seed 0: KeyError: 'k' \(own\.py:\d+\)$"),
        ("Bare", [], r"error: .*: Bare returned float64, not an Estimate; write `return Estimate\(value\)`$"),
        ("Nothing", [], r"nonfinite: .*, seed 0: the estimate is nan$"),
    ],
)
def test_what_an_estimator_prints_and_why_it_fails_is_on_standard_error(
    name: str, printed: list[str], failure: str | None, folder: Path
) -> None:
    (folder / "own.py").write_text(TALKING, encoding="utf-8")
    asked = ["run", "--estimator", f"own.py:{name}", "--distribution", "independent", "--n", "20", "--seeds", "1"]
    done = mibench(*asked, "--format", "json", folder=folder)
    lines = [line for line in done.stderr.splitlines() if not re.match(r"\d+/\d+ trials", line)]  # on a slow machine
    assert lines[: len(printed) + 1] == ["imported", *printed]
    assert "Traceback" not in done.stderr
    (row,) = json.loads(done.stdout)["trials"]
    if failure is None:
        assert (done.returncode, lines[len(printed) + 1 :], row["estimate"]) == (0, [], 0.5)
    else:
        assert done.returncode == 1
        assert re.search(failure, lines[len(printed) + 1]), done.stderr
        assert not str(row["error_text"]).startswith(str(row["error_type"]))  # which has a column of its own


LATE = (
    IMPORTS
    + """
import os, signal, time
ended = 0
class Late(Estimator):
    def estimate(self, x, y, context):
        global ended
        ended += 1
        if ended == 1:
            print("before", end=" ")
            os.kill(os.getppid(), signal.SIGSTOP)  # who supervises this process hears of nothing
        else:
            print("one", "line", end=" ", flush=True)
            os.kill(os.getppid(), signal.SIGCONT)  # and of the end of the first trial only now
            time.sleep(0.2)
            print("after", end="")
        return Estimate(0.5)
"""
)


def test_a_line_is_whole_though_a_message_is_late(folder: Path) -> None:
    (folder / "own.py").write_text(LATE, encoding="utf-8")
    asked = "run --estimator own.py:Late --distribution independent --n 20 --seeds 8 --jobs 1"  # by two in a process
    done = mibench(*asked.split(), folder=folder)
    lines = [line for line in done.stderr.splitlines() if not re.match(r"\d+/\d+ trials", line)]
    assert (done.returncode, lines) == (0, 4 * ["before one line after"])


def test_what_an_estimator_prints_is_no_part_of_the_answer(run: Run, folder: Path) -> None:
    for name, text in {**FILES, "own.py": TALKING}.items():
        (folder / name).write_text(text, encoding="utf-8")
    pair = "data.csv --x alpha --y beta"
    for words in (f"{CSV} --x alpha,beta --pairwise", f"estimate {pair} --test permutation", f"consistency {pair}"):
        code, out, err = run(*words.split(), "--estimator", "own.py:Talks", "--format", "json")
        assert code == 0, err
        json.loads(out)
        assert "first line" in err


def test_skipped_trials_have_their_reason_and_are_no_failure(run: Run) -> None:
    arguments = ["run", "--estimator", "cca,ksg", "--distribution", "independent", "--dim", "5", "--n", "8"]
    code, out, err = run(*arguments, "--seeds", "1", "--format", "json")
    assert code == 0
    assert "failed" not in err
    skipped, ok = json.loads(out)["trials"]
    assert (skipped["status"], skipped["error_text"]) == ("skipped", "needs more points than dim_x + dim_y = 10, got 8")
    assert ok["status"] == "ok"


def test_mi_goes_to_the_tasks_that_take_it(run: Run) -> None:
    arguments = ["run", "--estimator", "cca", "--mi", "0.7", "--dim", "2", "--n", "50", "--seeds", "1"]
    code, out, err = run(*arguments, "--format", "json")
    assert code == 0
    assert "--mi does not apply to" in err
    assert "independent" in err
    truths = {cell["distribution"]: cell["truth"] for cell in json.loads(out)["summary"]}
    assert truths["gaussian-sparse[mi=0.7]"] == pytest.approx(0.7)
    assert truths["independent"] == 0.0


# ---------------------------------------------------------------------------------------------------------------------
# list and show


@pytest.mark.parametrize("what", ["estimators", "distributions", "tasks", "suites"])
def test_lists_in_every_format(what: str, run: Run) -> None:
    code, out, err = run("list", what, "--format", "json")
    assert (code, err) == (0, "")
    records = json.loads(out)
    assert len(records) >= 1
    names = [record["name"] for record in records]
    table = run("list", what)[1].splitlines()[1:]
    assert [line.split()[0] for line in table] == names
    rows = list(csv.DictReader(io.StringIO(run("list", what, "--format", "csv")[1])))
    assert [row["name"] for row in rows] == names
    assert run("list", what, "--out", "found")[1] == ""
    assert Path("found").read_text(encoding="utf-8").splitlines()[1:] == table


def test_tasks_have_their_truth_at_the_size_asked_for(run: Run) -> None:
    tasks = json.loads(run("list", "tasks", "--suite", "core", "--dim", "64", "--format", "json")[1])
    keys = {"name", "dim_x", "dim_y", "truth", "truth_se", "truth_method", "family"}
    assert all(task.keys() >= keys and (task["dim_x"], task["dim_y"]) == (64, 64) for task in tasks)
    truths = {task["name"]: task["truth"] for task in tasks}
    assert truths["gaussian-sparse"] == truths["half-cube[base=gaussian-sparse]"] == pytest.approx(-math.log(0.6**2))
    assert truths["independent"] == 0.0
    size = ("--suite", "core", "--dim-x", "3", "--dim-y", "7", "--mi", "0.5")
    wide = json.loads(run("list", "tasks", *size, "--format", "json")[1])
    assert {(task["dim_x"], task["dim_y"]) for task in wide} == {(3, 7)}
    assert wide[0]["truth"] == pytest.approx(0.5)


@pytest.mark.parametrize("name", sorted({*registry.estimators.entries(), *registry.distributions.entries()}))
def test_show_says_what_it_is(name: str, run: Run) -> None:
    code, out, err = run("show", name)
    assert (code, err) == (0, "")
    catalogue: Any = registry.estimators if name in registry.estimators.entries() else registry.distributions
    facts = catalogue.entries()[name].facts
    assert out.startswith(f"{name} ({catalogue.kind}, family {facts.family}, version {facts.version})\n\n")
    assert facts.summary in out
    assert re.search(r"I\S* (=|>=|<=|~) |W_1\(.*\) = |^MI  ", out, re.MULTILINE)
    assert "\ncitation   " in out
    assert not re.search(r"[\\{}]", out.partition("\ncitation   ")[2])
    if catalogue.kind == "distribution":
        assert re.search(r"\ntruth      -?\d+\.\d+ nats \(.*\) at \d+ x \d+\n", out)
    for parameter in parameters_of(catalogue.find(name)):
        assert re.search(rf" {parameter} [^;]*.*; (default .+?|required)\)", " ".join(out.split()))
    bibtex = run("show", name, "--bibtex")[1]
    field = r"  (\w+) = \{(?:[^{}]|\{[^{}]*\})*\}"
    for entry in bibtex.removesuffix("\n").split("\n\n"):
        assert re.fullmatch(rf"@\w+\{{[\w:.-]+,\n({field},\n)*{field},?\n\}}", entry)
        assert {"author", "title", "year"} <= {found[1] for found in re.finditer(field, entry)}


def test_show_of_ones_own_says_what_its_author_said(run: Run, folder: Path) -> None:
    (folder / "own.py").write_text(FILES["own.py"], encoding="utf-8")
    out = run("show", "own.py:Mine")[1]
    assert out.startswith("Mine (estimator, family own, version 1)\n\nno description\n\nestimates ")
    assert "nothing claimed" not in out
    (folder / "own.py").write_text(
        FILES["own.py"].replace("    k: int", "    'Says much.'\n    k: int"), encoding="utf-8"
    )
    assert run("show", "own.py:Mine")[1].count("Says much.") == 1


def test_show_of_a_task_computes_its_truth(run: Run) -> None:
    out = run("show", "gaussian-sparse[rho=0.6,dim_x=3,dim_y=4,pairs=3]")[1]
    assert f"truth      {-1.5 * math.log(1 - 0.36):.6f} nats (closed form) at 3 x 4" in out
    out = run("show", "half-cube[base=gaussian-sparse[mi=2]]")[1]
    assert "truth      2.000000 nats (closed form) at 5 x 5" in out


# ---------------------------------------------------------------------------------------------------------------------
# One's own data


def written(folder: Path) -> dict[str, list[str]]:
    """Write the same data in every kind of file; returns what is typed to read them."""
    x, y = TABLE[["alpha", "gap"]].fillna(0.5), TABLE[["beta"]]
    table = pd.concat([x, y], axis=1)
    table.to_csv(folder / "own.csv", index=False)
    table.to_csv(folder / "own.tsv", index=False, sep="\t")
    table.to_parquet(folder / "own.parquet")
    np.save(folder / "x.npy", x.to_numpy())
    np.save(folder / "y.npy", y.to_numpy())
    np.save(folder / "table.npy", table.to_numpy())
    np.savez(folder / "own.npz", x=x.to_numpy(), y=y.to_numpy()[:, 0])
    columns = ["--x", "alpha,gap", "--y", "beta"]
    return {
        "csv": ["own.csv", *columns], "tsv": ["own.tsv", *columns], "parquet": ["own.parquet", *columns],
        "positions": ["own.csv", "--x", "0", "--x", "1", "--y", "2"], "glob": ["own.csv", "--x", "*a*p*", "--y", "b*"],
        "npy": ["x.npy", "y.npy"], "one npy": ["table.npy", "--x", "0,1", "--y", "x2"],
        "npz": ["own.npz", "--x", "x0,x1", "--y", "y"], "two arrays": ["own.npz:x", "own.npz:y"],
    }  # fmt: skip


def test_every_file_gives_the_same_estimates(run: Run, folder: Path) -> None:
    asked = ["--estimator", "cca,ksg[margins=normal]", "--estimator", "binning", "--format", "json"]
    values = {}
    for name, arguments in written(folder).items():
        code, out, err = run("estimate", *arguments, *asked)
        assert (code, err) == (0, ""), name
        found = json.loads(out)
        assert found["units"] == "nats"
        assert [one["estimator"] for one in found["estimates"]] == ["cca", "ksg[margins=normal]", "binning"]
        values[name] = [one["estimate"] for one in found["estimates"]]
    x, y = TABLE[["alpha", "gap"]].fillna(0.5), TABLE[["beta"]]
    cca = 0.5 * np.log(np.linalg.det(x.cov()) * y.var().item() / np.linalg.det(pd.concat([x, y], axis=1).cov()))
    assert values["csv"][0] == pytest.approx(cca, abs=1e-12)
    for name, found in values.items():
        assert found == pytest.approx(values["csv"], abs=1e-12), name


def test_estimates_in_every_format(run: Run, folder: Path) -> None:
    (folder / "data.csv").write_text(FILES["data.csv"], encoding="utf-8")
    asked = ["estimate", "data.csv", "--x", "alpha", "--y", "beta", "--estimator", "ksg,cca"]
    nats = json.loads(run(*asked, "--format", "json")[1])["estimates"]
    bits = json.loads(run(*asked, "--format", "json", "--units", "bits")[1])["estimates"]
    for one, other in zip(nats, bits, strict=True):
        assert other["estimate"] == pytest.approx(one["estimate"] / math.log(2))
        assert one["quantity"] == "mi"
        assert one["p_value"] is one["error"] is None
    rows = list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv", "--units", "bits")[1])))
    assert [float(row["estimate"]) for row in rows] == [one["estimate"] for one in bits]
    assert {row["units"] for row in rows} == {"bits"}
    head, first, _ = run(*asked, "--units", "bits")[1].splitlines()
    assert "estimate (bits)" in head
    assert first.split()[:2] == ["ksg", f"{bits[0]['estimate']:.4f}"]
    again = json.loads(run(*asked, "--format", "json")[1])["estimates"]
    assert [{**one, "wall_s": 0} for one in again] == [{**one, "wall_s": 0} for one in nats]


def test_labels_missing_values_and_failures(run: Run, folder: Path) -> None:
    (folder / "data.csv").write_text(FILES["data.csv"], encoding="utf-8")
    code, out, err = run(
        "estimate", "data.csv", "--x", "alpha", "--y", "gap", "--missing", "drop", "--estimator", "cca"
    )
    assert (code, err) == (0, "1 of 60 rows miss a value and are left out\n")
    kept = np.corrcoef(TABLE[["alpha", "gap"]].dropna().T)[0, 1]
    assert f"{-0.5 * math.log(1 - kept**2):.4f}" in out
    # One estimator cannot: it is skipped, which is no failure.
    asked = ["estimate", "data.csv", "--x", "alpha", "--y", "label", "--estimator", "binning,cca"]
    code, out, err = run(*asked)
    assert code == 0
    assert re.search(r"^cca: mixed columns .*\(only continuous\); y column 'label' is text, ", err, re.MULTILINE)
    assert re.search(r"^cca +skipped", out, re.MULTILINE)
    ran, skipped = json.loads(run(*asked, "--format", "json")[1])["estimates"]
    assert (ran["status"], ran["error"]) == ("ok", None)
    assert (skipped["status"], skipped["estimate"]) == ("skipped", None)
    assert skipped["error"].startswith("cca: mixed columns")
    # Labels with themselves: their entropy.
    out = run("estimate", "data.csv", "--x", "label", "--y", "label", "--estimator", "binning", "--format", "json")[1]
    assert json.loads(out)["estimates"][0]["estimate"] == pytest.approx(math.log(3))


def test_text_that_is_hardly_labels_is_named(run: Run) -> None:
    money = [f"{value:,.2f}" for value in 5e4 + 1e4 * A]
    pd.DataFrame({"x": A, "money": money}).to_csv("money.csv", index=False)
    code, _, err = run("estimate", "money.csv", "--x", "x", "--y", "money", "--estimator", "binning")
    assert code == 0
    assert err.startswith(
        f"column 'money': {N} of {N} values differ, taken as labels; numbers with thousands separators"
    )
    declared = run("estimate", "money.csv", "--x", "x", "--y", "money", "--discrete", "money", "--estimator", "binning")
    assert "column 'money'" not in declared[2]


def test_numbers_that_look_like_labels_are_named(run: Run) -> None:
    grades = pd.DataFrame({"x": np.arange(N) % 7 + A / 9, "grade": np.arange(N) % 4, "group": list("ab") * 30})
    grades.to_csv("grades.csv", index=False)
    asked = ["estimate", "grades.csv", "--x", "x", "--y", "grade,group", "--estimator", "binning"]
    code, _, err = run(*asked)
    note = "few distinct numbers are taken as continuous in grade; --discrete grade makes them labels\n"
    assert (code, err) == (0, note)
    assert run(*asked, "--discrete", "grade")[2] == ""


def test_permutation_test_shows_the_null(run: Run, folder: Path) -> None:
    (folder / "data.csv").write_text(FILES["data.csv"], encoding="utf-8")
    asked = ["estimate", "data.csv", "--x", "alpha", "--estimator", "cca,gauss*", "--test", "permutation"]
    found = json.loads(run(*asked, "--y", "beta", "--permutations", "49", "--format", "json")[1])["estimates"]
    assert [one["p_value"] for one in found] == [1 / 50, 1 / 50]
    for one in found:
        assert abs(one["null_mean"]) < 3 * one["null_sd"] < one["estimate"]
    code, out, _ = run(*asked, "--y", "beta")
    assert code == 0
    head, first, *_ = out.splitlines()
    assert re.split(r"  +", head)[4:6] == ["p-value", "permuted"]
    assert re.search(r"  0\.0050  -?0\.0\d\d\d ± 0\.0\d\d\d  ", first)


def test_pairwise_in_every_format(run: Run, folder: Path) -> None:
    (folder / "data.csv").write_text(FILES["data.csv"], encoding="utf-8")
    asked = ["estimate", "data.csv", "--pairwise", "--x", "alpha,beta,const", "--estimator", "cca", "--units", "bits"]
    code, out, err = run(*asked, "--format", "json")
    assert (code, err) == (0, "cca: column 'const' is constant: no estimate of alpha,const and 1 more\n")
    found = json.loads(out)
    expected = -0.5 * math.log2(1 - np.corrcoef(TABLE[["alpha", "beta"]].T)[0, 1] ** 2)
    assert found["columns"] == ["alpha", "beta", "const"]
    assert found["estimates"][0] == [None, pytest.approx(expected), None]
    assert found["reasons"]["alpha,const"] == "column 'const' is constant"
    frame = pd.read_csv(io.StringIO(run(*asked, "--format", "csv")[1]), index_col=0)
    assert frame.loc["beta", "alpha"] == pytest.approx(expected)
    head, first, *_, caption = run(*asked)[1].splitlines()
    assert head.split() == ["alpha", "beta", "const"]
    assert first.split() == ["alpha", f"{expected:.4f}"]
    assert caption == "cca, bits"


def test_pairs_of_unequal_scale_are_warned_of(run: Run) -> None:
    TABLE.assign(beta=TABLE["beta"] * 1000)[["alpha", "beta"]].to_csv("wide.csv", index=False)
    code, out, err = run("estimate", "wide.csv", "--pairwise", "--format", "json")
    assert code == 0
    assert list(json.loads(out)["warnings"]) == ["alpha,beta"]
    assert "1 pairs have warnings" in err
    assert "margins=standard" in err
    assert run("estimate", "wide.csv", "--pairwise", "--estimator", "ksg[margins=normal]")[2] == ""


# ---------------------------------------------------------------------------------------------------------------------
# export


def test_export_gives_the_rows_back(store: str, run: Run) -> None:
    rows = json.loads(run(*TRIALS, "--store", store, "--format", "json")[1])["trials"]
    expected = pd.DataFrame(rows).sort_values("run_key", ignore_index=True)
    assert run("export", "--store", store, "--out", "rows.csv")[:2] == (0, "")
    assert run("export", "--store", store, "--format", "parquet", "--out", "rows.parquet")[:2] == (0, "")
    exported = {
        "json": pd.DataFrame(json.loads(run("export", "--store", store, "--format", "json")[1])),
        "csv": pd.read_csv("rows.csv"), "parquet": pd.read_parquet("rows.parquet"),
    }  # fmt: skip
    for name, frame in exported.items():
        found = frame.sort_values("run_key", ignore_index=True)
        assert list(found.columns) == list(expected.columns), name
        for column in ("run_key", "estimator", "distribution", "n", "seed", "status"):
            assert found[column].tolist() == expected[column].tolist()
        np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=1e-15)
        params = found["params"] if name == "json" else found["params"].map(json.loads)
        assert params.tolist() == expected["params"].tolist()
    bits = json.loads(run("export", "--store", store, "--format", "json", "--units", "bits")[1])
    assert sum(row["estimate"] for row in bits) == pytest.approx(expected["estimate"].sum() / math.log(2))
    assert run("export", "--store", store, "--format", "parquet")[0] == 2


# ---------------------------------------------------------------------------------------------------------------------
# Terminals, pipes, signals


COMMANDS = ["", "run", "list", "show", "estimate", "consistency", "plot", "table", "report", "compare", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_into_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        cli.main([*command.split(), "--help"])
    out, err = capsys.readouterr()
    assert (left.value.code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    described = re.findall(r"^  (--[\w-]+)(?: \S+)?(?:  +\S|\n {20,}\S)", out, re.MULTILINE)
    assert set(described) >= set(re.findall(r"(--[\w-]+)", out.partition("\n\n")[0])) - {"--version"}


def test_examples_of_the_help_are_commands() -> None:
    examples = [line for line in cli._EXAMPLES.splitlines() if line.startswith("  mibench ")]
    assert len(examples) >= 5
    for line in examples:
        options = cli._parser().parse_args(shlex.split(line)[1:])
        assert callable(cli._function(options.command))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0
    assert re.fullmatch(r"mibench \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_reader_that_stops_is_no_error(store: str, tmp_path: Path) -> None:
    line = shlex.join([sys.executable, "-m", "mibench", "export", "--store", store, "--format", "json"])
    done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{line} | head -1"], cwd=tmp_path, env=surroundings({}),
                          capture_output=True, text=True, check=False, timeout=60)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-m", "mibench", "list", "estimators"], cwd=tmp_path, check=False,
                              env=surroundings({}), stdout=full, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the output cannot be written: " in done.stderr


def on_a_terminal(
    arguments: list[str], folder: Path, *, width: int, stdout: bool, until: str = "", **variables: str
) -> tuple[int, str, str]:
    """Run with standard error, and output if asked for, on a terminal; interrupted where `until` appears.

    Returns the exit code, what came on the terminal and what came on standard output elsewhere.
    """
    ours, theirs = pty.openpty()
    environment = surroundings({"COLUMNS": str(width), "TERM": "xterm-256color", **variables})
    environment.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
    with subprocess.Popen(
        [sys.executable, "-m", "mibench", *arguments], cwd=folder, env=environment, stderr=theirs,
        stdout=theirs if stdout else subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        seen, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 0.1)
            try:
                part = os.read(ours, 65536) if ready else b""
            except OSError:  # Linux: the other end is closed
                break
            if ready and not part:
                break
            seen += part
            if until and re.search(until, re.sub(r"\x1b\[[\d;]*m", "", seen.decode(errors="replace"))):
                process.send_signal(signal.SIGINT)
                until = ""
        else:
            process.kill()  # nobody reads its terminal any more
        out = "" if process.stdout is None else process.stdout.read()
        code = process.wait(timeout=30)
    os.close(ours)
    return code, seen.decode().replace("\r\n", "\n"), out


SLOW = ["run", "--estimator", f"{FAULTY}:Faulty", "--distribution", f"{FAULTY}:FaultyTask[fault=slow]", "--n", "50",
        "--jobs", "1"]  # fmt: skip
BAR = r"trials .*━.* \d+/\d+ .*left"


def test_a_bar_on_the_terminal_while_the_output_is_piped(tmp_path: Path) -> None:
    code, terminal, out = on_a_terminal(
        [*SLOW, "--seeds", "6", "--format", "json"], tmp_path, width=80, stdout=False, NO_COLOR="1"
    )
    assert code == 0
    assert re.search(BAR, terminal)
    assert not re.search(r"\x1b\[[\d;]*3\d(;\d+)*m", terminal)  # no colour
    assert len(json.loads(out)["trials"]) == 6
    # Nothing of the bar stays: its line is erased last, and the cursor is shown again.
    assert re.search(r"\x1b\[\?25h[^━]*\x1b\[2K[^━]*$", terminal)


def test_interrupting_on_the_terminal_leaves_no_bar_behind(tmp_path: Path) -> None:
    code, terminal, out = on_a_terminal([*SLOW, "--seeds", "500"], tmp_path, width=80, stdout=False, until=BAR)
    assert (code, out) == (130, "")
    after = terminal.rpartition("\x1b[2K")[2]
    assert re.fullmatch(
        r"mibench: interrupted; \d+ of 500 trials are in results/mibench.sqlite\nthe same command runs the rest\n",
        after,
    )


def test_the_table_fits_into_80_columns(store: str, tmp_path: Path) -> None:
    for width, heads in ((80, 1), (200, 1)):
        code, terminal, _ = on_a_terminal([*TRIALS, "--store", store], tmp_path, width=width, stdout=True)
        lines = terminal.splitlines()[1:]
        assert code == 0
        assert max(map(len, lines)) <= width
        assert sum(line.startswith("estimator ") for line in lines) == heads
        assert terminal.count("± 0.") == 12
        assert "…" not in terminal
        tasks = [line for line in lines if line.startswith("gaussian-sparse[rho=0.8], 2 x 2, n ")]
        assert len(tasks) == (2 if width == 80 else 0)


@pytest.mark.parametrize("what", ["estimators", "distributions", "tasks", "suites"])
def test_lists_fit_into_80_columns(what: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("list", what)[1]
    monkeypatch.setattr(display, "terminal_width", lambda: 80)
    narrow = run("list", what)[1]
    assert max(map(len, narrow.splitlines())) <= 80
    letters = [sorted(re.sub(r"\s|what it is|description", "", text)) for text in (narrow, whole)]
    assert letters[0] == letters[1]  # nothing is lost


def test_wide_matrices_are_cut_into_blocks() -> None:
    names = [f"column{j}" for j in range(12)]
    values = [[math.nan if i == j else i + j / 100 for j in range(12)] for i in range(12)]
    text = display.matrix_table(names, values, "ksg, nats", 80)
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"{value:.4f}" in text for line in values for value in line if not math.isnan(value))
    assert len(display.matrix_table(names, values, "ksg, nats").splitlines()) == 14


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from mibench.progress import ProgressDisplay

    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with ProgressDisplay() as progress:
        progress.begin(102, 2, 0)
        for index in range(100):
            clock[0] += 0.3
            ended: Any = {"status": "error" if index == 5 else "ok"}
            progress.ended(ended)
    out, err = capsys.readouterr()
    assert out == ""
    first, *lines = err.splitlines()
    assert first == "2 of 102 trials are in the store already"
    assert lines == [
        "34/100 trials, 1 failed, 10 s, about 20 s left",
        "68/100 trials, 1 failed, 20 s, about 10 s left",
        "100/100 trials, 1 failed, 30 s",
    ]


def test_interrupting_an_estimate(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3000, 2)))
    np.save(tmp_path / "y.npy", np.random.default_rng(1).normal(size=(3000, 2)))
    asked = ["estimate", "x.npy", "y.npy", "--test", "permutation", "--permutations", "100000"]
    code, terminal, out = on_a_terminal(asked, tmp_path, width=80, stdout=False, until=r"permutations .*left")
    assert (code, out) == (130, "")
    assert terminal.rpartition("\x1b[2K")[2] == "mibench: interrupted\n"
