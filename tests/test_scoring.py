"""Cells computed by hand; failures count, and different trials never share a cell."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest

from mibench.display import to_json
from mibench.scoring import summarise

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


def score(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (cell,) = summarise(rows)
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
    rows = [failed(status), row(1.5), row(0.7), failed(status)]
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
    hits = 0
    for _ in range(200):
        errors, oracle_errors = 2 * rng.standard_normal(20), rng.standard_normal(20)
        pairs = zip(errors.tolist(), oracle_errors.tolist(), strict=True)
        rows = [row(1 + error, oracle=1 + oracle_error) for error, oracle_error in pairs]
        cell = score(rows)
        assert cell["efficiency_low"] < cell["efficiency"] < cell["efficiency_high"]
        hits += cell["efficiency_low"] <= 0.5 <= cell["efficiency_high"]
    assert score(rows) == score(rows)
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
    ],
)
def test_cells_never_mix(change: dict[str, Any]) -> None:
    rows = [row(1.0), row(2.0, **change), row(1.5)]
    first, second = summarise(rows)
    assert (first["mean"], first["trials"]) == (1.25, 2)
    assert (second["mean"], second["trials"]) == (2.0, 1)
    (name, value) = next(iter(change.items()))
    assert second[name] == value


def test_intervals_of_two_levels_never_mix() -> None:
    asked = {"interval": "subsample", "low": 0.9}
    rows = [row(1.0, level=level, high=0.9 + level, **asked) for level in (0.9, 0.5, 0.9)]
    assert [(cell["level"], cell["intervals"], cell["mean_width"]) for cell in summarise(rows)] == [
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
    assert [(cell["estimator"], cell["n"]) for cell in summarise(rows)] == [
        (name, n) for name in ("b", "a") for n in (300, 100, 200)
    ]
    assert summarise([]) == []


def test_estimates_that_diverged_give_no_infinite_score() -> None:
    cell = score([row(1e200, oracle=1.1), row(-1e300, oracle=0.9)])
    assert cell["rmse"] is None
    assert cell["mae"] == pytest.approx(5e299)
    to_json(cell)
