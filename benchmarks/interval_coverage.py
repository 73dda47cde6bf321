"""How often the intervals of `mibench.intervals` hold the truth, and how often the estimator's own expectation.

python benchmarks/interval_coverage.py results/interval_coverage.csv --seeds 200     (a few minutes)

The samples are those of `mibench run` with the same seeds. `coverage` counts the intervals that hold the truth, with
its 95% Wilson interval; `coverage_of_mean` those that hold the mean estimate over all seeds, as they should at `level`
whatever the bias; `error_ratio` is the root mean square of the standard errors over the sd of the estimates; `warned`
is the share of intervals that came with a warning about bias; `cost` is in CPU time of the estimate. There is no row
where the parts are too small for the estimator.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from mibench.interface import Context, Interval
from mibench.intervals import METHODS, with_interval
from mibench.plan import Trial, make_trials, suite_tasks
from mibench.registry import make_estimator

ESTIMATORS = ("cca", "gaussian-copula", "ksg", "kl", "binning")
TASKS = ("gaussian-sparse", "asinh[base=student]", "independent")
LEVELS = (0.9, 0.95)
FIRST_SEED = 0


def main() -> None:
    """Measure, write the CSV file and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--dims", type=int, nargs="*", default=[1, 5])
    given = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    made = [make_estimator(name) for name in ESTIMATORS]
    rows: list[dict[str, Any]] = []
    for dim in given.dims:
        for task in suite_tasks("core", dim, dim)[0]:
            if task.name in TASKS:
                for estimator in made:
                    rows += measure(make_trials([estimator], [task], [given.n], seeds, "cpu"))
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows)
    print("  ".join(rows[0]))
    for row in rows:
        print("  ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))


def measure(trials: list[Trial]) -> Iterator[dict[str, Any]]:
    """Yield a row for each method and level, from trials that differ in their seed only."""
    first = trials[0]
    law = first.task.distribution
    known = law.ground_truth()
    assert known is not None
    truth, values, estimate_s = known.value, np.empty(len(trials)), 0.0
    errors = {method: np.empty(len(trials)) for method in METHODS}
    warned, spent = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    parts = 0
    for index, trial in enumerate(trials):
        sample = law.sample(trial.n, np.random.default_rng(trial.data_seed()))
        start = time.process_time()
        estimate = trial.estimator.estimate(sample.x, sample.y, Context(np.random.default_rng(trial.estimator_seed())))
        estimate_s += time.process_time() - start
        values[index] = estimate.value
        for method in METHODS:
            asked = Interval(method, LEVELS[0])
            context = Context(np.random.default_rng(trial.estimator_seed()), interval=asked)
            start = time.process_time()
            found = with_interval(trial.estimator, estimate, sample.x, sample.y, context)
            spent[method] += time.process_time() - start
            described = found.diagnostics.get("interval", {"standard_error": math.nan, "parts": 0})
            errors[method][index], parts = described["standard_error"], max(parts, described["parts"])
            warned[method] += len(found.warnings) > len(estimate.warnings)
    for method in METHODS:
        # Whether parts can be estimated depends on n and the dimensions, hence is the same for all seeds.
        for level in LEVELS if np.isfinite(errors[method]).all() else ():
            reach = stats.t.isf((1 - level) / 2, parts - 1) * errors[method]
            low, high = wilson(int((np.abs(values - truth) <= reach).sum()), len(values))
            yield {
                "estimator": first.estimator.facts.name,
                "distribution": first.task.name,
                "dim": law.dim_x,
                "n": first.n,
                "method": method,
                "level": level,
                "seeds": len(trials),
                "truth": truth,
                "bias": float(values.mean() - truth),
                "sd": float(values.std(ddof=1)),
                "coverage": float((np.abs(values - truth) <= reach).mean()),
                "coverage_low": low,
                "coverage_high": high,
                "coverage_of_mean": float((np.abs(values - values.mean()) <= reach).mean()),
                "mean_width": float(2 * reach.mean()),
                "error_ratio": float(np.sqrt((errors[method] ** 2).mean()) / values.std(ddof=1)),
                "warned": warned[method] / len(trials) if level == LEVELS[0] else "",
                "cost": spent[method] / estimate_s,
            }


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95% Wilson interval of a share."""
    z, share = 1.96, hits / count
    middle = share + z**2 / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (middle - reach) / (1 + z**2 / count), (middle + reach) / (1 + z**2 / count)


if __name__ == "__main__":
    main()
