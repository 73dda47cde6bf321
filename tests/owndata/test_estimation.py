"""Estimates from a user's own data: one answer from every container, a valid test, a matrix of direct estimates."""

from __future__ import annotations

import itertools
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import mibench
from mibench.interface import Array, Context, Estimate, Estimator, EstimatorFacts, InputError, parameter
from mibench.owndata.estimation import bits, estimate_many, pairwise, permutation_test
from mibench.progress import Progress


def facts(name: str, **others: Any) -> EstimatorFacts:
    return EstimatorFacts(name=name, family="tests", summary="for tests", citation="", **others)


@dataclass(frozen=True)
class Correlation(Estimator):
    """Signed sample correlation of the first columns, whatever their kind: the two-sided sides of a test differ."""

    facts = facts("correlation", supports=("continuous", "discrete", "mixed"), symmetric=True)
    scale: float = parameter(1.0, "a factor", low=0)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.scale * float(np.corrcoef(x[:, 0], y[:, 0])[0, 1]))


@dataclass(frozen=True)
class Plugin(Estimator):
    """H(X) + H(Y) - H(X, Y) of label columns."""

    facts = facts("plugin", supports=("discrete",), symmetric=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        def entropy(block: Array) -> float:
            return float(stats.entropy(np.unique(block, axis=0, return_counts=True)[1]))

        return Estimate(entropy(x) + entropy(y) - entropy(np.hstack([x, y])))


@dataclass(frozen=True)
class Skewed(Estimator):
    """An asymmetric, random functional: mean of x^2 y plus noise from the estimator's own stream."""

    facts = facts("skewed", devices=("cpu", "cuda"))

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        value = float(np.mean(x[:, 0] ** 2 * y[:, 0]) + context.rng.normal(scale=0.01))
        return Estimate(value, diagnostics={"device": context.device, "threads": context.threads})


@dataclass(frozen=True)
class Fails(Estimator):
    """Fails where the mean of x is large; the message has two lines."""

    facts = facts("fails", symmetric=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if x.mean() > 50:
            raise RuntimeError("too large\nsecond line")
        return Estimate(1.0)


@dataclass(frozen=True)
class OneByOne(Fails):
    """`Fails` with a batch of its own, which finishes in another order."""

    def estimate_batch(
        self, xs: Sequence[Array], ys: Sequence[Array], contexts: Sequence[Context]
    ) -> Iterator[tuple[int, Estimate]]:
        for index in reversed(range(len(xs))):
            yield index, self.estimate(xs[index], ys[index], contexts[index])


@dataclass(frozen=True)
class NotAnEstimate(Estimator):
    """Forgets to wrap its number."""

    facts = facts("not-an-estimate")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return 0.5  # type: ignore[return-value]


def gaussian(n: int, rho: float, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)


# ---------------------------------------------------------------------------------------------------------------------
# One estimator


def test_the_value_is_that_of_the_formula() -> None:
    x, y = gaussian(500, 0.6)
    expected = -0.5 * math.log(1 - np.corrcoef(x, y)[0, 1] ** 2)
    assert mibench.estimate(x, y, "cca").value == pytest.approx(expected, rel=1e-12)
    assert bits(math.log(8)) == pytest.approx(3.0, rel=1e-15)


def test_every_container_gives_the_same_estimate() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3)).astype(np.float32).astype(float)  # exact in float32 too
    y = x[:, 0] + rng.normal(size=60)
    kept = x.copy(), y.copy()
    expected = mibench.estimate(x, y, "cca")
    wide = np.zeros((120, 6))
    wide[::2, ::2] = x
    for other_x, other_y in [
        (x.tolist(), y.tolist()),
        (x.astype(np.float32), y[:, None]),
        (np.asfortranarray(x), pd.Series(y, index=range(60, 0, -1))),
        (wide[::2, ::2], torch.tensor(y)),
        (torch.tensor(x, dtype=torch.float32, requires_grad=True), pd.DataFrame({"y": y})),
        (pd.DataFrame(x, columns=["a", "b", "c"]), y),
    ]:
        assert mibench.estimate(other_x, other_y, "cca") == expected
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_the_seed_drives_the_estimator_and_nothing_global() -> None:
    x, y = gaussian(50, 0.5)
    state = pickle.dumps(np.random.get_state())  # noqa: NPY002
    first, again, other = (mibench.estimate(x, y, Skewed, seed=seed).value for seed in (3, 3, 4))
    assert first == again != other
    assert pickle.dumps(np.random.get_state()) == state  # noqa: NPY002


