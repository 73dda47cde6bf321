"""Cells computed by hand; failures count, and different trials never share a cell."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

from mibench.rows.files import to_json
from mibench.rows.row import Method, Task, method_of, plain
from mibench.scoring import LEVEL, Solved, association, cells, holm, paired_differences, ranks, summaries, summarise

# The contract of a cell: other programs read these.
CONTRACT = {
    "estimator", "params", "distribution", "dim_x", "dim_y", "n", "quantity", "trials", "ok", "truth", "mean", "bias",
    "bias_se", "sd", "rmse", "mae", "oracle_rmse", "efficiency", "coverage", "median_wall_s",
    "interval", "level", "intervals", "mean_width",
}  # fmt: skip


def row(estimate: float | None, **columns: Any) -> dict[str, Any]:
    return {
        "estimator": "ksg", "params": {"k": 3}, "estimator_version": "1", "distribution": "gaussian-sparse",
        "distribution_version": "1", "dim_x": 5, "dim_y": 5, "n": 100, "device": "cpu", "quantity": "mi",
        "status": "ok", "estimate": estimate, "low": None, "high": None, "truth": 1.0, "truth_se": 0.0, "oracle": None,
        "wall_s": 1.0, "cpu_s": 2.0, "interval": None, "level": None, **columns,
    }  # fmt: skip


def failed(status: str, **columns: Any) -> dict[str, Any]:
    """A row as a trial leaves that did not get as far as its sample."""
    nothing = dict.fromkeys(("truth", "truth_se", "oracle", "wall_s", "cpu_s"))
    return row(None, **{**nothing, "status": status, **columns})


def scores(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells as programs read them."""
    return [dict(cell) for cell in summarise(rows)]


