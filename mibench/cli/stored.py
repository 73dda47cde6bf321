"""Rows that are there already, in every command that shows some: the options that choose them, and where they ran."""

from __future__ import annotations

import argparse
import contextlib
import datetime
from typing import Any

from mibench.cli.options import add_store, add_trials, level, trials
from mibench.intervals import METHODS
from mibench.progress import say
from mibench.rows.row import Row
from mibench.rows.store import Store


def add_selection(parser: argparse.ArgumentParser) -> None:
    add_trials(parser, suite="every task", n="all", seeds="all")
    parser.add_argument("--keep-stale", action="store_true", help="use rows that other code has made too")
    parser.add_argument(
        "--rows", metavar="FILE", help="take the rows of this file, as export writes it, instead of the store's"
    )
    parser.add_argument(
        "--reference", action="store_true", help="take the rows of all estimators that come with mibench instead"
    )
    add_store(parser)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="rows of this device (default: of any)")
    parser.add_argument("--interval", choices=METHODS, help="rows with this interval (default: with any, or none)")
    parser.add_argument("--level", type=level, metavar="P", help="rows of this nominal coverage (default: any)")


def selected(options: argparse.Namespace) -> list[Row]:
    """Return the rows that the options choose; notes on them are said."""
    from mibench.rows import select

    filters = select.Filters(**trials(options), keep_stale=options.keep_stale)
    rows, notes = select.select(filters, store=options.store, rows_file=options.rows, shipped=options.reference)
    for note in notes:
        say(note)
    return rows


def environments(path: str) -> dict[str, dict[str, Any]]:
    """Return what the rows of a store ran on."""
    with contextlib.closing(Store(path)) as store:
        return store.environments()


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
