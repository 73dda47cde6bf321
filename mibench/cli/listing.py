"""`mibench list`: what there is."""

from __future__ import annotations

import argparse

from mibench import listing
from mibench.cli import output
from mibench.cli.options import add_size, items, size
from mibench.rows.files import to_csv, to_json


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("estimators", "distributions", "tasks", "suites"), help="what to list")
    parser.add_argument(
        "--suite", action="append", default=[], metavar="NAME", help="suites whose tasks are listed (default all)"
    )
    add_size(parser)
    output.add_output(parser, ("table", "json", "csv"), units=False)


def main(options: argparse.Namespace) -> int:
    """Print a list."""
    output.check_out(options)
    records = listing.records(options.what, items(options.suite), **size(options))
    if options.format == "json":
        text = to_json(records)
    elif options.format == "csv":
        text = to_csv(records)
    else:
        text = listing.as_table(options.what, records, output.width(options))
    output.write(text, options)
    return 0