def score(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (cell,) = scores(rows)
    return cell


def test_a_cell_by_hand() -> None:
    """Estimates 1.2, 0.9, 1.5 of the truth 1: errors 0.2, -0.1, 0.5; oracle errors 0.1, 0, -0.1."""
    rows = [
        row(1.2, oracle=1.1, wall_s=3.0, cpu_s=1.0, low=1.1, high=1.3),
        row(0.9, oracle=1.0, wall_s=1.0, cpu_s=2.0, low=0.8, high=1.0),
        row(1.5, oracle=0.9, wall_s=2.0, cpu_s=9.0, low=0.9, high=2.1),
    ]
    cell = score(rows)
    assert cell.keys() >= CONTRACT
    assert (cell["trials"], cell["ok"], cell["failures"]) == (3, 3, {})
    assert (cell["truth"], cell["truth_se"]) == (1.0, 0.0)
    assert cell["mean"] == pytest.approx(1.2)
    assert cell["bias"] == pytest.approx(0.2)
    assert cell["sd"] == pytest.approx(math.sqrt((0.0 + 0.09 + 0.09) / 2))
    assert cell["bias_se"] == pytest.approx(0.3 / math.sqrt(3))
    assert cell["rmse"] == pytest.approx(math.sqrt((0.04 + 0.01 + 0.25) / 3))
    assert cell["mae"] == pytest.approx(0.8 / 3)
    assert cell["oracle_rmse"] == pytest.approx(math.sqrt(0.02 / 3))
    assert cell["efficiency"] == pytest.approx(math.sqrt(0.02 / 0.30))
    assert cell["coverage"] == pytest.approx(2 / 3)  # 1 lies outside of 1.1 to 1.3, and at the end of 0.8 to 1.0
    assert cell["intervals"] == 3
    assert cell["mean_width"] == pytest.approx((0.2 + 0.2 + 1.2) / 3)
    assert (cell["median_wall_s"], cell["median_cpu_s"]) == (2.0, 2.0)


def test_rmse_is_bias_and_spread() -> None:
    estimates = np.random.default_rng(0).normal(0.7, 0.2, 20)
    cell = score([row(float(value)) for value in estimates])
    assert cell["rmse"] ** 2 == pytest.approx(cell["bias"] ** 2 + cell["sd"] ** 2 * 19 / 20)
    assert cell["sd"] == pytest.approx(statistics.stdev(estimates))


@pytest.mark.parametrize("status", ["nonfinite", "error", "timeout", "crash", "oom", "skipped"])
def test_failures_are_counted_and_never_averaged(status: str) -> None:
    rows = [failed(status), row(1.5), row(0.7), failed(status, wall_s=60.0, cpu_s=60.0)]
    cell, alone = score(rows), score(rows[1:3])
    assert (cell["trials"], cell["ok"], cell["failures"]) == (4, 2, {status: 2})
    assert {**cell, "trials": 2, "failures": {}} == alone


def test_a_cell_of_failures_has_no_scores() -> None:
    cell = score([failed("timeout"), failed("error", truth=1.0, truth_se=0.0), failed("error")])
    assert (cell["trials"], cell["ok"], cell["failures"]) == (3, 0, {"timeout": 1, "error": 2})
    assert cell["truth"] == 1.0
    for name in ("mean", "bias", "bias_se", "sd", "rmse", "mae", "oracle_rmse", "efficiency", "coverage"):
        assert cell[name] is None
    assert cell["median_wall_s"] is None


def test_one_seed_has_no_spread() -> None:
    cell = score([row(1.5, oracle=1.25)])
    assert cell["mean"] == 1.5
    assert (cell["bias"], cell["rmse"], cell["mae"], cell["efficiency"]) == (0.5, 0.5, 0.5, 0.5)
    for name in ("sd", "bias_se", "efficiency_low", "efficiency_high"):
        assert cell[name] is None


def test_no_variance_is_no_error() -> None:
    cell = score([row(1.5, oracle=1.1)] * 3)
    assert (cell["sd"], cell["bias_se"], cell["bias"]) == (0.0, 0.0, 0.5)
    exact = score([row(1.0, oracle=1.1)] * 3)
    assert (exact["rmse"], exact["efficiency"]) == (0.0, None)


def test_without_a_truth_there_is_no_bias() -> None:
    """What is estimated is another quantity, whose truth nobody knows: its mean is reported, its distance to MI not."""
    unknown = {"quantity": "dsmi", "truth": None, "truth_se": None}
    cell = score([row(1.2, **unknown), row(1.4, **unknown)])
    assert cell["quantity"] == "dsmi"
    assert cell["mean"] == pytest.approx(1.3)
    assert cell["sd"] == pytest.approx(0.2 / math.sqrt(2))
    for name in ("truth", "truth_se", "bias", "bias_se", "rmse", "mae", "oracle_rmse", "efficiency", "coverage"):
        assert cell[name] is None


def test_the_error_of_the_truth_is_carried_into_bias() -> None:
    cell = score([row(1.0, truth_se=0.4), row(1.6, truth_se=0.4)])
    assert cell["sd"] / math.sqrt(2) == pytest.approx(0.3)
    assert cell["bias_se"] == pytest.approx(0.5)


def test_there_is_no_efficiency_at_independence() -> None:
    """The bound is 0 there; the mean pointwise MI of `gaussian-dense[rho=0]` differs from it by rounding."""
    for oracle in (0.0, 1e-17):
        cell = score([row(0.1, truth=0.0, oracle=oracle), row(-0.1, truth=0.0, oracle=-oracle)])
        assert cell["oracle_rmse"] == pytest.approx(0.0, abs=1e-16)
        assert cell["efficiency"] is cell["efficiency_low"] is cell["efficiency_high"] is None
        assert cell["rmse"] == pytest.approx(0.1)


def test_the_oracle_is_of_the_trials_that_are_averaged() -> None:
    cell = score([row(1.2, oracle=1.3), failed("error", truth=1.0, truth_se=0.0, oracle=9.0)])
    assert cell["oracle_rmse"] == pytest.approx(0.3)
    assert score([row(1.2, oracle=1.3), row(1.1)])["oracle_rmse"] is None


def test_the_efficiency_of_the_oracle_itself_is_one_with_certainty() -> None:
    oracles = np.random.default_rng(1).normal(1, 0.1, 30).tolist()
    cell = score([row(value, oracle=value) for value in oracles])
    assert cell["efficiency"] == cell["efficiency_low"] == cell["efficiency_high"] == 1.0


def test_the_bootstrap_is_repeatable_and_covers() -> None:
    """Errors are 2 x normal, oracle errors normal: the efficiency is 1/2, and 90% of the intervals should hold it.

    With 20 seeds the percentile bootstrap covers somewhat less; 200 repetitions have a standard error of 2%.
    """
    rng = np.random.default_rng(2)
    rows = []
    for repetition in range(200):
        errors, oracle_errors = 2 * rng.standard_normal(20), rng.standard_normal(20)
        pairs = zip(errors.tolist(), oracle_errors.tolist(), strict=True)
        rows += [row(1 + error, oracle=1 + oracle_error, n=repetition) for error, oracle_error in pairs]
    found = scores(rows)
    assert all(cell["efficiency_low"] < cell["efficiency"] < cell["efficiency_high"] for cell in found)
    hits = sum(cell["efficiency_low"] <= 0.5 <= cell["efficiency_high"] for cell in found)
    assert scores(rows) == found
    assert 0.80 <= hits / 200 <= 0.97


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": "cca"},
        {"params": {"k": 4}},
        {"estimator_version": "2"},
        {"distribution": "gaussian-dense"},
        {"distribution_version": "2"},
        {"dim_x": 4},
        {"dim_y": 4},
        {"n": 101},
        {"device": "cuda"},
        {"interval": "subsample"},
        {"stale": True},
    ],
)
def test_cells_never_mix(change: dict[str, Any]) -> None:
    rows = [row(1.0), row(2.0, **change), row(1.5)]
    first, second = scores(rows)
    assert (first["mean"], first["trials"]) == (1.25, 2)
    assert (second["mean"], second["trials"]) == (2.0, 1)
    (name, value) = next(iter(change.items()))
    assert list(cells(rows)[name])[1] == value


