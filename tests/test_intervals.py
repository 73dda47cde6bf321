"""Intervals: the formulas by hand, coverage measured, an estimate that an interval never changes or loses."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import stats

import mibench
from mibench import cli
from mibench.estimation import estimate_many
from mibench.interface import Array, Context, Estimate, Estimator, InputError, Interval
from mibench.intervals import METHODS, check_interval, with_interval
from mibench.plan import Trial, make_task
from mibench.registry import make_distribution, make_estimator
from mibench.runner import run
from mibench.scoring import summarise

SEEN: list[Array] = []


@dataclass(frozen=True)
class Mean(Estimator):
    """The mean of x, of which everything is known; remembers the points of each call."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        SEEN.append(x[:, 0])
        return Estimate(float(x.mean()), diagnostics={"rows": len(x)}, warnings=("as ever",))


@dataclass(frozen=True)
class Noisy(Estimator):
    """Draws from its stream, how much depends on the data."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(x.mean() + context.rng.normal(size=len(x)).sum() + context.rng.spawn(1)[0].normal()))


@dataclass(frozen=True)
class NoisyTogether(Noisy):
    """The same as a batch that ends in another order than it began."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index in reversed(range(len(xs))):
            yield index, self.estimate(xs[index], ys[index], contexts[index])


@dataclass(frozen=True)
class Slow(Estimator):
    """Quick on 100 points, slow on any part of them."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        time.sleep(0.0 if len(x) == 100 else 0.05)
        return Estimate(0.5)


@dataclass(frozen=True)
class SlowTogether(Slow):
    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        yield from super().estimate_batch(xs, ys, contexts)


@dataclass(frozen=True)
class Own(Estimator):
    """Has an interval of its own."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(0.5, low=0.25, high=0.75, level=0.8)


def normals(n: int, seed: int = 0, correlation: float = 0.5) -> tuple[Array, Array]:
    x, y = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n).T
    return np.ascontiguousarray(x[:, None]), np.ascontiguousarray(y[:, None])


def asked(method: str, level: float = 0.9, seed: int = 0) -> Context:
    return Context(np.random.default_rng(seed), interval=Interval(method, level))


def interval(estimator: Estimator, x: Array, y: Array, method: str, level: float = 0.9, *, seed: int = 0) -> Estimate:
    found = estimator.estimate(x, y, asked(method, level, seed))
    return with_interval(estimator, found, x, y, asked(method, level, seed))


# ---------------------------------------------------------------------------------------------------------------------
# The formulas


@pytest.mark.parametrize("n", [200, 207])
@pytest.mark.parametrize("method", METHODS)
def test_the_groups_share_no_row_and_are_of_one_size(method: str, n: int) -> None:
    x, y = normals(n)
    SEEN.clear()
    interval(Mean(), x, y, method)
    whole, *parts = SEEN
    assert np.array_equal(whole, x[:, 0])
    assert len(parts) == 10
    groups = parts if method == "subsample" else [np.setdiff1d(x[:, 0], part) for part in parts]
    assert {len(group) for group in groups} == {20}
    assert len(np.unique(np.concatenate(groups))) == 200


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("method", METHODS)
def test_the_interval_by_hand(method: str, level: float) -> None:
    """Subsampling: s^2 = sum (T_j - T.)^2 / (m (m - 1)); jackknife: s^2 = (m - 1) / m sum (T_j - T.)^2."""
    x, y = normals(200)
    SEEN.clear()
    found = interval(Mean(), x, y, method, level)
    parts = np.array([part.mean() for part in SEEN[1:]])
    squares = ((parts - parts.mean()) ** 2).sum()
    s = math.sqrt(squares / 90 if method == "subsample" else squares * 9 / 10)
    assert found.low == pytest.approx(found.value - stats.t.isf((1 - level) / 2, 9) * s, rel=1e-12)
    assert found.high == pytest.approx(found.value + stats.t.isf((1 - level) / 2, 9) * s, rel=1e-12)
    assert found.level == level
    assert found.diagnostics["rows"] == 200
    assert found.diagnostics["interval"] == {
        "method": method,
        "parts": 10,
        "points": 20 if method == "subsample" else 180,
        "mean": pytest.approx(parts.mean()),
        "standard_error": pytest.approx(s),
    }
    assert found.warnings == ("as ever",)


