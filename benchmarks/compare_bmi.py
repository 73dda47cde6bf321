"""Suite `bmi` against the package that published its tasks: truths, margins and cross moments.

The package lives in an environment of its own, since it needs an old jax:

python3 -m venv bmi-venv && bmi-venv/bin/pip install jax==0.4.33 jaxlib==0.4.33 benchmark-mi
python benchmarks/compare_bmi.py --peer-python bmi-venv/bin/python
"""

from __future__ import annotations

import argparse
import importlib
import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def main() -> None:
    """Draw the other package's samples by its own interpreter, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="interpreter of the environment that has benchmark-mi")
    parser.add_argument("--n", type=int, default=10_000, help="points of each task from either side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dump", type=Path, help="write the other package's samples to this file and stop")
    given = parser.parse_args()
    if given.dump is not None:
        dump(given.dump, given.n, given.seed)
    elif given.peer_python is None:
        parser.error("give --peer-python")
    else:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "peer.npz"
            words = ["--dump", file, "--n", given.n, "--seed", given.seed]
            subprocess.run([given.peer_python, __file__, *map(str, words)], check=True)
            with np.load(file) as peer:
                compare(dict(peer), given.n, given.seed)


def dump(file: Path, n: int, seed: int) -> None:
    """Write truth and sample of each task of the other package; runs in its environment, without mibench."""
    parts: dict[str, Any] = {}
    for index, (name, task) in enumerate(importlib.import_module("bmi.benchmark").BENCHMARK_TASKS.items()):
        x, y = task.sample(n, 1000 * seed + index)  # tasks independent of each other, as below
        parts |= {f"{name}/truth": np.array(float(task.mutual_information))}
        parts |= {f"{name}/x": np.asarray(x, dtype=float), f"{name}/y": np.asarray(y, dtype=float)}
    np.savez(file, **parts)


def compare(peer: dict[str, Array], n: int, seed: int) -> None:
    """Print one line for each task, and the largest differences."""
    from scipy.special import erfcinv

    from mibench import suites

    names = [task.name for task in suites.load("bmi").tasks]
    theirs = {key.partition("/")[0] for key in peer}
    print(f"tasks: {len(names)} here, {len(theirs)} there, {len(theirs & set(names))} with the same id\n")
    print(f"{'task':48} {'truth':>8} {'difference':>10} {'KS':>7} {'p':>7} {'moments':>8}")
    rows = []
    for i, name in enumerate(names):
        if name in theirs:
            row = _row(name, peer, n, np.random.default_rng([seed, i]))
            print(f"{name:48} {row[0]:8.5f} {row[1]:10.1e} {row[2]:7.4f} {row[3]:7.4f} {row[4]:8.2f}")
            rows.append(row)
    _, differences, distances, p_values, z, margins, moments = np.transpose(rows)
    print(f"\nlargest difference of truths            {differences.max():.1e} nats")
    print(f"largest two-sample KS distance          {distances.max():.4f}")
    p, count = p_values.min(), int(margins.sum())
    print(f"smallest p of {count:5} margins             {p:.5f}, times their number {p * count:.2f}")
    count = int(moments.sum())
    limit = math.sqrt(2) * float(erfcinv(0.05 / count))
    print(f"largest z of {count:6} cross moments      {z.max():.2f}, chance exceeds {limit:.2f} in 1 of 20")


def _row(name: str, peer: dict[str, Array], n: int, rng: np.random.Generator) -> tuple[float, ...]:
    from scipy import stats

    from mibench.registry import make_distribution

    law = make_distribution(name)
    truth, drawn = law.ground_truth(), law.sample(n, rng)
    assert truth is not None
    x, y = (np.concatenate([ours, peer[f"{name}/{side}"]]) for side, ours in (("x", drawn.x), ("y", drawn.y)))
    tests = [stats.ks_2samp(column[:n], column[n:]) for column in np.hstack([x, y]).T]
    # Moments of ranks exist whatever the tails; their squares see dependence that is not monotone.
    ranks = [2 * stats.rankdata(block, axis=0) / (2 * n + 1) - 1 for block in (x, y)]
    scores = [
        np.einsum("ni,nj->nij", left, right).reshape(2 * n, -1)
        for left, right in (ranks, [r**2 - 1 / 3 for r in ranks])
    ]
    z = [
        np.abs(score[:n].mean(axis=0) - score[n:].mean(axis=0)) / np.sqrt((score[:n].var(0) + score[n:].var(0)) / n)
        for score in scores
    ]
    return (
        truth.value,
        abs(truth.value - float(peer[f"{name}/truth"])),
        max(float(test.statistic) for test in tests),
        min(float(test.pvalue) for test in tests),
        float(np.concatenate(z).max()),
        len(tests),
        sum(map(len, z)),
    )


if __name__ == "__main__":
    main()