def test_intervals_of_two_levels_never_mix() -> None:
    asked = {"interval": "subsample", "low": 0.9}
    rows = [row(1.0, level=level, high=0.9 + level, **asked) for level in (0.9, 0.5, 0.9)]
    assert [(cell["level"], cell["intervals"], cell["mean_width"]) for cell in scores(rows)] == [
        (0.9, 2, pytest.approx(0.9)),
        (0.5, 1, pytest.approx(0.5)),
    ]


def test_coverage_is_of_the_intervals_there_are() -> None:
    """An interval that could not be made is missing in `intervals`; a trial that failed has none either."""
    asked = {"interval": "jackknife", "level": 0.9}
    rows = [row(1.2, low=1.1, high=1.3, **asked), row(1.1, **asked), row(0.9, low=0.8, high=1.2, **asked)]
    cell = score([*rows, failed("error", **asked)])
    assert (cell["trials"], cell["ok"], cell["intervals"], cell["coverage"]) == (4, 3, 2, 0.5)
    assert (cell["interval"], cell["level"]) == ("jackknife", 0.9)
    assert score(rows[1:2])["coverage"] is score(rows[1:2])["mean_width"] is None


def test_an_interval_of_the_estimators_own_makes_no_cell_of_its_own() -> None:
    """Nobody asked for a level: that of a trial that failed is not known."""
    cell = score([row(1.0, level=0.8, low=0.9, high=1.1), failed("timeout")])
    assert (cell["trials"], cell["interval"], cell["level"], cell["coverage"]) == (2, None, 0.8, 1.0)


def test_cells_stand_in_the_order_of_the_rows() -> None:
    rows = [row(1.0, n=n, estimator=name) for name in ("b", "a") for n in (300, 100, 200) for _ in range(2)]
    assert [(cell["estimator"], cell["n"]) for cell in scores(rows)] == [
        (name, n) for name in ("b", "a") for n in (300, 100, 200)
    ]
    assert scores([]) == []


def test_estimates_that_diverged_give_no_infinite_score() -> None:
    cell = score([row(1e200, oracle=1.1), row(-1e300, oracle=0.9)])
    assert cell["rmse"] is None
    assert cell["mae"] == pytest.approx(5e299)
    to_json(cell)


# ---------------------------------------------------------------------------------------------------------------------
# Tables of cells


def test_the_table_and_the_mappings_are_the_same_numbers() -> None:
    rows = [row(1.2, oracle=1.1), row(0.9, oracle=1.0), failed("oom"), row(1.1, n=200)]
    table, mappings = cells(rows), scores(rows)
    assert list(table.columns) == [*mappings[0], "stale"]
    assert plain(table.drop(columns="stale").to_dict("records")) == mappings
    assert_frame_equal(table, cells(pd.DataFrame(rows)))
    assert list(cells([]).columns) == list(table.columns)


