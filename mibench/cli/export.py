"""`mibench export`: the stored rows, written to a file."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from mibench import display
from mibench.cli import output
from mibench.cli.options import add_store
from mibench.interface import InputError
from mibench.rows import files
from mibench.rows.store import Store
from mibench.rows.units import in_units


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all-attempts", action="store_true", help="earlier attempts of retried trials too")
    add_store(parser)
    output.add_output(parser, ("csv", "json", "parquet"))


def main(options: argparse.Namespace) -> int:
    """Write the rows as they are."""
    output.check_out(options)
    if not Path(options.store).exists():
        raise InputError(f"there is no store {options.store}; `mibench run` makes one, --store names another")
    if options.format == "parquet" and not options.out:
        raise InputError("--format parquet needs --out FILE")
    with contextlib.closing(Store(options.store)) as store:
        rows = store.rows() if options.all_attempts else list(store.latest().values())
    shown = in_units(rows, options.units)
    if options.out is None:
        output.write(files.to_json(shown) if options.format == "json" else files.to_csv(shown), options)
    else:
        content = files.encoded(shown, options.format, compressed=options.out.endswith(".gz"))
        display.write_file(Path(options.out), content)
    return 0