@pytest.mark.parametrize("method", METHODS)
def test_the_variance_of_a_mean_is_unbiased(method: str) -> None:
    """E s^2 = sigma^2 / n, also where 10 groups do not use all of n = 27 points; exponential points, sigma = 1."""
    rng = np.random.default_rng(1)
    squares = []
    for seed in range(1500):
        x = rng.exponential(size=(27, 1))
        squares.append(interval(Mean(), x, x, method, seed=seed).diagnostics["interval"]["standard_error"] ** 2)
    assert abs(np.mean(squares) - 1 / 27) < 4 * np.std(squares) / math.sqrt(1500)


@pytest.mark.parametrize("method", METHODS)
def test_an_interval_moves_and_scales_with_its_estimate(method: str) -> None:
    x, y = normals(100)
    one, other = interval(Mean(), x, y, method), interval(Mean(), 3 * x + 2, y, method)
    assert one.low is not None
    assert other.low is not None
    assert other.low == pytest.approx(3 * one.low + 2)


# ---------------------------------------------------------------------------------------------------------------------
# Coverage


def repeat(spec: str, law: str, n: int, method: str, *, repeats: int) -> tuple[float, float]:
    """Return the share of 90% intervals that hold the mean estimate, and the mean standard error over the sd."""
    estimator, joint = make_estimator(spec), make_distribution(law)
    found = []
    for seed in range(repeats):
        sample = joint.sample(n, np.random.default_rng(seed))
        found.append(interval(estimator, sample.x, sample.y, method, seed=seed))
    values = np.array([one.value for one in found])
    errors = np.array([one.diagnostics["interval"]["standard_error"] for one in found])
    ends = np.array([(one.low, one.high) for one in found])
    covered = (ends[:, 0] <= values.mean()) & (values.mean() <= ends[:, 1])
    return float(covered.mean()), math.sqrt((errors**2).mean()) / values.std(ddof=1)


def wilson(share: float, count: int, z: float = 3.3) -> tuple[float, float]:
    middle, reach = share + z**2 / (2 * count), z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (middle - reach) / (1 + z**2 / count), (middle + reach) / (1 + z**2 / count)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "law", "method", "repeats"),
    [
        ("gaussian-copula", "gaussian-sparse[rho=0.75,dim_x=1,dim_y=1]", "subsample", 400),
        ("gaussian-copula", "gaussian-sparse[rho=0.75,dim_x=1,dim_y=1]", "jackknife", 400),
        ("cca", "gaussian-sparse[rho=0.6]", "subsample", 400),
        ("cca", "gaussian-sparse[rho=0.6]", "jackknife", 400),
        ("ksg", "gaussian-sparse[rho=0.75,dim_x=1,dim_y=1]", "subsample", 200),
    ],
)
def test_coverage_is_nominal(estimator: str, law: str, method: str, repeats: int) -> None:
    """Of the expectation of the estimator; s is the sd over samples up to 4 standard errors of that sd and 5%."""
    share, ratio = repeat(estimator, law, 1000, method, repeats=repeats)
    low, high = wilson(share, repeats)
    assert low <= 0.9 <= high
    assert abs(ratio - 1) < 4 / math.sqrt(2 * repeats) + 0.05


@pytest.mark.slow
def test_the_jackknife_is_too_wide_for_nearest_neighbours() -> None:
    """As its description says: 1.3 to 2 times. 60 repeats know the sd to 9%."""
    share, ratio = repeat("ksg", "gaussian-sparse[rho=0.75,dim_x=1,dim_y=1]", 500, "jackknife", repeats=60)
    assert share >= 0.9
    assert 1.2 < ratio < 2.1


# ---------------------------------------------------------------------------------------------------------------------
# The estimate stays what it is


@pytest.mark.parametrize(
    ("spec", "method"),
    [
        *((spec, method) for spec in (Noisy, NoisyTogether, "cca", "ksg") for method in METHODS),
        ("infonce[max_steps=10]", "subsample"),
    ],
)
def test_the_estimate_is_that_without_an_interval(spec: Any, method: str) -> None:
    x, y = normals(600)
    alone = mibench.estimate(x, y, spec, seed=5)
    found = mibench.estimate(x, y, spec, seed=5, interval=method)
    assert found.value == alone.value
    assert found.diagnostics.keys() - alone.diagnostics.keys() == {"interval"}
    assert found.level == 0.95
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found == mibench.estimate(x, y, spec, seed=5, interval=method, level=0.95)
    assert found.low != mibench.estimate(x, y, spec, seed=6, interval=method).low  # other groups
    (outcome,) = estimate_many(x, y, [spec], seed=5, interval=method)
    assert outcome.estimate == found
    assert (outcome.estimate.low, alone.low) == (found.low, None)


