"""A run does what is missing, says what it did, and stores how it came about."""

from __future__ import annotations

import collections
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mibench
from mibench.execution.local import Limits
from mibench.interface import (
    Array,
    Context,
    Estimate,
    Estimator,
    GroundTruth,
    InputError,
    JointDistribution,
    Sample,
    Shape,
)
from mibench.plan import make_trials
from mibench.rows.row import Row
from mibench.rows.store import Store
from mibench.runner import Request, plan, run, run_trials
from mibench.scoring import summarise

ROOT = Path(mibench.__file__).parents[1]
FAULTY = Path(__file__).with_name("faulty.py")
LIMITS = Limits(jobs=1, timeout=20.0)

OWN = """
from dataclasses import dataclass
import own_machinery
from mibench.interface import Estimate, Estimator, GroundTruth, JointDistribution, Sample, parameter

@dataclass(frozen=True)
class Mine(Estimator):
    shift: float = parameter(0.0, "is added")
    def estimate(self, x, y, context):
        return Estimate(own_machinery.value(x) + self.shift + 1)
    def unsupported(self, shape):
        return f"needs more than 20 points, got {shape.n}" if shape.n <= 20 else None

@dataclass(frozen=True)
class Together(Mine):
    def estimate_batch(self, xs, ys, contexts):
        import time
        time.sleep(0.3)
        for index in reversed(range(len(xs))):
            yield index, self.estimate(xs[index], ys[index], contexts[index])
"""


class Told:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int, int]] = []
        self.rows: list[Row] = []

    def begin(self, planned: int, found: int, stale: int) -> None:
        self.begun.append((planned, found, stale))

    def ended(self, row: Row) -> None:
        assert self.begun
        self.rows.append(row)


