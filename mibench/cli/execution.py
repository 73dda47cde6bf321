"""How trials run, in every command that runs some: the options, the progress, and what failed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mibench.cli.options import items, memory, positive, whole
from mibench.names import estimator_labels
from mibench.progress import ProgressDisplay, say
from mibench.rows.row import Row
from mibench.rows.store import Store

if TYPE_CHECKING:
    from mibench.execution.plan import Trial


def add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=whole(1), metavar="J", help="trials at once (default: one a core, at most 8)")
    parser.add_argument(
        "--timeout", type=positive, default=3600.0, metavar="SECONDS", help="limit of time for a trial (default 3600)"
    )
    parser.add_argument(
        "--memory",
        type=memory,
        metavar="SIZE",
        help="limit of memory for a trial, such as 4G (default: 80%% of all memory, shared by the jobs)",
    )
    parser.add_argument(
        "--retry",
        action="append",
        default=[],
        metavar="STATUS",
        help="run stored trials of this status again: timeout,crash,error,...",
    )
    parser.add_argument("--keep-stale", action="store_true", help="keep stored rows that other code has made")


def executed(trials: Sequence[Trial], gpu: str | None, options: argparse.Namespace) -> list[Row] | None:
    """Run what is missing of the trials and return the rows of all; None after Ctrl-C."""
    from mibench.execution.runner import run_trials
    from mibench.execution.work import Limits

    store = Store(options.store)
    try:
        with ProgressDisplay() as progress:
            return run_trials(
                trials,
                store,
                limits=Limits(options.jobs, options.timeout, options.memory),
                retry=items(options.retry),
                keep_stale=options.keep_stale,
                gpu=gpu,
                progress=progress,
            )
    except KeyboardInterrupt:
        kept = len(store.latest(trial.run_key for trial in trials))
        say(f"mibench: interrupted; {kept} of {len(trials)} trials are in {options.store}")
        say("the same command runs the rest")
        return None
    finally:
        store.close()


def say_failures(rows: Sequence[Row]) -> int:
    """Say which trials failed; returns the exit code."""
    failed = [row for row in rows if row["status"] not in ("ok", "skipped")]
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row, label in zip(failed, estimator_labels(failed), strict=True):
        alike.setdefault((label, row["status"], _reason(row)), []).append(row)
    for (label, status, why), (row, *others) in list(alike.items())[:5]:
        more = f" (and {len(others)} more trial{'s' * (len(others) > 1)})" if others else ""
        say(f"{status}: {label} on {row['distribution']}, n = {row['n']}, seed {row['seed']}{more}: {why}")
    if failed:
        retry = ",".join(sorted({row["status"] for row in failed}))
        say(f"{len(failed)} of {len(rows)} trials failed; --retry {retry} runs them again")
    return 1 if failed else 0


def _reason(row: Row) -> str:
    """Why a trial failed, in a line."""
    # The type of an exception tells what a text such as 'k' means; other failures are named by their status.
    kind = row["error_type"] or ""
    named = "" if kind in ("", "InputError", row["status"]) else f"{kind}: "
    why = row["error_text"] or "the estimate is no finite number"  # of a row that was stored without a reason
    return f"{named}{' '.join(why.split())}"
