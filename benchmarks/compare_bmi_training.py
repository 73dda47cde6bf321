"""InfoNCE and MINE beside the package that published suite `bmi`, on the same samples: estimates and CPU seconds.

The package lives in an environment of its own, since it needs an old jax:

python3 -m venv bmi-venv && bmi-venv/bin/pip install jax==0.4.33 jaxlib==0.4.33 benchmark-mi
python benchmarks/compare_bmi_training.py --peer-python bmi-venv/bin/python

Both packages use their defaults. Here all seeds of a task train at once, there one after another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from mibench.interface import Context
from mibench.registry import make_distribution, make_estimator

TASKS = ("1v1-normal-0.75", "multinormal-sparse-5-5-2-2.0", "student-identity-2-2-1", "1v1-additive-0.1")
PEERS = {"infonce": "InfoNCEEstimator", "mine": "MINEEstimator"}
PEER = """
import json, sys, time
import numpy as np
import bmi.estimators
file, name, seeds = sys.argv[1], sys.argv[2], int(sys.argv[3])
found = []
with np.load(file) as data:
    for seed, (x, y) in enumerate(zip(data["x"][:seeds], data["y"][:seeds])):
        estimator = getattr(bmi.estimators, name)(verbose=False, seed=seed)
        start = time.process_time()
        value = float(estimator.estimate(x, y))
        found.append((value, time.process_time() - start))
print(json.dumps(found))
"""


def main() -> None:
    """Print a line for each task and estimator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", required=True, help="interpreter of the environment that has benchmark-mi")
    parser.add_argument("--n", type=int, default=10_000, help="points of each sample")
    parser.add_argument("--seeds", type=int, default=10, help="replicas here")
    parser.add_argument("--peer-seeds", type=int, default=1, help="replicas there, on the first of the same samples")
    options = parser.parse_args()
    print(f"{'task':30} {'estimator':8} {'truth':>6} {'here':>14} {'there':>14} {'CPU s a seed':>16} {'ratio':>6}")
    for task in TASKS:
        law = make_distribution(task)
        truth = law.ground_truth()
        assert truth is not None
        samples = [law.sample(options.n, np.random.default_rng(seed)) for seed in range(options.seeds)]
        xs, ys = [sample.x for sample in samples], [sample.y for sample in samples]
        for name, peer in PEERS.items():
            start = time.process_time()
            contexts = [Context(np.random.default_rng(seed), threads=1) for seed in range(options.seeds)]
            batch = make_estimator(name).estimate_batch(xs, ys, contexts)
            values = [estimate.value for _, estimate in batch]
            seconds = (time.process_time() - start) / options.seeds
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "data.npz"
                np.savez(file, x=np.stack(xs), y=np.stack(ys))
                command = [options.peer_python, "-c", PEER, str(file), peer, str(options.peer_seeds)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            theirs, theirs_seconds = np.array(json.loads(done.stdout.splitlines()[-1])).T
            here, there = (
                f"{np.mean(v):.3f}" + (f" ± {np.std(v, ddof=1):.3f}" if len(v) > 1 else "") for v in (values, theirs)
            )
            cost = f"{seconds:.2f} / {theirs_seconds.mean():.1f}"
            ratio = theirs_seconds.mean() / seconds
            print(f"{task:30} {name:8} {truth.value:6.3f} {here:>14} {there:>14} {cost:>16} {ratio:6.1f}", flush=True)


if __name__ == "__main__":
    main()