class Folder:
    """A folder with an estimator of one's own, its machinery and a store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store.sqlite"
        self.own, self.machinery = path / "own.py", path / "own_machinery.py"
        self.own.write_text(OWN)
        self.machinery.write_text("def value(x):\n    return x.mean()\n")

    def run(
        self, estimator: str = "Mine", n: Sequence[int] = (50,), seeds: int = 3, **options: Any
    ) -> tuple[Sequence[Mapping[str, Any]], Told]:
        trials, _, _ = plan(Request([f"{self.own}:{estimator}"], ["independent"], dim_x=1, dim_y=1, n=n, seeds=seeds))
        store, told = Store(self.store), Told()
        try:
            return run_trials(trials, store, limits=LIMITS, watcher=told, **options), told
        finally:
            store.close()

    def rows(self) -> Sequence[Mapping[str, Any]]:
        store = Store(self.store)
        rows = store.rows()
        store.close()
        return rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield Folder(tmp_path)
    sys.modules.pop("own_machinery", None)


# ---------------------------------------------------------------------------------------------------------------------
# What is stored is not run again, unless its code has changed


def test_only_what_is_missing_runs(folder: Folder) -> None:
    first, told = folder.run(seeds=2)
    assert told.begun == [(2, 0, 0)]
    assert told.rows == first == folder.rows()
    again, told = folder.run(seeds=2)
    assert (told.begun, told.rows) == ([(2, 2, 0)], [])
    assert again == first
    more, told = folder.run(n=(50, 60), seeds=3)
    assert told.begun == [(6, 2, 0)]
    assert [row["seed"] for row in more] == [0, 1, 2, 0, 1, 2]  # in the order of the plan, found or run
    assert more[:2] == first
    assert {row["run_key"] for row in told.rows} == {row["run_key"] for row in more[2:]}
    assert len(folder.rows()) == 6


@pytest.mark.parametrize("changed", ["own", "machinery"])
def test_rows_of_other_code_are_stale(changed: str, folder: Folder) -> None:
    """The change has the length of what it replaces and comes within a second: a bytecode cache would miss it."""
    first, _ = folder.run()
    path: Path = getattr(folder, changed)
    path.write_text(path.read_text().replace("+ 1)", "+ 2)").replace("x.mean()", "x.max() "))
    kept, told = folder.run(keep_stale=True)
    assert (told.begun, told.rows, kept) == ([(3, 3, 0)], [], first)
    second, told = folder.run()
    assert told.begun == [(3, 0, 3)]
    for before, after in zip(first, second, strict=True):
        assert (after["attempt"], after["run_key"]) == (2, before["run_key"])
        assert after["code"] != before["code"]
        assert after["estimate"] > before["estimate"]
    path.write_text(path.read_text() + "\n")
    assert folder.run(seeds=1)[1].begun == [(1, 0, 1)]
    assert len(folder.rows()) == 7


def test_statuses_are_retried_when_asked(tmp_path: Path) -> None:
    trials, _, _ = plan(
        Request([f"{FAULTY}:Faulty"], [f"{FAULTY}:FaultyTask[fault={fault}]" for fault in ("none", "raise", "nan")],
                n=[100], seeds=1)
    )  # fmt: skip
    store = Store(tmp_path / "store.sqlite")

    def attempts(retry: Sequence[str]) -> tuple[int, list[int]]:
        told = Told()
        rows = run_trials(trials, store, limits=LIMITS, retry=retry, watcher=told)
        return len(told.rows), [row["attempt"] for row in rows]

    assert attempts([]) == (3, [1, 1, 1])
    assert attempts([]) == (0, [1, 1, 1])
    assert attempts(["timeout"]) == (0, [1, 1, 1])
    assert attempts(["error"]) == (1, [1, 2, 1])
    assert attempts(["error", "nonfinite", "ok"]) == (3, [2, 3, 2])
    assert [row["status"] for row in store.rows() if row["attempt"] == 3] == ["error"]
    with pytest.raises(InputError, match=r"unknown status 'erorr' .*error"):
        attempts(["erorr"])
    store.close()


def test_what_is_not_supported_is_a_row_with_its_reason(folder: Folder) -> None:
    rows, told = folder.run(n=(10, 50), seeds=2)
    assert [row["status"] for row in rows] == ["skipped", "skipped", "ok", "ok"]
    assert rows[0]["error_text"] == "needs more than 20 points, got 10"
    assert rows[0]["estimate"] is None
    assert len(told.rows) == 4
    assert folder.run(n=(10, 50), seeds=2)[1].rows == []


def test_nothing_that_can_run_is_an_error_and_leaves_nothing(folder: Folder) -> None:
    with pytest.raises(InputError, match="nothing in the plan can run: Mine on independent: needs more than 20 points"):
        folder.run(n=(10, 20))
    assert not folder.store.exists()


def test_a_row_is_shown_under_the_name_asked_for(tmp_path: Path) -> None:
    """The same distribution under another name is the same trial; its row echoes what was asked."""
    options: dict[str, Any] = {"n": 50, "seeds": 1, "store": tmp_path / "s", "jobs": 1, "dim": 2}
    first = run("cca", distribution="gaussian-sparse", **options)
    second = run("cca", distribution="gaussian-sparse[pairs=none]", **options)
    assert list(second["distribution"]) == ["gaussian-sparse[pairs=none]"]
    assert list(second["run_key"]) == list(first["run_key"])
    assert list(second["attempt"]) == [1]


def test_all_rows_of_a_run_share_one_environment(folder: Folder) -> None:
    rows, _ = folder.run()
    store = Store(folder.store)
    (identity,) = store.environments()
    store.close()
    assert {row["environment"] for row in rows} == {identity}


# ---------------------------------------------------------------------------------------------------------------------
# Batches


def test_a_batch_divides_its_cost(folder: Folder) -> None:
    """The batch sleeps 0.3 s for four trials: 0.075 s each. Trials run one by one have a batch of one."""
    rows, _ = folder.run("Together", seeds=4)
    assert {row["batch_size"] for row in rows} == {4}
    total = sum(row["wall_s"] for row in rows)
    assert 0.3 <= total < 0.3 + 3.0
    assert all(row["wall_s"] >= 0.075 for row in rows)
    alone, _ = folder.run("Mine", seeds=4)
    assert {row["batch_size"] for row in alone} == {1}
    assert [row["estimate"] for row in alone] == [row["estimate"] for row in rows]  # each got its own sample
    assert all(row["cpu_s"] >= 0 and row["peak_rss_mb"] > 1 for row in [*rows, *alone])


class Odd(Estimator):
    """Breaks a promise of estimators in a way that its subclass says."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(x[0, 0]))


class Twice(Odd):
    """Gives one estimate twice before all are there."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index in [0, 0, *range(len(xs))]:
            yield index, Estimate(0.5)


class Beyond(Odd):
    """Counts from the end."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index in range(len(xs)):
            yield -1 - index, Estimate(0.5)


