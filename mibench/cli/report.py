"""`mibench report`: a report on stored results as one HTML file."""

from __future__ import annotations

import argparse

import mibench
from mibench.cli import output
from mibench.cli.options import add_solved, rule
from mibench.cli.stored import add_selection, environments, selected, today
from mibench.rows import reference


def add_options(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)
    add_solved(parser)
    output.add_units(parser)
    parser.add_argument("--out", metavar="FILE", help="write the report to this file")


def main(options: argparse.Namespace) -> int:
    """Write the report."""
    from mibench.report import page

    output.check_out(options)
    rows = selected(options)
    if options.reference:
        source, ran_on = f"the reference rows of mibench {mibench.__version__}", reference.environments()
    elif options.rows is not None:
        source, ran_on = options.rows, {}
    else:
        source, ran_on = options.store, environments(options.store)
    how = {"units": options.units, "rule": rule(options)}
    output.write(page.page(rows, ran_on, source=source, created=today(), **how), options)
    return 0