def test_parameters_threads_and_device_reach_the_estimator() -> None:
    x, y = gaussian(50, 0.5)
    assert mibench.estimate(x, y, Correlation, scale=3.0).value == 3.0 * mibench.estimate(x, y, Correlation()).value
    assert mibench.estimate(x, y, Skewed, threads=3).diagnostics == {"device": "cpu", "threads": 3}
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert mibench.estimate(x, y, Skewed, device="auto").diagnostics["device"] == expected


def test_labels_work_as_x_and_y() -> None:
    sex, kind = ["f", "m", "f", "m"] * 5, ["a", "b", "a", "b"] * 5
    assert mibench.estimate(sex, kind, Plugin).value == pytest.approx(math.log(2), rel=1e-12)
    assert mibench.estimate(sex, sex, Plugin).value == pytest.approx(math.log(2), rel=1e-12)
    codes = [0, 1, 0, 1] * 5
    assert mibench.estimate(sex, codes, Plugin, y_discrete=True).value == pytest.approx(math.log(2), rel=1e-12)


X, Y = gaussian(20, 0.5)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"y": Y[:19]}, "x has 20 rows, y has 19; give as many of each"),
        ({"x": ["a", "b"] * 10}, "cca: mixed columns are not supported (only continuous)"),
        ({"x_discrete": True}, "cca: mixed columns are not supported (only continuous)"),
        ({"x_discrete": ["a"]}, "x has no column 'a' to take as discrete; give positions below 1"),
        ({"estimator": "ccaa"}, "unknown estimator 'ccaa' (nearest: cca); `mibench list estimators` shows all"),
        ({"k": 3}, "cca has no parameter 'k'; accepted: none"),
        ({"estimator": Correlation(), "scale": -1.0}, "correlation: parameter scale = -1.0 is out of range; "),
        ({"seed": -1}, "seed = -1 is not accepted; give a whole number >= 0"),
        ({"seed": 0.5}, "seed = 0.5 is not accepted; give a whole number >= 0"),
        ({"threads": 0}, "threads = 0 is not accepted; give a whole number >= 1"),
        ({"device": "gpu"}, "unknown device 'gpu' (nearest: cpu); accepted: auto, cpu, cuda"),
        (
            {"estimator": NotAnEstimate},
            "not-an-estimate returned float, not an Estimate; write `return Estimate(value)`",
        ),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        mibench.estimate(**{"x": X, "y": Y, "estimator": "cca", **arguments})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand")
def test_cuda_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^no CUDA device is found here; give --device cpu or auto$"):
        mibench.estimate(X, Y, Skewed, device="cuda")
    mibench.estimate(X, Y, "cca", device="cuda")  # has no CUDA code: runs on the CPU


