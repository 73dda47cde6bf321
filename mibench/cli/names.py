"""What there is: lists, and the description of one."""

from __future__ import annotations

import argparse
from pathlib import Path

from mibench import listing
from mibench.cli import given
from mibench.rows.files import to_csv, to_json


def list_all(options: argparse.Namespace) -> int:
    """Print a list."""
    given.check_out(options)
    records = listing.records(options.what, given.items(options.suite), **given.size(options))
    if options.format == "json":
        text = to_json(records)
    elif options.format == "csv":
        text = to_csv(records)
    else:
        text = listing.as_table(options.what, records, given.width(options))
    given.write(text, options)
    return 0


def show(options: argparse.Namespace) -> int:
    """Describe one object, and draw it where that is asked."""
    found = listing.find(options.name)
    if options.plot is not None:
        listing.plot(found, Path(options.plot), options.name)
    given.write(listing.bibtex(found) if options.bibtex else listing.describe(found), options)
    return 0
