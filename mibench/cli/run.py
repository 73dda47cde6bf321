"""`mibench run`: run what is missing of a plan, and show its scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mibench import display
from mibench.cli import output
from mibench.cli.execution import add_limits, executed, say_failures
from mibench.cli.options import add_device, add_interval, add_store, add_trials, check_level, trials
from mibench.progress import say
from mibench.rows.files import to_csv, to_json
from mibench.rows.row import Row
from mibench.rows.units import in_units


def add_options(parser: argparse.ArgumentParser) -> None:
    add_trials(parser, suite="core", n="the suite's, else 10000", seeds="the suite's, 5")
    add_limits(parser)
    add_store(parser)
    add_device(parser)
    add_interval(parser)
    output.add_output(parser, ("table", "json", "csv"))


def main(options: argparse.Namespace) -> int:
    """Run trials and print their scores."""
    from mibench.execution.plan import Request, plan

    request = Request(**trials(options))
    output.check_out(options)
    check_level(options)
    planned, notes, gpu = plan(request)
    for note in notes:
        say(note)
    rows = executed(planned, gpu, options)
    if rows is None:
        return 130
    output.write(_text(rows, options), options)
    _say_without_interval(rows)
    return say_failures(rows)


def _text(rows: Sequence[Row], options: argparse.Namespace) -> str:
    from mibench.scoring import summarise

    converted = in_units(rows, options.units)
    if options.format == "csv":
        return to_csv(converted)
    cells = in_units(summarise(rows), options.units)
    if options.format == "json":
        return to_json({"units": options.units, "trials": converted, "summary": cells})
    return display.cell_table(cells, options.units, output.width(options))


def _say_without_interval(rows: Sequence[Row]) -> None:
    without = [row for row in rows if row["interval"] and row["status"] == "ok" and row["low"] is None]
    if without:
        reason = next(text for text in without[0]["warnings"] if text.startswith("no interval"))
        say(f"{len(without)} of {len(rows)} trials have no interval; the first: {reason.removeprefix('no interval: ')}")