def test_wilson_of_two_in_three() -> None:
    """Its ends solve (p - 2/3)^2 = z^2 p (1 - p) / 3 with z = 1.645; scipy has the same interval."""
    rows = [row(1.0, low=low, high=2.0) for low in (0.9, 0.8, 1.5)]
    cell = score(rows)
    expected = stats.binomtest(2, 3).proportion_ci(LEVEL, method="wilson")
    assert (cell["coverage_low"], cell["coverage_high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    for end in (cell["coverage_low"], cell["coverage_high"]):
        assert (end - 2 / 3) ** 2 == pytest.approx(1.6448536**2 * end * (1 - end) / 3)


@pytest.mark.parametrize(
    ("estimates", "truth", "solved"),
    [
        ([1.04, 1.04], 1.0, True),
        ([1.06, 1.06], 1.0, False),
        ([4.15, 4.17], 4.0, True),  # 5% of 4 is 0.2
        ([4.15, 4.35], 4.0, False),
        ([-0.04, -0.03], 0.0, True),
        ([0.85, 1.15], 1.0, False),  # the spread
        ([1.04], 1.0, None),  # whose spread is not known
        ([1.50], 1.0, False),
        ([1.0, 1.0], None, None),
    ],
)
def test_solved(estimates: list[float], truth: float | None, solved: bool | None) -> None:
    error = None if truth is None else 0.0
    assert score([row(value, truth=truth, truth_se=error) for value in estimates])["solved"] is solved


def test_the_rule_of_solved_is_a_parameter_and_a_text() -> None:
    rows = [row(1.3), row(1.5)]
    (loose,) = cells(rows, solved=Solved(0.0, 0.4, 0.2))["solved"]
    (strict,) = cells(rows, solved=Solved(0.3, 0.3, 0.2))["solved"]
    assert (loose, strict) == (True, False)
    assert str(Solved()) == "|mean - truth| <= max(0.05 nats, 5%), sd <= 0.1 nats, no failed trial"
    assert str(Solved(0.0, 0.4, 0.2)) == "|mean - truth| <= max(0 nats, 40%), sd <= 0.2 nats, no failed trial"


def test_a_failed_trial_is_no_solution() -> None:
    assert score([row(1.0), row(1.0), failed("crash")])["solved"] is False
    assert score([failed("timeout")])["solved"] is False
    assert score([failed("timeout", quantity="dsmi")])["solved"] is None  # a quantity that has no truth here


def test_the_truth_of_a_law_is_known_to_the_cells_that_failed() -> None:
    rows = [failed("oom"), row(1.0, estimator="cca", truth_se=0.1), failed("oom", quantity="dsmi", estimator="dsmi")]
    rows.append(failed("oom", dim_x=6))
    assert [cell["truth"] for cell in scores(rows)] == [1.0, 1.0, None, None]
    assert [cell["truth_se"] for cell in scores(rows)] == [0.1, 0.1, None, None]


def certified(estimate: float) -> dict[str, Any]:
    return row(estimate, truth=1.0, truth_low=0.8, truth_high=1.2, low=0.5, high=1.5, oracle=1.0)


def test_a_certified_interval_is_no_truth_to_err_from() -> None:
    cell = score([certified(1.0), certified(1.02)])
    assert (cell["truth"], cell["truth_low"], cell["truth_high"]) == (1.0, 0.8, 1.2)
    assert cell["mean"] == pytest.approx(1.01)
    for name in ("bias", "bias_se", "rmse", "mae", "oracle_rmse", "efficiency", "coverage"):
        assert cell[name] is None
    assert cell["mean_width"] == 1.0
    exact = score([row(1.1, truth_low=1.0, truth_high=1.0)])
    assert exact["bias"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("within", "mean", "solved"),
    [(0.05, 1.0, None), (0.25, 1.0, True), (0.05, 1.22, None), (0.05, 1.3, False), (0.05, 0.7, False)],
)
def test_solved_by_a_certified_interval(within: float, mean: float, solved: bool | None) -> None:
    """True where the rule holds for every truth from 0.8 to 1.2, False where for none."""
    (found,) = cells([certified(mean), certified(mean)], solved=Solved(within, 0.0))["solved"]
    assert found is solved


def test_the_order_of_parameters_and_tuples_are_no_other_cell() -> None:
    rows = [row(1.0, params={"k": 3, "m": (1, 2)}), row(2.0, params={"m": [1, 2], "k": 3})]
    cell = score(rows)
    assert (cell["trials"], cell["params"]) == (2, {"k": 3, "m": [1, 2]})


def test_scores_of_random_rows_against_numpy() -> None:
    """A thousand cells of 1 to 6 seeds in mixed order, each again by itself."""
    rng = np.random.default_rng(4)
    rows = []
    for cell in range(1000):
        for seed in range(1 + cell % 6):
            status = "ok" if rng.random() < 0.9 else "timeout"
            values = {"oracle": rng.normal(1, 0.1), "wall_s": rng.random(), "cpu_s": rng.random()}
            made = row(rng.normal(1.2, 0.3), **values) if status == "ok" else failed(status)
            rows.append({**made, "n": cell, "seed": seed})
    rows = [rows[index] for index in rng.permutation(len(rows))]
    for found in scores(rows):
        own = [one for one in rows if one["n"] == found["n"]] if found["n"] % 10 == 0 else []
        good = [one for one in own if one["status"] == "ok"]
        if good:
            estimates = np.array([one["estimate"] for one in good])
            oracles = np.array([one["oracle"] for one in good])
            assert found["mean"] == pytest.approx(estimates.mean())
            assert found["rmse"] == pytest.approx(np.sqrt(np.mean((estimates - 1) ** 2)))
            assert found["oracle_rmse"] == pytest.approx(np.sqrt(np.mean((oracles - 1) ** 2)))
            assert found["median_wall_s"] == pytest.approx(np.median([one["wall_s"] for one in good]))
            assert (found["trials"], found["ok"]) == (len(own), len(good))
        if len(good) > 1:
            picks = np.random.default_rng(0).integers(len(good), size=(1000, len(good)))
            ratios = [np.sqrt(np.mean((oracles[p] - 1) ** 2) / np.mean((estimates[p] - 1) ** 2)) for p in picks]
            low, high = np.quantile(ratios, [0.05, 0.95])
            assert (found["efficiency_low"], found["efficiency_high"]) == (pytest.approx(low), pytest.approx(high))


# ---------------------------------------------------------------------------------------------------------------------
# Ranks


def on(task: str, estimator: str, *errors: float | None, **columns: Any) -> list[dict[str, Any]]:
    """Rows of an estimator on a task of truth 1, with these errors on the seeds 0, 1, ...; None is a failure."""
    names = {"distribution": task, "estimator": estimator, **columns}
    return [
        failed("timeout", seed=seed, **names) if error is None else row(1 + error, seed=seed, **names)
        for seed, error in enumerate(errors)
    ]


def mean_ranks(rows: list[dict[str, Any]], **options: Any) -> dict[str, float]:
    table = ranks(cells(rows), **options)
    return dict(zip(table["estimator"], table["rank"], strict=True))


def test_ranks_by_hand() -> None:
    """Ranks a b c: 1 2 3 on s; on t 2.5 1 2.5, a and c being equal; on u, that c has not run, none."""
    rows = on("s", "a", 0.1) + on("s", "b", -0.2) + on("s", "c", 0.3)
    rows += on("t", "a", 0.3) + on("t", "b", 0.1) + on("t", "c", -0.3)
    rows += on("u", "a", 0.3) + on("u", "b", 0.1)
    table = ranks(cells(rows))
    assert table["estimator"].tolist() == ["b", "a", "c"]
    assert table["rank"].tolist() == [1.5, 1.75, 2.75]
    assert table["tasks"].tolist() == [2, 2, 2]
    assert (table["rank_low"].tolist(), table["rank_high"].tolist()) == ([1.0, 1.0, 2.5], [2.0, 2.5, 3.0])


def test_scores_that_differ_by_rounding_are_equal() -> None:
    rows = on("s", "a", 0.1) + on("s", "b", 0.1 * (1 + 1e-12)) + on("s", "c", 0.1 * (1 + 1e-6))
    assert mean_ranks(rows) == {"a": 1.5, "b": 1.5, "c": 3}


def test_failures_rank_last() -> None:
    """The exact one fails once of two, the next twice, two more have nothing at all."""
    rows = on("s", "far", 9.0, 9.0) + on("s", "exact", 0.0, None) + on("s", "never", None, None)
    rows += on("s", "close", 0.1, 0.1) + on("s", "neither", None, None)
    assert mean_ranks(rows) == {"close": 1, "far": 2, "exact": 3, "never": 4.5, "neither": 4.5}


def test_an_estimate_that_diverged_is_behind_all_numbers() -> None:
    assert mean_ranks(on("s", "diverged", 1e300) + on("s", "far", 1e5)) == {"far": 1, "diverged": 2}


def test_ranks_are_of_one_n_and_one_quantity_and_a_known_truth() -> None:
    rows = on("s", "a", 0.1) + on("s", "b", 0.2) + on("s", "a", 0.2, n=999) + on("s", "b", 0.1, n=999)
    rows += on("s", "c", 0.0, quantity="cs-qmi")
    wide = {"truth_low": 0.5, "truth_high": 1.5}
    rows += on("t", "a", 0.1, **wide) + on("t", "b", 0.0, **wide)
    table = ranks(cells(rows))
    assert table[["n", "estimator", "rank", "tasks"]].to_numpy().tolist() == [
        [100, "a", 1.0, 1], [100, "b", 2.0, 1], [999, "b", 1.0, 1], [999, "a", 2.0, 1],
    ]  # fmt: skip
    assert table["rank_low"].isna().all()  # one task tells nothing of others
    assert mean_ranks(rows, quantity="cs-qmi") == {"c": 1}


def test_without_a_task_in_common_there_is_no_rank() -> None:
    table = ranks(cells(on("s", "a", 0.1) + on("t", "b", 0.1)))
    assert table["tasks"].tolist() == [0, 0]
    assert table["rank"].isna().all()
    assert len(ranks(cells([]))) == 0


def test_ranks_by_another_score() -> None:
    rows = on("s", "slow", 0.1, cpu_s=9.0) + on("s", "fast", 0.2, cpu_s=1.0)
    assert mean_ranks(rows, score="median_cpu_s") == {"fast": 1, "slow": 2}


def test_the_interval_of_a_rank_covers_the_mean_over_tasks() -> None:
    """The first beats the other on 70% of tasks: its expected rank is 1.3.

    30 tasks, 300 repetitions (an n each): the standard error of the coverage is 1.7% at 90%.
    """
    rng = np.random.default_rng(5)
    rows = []
    for repetition in range(300):
        for task in range(30):
            better = rng.random() < 0.7
            rows += on(str(task), "a", 0.1 if better else 0.3, n=repetition) + on(str(task), "b", 0.2, n=repetition)
    table = ranks(cells(rows))
    first = table[table["estimator"] == "a"]
    hits = (first["rank_low"] <= 1.3) & (first["rank_high"] >= 1.3)
    assert len(first) == 300
    assert 0.84 <= hits.mean() <= 0.95


# ---------------------------------------------------------------------------------------------------------------------
# Paired differences


def test_a_paired_difference_by_hand() -> None:
    """|errors| 0.1 0.4 0.2 and 0.3 0.4 0.7: differences -0.2 0 -0.5, mean -7/30, variance 19/300, t = -1.606."""
    (found,) = paired_differences(on("s", "a", 0.1, -0.4, 0.2) + on("s", "b", -0.3, 0.4, 0.7)).to_dict("records")
    assert (found["estimator_a"], found["estimator_b"], found["distribution"]) == ("a", "b", "s")
    assert (found["params_a"], found["seeds"]) == ({"k": 3}, 3)
    sides = [f"{name}_{side}" for side in "ab" for name in Method._fields]
    scores = ["seeds", "failures_a", "failures_b", "difference", "se", "low", "high", "p", "p_holm"]
    assert list(found) == [*Task._fields, *sides, *scores]
    assert found["difference"] == pytest.approx(-7 / 30)
    assert found["se"] == pytest.approx(math.sqrt(19 / 300 / 3))
    expected = stats.ttest_rel([0.1, 0.4, 0.2], [0.3, 0.4, 0.7])
    assert found["p"] == found["p_holm"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(LEVEL)
    assert (found["low"], found["high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_pairs_are_of_the_same_seeds_on_which_both_are_ok() -> None:
    rows = on("s", "a", 0.1, None, 0.3, 0.4) + on("s", "b", 0.2, 0.2, 0.6)
    (found,) = paired_differences(rows[::-1]).to_dict("records")
    assert (found["estimator_a"], found["seeds"], found["failures_a"], found["failures_b"]) == ("b", 2, 0, 1)
    assert found["difference"] == pytest.approx((0.1 + 0.3) / 2)


def test_a_paired_test_of_two_seeds_has_one_degree_of_freedom() -> None:
    """Differences -0.1 and -0.3: t = -0.2 / 0.1 = -2, and of one degree p = 1 - 2 atan(2) / pi = 0.295."""
    (found,) = paired_differences(on("s", "a", 0.1, 0.2) + on("s", "b", 0.2, 0.5)).to_dict("records")
    assert found["p"] == pytest.approx(1 - 2 * math.atan(2) / math.pi)
    assert found["high"] == pytest.approx(-0.2 + 0.1 * math.tan(math.pi * LEVEL / 2))


def test_a_level_of_the_estimators_own_makes_no_other_method() -> None:
    """A trial that failed has no level; where no interval was asked for that makes it no other estimator."""
    own = {"level": 0.8, "low": 0.9, "high": 1.1}
    rows = [{**one, **(own if one["status"] == "ok" else {})} for one in on("s", "a", 0.1, None, 0.3)]
    (pair,) = paired_differences(rows + on("s", "b", 0.2, 0.2, 0.2)).to_dict("records")
    assert (pair["seeds"], pair["failures_a"], pair["failures_b"]) == (2, 1, 0)
    (line,) = association(rows).to_dict("records")
    assert line["failures"] == 1


def test_pairs_without_a_test() -> None:
    one = paired_differences(on("s", "a", 0.1) + on("s", "b", 0.4)).to_dict("records")[0]
    assert one["difference"] == pytest.approx(-0.3)
    assert all(math.isnan(one[name]) for name in ("se", "p", "p_holm", "low", "high"))
    equal = paired_differences(on("s", "a", 0.1, 0.2) + on("s", "b", -0.1, -0.2)).to_dict("records")[0]
    assert (equal["difference"], equal["se"], equal["p"], equal["p_holm"]) == (0.0, 0.0, 1.0, 1.0)
    none = paired_differences(on("s", "a", 0.1, 0.2) + on("s", "b", None, None)).to_dict("records")[0]
    assert (none["seeds"], none["failures_b"]) == (0, 2)
    assert math.isnan(none["difference"])


def test_what_is_not_paired() -> None:
    """Other tasks, n, quantities and seeds never meet; nor is anything compared without a truth."""
    rows = on("s", "a", 0.1, 0.2) + on("t", "b", 0.1, 0.2) + on("s", "c", 0.1, n=999)
    rows += on("s", "d", 0.1, 0.2, quantity="cs-qmi") + on("s", "e", 0.1)[:0]
    rows += [{**one, "seed": 7} for one in on("s", "f", 0.1)]
    rows += on("u", "a", 0.1, truth=None, truth_se=None) + on("u", "b", 0.1, truth=None, truth_se=None)
    rows += on("v", "a", 0.1, truth_low=0.9, truth_high=1.1) + on("v", "b", 0.1, truth_low=0.9, truth_high=1.1)
    assert len(paired_differences(rows)) == 0
    assert len(paired_differences([])) == 0


def test_pairs_of_one_method_are_compared_and_corrected_for_alone() -> None:
    rows = on("s", "a", 0.1, -0.4, 0.2) + on("s", "b", -0.3, 0.4, 0.7) + on("s", "c", 0.9, 0.8, -0.5)
    every = paired_differences(rows)
    some = paired_differences(rows, of={method_of(rows[0])})
    with_a = every[every["estimator_a"] == "a"].reset_index(drop=True)
    assert list(zip(some["estimator_a"], some["estimator_b"], strict=True)) == [("a", "b"), ("a", "c")]
    assert_frame_equal(some.drop(columns="p_holm"), with_a.drop(columns="p_holm"))
    assert list(some["p_holm"]) == list(holm(some["p"].to_numpy()))
    assert not np.allclose(some["p_holm"], with_a["p_holm"])


def test_stale_rows_are_of_a_method_of_their_own() -> None:
    """One estimator on the same seeds, by today's code and by another: compared, ranked and ordered as two."""
    rows = [
        row(truth + shift + noise, seed=seed, distribution=f"t{truth}", truth=truth, stale=stale)
        for truth in (0.5, 1.0, 2.0)
        for shift, stale in ((0.1, False), (0.5, True))
        for seed, noise in enumerate((0.0, 0.01))
    ]
    assert list(cells(rows)["stale"]) == [False, True] * 3
    assert list(ranks(cells(rows))["stale"]) == [False, True]
    assert [(one.method.stale, one.rank) for one in summaries(cells(rows))[0]] == [(False, 1.0), (True, 2.0)]
    assert list(paired_differences(rows)["difference"]) == pytest.approx([-0.4] * 3)
    assert list(association(rows)["stale"]) == [False, True]


def test_holm_by_hand() -> None:
    """Sorted 0.01 0.02 0.03 0.9 times 4 3 2 1: 0.04, 0.06, 0.06 (never less than the one before), 0.9."""
    assert holm(np.array([0.03, 0.9, math.nan, 0.01, 0.02])) == pytest.approx(
        [0.06, 0.9, math.nan, 0.04, 0.06], nan_ok=True
    )
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_holm_is_within_a_task() -> None:
    rows = [
        one
        for task in ("s", "t")
        for name in "abc"
        for one in on(task, name, *np.random.default_rng(ord(name)).normal(size=6))
    ]
    table = paired_differences(rows)
    for _, some in table.groupby("distribution"):
        assert len(some) == 3
        assert some["p_holm"].tolist() == holm(some["p"].to_numpy()).tolist()


def simulated(effect: float, tasks: int, seeds: int) -> pd.DataFrame:
    """Return tests of three estimators whose errors share the sample's and differ in their own; b errs more."""
    rng = np.random.default_rng(6)
    rows = []
    for task in range(tasks):
        shared = rng.normal(size=seeds)
        for name, factor in (("a", 1.0), ("b", 1.0 + effect), ("c", 1.0)):
            rows += on(str(task), name, *(factor * (shared + 0.5 * rng.normal(size=seeds))).tolist())
    return paired_differences(rows)


def test_the_paired_test_keeps_its_level() -> None:
    """600 tasks without any difference, 10 seeds: p < 0.1 in 10% of tests (se 1.2%), some Holm p < 0.1 in at most 10%.

    The 90% interval holds 0 as often as p > 0.1.
    """
    table = simulated(effect=0.0, tasks=600, seeds=10)
    pair = table[(table["estimator_a"] == "a") & (table["estimator_b"] == "b")]
    assert 0.06 <= (pair["p"] < 0.1).mean() <= 0.14
    assert 0.86 <= ((pair["low"] <= 0) & (pair["high"] >= 0)).mean() <= 0.94
    assert (table.groupby("distribution")["p_holm"].min() < 0.1).mean() <= 0.14


def test_the_paired_test_sees_what_there_is() -> None:
    """E|error| is sqrt(2 (1 + 1/4) / pi) for a, and twice that for b: the intervals hold the difference."""
    table = simulated(effect=1.0, tasks=300, seeds=20)
    pair = table[(table["estimator_a"] == "a") & (table["estimator_b"] == "b")]
    expected = -1.0 * math.sqrt(2 * 1.25 / math.pi)
    assert pair["difference"].mean() == pytest.approx(expected, abs=4 * pair["se"].mean() / math.sqrt(300))
    assert 0.83 <= ((pair["low"] <= expected) & (expected <= pair["high"])).mean() <= 0.96
    assert (pair["p_holm"] < 0.1).mean() > 0.8


# ---------------------------------------------------------------------------------------------------------------------
# Association with MI


def curve(truths: list[float], estimates: list[float], **columns: Any) -> list[dict[str, Any]]:
    """Rows of a dependence measure on tasks with these MI, which the rows of another estimator tell."""
    rows = []
    for index, (truth, estimate) in enumerate(zip(truths, estimates, strict=True)):
        task = {"distribution": f"task{index}", **columns}
        measure = {"estimator": "measure", "quantity": "dsmi", "truth": None, "truth_se": None}
        rows += [row(truth, truth=truth, **task), row(estimate, **{**measure, **task})]
    return rows


def judged(rows: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    table = association(rows, **options)
    (found,) = table[table["estimator"] == "measure"].to_dict("records")
    return {str(key): value for key, value in found.items()}


def test_association_by_hand() -> None:
    """Order of estimates 1 3 2 4 on MI 0 1 2 3: Spearman 1 - 6 * 2 / 60, Kendall (5 - 1) / 6; AUC 3 of 3."""
    rows = curve([0.0, 1.0, 2.0, 3.0], [0.1, 0.6, 0.5, 0.7])
    found = judged(rows)
    assert (found["quantity"], found["n"], found["tasks"], found["failures"]) == ("dsmi", 100, 4, 0)
    assert found["spearman"] == pytest.approx(0.8)
    assert found["kendall"] == pytest.approx(4 / 6)
    assert (found["auc"], found["auc_pairs"]) == (1.0, 3)
    # The median is 1.5: slopes (0.6 - 0.1) / 1 below and (0.7 - 0.5) / 1 above.
    assert found["saturation"] == pytest.approx(1 - 0.2 / 0.5)
    # A tie of two estimates, the others in order: tau-b is 5 / sqrt((6 - 1) 6).
    tied = judged(curve([0.0, 1.0, 2.0, 3.0], [0.1, 0.5, 0.5, 0.7]))
    assert tied["kendall"] == pytest.approx(5 / math.sqrt(30))
    exact = association(rows).iloc[0]
    assert (exact["spearman"], exact["kendall"], exact["auc"]) == (pytest.approx(1), pytest.approx(1), 1.0)
    assert exact["saturation"] == pytest.approx(0.0, abs=1e-12)


def test_the_truth_of_another_quantity_is_no_mi() -> None:
    """CS-QMI has a truth of its own, here falling while MI grows; the row of the MI comes later."""
    rows = curve([0.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.4])
    for place, one in enumerate(rows):
        if one["estimator"] == "measure":
            one |= {"truth": -float(place), "truth_se": 0.0}
    assert judged(rows[::-1])["spearman"] == pytest.approx(1.0)
    assert judged([one for one in rows if one["estimator"] == "measure"])["tasks"] == 0


def test_auc_counts_pairs_of_one_size() -> None:
    """At 5 x 5: 0.2 and 0.4 against 0.2 and 0.3, that is a tie, a loss, and two wins: 2.5 of 4; other sizes apart."""
    rows = curve([0.0, 0.0, 1.0, 2.0], [0.2, 0.3, 0.2, 0.4]) + curve([3.0], [-9.0], dim_x=7, distribution="large")
    found = judged(rows)
    assert (found["auc"], found["auc_pairs"]) == (2.5 / 4, 4)
    assert judged(rows + curve([0.0], [-10.0], dim_x=7, distribution="none"))["auc"] == 3.5 / 5
    assert math.isnan(judged(curve([1.0, 2.0], [1.0, 2.0]))["auc"])


def test_saturation_of_what_stops_and_what_falls() -> None:
    truths = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert judged(curve(truths, [0.0, 1.0, 2.0, 2.0, 2.0]))["saturation"] == pytest.approx(1.0)
    assert judged(curve(truths, [0.0, 10.0, 20.0, 10.0, 0.0]))["saturation"] == pytest.approx(2.0)
    assert math.isnan(judged(curve(truths, [2.0, 1.0, 0.0, 1.0, 2.0]))["saturation"])
    assert math.isnan(judged(curve(truths[:2], [0.0, 1.0]))["saturation"])
    assert math.isnan(judged(curve(truths[:2], [0.0, 1.0]))["spearman"])
    assert math.isnan(judged(curve(truths, [1.0] * 5))["kendall"])
    assert math.isnan(judged(curve([1.0] * 3, [0.1, 0.2, 0.3]))["spearman"])
    assert math.isnan(judged(curve(truths, [0.0, 0.0, 0.0, 1.0, 2.0]))["saturation"])  # does not grow at first
    assert judged(curve(truths[:3], [0.0, 2.0, 1.0]))["spearman"] == pytest.approx(0.5)  # three tasks do


def test_the_halves_meet_at_the_median_which_is_of_both() -> None:
    """MI 0 1 2 3 9: the lower half is 0 1 2, of slope 2 where its last estimate is 4; the upper 2 3 9, of slope 1."""
    truths = [0.0, 1.0, 2.0, 3.0, 9.0]
    assert judged(curve(truths, [0.0, 1.0, 4.0, 5.0, 11.0]))["saturation"] == pytest.approx(1 - 1 / 2)
    # Least squares at 2, 3, 9 with the first estimate 3 too large: the slope falls by 3 (14/3 - 2) / (86/3) = 12/43.
    assert judged(curve(truths, [0.0, 0.0, 3.0, 1.0, 7.0]))["saturation"] == pytest.approx(1 - (1 - 12 / 43) / 1.5)


def test_a_truth_certified_to_a_point_is_known() -> None:
    rows = curve([0.0, 1.0, 2.0], [0.1, 0.2, 0.3])
    wide = [{**one, "truth_low": one["truth"], "truth_high": one["truth"]} for one in rows]
    assert (judged(wide)["tasks"], judged(wide)["spearman"]) == (3, pytest.approx(1.0))
    assert judged([{**one, "truth_low": -1.0, "truth_high": 3.0} for one in rows])["tasks"] == 0
    point = {"truth_low": 1.0, "truth_high": 1.0}
    rows = on("s", "a", 0.1, 0.2, **point) + on("s", "b", 0.3, 0.4, **point)
    assert mean_ranks(rows) == {"a": 1, "b": 2}
    assert paired_differences(rows)["difference"].tolist() == [pytest.approx(-0.2)]


def test_the_mi_of_a_task_may_be_given_and_failures_are_counted() -> None:
    rows = [one for one in curve([0.0, 1.0, 2.0], [0.1, 0.2, 0.3]) if one["estimator"] == "measure"]
    rows[2] |= {"status": "timeout", "estimate": None}
    assert judged(rows)["tasks"] == 0
    known = {(f"task{index}", "1", 5, 5): float(index) for index in range(3)}
    found = judged(rows, mi=known)
    assert (found["tasks"], found["failed_tasks"], found["failures"], found["auc"]) == (2, 1, 1, 1.0)
    assert len(association([])) == 0