def test_the_groups_do_not_depend_on_the_randomness_that_the_estimator_used() -> None:
    x, y = normals(100)
    begun, ended = asked("subsample"), asked("subsample")
    SEEN.clear()
    with_interval(Mean(), Estimate(0.0), x, y, begun)
    Noisy().estimate(x, y, ended)
    with_interval(Mean(), Estimate(0.0), x, y, asked("subsample"))
    assert all(np.array_equal(one, other) for one, other in zip(SEEN[:10], SEEN[10:], strict=True))


def test_parts_have_streams_of_their_own_and_the_data_stay() -> None:
    """The estimator's own noise, of variance n + 1 here, is part of its spread."""
    x, y = np.full((40, 1), 0.5) + 1e-9 * np.arange(40)[:, None], np.arange(40.0)[:, None]
    before = x.copy(), y.copy()
    squares = [
        interval(Noisy(), x, y, "subsample", seed=s).diagnostics["interval"]["standard_error"] ** 2 for s in range(400)
    ]
    assert abs(np.mean(squares) - 5 / 10) < 4 * np.std(squares) / math.sqrt(400)  # b + 1 = 5, times b / n
    assert np.array_equal(before[0], x)
    assert np.array_equal(before[1], y)


@dataclass(frozen=True)
class Counting(NoisyTogether):
    """Remembers how many parts come at once."""

    sizes: ClassVar[list[int]] = []

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        self.sizes.append(len(xs))
        yield from super().estimate_batch(xs, ys, contexts)


