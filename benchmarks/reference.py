"""The reference rows: runs what `reference.toml` names, and writes results/reference, which ships with mibench.

python benchmarks/reference.py               run what is missing; Ctrl-C stops it, the same command goes on
python benchmarks/reference.py --status      how much of each run is in the store
python benchmarks/reference.py --export      write what is in the store so far

Rows are kept in results/reference.sqlite. What is exported leaves out learning curves and warnings, and rows of other
versions of an estimator or a distribution than those that are here.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mibench import runner
from mibench.execution.local import Limits
from mibench.progress import ProgressDisplay, say
from mibench.registry import estimators
from mibench.rows import files, reference, select
from mibench.rows.row import Row, params_text
from mibench.rows.store import Store

ROOT = Path(__file__).parents[1]
# What scores, selection and reports read.
COLUMNS = ("estimator", "params", "estimator_version", "code", "distribution", "distribution_version", "dim_x", "dim_y",
           "n", "seed", "status", "estimate", "low", "high", "level", "interval", "quantity", "bound", "truth",
           "truth_low", "truth_high", "truth_se", "truth_method", "oracle", "wall_s", "cpu_s", "device", "error_type",
           "error_text", "created_utc", "environment")  # fmt: skip
ORDER = ("distribution", "dim_x", "dim_y", "n", "params", "device", "interval", "level", "seed")
SECONDS = ("wall_s", "cpu_s")  # no clock deserves more than four digits, which are most of the bytes


def main() -> int:
    """Run, count or export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, default=Path(__file__).with_suffix(".toml"), help="what is run")
    parser.add_argument("--store", type=Path, default=ROOT / "results/reference.sqlite")
    parser.add_argument("--jobs", type=int, help="trials at once (default: one a core)")
    parser.add_argument("--keep-stale", action="store_true", help="keep rows of other code but of the same versions")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="count what is in the store")
    what.add_argument("--export", action="store_true", help="write the files of rows")
    parser.add_argument("--folder", type=Path, default=ROOT / "results/reference", help="where --export writes")
    given = parser.parse_args()
    if given.export:
        export(given.store, given.folder)
        return 0
    plan = tomllib.loads(given.plan.read_text(encoding="utf-8"))
    try:
        for entry in plan["runs"]:
            run(entry, plan["costly"], given)
    except KeyboardInterrupt:
        say("stopped; the same command goes on")
        return 130
    return 0


def run(entry: Mapping[str, Any], costly: Sequence[str], given: argparse.Namespace) -> None:
    """Run what is missing of one run of the plan, or count it."""
    everyone = sorted(estimators.entries())
    quick = [name for name in everyone if name not in costly]
    request = runner.Request(
        estimators={"quick": quick, "costly": costly, "all": everyone}[entry["of"]],
        suites=[entry["suite"]],
        dim_x=entry.get("dim"),
        dim_y=entry.get("dim"),
        n=[entry["n"]],
        seeds=entry["seeds"],
        device="cpu",
    )
    trials, _, gpu = runner.plan(request)
    title = " ".join(f"{key} {value}" for key, value in entry.items())
    store = Store(given.store)
    try:
        if given.status:
            found = store.latest(trial.run_key for trial in trials)
            stale = sum(found[trial.run_key]["code"] != trial.code for trial in trials if trial.run_key in found)
            print(f"{len(found):6} of {len(trials):6}, {stale} of other code: {title}")
            return
        say(title)
        with ProgressDisplay() as progress:
            limits = Limits(given.jobs, entry.get("timeout", 3600.0))
            rows = runner.run_trials(
                trials, store, limits=limits, keep_stale=given.keep_stale, gpu=gpu, watcher=progress
            )
        say(", ".join(f"{count} {status}" for status, count in Counter(row["status"] for row in rows).most_common()))
    finally:
        store.close()


def export(path: Path, folder: Path) -> None:
    """Write the rows of a store: the same rows give the same bytes."""
    store = Store(path)
    latest, environments = list(store.latest().values()), store.environments()
    store.close()
    other = select.of_other_versions(latest)
    rows = [row for row, left_out in zip(latest, other, strict=True) if not left_out]
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.csv.gz"), *folder.glob(reference.ENVIRONMENTS)]:
        old.unlink()
    size = 0
    names = sorted(
        {row["estimator"] for row in rows if row["status"] != "skipped"}
    )  # what can run nowhere tells nothing
    rows = [row for row in rows if row["estimator"] in names]
    for name in names:
        own = sorted((row for row in rows if row["estimator"] == name), key=_place)
        data = files.encoded([_compact(row) for row in own], "csv", compressed=True)
        (folder / f"{name}.csv.gz").write_bytes(data)
        size += len(data)
    # The command holds the paths of somebody's machine; this script is the command.
    used = sorted({row["environment"] for row in rows})
    described = {key: {name: value for name, value in environments[key].items() if name != "command"} for key in used}
    (folder / reference.ENVIRONMENTS).write_text(
        json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    left = f"; {sum(other)} of other versions are left out" if any(other) else ""
    print(f"{len(rows)} rows of {len(names)} estimators, {size / 2**20:.2f} MiB{left}")


def _place(row: Row) -> tuple[tuple[bool, Any], ...]:
    """Sort key of a row; None comes last."""
    values: dict[str, Any] = {**row, "params": params_text(row["params"])}
    return tuple((values[name] is None, values[name]) for name in ORDER)


def _compact(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {**row}
    for name in SECONDS:
        if values[name] is not None:
            values[name] = float(f"{values[name]:.4g}")
    return {name: values[name] for name in COLUMNS}


if __name__ == "__main__":
    sys.exit(main())