def test_importing_mibench_and_estimating_with_numpy_leaves_torch_alone() -> None:
    code = (
        "import sys, mibench; assert 'numpy' not in sys.modules\n"
        "mibench.estimate([1., 2., 3., 5.], [2., 1., 4., 3.], 'cca')\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------------------------------------------------------------
# Several estimators


class Told(Progress):
    """Remembers how it went on, as (done, total)."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def begin(self, total: int, found: int = 0, stale: int = 0) -> None:
        assert not self.seen
        assert found == stale == 0
        self.total = total

    def reached(self, done: int, failed: int = 0) -> None:
        self.seen.append((done, self.total))


def test_one_estimator_does_not_lose_the_others() -> None:
    x, y = gaussian(30, 0.5)
    told = Told()
    outcomes = estimate_many(x + 100, y, ["cca", Fails, Plugin, NotAnEstimate, Correlation(scale=2.0)], progress=told)
    assert [outcome.name for outcome in outcomes] == [
        "cca",
        "fails",
        "plugin",
        "not-an-estimate",
        "correlation[scale=2.0]",
    ]
    errors = [None if outcome.error is None else outcome.error.partition("; numbers alone")[0] for outcome in outcomes]
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "skipped", "error", "ok"]
    assert errors == [
        None,
        "RuntimeError: too large",
        "plugin: continuous columns are not supported (only discrete)",
        "not-an-estimate returned float, not an Estimate; write `return Estimate(value)`",
        None,
    ]
    assert outcomes[0].estimate == mibench.estimate(x + 100, y, "cca")
    assert [outcome.estimate is None for outcome in outcomes] == [False, True, True, True, False]
    assert told.seen == [(done, 5) for done in range(1, 6)]


@dataclass(frozen=True)
class Leaves(Estimator):
    """Ends the process it runs in."""

    facts = facts("leaves", symmetric=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        sys.exit(3)


def test_neither_an_exit_nor_a_nan_loses_the_others() -> None:
    x, y = gaussian(30, 0.5)
    nan = Fixed()
    object.__setattr__(nan, "other", math.nan)
    outcomes = estimate_many(x, y, ["cca", Leaves, nan])
    assert [(one.status, one.error) for one in outcomes] == [
        ("ok", None), ("error", "SystemExit: 3"), ("nonfinite", "the estimate is nan"),
    ]  # fmt: skip
    assert set(pairwise(np.column_stack([x, y]), Leaves).reasons.values()) == {"SystemExit: 3"}


def test_training_on_the_cpu_takes_one_thread_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mibench.owndata.estimation.usable_cores", lambda: 6)
    x, y = gaussian(30, 0.5)

    @dataclass(frozen=True)
    class Trains(Skewed):
        """The same, trained."""

        facts = facts("trains", trains=True)

    def threads(estimator: Any, **options: Any) -> Any:
        return permutation_test(x, y, estimator, 1, **options).estimate.diagnostics["threads"]

    assert (threads(Skewed), threads(Trains), threads(Trains, threads=4)) == (6, 1, 4)


def test_wrong_names_and_wrong_data_fail_before_anything_runs() -> None:
    x, y = gaussian(30, 0.5)
    told = Told()
    right: dict[str, Any] = {"x": x, "y": y, "estimators": ["cca"], "progress": told}
    wrong: list[dict[str, Any]] = [
        {"estimators": ["cca", "nope"]},
        {"estimators": []},
        {"y": y[:5]},
        {"x": np.where(x > 1, np.nan, x)},
        {"seed": -1},
        {"device": "gpu"},
    ]
    for arguments in wrong:
        with pytest.raises(InputError):
            estimate_many(**{**right, **arguments})
    assert told.seen == []


def test_estimators_as_one_text() -> None:
    x, y = gaussian(30, 0.5)
    assert [outcome.name for outcome in estimate_many(x, y, "cc*, cca")] == ["cca", "cca"]


# ---------------------------------------------------------------------------------------------------------------------
# Test of independence


def test_p_value_is_the_count_of_its_definition() -> None:
    """Against all 5! orders of y: the share of orders that reach the observed value, within 4 standard errors."""
    x, y = np.array([0.3, -1.2, 0.8, 2.0, 0.1]), np.array([1.0, -0.5, 0.2, 0.9, 0.7])
    observed = np.corrcoef(x, y)[0, 1]
    orders = np.array([np.corrcoef(x, y[list(order)])[0, 1] for order in itertools.permutations(range(5))])
    exact = np.mean(orders >= observed - 1e-12)
    runs = 2000
    test = permutation_test(x, y, Correlation, runs, seed=1)
    assert abs(test.p_value - exact) < 4 * math.sqrt(exact * (1 - exact) / runs) + 1 / runs
    assert test.null_mean == pytest.approx(orders.mean(), abs=4 * orders.std() / math.sqrt(runs))
    assert test.null_sd == pytest.approx(orders.std(), rel=0.1)
    assert test.estimate == mibench.estimate(x, y, Correlation)


def test_p_values_are_uniform_under_independence() -> None:
    rng = np.random.default_rng(5)
    p = [permutation_test(rng.normal(size=15), rng.normal(size=15), "cca", 19, seed=s).p_value for s in range(400)]
    counts = np.bincount(np.rint(np.multiply(p, 20)).astype(int), minlength=21)
    assert counts[0] == 0  # 1 / (1 + B) is the smallest
    assert stats.chisquare(counts[1:]).pvalue > 0.001


def test_p_values_of_a_random_estimator_are_uniform_too() -> None:
    rng = np.random.default_rng(6)
    p = [permutation_test(rng.normal(size=15), rng.normal(size=15), Skewed, 19, seed=s).p_value for s in range(400)]
    assert stats.chisquare(np.bincount(np.rint(np.multiply(p, 20)).astype(int), minlength=21)[1:]).pvalue > 0.001


def test_p_value_is_the_smallest_one_under_dependence() -> None:
    x, y = gaussian(200, 0.6)
    told = Told()
    test = permutation_test(x, y, "cca", 99, progress=told)
    assert test.p_value == 1 / 100
    # n * 2 * MI of independent normals is about chi2 with 1 degree of freedom: mean 1, sd sqrt(2).
    assert test.null_mean == pytest.approx(1 / 400, abs=4 * math.sqrt(2) / 400 / math.sqrt(99))
    assert told.seen == [(done, 100) for done in range(1, 101)]
    assert test == permutation_test(x, y, "cca", 99)
    assert test != permutation_test(x, y, "cca", 99, seed=1)
    # Only whole rows move: the dependence between the columns of y is no dependence on x.
    rng = np.random.default_rng(9)
    inside = permutation_test(rng.normal(size=200), np.column_stack([x, x + 0.01 * y]), "cca", 99)
    assert inside.p_value > 0.05


def test_ties_count_up_to_rounding() -> None:
    """Two binary columns have few tables: equal tables give equal MI up to the order of the sums."""
    x, y = [0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1]
    test = permutation_test(x, y, Plugin, 500, x_discrete=True, y_discrete=True)
    # The table [[2, 1], [1, 2]] or its mirror has probability 18 / 20, the perfect one 2 / 20: all of them reach T.
    assert test.p_value == 1.0


@dataclass(frozen=True)
class Fixed(Estimator):
    """One value for the data in their own order (y increasing), another for every other order."""

    facts = facts("fixed")
    own: float = 0.0
    other: float = 0.0

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(self.own if (np.diff(y[:, 0]) > 0).all() else self.other)


@pytest.mark.parametrize(
    ("own", "other", "p_value", "nonfinite"),
    [
        (1.0, math.nan, 1.0, 9),
        (1.0, math.inf, 1.0, 9),
        (1.0, -math.inf, 0.1, 9),
        (math.inf, 1.0, 0.1, 0),
        (math.inf, math.inf, 1.0, 9),
        (-math.inf, 1.0, 1.0, 0),
        (math.nan, 1.0, math.nan, 0),
    ],
)
def test_values_that_are_not_finite(own: float, other: float, p_value: float, nonfinite: int) -> None:
    x = np.arange(30.0)
    estimator = Fixed()
    object.__setattr__(estimator, "own", own)  # NaN is no accepted parameter
    object.__setattr__(estimator, "other", other)
    test = permutation_test(x, x, estimator, 9)
    assert test.p_value == pytest.approx(p_value, nan_ok=True)
    assert test.nonfinite == nonfinite
    assert math.isnan(test.null_mean) == math.isnan(test.null_sd) == (nonfinite == 9)


def test_number_of_permutations() -> None:
    assert math.isnan(permutation_test(X, Y, "cca", 1).null_sd)
    for wrong in (0, -3, 2.5, True):
        with pytest.raises(InputError, match=r"^permutations = .* is not accepted; give a whole number >= 1$"):
            permutation_test(X, Y, "cca", wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------------
# All pairs


def wine_like(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    a, b = gaussian(n, 0.7)
    return pd.DataFrame({"a": a, "b": b, "kind": np.where(a > 0, "red", "white"), "c": rng.normal(size=n)})


@pytest.mark.parametrize("estimator", ["cca", Skewed])
def test_matrix_equals_direct_estimates(estimator: Any) -> None:
    table = wine_like().drop(columns="kind")
    told = Told()
    matrix = pairwise(table, estimator, seed=3, progress=told)
    assert matrix.names == ("a", "b", "c")
    assert matrix.reasons == {}
    symmetric = estimator == "cca"
    assert told.seen == [(done, 3 if symmetric else 6) for done in range(1, 4 if symmetric else 7)]
    for i, first in enumerate(matrix.names):
        for j, second in enumerate(matrix.names):
            found = matrix.estimates[i][j]
            if i == j:
                assert found is None
            else:
                assert found is not None
                pair = (second, first) if symmetric and i > j else (first, second)
                assert found == mibench.estimate(table[pair[0]], table[pair[1]], estimator, seed=3)
    values = matrix.to_frame()
    assert list(values.index) == list(values.columns) == ["a", "b", "c"]
    assert np.isnan(np.diag(values)).all()
    assert bool((values == values.T).to_numpy()[np.triu_indices(3, 1)].all()) is symmetric
    assert pairwise(table.to_numpy(), estimator, seed=3).names == ("0", "1", "2")


def test_pairs_that_are_not_supported_have_a_reason() -> None:
    table = wine_like().assign(flat=1.0)
    matrix = pairwise(table, "cca")
    mixed, constant = "mixed columns are not supported (only continuous)", "column 'flat' is constant"
    expected = {(0, 2): mixed, (1, 2): mixed, (2, 3): mixed, (2, 4): mixed}
    expected |= {(0, 4): constant, (1, 4): constant, (3, 4): constant}
    assert matrix.reasons == expected | {(j, i): reason for (i, j), reason in expected.items()}
    assert matrix.failed == frozenset()  # nothing was tried there
    assert matrix.hint.startswith("the table column 'kind' is text, so labels; numbers and labels are accepted by ")
    for name in matrix.hint.rpartition(" by ")[2].split(", "):
        assert set(pairwise(table, name).reasons.values()) == {constant}
    assert pairwise(table.drop(columns="kind"), "cca").hint == ""
    for i in range(5):
        for j in range(5):
            assert (matrix.estimates[i][j] is None) == (i == j or (i, j) in matrix.reasons)


def test_label_columns_in_a_matrix() -> None:
    table = wine_like()
    matrix = pairwise(table, Correlation)
    assert matrix.reasons == {}
    found = matrix.estimates[0][2]
    assert found is not None
    assert found.value == pytest.approx(np.corrcoef(table["a"], table["kind"] == "white")[0, 1], rel=1e-12)
    declared = pairwise(table[["a", "kind"]], Plugin, discrete="a").estimates[0][1]
    assert declared is not None
    assert declared.value == pytest.approx(stats.entropy(table["kind"].value_counts()), rel=1e-9)  # a tells the kind


@pytest.mark.parametrize("estimator", [Fails, OneByOne])
def test_a_failing_pair_does_not_lose_the_others(estimator: type[Estimator]) -> None:
    rng = np.random.default_rng(8)
    matrix = pairwise(rng.normal(size=(10, 14)) + 100 * (np.arange(14) == 3), estimator)
    assert set(matrix.reasons) == {(i, j) for j in range(4, 14) for i in [3]} | {(j, 3) for j in range(4, 14)}
    assert set(matrix.reasons.values()) == {"RuntimeError: too large"}
    assert matrix.failed == set(matrix.reasons)
    values = matrix.to_frame().to_numpy()
    assert np.isnan(values).sum() == 14 + 20
    assert np.nanmin(values) == np.nanmax(values) == 1.0


class Singular(Estimator):
    """A number on most data, none on some."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """Return NaN where x is large."""
        return Estimate(math.nan, warnings=("x is large",)) if x.max() > 50 else Estimate(1.0)


def test_a_pair_without_a_finite_number_has_failed() -> None:
    table = np.random.default_rng(8).normal(size=(10, 3)) + 100 * (np.arange(3) == 0)
    matrix = pairwise(table, Singular)
    assert matrix.reasons == {(0, 1): "the estimate is nan; x is large", (0, 2): "the estimate is nan; x is large"}
    assert matrix.failed == set(matrix.reasons)
    assert matrix.estimates[0] == (None, None, None)
    assert matrix.estimates[2][0] is not None


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (wine_like()[["a"]], "the table has 40 rows and 1 columns; at least 2 of each are needed"),
        (wine_like(1), "the table has 1 rows and 4 columns; at least 2 of each are needed"),
        (
            wine_like().assign(a=[math.nan] * 2 + [1.0] * 38),
            "the table has 2 missing or infinite values, first in row 0 (counted from 0), column 'a'",
        ),
    ],
    ids=["one column", "one row", "missing"],
)
def test_tables_without_pairs(table: pd.DataFrame, line: str) -> None:
    with pytest.raises(InputError) as caught:
        pairwise(table, "cca")
    assert str(caught.value) == line
