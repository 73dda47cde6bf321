"""From rows to scores: one cell for each estimator, task, n and version, computed from the raw rows.

Bias is reported only against the truth of the quantity that is estimated. Trials that failed are counted in every cell
and averaged in none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mibench.interface import Array
from mibench.store import plain

CELL = (
    "estimator", "params", "estimator_version", "distribution", "distribution_version", "dim_x", "dim_y", "n", "device",
    "interval",
)  # fmt: skip
_BOOTSTRAP = 1000
_ROUNDING = 1e-12  # nats: at independence the oracle errs by no more than rounding


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Score rows cell by cell, in the order in which the cells first appear.

    Attributes of a cell, in nats: `mean`, `bias` = mean - truth with `bias_se` (the truth's own error included), `sd`
    over seeds (with n - 1), `rmse`, `mae`, `oracle_rmse` (of the mean pointwise MI on the same samples), `efficiency` =
    oracle_rmse / rmse with its 90% bootstrap interval over seeds, `median_wall_s`; of its `intervals` (their number) at
    the nominal `level` the `coverage`, the share that holds the truth, and `mean_width`.
    What cannot be computed is None: bias without a truth, sd of one trial, efficiency at exact independence.
    """
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        asked = row["level"] if row["interval"] is not None else None  # an estimator's own level is no choice of cells
        key = (asked, *(json.dumps(row[name], sort_keys=True) for name in CELL))
        cells.setdefault(key, []).append(row)
    with np.errstate(over="ignore"):  # the square of a diverged estimate: not finite, hence None
        return [plain(_score(cell)) for cell in cells.values()]


def _score(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    ok = [row for row in rows if row["status"] == "ok"]
    cell: dict[str, Any] = {name: rows[0][name] for name in CELL}
    cell |= {"quantity": rows[0]["quantity"], "trials": len(rows), "ok": len(ok)}
    statuses = [row["status"] for row in rows]
    cell["failures"] = {status: statuses.count(status) for status in dict.fromkeys(statuses) if status != "ok"}
    levels = [row["level"] for row in rows if row["level"] is not None]
    bounds = [(row["low"], row["high"]) for row in ok if row["low"] is not None and row["high"] is not None]
    cell |= {"level": levels[0] if levels else None, "intervals": len(bounds)}
    names = ("truth", "truth_se", "mean", "bias", "bias_se", "sd", "rmse", "mae", "oracle_rmse", "efficiency",
             "efficiency_low", "efficiency_high", "coverage", "mean_width", "median_wall_s",
             "median_cpu_s")  # fmt: skip
    cell |= dict.fromkeys(names)
    known = next((row for row in rows if row["truth"] is not None), None)
    if known is not None:
        cell |= {"truth": known["truth"], "truth_se": known["truth_se"]}
    if not ok:
        return cell
    estimates = np.array([row["estimate"] for row in ok])
    cell["mean"] = float(estimates.mean())
    cell["sd"] = float(estimates.std(ddof=1)) if len(ok) > 1 else None
    cell["median_wall_s"] = float(np.median([row["wall_s"] for row in ok]))
    cell["median_cpu_s"] = float(np.median([row["cpu_s"] for row in ok]))
    cell["mean_width"] = float(np.mean([high - low for low, high in bounds])) if bounds else None
    if known is None:
        return cell
    truth, truth_se = known["truth"], known["truth_se"]
    errors = estimates - truth
    cell["bias"] = float(errors.mean())
    if len(ok) > 1:
        cell["bias_se"] = math.hypot(float(errors.std(ddof=1)) / math.sqrt(len(ok)), truth_se)
    cell["rmse"] = _rms(errors)
    cell["mae"] = float(np.abs(errors).mean())
    cell["coverage"] = float(np.mean([low <= truth <= high for low, high in bounds])) if bounds else None
    if all(row["oracle"] is not None for row in ok):
        oracle_errors = np.array([row["oracle"] for row in ok]) - truth
        cell["oracle_rmse"] = _rms(oracle_errors)
        if cell["oracle_rmse"] > _ROUNDING and cell["rmse"] > 0:
            cell["efficiency"] = cell["oracle_rmse"] / cell["rmse"]
            if len(ok) > 1:
                cell["efficiency_low"], cell["efficiency_high"] = _bootstrap_ratio(oracle_errors, errors)
    return cell


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _bootstrap_ratio(oracle_errors: Array, errors: Array) -> tuple[float, float]:
    """Return the 5% and 95% quantile of oracle RMSE / RMSE over resampled seeds."""
    rng = np.random.default_rng(0)  # the same rows give the same table
    picks = rng.integers(len(errors), size=(_BOOTSTRAP, len(errors)))
    oracle_square, square = (oracle_errors[picks] ** 2).mean(axis=1), (errors[picks] ** 2).mean(axis=1)
    ratios = np.sqrt(oracle_square[square > 0] / square[square > 0])
    low, high = np.quantile(ratios, [0.05, 0.95])
    return float(low), float(high)
