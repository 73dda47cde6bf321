"""CPU seconds of `ksg` against the number of points and of columns, beside k-d trees of scikit-learn.

    python benchmarks/neighbor_cost.py results

writes neighbor_cost.csv and figures/neighbor-cost.png there. A point is left out where it would take over a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import digamma
from sklearn.neighbors import KDTree, NearestNeighbors

from mibench.interface import Array, Context
from mibench.registry import make_estimator
from mibench.report.figures import BLUE, COLUMN, ORANGE, STYLE, save

K, LIMIT, REPEATS = 3, 60.0, 3


def main() -> None:
    """Measure, write the table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the table and the picture go")
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000, 100_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[1, 2, 3, 5, 10, 20, 50])
    options = parser.parse_args()
    rows = []
    for dim in options.dims:
        per_pair = dict.fromkeys(METHODS, 0.0)
        for n in sorted(options.n):
            rng = np.random.default_rng([n, dim])
            x = rng.standard_normal((n, dim))
            y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
            for name, method in METHODS.items():
                # Costs grow at most with the square of n.
                if per_pair[name] * n**2 > LIMIT:
                    continue
                seconds = cpu_seconds(method, x, y)
                per_pair[name] = seconds / n**2
                rows.append({"method": name, "n": n, "dim": dim, "cpu_seconds": round(seconds, 5)})
                print(f"{name:13} n = {n:7} {dim:3} x {dim:<3} {seconds:9.4f} s", file=sys.stderr)
    table = pd.DataFrame(rows)
    (options.folder / "figures").mkdir(parents=True, exist_ok=True)
    table.to_csv(options.folder / "neighbor_cost.csv", index=False)
    draw(table, options.folder / "figures" / "neighbor-cost.png")


def ksg(x: Array, y: Array) -> float:
    """Ours."""
    return make_estimator("ksg", k=K).estimate(x, y, Context()).value


def scikit_learn(x: Array, y: Array) -> float:
    """The way of scikit-learn's `mutual_info_regression`, for any number of columns."""
    finder = NearestNeighbors(metric="chebyshev", n_neighbors=K).fit(np.hstack([x, y]))
    radii = np.nextafter(finder.kneighbors()[0][:, -1], 0)
    counts = [KDTree(block, metric="chebyshev").query_radius(block, radii, count_only=True) for block in (x, y)]
    return float(digamma(K) + digamma(len(x)) - np.mean(digamma(counts[0]) + digamma(counts[1])))


METHODS: dict[str, Callable[[Array, Array], float]] = {"mibench": ksg, "scikit-learn": scikit_learn}


def cpu_seconds(method: Callable[[Array, Array], float], x: Array, y: Array) -> float:
    """The least of a few runs; of one, where it takes long."""
    best = np.inf
    for _ in range(REPEATS):
        start = time.process_time()
        method(x, y)
        best = min(best, time.process_time() - start)
        if best > 1:
            break
    return best


def draw(table: pd.DataFrame, path: Path) -> None:
    """One panel for each number of columns: seconds against n, both logarithmic."""
    dims = sorted(table["dim"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2 * COLUMN, 1.7), layout="constrained", dpi=200)
        for axis, dim in zip(np.ravel(figure.subplots(1, len(dims), sharex=True, sharey=True)), dims, strict=True):
            for name, color, marker in (("mibench", BLUE, "o"), ("scikit-learn", ORANGE, "s")):
                line = table[(table["method"] == name) & (table["dim"] == dim)]
                axis.loglog(line["n"], line["cpu_seconds"], color=color, marker=marker, ms=2.5, lw=1, label=name)
            axis.set_title(f"{dim} × {dim}")
        figure.axes[0].legend(frameon=False)
        figure.supxlabel("points", fontsize=7)
        figure.supylabel("CPU seconds", fontsize=7)
        save(figure, path)


if __name__ == "__main__":
    main()