class Fewer(Odd):
    """Forgets the last trial, unless it is alone."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index in range(max(1, len(xs) - 1)):
            yield index, Estimate(0.5)


class AnotherQuantity(Odd):
    """Declares MI and returns something else."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(0.5, quantity="dsmi")


class Numpy(Odd):
    """Returns numpy's numbers, which are no JSON."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        low: Any = np.float32(0.25)
        return Estimate(low * 2, low, low * 3, diagnostics={"curve": np.ones(1000)}, warnings=(str(low),))


class TogetherHere(Odd):
    """Runs as a batch."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        yield from enumerate(Estimate(float(x[0, 0])) for x in xs)


class SometimesConstant(JointDistribution):
    """Every other sample cannot be estimated."""

    dim_x = dim_y = 1

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        x, y = rng.random((n, 1)), rng.random((n, 1))
        return Sample(x * (rng.random() < 0.5), y)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return GroundTruth(0.0) if quantity == "mi" else None


@pytest.mark.parametrize(
    ("estimator", "statuses", "said"),
    [
        (Twice, {"ok": 3, "error": 1}, "trial 0"),
        (Beyond, {"error": 4}, "trial -1"),
        (Fewer, {"ok": 3, "error": 1}, "without an estimate"),
        (AnotherQuantity, {"error": 4}, "'dsmi'"),
        (Numpy, {"ok": 4}, ""),
    ],
)
def test_odd_estimators_cost_no_more_than_their_trials(
    estimator: type[Estimator], statuses: dict[str, int], said: str, tmp_path: Path
) -> None:
    rows = run(estimator, distribution="independent", dim=1, n=50, seeds=4, store=tmp_path / "s", jobs=1)
    assert collections.Counter(rows["status"]) == statuses
    for row in rows.to_dict("records"):
        assert row["status"] == "ok" or said in row["error_text"]
        if row["status"] == "ok":
            assert row["estimate"] == 0.5
            assert row["truth"] == 0.0


def test_curves_are_kept_with_at_most_200_points(tmp_path: Path) -> None:
    (row,) = run(Numpy, distribution="independent", n=50, seeds=1, store=tmp_path / "s", jobs=1).to_dict("records")
    assert 100 <= len(row["diagnostics"]["curve"]) <= 200
    assert (row["low"], row["high"], row["warnings"]) == (0.25, 0.75, ["0.25"])


@pytest.mark.parametrize("estimator", [Odd, TogetherHere])
def test_a_sample_that_cannot_be_used_is_an_error_of_its_trial(estimator: type[Estimator], tmp_path: Path) -> None:
    rows = run(estimator, distribution=SometimesConstant, n=50, seeds=12, store=tmp_path / "s", jobs=1)
    counts = collections.Counter(rows["status"])
    assert set(counts) == {"ok", "error"}
    for row in rows.to_dict("records"):
        assert (row["status"] == "error") == ("constant" in str(row["error_text"]))
    cell = summarise([{str(key): value for key, value in row.items()} for row in rows.to_dict("records")])[0]
    assert (cell["ok"], cell["failures"]) == (counts["ok"], {"error": counts["error"]})


class Undeclared(SometimesConstant):
    """Y is labels, which its samples do not say."""

    def sample_shape(self, n: int) -> Shape:
        return Shape(n, ("continuous",), ("discrete",))


def test_a_sample_of_other_kinds_than_its_distribution_says_is_an_error_of_its_trial(tmp_path: Path) -> None:
    (row,) = run("mixed-ksg", distribution=Undeclared, n=50, seeds=1, store=tmp_path / "s", jobs=1).to_dict("records")
    assert row["status"] == "error"
    assert row["error_text"].endswith("return Sample(x, y, pmi, self.sample_shape(n))")


# ---------------------------------------------------------------------------------------------------------------------
# In Python