@pytest.mark.parametrize("method", METHODS)
def test_parts_that_come_in_several_batches_are_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for 3 parts, of 20 or 180 rows of 16 bytes."""
    x, y = normals(200)
    together = interval(Noisy(), x, y, method)
    monkeypatch.setattr("mibench.intervals._BATCH_BYTES", 3 * 16 * (20 if method == "subsample" else 180))
    Counting.sizes.clear()
    assert interval(Counting(), x, y, method) == together
    assert Counting.sizes == [3, 3, 3, 1]


def test_an_own_interval_stays_unless_another_is_asked_for() -> None:
    x, y = normals(50)
    own = mibench.estimate(x, y, Own)
    assert (own.low, own.high, own.level) == (0.25, 0.75, 0.8)
    replaced = mibench.estimate(x, y, Own, interval="subsample", level=0.9)
    assert (replaced.low, replaced.high, replaced.level) == (0.5, 0.5, 0.9)  # its estimate does not vary


@dataclass(frozen=True)
class Biased(Estimator):
    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(x.mean()) + 50 / len(x))


def test_a_bias_that_depends_on_n_is_told() -> None:
    """50 / n is 5 at 10 points and 0.5 at 100, where the interval of the mean is about 0.4 wide."""
    x, y = normals(100)
    found = interval(Biased(), x, y, "subsample")
    assert found.low is not None
    assert len(found.warnings) == 1
    assert "parts of 10 points average" in found.warnings[0]
    assert "does not cover bias" in found.warnings[0]


# ---------------------------------------------------------------------------------------------------------------------
# No interval


@dataclass(frozen=True)
class Fails(Estimator):
    """On fewer than 100 points: not a number, or an exception."""

    raises: bool = False

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if len(x) < 100 and self.raises:
            raise ZeroDivisionError("no\nmore")
        return Estimate(0.5 if len(x) >= 100 or x.max() < 1 else math.nan)


@dataclass(frozen=True)
class Unfinished(Estimator):
    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(math.inf)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("estimator", "n", "reason"),
    [
        (make_estimator("ksg[k=95]"), 100, "parts of {points} points: needs more than k = 95 points, got {points}"),
        (Mean(), 19, "it needs at least 20 points, got 19"),
        (Fails(raises=True), 100, "a part failed with ZeroDivisionError: no more"),
        (Fails(), 100, "of 10 parts of {points} points gave no finite number"),
        (Unfinished(), 100, "the estimate is not finite"),
    ],
)
def test_what_cannot_be_had_is_a_warning(estimator: Estimator, n: int, reason: str, method: str) -> None:
    x, y = normals(n)
    found = interval(estimator, x, y, method)
    alone = estimator.estimate(x, y, Context())
    *others, warning = found.warnings
    assert warning.startswith("no interval: ")
    assert warning.endswith(reason.format(points=10 if method == "subsample" else 90))
    assert "\n" not in warning
    assert found == dataclasses.replace(alone, level=0.9, warnings=(*others, warning))
    assert alone.warnings == tuple(others)


def test_a_column_that_is_constant_in_a_part_is_a_warning() -> None:
    x, y = normals(100)
    x[:-1] = 0.0
    warning = interval(Mean(), x, y, "subsample").warnings[-1]
    assert warning.startswith("no interval: ")
    assert "constant" in warning


@pytest.mark.parametrize(
    ("method", "level", "said"),
    [
        ("subsampel", None, r"unknown interval 'subsampel' \(nearest: subsample\); accepted: subsample, jackknife"),
        (None, 0.9, "level 0.9 is that of an interval, and none is asked for; accepted: subsample, jackknife"),
        *(("jackknife", level, "is not accepted; give a number between 0 and 1") for level in (0, 1, 95, -1.0, "a")),
        *(("jackknife", level, "is not accepted; give a number between 0 and 1") for level in (True, math.nan)),
    ],
)
def test_what_is_not_accepted(method: str | None, level: Any, said: str, tmp_path: Path) -> None:
    x, y = normals(50)
    calls: list[Callable[[], Any]] = [
        lambda: check_interval(method, level),
        lambda: mibench.estimate(x, y, "cca", interval=method, level=level),
        lambda: estimate_many(x, y, "cca", interval=method, level=level),
        lambda: run("cca", n=50, interval=method, level=level, store=tmp_path / "s"),
    ]
    for call in calls[: 3 if isinstance(level, float) and math.isnan(level) else 4]:
        with pytest.raises(InputError, match=said):
            call()
    assert list(tmp_path.iterdir()) == []


def test_levels() -> None:
    assert check_interval(None, None) is None
    assert check_interval("subsample", None) == Interval("subsample", 0.95)
    assert check_interval("jackknife", np.float64(0.5)) == Interval("jackknife", 0.5)


# ---------------------------------------------------------------------------------------------------------------------
# Trials


def trial(interval: Interval | None = None) -> Trial:
    return Trial(make_estimator("cca"), make_task("independent"), 100, 0, "cpu", interval)


def test_the_key_of_a_plain_trial_holds_nothing_of_intervals() -> None:
    """A changed key would orphan the rows that stores hold."""
    plain = trial()
    law = plain.task.distribution
    identity = {
        "estimator": "cca", "params": {}, "estimator_version": plain.estimator.version, "distribution": "independent",
        "distribution_params": dataclasses.asdict(law), "distribution_version": law.version, "n": 100, "seed": 0,
        "dtype": "float64", "device": "cpu",
    }  # fmt: skip
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    assert plain.run_key == hashlib.sha256(text.encode()).hexdigest()


def test_each_interval_is_a_trial_of_its_own_on_the_same_data() -> None:
    trials = [trial(), *(trial(Interval(method, level)) for method in METHODS for level in (0.9, 0.95))]
    assert len({one.run_key for one in trials}) == 5
    for stream in (Trial.data_seed, Trial.estimator_seed):
        assert len({tuple(stream(one).generate_state(4).tolist()) for one in trials}) == 1
    assert [(one.facts()["interval"], one.facts()["level"]) for one in trials[:2]] == [(None, None), ("subsample", 0.9)]


def test_a_run_stores_intervals_beside_the_same_estimates(tmp_path: Path) -> None:
    made = [make_estimator("cca"), Noisy(), NoisyTogether()]
    options: dict[str, Any] = {
        "distribution": "gaussian-sparse", "dim": 1, "n": 60, "seeds": 4, "store": tmp_path / "s", "jobs": 1,
    }  # fmt: skip
    plain = run(made, **options)
    found = run(made, **options, interval="jackknife", level=0.9)
    again = run(made, **options, interval="jackknife", level=0.9)
    assert found["estimate"].tolist() == plain["estimate"].tolist()
    assert not set(found["run_key"]) & set(plain["run_key"])
    assert again["created_utc"].tolist() == found["created_utc"].tolist()
    assert again[["low", "high"]].equals(found[["low", "high"]])
    assert set(found["interval"]) == {"jackknife"}
    assert set(found["level"]) == {0.9}
    assert plain[["interval", "level", "low", "high"]].isna().all(axis=None)
    task = make_task("gaussian-sparse", 1, 1)
    trials = [Trial(estimator, task, 60, seed, "cpu") for estimator in made for seed in range(4)]
    for one, row in zip(trials, found.to_dict("records"), strict=True):
        sample = task.distribution.sample(60, np.random.default_rng(one.data_seed()))
        context = Context(np.random.default_rng(one.estimator_seed()), interval=Interval("jackknife", 0.9))
        expected = with_interval(one.estimator, Estimate(row["estimate"]), sample.x, sample.y, context)
        assert (row["low"], row["high"]) == (expected.low, expected.high)
        assert row["diagnostics"]["interval"] == expected.diagnostics["interval"]


def test_the_cost_of_a_trial_is_that_of_its_estimate(tmp_path: Path) -> None:
    """The ten parts of each sleep for 0.5 s."""
    rows = run([Slow, SlowTogether], distribution="independent", n=100, seeds=2, interval="subsample", jobs=1,
               store=tmp_path / "s")  # fmt: skip
    assert set(rows["status"]) == {"ok"}
    assert rows["low"].notna().all()
    assert rows["wall_s"].max() < 0.4


def test_a_trial_that_fails_keeps_the_level_that_was_asked_for(tmp_path: Path) -> None:
    rows = run(Fails, distribution="independent", dim=1, n=[50, 100], seeds=2, interval="subsample", jobs=1,
               store=tmp_path / "s")  # fmt: skip
    assert set(rows["level"]) == {0.95}
    assert rows["low"].isna().all()
    cells = summarise([{str(key): value for key, value in row.items()} for row in rows.to_dict("records")])
    assert len(cells) == 2


# ---------------------------------------------------------------------------------------------------------------------
# The command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, values in zip(("x", "y"), normals(200), strict=True):
        np.save(name, values)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_run_scores_the_intervals_that_it_stored(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["run", "--estimator", "cca,ksg", "--distribution", "gaussian-sparse", "--dim", "1", "--n", "100",
            "--seeds", "8", "--jobs", "1", "--interval", "subsample", "--level", "0.5"]  # fmt: skip
    assert cli.main([*line, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for cell in found["summary"]:
        rows = [row for row in found["trials"] if row["estimator"] == cell["estimator"]]
        covered = [row["low"] <= row["truth"] <= row["high"] for row in rows]
        assert cell["coverage"] == sum(covered) / 8
        assert cell["mean_width"] == pytest.approx(sum(row["high"] - row["low"] for row in rows) / 8)
        assert (cell["interval"], cell["level"], cell["intervals"]) == ("subsample", 0.5, 8)
    assert cli.main(line) == 0
    assert "share of the 50% subsample intervals that hold the truth" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_run_says_where_intervals_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["run", "--estimator", "cca", "--distribution", "independent", "--dim", "1", "--n", "12", "--seeds", "2"]
    assert cli.main([*line, "--jobs", "1", "--interval", "jackknife"]) == 0
    out, err = capsys.readouterr()
    assert "2/2 ok" in out
    assert "2 of 2 trials have no interval; the first: it needs at least 20 points, got 12" in err


@pytest.mark.usefixtures("folder")
def test_estimate_shows_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["estimate", "x.npy", "y.npy", "--estimator", "cca,ksg[k=30]", "--interval", "subsample", "--level", "0.9"]
    assert cli.main(line) == 0
    out, err = capsys.readouterr()
    expected = mibench.estimate(np.load("x.npy"), np.load("y.npy"), "cca", interval="subsample", level=0.9)
    head, first, second = out.splitlines()
    assert "90% interval" in head
    assert f" {expected.low:.4f} to {expected.high:.4f} " in first
    assert " – " in second
    assert "ksg[k=30]: no interval: parts of 20 points: needs more than k = 30 points, got 20\n" in err
    assert cli.main([*line, "--format", "json"]) == 0
    cca, ksg = json.loads(capsys.readouterr().out)["estimates"]
    assert (cca["low"], cca["high"], cca["level"]) == (expected.low, expected.high, 0.9)
    assert (ksg["low"], ksg["high"], ksg["level"]) == (None, None, 0.9)
    assert cli.main(line[:5]) == 0
    assert "interval" not in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("estimate x.npy y.npy --interval jacknife", "unknown 'jacknife' (nearest: jackknife); accepted: subsample,"),
        ("estimate x.npy y.npy --interval jackknife --level 95", "'95' is not accepted; give a number between 0 and 1"),
        ("estimate x.npy y.npy --level 0.9", "--level is for --interval, which is not given; accepted: subsample,"),
        ("estimate x.npy --pairwise --interval subsample", "--pairwise and --interval do not go together"),
        ("run --estimator cca --level 0.9", "--level is for --interval, which is not given; accepted: subsample,"),
        ("run --estimator cca --interval subsample --level nan", "'nan' is not accepted; give a number between 0 and"),
    ],
)
def test_wrong_options(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
