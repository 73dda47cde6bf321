"""Run what is missing of a plan, and show its scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mibench import display, runner
from mibench.cli import given
from mibench.execution.local import Limits
from mibench.names import estimator_labels
from mibench.plan import Trial
from mibench.progress import ProgressDisplay, say
from mibench.rows.files import to_csv, to_json
from mibench.rows.row import Row
from mibench.rows.store import Store
from mibench.rows.units import in_units
from mibench.scoring import summarise


def run(options: argparse.Namespace) -> int:
    """Run trials and print their scores."""
    request = runner.Request(**given.what(options))
    given.check_out(options)
    given.check_level(options)
    trials, notes, gpu = runner.plan(request)
    for note in notes:
        say(note)
    rows = executed(trials, gpu, options)
    if rows is None:
        return 130
    cells = summarise(rows)
    if options.format == "json":
        trials_out, summary = in_units(rows, options.units), in_units(cells, options.units)
        text = to_json({"units": options.units, "trials": trials_out, "summary": summary})
    elif options.format == "csv":
        text = to_csv(in_units(rows, options.units))
    else:
        text = display.cell_table(in_units(cells, options.units), options.units, given.width(options))
    given.write(text, options)
    without = [row for row in rows if row["interval"] and row["status"] == "ok" and row["low"] is None]
    if without:
        reason = next(text for text in without[0]["warnings"] if text.startswith("no interval"))
        say(f"{len(without)} of {len(rows)} trials have no interval; the first: {reason.removeprefix('no interval: ')}")
    return say_failures(rows)


def executed(trials: Sequence[Trial], gpu: str | None, options: argparse.Namespace) -> list[Row] | None:
    """Run what is missing of the trials and return the rows of all; None after Ctrl-C."""
    store = Store(options.store)
    try:
        with ProgressDisplay() as progress:
            return runner.run_trials(
                trials,
                store,
                limits=Limits(options.jobs, options.timeout, options.memory),
                retry=given.items(options.retry),
                keep_stale=options.keep_stale,
                gpu=gpu,
                watcher=progress,
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