def test_classes_objects_and_names_are_the_same_trials(tmp_path: Path) -> None:
    law = mibench.make_distribution("gaussian-sparse", dim_x=1, dim_y=1)
    options: dict[str, Any] = {"seeds": 2, "store": tmp_path / "s", "jobs": 1}
    names = run("cca", distribution="gaussian-sparse", dim=1, n=50, **options)
    made = mibench.make_estimator("cca")
    objects = run([made, type(made)], distribution=[law], n=np.int64(50), **options)
    assert list(objects["run_key"]) == list(names["run_key"])
    assert list(objects["estimate"]) == list(names["estimate"])
    assert set(objects["attempt"]) == {1}
    assert len(run("cca", distribution=law, n=np.array([50, 60]), **options)) == 4
    assert len(run("cca", distribution=law, n=range(50, 52), **options)) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"n": 0}, {"n": 1.5}, {"n": "many"}, {"n": 10**30}, {"seeds": 0}, {"first_seed": -1}, {"first_seed": 10**30},
     {"dim": 0}, {"dim": 10**30}, {"mi": -1.0}, {"mi": float("nan")}, {"device": "gpu"}, {"distribution": "gausian"},
     {"suite": "cor"}, {"estimator": []}, {"estimator": "kgs"}, {"estimator": 3}],
)  # fmt: skip
def test_wrong_requests_are_said_in_one_line_and_leave_nothing(wrong: dict[str, Any], tmp_path: Path) -> None:
    options: dict[str, Any] = {"estimator": "cca", "distribution": "gaussian-sparse", "n": 50, "seeds": 1}
    with pytest.raises(InputError) as caught:
        run(**{**options, **wrong}, store=tmp_path / "folder" / "s", jobs=1)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys
from dataclasses import dataclass

import mibench
from mibench.interface import Estimate, Estimator, GroundTruth, JointDistribution, Sample, parameter

FACTOR = 3

@dataclass(frozen=True)
class Mine(Estimator):
    k: int = parameter(2, "factor")
    def estimate(self, x, y, context):
        return Estimate(float(FACTOR * self.k))

@dataclass(frozen=True)
class Law(JointDistribution):
    dim_x = dim_y = 1
    def sample(self, n, rng):
        return Sample(rng.random((n, 1)), rng.random((n, 1)))
    def ground_truth(self, quantity="mi"):
        return GroundTruth(6.0)

rows = mibench.run([Mine, Mine(k=3)], distribution=[Law(), "independent"], n=50, seeds=2, store=STORE, jobs=2)
print(type(rows).__name__, len(rows), set(rows.status), sorted(set(rows.estimate)), max(rows.attempt))
"""


@pytest.mark.parametrize("how", ["file", "stdin", "-c"])
def test_an_unguarded_script_runs_its_own_classes(how: str, tmp_path: Path) -> None:
    """No `if __name__ == "__main__"`; on standard input and with -c there is no source to read either."""

    def output(text: str) -> str:
        source = text.replace("STORE", repr(str(tmp_path / "store.sqlite")))
        (tmp_path / "script.py").write_text(source)
        arguments = {"file": ["script.py"], "stdin": ["-"], "-c": ["-c", source]}[how]
        done = subprocess.run([sys.executable, *arguments], input=source, capture_output=True, text=True, cwd=tmp_path,
                              check=False, env={"PYTHONPATH": str(ROOT)}, timeout=120)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert output(SCRIPT) == "DataFrame 8 {'ok'} [6.0, 9.0] 1"
    assert output("# a comment\n" + SCRIPT) == "DataFrame 8 {'ok'} [6.0, 9.0] 1"
    assert output(SCRIPT.replace("FACTOR = 3", "FACTOR = 4")) == "DataFrame 8 {'ok'} [8.0, 12.0] 2"


def test_the_plan_crosses_suites_and_distributions_once() -> None:
    trials, notes, _ = plan(
        Request(
            ["cca", "cca"], ["gaussian-sparse", "gaussian-sparse"], ["core"], n=[50], seeds=2, first_seed=7, mi=None
        )
    )
    assert len(trials) == len({trial.run_key for trial in trials}) == 6 * 2
    assert {trial.seed for trial in trials} == {7, 8}
    assert notes == []
    _, notes, _ = plan(Request(["cca"], suites=["core"], n=[50], seeds=1, mi=1.0))
    assert "independent" in notes[0]
    defaults, _, _ = plan(Request(["cca"]))
    assert {(trial.n, trial.seed) for trial in defaults} == {(10_000, seed) for seed in range(5)}


def test_make_trials_takes_seeds_in_any_sequence() -> None:
    trials, _, _ = plan(Request(["cca"], ["independent"], n=[50, 60], seeds=2))
    first = trials[0]
    assert [
        trial.seed for trial in make_trials([first.estimator], [first.task], [50, 60], (4, 5), "cpu")
    ] == [4, 5, 4, 5]  # fmt: skip
