"""A user's own data, in every command that reads some: the options for it, and what is said of it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from mibench.cli.options import items
from mibench.owndata import files
from mibench.progress import say
from mibench.registry import estimators, make_estimator

if TYPE_CHECKING:
    import pandas as pd


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the data, and the estimators for them."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="one table (.csv .tsv .parquet .npy .npz), or a file for X and one for Y",
    )
    parser.add_argument(
        "--x", action="append", default=[], metavar="COLUMNS", help="columns of X: names, globs or positions from 0"
    )
    parser.add_argument("--y", action="append", default=[], metavar="COLUMNS", help="columns of Y")
    parser.add_argument("--estimator", action="append", default=[], metavar="SPEC", help="as for run (default ksg)")
    parser.add_argument(
        "--discrete", action="append", default=[], metavar="COLUMNS", help="columns of numbers that are labels"
    )
    parser.add_argument(
        "--missing", choices=("error", "drop"), default="error", help="rows that miss a value (default error)"
    )


def estimators_named(options: argparse.Namespace) -> list[str]:
    specs = [spec for item in items(options.estimator) or ["ksg"] for spec in estimators.specs(item)]
    for spec in specs:
        make_estimator(spec)  # a wrong name is found before the data are read
    return [spec.text for spec in specs]


def read_pair(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    x, y, dropped = files.read_pair(options.files, options.x, options.y, options.discrete, options.missing)
    _say_of_data([x, y], dropped)
    return x, y


def read_columns(options: argparse.Namespace) -> pd.DataFrame:
    table, dropped = files.read_columns(options.files, options.x, options.discrete, options.missing)
    _say_of_data([table], dropped)
    return table


def _say_of_data(tables: Sequence[pd.DataFrame], dropped: int) -> None:
    if dropped:
        say(f"{dropped} of {dropped + len(tables[0])} rows miss a value and are left out")
    if repeated := files.repeated_rows(*tables):
        say(repeated)
    few = [name for table in tables for name in files.few_valued(table)]
    if few:
        names = ",".join(dict.fromkeys(few))
        say(f"few distinct numbers are taken as continuous in {names}; --discrete {names} makes them labels")
    for line in dict.fromkeys(line for table in tables for line in files.mostly_distinct(table)):
        say(line)


def prints_on_stderr() -> contextlib.redirect_stdout[TextIO]:
    """What an estimator prints is no part of the answer."""
    return contextlib.redirect_stdout(sys.stderr)
